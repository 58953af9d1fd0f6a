//! What a reader must know before the numbers.

use serde_json::Value;

use crate::pipeline::{Inputs, Note};
use crate::record::{Comparison, SelectionRecord, Warning};

/// Methods whose numbers of tokens differ by more than this share are not compared at equal length.
const LENGTHS: f64 = 0.1;

/// A selection of which more than this share are near-duplicates is worth a word.
const NEAR: f64 = 0.05;

/// All warnings of a comparison whose other parts are complete; `left_out` are methods that do not take these inputs,
/// `notes` are those of the selections, by cost.
pub(super) fn warnings(
    inputs: &Inputs,
    comparison: &Comparison,
    left_out: &[&str],
    notes: &[Vec<Note>],
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |kind: &str, budget: Option<usize>, text: String, details: &Value| {
        warnings.push(Warning { kind: kind.to_owned().into(), budget, text, details: details.clone() });
    };
    let none = &Value::Null;
    if let Some(rows) = inputs.overlap_in_words() {
        let text = format!("{rows}: what is selected by them leaks the target set into training");
        warn("overlap", None, text, none);
    }
    if let Some(rows) = inputs.dropped_in_words() {
        warn("dropped-rows", None, format!("{rows}, listed in the manifest"), none);
    }
    if !left_out.is_empty() {
        let names = left_out.join(", ");
        let text = format!("{names} do not take such inputs; `kantor select --method` says why");
        warn("methods-left-out", None, text, none);
    }
    for row in comparison.results.iter().filter(|row| !row.status.is_success()) {
        let text = format!("{} ended with {}; its interval holds all the same", place(comparison, row), row.status);
        warn("uncertified", Some(row.budget), text, none);
    }
    if comparison.budgets().len() > 1 {
        let text = "compare distances within a budget, never across: W rises with the budget while the loss falls, \
                    so it must not choose the budget";
        warn("across-budgets", None, text.to_owned(), none);
    }
    for (cost, notes) in comparison.costs.iter().zip(notes) {
        for note in notes {
            let under = if comparison.costs.len() > 1 { format!("under {cost}, ") } else { String::new() };
            warn(&note.kind, Some(note.budget), format!("{under}{}", note.text), &note.details);
        }
    }
    for &cost in &comparison.costs {
        // Where tokens are the budget, other counts of them say little.
        let budgets = comparison.budgets().iter().filter(|_| !comparison.parameters.budgets_in_tokens);
        for &budget in budgets {
            let rows = comparison.results.iter().filter(|row| row.cost == Some(cost) && row.budget == budget);
            let tokens = rows.filter_map(|row| Some((row.examined.as_ref()?.tokens?, row)));
            let tokens: Vec<(u64, &SelectionRecord)> = tokens.collect();
            let (least, most) = (tokens.iter().min_by_key(|x| x.0), tokens.iter().max_by_key(|x| x.0));
            if let (Some((least, short)), Some((most, long))) = (least, most)
                && *most as f64 > (1.0 + LENGTHS) * *least as f64
            {
                let share = 100.0 * (*most as f64 / (*least).max(1) as f64 - 1.0);
                let text = format!(
                    "{} has {share:.0} % more words and marks than {}: at equal budgets methods differ in length too",
                    place(comparison, long),
                    short.method
                );
                warn("length", Some(budget), text, none);
            }
        }
    }
    let near = comparison.results.iter().filter_map(|row| Some((row.examined.as_ref()?.near_duplicates?, row)));
    let near = near.filter(|(share, _)| *share > NEAR);
    if let Some((share, row)) = near.clone().max_by(|a, b| a.0.total_cmp(&b.0)) {
        let share = 100.0 * share;
        let others = near.count() - 1;
        let also = if others > 0 {
            format!("; {others} more selections have over {:.0} %", 100.0 * NEAR)
        } else {
            String::new()
        };
        let text = format!("{share:.0} % of {} are near-duplicates of one another{also}", place(comparison, row));
        warn("near-duplicates", None, text, none);
    }
    warnings
}

/// Which selection, in words.
fn place(comparison: &Comparison, row: &SelectionRecord) -> String {
    let several = comparison.costs.len() > 1;
    let under = row.cost.filter(|_| several).map_or_else(String::new, |cost| format!(" under {cost}"));
    format!("{} at budget {}{under}", row.method, row.budget)
}
