//! Potentials found once serve again: at another ε, for another budget, in another solver.
//!
//! Distances of growing subsets to the queries at falling ε, each solved from nothing and from the potentials of the
//! problem before. The query potentials g carry over whatever the rows are; those of the rows follow from them.

use std::path::Path;

use kantor::certify;
use kantor::prelude::*;
use kantor::solvers::{Potentials, Solver, SolverSettings, registry};
use kantor::theory::TransportProblem;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
    let spec = InputSpec {
        pool: vec![data.join("pool.embed.npy")],
        query: vec![data.join("query_gsm8k.embed.npy")],
        ..InputSpec::default()
    };
    let goal = Goal { budgets: vec![4000], ..Goal::default() };
    let inputs = Inputs::open(&spec, goal.cost, &Quiet)?;
    let problem = inputs.problem(goal)?;
    let geometry = problem.geometry();
    let chosen = choose(&problem, &Request::default(), &Quiet)?;
    let order = &chosen.chosen[0].selections[0].selection.rows;

    let settings = SolverSettings { tolerance: 1e-8, ..SolverSettings::default() };
    let make = |name: &str| registry::solver(name).map(|entry| (entry.build)(&settings)).ok_or("no such solver");
    println!("solver           budget  epsilon  passes cold  warm   certified distance");
    for name in ["sinkhorn", "sinkhorn-newton"] {
        let solver: Box<dyn Solver> = make(name)?;
        let mut last: Option<Potentials> = None;
        for budget in [1000, 2000, 4000] {
            for epsilon in [0.1, 0.03, 0.01, 0.003] {
                let rows = Some(&order[..budget]);
                let problem = TransportProblem { rows, epsilon, ..TransportProblem::new(geometry, Power::One) };
                let cold = solver.solve(&problem, None, &Quiet)?;
                let warm = solver.solve(&problem, last.as_ref(), &Quiet)?;
                let interval = certify::bracket(&problem, &warm, u64::MAX)?.interval();
                let (lower, upper) = (interval.lower.unwrap_or(f64::NAN), interval.upper.unwrap_or(f64::NAN));
                println!(
                    "{name:<16} {budget:>6}  {epsilon:>7}  {:>11}  {:>4}   [{lower:.6}, {upper:.6}]",
                    cold.iterations, warm.iterations
                );
                last = Some(warm.potentials);
            }
        }
    }

    // The exact solver's prices are a start too: they are where potentials go as ε falls.
    let rows = Some(&order[..1000]);
    let exact = make("exact")?.solve(
        &TransportProblem { rows, ..TransportProblem::new(geometry, Power::One) },
        None,
        &Quiet,
    )?;
    let problem = TransportProblem { rows, epsilon: 0.001, ..TransportProblem::new(geometry, Power::One) };
    let newton = make("sinkhorn-newton")?;
    let (cold, warm) =
        (newton.solve(&problem, None, &Quiet)?, newton.solve(&problem, Some(&exact.potentials), &Quiet)?);
    println!("\nepsilon 0.001 from the potentials of `exact`: {} passes, cold {}", warm.iterations, cold.iterations);
    Ok(())
}
