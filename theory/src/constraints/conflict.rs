//! Why no subset obeys constraints, where that can be told by counting.

use super::column::Values;
use super::feasible::{Count, RowState};
use super::{FeasibleSet, Limit};
use crate::tokens::{Lengths, TokenBudget};

/// Limits in conflict that are named.
const LISTED: usize = 8;

/// The rows with one label.
#[derive(Debug, Clone, Copy, Default)]
struct Group {
    /// Rows that must be chosen.
    must: usize,
    /// Rows that may be chosen, with these.
    may: usize,
    /// The least number of rows that limits and `must` allow.
    low: usize,
    /// The largest number of rows that limits and `may` allow.
    high: usize,
}

/// The first of these words, and how many others there are.
pub fn listed(mut words: Vec<String>) -> String {
    if words.len() > LISTED {
        let more = words.len() - LISTED;
        words.truncate(LISTED);
        words.push(if more == 1 { "1 other".to_owned() } else { format!("{more} others") });
    }
    words.join(", ")
}

/// The places of the fewest of these amounts that add up to more than `room`, ascending: the largest ones. Without any of them the
/// others do not.
fn fewest_beyond(amounts: impl Iterator<Item = f64>, room: f64) -> Vec<usize> {
    let mut order: Vec<(usize, f64)> = amounts.enumerate().filter(|(_, amount)| *amount > 0.0).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut sum = 0.0;
    let enough = order.iter().position(|(_, amount)| {
        sum += amount;
        sum > room
    });
    let mut places: Vec<usize> = order[..enough.map_or(order.len(), |at| at + 1)].iter().map(|(at, _)| *at).collect();
    places.sort_unstable();
    places
}

impl FeasibleSet {
    /// Why no subset of `budget` rows can be chosen, or of the budget in tokens if there is one, naming constraints that are in
    /// conflict, none of which could be left out; `None` if that cannot be told from each column alone. With limits on the labels
    /// of one column and nothing else, `None` means that there is such a subset of so many rows.
    pub fn conflict(&self, budget: usize) -> Option<String> {
        if let Some(lengths) = &self.tokens {
            let of_column = |(column, values): (usize, &Values)| match values {
                Values::Labels { of_row, names } => {
                    let groups = self.groups_in_conflict(column, of_row, names);
                    groups
                        .map_or_else(Some, |groups| self.tokens_in_conflict(column, (of_row, names), &groups, lengths))
                }
                Values::Numbers(numbers) => self.numbers_in_conflict(column, numbers, None),
            };
            let of_rows = self.rows_in_conflict(lengths);
            return of_rows.or_else(|| self.columns.iter().enumerate().find_map(of_column));
        }
        let count = |is: RowState| self.rows.iter().filter(|row| **row == is).count();
        let (included, excluded) = (count(RowState::Included), count(RowState::Excluded));
        let available = self.pool() - excluded;
        if included > budget {
            return Some(format!("{included} rows are to be included, but only {budget} are asked for"));
        }
        if budget > available {
            let pool = self.pool();
            return Some(format!("{budget} rows are asked for, but {excluded} of {pool} are excluded"));
        }
        (0..self.columns.len()).find_map(|column| match &self.columns[column] {
            Values::Labels { of_row, names } => self.labels_in_conflict(column, of_row, names, budget),
            Values::Numbers(numbers) => self.numbers_in_conflict(column, numbers, Some(budget)),
        })
    }

    fn limits_of(&self, column: usize) -> impl Iterator<Item = (&Limit, Count)> {
        let limits = self.constraints.limits.iter().zip(&self.counts);
        limits.filter(move |(limit, _)| limit.column == column).map(|(limit, count)| (limit, *count))
    }

