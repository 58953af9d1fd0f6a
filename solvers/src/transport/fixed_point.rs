//! Iterations on the potentials of one side, until their marginal fits.

use kantor_theory::Status;

use crate::solver::{SolverSettings, Step};
use crate::watch::{Stopped, Watch};

/// What an iteration came to.
#[derive(Debug, Clone, PartialEq)]
pub struct FixedPoint {
    /// The dual value of the potentials, in units of c^p; with a low-rank kernel it is that kernel's, at most the optimum
    /// of the problem itself up to rounding.
    pub value: f64,
    /// Those of least residual.
    pub potentials: Vec<f64>,
    /// Σ|x − target| over the points of this side, for the marginal x of the plan.
    pub residual: f64,
    /// Iterations.
    pub iterations: u64,
    /// Whether the residual fell to the tolerance.
    pub status: Status,
}

/// Iterates from `potentials`; `step` evaluates the dual value and the residual of some, and finds the next.
pub(crate) fn iterate(
    mut potentials: Vec<f64>,
    epsilon: f64,
    settings: &SolverSettings,
    watch: &dyn Watch,
    step: impl Fn(&[f64]) -> Result<(f64, f64, Vec<f64>), Stopped>,
) -> FixedPoint {
    let mut found = FixedPoint {
        value: f64::NEG_INFINITY,
        potentials: potentials.clone(),
        residual: f64::INFINITY,
        iterations: 0,
        status: Status::IterationLimit,
    };
    while found.iterations < settings.iterations.max(1) {
        let Ok((value, residual, next)) = step(&potentials) else {
            found.status = Status::Interrupted;
            break;
        };
        found.iterations += 1;
        if !(value.is_finite() && residual.is_finite()) {
            found.status = Status::NumericalError;
            break;
        }
        watch.step(&Step { iteration: found.iterations, epsilon, residual, dual: value });
        if residual < found.residual {
            (found.value, found.residual, found.potentials) = (value, residual, potentials);
        }
        if residual <= settings.tolerance {
            found.status = Status::Optimal;
            break;
        }
        potentials = next;
    }
    found
}
