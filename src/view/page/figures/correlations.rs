//! Rank correlations of distance quantile and outcome, as a heat map of experiments and tasks.

use std::collections::BTreeMap;

use super::Figure;
use super::heat::{Cell, Heat};
use super::palette::{BLUE, VERMILLION};
use crate::study::{Published, TrainingOutcome};
use crate::view::page::PageError;

/// One figure for an outcome; none without numbers.
pub(in crate::view::page) fn correlations(
    found: &Published,
    outcome: TrainingOutcome,
) -> Result<Option<Figure>, PageError> {
    let lines = || found.correlations.iter().filter(|line| line.outcome == outcome);
    let mut tasks: Vec<String> = Vec::new();
    let mut rows: BTreeMap<(&str, &str, &str), BTreeMap<&str, f64>> = BTreeMap::new();
    for line in lines() {
        if !tasks.contains(&line.task) {
            tasks.push(line.task.clone());
        }
        let row = rows.entry((line.pool, &line.model, &line.representation)).or_default();
        if let Some(spearman) = line.spearman {
            row.insert(&line.task, spearman);
        }
    }
    if rows.is_empty() {
        return Ok(None);
    }
    let cell = |value: Option<&f64>| match value {
        Some(value) => {
            let ink = if *value < 0.0 { VERMILLION } else { BLUE };
            Cell { text: format!("{value:.2}").replace('-', "−"), ink, shade: value.abs() }
        }
        None => Cell { text: "–".to_owned(), ink: BLUE, shade: 0.0 },
    };
    let known: Vec<f64> = lines().filter_map(|line| line.spearman).collect();
    let wanted = known.iter().filter(|value| (outcome == TrainingOutcome::Loss) == (**value > 0.0)).count();
    let description = format!(
        "{} rank correlations of distance quantile and {}; {wanted} of {} have the sign that a useful distance gives. The \
         table has the numbers.",
        known.len(),
        outcome.name(),
        known.len()
    );
    let heat = Heat {
        rows: (rows.iter())
            .map(|((pool, model, representation), values)| {
                let cells = tasks.iter().map(|task| cell(values.get(task.as_str()))).collect();
                (format!("{pool} {model} {representation}"), cells)
            })
            .collect(),
        columns: tasks,
    };
    let (word, sign) = match outcome {
        TrainingOutcome::Loss => ("query loss", "+1 (blue): the farther the quantile, the higher the loss"),
        TrainingOutcome::Metric => ("task score", "−1 (orange): the farther the quantile, the lower the score"),
    };
    let caption =
        format!("Spearman correlation of distance quantile and {word}. A distance that predicts it has {sign}.");
    let title = format!("Correlation of distance quantile and {word}");
    let name = format!("correlations-{}", outcome.name());
    Ok(Some(Figure::new(name, &title, &description, &caption, &heat.draw()?)))
}
