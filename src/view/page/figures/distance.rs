//! Distance against budget: what was proved of each selection, random subsets, and where no subset can be.

use super::axis::Axis;
use super::chart::{Band, Chart, Series};
use super::palette::{Look, MUTED, SHADE};
use super::{Figure, View, distance_name, middle};
use crate::view::page::PageError;
use crate::view::page::numbers::count;

pub(super) fn figure(view: &View<'_>) -> Result<Option<Figure>, PageError> {
    let series = view.series(|row| middle(row.distance?));
    if series.is_empty() {
        return Ok(None);
    }
    let best = view.best();
    let random: Vec<_> = view.references().collect();
    let shown = series.iter().flat_map(|series| series.points.iter().map(|point| point.1));
    let ranges = random.iter().flat_map(|reference| [reference.range.0, reference.range.1]);
    let values: Vec<f64> = shown.chain(ranges).chain(best.iter().map(|best| best.1)).collect();
    let x = Axis::budgets(view.budget_label(), view.budgets.iter().map(|budget| *budget as f64));
    let mut y = Axis::linear(distance_name(view.found), values.iter().copied());
    // Room for the region below the bound to be seen.
    let floor = if values.iter().all(|value| *value >= 0.0) { 0.0 } else { f64::NEG_INFINITY };
    y = Axis::between(y.label, f64::max(y.low - 0.06 * (y.high - y.low), floor), y.high);
    let ends = x.ends();
    let floor = y.ends().0;
    let mut bands = vec![Band {
        label: Some("impossible (proved)".to_owned()),
        ink: SHADE,
        opacity: 0.45,
        ends: view.along(best.iter().copied(), ends).into_iter().map(|(at, best)| (at, floor, best)).collect(),
    }];
    let mut all = Vec::new();
    if !random.is_empty() {
        let ranges = random.iter().map(|reference| (reference.budget, reference.range));
        bands.push(Band {
            label: Some("random, range".to_owned()),
            ink: MUTED,
            opacity: 0.18,
            ends: view.along(ranges, ends).into_iter().map(|(at, (low, high))| (at, low, high)).collect(),
        });
        let means = random.iter().map(|reference| (reference.budget, reference.mean));
        all.push(Series {
            label: "random, mean".to_owned(),
            look: Look::REFERENCE,
            points: view.along(means, ends),
            joined: true,
        });
    }
    for (place, method) in view.found.methods().iter().enumerate() {
        bands.push(Band {
            label: None,
            ink: Look::of(place).ink,
            opacity: 0.3,
            ends: (view.rows(method))
                .filter_map(|row| Some((view.across(place, row.budget), row.distance?.lower?, row.distance?.upper?)))
                .collect(),
        });
    }
    all.extend(series);
    let chart = Chart { x, y, bands, series: all, heading: None };
    let largest = view.largest();
    let mut description = format!(
        "Certified distance of {} methods at budgets {}. At {}:",
        view.found.methods().len(),
        view.budgets.iter().map(|budget| count(*budget as u64)).collect::<Vec<_>>().join(", "),
        count(largest as u64)
    );
    for (_, row) in view.at_largest() {
        if let Some(value) = row.distance.and_then(middle) {
            description.push_str(&format!(" {} {value:.4},", row.method));
        }
    }
    if let Some((_, bound)) = best.last() {
        description.push_str(&format!(" and no subset is below {bound:.4}."));
    }
    let caption = "Lower is closer to the queries; bands are the proved intervals, mostly thinner than the lines, and \
                   no subset of the size can lie in the shaded region. Compare methods at one budget, never one \
                   method across budgets: the distance rises with the budget while the loss falls.";
    let title = format!("Distance against budget, cost {}", view.cost.name());
    Ok(Some(Figure::new(view.name("distance"), &title, &description, caption, &chart.draw()?)))
}
