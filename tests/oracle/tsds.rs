//! The closed forms of TSDS against its problem solved as a linear programme by SciPy's HiGHS (`tests/data/tsds/make.py`
//! says which programme, with which versions).

use kantor::problem::{Goal, Problem};
use kantor_solvers::relax::tsds;
use kantor_solvers::scan;
use kantor_solvers::{KnnKde, Quiet, Tradeoff, registry};
use kantor_theory::{
    Candidates, DenseRows, DistanceEvidence, Objective, Power, Statement, best_bound, distance_bound, sequential,
};
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

fn clouds(case: &Value) -> (DenseRows, DenseRows) {
    let dim = case["dim"].as_u64().unwrap() as usize;
    let rows =
        |name: &str| DenseRows::from_f32(dim, numbers(&case[name]).into_iter().map(|x| x as f32).collect()).unwrap();
    (rows("pool"), rows("query"))
}

/// Masses by row, and what the selector notes.
fn masses(case: &Value, name: &str) -> (Vec<f64>, std::collections::BTreeMap<String, Value>) {
    let (pool, query) = clouds(case);
    let problem = Problem::new(&pool, &query, Goal::default()).unwrap();
    let tradeoff = Tradeoff {
        alpha: case["alpha"].as_f64().unwrap(),
        tradeoff_c: case["tradeoff_c"].as_f64().unwrap(),
        ..Tradeoff::default()
    };
    let settings = KnnKde { tradeoff, sigma: case["sigma"].as_f64().unwrap(), ..KnnKde::default() }.into();
    let n = problem.geometry().pool_len();
    let task = problem.task(0, 1 << 30, &Quiet);
    let selector = (registry::selector(name).unwrap().build)(&settings);
    let findings = scan::scan(&task, selector.needs(&task, n)).unwrap();
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

/// The regularised cost of the whole pool, and the bound that potentials prove for all distributions on it, are the
/// programme's optimum: F_λ = value/α − λ/N with λ = (1 − α)C/α and C = 1.
#[test]
fn regularised_values_are_those_of_the_linear_programme() {
    for case in cases() {
        let (pool, query) = clouds(&case);
        let problem = Problem::new(&pool, &query, Goal::default()).unwrap();
        let (geometry, task) = (problem.geometry(), problem.task(0, 1 << 30, &Quiet));
        let (n, alpha) = (geometry.pool_len(), case["alpha"].as_f64().unwrap());
        let diversity = (1.0 - alpha) / alpha;
        let statement = Statement::new(geometry, Power::One, n).under(Objective::Tsds { diversity });
        let rows: Vec<usize> = (0..n).collect();
        let around =
            distance_bound(geometry, &statement, &rows, DistanceEvidence::default(), &sequential).unwrap().interval();
        let dual = tsds::duals(&task, diversity, &[n]).unwrap().remove(0);
        let best = best_bound(geometry, &statement, dual.potentials, Candidates::All, &sequential).unwrap().lower();
        for (programme, constant) in [("uniform", diversity / n as f64), ("two_sided", 0.0)] {
            let optimum = case[programme]["value"].as_f64().unwrap() / alpha - constant;
            for value in [around.lower.unwrap(), around.upper.unwrap(), best] {
                assert!((value - optimum).abs() < 1e-9, "{programme}: {value} is not {optimum}");
            }
        }
    }
}
