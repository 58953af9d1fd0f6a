//! The solver `sliced`: exact transport of the projections on lines.
//!
//! For any unit vector θ, |θ·x − θ·y| ≤ ‖x − y‖, so the transport cost of the projections is at most that of the
//! points: max-sliced is a lower bound of the distance whatever the directions (theorem T6). The mean over the sphere,
//! the sliced distance, is smaller still and only estimated here. Under the cosine costs points are rows of length
//! one and distances their chords: OT(1 − cos) = W_2(chord)²/2, and `angular` is at least chord/π. The potentials of the
//! best line are feasible for the problem itself; lifted from there they make a certificate, and the pool potentials that
//! reply best to those of the queries under the true costs make a far better one.
//!
//! Limit: N·d multiply-adds per direction to project, then sorting N numbers.

mod directions;
mod line;
mod points;

use kantor_theory::transport_problem::Marginal;
use kantor_theory::{Status, TransportProblem, dot};
use rayon::prelude::*;

use crate::solver::{BuiltIn, Plan, Potentials, Residuals, Solution, SolveError, SolverSettings, Step, within};
use crate::transport::exact::{Masses, masses_of};
use crate::watch::{Quiet, Stopped, Watch};
use line::Line;
use points::{Points, ROWS, Scale, scale};

const NAME: &str = "sliced";

/// Directions whose projections are held at a time, at most.
const GROUP: usize = 32;

/// What the projections say. Numbers are in units of c^p.
#[derive(Debug, Clone, PartialEq)]
pub struct Slices {
    /// Mean over the random directions: an estimate of the sliced distance to the power of its exponent, times the
    /// factor between that and c^p. NaN without random directions.
    pub mean: f64,
    /// Its standard error; NaN for fewer than two directions.
    pub standard_error: f64,
    /// The largest value of all directions, a lower bound of the problem's optimum up to rounding; −∞ without any.
    pub greatest: f64,
    /// The direction that gave it, of length 1 up to rounding (d).
    pub direction: Vec<f64>,
    /// Potentials of the problem with that value, feasible up to rounding.
    pub potentials: Potentials,
    /// Directions looked at, random ones and others.
    pub directions: usize,
    /// Whether it was stopped before all were looked at.
    pub interrupted: bool,
}

/// Bounds the linear problem with hard marginals from below by its projections on lines.
///
/// Reads `directions`, `seed` and `memory`.
pub fn sliced(settings: &SolverSettings) -> BuiltIn {
    BuiltIn { name: NAME, solve, settings: settings.clone() }
}

fn solve(
    problem: &TransportProblem<'_>,
    _start: Option<&Potentials>,
    settings: &SolverSettings,
    watch: &dyn Watch,
) -> Result<Solution, SolveError> {
    let found = slices(problem, settings, watch)?;
    let status = match (found.interrupted, found.greatest.is_finite()) {
        (true, _) => Status::Interrupted,
        (false, false) => Status::NumericalError,
        // It did what it can do, which is to bound one side.
        (false, true) => Status::Uncertified,
    };
    Ok(Solution {
        status,
        potentials: found.potentials,
        plan: Plan::Absent,
        primal: f64::INFINITY,
        dual: found.greatest,
        transport: f64::NAN,
        residuals: Residuals::default(),
        iterations: found.directions as u64,
    })
}

/// Projects a problem on `settings.directions` random directions and a few telling ones.
///
/// # Errors
/// If the problem makes no sense, is not one of rows with hard marginals and without entropy, or one direction's
/// projections exceed `settings.memory`.
pub fn slices(
    problem: &TransportProblem<'_>,
    settings: &SolverSettings,
    watch: &dyn Watch,
) -> Result<Slices, SolveError> {
    problem.check()?;
    let refuse = |fault| Err(SolveError::Unsupported { solver: NAME, fault });
    if problem.epsilon > 0.0 || (problem.pool, problem.query) != (Marginal::Hard, Marginal::Hard) {
        return refuse("needs hard marginals and `epsilon` 0");
    }
    let Some(points) = Points::new(problem) else {
        return refuse("projects rows: it cannot work on a matrix of costs or similarities");
    };
    let (n, m) = (problem.row_count(), problem.geometry.query_len());
    let masses = masses_of(problem)?;
    // Projections, order, and masses of one direction.
    let each = 24 * (n as u64 + m as u64);
    within(NAME, each, settings.memory)?;
    let group = (settings.memory / each).min(GROUP as u64) as usize;
    let search = Search { points, masses, scale: scale(problem.geometry.cost(), problem.power), watch };
    Ok(search.run(settings, group))
}

