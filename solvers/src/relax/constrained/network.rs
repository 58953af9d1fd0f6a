//! Transport of chosen rows to the queries under limits on nested groups of rows, as balanced transport with more columns.
//!
//! Every group t has a column, which takes what is not chosen of the rows of that group and of no smaller one; the column of
//! all rows is one of these. A *link* of max_t − min_t units, which may go to the column of t or of the group around it at no
//! cost, makes the number of chosen rows a range: with demand N_t + Σ_h max_h − min_t at column t (N_t rows of its own, groups h
//! just below it), exactly chosen_t − min_t units of the link go to t. The difference of the potentials of t and of the group
//! around it is the price of the limit. A row that must be chosen goes to queries only.
//!
//! Masses are whole, so that every vertex chooses whole rows if M divides k. All edges other than those from rows to queries
//! are few per row, so the pass over a row costs no more than without groups. Whatever else joins two parts of a basis is an
//! *artificial* edge, whose cost is too large for any cycle of others to pay for: none ever carries mass.
//!
//! A group has a column once there are more candidates than it may have, or a least number is asked for: it is *live*.

use super::family::{Family, ROOT};
use crate::relax::budgeted::slots::Slots;
use crate::transport::exact::grid::{Grid, GridCosts};
use crate::transport::exact::simplex::{self, EdgeCosts, SimplexResult};
use crate::transport::exact::start::Edge;
use crate::transport::exact::tree::Tree;

/// No column.
const NONE: u32 = u32::MAX;

/// A row's mass at a query: slot, query, mass.
pub(super) type Shipment = (u32, u32, u64);

/// The edges of the network: links first, one for every group, then all slots.
#[derive(Clone, Copy)]
struct Edges<'a> {
    dense: GridCosts<'a>,
    /// The columns of every link.
    links: &'a [[u32; 2]],
    /// Of every slot the column that takes what is not chosen of it.
    outlets: &'a [u32],
    /// What every slot costs beside its transport if it is chosen.
    charges: &'a [f64],
    artificial: f64,
}

impl Edges<'_> {
    #[inline(always)]
    fn outlet(&self, slot: usize, potentials: &[f64]) -> f64 {
        match self.outlets[slot] {
            NONE => f64::INFINITY,
            column => self.dense.grid.snap(-self.charges[slot]) - potentials[column as usize],
        }
    }
}

impl EdgeCosts for Edges<'_> {
    fn grid(self) -> Grid {
        self.dense.grid
    }

    fn columns(self) -> usize {
        self.dense.m + self.links.len()
    }

    #[inline(always)]
    fn of(self, row: u32, column: u32) -> f64 {
        let Some(slot) = (row as usize).checked_sub(self.links.len()) else {
            return if self.links[row as usize].contains(&column) { 0.0 } else { self.artificial };
        };
        if (column as usize) < self.dense.m {
            self.dense.of(slot as u32, column)
        } else if self.outlets[slot] == column {
            self.dense.grid.snap(-self.charges[slot])
        } else {
            self.artificial
        }
    }

    #[inline(always)]
    fn least_below(self, row: u32, potentials: &[f64], bar: f64) -> Option<f64> {
        let (queries, _) = potentials.split_at(self.dense.m);
        let Some(slot) = (row as usize).checked_sub(self.links.len()) else {
            let of = |column: u32| if column == NONE { f64::INFINITY } else { -potentials[column as usize] };
            let [one, two] = self.links[row as usize];
            let least = of(one).min(of(two)).min(self.artificial - potentials[0]);
            return (least < bar).then_some(least);
        };
        let outlet = self.outlet(slot, potentials);
        match self.dense.least_below(slot as u32, queries, bar.min(outlet)) {
            None => (outlet < bar).then_some(outlet),
            least => least,
        }
    }

    fn position(self, row: u32, potentials: &[f64], value: f64) -> u32 {
        let Some(slot) = (row as usize).checked_sub(self.links.len()) else {
            let at = |column: &&u32| **column != NONE && -potentials[**column as usize] == value;
            return self.links[row as usize].iter().find(at).copied().unwrap_or(0);
        };
        if self.outlets[slot] != NONE && self.outlet(slot, potentials) == value {
            return self.outlets[slot];
        }
        self.dense.position(slot as u32, &potentials[..self.dense.m], value)
    }
}

fn mass_of(unit: u64, lengths: Option<&[f64]>, row: u32) -> u64 {
    unit * lengths.map_or(1, |lengths| lengths[row as usize] as u64)
}

/// The transport of the slots known, and its last solution.
pub(super) struct Network<'a> {
    family: &'a Family,
    m: usize,
    /// Mass of a row, or of a token.
    pub(super) unit: u64,
    /// Where tokens are the budget, those of every row.
    lengths: Option<&'a [f64]>,
    live: Vec<bool>,
    links: Vec<[u32; 2]>,
    outlets: Vec<u32>,
    /// Rows that have mass.
    rows: Vec<u32>,
    /// The largest cost, and of how many.
    largest: (f64, usize),
    pub(super) grid: Grid,
    artificial: f64,
    tree: Option<Tree>,
}

