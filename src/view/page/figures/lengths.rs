//! How long the chosen examples are: shares by length in tokens.

use super::axis::Axis;
use super::chart::{Chart, Series};
use super::palette::Look;
use super::{Figure, View};
use crate::view::page::PageError;
use crate::view::page::numbers::count;

pub(super) fn figure(view: &View<'_>) -> Result<Option<Figure>, PageError> {
    let mut series = Vec::new();
    let mut description = format!("Words and marks of the examples chosen at {}, in all:", view.largest_budget());
    for (place, row, examined) in view.examined().filter(|(.., examined)| !examined.lengths.is_empty()) {
        let all = examined.lengths.iter().sum::<usize>().max(1) as f64;
        let shares =
            examined.lengths.iter().enumerate().map(|(bin, number)| (bin as f64, 100.0 * *number as f64 / all));
        series.push(Series {
            label: row.method.clone(),
            look: Look::of(place),
            points: shares.collect(),
            joined: true,
        });
        if let Some(tokens) = examined.tokens {
            description.push_str(&format!(" {} {},", row.method, count(tokens)));
        }
    }
    let Some(bins) = series.iter().map(|series| series.points.len()).max() else { return Ok(None) };
    let ends = &view.found.length_bins;
    let names: Vec<String> = (0..bins)
        .map(|bin| match ends.get(bin) {
            Some(end) if bin + 1 < bins => format!("≤{}", count(*end)),
            _ => "more".to_owned(),
        })
        .collect();
    let values: Vec<f64> = series.iter().flat_map(|series| series.points.iter().map(|point| point.1)).collect();
    let x = Axis::names("tokens per example", &names);
    let y = Axis::linear("% of the chosen examples", values.into_iter().chain([0.0]));
    let chart = Chart { x, y: Axis::between(y.label, 0.0, y.high), bands: Vec::new(), series, heading: None };
    let caption = "Lengths of the chosen examples: methods that choose longer ones train on more tokens at the same \
                   number of rows, which a comparison of losses must take into account.";
    let title = format!("Lengths of the chosen examples, cost {}", view.cost.name());
    Ok(Some(Figure::new(view.name_at("lengths"), &title, &description, caption, &chart.draw()?)))
}
