//! Changes without thought: every value replaced by others of its kind and of other kinds, and random bytes.

use kantor::theory::Cost;
use serde_json::{Value, json};

use super::bases::Base;
use crate::support::numbers;

/// Random changes of bytes for each certificate.
const BYTES: usize = 300;

/// All of them: name and bytes.
pub(super) fn variants(base: &Base, seed: u64) -> Vec<(String, Vec<u8>)> {
    let written = base.certificate.to_json();
    let mut all = Vec::new();
    for (round, x) in numbers(seed, BYTES).iter().enumerate() {
        let at = (((x + 1.0) / 2.0 * written.len() as f64) as usize).min(written.len() - 1);
        let mut mutant = written.clone();
        match round % 6 {
            0..3 => mutant[at] ^= 1 << (round % 8),
            3 => _ = mutant.remove(at),
            4 => mutant.insert(at, b"0123456789-.eE,[]{}\""[round % 20]),
            _ => mutant.truncate(at),
        }
        all.push((format!("byte {at}, round {round}"), mutant));
    }
    let tree: Value = serde_json::from_slice(&written).unwrap();
    let mut found = Vec::new();
    places(&tree, "", &mut found);
    for place in found {
        for other in others(tree.pointer(&place).unwrap()) {
            let mut mutant = tree.clone();
            *mutant.pointer_mut(&place).unwrap() = other;
            all.push((place.clone(), serde_json::to_vec(&mutant).unwrap()));
        }
    }
    all
}

/// Values by path: all keys, and of every array the ends and some elements between.
fn places(value: &Value, path: &str, out: &mut Vec<String>) {
    out.push(path.to_owned());
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| places(value, &format!("{path}/{key}"), out)),
        Value::Array(items) => {
            let step = (items.len() / 5).max(1);
            for index in (0..items.len()).step_by(step).chain(items.len().checked_sub(1)) {
                places(&items[index], &format!("{path}/{index}"), out);
            }
        }
        _ => {}
    }
}

/// What is put in the place of a value.
fn others(value: &Value) -> Vec<Value> {
    let mut all = vec![Value::Null, json!([]), json!({}), json!("x"), json!(0), json!(-1), json!(1), json!(1e308)];
    match value {
        Value::Number(number) => {
            let x = number.as_f64().unwrap();
            all.extend([x.next_up(), x.next_down(), -x, 2.0 * x, x * (1.0 + 1e-9), x * (1.0 - 1e-9)].map(|x| json!(x)));
            if let Some(n) = number.as_u64() {
                all.extend([n + 1, n.wrapping_sub(1), n ^ 1 << 40, u64::MAX].map(|n| json!(n)));
            }
        }
        Value::String(text) => {
            all.extend([json!(""), json!(text.to_uppercase()), json!(format!("{text}0"))]);
            all.extend(Cost::ALL.map(|cost| json!(cost.name())));
        }
        Value::Array(items) => {
            let mut reversed = items.clone();
            reversed.reverse();
            let mut rotated = items.clone();
            rotated.rotate_left(1.min(items.len()));
            let shorter = items[..items.len().saturating_sub(1)].to_vec();
            let longer = [&items[..], items.last().map_or(&[], std::slice::from_ref)].concat();
            all.extend([reversed, rotated, shorter, longer].map(Value::Array));
        }
        Value::Object(map) => {
            for key in map.keys() {
                let mut without = map.clone();
                let value = without.remove(key).unwrap();
                all.push(Value::Object(without.clone()));
                without.insert(format!("{key}s"), value);
                all.push(Value::Object(without));
            }
        }
        _ => {}
    }
    all
}
