//! Why no subset obeys constraints, where that can be told by counting.

use super::column::Values;
use super::feasible::{Count, RowState};
use super::{FeasibleSet, Limit};
use crate::tokens::{Lengths, TokenBudget};

impl FeasibleSet {
    /// Why no subset of `budget` rows can be chosen, or of the budget in tokens if there is one, naming the constraints that are in
    /// conflict; `None` if that cannot be told from each column alone. With limits on the labels of one column and nothing else,
    /// `None` means that there is such a subset of so many rows.
    pub fn conflict(&self, budget: usize) -> Option<String> {
        if let Some(lengths) = &self.tokens {
            let of_column = |(column, values): (usize, &Values)| match values {
                Values::Labels { of_row, names } => {
                    let ranges = self.ranges_in_conflict(column, of_row, names);
                    ranges.map_or_else(Some, |ranges| self.tokens_in_conflict(column, of_row, &ranges, lengths))
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
        let ranges = match self.ranges_in_conflict(column, of_row, names) {
            Ok(ranges) => ranges,
            Err(conflict) => return Some(conflict),
        };
        let (least, most) = ranges.iter().fold((0, 0), |(low, high), range| (low + range.0, high + range.1));
        let column = &self.constraints.columns[column].name;
        if least > budget {
            return Some(format!("the least numbers of rows by `{column}` add up to {least} of {budget} rows"));
        }
        (most < budget).then(|| format!("the largest numbers of rows by `{column}` add up to {most} of {budget} rows"))
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
        of_row: &[u32],
        ranges: &[(usize, usize)],
        Lengths { budget: TokenBudget { min, max, .. }, of_row: lengths }: &Lengths,
    ) -> Option<String> {
        let mut free: Vec<Vec<f64>> = vec![Vec::new(); ranges.len()];
        let mut included = vec![(0usize, 0.0f64); ranges.len()];
        for ((&place, is), &length) in of_row.iter().zip(&self.rows).zip(lengths) {
            let place = (place as usize).min(ranges.len() - 1);
            match is {
                RowState::Free => free[place].push(length),
                RowState::Included => included[place] = (included[place].0 + 1, included[place].1 + length),
                RowState::Excluded => {}
            }
        }
        let (mut least, mut most) = (0.0, 0.0);
        for ((of, (count, tokens)), &(low, high)) in free.iter_mut().zip(included).zip(ranges) {
            of.sort_unstable_by(f64::total_cmp);
            let sum = |rows: &[f64]| rows.iter().sum::<f64>();
            least += tokens + sum(&of[..low.saturating_sub(count).min(of.len())]);
            most += tokens + sum(&of[of.len() - high.saturating_sub(count).min(of.len())..]);
        }
        let name = &self.constraints.columns[column].name;
        // Sums are rounded, so what is hardly in conflict is left to the search.
        let slack = 1e-9 * most;
        if least > max + slack {
            return Some(format!(
                "the least numbers of rows by `{name}` have at least {least} tokens, but at most {max} are asked for"
            ));
        }
        (most < min - slack).then(|| {
            format!(
                "the largest numbers of rows by `{name}` have at most {most} tokens, but at least {min} are asked for"
            )
        })
    }

    /// The least and the largest number of rows of every label, and last of rows without one; or why there are none.
    fn ranges_in_conflict(
        &self,
        column: usize,
        of_row: &[u32],
        names: &[String],
    ) -> Result<Vec<(usize, usize)>, String> {
        // For every label, and last for the rows without: rows that must be chosen, and rows that may be.
        let mut groups = vec![(0usize, 0usize); names.len() + 1];
        for (&place, is) in of_row.iter().zip(&self.rows) {
            let group = &mut groups[(place as usize).min(names.len())];
            group.0 += usize::from(*is == RowState::Included);
            group.1 += usize::from(*is != RowState::Excluded);
        }
        let mut ranges: Vec<(usize, usize)> = groups.clone();
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
                let (must, may) = groups[place];
                if may < least {
                    let name = name(place);
                    return Err(format!(
                        "{name} has {may} rows that may be chosen, but at least {least} are asked for"
                    ));
                }
                if must > most {
                    let name = name(place);
                    return Err(format!("{must} rows of {name} are to be included, but at most {most} may be chosen"));
                }
                let (low, high) = &mut ranges[place];
                (*low, *high) = ((*low).max(least), (*high).min(most));
                if low > high {
                    return Err(format!("{} is to have at least {low} rows and at most {high}", name(place)));
                }
            }
        }
        Ok(ranges)
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
