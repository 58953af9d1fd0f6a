//! Changes of what the claims rest on: plan, potentials, witness, shift.

use serde_json::{Value, json};

use super::forge::{Forge, set};

pub(super) fn plan(forge: &mut Forge) {
    let Some(plan) = forge.good["evidence"]["plan"].as_object().cloned() else { return };
    let column =
        |key: &str| -> Vec<u64> { plan[key].as_array().unwrap().iter().map(|x| x.as_u64().unwrap()).collect() };
    let (position, query, mass) = (column("position"), column("query"), column("mass"));
    let (k, m) =
        (forge.good["problem"]["budget"].as_u64().unwrap(), forge.good["problem"]["queries"].as_u64().unwrap());
    let whole = |p: &[u64], q: &[u64], x: &[u64]| json!({"position": p, "query": q, "mass": x});
    let mut offer = |p: &[u64], q: &[u64], x: &[u64]| forge.put("/evidence/plan", whole(p, q, x));
    offer(&[], &[], &[]);
    offer(&position[1..], &query[1..], &mass[1..]);
    offer(&position, &query, &mass[1..]);
    offer(&position, &query[1..], &mass);
    offer(&position, &query, &[&mass[..], &[1]].concat());
    let first = |x: u64, column: &[u64]| [&[x], &column[1..]].concat();
    for x in [0, 1 << 63, u64::MAX, mass[0] + mass[0] / 2 + 1] {
        offer(&position, &query, &first(x, &mass));
    }
    offer(&first(k, &position), &query, &mass);
    offer(&first(u64::MAX, &position), &query, &mass);
    offer(&position, &first(m, &query), &mass);
    offer(&position, &first((query[0] + 1) % m, &query), &mass);
    let reversed = |column: &[u64]| -> Vec<u64> { column.iter().rev().copied().collect() };
    offer(&reversed(&position), &reversed(&query), &reversed(&mass));
    offer(&reversed(&position), &query, &mass);
    offer(&position, &vec![query[0]; query.len()], &mass);
    // One entry in two halves, and one of no mass.
    let twice = |column: &[u64]| [&column[..1], column].concat();
    let doubled: Vec<u64> = mass.iter().map(|x| 2 * x).collect();
    offer(&twice(&position), &twice(&query), &[&[mass[0], mass[0]], &doubled[1..]].concat());
    offer(&twice(&position), &first((query[0] + 1) % m, &twice(&query)), &first(0, &twice(&mass)));
    // Every row sends and every query receives too much by a multiple of 2^64, in entries that each fit.
    let (mut p, mut q, mut x) = (Vec::new(), Vec::new(), Vec::new());
    for (row, to) in (0..k).flat_map(|row| (0..m).map(move |to| (row, to))) {
        let given: u64 = (0..mass.len()).filter(|&e| (position[e], query[e]) == (row, to)).map(|e| mass[e]).sum();
        let more = if row < 2 && to < 2 { 1 << 63 } else { 0 };
        if given + more > 0 {
            p.push(row);
            q.push(to);
            x.push(given + more);
        }
    }
    if x.iter().filter(|&&x| x >= 1 << 63).count() == 4 {
        offer(&p, &q, &x);
    }
    if mass.iter().all(|&x| x < 1 << 20) {
        for factor in [2, 1 << 40] {
            let scaled: Vec<u64> = mass.iter().map(|x| factor * x).collect();
            forge.remark(&format!("masses times {factor}"), |tree| {
                set(tree, "/evidence/plan", whole(&position, &query, &scaled))
            });
        }
    }
}

pub(super) fn potentials(forge: &mut Forge) {
    let (lower, upper) = (forge.number("/distance/lower").unwrap(), forge.number("/distance/upper").unwrap());
    for (key, claim) in [("distance_potentials", "/distance/lower"), ("best_potentials", "/best/lower")] {
        let place = format!("/evidence/{key}");
        let Some(g) = forge.good.pointer(&place).and_then(Value::as_array).cloned() else { continue };
        let g: Vec<f64> = g.iter().map(|x| x.as_f64().unwrap()).collect();
        let claimed = forge.number(claim).unwrap();
        let moved = |by: f64| -> Vec<f64> { g.iter().map(|x| x + by).collect() };
        for j in 0..g.len() {
            let mut one = g.clone();
            one[j] -= 1.0 + g[j].abs();
            forge.put(&place, json!(one));
            forge.put(&format!("{place}/{j}"), Value::Null);
        }
        for other in [vec![], g[1..].to_vec(), [&g[..], &[0.0]].concat(), vec![5e-324; g.len()], vec![-1e308; g.len()]]
        {
            forge.put(&place, json!(other));
        }
        forge.put(&place, json!(vec![&g]));
        // Potentials so large that the difference of their mean and what the rows gain is lost: neither rounding nor
        // what a checker allows for it may turn that into a claim.
        for far in [1e9, 1e16, -1e16, 1e30, 1e300, f64::MAX] {
            for raised in [claimed + 1e-3 * claimed.abs() + 1e-3, 2.0 * upper.abs() + 1.0] {
                forge.forge(&format!("{key} moved by {far}, {claim} = {raised}"), |tree| {
                    tree["distance"]["upper"] = json!(3.0 * upper.abs() + 2.0);
                    tree["evidence"][key] = json!(moved(far));
                    set(tree, claim, json!(raised))
                });
            }
        }
        let mut spread = vec![f64::MAX; g.len()];
        spread[0] = -f64::MAX;
        forge.put(&place, json!(spread));
    }
    // Potentials of two tasks that cancel, so large that one unit in the last place of them exceeds any distance.
    for size in [52, 60, 200, 1000].map(|exponent| 2f64.powi(exponent)) {
        for more in [1.0, 2.0, 64.0] {
            forge.forge(
                &format!("tasks whose potentials {size:e} cancel but for {more} units, claimed of all"),
                |tree| {
                    tree["evidence"]["task_shares"].as_array()?;
                    let queries: Vec<usize> = tree["problem"]["tasks"]
                        .as_array()?
                        .iter()
                        .map(|of| of.as_u64().map(|of| of as usize))
                        .collect::<Option<_>>()?;
                    let raised = size + more * (size.next_up() - size);
                    let mut g = vec![raised; queries[0]];
                    g.extend(vec![-size; queries[1..].iter().sum()]);
                    tree["evidence"]["task_shares"] = json!(vec![1.0; queries.len()]);
                    tree["evidence"]["best_potentials"] = json!(g);
                    set(tree, "/best/lower", json!(upper))
                },
            );
        }
    }
    forge.forge("another's potentials with a claim of its own", |tree| {
        tree["evidence"]["best_potentials"].as_array()?;
        tree["evidence"]["best_potentials"] = tree["evidence"].get("distance_potentials")?.clone();
        set(tree, "/best/lower", json!(lower + 1e-6))
    });
}

