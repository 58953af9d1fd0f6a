//! The graph on which the budgeted solver searches: a node per query, and an edge from each query to each other one, which
//! is the cheapest row that the first could pass on to the second.
//!
//! Every chosen row is held by one query (rarely, split between a few). Passing row i from query t to query j costs
//! c_ij − c_it; `cheapest[j][t]` is the least such cost over the rows that t holds. A query that needs mass looks for
//! a shortest path in that graph under the reduced costs cheapest[j][t] + g_t − g_j ≥ 0 (successive shortest paths
//! with potentials: Edmonds and Karp 1972, Tomizawa 1971). One search is O(M) per settled query and reads no costs of rows.
//!
//! A *cell* is an ordered pair of queries (from, to). Each cell keeps a short sorted *shelf* of the cheapest rows that `from`
//! could pass on to `to`. When the cheapest one is no longer held there, the next on the shelf takes its place, and all rows
//! of `from` are looked at only once the shelf is empty.
//!
//! Limit: a search streams M numbers from cache per settled query; moving a row costs one pass over its M costs and a
//! strided update of the cells whose minimum changes.

use super::holdings::Holdings;
use crate::simd;
use crate::transport::exact::grid::Grid;

/// Rows on a full shelf.
const SHELF: usize = 8;

/// No row.
const NONE: u32 = u32::MAX;

/// The cheapest known rows of a cell, cheapest last.
#[derive(Debug, Clone, Copy)]
struct Shelf {
    costs: [f64; SHELF],
    rows: [u32; SHELF],
    len: u32,
}

impl Shelf {
    const EMPTY: Shelf = Shelf { costs: [0.0; SHELF], rows: [NONE; SHELF], len: 0 };

    fn last(&self) -> Option<(f64, u32)> {
        let last = (self.len as usize).checked_sub(1)?;
        Some((self.costs[last], self.rows[last]))
    }

    /// Puts a row in its place; on a full shelf the dearest one makes room. Returns what the rows that are not on the shelf
    /// cost at least, if that changed.
    fn insert(&mut self, cost: f64, row: u32) -> Option<f64> {
        let mut dropped = None;
        if self.len as usize == SHELF {
            if cost >= self.costs[0] {
                return Some(cost);
            }
            dropped = Some(self.costs[0]);
            self.costs.copy_within(1.., 0);
            self.rows.copy_within(1.., 0);
            self.len -= 1;
        }
        let mut at = self.len as usize;
        while at > 0 && self.costs[at - 1] <= cost {
            self.costs[at] = self.costs[at - 1];
            self.rows[at] = self.rows[at - 1];
            at -= 1;
        }
        self.costs[at] = cost;
        self.rows[at] = row;
        self.len += 1;
        dropped
    }
}

/// One step of a path: a query passes `row` on to another.
#[derive(Debug, Clone, Copy)]
pub(super) struct ExchangeStep {
    pub(super) row: u32,
    pub(super) from: u32,
    pub(super) to: u32,
}

/// Where a search ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    /// The query at which mass enters.
    pub(super) end: usize,
    /// The length of the path: the sum of its reduced costs, that of the entry included.
    pub(super) length: f64,
}

/// Queries, the rows that they hold, and the cheapest exchange between any two of them.
#[derive(Debug, Clone)]
pub(in crate::relax) struct Exchange {
    m: usize,
    pub(in crate::relax) grid: Grid,
    /// Dual variable of every query.
    pub(in crate::relax) potentials: Vec<f64>,
    pub(in crate::relax) holdings: Holdings,
    /// Rows held by every query.
    members: Vec<Vec<u32>>,
    /// `[to · m + from]`, so that a search reads it in order: the cost of the cheapest row; infinite if `from` holds none.
    pub(super) cheapest: Vec<f64>,
    /// `[from · m + to]`: that row.
    head: Vec<u32>,
    /// `[from · m + to]`: the cheapest rows, `head` included; others among them may no longer be held by `from`.
    shelves: Vec<Shelf>,
    /// `[from · m + to]`: what every row of `from` that is not on the shelf costs at least; minus infinity if `from` is `to`,
    /// so that nothing is put on that shelf.
    bound: Vec<f64>,
    /// Of every query in the last search.
    pub(super) distance: Vec<f64>,
    /// Infinite once settled, else 0: added to distances, it hides settled queries from the search for the nearest.
    closed: Vec<f64>,
    /// Queries that the last search settled, in that order.
    order: Vec<usize>,
    /// The last path found, from the query at which mass enters to the source.
    pub(super) path: Vec<ExchangeStep>,
    /// Workspace: what it costs to pass one row on to each query.
    moves: Vec<f64>,
}

