//! How far methods lie behind the closest one, on the queries that they chose by and on those that they did not see.
//!
//! Differences are paired: what it costs to serve a query by the rows of one method is compared with what it costs by those of the
//! other, query by query, which takes out what makes a query far from everything. Two methods are *told apart* if Student's interval
//! of 95 % for the mean difference leaves out 0. Queries of a fold share a plan and the folds share queries, so the interval is an
//! approximation. Queries of a group that stay together in the folds are paired as one. W₂ and the distances of kernels are no means over queries; there folds are paired.

use kantor_theory::Cost;
use serde::{Deserialize, Serialize};

use crate::decimal::magnitude;
use crate::statistics::{mean, mean_interval};

/// What is paired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PairedBy {
    /// What it costs to serve a query.
    Query,
    /// What it costs to serve the queries of a group.
    Group,
    /// The distance to the queries of a fold.
    Fold,
}

impl PairedBy {
    /// Of several.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            PairedBy::Query => "queries",
            PairedBy::Group => "groups",
            PairedBy::Fold => "folds",
        }
    }
}

/// How far one is behind another, such as a method behind the closest one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Behind {
    /// In the mean.
    pub mean: f64,
    /// Half of the 95 % interval for it; `null` where it cannot be told, for want of a second pair.
    pub half_width: Option<f64>,
}

impl Behind {
    /// How far what has these values is behind what has the others, pair by pair.
    pub(crate) fn of(own: &[f64], other: &[f64]) -> Self {
        let differences: Vec<f64> = own.iter().zip(other).map(|(own, other)| own - other).collect();
        let half_width = mean_interval(&differences).map(|[low, high]| 0.5 * (high - low));
        Self { mean: mean(differences.iter().copied()), half_width }
    }

    /// Whether it is told apart from the other, which is closer.
    pub fn is_told_apart(&self) -> bool {
        self.half_width.is_some_and(|half| self.mean > half)
    }
}

/// One method at a budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Its name.
    pub method: String,
    /// Mean distance over the folds to the queries by which it chose.
    pub seen: f64,
    /// Mean distance over the folds to the queries that it did not see.
    pub unseen: f64,
    /// Behind the closest on seen queries.
    pub behind_seen: Behind,
    /// Behind the closest on unseen queries.
    pub behind_unseen: Behind,
}

/// All methods at a budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unseen {
    /// Pairwise cost.
    pub cost: Cost,
    /// The budget.
    pub budget: usize,
    /// Folds of the queries.
    pub folds: usize,
    /// What is paired.
    pub paired_by: PairedBy,
    /// How many pairs there are.
    pub pairs: usize,
    /// In the order of the methods.
    pub methods: Vec<Standing>,
    /// How far the method that is closest on seen queries is on unseen ones behind the closest of the others there; `null` for one
    /// method. Negative if it leads.
    pub leader_unseen: Option<Behind>,
}

/// What was measured of a method: seen and unseen, a value for each pair.
pub(super) struct Values<'a> {
    pub(super) method: &'a str,
    pub(super) seen: Vec<f64>,
    pub(super) unseen: Vec<f64>,
}

/// The place of the least number.
fn least(values: impl Iterator<Item = f64>) -> Option<usize> {
    values.enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).map(|(at, _)| at)
}

impl Unseen {
    /// Compares; nothing without methods.
    pub(super) fn of(
        cost: Cost,
        budget: usize,
        folds: usize,
        paired_by: PairedBy,
        found: &[Values<'_>],
    ) -> Option<Self> {
        let average = |values: &[f64]| mean(values.iter().copied());
        let first = least(found.iter().map(|of| average(&of.seen)))?;
        let closest = least(found.iter().map(|of| average(&of.unseen)))?;
        let standing = |of: &Values<'_>| Standing {
            method: of.method.to_owned(),
            seen: average(&of.seen),
            unseen: average(&of.unseen),
            behind_seen: Behind::of(&of.seen, &found[first].seen),
            behind_unseen: Behind::of(&of.unseen, &found[closest].unseen),
        };
        let methods: Vec<Standing> = found.iter().map(standing).collect();
        let pairs = found[first].unseen.len();
        let mut unseen = Self { cost, budget, folds, paired_by, pairs, methods, leader_unseen: None };
        unseen.leader_unseen =
            unseen.leader_and_rival().map(|(_, rival)| Behind::of(&found[first].unseen, &found[rival].unseen));
        Some(unseen)
    }

    /// The places of the method that is closest on seen queries, and of the closest of the others on unseen ones.
    pub(crate) fn leader_and_rival(&self) -> Option<(usize, usize)> {
        let leader = least(self.methods.iter().map(|of| of.seen))?;
        let others = self.methods.iter().enumerate();
        let rival = least(others.map(|(at, of)| if at == leader { f64::INFINITY } else { of.unseen }))?;
        (rival != leader).then_some((leader, rival))
    }

