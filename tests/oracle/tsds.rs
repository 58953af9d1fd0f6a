//! The closed forms of TSDS against its problem solved as a linear programme by SciPy's HiGHS (`tests/data/tsds/make.py`
//! says which programme, with which versions).

use kantor_solvers::{Quiet, Settings, Task, kernels, registry};
use kantor_theory::{Cost, DenseRows, Geometry, Power};
use serde_json::Value;

use crate::support::by_row;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn cases() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tsds/lp.json");
    let record: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(record["scipy"], "1.17.1");
    record["cases"].as_array().unwrap().clone()
}

/// Masses by row, and what the selector notes.
fn masses(case: &Value, name: &str) -> (Vec<f64>, std::collections::BTreeMap<String, Value>) {
    let dim = case["dim"].as_u64().unwrap() as usize;
    let rows =
        |name: &str| DenseRows::from_f32(dim, numbers(&case[name]).into_iter().map(|x| x as f32).collect()).unwrap();
    let (pool, query) = (rows("pool"), rows("query"));
    let geometry = Geometry::new(&pool, &query, Cost::Cosine).unwrap();
    let settings = Settings {
        alpha: case["alpha"].as_f64().unwrap(),
        tradeoff_c: case["tradeoff_c"].as_f64().unwrap(),
        sigma: case["sigma"].as_f64().unwrap(),
        ..Settings::default()
    };
    let n = geometry.pool_len();
    let task = Task { geometry: &geometry, seed: 0, power: Power::One, block: 64, memory: 1 << 30, watch: &Quiet };
    let selector = (registry::selector(name).unwrap().build)(&settings);
    let findings = kernels::scan(&task, selector.needs(&task, n)).unwrap();
    let found = selector.select(&task, &findings, &[n]).unwrap().remove(0);
    (by_row(&found), found.notes)
}

fn assert_masses(case: &Value, name: &str, programmes: &[&str]) {
    let (found, notes) = masses(case, name);
    assert_ne!(notes.get("list_cap_reached"), Some(&true.into()), "{name}: this case tests nothing");
    for programme in programmes {
        for (row, (f, w)) in found.iter().zip(numbers(&case[*programme]["mass"])).enumerate() {
            assert!((f - w).abs() < 1e-8, "{name} against {programme}, row {row}: {f} is not {w}");
        }
    }
}

/// `knn-uniform` solves the problem with G = M max |γ − 1/(MN)|, which K ≤ N/2 makes the one-sided one.
#[test]
fn uniform_masses_are_optimal() {
    cases().iter().for_each(|case| assert_masses(case, "knn-uniform", &["uniform", "two_sided"]));
}

/// `knn-kde` solves the problem with G = M max ρ γ.
#[test]
fn kde_masses_are_optimal() {
    cases().iter().for_each(|case| assert_masses(case, "knn-kde", &["kde"]));
}

/// `knn-tv` solves the problem with G = ½ Σ |γ − 1/(MN)|.
#[test]
fn tv_masses_are_optimal() {
    cases().iter().for_each(|case| assert_masses(case, "knn-tv", &["tv"]));
}
