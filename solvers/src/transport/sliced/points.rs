//! Rows and queries as points of a Euclidean space, in which c^p is a power of the distance or is bounded by one.

use std::ops::Range;

use kantor_theory::cost::Family;
use kantor_theory::{Cost, Power, TransportProblem, dot};

/// Rows read at a time.
pub(super) const ROWS: usize = 256;

/// The points of a problem: rows as they are, or of length one where the cost looks at directions.
pub(super) struct Points<'a> {
    problem: &'a TransportProblem<'a>,
    dim: usize,
    unit: bool,
    queries: Vec<f64>,
}

/// c^p ≥ factor·‖x − y‖^exponent on these points, with equality for all costs but `angular`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    pub(super) factor: f64,
    pub(super) exponent: i32,
}

impl<'a> Points<'a> {
    /// `None` for a matrix, which knows no points.
    pub(super) fn new(problem: &'a TransportProblem<'a>) -> Option<Self> {
        let pool = problem.geometry.points()?;
        let (queries, _) = problem.geometry.queries()?;
        let (dim, unit) = (pool.dim(), problem.geometry.cost().family() == Family::Angle);
        let mut queries = queries.to_vec();
        if unit {
            to_unit(&mut queries, dim);
        }
        Some(Self { problem, dim, unit, queries })
    }

    /// d.
    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    /// All queries (M×d).
    pub(super) fn queries(&self) -> &[f64] {
        &self.queries
    }

    /// The rows at these positions among those that take part, row-major.
    pub(super) fn read(&self, positions: Range<usize>, buffer: &mut Vec<f64>) {
        let Some(pool) = self.problem.geometry.points() else { unreachable!("made of points") };
        buffer.resize(positions.len() * self.dim, 0.0);
        if self.problem.rows.is_none() {
            pool.read(positions.start, 0..self.dim, buffer);
        } else {
            for (position, row) in positions.zip(buffer.chunks_exact_mut(self.dim)) {
                pool.read_row(self.problem.row(position), row);
            }
        }
        if self.unit {
            to_unit(buffer, self.dim);
        }
    }
}

/// How c^p follows from the distance: 1 − cos is half the squared chord, and an angle is at least its chord.
pub(super) fn scale(cost: Cost, power: Power) -> Scale {
    let (factor, exponent) = match cost {
        Cost::Euclidean | Cost::Precomputed => (1.0, 1),
        Cost::Sqeuclidean => (1.0, 2),
        Cost::Cosine => (0.5, 2),
        Cost::HalfCosine => (0.25, 2),
        Cost::Angular => (std::f64::consts::FRAC_1_PI, 1),
    };
    match power {
        Power::One => Scale { factor, exponent },
        Power::Two => Scale { factor: factor * factor, exponent: 2 * exponent },
    }
}

fn to_unit(rows: &mut [f64], dim: usize) {
    for row in rows.chunks_exact_mut(dim) {
        let norm = dot::dot(row, row).sqrt();
        row.iter_mut().for_each(|x| *x /= norm);
    }
}