impl Exchange {
    /// No row held, all potentials as given.
    pub(in crate::relax) fn new(grid: Grid, potentials: Vec<f64>) -> Self {
        let m = potentials.len();
        Self {
            m,
            grid,
            potentials,
            holdings: Holdings::default(),
            members: vec![Vec::new(); m],
            cheapest: vec![f64::INFINITY; m * m],
            head: vec![NONE; m * m],
            shelves: vec![Shelf::EMPTY; m * m],
            bound: (0..m * m).map(|cell| if cell % (m + 1) == 0 { f64::NEG_INFINITY } else { f64::INFINITY }).collect(),
            distance: vec![f64::INFINITY; m],
            closed: vec![0.0; m],
            order: Vec::with_capacity(m),
            path: Vec::with_capacity(m),
            moves: vec![0.0; m],
        }
    }

    /// Bytes for `m` queries that hold `rows` rows, without the costs of the rows.
    pub(in crate::relax) fn bytes(m: usize, rows: usize) -> u64 {
        let cell = size_of::<Shelf>() + 2 * size_of::<f64>() + size_of::<u32>();
        (m as u64) * (m as u64) * cell as u64 + 24 * rows as u64
    }

    /// Gives `mass` of a row to a query.
    pub(in crate::relax) fn give(&mut self, costs: &[f64], row: u32, query: usize, mass: u64) {
        if !self.holdings.give(row, query as u32, mass) {
            return;
        }
        self.members[query].push(row);
        let (m, from) = (self.m, query);
        let line = &costs[row as usize * m..][..m];
        differences(self.grid, line, line[from], &mut self.moves);
        for to in 0..m {
            let cell = from * m + to;
            let cost = self.moves[to];
            if cost < self.bound[cell] {
                if let Some(bound) = self.shelves[cell].insert(cost, row) {
                    self.bound[cell] = bound;
                }
                if cost < self.cheapest[to * m + from] {
                    self.cheapest[to * m + from] = cost;
                    self.head[cell] = row;
                }
            }
        }
    }

    /// Takes `mass` of a row from a query, and repairs the cells of which the row was the cheapest.
    pub(super) fn take(&mut self, costs: &[f64], row: u32, query: usize, mass: u64) {
        if !self.holdings.take(row, query as u32, mass) {
            return;
        }
        let (m, from) = (self.m, query);
        if let Some(at) = self.members[from].iter().position(|&other| other == row) {
            self.members[from].swap_remove(at);
        }
        let mut empty = Vec::new();
        for to in 0..m {
            let cell = from * m + to;
            if self.head[cell] != row {
                continue;
            }
            let shelf = &mut self.shelves[cell];
            while shelf.last().is_some_and(|(_, last)| self.holdings.held(last, from as u32) == 0) {
                shelf.len -= 1;
            }
            if shelf.len == 0 && self.bound[cell] < f64::INFINITY {
                self.bound[cell] = f64::INFINITY;
                empty.push(to);
            } else {
                self.show(from, to);
            }
        }
        if empty.is_empty() {
            return;
        }
        // These cells have nothing on the shelf, but rows beside it.
        for &row in &self.members[from] {
            let line = &costs[row as usize * m..][..m];
            let base = self.grid.snap(line[from]);
            for &to in &empty {
                let cell = from * m + to;
                let cost = self.grid.snap(line[to]) - base;
                if cost < self.bound[cell]
                    && let Some(bound) = self.shelves[cell].insert(cost, row)
                {
                    self.bound[cell] = bound;
                }
            }
        }
        for to in empty {
            self.show(from, to);
        }
    }

    /// Makes the cheapest row on a shelf the one that searches see.
    fn show(&mut self, from: usize, to: usize) {
        let cell = from * self.m + to;
        let (cost, row) = self.shelves[cell].last().unwrap_or((f64::INFINITY, NONE));
        self.cheapest[to * self.m + from] = cost;
        self.head[cell] = row;
    }

    /// Finds a shortest path by which mass can reach `source`, searching backwards from there. `entry` is given a query and
    /// its potential and returns the reduced cost (≥ 0) at which a free row enters there, infinite if none can. It is called
    /// once for every settled query.
    pub(super) fn search(&mut self, source: usize, mut entry: impl FnMut(usize, f64) -> f64) -> Option<Found> {
        self.distance.fill(f64::INFINITY);
        self.closed.fill(0.0);
        self.order.clear();
        self.distance[source] = 0.0;
        let mut found = Found { end: source, length: f64::INFINITY };
        let mut node = source;
        loop {
            let here = self.distance[node];
            self.closed[node] = f64::INFINITY;
            self.order.push(node);
            let length = here + entry(node, self.potentials[node]).max(0.0);
            if length < found.length {
                found = Found { end: node, length };
            }
            if found.length <= here {
                break;
            }
            let line = &self.cheapest[node * self.m..][..self.m];
            let (next, at) =
                relax(here, self.potentials[node], line, &self.potentials, &mut self.distance, &self.closed);
            if next >= found.length || next == f64::INFINITY {
                break;
            }
            node = at;
        }
        if found.length == f64::INFINITY {
            return None;
        }
        self.trace(source, found.end);
        Some(found)
    }

