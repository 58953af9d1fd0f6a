//! Times entropic transport on a matrix of cosines from a file, for comparison with other solvers (`benches/peers`).
//!
//! `entropic COSINES ROWS SOLVER EPSILON RHO_POOL RHO_QUERY [TOLERANCE [POOL_MASS]]`: COSINES is a raw little-endian f64
//! file, queries×rows row-major, with ROWS columns; the cost is (1 − cos)/2; RHO is `inf` for a hard marginal. Prints one
//! JSON object: CPU seconds of the solution (all threads, from cosines to values), status, iterations, residual, dual and
//! primal value, transport cost. The pool marginal of the plan is written to POOL_MASS in the same form.
#![allow(clippy::unwrap_used)]

use std::time::Instant;

use kantor_solvers::{Quiet, SolverSettings, registry};
use kantor_theory::transport_problem::Marginal;
use kantor_theory::{Cost, DenseRows, Geometry, Power, TransportProblem};

/// User and system seconds of this process so far, on Linux; NaN elsewhere.
fn cpu_seconds() -> f64 {
    let ticks = || {
        let text = std::fs::read_to_string("/proc/self/stat").ok()?;
        let fields: Vec<f64> = text.rsplit(')').next()?.split_whitespace().map(|f| f.parse().unwrap_or(0.0)).collect();
        Some(fields.get(11)? + fields.get(12)?)
    };
    ticks().map_or(f64::NAN, |ticks| ticks / 100.0)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, rows, solver, numbers @ ..] = &arguments[..] else { panic!("see the first lines of this file") };
    let number = |at: usize| numbers.get(at).map(|text| text.parse::<f64>().unwrap());
    let marginal = |rho: f64| if rho == f64::INFINITY { Marginal::Hard } else { Marginal::Kl(rho) };
    let bytes = std::fs::read(path).unwrap();
    let values = bytes.as_chunks().0.iter().map(|&chunk| f64::from_le_bytes(chunk)).collect();
    drop(bytes);
    let matrix = DenseRows::from_f64(rows.parse().unwrap(), values).unwrap();
    let geometry = Geometry::from_matrix(&matrix, Cost::HalfCosine).unwrap();
    let problem = TransportProblem {
        epsilon: number(0).unwrap(),
        pool: marginal(number(1).unwrap()),
        query: marginal(number(2).unwrap()),
        ..TransportProblem::new(&geometry, Power::One)
    };
    let settings = SolverSettings { tolerance: number(3).unwrap_or(1e-9), ..SolverSettings::default() };
    let solver = (registry::solver(solver).unwrap().build)(&settings);
    let (before, start) = (cpu_seconds(), Instant::now());
    let found = solver.solve(&problem, None, &Quiet).unwrap();
    let (cpu, wall) = (cpu_seconds() - before, start.elapsed().as_secs_f64());
    println!(
        r#"{{"cpu_seconds":{cpu},"seconds":{wall},"status":"{}","iterations":{},"residual":{:e},"dual":{:?},"primal":{:?},"transport":{:?}}}"#,
        found.status,
        found.iterations,
        found.residuals.largest(),
        found.dual,
        found.primal,
        found.transport
    );
    if let Some(path) = numbers.get(4) {
        let n = geometry.pool_len() as f64;
        let mass = |f: &f64| if let Marginal::Kl(rho) = problem.pool { (-f / rho).exp() / n } else { 1.0 / n };
        let bytes: Vec<u8> = found.potentials.pool.iter().flat_map(|f| mass(f).to_le_bytes()).collect();
        std::fs::write(path, bytes).unwrap();
    }
}
