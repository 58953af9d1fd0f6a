//! Mean rank of each method against budget.

use super::Figure;
use super::axis::Axis;
use super::chart::{Chart, Series};
use super::palette::Look;
use crate::study::{BudgetResult, TrainingOutcome};
use crate::view::page::PageError;

/// The figure of one pool, model and outcome, whose lines these are.
pub(in crate::view::page) fn ranks(lines: &[&BudgetResult]) -> Result<Option<Figure>, PageError> {
    let Some(first) = lines.first() else { return Ok(None) };
    let mut methods: Vec<&str> = Vec::new();
    for line in lines {
        if !methods.contains(&line.method.as_str()) {
            methods.push(&line.method);
        }
    }
    let series = methods.iter().enumerate().map(|(place, method)| {
        let mut points: Vec<(f64, f64)> =
            (lines.iter()).filter(|line| line.method == *method).map(|line| (line.budget as f64, line.rank)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Series { label: (*method).to_owned(), look: Look::of(place), points, joined: true }
    });
    let BudgetResult { pool, model, outcome, .. } = first;
    let chart = Chart {
        x: Axis::budgets("budget (training examples)", lines.iter().map(|line| line.budget as f64)),
        y: Axis::linear("mean rank, 1 is best", lines.iter().map(|line| line.rank)),
        bands: Vec::new(),
        series: series.collect(),
        heading: None,
    };
    let word = if *outcome == TrainingOutcome::Loss { "query loss" } else { "task score" };
    let last = lines.iter().map(|line| line.budget).max().unwrap_or(0);
    let at_last = lines.iter().filter(|line| line.budget == last);
    let at_last: String = at_last.map(|line| format!(" {} {:.1},", line.method, line.rank)).collect();
    let description =
        format!("Mean rank over tasks by {word}, {model} on the {pool} pool. At {last} examples:{at_last}");
    let caption = format!(
        "{model} on the {pool} pool: rank among the methods by {word}, the mean over {} tasks; lower is better.",
        first.tasks
    );
    let title = format!("{model}, {pool}: mean rank by {word} against budget");
    let name = super::slug(&format!("ranks-{pool}-{model}-{}", outcome.name()));
    Ok(Some(Figure::new(name, &title, &description, &caption, &chart.draw()?)))
}
