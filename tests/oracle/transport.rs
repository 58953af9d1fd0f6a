//! Exact distances of given subsets by POT 0.9.7.post1 `emd2`, and best fractional values by HiGHS in SciPy 1.17.1.

use kantor::problem::{Goal, Problem};
use kantor_solvers::relax::budgeted;
use kantor_solvers::transport::exact::masses;
use kantor_solvers::transport::exact::transport;
use kantor_solvers::{PoolScan, Quiet};
use kantor_theory::{Cost, DenseRows, Geometry, Rows};

use crate::support::{indices, pool_and_query, record, values};

/// The stored costs are of rows that were normalised in `f64` first.
fn normalised(rows: &DenseRows) -> DenseRows {
    let mut all = vec![0.0; rows.len() * rows.dim()];
    rows.read(0, 0..rows.dim(), &mut all);
    for row in all.chunks_exact_mut(rows.dim()) {
        let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        row.iter_mut().for_each(|x| *x /= norm);
    }
    DenseRows::from_f64(rows.dim(), all).unwrap()
}

fn costs(geometry: &Geometry<'_>, rows: &[usize]) -> Vec<f64> {
    let mut costs = vec![0.0; rows.len() * geometry.query_len()];
    for (line, &row) in costs.chunks_exact_mut(geometry.query_len()).zip(rows) {
        geometry.closeness_row(row, line);
        line.iter_mut().for_each(|value| *value = geometry.cost().from_closeness(*value));
    }
    costs
}

fn agree(ours: f64, theirs: &serde_json::Value, of: &serde_json::Value) {
    let theirs = theirs.as_f64().unwrap();
    assert!((ours - theirs).abs() <= 1e-9 * theirs, "{ours} is not {theirs}: {of}");
}

#[test]
fn distances_of_subsets_are_those_of_pot() {
    let (pool, query) = pool_and_query();
    let (pool, query) = (normalised(&pool), normalised(&query));
    let record = record();
    let cases = record["exact"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let cost: Cost = case["cost"].as_str().unwrap().parse().unwrap();
        let geometry = Geometry::new(&pool, &query, cost).unwrap();
        let rows = indices(case["subset"].as_str().unwrap());
        let masses = masses(rows.len(), None, geometry.query_len(), None).unwrap();
        let solved = transport(&costs(&geometry, &rows), &masses).unwrap();
        agree(solved.value, &case["value"], case);
        agree(solved.dual, &case["value"], case);
    }
}

#[test]
fn weighted_distance_is_that_of_pot() {
    let (pool, query) = pool_and_query();
    let case = &record()["exact_weighted"];
    let geometry = Geometry::new(&pool, &query, case["cost"].as_str().unwrap().parse().unwrap()).unwrap();
    let rows = indices(case["subset"].as_str().unwrap());
    let (w, v) = (values::<f64>("weights_pool_100.npy"), values::<f64>("weights_query.npy"));
    let masses = masses(rows.len(), Some(&w), v.len(), Some(&v)).unwrap();
    let solved = transport(&costs(&geometry, &rows), &masses).unwrap();
    agree(solved.value, &case["value"], case);
    agree(solved.dual, &case["value"], case);
}

#[test]
fn best_values_are_those_of_highs() {
    let (pool, query) = pool_and_query();
    let (pool, query) = (normalised(&pool), normalised(&query));
    let record = record();
    let cases = record["best"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let cost = case["cost"].as_str().unwrap().parse().unwrap();
        let problem = Problem::new(&pool, &query, Goal { cost, ..Goal::default() }).unwrap();
        let (geometry, task) = (problem.geometry(), problem.task(0, 1 << 30, &Quiet));
        let k = case["k"].as_u64().unwrap() as usize;
        let found = budgeted::solve(&task, &PoolScan::default(), &[k]).unwrap().budgets.remove(0);
        agree(found.lp_value, &case["value"], case);
        // L(g) over the whole pool, so the potentials alone prove the value.
        let rows: Vec<usize> = (0..geometry.pool_len()).collect();
        let gain: f64 = costs(geometry, &rows)
            .chunks_exact(geometry.query_len())
            .map(|line| found.potentials.iter().zip(line).map(|(g, c)| g - c).fold(0.0, f64::max))
            .sum();
        let mean = found.potentials.iter().sum::<f64>() / geometry.query_len() as f64;
        agree(mean - gain / k as f64, &case["value"], case);
        if case["divides"].as_bool().unwrap() {
            agree(found.value, &case["value"], case);
        } else {
            assert!(found.value > found.lp_value);
        }
    }
}
