//! TrainingOutcome against distance quantile, a panel per task.

use super::Figure;
use super::axis::Axis;
use super::chart::{Chart, Series};
use super::palette::Look;
use super::panels;
use crate::study::{Correlation, TrainingOutcome};
use crate::view::page::PageError;

/// The figure of one pool, model and outcome, whose lines these are.
pub(in crate::view::page) fn quantiles(lines: &[&Correlation]) -> Result<Option<Figure>, PageError> {
    let Some(first) = lines.first().filter(|_| lines.iter().any(|line| !line.values.is_empty())) else {
        return Ok(None);
    };
    let (mut tasks, mut representations): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for line in lines {
        if !tasks.contains(&line.task.as_str()) {
            tasks.push(&line.task);
        }
        if !representations.contains(&line.representation.as_str()) {
            representations.push(&line.representation);
        }
    }
    let word = match first.outcome {
        TrainingOutcome::Loss => "query loss",
        TrainingOutcome::Metric => "task score",
    };
    let charts = tasks.iter().map(|task| {
        let series = lines.iter().filter(|line| line.task == *task).map(|line| {
            let place = representations.iter().position(|known| *known == line.representation).unwrap_or(0);
            let points = line.values.iter().map(|(quantile, value)| (*quantile as f64, *value)).collect();
            Series { label: line.representation.clone(), look: Look::of(place), points, joined: true }
        });
        let series: Vec<Series> = series.collect();
        let all = || series.iter().flat_map(|series| series.points.iter());
        let last = all().map(|point| point.0).fold(1.0, f64::max);
        let names: Vec<String> = (0..=last as u64).map(|quantile| quantile.to_string()).collect();
        let (x, y) = (Axis::names("distance quantile", &names), Axis::linear(word, all().map(|point| point.1)));
        Chart { x, y, bands: Vec::new(), heading: Some((*task).to_owned()), series }
    });
    let drawing = panels::draw(&charts.collect::<Vec<_>>())?;
    let correlations = lines.iter().filter_map(|line| Some((line, line.spearman?)));
    let correlations = correlations.map(|(line, value)| format!(" {} {} {value:.2},", line.task, line.representation));
    let Correlation { pool, model, outcome, .. } = first;
    let description = format!(
        "{word} of {model} after training on each distance quantile of the {pool} pool. Spearman correlations:{}",
        correlations.collect::<String>()
    );
    let caption = format!(
        "{model} on the {pool} pool: {word} after training on each quantile of the pool by distance, 0 being the nearest; a \
         useful distance makes the lines {}.",
        if *outcome == TrainingOutcome::Loss { "rise" } else { "fall" }
    );
    let title = format!("{model}, {pool}: {word} by distance quantile");
    let name = super::slug(&format!("quantiles-{pool}-{model}-{}", outcome.name()));
    Ok(Some(Figure::new(name, &title, &description, &caption, &drawing)))
}
