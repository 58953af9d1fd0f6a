//! Seconds against budget, on logarithmic axes.

use super::axis::Axis;
use super::chart::Chart;
use super::{Figure, View};
use crate::view::page::PageError;

pub(super) fn figure(view: &View<'_>) -> Result<Option<Figure>, PageError> {
    // Nothing takes no time: a clock that says so is too coarse.
    let series = view.series(|row| Some(f64::max(row.total_seconds(), 1e-4)));
    if series.is_empty() {
        return Ok(None);
    }
    let values: Vec<f64> = series.iter().flat_map(|series| series.points.iter().map(|point| point.1)).collect();
    let x = Axis::budgets(view.budget_label(), view.budgets.iter().map(|budget| *budget as f64));
    let y = Axis::logarithmic("seconds", values);
    let mut description = "Wall-clock seconds of choosing and certifying, at the largest budget:".to_owned();
    for (_, row) in view.at_largest() {
        description.push_str(&format!(" {} {:.3},", row.method, row.total_seconds()));
    }
    let chart = Chart { x, y, bands: Vec::new(), series, heading: None };
    let caption = "Wall-clock seconds of a method's own choosing, which is done for all budgets together, and of \
                   certifying the selection of that size; both axes are logarithmic. The pass over the pool is shared \
                   by all methods and not counted.";
    let title = format!("Time against budget, cost {}", view.cost.name());
    Ok(Some(Figure::new(view.name("time"), &title, &description, caption, &chart.draw()?)))
}
