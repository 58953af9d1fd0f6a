//! Where a run begins: a given start, the solution on a sample of the rows, or the cheapest costs.
//!
//! One row in 16 (or 32) knows most of what all rows know of the query potentials, at so much less work: what is left on
//! all rows is the sampling error, a few steps of Newton's method. The steps on the sample are not counted.

use std::ops::Range;

use kantor_theory::Geometry;

use super::costs::Costs;
use super::dual::{Dual, Goal, Point};
use super::extremes::extremes;
use super::schedule;
use super::solver::{Run, Start};
use crate::watch::{Stopped, Watch};

/// Rows at whose costs the query potentials may start: whole blocks of [`kantor_theory::Geometry`].
const SAMPLE: usize = 960;

/// Rows from which on a sample of them is solved first, and one in how many is in the sample.
const MANY: usize = 1 << 16;
const ONE_IN: usize = 16;

/// The same where costs lie in memory query by query: there a pass costs little more than reading them.
const LINES_ONE_IN: usize = 32;

/// Neighbouring rows that are in the sample together where costs lie in memory query by query: a cache line of them.
const RUN: usize = 8;

/// Goal of the run on the sample, whose potentials are off by more than that on all rows.
const ROUGH: Goal = Goal { tolerance: 1e-2, limit: 300 };

/// Residual up to which a start needs no larger ε on the way.
const NEAR: f64 = 0.5;

/// Largest ratio of a cost to ε at which any rows' costs will do as query potentials where Sinkhorn's method is fast.
const MILD: f64 = 64.0;

impl Run<'_> {
    /// From `start`, if there is one.
    ///
    /// Where ε is not small for a sample of the costs, the run goes straight to the wanted ε.
    pub(super) fn begin(&self, start: Option<Vec<f64>>, newton: bool) -> Result<Start, Stopped> {
        if let Some(g) = start {
            return Ok(Start::Given(g));
        }
        let helps = schedule::is_of_use(&self.penalty);
        if (helps || newton && self.costs.are_lines()) && self.costs.pool_len() >= MANY {
            return self.sample(newton).map(Start::Given);
        }
        let epsilon = self.penalty.epsilon;
        let (least, range) = extremes(self.costs, SAMPLE.min(self.costs.pool_len()), self.watch)?;
        if schedule::START * range <= 2.0 * epsilon || (!helps && range <= MILD * epsilon) {
            return Ok(Start::Straight(schedule::cold(&least, &self.penalty)));
        }
        let (least, range) = extremes(self.costs, self.costs.pool_len(), self.watch)?;
        Ok(Start::Far(schedule::cold(&least, &self.penalty), range))
    }

    /// Potentials of the same problem on rows at equal distances.
    fn sample(&self, newton: bool) -> Result<Vec<f64>, Stopped> {
        let n = self.costs.pool_len();
        let quiet = Muted(self.watch);
        if self.costs.are_lines() {
            // Whole cache lines of the matrix.
            let spans: Vec<Range<usize>> = (0..n).step_by(RUN * LINES_ONE_IN).map(|at| at..(at + RUN).min(n)).collect();
            let positions: Vec<usize> = spans.iter().cloned().flatten().collect();
            let lines = self.costs.lines_at(&spans);
            let geometry = lines.as_ref().and_then(|lines| Geometry::from_matrix(lines, self.costs.given_as()).ok());
            let Some(geometry) = &geometry else { unreachable!("some lines of a matrix make a matrix") };
            return self.solve_sample(&self.costs.on(geometry), &positions, &quiet, newton);
        }
        let positions: Vec<usize> = (0..n).step_by(ONE_IN).collect();
        let rows = self.costs.rows_at(&positions);
        self.solve_sample(&self.costs.among(&rows).hold(&quiet)?, &positions, &quiet, newton)
    }

    fn solve_sample(
        &self,
        costs: &Costs<'_>,
        positions: &[usize],
        quiet: &dyn Watch,
        newton: bool,
    ) -> Result<Vec<f64>, Stopped> {
        let measures = self.measures.among(positions);
        let run = Run { costs, measures: &measures, penalty: self.penalty, goal: ROUGH, watch: quiet };
        let start = run.begin(None, newton)?;
        let mut dual = Dual::<f64>::new(costs, false, &measures, self.penalty, quiet);
        let reached = run.go(&mut dual, start, newton);
        reached.end.map(|_| reached.g)
    }

    /// Whether the wanted ε can be gone on with.
    pub(super) fn is_near(&self, point: &Point) -> bool {
        point.is_sound() && (point.residual <= NEAR || !schedule::is_of_use(&self.penalty))
    }

    /// Where to go on from a point that is not near, and the range of the costs.
    pub(super) fn back(&self, point: Point) -> Result<(Vec<f64>, f64), Stopped> {
        let (least, range) = extremes(self.costs, self.costs.pool_len(), self.watch)?;
        let usable = point.g.iter().all(|g| g.is_finite());
        Ok((if usable { point.g } else { schedule::cold(&least, &self.penalty) }, range))
    }
}

/// Passes on the wish to stop, but no steps: those of a smaller problem are none of the observer's.
struct Muted<'w>(&'w dyn Watch);

impl Watch for Muted<'_> {
    fn begin(&self, _stage: &str, _total: u64) {}

    fn advance(&self, _units: u64) -> Result<(), Stopped> {
        self.0.advance(0)
    }
}
