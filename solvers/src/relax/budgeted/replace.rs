//! One row in the place of another, in an optimal plan: paths bring mass of the one to the queries that held the other.

use super::exchange::Exchange;

/// What was done, so that it can be undone.
struct Done {
    old: u32,
    /// Who held how much of it.
    held: Vec<(u32, u64)>,
    new: u32,
    entries: Vec<Entry>,
    potentials: Vec<f64>,
}

/// Mass of the new row that entered at a query, and the rows that were passed on for it: row, from, to.
struct Entry {
    query: usize,
    mass: u64,
    passed: Vec<(u32, usize, usize)>,
}

impl Exchange {
    /// The lengths of the shortest paths from all queries to one, under reduced costs. No unit that comes in can reach it at
    /// less; at that if no path has to be shared.
    pub(in crate::relax) fn lengths_to(&mut self, query: usize) -> Vec<f64> {
        self.search(query, |_, _| f64::INFINITY);
        self.distance.clone()
    }

    /// Chooses the potentials that say of every query what it costs at least to bring mass there, by way of others or not, if
    /// it enters at these costs. Of all that are optimal for the plan they tell best which mass should enter: where some
    /// costs less than what a query holds, only there.
    pub(in crate::relax) fn lower(&mut self, entries: &[f64]) {
        let m = self.potentials.len();
        let mut least = entries.to_vec();
        if least.iter().any(|entry| !entry.is_finite()) {
            return;
        }
        // No cycle shortens a path, so none is longer than this.
        for _ in 0..m {
            let mut changed = false;
            for to in 0..m {
                let ways = self.cheapest[to * m..][..m].iter().zip(&least);
                let way = ways.fold(f64::INFINITY, |way, (cost, from)| way.min(cost + from));
                if way < least[to] {
                    (least[to], changed) = (way, true);
                }
            }
            if !changed {
                break;
            }
        }
        self.potentials = least;
    }

    /// Puts `new`, which nobody holds, in the place of `old`, if that changes the cost per mass of a row by less than `bar`; a row
    /// has `whole` units. Else nothing is done, and the number of paths that showed it is returned.
    pub(in crate::relax) fn replace(
        &mut self,
        costs: &[f64],
        (old, new): (u32, u32),
        whole: u64,
        bar: f64,
    ) -> Result<f64, usize> {
        let line = |row: u32| &costs[row as usize * self.potentials.len()..][..self.potentials.len()];
        let (grid, entering) = (self.grid, line(new));
        let mut wanted = self.holdings.of(old);
        let share = |mass: u64| mass as f64 / whole as f64;
        let mut change: f64 =
            wanted.iter().map(|&(query, mass)| -share(mass) * grid.snap(line(old)[query as usize])).sum();
        let mut done =
            Done { old, held: wanted.clone(), new, entries: Vec::new(), potentials: self.potentials.clone() };
        wanted.iter().for_each(|&(query, mass)| self.take(costs, old, query as usize, mass));
        // What the row is worth makes its reduced costs positive.
        let mut worth = self.worth(entering);
        while let Some((query, lacks)) = wanted.last_mut().map(|(query, lacks)| (*query as usize, lacks)) {
            let path = self.search(query, |j, g| (grid.snap(entering[j]) - g) + worth).filter(|_| worth.is_finite());
            let Some(found) = path else { return Err(self.undo(costs, done)) };
            let mass = (*lacks).min(self.bottleneck());
            change += share(mass) * (found.length + self.potentials[query] - worth);
            *lacks -= mass;
            let passed = self.path.iter().map(|step| (step.row, step.from as usize, step.to as usize)).collect();
            self.raise(found);
            self.shift(costs, mass);
            self.give(costs, new, found.end, mass);
            done.entries.push(Entry { query: found.end, mass, passed });
            if *lacks == 0 {
                wanted.pop();
            }
            worth = self.worth(entering);
            // No path is cheaper than the potentials tell.
            let rest: f64 =
                wanted.iter().map(|&(query, mass)| share(mass) * (self.potentials[query as usize] - worth)).sum();
            if change + rest >= bar {
                return Err(self.undo(costs, done));
            }
        }
        Ok(change)
    }

    fn worth(&self, line: &[f64]) -> f64 {
        let values = line.iter().zip(&self.potentials).map(|(cost, g)| g - self.grid.snap(*cost));
        values.fold(f64::NEG_INFINITY, f64::max)
    }

    /// Takes a replacement back; returns how many paths it took.
    fn undo(&mut self, costs: &[f64], done: Done) -> usize {
        let paths = done.entries.len();
        for Entry { query, mass, passed } in done.entries.into_iter().rev() {
            self.take(costs, done.new, query, mass);
            for (row, from, to) in passed.into_iter().rev() {
                self.take(costs, row, to, mass);
                self.give(costs, row, from, mass);
            }
        }
        done.held.into_iter().for_each(|(query, mass)| self.give(costs, done.old, query as usize, mass));
        self.potentials = done.potentials;
        paths
    }
}
