//! The solvers of entropic transport against POT 0.9.7.post1.

use kantor_solvers::{Quiet, SolverSettings, registry};
use kantor_theory::transport_problem::Marginal;
use kantor_theory::{Cost, Geometry, Power, Status, TransportProblem};

use crate::support::{assert_close, pool_and_query, record, values};

/// A penalty as stored: `null` is a hard marginal.
fn marginal(value: &serde_json::Value) -> Marginal {
    value.as_f64().map_or(Marginal::Hard, Marginal::Kl)
}

#[test]
fn values_and_marginals_of_unbalanced_and_balanced_transport() {
    let (pool, query) = pool_and_query();
    let geometry = Geometry::new(&pool, &query, Cost::HalfCosine).unwrap();
    for name in ["sinkhorn", "sinkhorn-newton"] {
        for case in record()["uot"].as_array().unwrap() {
            let problem = TransportProblem {
                epsilon: case["eps"].as_f64().unwrap(),
                pool: marginal(&case["rho_pool"]),
                query: marginal(&case["rho_query"]),
                ..TransportProblem::new(&geometry, Power::One)
            };
            let solver = (registry::solver(name).unwrap().build)(&SolverSettings {
                tolerance: 1e-10,
                ..SolverSettings::default()
            });
            let found = solver.solve(&problem, None, &Quiet).unwrap();
            assert_eq!(found.status, Status::Optimal, "{name} {case}: {:?}", found.residuals);
            let mass: Vec<f64> = match problem.pool {
                Marginal::Kl(rho) => found.potentials.pool.iter().map(|f| (-f / rho).exp() / 2000.0).collect(),
                _ => vec![1.0 / 2000.0; 2000],
            };
            assert_close(&mass, &values::<f64>(case["pool_mass"].as_str().unwrap()), 1e-6);
            let total: f64 = mass.iter().sum();
            for (value, key) in [
                (found.primal, "objective"),
                (found.dual, "objective"),
                (found.transport, "linear_cost"),
                (total, "mass"),
            ] {
                let stored = case[key].as_f64().unwrap();
                assert!((value / stored - 1.0).abs() <= 1e-8, "{name}: {key} {value} is not {stored}: {case}");
            }
        }
    }
}