struct Search<'a> {
    points: Points<'a>,
    masses: Masses,
    scale: Scale,
    watch: &'a dyn Watch,
}

impl Search<'_> {
    fn run(&self, settings: &SolverSettings, group: usize) -> Slices {
        let share = |masses: &[u64]| masses.iter().map(|&x| x as f64 / self.masses.total as f64).collect::<Vec<_>>();
        let (a, b) = (share(&self.masses.supply), share(&self.masses.demand));
        let dim = self.points.dim();
        self.watch.begin("slices", settings.directions as u64);
        let mut directions = directions::random(dim, settings.directions, settings.seed);
        let (telling, mut interrupted) = match directions::telling(&self.points, &a, &b, self.watch) {
            Ok(telling) => (telling, false),
            Err(Stopped) => (Vec::new(), true),
        };
        directions.extend(telling);
        let mut values = Vec::new();
        let mut best = (f64::NEG_INFINITY, 0);
        for group in directions.chunks(group * dim) {
            let Some(found) = (!interrupted).then(|| self.values(group)).flatten() else {
                interrupted = true;
                break;
            };
            for value in found {
                if value > best.0 {
                    best = (value, values.len());
                }
                values.push(value);
                let iteration = values.len() as u64;
                self.watch.step(&Step { iteration, epsilon: 0.0, residual: f64::INFINITY, dual: best.0 });
            }
        }
        let sampled = &values[..values.len().min(settings.directions)];
        let count = sampled.len() as f64;
        let mean = sampled.iter().sum::<f64>() / count;
        let variance = sampled.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (count - 1.0);
        let direction = directions.get(best.1 * dim..(best.1 + 1) * dim).unwrap_or_default().to_vec();
        let potentials = if best.0.is_finite() { self.potentials(&direction) } else { Potentials::default() };
        Slices {
            mean,
            standard_error: if sampled.len() > 1 { (variance / count).sqrt() } else { f64::NAN },
            greatest: best.0,
            direction,
            potentials,
            directions: values.len(),
            interrupted,
        }
    }

    /// The value of every direction; `None` if the observer asks to stop.
    fn values(&self, directions: &[f64]) -> Option<Vec<f64>> {
        let dim = self.points.dim();
        let many = directions.len() / dim;
        let rows = self.project(directions, self.watch)?;
        let mut queries = vec![0.0; self.masses.demand.len() * many];
        dot::dots(dim, self.points.queries(), directions, &mut queries);
        let column = |table: &[f64], at: usize| table.iter().skip(at).step_by(many).copied().collect::<Vec<_>>();
        (0..many)
            .into_par_iter()
            .map(|at| {
                let (rows, queries) = (column(&rows, at), column(&queries, at));
                let line = Line::new(&rows, &queries, &self.masses, self.scale.exponent);
                self.watch.advance(1).ok().map(|()| self.scale.factor * line.value())
            })
            .collect()
    }

    /// θ·x of all rows and some directions (N×directions, row-major).
    fn project(&self, directions: &[f64], watch: &dyn Watch) -> Option<Vec<f64>> {
        let dim = self.points.dim();
        let (n, many) = (self.masses.supply.len(), directions.len() / dim);
        let mut out = vec![0.0; n * many];
        out.par_chunks_mut(ROWS * many)
            .enumerate()
            .try_for_each(|(chunk, out)| {
                let mut buffer = Vec::new();
                let first = chunk * ROWS;
                self.points.read(first..first + out.len() / many, &mut buffer);
                dot::dots(dim, &buffer, directions, out);
                watch.advance(0)
            })
            .ok()?;
        Some(out)
    }

    fn potentials(&self, direction: &[f64]) -> Potentials {
        // Who asked to stop still gets the potentials of what was found.
        let Some(rows) = self.project(direction, &Quiet) else { unreachable!("nobody stops this") };
        let mut queries = vec![0.0; self.masses.demand.len()];
        dot::dots(self.points.dim(), self.points.queries(), direction, &mut queries);
        let (mut pool, mut query) = Line::new(&rows, &queries, &self.masses, self.scale.exponent).potentials();
        pool.iter_mut().chain(&mut query).for_each(|x| *x *= self.scale.factor);
        Potentials { pool, query }
    }
}
