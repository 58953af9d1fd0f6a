//! Seconds of the transport solvers against budget, on logarithmic axes.

use std::collections::BTreeMap;

use super::axis::Axis;
use super::chart::{Chart, Series};
use super::palette::Look;
use super::{Figure, View};
use crate::view::page::PageError;
use crate::view::page::numbers::solver_name;

pub(super) fn figure(view: &View<'_>) -> Result<Option<Figure>, PageError> {
    let mut names: Vec<String> = Vec::new();
    // Sum and number, by solver and budget.
    let mut seconds: BTreeMap<(usize, usize), (f64, usize)> = BTreeMap::new();
    for row in view.found.solvers.iter().filter(|row| row.cost == view.cost) {
        let name = solver_name(row);
        let place = names.iter().position(|known| *known == name).unwrap_or_else(|| {
            names.push(name);
            names.len() - 1
        });
        let (sum, number) = seconds.entry((place, row.budget)).or_default();
        *sum += row.seconds;
        *number += 1;
    }
    if names.is_empty() {
        return Ok(None);
    }
    let series: Vec<Series> = (names.into_iter().enumerate())
        .map(|(place, label)| Series {
            label,
            look: Look::of(place),
            points: (seconds.range((place, 0)..(place + 1, 0)))
                .map(|((_, budget), (sum, number))| (*budget as f64, f64::max(sum / *number as f64, 1e-5)))
                .collect(),
            joined: true,
        })
        .collect();
    let values: Vec<f64> = series.iter().flat_map(|series| series.points.iter().map(|point| point.1)).collect();
    let x = Axis::budgets(view.budget_label(), view.budgets.iter().map(|budget| *budget as f64));
    let description = format!("Mean seconds of {} solvers over the selections of each budget.", series.len());
    let chart = Chart { x, y: Axis::logarithmic("seconds", values), bands: Vec::new(), series, heading: None };
    let caption =
        "Wall-clock seconds of one solve, the mean over the selections of that size; both axes are logarithmic.";
    let title = format!("Solvers: time against budget, cost {}", view.cost.name());
    Ok(Some(Figure::new(view.name("solvers"), &title, &description, caption, &chart.draw()?)))
}
