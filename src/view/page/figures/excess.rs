//! How far each selection can be above the best possible one, against budget.

use super::axis::Axis;
use super::chart::{Chart, Series};
use super::palette::Look;
use super::{Figure, View};
use crate::view::page::PageError;
use crate::view::page::numbers::{count, excess_percent};

/// Per cent below which nothing is told apart: differences of the distance below 2 % say nothing of the loss.
const FLOOR: f64 = 0.01;

pub(super) fn figure(view: &View<'_>) -> Result<Option<Figure>, PageError> {
    let mut all = view.series(|row| row.excess.map(|excess| f64::max(100.0 * excess, FLOOR)));
    if all.is_empty() {
        return Ok(None);
    }
    let x = Axis::budgets(view.budget_label(), view.budgets.iter().map(|budget| *budget as f64));
    let means = view.references().filter(|reference| reference.best > 0.0);
    let means = means.map(|reference| (reference.budget, 100.0 * (reference.mean / reference.best - 1.0)));
    let means: Vec<_> = means.collect();
    if !means.is_empty() {
        let points = view.along(means.into_iter(), x.ends());
        all.insert(0, Series { label: "random, mean".to_owned(), look: Look::REFERENCE, points, joined: true });
    }
    let values: Vec<f64> = all.iter().flat_map(|series| series.points.iter().map(|point| point.1)).collect();
    let y = Axis::logarithmic("at most % above the best possible", values);
    let mut description =
        format!("At {} rows, at most this much above the best possible:", count(view.largest() as u64));
    for (_, row) in view.at_largest() {
        if let Some(excess) = row.excess {
            description.push_str(&format!(" {} {} %,", row.method, excess_percent(excess)));
        }
    }
    let chart = Chart { x, y, bands: Vec::new(), series: all, heading: None };
    let caption = "How much closer the best subset of that size could be, at most; the axis is logarithmic and ends at \
                   0.01 %, where exact optima lie. Differences below 2 % say nothing of the loss.";
    let title = format!("Excess over the best possible distance against budget, cost {}", view.cost.name());
    Ok(Some(Figure::new(view.name("excess"), &title, &description, caption, &chart.draw()?)))
}
