//! How much methods choose the same rows: a heat map for each budget.

use super::heat::{Cell, Heat};
use super::palette::BLUE;
use super::{Figure, View};
use crate::record::Overlap;
use crate::view::page::PageError;
use crate::view::page::numbers::count;

pub(super) fn figure(view: &View<'_>) -> Result<Option<Figure>, PageError> {
    let budget = view.largest();
    let here = |overlap: &&Overlap| (overlap.cost, overlap.budget) == (view.cost, budget);
    let Some(overlap) = view.found.overlaps.iter().find(here) else { return Ok(None) };
    let rows = overlap.methods.iter().zip(&overlap.jaccard).enumerate();
    let rows = rows.map(|(place, (method, shares))| {
        let cell = |share: &f64| Cell { text: format!("{share:.2}"), ink: BLUE, shade: *share };
        (format!("{method}  {}", place + 1), shares.iter().map(cell).collect())
    });
    let columns = (1..=overlap.methods.len()).map(|place| place.to_string()).collect();
    let heat = Heat { columns, rows: rows.collect() };
    let size = format!("{} {}", count(budget as u64), view.found.parameters.unit());
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
    Ok(Some(Figure::new(name, &title, &description, &caption, &heat.draw()?)))
}