impl<'a> Network<'a> {
    /// For m queries and rows of `unit` units, or of as many for each token.
    pub(super) fn new(family: &'a Family, m: usize, unit: u64, lengths: Option<&'a [f64]>) -> Self {
        let groups = family.groups.len();
        Self {
            family,
            m,
            unit,
            lengths,
            live: vec![false; groups],
            links: vec![[NONE; 2]; groups],
            outlets: Vec::new(),
            rows: Vec::new(),
            largest: (0.0, 0),
            grid: Grid::new(0.0),
            artificial: 0.0,
            tree: None,
        }
    }

    fn edges<'b>(&'b self, slots: &'b Slots<'_>, charges: &'b [f64]) -> Edges<'b> {
        let dense = GridCosts { values: &slots.costs, m: self.m, grid: self.grid };
        Edges { dense, links: &self.links, outlets: &self.outlets, charges, artificial: self.artificial }
    }

    /// The mass of a row.
    pub(super) fn mass(&self, row: u32) -> u64 {
        mass_of(self.unit, self.lengths, row)
    }

    /// The group of a slot with a column: the least one that has it.
    pub(super) fn live_group(&self, group: usize) -> usize {
        self.family.ancestors(group).find(|&at| self.live[at]).unwrap_or(ROOT)
    }

    /// Solves, starting from a plan that obeys all limits and from potentials of the queries; also after the slots changed.
    /// `None` if potentials leave the range in which the grid is exact.
    pub(super) fn restart(
        &mut self,
        slots: &Slots<'_>,
        charges: &[f64],
        plan: Vec<Shipment>,
        potentials: &[f64],
    ) -> Option<u64> {
        let family = self.family;
        let (groups, count) = (family.groups.len(), slots.rows.len());
        let order = family.outside_in();
        let group_of = |slot: usize| match family.of_row[slots.rows[slot] as usize] {
            Family::FIXED | Family::ABSENT => None,
            group => Some(group as usize),
        };
        let (unit, lengths) = (self.unit, self.lengths);
        let mass = |slot: usize| mass_of(unit, lengths, slots.rows[slot]);
        let (mut inside, mut chosen) = (vec![0i64; groups], vec![0u64; groups]);
        let mut sent = vec![0u64; count];
        plan.iter().for_each(|&(slot, _, mass)| sent[slot as usize] += mass);
        for (slot, sent) in sent.iter().enumerate() {
            if let Some(group) = group_of(slot) {
                inside[group] += 1;
                chosen[group] += sent;
            }
        }
        for &at in order.iter().rev().filter(|at| **at != ROOT) {
            let parent = family.groups[at].parent;
            inside[parent] += inside[at];
            chosen[parent] += chosen[at];
        }
        for (at, group) in family.groups.iter().enumerate() {
            self.live[at] = at == ROOT || group.min > 0 || inside[at] > group.max;
        }
        // What the columns take.
        let whole = self.unit as i64;
        let mut demand: Vec<i64> = family.groups.iter().map(|group| -group.min * whole).collect();
        let live_of: Vec<usize> = (0..groups).map(|at| self.live_group(at)).collect();
        for at in (0..groups).filter(|&at| at != ROOT && self.live[at]) {
            demand[live_of[family.groups[at].parent]] += family.groups[at].max * whole;
        }
        for slot in 0..count {
            if let Some(group) = group_of(slot) {
                demand[live_of[group]] += mass(slot) as i64;
            }
        }
        let column = |group: usize| if demand[group] > 0 { (self.m + group) as u32 } else { NONE };

        let (unit, links) = (self.unit, groups as u32);
        let mut edges: Vec<Edge> = Vec::with_capacity(plan.len() + count + 2 * groups);
        self.rows.clear();
        for at in (0..groups).filter(|&at| at != ROOT && self.live[at]) {
            let group = &family.groups[at];
            let (own, around) = (column(at), column(live_of[group.parent]));
            self.links[at] = [own, around];
            if group.max > group.min {
                self.rows.push(at as u32);
                let most = group.max as u64 * unit;
                let used = (chosen[at] as i64 - group.min * unit as i64) as u64;
                let masses = [(own, used), (around, most - chosen[at])];
                edges.extend(masses.into_iter().filter(|(_, mass)| *mass > 0).map(|(to, mass)| (at as u32, to, mass)));
            }
        }
        self.outlets = (0..count).map(|slot| group_of(slot).map_or(NONE, |group| column(live_of[group]))).collect();
        for slot in (0..count).filter(|&slot| family.of_row[slots.rows[slot] as usize] != Family::ABSENT) {
            self.rows.push(links + slot as u32);
            let left = mass(slot) - sent[slot];
            if left > 0 {
                edges.push((links + slot as u32, self.outlets[slot], left));
            }
        }
        edges.extend(plan.into_iter().map(|(slot, query, mass)| (links + slot, query, mass)));
        edges.sort_unstable();

        self.measure(slots, charges);
        let mut offers = vec![f64::NEG_INFINITY; self.m + groups];
        // Only differences count, and only those between rows that can be chosen are on the grid.
        offers.iter_mut().zip(potentials).for_each(|(offer, g)| *offer = self.grid.snap(*g - potentials[0]));
        (0..groups).filter(|&at| self.live[at] && demand[at] > 0).for_each(|at| offers[self.m + at] = 0.0);
        let solved = simplex::resume(self.edges(slots, charges), &self.rows, groups + count, edges, &offers);
        self.keep(solved)
    }

