//! Entropic unbalanced transport against POT 0.9.7.post1.

use kantor_solvers::transport::sinkhorn::semidual;
use kantor_solvers::transport::sinkhorn::{Costs, Penalty};
use kantor_solvers::{Quiet, Uot};
use kantor_theory::{Cost, Geometry};

use crate::support::{assert_close, by_row, pool_and_query, record, select, values};

/// A penalty as stored: `null` is a hard marginal.
fn strength(value: &serde_json::Value) -> f64 {
    value.as_f64().unwrap_or(f64::INFINITY)
}

#[test]
fn pool_mass_cost_and_objective_for_both_penalties() {
    let (pool, query) = pool_and_query();
    let geometry = Geometry::new(&pool, &query, Cost::HalfCosine).unwrap();
    for memory in [0, u64::MAX] {
        let costs = Costs::new(&geometry, Cost::HalfCosine, memory);
        for case in record()["uot"].as_array().unwrap() {
            let penalty = Penalty {
                epsilon: case["eps"].as_f64().unwrap(),
                pool: strength(&case["rho_pool"]),
                query: strength(&case["rho_query"]),
            };
            let found = semidual::solve(&costs, None, penalty, &Quiet).unwrap();
            assert!(found.converged, "{penalty:?}: residual {:e} after {} passes", found.residual, found.passes);
            let mass: Vec<f64> = found.log_marginal.iter().map(|log| log.exp()).collect();
            assert_close(&mass, &values::<f64>(case["pool_mass"].as_str().unwrap()), 1e-6);
            let stored = |key: &str| case[key].as_f64().unwrap();
            let total: f64 = mass.iter().sum();
            for (value, key) in [(found.objective, "objective"), (found.transport, "linear_cost"), (total, "mass")] {
                assert!((value / stored(key) - 1.0).abs() <= 1e-8, "{penalty:?}: {key} {value} is not {}", stored(key));
            }
        }
    }
}

#[test]
fn scores_of_the_selector() {
    for case in record()["uot"].as_array().unwrap().iter().filter(|case| case["rho_query"].is_null()) {
        let (epsilon, rho) = (case["eps"].as_f64().unwrap(), strength(&case["rho_pool"]));
        let found = select("uot", &Uot { epsilon, rho }.into(), 2000);
        let wanted = values::<f64>(case["pool_mass"].as_str().unwrap());
        assert_close(&by_row(&found), &wanted, 1e-6);
        assert!(found.rows.windows(2).all(|pair| wanted[pair[0]] >= wanted[pair[1]] * (1.0 - 1e-9)));
    }
}