    /// Recovers the path from the distances: the predecessor of a settled query is the first one settled before it that
    /// gives its distance. Costs and potentials lie on a grid, so that equal distances are equal in every bit.
    fn trace(&mut self, source: usize, end: usize) {
        self.path.clear();
        let mut from = end;
        while from != source {
            let Some(to) = self.order.iter().copied().take_while(|&j| j != from).find(|&to| {
                let cost = self.cheapest[to * self.m + from];
                let reduced = (cost + self.potentials[from]) - self.potentials[to];
                self.distance[to] + reduced.max(0.0) == self.distance[from]
            }) else {
                unreachable!("a settled query got its distance from one settled before it");
            };
            self.path.push(ExchangeStep { row: self.head[from * self.m + to], from: from as u32, to: to as u32 });
            from = to;
        }
    }

    /// The most mass that the last path can carry; without a limit if no row is passed on.
    pub(super) fn bottleneck(&self) -> u64 {
        self.path.iter().map(|step| self.holdings.held(step.row, step.from)).min().unwrap_or(u64::MAX)
    }

    /// Raises the potentials after a search, so that all reduced costs stay ≥ 0 and those along the path are 0.
    pub(super) fn raise(&mut self, found: Found) {
        for &settled in &self.order {
            if self.distance[settled] < found.length {
                self.potentials[settled] += found.length - self.distance[settled];
            }
        }
    }

    /// Moves mass along the last path.
    pub(super) fn shift(&mut self, costs: &[f64], mass: u64) {
        let path = std::mem::take(&mut self.path);
        for step in &path {
            self.take(costs, step.row, step.from as usize, mass);
            self.give(costs, step.row, step.to as usize, mass);
        }
        self.path = path;
    }
}

/// What it costs to pass a row on to each query, from one at which it costs `base`; `line` has its costs.
fn differences(grid: Grid, line: &[f64], base: f64, out: &mut [f64]) {
    simd::wide(
        #[inline(always)]
        || {
            let base = grid.snap(base);
            for (out, &cost) in out.iter_mut().zip(line) {
                *out = grid.snap(cost) - base;
            }
        },
    );
}

/// Shortens the distances of all queries by way of one that has just been settled at distance `here`. Returns the least
/// distance of those that are not settled, and the first query that has it.
fn relax(
    here: f64,
    potential: f64,
    line: &[f64],
    potentials: &[f64],
    distance: &mut [f64],
    closed: &[f64],
) -> (f64, usize) {
    simd::wide(
        #[inline(always)]
        || {
            let ((lines, line), (potentials, rest)) = (line.as_chunks::<8>(), potentials.as_chunks::<8>());
            let ((closed, open), (distances, distance)) = (closed.as_chunks::<8>(), distance.as_chunks_mut::<8>());
            let through = |cost: f64, other: f64, distance: f64| {
                let reduced = (cost + other) - potential;
                let through = here + if reduced > 0.0 { reduced } else { 0.0 };
                if through < distance { through } else { distance }
            };
            let mut least = [f64::INFINITY; 8];
            for (((line, potentials), distances), closed) in
                lines.iter().zip(potentials).zip(&mut *distances).zip(closed)
            {
                for lane in 0..8 {
                    let new = through(line[lane], potentials[lane], distances[lane]);
                    distances[lane] = new;
                    let new = new + closed[lane];
                    least[lane] = if new < least[lane] { new } else { least[lane] };
                }
            }
            for (((&cost, &other), distance), &closed) in line.iter().zip(rest).zip(&mut *distance).zip(open) {
                *distance = through(cost, other, *distance);
                least[0] = least[0].min(*distance + closed);
            }
            let least = least.into_iter().fold(f64::INFINITY, f64::min);
            for (chunk, (distances, closed)) in distances.iter().zip(closed).enumerate() {
                let equal = |lane: usize| distances[lane] + closed[lane] == least;
                if (0..8).fold(false, |any, lane| any | equal(lane)) {
                    return (least, 8 * chunk + (0..8).position(equal).unwrap_or(0));
                }
            }
            let at = distance.iter().zip(open).position(|(distance, closed)| distance + closed == least);
            (least, 8 * lines.len() + at.unwrap_or(0))
        },
    )
}
