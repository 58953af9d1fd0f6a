//! What groups of queries get from a selection.

use kantor_solvers::select::balanced::turns;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::source::Labels;

use super::order::Note;
use super::{Outcome, ProvedSelection, Request};

/// What one group of queries gets from a selection.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GroupCoverage {
    /// Mean cost from the group's queries, with their weights, to their closest chosen row; `null` if all of its queries were
    /// dropped.
    pub cost: Option<f64>,
    /// Rows that were chosen for the group, if methods balance their choice over groups; else chosen rows whose closest
    /// query is in the group.
    pub rows: usize,
}

/// What every group gets, in the order of the labels.
pub(crate) fn coverage(
    groups: &Labels,
    weights: Option<&[f64]>,
    request: &Request,
    proved: &ProvedSelection,
) -> Vec<GroupCoverage> {
    // In a unit in which the largest is 1.
    let largest = weights.map_or(1.0, |weights| weights.iter().copied().fold(0.0, f64::max));
    let weight = |query: usize| weights.map_or(1.0, |weights| weights[query] / largest);
    let mut masses = vec![0.0; groups.names.len()];
    let (mut covered, mut sums) =
        (vec![GroupCoverage { cost: None, rows: 0 }; groups.names.len()], vec![0.0; groups.names.len()]);
    for (query, (&group, (_, cost))) in groups.of.iter().zip(&proved.nearest_rows).enumerate() {
        sums[group] += weight(query) * cost;
        masses[group] += weight(query);
    }
    match &request.balance {
        Some(labels) => {
            let turns = turns(labels).into_iter().cycle();
            turns.take(proved.selection.budget()).for_each(|group| covered[group].rows += 1);
        }
        None => proved.nearest.iter().for_each(|(query, _)| covered[groups.of[*query]].rows += 1),
    }
    for ((group, sum), mass) in covered.iter_mut().zip(sums).zip(masses) {
        group.cost = (mass > 0.0).then(|| sum / mass);
    }
    covered
}

/// What to say of groups that do not get as many rows as others, although methods balance their choice over them.
pub(super) fn uneven(groups: &Labels, outcome: &Outcome) -> Vec<Note> {
    let Some(labels) = &outcome.request.balance else { return Vec::new() };
    let turns = turns(labels);
    let named = |which: &[usize]| {
        which.iter().map(|&group| format!("`{}`", groups.names[group])).collect::<Vec<_>>().join(", ")
    };
    let get = |which: &[usize]| format!("{} {}", named(which), if which.len() == 1 { "gets" } else { "get" });
    let gone: Vec<usize> = (0..groups.names.len()).filter(|group| !turns.contains(group)).collect();
    let count = turns.len();
    let note = |&budget: &usize| {
        let mut said = Vec::new();
        if !gone.is_empty() {
            said.push(format!("{} no rows, as all of their queries were dropped", get(&gone)));
        }
        if budget < count {
            let fault = format!("there are fewer rows than the {count} groups, so {} none", get(&turns[budget..]));
            said.push(format!("{fault}: give at least {count} rows"));
        } else if !budget.is_multiple_of(count) {
            let more = get(&turns[..budget % count]);
            let even = budget.next_multiple_of(count);
            said.push(format!("{more} one row more than the other groups: {even} rows would come out even"));
        }
        let details = json!({"groups": count, "rows": budget / count, "with_one_more": budget % count});
        let text = format!("at budget {budget} {}", said.join("; "));
        (!said.is_empty()).then_some(Note { kind: "uneven-groups".into(), budget, text, details })
    };
    outcome.goal.budgets.iter().filter_map(note).collect()
}
