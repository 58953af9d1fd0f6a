//! Seen against unseen queries, as a table and a sentence for each budget.

use kantor_theory::Cost;

use super::escape::Text;
use super::table;
use crate::decimal::{difference, magnitude};
use crate::pipeline::{Behind, Unseen};

/// How far behind the closest, with half of the interval.
pub(crate) fn behind(of: Behind) -> String {
    let around = of.half_width.map_or_else(|| "?".to_owned(), difference);
    format!("{} ± {around}", difference(of.mean))
}

/// Everything that was measured under a cost; nothing without cross-fitting.
pub(crate) fn text(found: &[Unseen], cost: Cost) -> Text {
    let of_cost: Vec<&Unseen> = found.iter().filter(|unseen| unseen.cost == cost).collect();
    let mut text = Text::default();
    let Some(first) = of_cost.first() else { return text };
    let rows = of_cost.iter().flat_map(|unseen| {
        unseen.methods.iter().map(|of| {
            let (seen, unseen_at) = (magnitude(of.seen), magnitude(of.unseen));
            vec![of.method.clone(), unseen.budget.to_string(), seen, unseen_at, behind(of.behind_unseen)]
        })
    });
    text.push("");
    text.push(format_args!(
        "by {} folds: distance to the queries of the choice, to unseen ones, and how far behind the closest there (95 %, {} paired)",
        first.folds,
        first.paired_by.plural()
    ));
    text.append(table::plain(&["method", "budget", "seen", "unseen", "behind the closest"], rows));
    for unseen in of_cost {
        text.push(format_args!("{}: {}", unseen.budget, unseen.sentence()));
    }
    text
}
