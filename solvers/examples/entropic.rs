//! Times a solver on an entropic problem whose costs come from a file, for comparison with other programs
//! (`benches/peers/entropic.py`).
//!
//! `entropic COSTS QUERIES SOLVER EPSILON POOL_RHO TOLERANCE RUNS`: costs are raw little-endian f64, M×N, one query after
//! the other; the queries' marginal is hard, the pool's penalised by ρ·KL (`inf`: hard). Prints status, iterations,
//! largest residual, value, dual value, transport cost and the least CPU seconds of the runs, all threads together.
#![allow(clippy::unwrap_used)]

use std::fs;

use kantor_solvers::{Effort, Quiet, registry};
use kantor_theory::problem::Marginal;
use kantor_theory::{Cost, DenseRows, Geometry, Power, Problem};

/// CPU seconds of all threads of this process so far (Linux: nanoseconds in the first field of `schedstat`).
fn cpu_seconds() -> f64 {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let nanoseconds = tasks.map(|task| {
        let text = fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap_or_default();
        text.split_ascii_whitespace().next().map_or(0.0, |field| field.parse::<f64>().unwrap())
    });
    nanoseconds.sum::<f64>() * 1e-9
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [path, queries, solver, epsilon, rho, tolerance, runs] = words.as_slice() else {
        panic!("COSTS QUERIES SOLVER EPSILON POOL_RHO TOLERANCE RUNS");
    };
    let bytes = fs::read(path).unwrap();
    let costs: Vec<f64> = bytes.as_chunks().0.iter().map(|&chunk| f64::from_le_bytes(chunk)).collect();
    drop(bytes);
    let m: usize = queries.parse().unwrap();
    let matrix = DenseRows::from_f64(costs.len() / m, costs).unwrap();
    let geometry = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
    let rho: f64 = rho.parse().unwrap();
    let problem = Problem {
        epsilon: epsilon.parse().unwrap(),
        pool: if rho.is_finite() { Marginal::Kl(rho) } else { Marginal::Hard },
        ..Problem::new(&geometry, Power::One)
    };
    let effort = Effort { tolerance: tolerance.parse().unwrap(), ..Effort::default() };
    let solver = (registry::solver(solver).unwrap().build)(&effort);
    let mut best = f64::INFINITY;
    for run in 1.. {
        let begun = cpu_seconds();
        let found = solver.solve(&problem, None, &Quiet).unwrap();
        best = best.min(cpu_seconds() - begun);
        if run >= runs.parse().unwrap() {
            let (value, residual) = (found.primal, found.residuals.largest());
            let (status, iterations) = (found.status, found.iterations);
            println!("{status} {iterations} {residual:e} {value:?} {:?} {:?} {best:?}", found.dual, found.transport);
            return;
        }
    }
}