pub(super) fn witness(forge: &mut Forge) {
    let rows = forge.good.pointer("/evidence/witness/rows").and_then(Value::as_array).cloned();
    let given = |rows: &[u64], weights: &[f64]| json!({"rows": rows, "weights": weights});
    let Some(rows) = rows else {
        for witness in [given(&[], &[]), given(&[0], &[1.0]), given(&[0, 0], &[1.0])] {
            forge.forge(&format!("witness {witness}"), |tree| set(tree, "/evidence/witness", witness));
        }
        forge.remark("witness null", |tree| set(tree, "/evidence/witness", Value::Null));
        return;
    };
    let rows: Vec<u64> = rows.iter().map(|row| row.as_u64().unwrap()).collect();
    let n = rows.len();
    for row in [rows[n - 1], 10, 1 << 32 | rows[0], u64::MAX] {
        forge.put("/evidence/witness/rows/0", json!(row));
    }
    for weights in [vec![], vec![0.0; n], vec![-1.0; n], vec![f64::MAX; n], vec![1.0; n + 1], vec![1.0; n - 1]] {
        forge.put("/evidence/witness/weights", json!(weights));
    }
    for weight in [1e6, -1e6, 1e308, -1e308] {
        forge.put("/evidence/witness/weights/0", json!(weight));
    }
    // Weights that cancel, beside which the rest is lost: what a checker allows for rounding may not become a claim.
    let upper = forge.number("/distance/upper").unwrap();
    for far in [1e3, 1e9, 1e15] {
        let mut weights = vec![1.0; n];
        (weights[0], weights[n - 1]) = (far, 1.0 - far);
        forge.forge(&format!("weights {far} that cancel and a claim to match"), |tree| {
            tree["distance"]["upper"] = json!(2.0 * upper);
            tree["evidence"]["witness"]["weights"] = json!(weights);
            set(tree, "/best/lower", json!(1.5 * upper))
        });
    }
    forge.put("/evidence/witness", given(&[], &[]));
    let queries = forge.good["problem"]["queries"].as_u64().unwrap() as usize;
    for key in ["distance_potentials", "best_potentials"] {
        forge.put(&format!("/evidence/{key}"), json!(vec![0.0; queries]));
    }
    forge.put("/evidence/plan", json!({"position": [0], "query": [0], "mass": [1]}));
}

/// What is taken from the diagonal of a local kernel (T19).
pub(super) fn shift(forge: &mut Forge) {
    let given = forge.good.pointer("/evidence/shift").and_then(Value::as_array).cloned();
    let Some(shift) = given else {
        forge.forge("a shift of another objective", |tree| set(tree, "/evidence/shift", json!([0.5])));
        return;
    };
    let n = shift.len();
    for shift in [vec![], vec![0.0; n], vec![-1.0; n], vec![-1e308; n], vec![0.0; n + 1], vec![0.0; n - 1]] {
        forge.put("/evidence/shift", json!(shift));
    }
    for one in [0.999_999, 1.0, 2.0, -3.0, 1e308, -1e308] {
        forge.put("/evidence/shift/0", json!(one));
    }
    for text in ["null", "\"0.5\"", "NaN", "1e999", "[0.5]"] {
        forge.raw("/evidence/shift/0", text);
    }
    // More than the kernel has, and a claim to match.
    let upper = forge.number("/distance/upper").unwrap();
    for much in [0.5, 0.9, 0.999_999, 1.0 - f64::EPSILON] {
        forge.forge(&format!("a shift of {much} everywhere and a claim to match"), |tree| {
            tree["evidence"]["shift"] = json!(vec![much; n]);
            set(tree, "/best/lower", json!(upper * (1.0 - 1e-9)))
        });
    }
}
