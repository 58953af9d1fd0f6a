//! Changes of constraints, of the columns that they speak of, and of prices.

use kantor::theory::statement::CONSTRAINED;
use serde_json::{Value, json};

use super::forge::{Forge, set};

/// All of them, of certificates that have constraints.
pub(super) fn all(forge: &mut Forge) {
    if forge.good["problem"].get("constraints").is_none() {
        return;
    }
    columns(forge);
    limits(forge);
    rows(forge);
    prices(forge);
    forge.forge("claims of subsets that obey for all subsets", |tree| {
        tree["problem"].as_object_mut()?.remove("constraints");
        tree["evidence"].as_object_mut()?.remove("prices");
        let convention = tree["problem"]["convention"].as_str()?.strip_suffix(CONSTRAINED)?.to_owned();
        set(tree, "/problem/convention", json!(convention))
    });
    forge.forge("constraints of which the convention does not speak", |tree| {
        let convention = tree["problem"]["convention"].as_str()?.strip_suffix(CONSTRAINED)?.to_owned();
        set(tree, "/problem/convention", json!(convention))
    });
}

fn columns(forge: &mut Forge) {
    let place = "/problem/constraints/columns";
    let columns = forge.good.pointer(place).unwrap().as_array().unwrap().clone();
    for (at, column) in columns.iter().enumerate() {
        let of = |key: &str| format!("{place}/{at}/{key}");
        let digest = column["blake3"].as_str().unwrap();
        let flipped = format!("{}{}", &digest[..63], if digest.ends_with('0') { "1" } else { "0" });
        for other in ["", &digest.to_uppercase(), &digest[..32], &format!("{digest} "), &flipped] {
            forge.put(&of("blake3"), json!(other));
        }
        for name in ["", "Source", "source ", "tokens2", "\u{1b}[2J"] {
            forge.put(&of("name"), json!(name));
        }
        for origin in ["", "no-such-file", "/dev/zero", "\u{1b}[32mverified\u{202e}\n"] {
            let change = |tree: &mut Value| set(tree, &of("origin"), json!(origin));
            forge.remark(&format!("column {at} read from `{}`", origin.escape_default()), change);
        }
        forge.remark(&format!("column {at} read from nowhere"), |tree| set(tree, &of("origin"), Value::Null));
        forge.put(&of("origin"), json!(1));
        forge.put(&format!("{place}/{at}"), columns[1 - at].clone());
    }
    forge.put(place, json!([columns[1], columns[0]]));
    forge.put(place, json!(columns[..1]));
    forge.put(place, json!([columns[0], columns[1], columns[1]]));
    forge.put(place, json!([]));
}

fn limits(forge: &mut Forge) {
    let place = "/problem/constraints/limits";
    let limits = forge.good.pointer(place).unwrap().as_array().unwrap().clone();
    for (at, limit) in limits.iter().enumerate() {
        let of = |key: &str| format!("{place}/{at}/{key}");
        // What the subset breaks, and what allows more than the prices bound.
        let max = limit["max"].as_f64().unwrap();
        for other in [max - 2.0, -1.0, -0.5, 1e308, max + 1e6] {
            // The price of the last limit is of its lower end.
            if at < 3 || other < 1.0 {
                forge.put(&of("max"), json!(other));
            }
        }
        if at < 3 {
            forge.put(&of("max"), json!(max + 1.0));
            forge.put(&of("max"), Value::Null);
        }
        for min in [json!(max + 1.0), json!(1e308), json!(-1.0), json!("1")] {
            forge.forge(&format!("limit {at} from {min}"), |tree| set(tree, &of("min"), min));
        }
        for of_what in
            [json!("Each"), json!({"each": null}), json!({"label": 1}), json!({}), json!("label"), json!(null)]
        {
            forge.put(&of("of"), of_what);
        }
        for other in [json!("each"), json!("sum"), json!({"label": "books"}), json!({"label": "web "})] {
            if other != limit["of"] {
                forge.put(&of("of"), other);
            }
        }
        for column in [1 - limit["column"].as_u64().unwrap(), 2, u64::MAX] {
            forge.put(&of("column"), json!(column));
        }
        forge.forge(&format!("limit {at} left out"), |tree| {
            tree.pointer_mut(place)?.as_array_mut().map(|all| drop(all.remove(at)))
        });
        forge.remark(&format!("limit {at} twice"), |tree| {
            tree.pointer_mut(place)?.as_array_mut().map(|all| all.push(all[at].clone()))
        });
    }
    forge.put(place, json!([]));
    forge.forge("limits in another order", |tree| {
        tree.pointer_mut(place)?.as_array_mut()?.reverse();
        Some(())
    });
}

