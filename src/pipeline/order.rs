//! Whether transport and energy distance put the methods in the same order.
//!
//! On real text both follow the loss at a fixed budget about equally well, and differences of W below 2 % say nothing
//! of it. Where the two disagree, neither order should be believed unseen.

use std::borrow::Cow;

use kantor_theory::{Interval, Objective};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::groups::uneven;
use super::taken::taken;
use super::{Chosen, Outcome, ProvedSelection, Unseen};
use crate::certify::Certified;
use crate::source::Labels;
use crate::statistics::spearman;

/// Relative differences of W below this say nothing of the loss.
const TELLING: f64 = 0.02;

/// Rows for each query from which on one more or less matters little.
const FEW: usize = 4;

/// Share of a budget in tokens that one row for each query may take without a word.
const WIDE: f64 = 0.4;

/// Pairs of methods that are named in words; the others are counted.
const NAMED: usize = 3;

/// The kind of note that says that a lead is one on the queries of the choice only.
pub(crate) const OVERFIT: &str = "overfit";

/// Something that the reader of a result should know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// A word for scripts: `order`, `energy-left-out`, `uneven-groups`, `unequal-shares`, `few-tokens`, `swaps-left-open`, `quality`, `overfit`,
    /// `split-groups` or `auto`.
    pub kind: Cow<'static, str>,
    /// The budget that it is about.
    pub budget: usize,
    /// In words.
    pub text: String,
    /// In numbers.
    pub details: Value,
}

/// One method at one budget.
#[derive(Debug, Clone, Copy)]
struct Placed<'a> {
    /// Its name.
    method: &'a str,
    distance: Interval,
    energy: Interval,
}

/// What to say of all results.
pub(crate) fn notes(labels: Option<&Labels>, outcome: &Outcome) -> Vec<Note> {
    let Outcome { goal, chosen, query_rows, .. } = outcome;
    let mut notes = labels.map_or_else(Vec::new, |labels| uneven(labels, outcome));
    if !outcome.in_tokens {
        notes.extend(goal.budgets.iter().filter_map(|&budget| unequal_shares(budget, *query_rows, outcome)));
    }
    notes.extend(unweighed(outcome));
    for (at, &budget) in goal.budgets.iter().enumerate() {
        let (mut placed, mut left_out) = (Vec::new(), None);
        for Chosen { method, selections, .. } in chosen {
            let proved = &selections[at];
            notes.extend(swaps_left_open(method, proved));
            notes.extend(taken(proved));
            let Some(beside) = &proved.beside else { continue };
            left_out = left_out.or(beside.no_energy);
            let distance = proved.certified.as_ref().map(Certified::distance);
            if let (Some(distance), Some(energy)) = (distance, beside.energy)
                && distance.objective() == Objective::W
            {
                placed.push(Placed { method, distance: distance.plain(), energy });
            }
        }
        notes.extend(few_tokens(budget, *query_rows, chosen.iter().map(|of| &of.selections[at])));
        if let Some(reason) = left_out {
            let text = format!("at budget {budget} the energy distance is left out: {reason}");
            notes.push(Note { kind: "energy-left-out".into(), budget, text, details: Value::Null });
        }
        notes.extend(disagreement(budget, &placed));
    }
    notes.extend(labels.and_then(|labels| split_groups(labels, outcome)));
    notes.extend(outcome.unseen.iter().filter(|unseen| unseen.is_overfit()).map(overfit));
    notes
}

/// What to say where groups could not be kept together, in folds that were asked for or those of `auto`: then queries of one stand on
/// both sides.
fn split_groups(labels: &Labels, outcome: &Outcome) -> Option<Note> {
    labels.file.as_ref()?;
    let groups = labels.names.len();
    let asked = outcome.request.cross_fit.filter(|_| outcome.splits_groups);
    let taken = outcome.chosen.iter().flat_map(|of| &of.selections).map(|of| &of.selection.notes);
    let of_auto = taken.filter(|notes| notes.contains_key("auto-took") && !notes.contains_key("auto-groups"));
    let of_auto = of_auto.filter_map(|notes| notes.get("auto-folds")?.as_u64()).find(|&folds| folds > 1);
    let whose = match (asked, of_auto) {
        (None, None) => return None,
        (Some(folds), None) => format!("the {folds} folds"),
        (None, Some(folds)) => format!("the {folds} folds of auto"),
        (Some(folds), Some(own)) => format!("the {folds} folds and the {own} of auto"),
    };
    let text = format!(
        "queries of a group are in several of {whose}, as these are more than there are groups (of a task): ask for fewer folds"
    );
    let budget = outcome.goal.budgets.first().copied().unwrap_or(0);
    let details = json!({"groups": groups, "folds": asked, "auto_folds": of_auto});
    Some(Note { kind: "split-groups".into(), budget, text, details })
}

