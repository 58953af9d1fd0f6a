//! Changes of what the certificate says of its input.

use kantor::source::{OpenOptions, Representation};
use kantor::theory::{Element, Rows};
use serde_json::{Value, json};

use super::bases::Base;
use super::forge::{Forge, set, version_1};

/// All of them.
pub(super) fn all(forge: &mut Forge, base: &Base) {
    fields(forge, base);
    if !version_1(&forge.good) {
        ranges(forge, base);
    }
    dropped(forge);
}

fn fields(forge: &mut Forge, base: &Base) {
    let (old, named) = (version_1(&forge.good), base.spec.tensor.is_some());
    let key = if old { "sha256" } else { "blake3" };
    let count = forge.good["inputs"].as_array().unwrap().len();
    for at in 0..count {
        let place = |key: &str| format!("/inputs/{at}/{key}");
        let digest = forge.good.pointer(&place(key)).and_then(Value::as_str).unwrap().to_owned();
        let last = if digest.ends_with('0') { "1" } else { "0" };
        let flipped = format!("{}{last}", &digest[..63]);
        for other in ["", &"0".repeat(64), &digest.to_uppercase(), &digest[..32], &format!("{digest} "), &flipped] {
            forge.put(&place(key), json!(other));
        }
        for role in ["pool", "query", "similarity", "Pool", "pool-jsonl"] {
            forge.put(&place("role"), json!(role));
        }
        forge.put(&place("role"), json!({"pool": null}));
        for dtype in ["f16", "f32", "f64", "f8", "F64", "bf16", ""] {
            forge.put(&place("dtype"), json!(dtype));
        }
        for key in ["start", "rows", "dim"] {
            let Some(n) = forge.good.pointer(&place(key)).and_then(Value::as_u64) else { continue };
            [0, n.wrapping_sub(1), n + 1, 2 * n, n / 2, u64::MAX]
                .into_iter()
                .for_each(|other| forge.put(&place(key), json!(other)));
        }
        for tensor in ["", "others", "rows.npy", "__metadata__"] {
            // Of values it proves nothing; where a file holds several tensors, it says which are compared.
            let harmless = !old && !named;
            let change = |tree: &mut Value| set(tree, &place("tensor"), json!(tensor));
            forge.edit(&format!("input {at}: tensor `{tensor}`"), harmless, change);
        }
        forge.edit(&format!("input {at} without a name"), !old, |tree| {
            tree["inputs"][at].as_object_mut()?.remove("name").map(|_| ())
        });
        forge.edit(&format!("input {at} with the name null"), !old, |tree| set(tree, &place("name"), Value::Null));
        for (key, value) in
            [("sha256", json!(null)), ("sha256", json!("0")), ("blake3", json!(null)), ("start", json!(null))]
        {
            forge.forge(&format!("input {at}: {key} {value}"), |tree| set(tree, &place(key), value));
        }
        if old {
            forge.forge(&format!("input {at} begins at row 0"), |tree| set(tree, &place("start"), json!(0)));
        }
        forge.remark(&format!("input {at} under another name"), |tree| set(tree, &place("name"), json!("x")));
        let painted = "\u{1b}[2J\u{1b}[32mverified\u{202e}\u{0}\r\n";
        forge.remark(&format!("input {at} with a painted name"), |tree| set(tree, &place("name"), json!(painted)));
        forge.forge(&format!("input {at} left out"), |tree| {
            tree["inputs"].as_array_mut().map(|all| drop(all.remove(at)))
        });
        forge.forge(&format!("input {at} twice"), |tree| {
            tree["inputs"].as_array_mut().map(|all| all.insert(at, all[at].clone()))
        });
        if forge.good["inputs"][at].get("tensor").is_none() {
            forge.remark(&format!("input {at}: tensor null"), |tree| set(tree, &place("tensor"), Value::Null));
        }
    }
    forge
        .forge("inputs in another order", |tree| (count > 1).then(|| tree["inputs"].as_array_mut().unwrap().reverse()));
    forge.put("/inputs", json!([]));
}

