//! Distance to unseen queries against the number of queries by which rows were chosen, or of rows of the pool.

use super::Figure;
use super::axis::Axis;
use super::chart::{Band, Chart, Series};
use super::palette::Look;
use crate::record::columns::distance_name;
use crate::study::{self, Curve, LearningCurves};
use crate::view::curve::{along, name};
use crate::view::page::PageError;

/// The figure of an axis, if there are curves along it.
pub(in crate::view::page) fn learning(found: &LearningCurves, axis: study::Axis) -> Result<Option<Figure>, PageError> {
    let curves: Vec<&Curve> = along(found, axis).collect();
    if curves.is_empty() {
        return Ok(None);
    }
    let (mut series, mut bands) = (Vec::new(), Vec::new());
    let mut description = format!("Distance on unseen queries by number of {}.", axis.unit());
    for (place, curve) in curves.iter().enumerate() {
        let look = Look::of(place);
        let points: Vec<(f64, f64)> =
            curve.points.iter().map(|point| (curve.size(point) as f64, point.unseen)).collect();
        let ends = curve.points.iter().filter_map(|point| {
            let half = point.behind_last.half_width?;
            Some((curve.size(point) as f64, point.unseen - half, point.unseen + half))
        });
        bands.push(Band { label: None, ink: look.ink, opacity: 0.15, ends: ends.collect() });
        description.push_str(&format!(" {}:", name(found, curve)));
        for (size, unseen) in &points {
            description.push_str(&format!(" {size} {unseen:.4},"));
        }
        series.push(Series { label: name(found, curve), look, points, joined: true });
    }
    let sizes = series.iter().flat_map(|series| series.points.iter().map(|point| point.0));
    let heights = bands.iter().flat_map(|band| band.ends.iter().flat_map(|end| [end.1, end.2]));
    let heights: Vec<f64> = heights.chain(series.iter().flat_map(|of| of.points.iter().map(|point| point.1))).collect();
    let label = match axis {
        study::Axis::Queries => "queries by which rows were chosen",
        study::Axis::Pool => "rows of the pool",
    };
    let y = format!("{} to unseen queries", distance_name(found.objective));
    let (x, y) = (Axis::budgets(label, sizes), Axis::linear(y, heights));
    let caption = format!(
        "Choices by nested random draws, measured on queries that were kept out ({} parts). Bands: the 95 % interval of the difference \
         from the last point, paired by part; one that does not reach down to that point is told apart from it. Beyond the last point \
         nothing was measured. Compare a curve with others at the same budget only.",
        found.folds
    );
    let (title, file) = match axis {
        study::Axis::Queries => ("Distance on unseen queries by number of queries", "learning-queries"),
        study::Axis::Pool => ("Distance on unseen queries by size of the pool", "learning-pool"),
    };
    let chart = Chart { x, y, bands, series, heading: None };
    Ok(Some(Figure::new(file.to_owned(), title, &description, &caption, &chart.draw()?)))
}