/// What to say of a budget that round robin cannot share out equally, if that shows: the order of the queries matters.
fn unequal_shares(budget: usize, queries: usize, outcome: &Outcome) -> Option<Note> {
    let request = &outcome.request;
    let takes_turns =
        request.balance.is_none() && !outcome.weighted && request.methods.iter().any(|method| method == "round-robin");
    let (each, more) = (budget / queries, budget % queries);
    (takes_turns && more > 0 && each < FEW).then(|| {
        let text = format!(
            "at budget {budget} round-robin serves the first {more} of {queries} queries once more than the others \
             ({each}×): shuffle the queries if they are sorted, or take a multiple of {queries}"
        );
        Note { kind: "unequal-shares".into(), budget, text, details: json!({"first": more, "queries": queries}) }
    })
}

/// Which methods choose as if rows were worth nothing by themselves, where that counts in what is proved.
fn unweighed(outcome: &Outcome) -> Option<Note> {
    outcome.quality.as_ref().filter(|quality| quality.weight != 0.0)?;
    let weighs = |name: &&str| outcome.request.selector(name).is_ok_and(|selector| selector.weighs_quality());
    let (_, others): (Vec<&str>, Vec<&str>) =
        outcome.request.methods.iter().map(String::as_str).partition(|name| weighs(name));
    let names = others.join(", ");
    let text =
        format!("{names}: chosen as without quality, and measured with it; optimal, swap, energy and mmd weigh it");
    let budget = outcome.goal.budgets.first().copied().unwrap_or(0);
    (!others.is_empty()).then(|| Note { kind: "quality".into(), budget, text, details: json!({"methods": others}) })
}

/// What to say of a budget in tokens that is not much longer than one row for each query: the bound for all subsets then lies far
/// below the best.
fn few_tokens<'a>(
    budget: usize,
    queries: usize,
    mut selections: impl Iterator<Item = &'a ProvedSelection>,
) -> Option<Note> {
    let first = selections.find(|proved| proved.certified.is_some())?.tokens?;
    let length = first.used as f64 / first.rows as f64;
    let share = queries as f64 * length / budget as f64;
    (share > WIDE).then(|| {
        let text = format!(
            "at {budget} tokens the interval may be wide: one row of about {length:.0} tokens for each of {queries} queries takes \
             {:.0} % of the budget, and about so much is rounded",
            100.0 * share
        );
        Note { kind: "few-tokens".into(), budget, text, details: json!({"mean_length": length, "share": share}) }
    })
}

/// What to say of a method that swaps rows if it is not shown that no swap helps.
fn swaps_left_open(method: &str, proved: &ProvedSelection) -> Option<Note> {
    let reason = proved.selection.notes.get("swaps-left-open")?.as_str()?;
    let budget = proved.budget;
    let text = format!("at budget {budget} {method} may be lowered by swapping two rows: {reason}");
    Some(Note { kind: "swaps-left-open".into(), budget, text, details: json!({"method": method, "reason": reason}) })
}