/// Rows divided in other ways, with the digests that these ranges have: true if they cover the rows once and in order.
fn ranges(forge: &mut Forge, base: &Base) {
    let files = [("pool", &base.spec.pool[..]), ("query", base.spec.query.as_slice())];
    for (role, paths) in files.into_iter().chain([("similarity", base.spec.similarity.as_slice())]) {
        // Shards of two number types are divided in `values`.
        let [path] = paths else { continue };
        let options = OpenOptions { tensor: base.spec.tensor.clone(), ..OpenOptions::default() };
        let rows = Representation::open(std::slice::from_ref(path), &options).unwrap();
        let inputs = forge.good["inputs"].as_array().unwrap().clone();
        let at = inputs.iter().position(|input| input["role"] == role).unwrap();
        let n = rows.original_len();
        let divided = |parts: &[(usize, usize)]| {
            let part = |&(start, end): &(usize, usize)| {
                let mut part = inputs[at].clone();
                (part["start"], part["rows"]) = (json!(start), json!(end - start));
                part["blake3"] = json!(digest(&rows, start, end));
                part
            };
            let parts = parts.iter().map(part).collect::<Vec<_>>();
            json!([&inputs[..at], &parts[..], &inputs[at + 1..]].concat())
        };
        assert_eq!(divided(&[(0, n)]), forge.good["inputs"], "{}", base.name);
        let each: Vec<_> = (0..n).map(|row| (row, row + 1)).collect();
        for parts in [&[(0, 1), (1, n)][..], &[(0, n - 1), (n - 1, n)], &each] {
            forge.remark(&format!("{role} rows divided {parts:?}"), |tree| set(tree, "/inputs", divided(parts)));
        }
        let mut backwards = each.clone();
        backwards.reverse();
        for parts in [
            &[(0, 2), (1, n)][..],
            &[(0, 1), (2, n)],
            &[(1, n)],
            &[(0, n - 1)],
            &[(1, n), (0, 1)],
            &[(0, n), (0, n)],
            &[(0, 0), (0, n)],
            &[(0, n), (n, n)],
            &backwards,
        ] {
            forge.forge(&format!("{role} rows in ranges {parts:?}"), |tree| set(tree, "/inputs", divided(parts)));
        }
        forge.forge(&format!("{role} rows in ranges of two number types"), |tree| {
            let mut inputs = divided(&[(0, 1), (1, n)]);
            inputs[at]["dtype"] = json!(if inputs[at]["dtype"] == "f64" { "f32" } else { "f64" });
            set(tree, "/inputs", inputs)
        });
    }
}

/// BLAKE3 of some rows as they are stored.
fn digest(rows: &Representation, start: usize, end: usize) -> String {
    let mut numbers = vec![0.0; (end - start) * rows.dim()];
    rows.read(start, 0..rows.dim(), &mut numbers);
    let mut bytes = Vec::new();
    for x in numbers {
        match rows.element() {
            Element::F16 => bytes.extend(half::f16::from_f64(x).to_le_bytes()),
            Element::F32 => bytes.extend((x as f32).to_le_bytes()),
            _ => bytes.extend(x.to_le_bytes()),
        }
    }
    blake3::hash(&bytes).to_string()
}

fn dropped(forge: &mut Forge) {
    // Rows left out so that what remains looks good. Those with honest counts and evidence are made in `corpus::dropped`.
    for side in ["pool", "query"] {
        let place = format!("/dropped/{side}");
        for rows in [json!([0]), json!([0, 0]), json!([9, 1]), json!([1u64 << 40]), json!([u64::MAX]), json!([-1])] {
            forge.put(&place, rows);
        }
        let size = format!("/problem/{}", if side == "pool" { "pool" } else { "queries" });
        let n = forge.good.pointer(&size).and_then(Value::as_u64).unwrap();
        forge.forge(&format!("no {side} row dropped"), |tree| {
            let dropped = std::mem::replace(tree.pointer_mut(&place)?, json!([]));
            *tree.pointer_mut(&size)? = json!(n + dropped.as_array()?.len() as u64);
            (dropped != json!([])).then_some(())
        });
        forge.forge(&format!("one {side} row less dropped"), |tree| {
            tree.pointer_mut(&place)?.as_array_mut()?.pop()?;
            set(tree, &size, json!(n + 1))
        });
    }
}
