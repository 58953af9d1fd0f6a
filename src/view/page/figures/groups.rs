//! How well each group of queries is covered: a heat map of groups and methods.

use super::heat::{Cell, Heat};
use super::palette::VERMILLION;
use super::{Figure, View};
use crate::view::page::PageError;

/// Groups that are shown, the worst covered ones if there are more.
const SHOWN: usize = 40;

pub(super) fn figure(view: &View<'_>) -> Result<Option<Figure>, PageError> {
    let rows = view.at_largest();
    let rows: Vec<_> = rows.into_iter().filter(|(_, row)| !row.groups.is_empty()).collect();
    let costs =
        || rows.iter().flat_map(|(_, row)| row.groups.iter().filter_map(|group| group.cost)).filter(|x| x.is_finite());
    let (low, high) = (costs().fold(f64::INFINITY, f64::min), costs().fold(f64::NEG_INFINITY, f64::max));
    if rows.is_empty() || low > high {
        return Ok(None);
    }
    let worst = |group: usize| rows.iter().filter_map(|(_, row)| row.groups.get(group)?.cost).sum::<f64>();
    let mut shown: Vec<usize> = (0..view.found.groups.len()).collect();
    shown.sort_by(|a, b| worst(*b).total_cmp(&worst(*a)));
    shown.truncate(SHOWN);
    shown.sort_unstable();
    let groups = shown.iter().map(|&group| {
        let (label, queries) = &view.found.groups[group];
        let cells = rows.iter().map(|(_, row)| match row.groups.get(group).and_then(|coverage| coverage.cost) {
            Some(cost) => {
                let shade = if high > low { (cost - low) / (high - low) } else { 0.0 };
                Cell { text: format!("{cost:.2}"), ink: VERMILLION, shade }
            }
            None => Cell { text: "–".to_owned(), ink: VERMILLION, shade: 0.0 },
        });
        (format!("{label} ({queries})"), cells.collect())
    });
    let heat = Heat { columns: (1..=rows.len()).map(|place| place.to_string()).collect(), rows: groups.collect() };
    let names = rows.iter().enumerate().map(|(place, (_, row))| format!("{} {}", place + 1, row.method));
    let names = names.collect::<Vec<_>>().join(", ");
    let at = view.largest_budget();
    let description = format!(
        "Mean cost from the queries of each of {} groups to their closest chosen row at {at}, from {low:.4} to {high:.4}; \
         columns: {names}. The table of groups has the numbers.",
        view.found.groups.len()
    );
    let which = if view.found.groups.len() > SHOWN { " Shown are the worst covered ones." } else { "" };
    let caption = format!(
        "Mean cost from a group's queries to their closest chosen row at {at}, numbers of queries in brackets: darker is \
         worse covered.{which} Columns: {names}."
    );
    let title = format!("Coverage of groups of queries, cost {}", view.cost.name());
    Ok(Some(Figure::new(view.name_at("groups"), &title, &description, &caption, &heat.draw()?)))
}
