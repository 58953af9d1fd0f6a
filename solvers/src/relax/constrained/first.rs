//! The first plan: rows of large values that obey the limits of all groups, as far as they are known.

use super::family::{Family, ROOT};
use super::search::{Search, Start};

impl Search<'_> {
    /// Slots of a subset that obeys the limits of all groups, of large values at these potentials, and their masses; or how many rows
    /// of every group are missing.
    pub(super) fn greedy(&self, start: &Start) -> Result<Vec<(u32, u64)>, Vec<i64>> {
        let family = self.family;
        let (mut chosen, mut order) = (Vec::with_capacity(self.rows), Vec::new());
        for (slot, &row) in (0..).zip(&self.slots.rows) {
            match family.of_row[row as usize] {
                Family::FIXED => chosen.push(slot),
                Family::ABSENT => {}
                group => {
                    let bar = start.thresholds[group as usize] + self.sides.charge(row as usize, &start.prices);
                    order.push((self.worth(slot, &start.potentials) - bar, slot, group as usize));
                }
            }
        }
        order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mass = |slot: u32| self.network.mass(self.slots.rows[slot as usize]);
        if self.set.tokens().is_some() {
            // The last row may be used in part.
            let mut left = family.groups[ROOT].max as u64 * self.network.unit;
            let mut chosen: Vec<(u32, u64)> = chosen.into_iter().map(|slot| (slot, mass(slot))).collect();
            for (_, slot, _) in order {
                let mass = mass(slot).min(left);
                if mass == 0 {
                    break;
                }
                chosen.push((slot, mass));
                left -= mass;
            }
            if left > 0 {
                let missing = left as f64 / self.network.unit as f64 / self.budget as f64;
                return Err(vec![(missing * self.rows as f64).ceil() as i64]);
            }
            chosen.sort_unstable();
            return Ok(chosen);
        }
        let (mut counts, mut taken) = (vec![0i64; family.groups.len()], vec![false; self.slots.rows.len()]);
        // The least numbers of the inner groups first, and last the number of all rows.
        for level in family.levels() {
            let mut wanted = vec![0; family.groups.len()];
            for &at in &level {
                wanted[at] = (family.groups[at].min - counts[at]).max(0);
            }
            for &(_, slot, group) in &order {
                let Some(at) = family.ancestors(group).find(|&at| wanted[at] > 0) else { continue };
                if !taken[slot as usize] && family.ancestors(group).all(|at| counts[at] < family.groups[at].max) {
                    taken[slot as usize] = true;
                    chosen.push(slot);
                    wanted[at] -= 1;
                    family.ancestors(group).for_each(|at| counts[at] += 1);
                }
            }
            if level.iter().any(|&at| wanted[at] > 0) {
                return Err(wanted);
            }
        }
        chosen.sort_unstable();
        Ok(chosen.into_iter().map(|slot| (slot, mass(slot))).collect())
    }
}
