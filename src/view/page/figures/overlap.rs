//! How much methods choose the same rows: a heat map for each budget.

use super::heat::{Cell, Heat};
use super::palette::BLUE;
use super::{Figure, View};
use crate::view::page::PageError;
use crate::view::page::numbers::count;

/// One figure per budget, the largest last.
pub(super) fn figures(view: &View<'_>) -> Result<Vec<Figure>, PageError> {
    let here = || view.found.overlaps.iter().filter(|overlap| overlap.cost == view.cost);
    let mut figures = Vec::new();
    for budget in &view.budgets {
        let Some(overlap) = here().find(|overlap| overlap.budget == *budget) else { continue };
        let rows = overlap.methods.iter().zip(&overlap.jaccard).enumerate();
        let rows = rows.map(|(place, (method, shares))| {
            let cell = |share: &f64| Cell { text: format!("{share:.2}"), ink: BLUE, shade: *share };
            (format!("{method}  {}", place + 1), shares.iter().map(cell).collect())
        });
        let columns = (1..=overlap.methods.len()).map(|place| place.to_string()).collect();
        let heat = Heat { columns, rows: rows.collect() };
        let size = format!("{} {}", count(*budget as u64), view.found.parameters.unit());
        let mut description = format!("Jaccard overlap of the selections of {size}:");
        for (row, (method, shares)) in overlap.methods.iter().zip(&overlap.jaccard).enumerate() {
            for (other, share) in overlap.methods.iter().zip(shares).skip(row + 1) {
                description.push_str(&format!(" {method} and {other} {share:.2},"));
            }
        }
        let title = format!("Overlap of methods at {size}, cost {}", view.cost.name());
        let caption = format!(
            "Rows that two methods both choose, as a share of those that either chooses (Jaccard), at {size}: 1 is the \
             same selection, 0 nothing in common."
        );
        let name = view.name(&format!("overlap-k{budget}"));
        figures.push(Figure::new(name, &title, &description, &caption, &heat.draw()?));
    }
    Ok(figures)
}
