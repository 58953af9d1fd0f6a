//! What groups of queries get from a selection.

use serde::Serialize;

use crate::data::Labels;

use super::Proved;

/// What one group of queries gets from a selection.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct GroupCoverage {
    /// Mean cost from the group's queries to their closest chosen row.
    pub cost: f64,
    /// Chosen rows whose closest query is in the group.
    pub rows: usize,
}

/// What every group gets, in the order of the labels. A group all of whose queries were dropped has the cost 0.
pub(crate) fn coverage(groups: &Labels, proved: &Proved) -> Vec<GroupCoverage> {
    let mut covered = vec![GroupCoverage { cost: 0.0, rows: 0 }; groups.names.len()];
    for (&group, cost) in groups.of.iter().zip(&proved.query_costs) {
        covered[group].cost += cost;
    }
    for (query, _) in &proved.nearest {
        covered[groups.of[*query]].rows += 1;
    }
    let counts = groups.counts();
    covered.iter_mut().zip(counts).for_each(|(group, count)| group.cost /= count.max(1) as f64);
    covered
}