    fn labels_in_conflict(&self, column: usize, of_row: &[u32], names: &[String], budget: usize) -> Option<String> {
        let groups = match self.groups_in_conflict(column, of_row, names) {
            Ok(groups) => groups,
            Err(conflict) => return Some(conflict),
        };
        let sum = |of: fn(&Group) -> usize| groups.iter().map(of).sum::<usize>();
        let (must, may) = (sum(|group| group.must), sum(|group| group.may));
        if sum(|group| group.low) > budget {
            let blamed =
                fewest_beyond(groups.iter().map(|group| (group.low - group.must) as f64), (budget - must) as f64);
            let own: usize = blamed.iter().map(|&at| groups[at].low).sum();
            let others = must - blamed.iter().map(|&at| groups[at].must).sum::<usize>();
            let with =
                if others > 0 { format!(", with {others} others that are to be included") } else { String::new() };
            let (of, s, comes) = self.blamed(column, names, &blamed);
            return Some(format!(
                "the least number{s} of rows of {of} {comes} to {} of {budget} rows{with}",
                own + others
            ));
        }
        if sum(|group| group.high) < budget {
            let blamed =
                fewest_beyond(groups.iter().map(|group| (group.may - group.high) as f64), (may - budget) as f64);
            let room = may - blamed.iter().map(|&at| groups[at].may - groups[at].high).sum::<usize>();
            let (of, s, _) = self.blamed(column, names, &blamed);
            let leaves = if s.is_empty() { "leaves" } else { "leave" };
            return Some(format!("the largest number{s} of rows of {of} {leaves} room for {room} of {budget} rows"));
        }
        None
    }

    /// Groups of a column in words, with the endings of a noun and of a verb that go with so many.
    fn blamed(&self, column: usize, names: &[String], blamed: &[usize]) -> (String, &'static str, &'static str) {
        let column = &self.constraints.columns[column].name;
        let of = listed(blamed.iter().map(|&at| format!("`{column}={}`", names[at])).collect());
        if blamed.len() == 1 { (of, "", "comes") } else { (of, "s", "come") }
    }

    /// What tokens the rows that must be chosen, and all that may be, have.
    fn rows_in_conflict(&self, Lengths { budget: TokenBudget { min, max, .. }, of_row }: &Lengths) -> Option<String> {
        let included = self.included_tokens();
        let may = of_row.iter().zip(&self.rows).filter(|(_, is)| **is != RowState::Excluded);
        let available: f64 = may.map(|(length, _)| length).sum();
        // Sums are rounded, so what is hardly in conflict is left to the search.
        let slack = 1e-9 * available;
        if included > max + slack {
            return Some(format!("the rows to be included have {included} tokens, but at most {max} are asked for"));
        }
        (available < min - slack)
            .then(|| format!("the rows that may be chosen have {available} tokens, but at least {min} are asked for"))
    }

    /// What tokens the least and the largest numbers of rows of every label, and last of rows without one, leave room for.
    fn tokens_in_conflict(
        &self,
        column: usize,
        (of_row, names): (&[u32], &[String]),
        groups: &[Group],
        Lengths { budget: TokenBudget { min, max, .. }, of_row: lengths }: &Lengths,
    ) -> Option<String> {
        let mut free: Vec<Vec<f64>> = vec![Vec::new(); groups.len()];
        for ((&place, is), &length) in of_row.iter().zip(&self.rows).zip(lengths) {
            if *is == RowState::Free {
                free[(place as usize).min(groups.len() - 1)].push(length);
            }
        }
        // By how much the least numbers raise the tokens of the rows to be included, and the largest lower those of all rows.
        let (mut raises, mut lowers, mut all) = (Vec::new(), Vec::new(), 0.0);
        for (of, group) in free.iter_mut().zip(groups) {
            of.sort_unstable_by(f64::total_cmp);
            let sum = |rows: &[f64]| rows.iter().sum::<f64>();
            raises.push(sum(&of[..group.low.saturating_sub(group.must).min(of.len())]));
            lowers.push(sum(&of[..of.len() - group.high.saturating_sub(group.must).min(of.len())]));
            all += sum(of);
        }
        let included = self.included_tokens();
        let (least, most) = (included + raises.iter().sum::<f64>(), included + all - lowers.iter().sum::<f64>());
        // Sums are rounded, so what is hardly in conflict is left to the search.
        let slack = 1e-9 * (included + all);
        let sum = |of: &[f64], blamed: &[usize]| blamed.iter().map(|&at| of[at]).sum::<f64>();
        if least > max + slack {
            let blamed = fewest_beyond(raises.iter().copied(), max + slack - included);
            let least = included + sum(&raises, &blamed);
            let with = if included > 0.0 { ", with the rows to be included," } else { "" };
            let (of, s, _) = self.blamed(column, names, &blamed);
            let has = if s.is_empty() { "has" } else { "have" };
            return Some(format!(
                "the least number{s} of rows of {of}{with} {has} at least {least} tokens, but at most {max} are asked for"
            ));
        }
        if most < min - slack {
            let blamed = fewest_beyond(lowers.iter().copied(), included + all + slack - min);
            let most = included + all - sum(&lowers, &blamed);
            let (of, s, _) = self.blamed(column, names, &blamed);
            let leaves = if s.is_empty() { "leaves" } else { "leave" };
            return Some(format!(
                "the largest number{s} of rows of {of} {leaves} room for at most {most} tokens, but at least {min} are asked for"
            ));
        }
        None
    }

