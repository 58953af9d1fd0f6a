//! How much more queries, or a larger pool, would help: choices by nested random parts of both, measured on queries that were kept out.
//!
//! Differences are paired: each part of the queries that is kept out measures the choices by all sizes, and Student's interval of 95 % is that of the
//! mean difference over these parts. Choices by different parts share queries, so the interval is an approximation. A curve says what
//! the sizes that were tried are worth, and nothing of larger ones.

mod run;

use kantor_theory::{Cost, Objective, Power};
use serde::Serialize;

use crate::decimal::{difference, magnitude};
use crate::pipeline::Behind;

pub use run::{LEAST, learning_curves, learning_curves_of};

/// What there is more of from point to point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Axis {
    /// Queries by which rows are chosen, of the whole pool.
    Queries,
    /// Rows of the pool, by all queries that are not kept out.
    Pool,
}

impl Axis {
    /// Both.
    pub const ALL: [Axis; 2] = [Axis::Queries, Axis::Pool];

    /// What is counted.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Axis::Queries => "queries",
            Axis::Pool => "pool rows",
        }
    }
}

/// Choices by parts of one size. Distances are means over the parts of the queries that are kept out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// Queries by which rows were chosen, the mean over the draws.
    pub queries: f64,
    /// Rows from which they were chosen.
    pub pool_rows: usize,
    /// Distance to the queries that were kept out.
    pub unseen: f64,
    /// Distance to the queries by which they were chosen: fewer are farther from any rows, so points of different numbers of queries do
    /// not compare by it.
    pub seen: f64,
    /// Energy distance to the queries that were kept out; `null` if it takes too long or rows are not known.
    pub energy: Option<f64>,
    /// How far the point before is behind this one on unseen queries; `null` for the first.
    pub gain: Option<Behind>,
    /// The same in the energy distance.
    pub energy_gain: Option<Behind>,
    /// How far this one is behind the last on unseen queries.
    pub behind_last: Behind,
}

/// One method at a budget.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curve {
    /// What there is more of.
    pub axis: Axis,
    /// The method.
    pub method: String,
    /// The budget.
    pub budget: usize,
    /// The smallest first; at least two.
    pub points: Vec<Point>,
}

/// A size at which nothing was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Of what it is a part.
    pub axis: Axis,
    /// It is about one part in this many.
    pub divisor: usize,
    /// Why.
    pub why: String,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LearningCurves {
    /// Pairwise cost.
    pub cost: Cost,
    /// Power of the transport distance.
    pub p: Power,
    /// The distance.
    pub objective: Objective,
    /// Seed of all draws.
    pub seed: u64,
    /// Parts of the queries, each of which was kept out once.
    pub folds: usize,
    /// Groups of queries that were kept together, if there are some.
    pub groups: Option<usize>,
    /// Whether budgets are in tokens.
    pub in_tokens: bool,
    /// All queries.
    pub query_rows: usize,
    /// All rows of the pool.
    pub pool_rows: usize,
    /// By axis, method and budget.
    pub curves: Vec<Curve>,
    /// Sizes that have no point.
    pub left_out: Vec<LeftOut>,
}

impl Curve {
    /// How many there are at a point, rounded.
    pub(crate) fn size(&self, point: &Point) -> usize {
        match self.axis {
            Axis::Queries => point.queries.round() as usize,
            Axis::Pool => point.pool_rows,
        }
    }

    /// In words: what every step was worth, and that nothing larger was tried.
    pub fn sentence(&self) -> String {
        let unit = self.axis.unit();
        let (mut steps, mut last) = (Vec::new(), "");
        for pair in self.points.windows(2) {
            let ([before, after], Some(gain)) = (pair, pair[1].gain) else { continue };
            let half = gain.half_width.map_or_else(|| "?".to_owned(), difference);
            let (from, to) = (self.size(before), self.size(after));
            let change = |word: &str, mean: f64| {
                let share = if before.unseen > 0.0 { 100.0 * mean / before.unseen } else { 0.0 };
                format!(
                    "from {from} to {to} {unit} the distance on unseen queries {word} by {} ± {half} ({share:.1} %)",
                    magnitude(mean)
                )
            };
            let words;
            (words, last) = if gain.is_told_apart() {
                (change("fell", gain.mean), "the last step still helped")
            } else if (Behind { mean: -gain.mean, ..gain }).is_told_apart() {
                (change("rose", -gain.mean), "the last step did harm")
            } else {
                let mean = difference(gain.mean);
                (
                    format!("from {from} to {to} {unit} no gain can be told ({mean} ± {half})"),
                    "the last step cannot be told apart from no gain",
                )
            };
            steps.push(words);
        }
        let most = self.points.last().map_or(0, |point| self.size(point));
        format!("{}; {last}, and more than {most} {unit} were not tried", steps.join("; "))
    }
}

impl LeftOut {
    /// In words.
    pub(crate) fn sentence(&self) -> String {
        let of = match self.axis {
            Axis::Queries => "queries",
            Axis::Pool => "pool",
        };
        format!("1/{} of the {of} is left out: {}", self.divisor, self.why)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn curve(gains: &[(f64, f64)]) -> Curve {
        let point = |at: usize, unseen: f64, gain: Option<Behind>| Point {
            queries: 10.0 * 2f64.powi(at as i32),
            pool_rows: 100,
            unseen,
            seen: 0.1,
            energy: None,
            gain,
            energy_gain: None,
            behind_last: Behind { mean: 0.0, half_width: Some(0.0) },
        };
        let mut points = vec![point(0, 1.0, None)];
        for &(mean, half) in gains {
            let before = points.last().unwrap().unseen;
            let gain = Behind { mean, half_width: Some(half) };
            points.push(point(points.len(), before - mean, Some(gain)));
        }
        Curve { axis: Axis::Queries, method: "optimal".to_owned(), budget: 5, points }
    }

    #[test]
    fn a_sentence_tells_a_gain_from_none_and_from_harm_and_claims_nothing_beyond() {
        let words = curve(&[(0.25, 0.1), (0.01, 0.02)]).sentence();
        assert_eq!(
            words,
            "from 10 to 20 queries the distance on unseen queries fell by 0.2500 ± 0.1000 (25.0 %); from 20 to 40 queries no gain \
             can be told (0.0100 ± 0.0200); the last step cannot be told apart from no gain, and more than 40 queries were not tried"
        );
        let words = curve(&[(0.25, 0.1)]).sentence();
        assert!(words.ends_with("the last step still helped, and more than 20 queries were not tried"), "{words}");
        let words = curve(&[(-0.5, 0.1)]).sentence();
        assert!(words.contains("rose by 0.5000 ± 0.1000 (50.0 %); the last step did harm"), "{words}");
    }
}