/// What to say of the methods at one budget if their orders differ by more than their intervals leave open.
fn disagreement(budget: usize, placed: &[Placed<'_>]) -> Option<Note> {
    let mut pairs = Vec::new();
    for a in placed {
        for b in placed {
            // a has the lower W, b the lower energy.
            if let (Some(w), Some(e)) = (gap(a.distance, b.distance), gap(b.energy, a.energy)) {
                pairs.push((a.method, b.method, w, e));
            }
        }
    }
    if pairs.is_empty() {
        return None;
    }
    // Those farthest apart first.
    pairs.sort_by(|a, b| f64::total_cmp(&b.2, &a.2));
    let percent =
        |share: f64| if share >= 1e-4 { format!("{:.2} %", 100.0 * share) } else { "less than 0.01 %".into() };
    let mut words: Vec<String> = pairs
        .iter()
        .take(NAMED)
        .map(|(a, b, w, e)| {
            format!("{a} has a lower W than {b} (by {}) but a higher energy distance (by {})", percent(*w), percent(*e))
        })
        .collect();
    if pairs.len() > NAMED {
        words.push(format!("and {} more pairs", pairs.len() - NAMED));
    }
    let verdict = if pairs.iter().any(|(.., w, _)| *w >= TELLING) {
        "on real text either can be right; differences of W below 2 % say nothing of the loss"
    } else {
        "these differences of W are below 2 %, which is too little to say anything of the loss"
    };
    let pairs: Vec<Value> = pairs
        .iter()
        .map(|(a, b, w, e)| {
            json!({"lower_distance": a, "lower_energy": b, "distance_gap": w, "energy_gap": e, "telling": *w >= TELLING})
        })
        .collect();
    Some(Note {
        kind: "order".into(),
        budget,
        text: format!(
            "at budget {budget} W and energy distance order the methods differently: {}; {verdict}",
            words.join("; ")
        ),
        details: json!({"pairs": pairs, "spearman": correlation(placed)}),
    })
}

/// What to say of a lead on the queries of the choice that unseen queries do not show.
fn overfit(unseen: &Unseen) -> Note {
    let (budget, words) = (unseen.budget, unseen.sentence());
    Note { kind: OVERFIT.into(), budget, text: format!("at budget {budget} {words}"), details: Value::Null }
}

/// By how much, relatively, `high` is above `low` at least; `None` if their intervals leave that open.
fn gap(low: Interval, high: Interval) -> Option<f64> {
    let (least, most) = (high.lower?, low.upper?);
    (least > most).then(|| if most > 0.0 { least / most - 1.0 } else { f64::MAX })
}

/// Rank correlation of the two orders; `None` for fewer than three methods or if all are equal.
fn correlation(placed: &[Placed<'_>]) -> Option<f64> {
    let middle = |x: Interval| f64::midpoint(x.lower.unwrap_or(0.0), x.upper.unwrap_or(0.0));
    let (w, e): (Vec<f64>, Vec<f64>) = placed.iter().map(|x| (middle(x.distance), middle(x.energy))).unzip();
    if placed.len() < 3 { None } else { spearman(&w, &e) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed<'a>(method: &'a str, w: f64, energy: f64) -> Placed<'a> {
        let around = |x: f64| Interval { lower: Some(x - 1e-6), upper: Some(x + 1e-6) };
        Placed { method, distance: around(w), energy: around(energy) }
    }

    #[test]
    fn only_pairs_that_are_swapped_for_certain_are_named() {
        let agree = [placed("a", 0.4, 0.2), placed("b", 0.5, 0.3), placed("c", 0.6, 0.4)];
        assert_eq!(disagreement(5, &agree), None);
        let open = [placed("a", 0.4, 0.3), placed("b", 0.5, 0.3 - 1e-6)];
        assert_eq!(disagreement(5, &open), None);
        let swapped = [placed("a", 0.4, 0.3), placed("b", 0.5, 0.2), placed("c", 0.6, 0.4)];
        let note = disagreement(5, &swapped).map(|note| (note.text, note.details));
        let (text, details) = note.unwrap_or_default();
        assert!(text.contains("a has a lower W than b (by 25.00 %)") && text.contains("either can be right"), "{text}");
        assert_eq!(details["spearman"], 0.5);
        assert_eq!(
            (details["pairs"].as_array().map(Vec::len), &details["pairs"][0]["telling"]),
            (Some(1), &json!(true))
        );
        let close = [placed("a", 0.400, 0.3), placed("b", 0.402, 0.2)];
        let text = disagreement(5, &close).map(|note| note.text).unwrap_or_default();
        assert!(text.contains("too little") && !text.contains("either"), "{text}");
    }
}