    /// The groups of every label, and last of rows without one; or which of them has no number of rows that is allowed.
    fn groups_in_conflict(&self, column: usize, of_row: &[u32], names: &[String]) -> Result<Vec<Group>, String> {
        let mut groups = vec![Group::default(); names.len() + 1];
        for (&place, is) in of_row.iter().zip(&self.rows) {
            let group = &mut groups[(place as usize).min(names.len())];
            group.must += usize::from(*is == RowState::Included);
            group.may += usize::from(*is != RowState::Excluded);
        }
        groups.iter_mut().for_each(|group| (group.low, group.high) = (group.must, group.may));
        let name = |place: usize| format!("`{}={}`", self.constraints.columns[column].name, names[place]);
        for (limit, count) in self.limits_of(column) {
            // Numbers of rows are whole.
            let least = limit.min.map_or(0, |min| min.ceil() as usize);
            let most = limit.max.map_or(usize::MAX, |max| max.floor() as usize);
            let places = match count {
                Count::Label(Some(place)) => place as usize..place as usize + 1,
                Count::Label(None) if least > 0 => {
                    let name = self.name_of(limit, None);
                    return Err(format!("`{name}` has no row, but at least {least} are asked for"));
                }
                Count::Each => 0..names.len(),
                _ => 0..0,
            };
            for place in places {
                let Group { must, may, low, high } = &mut groups[place];
                if *may < least {
                    let name = name(place);
                    return Err(format!(
                        "{name} has {may} rows that may be chosen, but at least {least} are asked for"
                    ));
                }
                if *must > most {
                    let name = name(place);
                    return Err(format!("{must} rows of {name} are to be included, but at most {most} may be chosen"));
                }
                (*low, *high) = ((*low).max(least), (*high).min(most));
                if low > high {
                    return Err(format!("{} is to have at least {low} rows and at most {high}", name(place)));
                }
            }
        }
        Ok(groups)
    }

    /// Of so many rows, or of any number.
    fn numbers_in_conflict(&self, column: usize, numbers: &[f64], budget: Option<usize>) -> Option<String> {
        let of = |is: RowState| self.rows.iter().zip(numbers).filter(move |(row, _)| **row == is).map(|(_, x)| *x);
        let (must, mut may): (Vec<f64>, Vec<f64>) = (of(RowState::Included).collect(), of(RowState::Free).collect());
        may.sort_unstable_by(f64::total_cmp);
        let room = |none: usize| budget.map_or(none, |budget| budget.saturating_sub(must.len()).min(may.len()));
        let sum = |some: &[f64]| must.iter().chain(some).sum::<f64>();
        let (least, most) = (sum(&may[..room(0)]), sum(&may[may.len() - room(may.len())..]));
        let rows = budget.map_or("the rows that may be chosen".to_owned(), |budget| format!("{budget} rows"));
        let must = if budget.is_some() { &rows } else { "the rows to be included" };
        // Sums are rounded, so what is hardly in conflict is left to the search.
        let slack = 1e-9 * most;
        let name = &self.constraints.columns[column].name;
        self.limits_of(column).find_map(|(limit, _)| match (limit.min, limit.max) {
            (_, Some(max)) if least > max + slack => {
                Some(format!("{must} have at least {least} of `{name}` in all, but at most {max} is asked for"))
            }
            (Some(min), _) if most < min - slack => {
                Some(format!("{rows} have at most {most} of `{name}` in all, but at least {min} is asked for"))
            }
            _ => None,
        })
    }
}
