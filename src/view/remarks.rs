//! Remarks on a result, a line for each kind: with many budgets and methods there may be hundreds of them, which belong beside
//! the result, not above its table.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cut::cut_within;
use crate::pipeline::Note;
use crate::record::Warning;

/// Letters of a remark that a terminal shows.
const LETTERS: usize = 240;

/// Something that the reader of a result should know.
#[derive(Clone, Copy)]
pub(crate) struct Remark<'a> {
    kind: &'a str,
    budget: Option<usize>,
    text: &'a str,
    /// Pairs of methods that it is about.
    pairs: usize,
}

fn pairs(details: &Value) -> usize {
    details["pairs"].as_array().map_or(0, Vec::len)
}

impl<'a> From<&'a Note> for Remark<'a> {
    fn from(note: &'a Note) -> Self {
        Self { kind: &note.kind, budget: Some(note.budget), text: &note.text, pairs: pairs(&note.details) }
    }
}

impl<'a> From<&'a Warning> for Remark<'a> {
    fn from(warning: &'a Warning) -> Self {
        Self { kind: &warning.kind, budget: warning.budget, text: &warning.text, pairs: pairs(&warning.details) }
    }
}

/// All remarks of one kind.
pub(crate) struct Kind<'a> {
    /// Which.
    pub(crate) name: &'a str,
    /// In one line: what there is to say, or how often it is said.
    pub(crate) line: String,
    /// In full, unless the line says all.
    pub(crate) all: Vec<&'a str>,
}

/// What remarks of a kind have in common; of kinds that come once there is nothing to say.
fn common(kind: &str) -> &'static str {
    match kind {
        "order" => "W and energy distance order the methods differently",
        "energy-left-out" => "the energy distance is left out",
        "uneven-groups" => "groups of queries do not get equally many rows",
        "unequal-shares" => "round-robin serves some queries once more than others",
        "few-tokens" => "the interval may be wide",
        "swaps-left-open" => "a swap of two rows may lower it",
        "uncertified" => "the tolerance was not met; the intervals hold all the same",
        "split-groups" => "queries of a group are in several folds",
        "overfit" => "a lead on the queries of the choice is not there on unseen ones",
        "auto" => "which method auto took, and which cannot be told apart from it on unseen queries",
        "length" => "methods differ in length too",
        _ => "",
    }
}

/// The kinds in order of their first remark.
pub(crate) fn by_kind<'a, T>(remarks: &'a [T]) -> Vec<Kind<'a>>
where
    Remark<'a>: From<&'a T>,
{
    let remarks: Vec<Remark<'a>> = remarks.iter().map(Remark::from).collect();
    let mut names: Vec<&str> = Vec::new();
    for remark in &remarks {
        if !names.contains(&remark.kind) {
            names.push(remark.kind);
        }
    }
    let kind = |name| {
        let of: Vec<&Remark<'a>> = remarks.iter().filter(|remark| remark.kind == name).collect();
        let texts = of.iter().map(|remark| remark.text).collect();
        match of[..] {
            [one] if one.pairs < 2 && one.text.chars().count() <= LETTERS => {
                Kind { name, line: one.text.to_owned(), all: Vec::new() }
            }
            [one] if one.pairs < 2 => Kind { name, line: cut_within(one.text, LETTERS), all: texts },
            _ => Kind { name, line: counted(name, &of), all: texts },
        }
    };
    names.into_iter().map(kind).collect()
}

/// "4 budgets, 18 pairs: " and what they have in common.
fn counted(name: &str, of: &[&Remark<'_>]) -> String {
    let number = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let budgets: BTreeSet<usize> = of.iter().filter_map(|remark| remark.budget).collect();
    let pairs: usize = of.iter().map(|remark| remark.pairs).sum();
    let mut counts = Vec::new();
    if !budgets.is_empty() {
        counts.push(number(budgets.len(), "budget"));
    }
    if pairs > 0 {
        counts.push(number(pairs, "pair"));
    } else if of.len() > budgets.len() {
        counts.push(number(of.len(), "remark"));
    }
    let common = common(name);
    format!("{}{}{common}", counts.join(", "), if common.is_empty() { "" } else { ": " })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn note(kind: &'static str, budget: usize, text: &str, pairs: usize) -> Note {
        Note { kind: kind.into(), budget, text: text.to_owned(), details: json!({"pairs": vec![0; pairs]}) }
    }

    #[test]
    fn remarks_of_a_kind_take_one_line_and_single_ones_stay_whole() {
        let long = "a".repeat(1000);
        let notes = [
            note("order", 10, "one", 10),
            note("length", 10, "longer", 0),
            note("order", 20, "two", 8),
            note("swaps-left-open", 10, "a", 0),
            note("swaps-left-open", 10, "b", 0),
            note("few-tokens", 10, &long, 0),
        ];
        let kinds = by_kind(&notes);
        let lines: Vec<(&str, &str, usize)> =
            kinds.iter().map(|kind| (kind.name, kind.line.as_str(), kind.all.len())).collect();
        assert_eq!(lines[0], ("order", "2 budgets, 18 pairs: W and energy distance order the methods differently", 2));
        assert_eq!(lines[1], ("length", "longer", 0));
        assert_eq!(lines[2], ("swaps-left-open", "1 budget, 2 remarks: a swap of two rows may lower it", 2));
        assert_eq!((lines[3].1.chars().count(), lines[3].2), (LETTERS, 1));
    }
}
