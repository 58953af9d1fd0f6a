//! How well each group of queries is covered: a heat map of groups and methods.

use super::heat::{Cell, Heat};
use super::palette::VERMILLION;
use super::{Figure, View};
use crate::report::page::PageError;
use crate::report::page::numbers::count;

pub(super) fn figure(view: &View<'_>) -> Result<Option<Figure>, PageError> {
    let rows = view.at_largest();
    let rows: Vec<_> = rows.into_iter().filter(|(_, row)| !row.groups.is_empty()).collect();
    let costs = || rows.iter().flat_map(|(_, row)| row.groups.iter().map(|group| group.cost)).filter(|x| x.is_finite());
    let (low, high) = (costs().fold(f64::INFINITY, f64::min), costs().fold(f64::NEG_INFINITY, f64::max));
    if rows.is_empty() || low > high {
        return Ok(None);
    }
    let groups = view.found.groups.iter().enumerate().map(|(group, (label, queries))| {
        let cells = rows.iter().map(|(_, row)| match row.groups.get(group) {
            Some(coverage) => {
                let shade = if high > low { (coverage.cost - low) / (high - low) } else { 0.0 };
                Cell { text: format!("{:.2}", coverage.cost), ink: VERMILLION, shade }
            }
            None => Cell { text: "–".to_owned(), ink: VERMILLION, shade: 0.0 },
        });
        (format!("{label} ({queries})"), cells.collect())
    });
    let heat = Heat { columns: (1..=rows.len()).map(|place| place.to_string()).collect(), rows: groups.collect() };
    let names = rows.iter().enumerate().map(|(place, (_, row))| format!("{} {}", place + 1, row.method));
    let names = names.collect::<Vec<_>>().join(", ");
    let at = count(view.largest() as u64);
    let description = format!(
        "Mean cost from the queries of each of {} groups to their closest of {at} chosen rows, from {low:.4} to {high:.4}; \
         columns: {names}. The table of groups has the numbers.",
        view.found.groups.len()
    );
    let caption = format!(
        "Mean cost from a group's queries to their closest of {at} chosen rows, numbers of queries in brackets: darker is \
         worse covered. Columns: {names}."
    );
    let title = format!("Coverage of groups of queries, cost {}", view.cost.name());
    Ok(Some(Figure::new(view.name("groups"), &title, &description, &caption, &heat.draw()?)))
}
