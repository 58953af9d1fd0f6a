//! How well each query is covered: the distribution over queries of the cost to the closest chosen row.

use super::axis::Axis;
use super::chart::{Chart, Series};
use super::palette::Look;
use super::{Figure, View};
use crate::view::page::PageError;

/// Quantiles that are drawn.
const POINTS: usize = 41;

pub(super) fn figure(view: &View<'_>) -> Result<Option<Figure>, PageError> {
    let mut description =
        format!("Cost from a query to its closest chosen row at {}; median and worst:", view.largest_budget());
    let mut series = Vec::new();
    for (place, row, examined) in view.examined() {
        let mut costs: Vec<f64> = examined.query_costs.iter().copied().filter(|cost| cost.is_finite()).collect();
        costs.sort_by(f64::total_cmp);
        let (Some(worst), Some(median)) = (costs.last(), costs.get(costs.len() / 2)) else { continue };
        description.push_str(&format!(" {} {median:.4} and {worst:.4},", row.method));
        let last = costs.len() - 1;
        let points = usize::min(POINTS, costs.len()).max(2);
        let at = |point: usize| {
            let place = point * last / (points - 1);
            (100.0 * (place + 1) as f64 / costs.len() as f64, costs[place])
        };
        let look = Look { marker: None, ..Look::of(place) };
        series.push(Series { label: row.method.clone(), look, points: (0..points).map(at).collect(), joined: true });
    }
    if series.is_empty() {
        return Ok(None);
    }
    let values: Vec<f64> = series.iter().flat_map(|series| series.points.iter().map(|point| point.1)).collect();
    let x = Axis::between("% of the queries, best covered first", 0.0, 100.0);
    let y = Axis::linear("cost to closest row", values);
    let chart = Chart { x, y, bands: Vec::new(), series, heading: None };
    let caption = format!(
        "For each method at {}, the cost from a query to its closest chosen row, queries sorted by it: a line that \
         turns up at the right leaves some queries badly covered.",
        view.largest_budget()
    );
    let title = format!("Coverage of the queries, cost {}", view.cost.name());
    Ok(Some(Figure::new(view.name_at("coverage"), &title, &description, &caption, &chart.draw()?)))
}
