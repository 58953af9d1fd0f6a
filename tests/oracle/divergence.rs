//! The Sinkhorn divergence against POT 0.9.7.post1.

use kantor_solvers::{Quiet, SolverSettings, registry, sinkhorn_divergence};
use kantor_theory::{Cost, Geometry, Power, Status, TransportProblem};

use crate::support::{indices, pool_and_query, record};

#[test]
fn divergence_and_entropic_value_by_every_entropic_solver() {
    let (pool, query) = pool_and_query();
    let geometry = Geometry::new(&pool, &query, Cost::Sqeuclidean).unwrap();
    let effort = SolverSettings { tolerance: 1e-11, ..SolverSettings::default() };
    for case in record()["sinkhorn_divergence"].as_array().unwrap() {
        let rows = indices(case["subset"].as_str().unwrap());
        let epsilon = case["eps"].as_f64().unwrap();
        let problem = TransportProblem { rows: Some(&rows), epsilon, ..TransportProblem::new(&geometry, Power::One) };
        for name in ["sinkhorn", "sinkhorn-newton"] {
            let solver = (registry::solver(name).unwrap().build)(&effort);
            let found = sinkhorn_divergence(&problem, &*solver, &effort, &Quiet).unwrap();
            assert_eq!(found.status, Status::Optimal, "{name} at {epsilon}");
            for (value, key) in [(found.cross.dual, "ot_eps"), (found.value, "value")] {
                let stored = case[key].as_f64().unwrap();
                assert!((value / stored - 1.0).abs() <= 1e-8, "{name}: {key} at {epsilon}: {value} is not {stored}");
            }
        }
    }
}
