//! Transport solvers side by side on every selection: the interval that follows from what each found, and what it took.

use std::time::Instant;

use kantor_solvers::registry::SolverEntry;
use kantor_solvers::{SolverSettings, Watch};
use kantor_theory::{Status, TransportProblem};

use crate::certify::{self, CertifyError};
use crate::label::{Labelled, budgets};
use crate::pipeline::{Error, Outcome};
use crate::probe;
use crate::problem::Problem;
use crate::record::SolverRow;

/// Which solvers, and how hard they are to work.
#[derive(Clone)]
pub struct Solvers {
    /// Entries of the registry.
    pub entries: Vec<&'static SolverEntry>,
    /// Values of ε for those with entropy; the others solve without.
    pub epsilons: Vec<f64>,
    /// Tolerance and the like.
    pub effort: SolverSettings,
}

/// Solves plain or entropic transport for every selection by every solver, one after the other.
///
/// # Errors
/// If a solver refuses the problem, what it found cannot be certified, or `watch` asks to stop.
pub(super) fn solve(
    problem: &Problem<'_>,
    outcome: &Outcome,
    solvers: &Solvers,
    watch: &dyn Watch,
) -> Result<Vec<SolverRow>, Error> {
    let (geometry, power) = (problem.geometry(), problem.goal().power);
    let mut rows = Vec::new();
    for (chosen, proved) in outcome.selections() {
        let subset = &proved.selection.rows;
        let watch = &Labelled::new(watch, format!("{}, {}", chosen.method, budgets(&[proved.budget])));
        for entry in &solvers.entries {
            let epsilons = if entry.entropic { &solvers.epsilons[..] } else { &[0.0] };
            for &epsilon in epsilons {
                watch.advance(0)?;
                let weights = match &proved.certified {
                    Some(certified) => certified.distance().statement().weights.clone(),
                    None => problem.weights(),
                };
                let problem =
                    TransportProblem { rows: Some(subset), epsilon, weights, ..TransportProblem::new(geometry, power) };
                let solver = (entry.build)(&solvers.effort);
                let (begun, cpu_begun) = (Instant::now(), probe::cpu_seconds());
                let solution = solver.solve(&problem, None, watch).map_err(CertifyError::from)?;
                let (seconds, cpu_seconds) = (begun.elapsed().as_secs_f64(), probe::cpu_seconds() - cpu_begun);
                if solution.status == Status::Interrupted {
                    return Err(kantor_solvers::Stopped.into());
                }
                let residual = solution.residuals.largest();
                let distance = certify::bracket(&problem, &solution, solvers.effort.memory)?.interval();
                // What a solver calls solved is so within its tolerance: what is proved is another thing.
                let met = solution.status.is_success();
                let status = if met { certify::closed(distance) } else { solution.status };
                rows.push(SolverRow {
                    cost: geometry.cost(),
                    method: chosen.method.clone(),
                    budget: proved.budget,
                    solver: entry.name.to_owned(),
                    epsilon,
                    distance,
                    value: Some(solution.primal).filter(|value| value.is_finite()),
                    iterations: usize::try_from(solution.iterations).unwrap_or(usize::MAX),
                    residual: Some(residual).filter(|residual| residual.is_finite()),
                    status,
                    seconds,
                    cpu_seconds,
                });
            }
        }
    }
    Ok(rows)
}
