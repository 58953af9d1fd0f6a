//! Rows of hashed words and pairs of words against those of `tests/data/ngrams/make.py` (xxhash 4.1.0, scikit-learn 1.9.1).

use std::fs;
use std::path::Path;

use kantor::represent::{Side, TextRows, TextSpec};
use kantor::source::{Allowance, JsonlRows};
use kantor_solvers::Quiet;
use kantor_theory::Rows;
use serde_json::{Value, json};

fn stored() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ngrams/rows.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Rows of `dim` numbers of the stored texts.
fn rows(texts: &Value, dim: usize) -> Vec<Vec<f64>> {
    let file = tempfile::Builder::new().suffix(".jsonl").tempfile().unwrap();
    let lines: String = texts.as_array().unwrap().iter().map(|text| format!("{}\n", json!({ "text": text }))).collect();
    fs::write(file.path(), lines).unwrap();
    let lines = JsonlRows::scan(&[file.path().to_owned()], None, &Quiet).unwrap();
    let (spec, allowance) = (TextSpec::ngrams(None, dim), Allowance::unlimited());
    let maker = TextRows::open(&spec, None, &allowance, &Quiet).unwrap();
    let rows = maker.rows(&lines, (&lines, Side::Pool), &allowance, &Quiet).unwrap();
    let row = |row: usize| {
        let mut numbers = vec![0.0; dim];
        rows.read_row(row, &mut numbers);
        numbers
    };
    (0..rows.len()).map(row).collect()
}

/// Should these ever change, `VERSION` in `src/represent/ngrams.rs` must too: caches keep rows.
#[test]
fn rows_are_those_of_the_formula_bit_for_bit() {
    let stored = stored();
    let bits = stored["bits"].as_array().unwrap();
    let dim = bits[0].as_array().unwrap().len();
    for (row, bits) in rows(&stored["texts"], dim).iter().zip(bits) {
        let found: Vec<u64> = row.iter().map(|&x| half::f16::from_f64(x).to_bits().into()).collect();
        assert_eq!(json!(found), *bits);
    }
}

/// With so many places hardly two n-grams share one: the cosines are those without hashing.
#[test]
fn cosines_are_those_of_scikit_learn() {
    let stored = stored();
    let rows = rows(&stored["texts"], 1 << 16);
    for (a, of_a) in rows.iter().zip(stored["cosines"].as_array().unwrap()) {
        for (b, expected) in rows.iter().zip(of_a.as_array().unwrap()) {
            let cosine: f64 = a.iter().zip(b).map(|(x, y)| x * y).sum();
            assert!((cosine - expected.as_f64().unwrap()).abs() < 1e-3, "{cosine} {expected}");
        }
    }
}
