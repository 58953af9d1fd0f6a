//! Queries kept out: a selection by some queries, measured on others and on its own.

use kantor_solvers::Watch;
use kantor_theory::rounding::{add_down, add_up, div_down, div_up};
use kantor_theory::{DistanceBound, FeasibleSet, Geometry, Interval, Objective};
use serde::{Deserialize, Serialize};

use super::{Error, Request, beside, choose};
use crate::certify::{self, Terms};
use crate::label::{Labelled, budgets};
use crate::problem::Problem;

/// Distances of a selection to some of the queries, with their weights: of one fold, or the means over all folds, each of which
/// counts the same.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Means {
    /// Proved to contain the (mean) distance under the objective.
    pub distance: Interval,
    /// Proved to contain the (mean) energy distance; `null` if it takes too long or the rows are not known.
    pub energy: Option<Interval>,
}

/// A selection beside some queries.
pub(crate) struct Measured {
    /// Its distances to them.
    pub(crate) means: Means,
    /// What proves the first of them.
    pub(crate) proof: DistanceBound,
}

/// Chooses by the queries of `seen`, which are others than those of `held`, and gives `each` what every selection is at from both, after the places of
/// its method and of its budget. Rows weigh their lengths where `sets`, one for each budget, count tokens.
///
/// # Errors
/// If a method cannot choose by these queries, a distance cannot be evaluated, or `watch` asks to stop.
pub(crate) fn choose_and_measure(
    [held, seen]: [&Problem<'_>; 2],
    request: &Request,
    objective: Objective,
    sets: &[Option<FeasibleSet>],
    watch: &dyn Watch,
    mut each: impl FnMut(usize, usize, [Measured; 2]),
) -> Result<(), Error> {
    let plain = Request { certify: false, cross_fit: None, ..request.clone() };
    for (method, chosen) in choose(seen, &plain, watch)?.chosen.iter().enumerate() {
        for (budget, (proved, set)) in chosen.selections.iter().zip(sets).enumerate() {
            let rows = &proved.selection.rows;
            let watch = &Labelled::new(watch, format!("{}, {}", chosen.method, budgets(&[rows.len()])));
            let measured = |by: &Problem<'_>| {
                let terms = by.terms(objective).of_rows(set.as_ref(), rows);
                measure(by.geometry(), &terms, request, rows, watch)
            };
            each(method, budget, [measured(held)?, measured(seen)?]);
        }
    }
    Ok(())
}

/// Distances of these rows to the queries of this geometry.
fn measure(
    geometry: &Geometry<'_>,
    terms: &Terms,
    request: &Request,
    rows: &[usize],
    watch: &dyn Watch,
) -> Result<Measured, Error> {
    watch.advance(0)?;
    let proved = certify::distance(geometry, terms, rows)?;
    let energy = beside::energy(geometry, terms, request.energy, rows, watch)?.ok();
    Ok(Measured { means: Means { distance: proved.interval(), energy }, proof: proved })
}

/// An interval that contains the mean of any numbers that the intervals contain.
pub(super) fn mean(intervals: impl IntoIterator<Item = Interval>) -> Interval {
    let (mut low, mut high, mut count) = (Some(0.0), Some(0.0), 0.0);
    for Interval { lower, upper } in intervals {
        low = low.zip(lower).map(|(sum, x)| add_down(sum, x));
        high = high.zip(upper).map(|(sum, x)| add_up(sum, x));
        count += 1.0;
    }
    Interval { lower: low.map(|x| div_down(x, count)), upper: high.map(|x| div_up(x, count)) }
}

/// The middle of an interval of a distance.
pub(crate) fn middle(of: Interval) -> f64 {
    f64::midpoint(of.lower.unwrap_or(0.0), of.upper.unwrap_or(f64::INFINITY))
}