    /// Whether the method that is closest on seen queries is told apart from its rival there, but does not lead it on unseen
    /// ones by what is told apart.
    pub fn is_overfit(&self) -> bool {
        let Some((_, rival)) = self.leader_and_rival() else { return false };
        let leads = self.leader_unseen.is_some_and(|behind| behind.half_width.is_some_and(|half| -behind.mean > half));
        self.methods[rival].behind_seen.is_told_apart() && !leads
    }

    /// The methods that cannot be told apart from the closest on unseen queries, itself among them, closest first.
    pub(crate) fn alike(&self) -> Vec<&Standing> {
        let mut alike: Vec<&Standing> = self.methods.iter().filter(|of| !of.behind_unseen.is_told_apart()).collect();
        alike.sort_by(|a, b| a.unseen.total_cmp(&b.unseen));
        alike
    }

    /// In words: who leads whom by how much on seen and on unseen queries, and who cannot be told apart there.
    pub fn sentence(&self) -> String {
        let per_cent = |closer: f64, farther: f64| if farther > 0.0 { 100.0 * (1.0 - closer / farther) } else { 0.0 };
        let Some((leader, rival)) = self.leader_and_rival() else {
            return self.methods.first().map_or_else(String::new, |only| {
                // Not a share of each other: fewer queries are farther from any rows, whoever saw them.
                format!(
                    "{} is at {} from the queries by which it chose, and at {} from those of a fold that it did not see, which are \
                     fewer and so farther from any rows: only methods compare by this",
                    only.method,
                    magnitude(only.seen),
                    magnitude(only.unseen)
                )
            });
        };
        let (first, second) = (&self.methods[leader], &self.methods[rival]);
        let seen = per_cent(first.seen, second.seen);
        let lead = per_cent(first.unseen, second.unseen).max(0.0);
        let trail = per_cent(second.unseen, first.unseen).max(0.0);
        // What is shown as 0 is no trail.
        let unseen = if trail < 0.5 {
            format!("and by {lead:.0} % on unseen ones")
        } else {
            format!("and trails it by {trail:.0} % on unseen ones")
        };
        let alike = self.alike();
        let names: Vec<&str> = alike.iter().map(|of| of.method.as_str()).collect();
        let told = match names.as_slice() {
            [only] => format!("on unseen queries {only} is closer than every other method"),
            [others @ .., last] => {
                format!("on unseen queries {} and {last} cannot be told apart", others.join(", "))
            }
            [] => return String::new(),
        };
        format!("{} leads {} by {seen:.0} % on the seen queries {unseen}; {told}", first.method, second.method)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn found(values: &[(&'static str, f64, f64)]) -> Unseen {
        // Queries differ far more from one another than methods do on a query.
        let around = |value: f64, at: usize| value + at as f64 + if at.is_multiple_of(2) { 0.002 } else { -0.002 };
        let plain = |value: f64, at: usize| value + at as f64;
        let values: Vec<Values<'_>> = values
            .iter()
            .enumerate()
            .map(|(place, &(method, seen, unseen))| {
                let noisy = |value, at| if place == 0 { plain(value, at) } else { around(value, at) };
                let list = |value| (0..20).map(|at| noisy(value, at)).collect();
                Values { method, seen: list(seen), unseen: list(unseen) }
            })
            .collect();
        Unseen::of(Cost::Cosine, 10, 5, PairedBy::Query, &values).unwrap()
    }

    #[test]
    fn a_lead_on_seen_queries_that_is_gone_on_unseen_ones_is_said() {
        let gone = found(&[("optimal", 1.0, 2.0), ("kde", 2.0, 2.0), ("random", 5.0, 4.0)]);
        assert!(gone.is_overfit());
        let words = gone.sentence();
        assert!(words.starts_with("optimal leads kde by 9 % on the seen queries and by 0 % on unseen ones"), "{words}");
        assert!(words.ends_with("on unseen queries optimal and kde cannot be told apart"), "{words}");
        let kept = found(&[("optimal", 1.0, 2.0), ("kde", 2.0, 2.5), ("random", 5.0, 4.0)]);
        assert!(!kept.is_overfit());
        assert!(kept.sentence().ends_with("on unseen queries optimal is closer than every other method"));
        let turned = found(&[("optimal", 1.0, 3.0), ("kde", 2.0, 2.5)]);
        assert!(turned.is_overfit() && turned.sentence().contains("and trails it by"), "{}", turned.sentence());
        let alone = found(&[("optimal", 1.0, 2.05)]);
        assert!(
            !alone.is_overfit()
                && alone
                    .sentence()
                    .starts_with("optimal is at 10.5000 from the queries by which it chose, and at 11.5500 from"),
            "{}",
            alone.sentence()
        );
    }
}