    /// Solves for other charges, starting from the last solution.
    pub(super) fn recharge(&mut self, slots: &Slots<'_>, charges: &[f64]) -> Option<u64> {
        let mut tree = self.tree.take()?;
        self.measure(slots, charges);
        let edges = self.edges(slots, charges);
        tree.reprice(edges);
        let solved = simplex::optimise(edges, &self.rows, tree);
        self.keep(solved)
    }

    fn keep(&mut self, solved: Option<SimplexResult>) -> Option<u64> {
        let SimplexResult { tree, pivots } = solved?;
        self.tree = Some(tree);
        Some(pivots)
    }

    /// Chooses the cost of artificial edges and the grid. A cycle holds every column at most once, so its other edges cost
    /// less than that in all.
    fn measure(&mut self, slots: &Slots<'_>, charges: &[f64]) {
        let largest = |values: &[f64]| values.iter().fold(0.0f64, |most, value| most.max(value.abs()));
        let (known, count) = self.largest;
        self.largest = (known.max(largest(&slots.costs[count..])), slots.costs.len());
        let range = 2.0 * (self.largest.0 + largest(charges)).max(f64::MIN_POSITIVE);
        let columns = self.m + 2;
        self.artificial = (columns as f64 * range).log2().ceil().exp2();
        self.grid = Grid::new(self.artificial);
    }

    /// Who takes how much of every slot, by slot.
    pub(super) fn plan(&self) -> Vec<Shipment> {
        let links = self.links.len() as u32;
        let all = self.tree.iter().flat_map(Tree::shipments);
        let dense = all.filter(|&(row, column, _)| row >= links && (column as usize) < self.m);
        let mut plan: Vec<Shipment> = dense.map(|(row, query, mass)| (row - links, query, mass)).collect();
        plan.sort_unstable();
        plan
    }

    /// The potentials of the queries.
    pub(super) fn potentials(&self) -> &[f64] {
        self.tree.as_ref().map_or(&[], |tree| &tree.potentials[..self.m])
    }

    /// The least value at which a row of every group is chosen, its charge apart: with the potentials, the dual optimum.
    pub(super) fn thresholds(&self, slots: &Slots<'_>, charges: &[f64]) -> Vec<f64> {
        let Some(tree) = &self.tree else { return Vec::new() };
        let (family, edges) = (self.family, self.edges(slots, charges));
        let potential = |group: usize| tree.potentials[self.m + group];
        let groups = family.groups.len();
        let has_column = |group: usize| potential(group) > f64::NEG_INFINITY;
        // A column that nothing can go to is not in the tree: its potential may be anything up to what its rows and the
        // links of groups below it leave.
        let mut bound: Vec<f64> =
            (0..groups).map(|at| if has_column(at) { potential(at) } else { f64::INFINITY }).collect();
        for slot in (0..slots.rows.len()).filter(|&slot| self.outlets[slot] == NONE) {
            let group = family.of_row[slots.rows[slot] as usize];
            if group < Family::ABSENT {
                let least = simplex::closest(edges, (groups + slot) as u32, &tree.potentials).0;
                let at = self.live_group(group as usize);
                bound[at] = bound[at].min(-least - self.grid.snap(charges[slot]));
            }
        }
        if !bound[ROOT].is_finite() {
            // No row is chosen but those that must be.
            bound[ROOT] = self.artificial;
        }
        let order = family.outside_in();
        for &at in order.iter().rev().filter(|&&at| at != ROOT && self.live[at]) {
            let around = self.live_group(family.groups[at].parent);
            if !has_column(around) {
                bound[around] = bound[around].min(bound[at]);
            }
        }
        for &at in &order {
            let around = if at == ROOT { bound[ROOT] } else { bound[family.groups[at].parent] };
            if !self.live[at] || (!has_column(at) && bound[at] > around) {
                bound[at] = around;
            }
        }
        bound
    }

    /// The largest cost so far.
    pub(super) fn largest(&self) -> f64 {
        self.largest.0
    }
}
