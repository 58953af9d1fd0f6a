//! Files of vectors that PyTorch 2.15.0, SciPy 1.17.1 and NumPy 2.4.6 wrote: `tests/data/vectors/make.py` made them and says what is in
//! them.

use std::fs;
use std::path::{Path, PathBuf};

use kantor::source::{OpenOptions, Representation};
use kantor_solvers::Quiet;
use kantor_theory::Rows;
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vectors")
}

/// Every file with one way to read it and what is then expected.
fn cases() -> Vec<(String, Value)> {
    let expected: Value = serde_json::from_slice(&fs::read(folder().join("expected.json")).unwrap()).unwrap();
    let files = expected["files"].as_object().unwrap();
    files
        .iter()
        .flat_map(|(name, cases)| cases.as_array().unwrap().iter().map(|case| (name.clone(), case.clone())))
        .collect()
}

fn open(name: &str, case: &Value) -> Result<Representation, String> {
    let tensor = case["tensor"].as_str().map(str::to_owned);
    let options = OpenOptions { tensor, cast: case["cast"] == true, ..OpenOptions::default() };
    Representation::open(&[folder().join(name)], &options).map_err(|error| error.to_string())
}

#[test]
fn what_other_software_wrote_is_read_as_it_says() {
    let mut read = 0;
    for (name, case) in cases().iter().filter(|(_, case)| case["refused"].is_null()) {
        let rows = open(name, case).unwrap_or_else(|error| panic!("{name}: {error}"));
        let shape = [rows.len(), rows.dim()].map(|length| length as u64);
        assert_eq!(serde_json::json!(shape), case["shape"], "{name}");
        let expected: Vec<f64> = case["values"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        let mut all = vec![f64::NAN; expected.len()];
        rows.read(0, 0..rows.dim(), &mut all);
        assert_eq!(all, expected, "{name}");
        // Parts of rows are those of the whole, and so are single precision numbers.
        for row in 0..rows.len() {
            for from in 0..rows.dim() {
                let mut part = vec![f64::NAN; rows.dim() - from];
                rows.read(row, from..rows.dim(), &mut part);
                assert_eq!(part, expected[row * rows.dim() + from..(row + 1) * rows.dim()], "{name}");
            }
        }
        let mut single = vec![f32::NAN; all.len()];
        rows.read_f32(0, &mut single);
        assert_eq!(single, expected.iter().map(|&x| x as f32).collect::<Vec<_>>(), "{name}");
        read += 1;
    }
    assert!(read > 40, "{read}");
}

#[test]
fn what_cannot_be_read_is_refused_with_the_reason() {
    let mut refused = 0;
    for (name, case) in cases().iter().filter(|(_, case)| case["refused"].is_string()) {
        let error = open(name, case).expect_err(name);
        assert!(error.contains(case["refused"].as_str().unwrap()), "{name}: {error}");
        refused += 1;
    }
    assert!(refused > 30, "{refused}");
}

/// Certificates are bound to values: the digest does not depend on how they are stored.
#[test]
fn digests_are_those_of_the_values_in_whatever_layout() {
    let digest = |name: &str, tensor: Option<&str>| {
        let case = serde_json::json!({ "tensor": tensor, "cast": false });
        open(name, &case).unwrap().value_digests(&Quiet).unwrap()
    };
    let same =
        |names: &[&str]| names.windows(2).for_each(|pair| assert_eq!(digest(pair[0], None), digest(pair[1], None)));
    same(&["bare-float32.pt", "parameter.pt", "protocol-4.pt", "dict.pt", "list-of-rows.pt"]);
    same(&["view-transposed.pt", "unbound.pt"]);
    same(&["csr-float32-deflated.npz", "csr-float32-stored.npz", "csr-unsorted.npz"]);
    same(&["csr-float64-stored.npz", "csr-array.npz", "csr-64-bit-places.npz"]);
    let dense = |name: &str| {
        let rows = open(name, &Value::Null).unwrap();
        let mut values = vec![0.0; rows.len() * rows.dim()];
        rows.read(0, 0..rows.dim(), &mut values);
        values.iter().flat_map(|&x| (x as f32).to_le_bytes()).collect::<Vec<u8>>()
    };
    for name in ["csr-unsorted.npz", "view-steps-transposed.pt", "view-transposed.pt", "store-float32/gradients.bin"] {
        assert_eq!(digest(name, None), [blake3::hash(&dense(name)).to_string()], "{name}");
    }
}
