//! Who holds how much of which row. A row has one holder; the few that are split keep their other holders aside.

use std::collections::HashMap;

/// Mass of every row by query, in whole units.
#[derive(Debug, Clone, Default)]
pub(in crate::relax) struct Holdings {
    home: Vec<u32>,
    mass: Vec<u64>,
    elsewhere: HashMap<u32, Vec<(u32, u64)>>,
}

impl Holdings {
    /// What `query` holds of `row`.
    pub(super) fn held(&self, row: u32, query: u32) -> u64 {
        match self.home.get(row as usize) {
            Some(&home) if home == query => self.mass[row as usize],
            Some(_) if !self.elsewhere.is_empty() => {
                let others = self.elsewhere.get(&row).map_or(&[][..], Vec::as_slice);
                others.iter().find(|other| other.0 == query).map_or(0, |other| other.1)
            }
            _ => 0,
        }
    }

    /// All (query, mass) of a row, by query.
    pub(in crate::relax) fn of(&self, row: u32) -> Vec<(u32, u64)> {
        let mut all = self.elsewhere.get(&row).cloned().unwrap_or_default();
        match self.mass.get(row as usize) {
            Some(&mass) if mass > 0 => all.push((self.home[row as usize], mass)),
            _ => {}
        }
        all.sort_unstable();
        all
    }

    /// Adds mass; whether `query` held none of the row before.
    pub(super) fn give(&mut self, row: u32, query: u32, mass: u64) -> bool {
        let at = row as usize;
        if at >= self.home.len() {
            self.home.resize(at + 1, 0);
            self.mass.resize(at + 1, 0);
        }
        if self.mass[at] == 0 {
            self.home[at] = query;
            self.mass[at] = mass;
            return mass > 0;
        }
        if self.home[at] == query {
            self.mass[at] += mass;
            return false;
        }
        let others = self.elsewhere.entry(row).or_default();
        match others.iter_mut().find(|other| other.0 == query) {
            Some(other) => {
                other.1 += mass;
                false
            }
            None => {
                others.push((query, mass));
                true
            }
        }
    }

    /// Removes mass that is held; whether nothing is left of the row at `query`.
    pub(super) fn take(&mut self, row: u32, query: u32, mass: u64) -> bool {
        let at = row as usize;
        if self.home[at] == query {
            self.mass[at] -= mass;
            if self.mass[at] > 0 {
                return false;
            }
            if let Some(others) = self.elsewhere.get_mut(&row) {
                if let Some((home, mass)) = others.pop() {
                    (self.home[at], self.mass[at]) = (home, mass);
                }
                if others.is_empty() {
                    self.elsewhere.remove(&row);
                }
            }
            return true;
        }
        let Some(others) = self.elsewhere.get_mut(&row) else { return false };
        let Some(place) = others.iter().position(|other| other.0 == query) else { return false };
        others[place].1 -= mass;
        if others[place].1 > 0 {
            return false;
        }
        others.swap_remove(place);
        if others.is_empty() {
            self.elsewhere.remove(&row);
        }
        true
    }

    /// Multiplies all masses.
    pub(super) fn scale(&mut self, factor: u64) {
        self.mass.iter_mut().for_each(|mass| *mass *= factor);
        self.elsewhere.values_mut().flatten().for_each(|other| other.1 *= factor);
    }
}
