//! What is said of queries that nobody has seen: T10, T11, T13, the paper's two segments.

use kantor_solvers::draw;
use kantor_theory::Rows;
use kantor_theory::generalization::assumption::require_held_out;
use kantor_theory::generalization::domain::segments;
use kantor_theory::generalization::heldout::{held_out_distance, law_distance, same_queries_distance, split_mean};
use kantor_theory::generalization::lipschitz::critical_lipschitz;
use kantor_theory::generalization::rates::a_priori_share;
use kantor_theory::generalization::reference::noise_ratio;
use kantor_theory::generalization::{Assumption, Bound, MetricDistance, Refusal, Theorem};

use super::line::{FROM_HELD_OUT, FROM_SAME};
use super::solve::Solved;
use super::{Line, Study};
use crate::pipeline::Error;

const FAR: &str = "no two points are farther apart than";

/// Streams of the seed: what is drawn for one purpose does not depend on how much was drawn for another.
pub(super) const SPLITS: u64 = 1 << 32;

impl Study<'_> {
    /// Distances to the law of the queries. Returns T11's bound of W₁(Q, P).
    pub(super) fn fresh_queries(&mut self, solved: &Solved) -> Result<Option<Bound>, Error> {
        let queries = self.query.len();
        let splits = self.splits()?;
        let floor = split_mean(&splits);
        let law = match (self.diameter, floor) {
            (None, _) => {
                let why = "needs a diameter fixed in advance, never the largest distance seen: give --diameter";
                self.skip("W₁(S, P)", Theorem::T11, why);
                None
            }
            (Some(_), None) => {
                self.skip("W₁(S, P)", Theorem::T11, "needs two queries and at least one split");
                None
            }
            (Some(diameter), Some(_)) => law_distance(&splits, diameter, queries, self.terms.delta),
        };
        if let Some(law) = &law {
            self.push(Line::against("W₁(Q, P), by half-splits", law.clone(), self.diameter, FAR));
            let bound = same_queries_distance(solved.distance, law);
            self.push(Line::against(FROM_SAME, bound, self.diameter, FAR));
            self.push(Line::against("two segments, S–Q and Q–P", segments(solved.distance, law), self.diameter, FAR));
        }
        self.held_out(floor)?;
        self.before_looking(queries);
        Ok(law)
    }

    /// T13: the rate for points of a cube, as a share of its diameter.
    fn before_looking(&mut self, queries: usize) {
        let name = "W₁(Q, P)/diameter before looking, in a cube";
        if !self.metric.is_norm() {
            self.refuse(
                name,
                Refusal::new(Theorem::T13, Assumption::Metric, "the rate is stated for norms, not for angles"),
            );
            return;
        }
        let dim = u32::try_from(self.query.rows().dim()).unwrap_or(u32::MAX);
        let share = a_priori_share(dim, queries, self.terms.delta);
        self.push(Line::against(name, share, Some(1.0), "as a share of the diameter nothing exceeds"));
    }

    /// Certified distances between random halves of the queries.
    fn splits(&self) -> Result<Vec<MetricDistance>, Error> {
        let m = self.query.len();
        let half = m / 2;
        let mut splits = Vec::new();
        for split in 0..if half == 0 { 0 } else { self.terms.splits } {
            let order = draw::without_replacement(self.terms.seed, SPLITS + split as u64, m, 2 * half);
            let (a, b) = order.split_at(half);
            if let (Some(a), Some(b)) = (self.query.part(a.iter().copied()), self.query.part(b.iter().copied())) {
                splits.push(self.distance(&a, &b)?);
            }
        }
        Ok(splits)
    }

    fn held_out(&mut self, floor: Option<f64>) -> Result<(), Error> {
        let Some(cloud) = &self.held_out else {
            self.skip(
                FROM_HELD_OUT,
                Theorem::T10,
                "needs queries that the selection did not see: give --heldout-query",
            );
            return Ok(());
        };
        let count = cloud.len();
        let shared = self.subject.held_out.as_ref().map_or(0, |held| held.shared);
        if let Err(refusal) = require_held_out(Theorem::T10, shared, count) {
            self.refuse(FROM_HELD_OUT, refusal);
            return Ok(());
        }
        let distance = self.distance(&self.subset, cloud)?;
        self.push(Line::against("W₁(S, Q held out)", distance.bound(), self.diameter, FAR));
        if let Some(ratio) = floor.and_then(|floor| noise_ratio(distance, floor)) {
            self.push(Line::value("W₁(S, Q held out) / V̂, noise floor", ratio));
        }
        let Some(diameter) = self.diameter else {
            self.skip(FROM_HELD_OUT, Theorem::T10, "needs a diameter fixed in advance: give --diameter");
            return Ok(());
        };
        let bound = held_out_distance(distance, diameter, count, self.terms.delta);
        let term = bound.value() - distance.upper();
        self.push(Line::against(FROM_HELD_OUT, bound.clone(), Some(diameter), FAR));
        let loss = self.subset_loss().map_or(0.0, |r| r.1);
        let (range, name) = match self.range {
            Some(range) => (range, "critical L for fresh queries"),
            None => (1.0, "critical L for fresh queries (× B, R_S = 0)"),
        };
        let loss = if self.range.is_some() { loss } else { 0.0 };
        // The bound's assumptions are the constant's too.
        let critical = critical_lipschitz(range, loss, distance, term.next_up().max(0.0));
        let critical = critical.assuming(bound.assumptions().iter().copied()).at_most(bound.kind());
        self.push(Line::value(name, critical));
        if let Some(l) = self.lipschitz {
            let gap = bound.times(Theorem::T10, "L", l).assuming([Assumption::Lipschitz, Assumption::OneModel]);
            self.push(Line::against("R_P − R_S ≤ L·W₁(S, P)", gap, self.range, "losses never differ by more than B ="));
        }
        Ok(())
    }
}