fn rows(forge: &mut Forge) {
    let subset: Vec<u64> = forge.good["subset"].as_array().unwrap().iter().map(|row| row.as_u64().unwrap()).collect();
    for list in ["include", "exclude"] {
        let place = format!("/problem/constraints/{list}");
        for rows in [json!([9, 4]), json!([4, 4]), json!([10]), json!([u64::MAX]), json!([-1]), json!([9.0]), json!(9)]
        {
            forge.put(&place, rows);
        }
    }
    for row in [1, 2, 4] {
        forge.put("/problem/constraints/include", json!([row, 5]));
    }
    for row in subset {
        forge.put("/problem/constraints/exclude", json!([row]));
    }
    // That is said of fewer subsets.
    forge.remark("more rows excluded", |tree| {
        let rows = tree.pointer_mut("/problem/constraints/exclude")?.as_array_mut()?;
        let more = [1, 4, 6, 9].map(Value::from);
        rows.extend(more);
        rows.sort_unstable_by_key(Value::as_u64);
        rows.dedup();
        Some(())
    });
    for (at, row) in [(0, 1), (1, 3), (2, 4), (2, 6)] {
        forge.put(&format!("/subset/{at}"), json!(row));
    }
}

fn prices(forge: &mut Forge) {
    let prices = forge.good.pointer("/evidence/prices").unwrap().as_array().unwrap().clone();
    let upper = forge.number("/distance/upper").unwrap();
    for (at, price) in prices.iter().enumerate() {
        let of = |key: &str| format!("/evidence/prices/{at}/{key}");
        for limit in [4, 1 << 32, u64::MAX] {
            forge.put(&of("limit"), json!(limit));
        }
        for label in ["web", "", "books", "böoks 2"] {
            forge.forge(&format!("price {at} of label `{label}`"), |tree| {
                (price.get("label").is_none() || label != "web").then_some(())?;
                set(tree, &of("label"), json!(label))
            });
        }
        if price.get("label").is_some() {
            forge.put(&of("label"), Value::Null);
        } else {
            forge.remark(&format!("price {at}: label null"), |tree| set(tree, &of("label"), Value::Null));
        }
        // Rows that must be chosen pay any price and get it back.
        for other in [1e6, -1e6, 1e300, -1e300, f64::MAX, f64::MIN].into_iter().filter(|_| at < 3) {
            forge.put(&of("price"), json!(other));
        }
        // Prices so large that all else is lost beside them: neither rounding nor what a checker allows for it may turn that
        // into a claim.
        for far in [1e16, -1e16, 1e30, 1e300] {
            forge.forge(&format!("price {at} = {far} and a claim to match"), |tree| {
                tree["distance"]["upper"] = json!(3.0 * upper.abs() + 2.0);
                tree["evidence"]["prices"][at]["price"] = json!(far);
                set(tree, "/best/lower", json!(2.0 * upper.abs() + 1.0))
            });
        }
        forge.put(&of("price"), Value::Null);
    }
    forge.put("/evidence/prices", Value::Null);
    forge.put("/evidence/prices", json!({}));
    forge.remark("prices in another order", |tree| {
        tree["evidence"]["prices"].as_array_mut()?.reverse();
        Some(())
    });
    forge.forge("prices without a claim", |tree| {
        tree["evidence"]["best_potentials"] = Value::Null;
        tree["evidence"].as_object_mut()?.remove("witness");
        tree["evidence"].as_object_mut()?.remove("shift");
        set(tree, "/best", Value::Null)
    });
}
