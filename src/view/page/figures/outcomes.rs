//! A user's own results: outcome against certified distance, a panel per budget.

use super::Figure;
use super::axis::Axis;
use super::chart::{Chart, Series};
use super::palette::Look;
use super::panels;
use crate::study::{Cell, Joined};
use crate::view::page::PageError;
use crate::view::page::numbers::{count, signed};

/// One figure per task, of at most this many panels.
const PANELS: usize = 12;

/// The figures of all tasks.
pub(in crate::view::page) fn outcomes(found: &Joined) -> Result<Vec<Figure>, PageError> {
    let mut methods: Vec<&str> = Vec::new();
    let mut tasks: Vec<&str> = Vec::new();
    for cell in &found.cells {
        if !tasks.contains(&cell.task.as_str()) {
            tasks.push(&cell.task);
        }
        for pair in &cell.pairs {
            if !methods.contains(&pair.method.as_str()) {
                methods.push(&pair.method);
            }
        }
    }
    tasks.iter().enumerate().map(|(place, task)| of_task(found, place, task, &methods)).collect()
}

fn of_task(found: &Joined, place: usize, task: &str, methods: &[&str]) -> Result<Figure, PageError> {
    let cells: Vec<&Cell> = found.cells.iter().filter(|cell| cell.task == task).take(PANELS).collect();
    let charts = cells.iter().map(|cell| {
        let series = methods.iter().enumerate().map(|(place, method)| Series {
            label: (*method).to_owned(),
            look: Look::of(place),
            points: cell
                .pairs
                .iter()
                .filter(|pair| pair.method == *method)
                .map(|pair| (pair.distance, pair.value))
                .collect(),
            joined: false,
        });
        Chart {
            x: Axis::linear("certified distance", cell.pairs.iter().map(|pair| pair.distance)),
            y: Axis::linear("value", cell.pairs.iter().map(|pair| pair.value)),
            bands: Vec::new(),
            series: series.filter(|series| !series.points.is_empty()).collect(),
            heading: Some(match cell.spearman {
                Some(spearman) => format!("{} rows, ρ = {}", count(cell.budget), signed(spearman)),
                None => format!("{} rows", count(cell.budget)),
            }),
        }
    });
    let drawing = panels::draw(&charts.collect::<Vec<_>>())?;
    let mut description = format!("Value against certified distance for {task}.");
    for cell in &cells {
        description.push_str(&format!(" {} rows:", count(cell.budget)));
        for pair in &cell.pairs {
            description.push_str(&format!(" {} {:.4} {:.4},", pair.method, pair.distance, pair.value));
        }
    }
    let caption = format!(
        "{task}: the value that training gave against the certified distance of the selection, a panel per budget; ρ is \
         Spearman's correlation across methods. Never join points of different budgets."
    );
    let title = format!("{task}: value against distance");
    Ok(Figure::new(super::slug(&format!("outcomes-{}-{task}", place + 1)), &title, &description, &caption, &drawing))
}
