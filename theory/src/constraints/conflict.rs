//! Why no subset obeys constraints, where that can be told by counting.

use super::column::Values;
use super::feasible::{Count, RowState};
use super::{FeasibleSet, Limit};

impl FeasibleSet {
    /// Why no subset of `budget` rows can be chosen, naming the constraints that are in conflict; `None` if that cannot be
    /// told from each column alone. With limits on the labels of one column and nothing else, `None` means that there is
    /// such a subset.
    pub fn conflict(&self, budget: usize) -> Option<String> {
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
            Values::Numbers(numbers) => self.numbers_in_conflict(column, numbers, budget),
        })
    }

    fn limits_of(&self, column: usize) -> impl Iterator<Item = (&Limit, Count)> {
        let limits = self.constraints.limits.iter().zip(&self.counts);
        limits.filter(move |(limit, _)| limit.column == column).map(|(limit, count)| (limit, *count))
    }

    fn labels_in_conflict(&self, column: usize, of_row: &[u32], names: &[String], budget: usize) -> Option<String> {
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
                    return Some(format!("`{name}` has no row, but at least {least} are asked for"));
                }
                Count::Each => 0..names.len(),
                _ => 0..0,
            };
            for place in places {
                let (must, may) = groups[place];
                if may < least {
                    let name = name(place);
                    return Some(format!(
                        "{name} has {may} rows that may be chosen, but at least {least} are asked for"
                    ));
                }
                if must > most {
                    let name = name(place);
                    return Some(format!("{must} rows of {name} are to be included, but at most {most} may be chosen"));
                }
                let (low, high) = &mut ranges[place];
                (*low, *high) = ((*low).max(least), (*high).min(most));
                if low > high {
                    return Some(format!("{} is to have at least {low} rows and at most {high}", name(place)));
                }
            }
        }
        let (least, most) = ranges.iter().fold((0, 0), |(low, high), range| (low + range.0, high + range.1));
        let column = &self.constraints.columns[column].name;
        if least > budget {
            return Some(format!("the least numbers of rows by `{column}` add up to {least} of {budget} rows"));
        }
        (most < budget).then(|| format!("the largest numbers of rows by `{column}` add up to {most} of {budget} rows"))
    }

    fn numbers_in_conflict(&self, column: usize, numbers: &[f64], budget: usize) -> Option<String> {
        let of = |is: RowState| self.rows.iter().zip(numbers).filter(move |(row, _)| **row == is).map(|(_, x)| *x);
        let (must, mut may): (Vec<f64>, Vec<f64>) = (of(RowState::Included).collect(), of(RowState::Free).collect());
        may.sort_unstable_by(f64::total_cmp);
        let room = budget.saturating_sub(must.len()).min(may.len());
        let sum = |some: &[f64]| must.iter().chain(some).sum::<f64>();
        let (least, most) = (sum(&may[..room]), sum(&may[may.len() - room..]));
        // Sums are rounded, so what is hardly in conflict is left to the search.
        let slack = 1e-9 * most;
        let name = &self.constraints.columns[column].name;
        self.limits_of(column).find_map(|(limit, _)| match (limit.min, limit.max) {
            (_, Some(max)) if least > max + slack => {
                Some(format!("{budget} rows have at least {least} of `{name}` in all, but at most {max} is asked for"))
            }
            (Some(min), _) if most < min - slack => {
                Some(format!("{budget} rows have at most {most} of `{name}` in all, but at least {min} is asked for"))
            }
            _ => None,
        })
    }
}
