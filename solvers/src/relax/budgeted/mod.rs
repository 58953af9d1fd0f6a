//! The best subset of every size: budgeted selection by successive shortest paths on the queries.
//!
//! Choosing k rows and transporting them to the queries is one transportation problem in which a row may also stay
//! unused: the least transport cost over pool weights 0 ≤ p_i ≤ 1/k. When every query's share of the k rows is a whole
//! number (without weights: when M divides k), a subset attains its optimum.
//!
//! Each step gives a query one more row, along a shortest path in the graph of module `exchange`: one row enters, the
//! queries on the path pass rows on to each other, and no row leaves. So all steps together make one order of rows. Where
//! every query has its share, the rows so far are an optimal subset of their number, and the potentials prove it.
//!
//! When shares are not whole, the optimum is fractional. The search then goes on from whole rows with paths that carry
//! parts of rows. The value of the fractional optimum bounds every subset from below; rounding it gives a subset, whose
//! exact distance is evaluated but need not be the least.
//!
//! Limit: O(M) per settled query and path; costs are evaluated only for rows that are chosen or soon will be.

pub(crate) mod candidates;
pub(crate) mod demand;
pub(in crate::relax) mod exchange;
mod holdings;
mod replace;
pub(crate) mod slots;
pub(in crate::relax) mod tokens;

use kantor_theory::FeasibleSet;
use kantor_theory::constraints::Price;

use super::{constrained, worst};
use crate::admission::rows_within;
use crate::scan::lists::NeighbourLists;
use crate::scan::{PoolScan, ScanRequest};
use crate::task::{SelectError, Task};
use crate::transport::exact::grid::Grid;
pub(crate) use candidates::NAME;
use candidates::{CandidateLists, list_length};
use demand::{Demands, largest_share};
use exchange::Exchange;
use slots::{NONE, Slots};

/// How many of the next rows of every list have their costs evaluated together, before they are needed: enough to
/// fill tiles of `closeness_gather`.
const PREFETCHED: usize = 4;

/// No geometry has such costs. If one did, the budget would be refused, not silently left out.
pub(crate) const TOO_LARGE: SelectError = too_large(candidates::NAME);

/// The same for another method.
pub(crate) const fn too_large(method: &'static str) -> SelectError {
    SelectError::Unsupported { method, fault: "meets costs that are too large to be added up: rescale them" }
}

/// What was found for one budget.
#[derive(Debug, Clone, PartialEq)]
pub struct Budgeted {
    /// The budget k.
    pub budget: usize,
    /// k distinct pool rows, in the order in which they were chosen.
    pub rows: Vec<usize>,
    /// For every row, the increase of the total cost when it was chosen, negated.
    pub scores: Vec<f64>,
    /// Potentials g of the queries that attain the largest L(g) = Σ b_j g_j − (1/k) Σ_i max(0, max_j (g_j − c_ij)), b the
    /// weights of the queries, the sum taken over the whole pool: a lower bound for every subset of k rows.
    pub potentials: Vec<f64>,
    /// Of several tasks, to the worst of which the distance is, the shares that with the potentials attain the largest bound.
    pub shares: Vec<f64>,
    /// Prices of the limits of the constraints, if there are any: with the potentials they attain the largest bound (T15).
    pub prices: Vec<Price>,
    /// That largest value, as the `f64` cost of the fractional optimum.
    pub lp_value: f64,
    /// ⟨c, π⟩ of an optimal plan between `rows` and the queries, less the mean worth of the rows, in `f64`; equals `lp_value` if
    /// all shares are whole. Of several tasks the largest.
    pub value: f64,
    /// Whether `rows` is a prefix of the one order.
    pub prefix: bool,
    /// For every row the query that takes it in an optimal plan, if all shares are whole: `potentials` then prove that too.
    pub takers: Option<Vec<usize>>,
}

impl Budgeted {
    /// Of two solutions of one budget the better subset, and the larger bound.
    pub(in crate::relax) fn take_better(&mut self, other: Self) {
        if other.value < self.value {
            (self.rows, self.scores, self.value) = (other.rows, other.scores, other.value);
        }
        if other.lp_value > self.lp_value {
            (self.potentials, self.shares) = (other.potentials, other.shares);
            (self.prices, self.lp_value) = (other.prices, other.lp_value);
        }
    }
}

/// What was found for all budgets.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetedOptima {
    /// In the order of the budgets asked for.
    pub budgets: Vec<Budgeted>,
    /// Longer lists than those given, if the search had to make them.
    pub lists: Option<NeighbourLists>,
}

/// What [`solve`] needs of the pass over the pool for budgets up to `largest`; of a budget in tokens the task says how large it is.
pub fn needs(task: &Task<'_>, largest: usize) -> ScanRequest {
    let largest = task.constraints.and_then(rows_within).unwrap_or(largest);
    ScanRequest { row_best: false, lists: list_length(task, largest) }
}

/// Bytes that the search for a subset of `largest` rows keeps, among all of them or among those that obey limits.
pub fn bytes(task: &Task<'_>, largest: usize, is_constrained: bool) -> u64 {
    let (n, m) = (task.geometry.pool_len(), task.geometry.query_len());
    match is_constrained {
        false => 2 * size_of::<f64>() as u64 * (largest * m) as u64,
        true => constrained::bytes(n, m, largest),
    }
}

/// Solves the budgeted problem for all budgets; for the one in tokens, if the constraints say so.
///
/// `scanned` answers [`needs`] for the largest budget; without lists, the pool is scanned here.
///
/// # Errors
/// If a budget does not fit the pool, memory does not suffice, or the observer asks to stop.
pub fn solve(task: &Task<'_>, scanned: &PoolScan, budgets: &[usize]) -> Result<BudgetedOptima, SelectError> {
    let (n, m) = (task.geometry.pool_len(), task.geometry.query_len());
    task.power.check(task.geometry)?;
    let in_tokens = task.constraints.and_then(|set| Some((set, set.tokens()?)));
    if let Some((set, (tokens, _))) = in_tokens
        && let Some(conflict) = set.conflict(tokens.max as usize)
    {
        return Err(SelectError::infeasible(set, tokens.max as usize, conflict));
    }
    if let Some((set, of_tokens)) = in_tokens.filter(|_| task.tasks.is_empty()) {
        return tokens::solve(task, set, of_tokens, scanned);
    }
    let largest = if in_tokens.is_some() { 0 } else { task.largest(budgets)? };
    if budgets.is_empty() {
        return Ok(BudgetedOptima { budgets: Vec::new(), lists: None });
    }
    if !task.tasks.is_empty() {
        let solve = |&budget: &usize| worst::solve(task, scanned, budget, candidates::NAME);
        let budgets = budgets.iter().map(solve).collect::<Result<_, _>>()?;
        return Ok(BudgetedOptima { budgets, lists: None });
    }
    let demands: Vec<Demands> = budgets.iter().map(|&budget| Demands::new(budget, m, task.weights)).collect();
    // A budget of which some query takes a part of a row is solved on a copy of the state.
    let states = if demands.iter().all(Demands::are_whole) { 1 } else { 2 };
    let needed = states * Exchange::bytes(m, largest) + 8 * (largest as u64 + m as u64) * m as u64 + 4 * n as u64;
    task.afford(candidates::NAME, needed)?;
    let candidates = |largest: usize| {
        let (asked, first) = (list_length(task, largest), 2 * largest_share(largest, m, task.weights) + 16);
        CandidateLists::new(task, scanned.lists.as_ref(), asked, first)
    };
    let set = task.constraints.filter(|set| !set.constraints().are_none());
    if set.is_some() || task.quality.is_some() {
        let any = FeasibleSet::any(n);
        let (mut found, mut lists) = (Vec::with_capacity(budgets.len()), None);
        for &budget in budgets {
            let candidates = candidates(budget)?.without_more();
            let solved = constrained::solve(task, set.unwrap_or(&any), candidates, scanned, budget)?;
            found.extend(solved.budgets);
            lists = solved.lists.or(lists);
        }
        return Ok(BudgetedOptima { budgets: found, lists });
    }
    let candidates = candidates(largest)?;
    let mut pool = Slots::new(candidates, n, m, n.min(largest + PREFETCHED * m));

    let mut state = State::new(&mut pool, m);
    let mut order: Vec<(u32, f64)> = Vec::with_capacity(largest);
    let mut bounds: Vec<Option<Bound>> = budgets.iter().map(|_| None).collect();
    let mut ascending: Vec<usize> = (0..budgets.len()).collect();
    ascending.sort_by_key(|&at| budgets[at]);
    let mut held = vec![0; m];
    task.watch.begin("choosing the best subset", largest as u64);
    for at in ascending {
        let (budget, demands) = (budgets[at], &demands[at]);
        // Rounds, each of one row for every query that has not its whole rows yet.
        loop {
            let sources: Vec<usize> = (0..m).filter(|&query| held[query] < demands.rows(query)).collect();
            if sources.is_empty() {
                break;
            }
            state.take_turns(&mut pool, &sources, &mut held, &mut order)?;
            task.watch.advance(sources.len() as u64)?;
        }
        bounds[at] = Some(if demands.are_whole() {
            let holders = order.iter().flat_map(|&(slot, _)| state.exchange.holdings.of(slot));
            Bound {
                potentials: state.exchange.potentials.clone(),
                lp_value: state.cost(&pool, 1, budget),
                subset: None,
                takers: Some(holders.map(|(query, _)| query as usize).collect()),
            }
        } else {
            fractional(state.clone(), &mut pool, order.clone(), budget, demands)?
        });
    }
    // The last rows of the order go to the queries of whose share most is left.
    if let Some(demands) = demands.iter().zip(budgets).find(|(_, budget)| **budget == largest).map(|(of, _)| of) {
        let mut sources: Vec<usize> = (0..m).filter(|&query| demands.rest(query) > 0).collect();
        sources.sort_by_key(|&query| std::cmp::Reverse(demands.rest(query)));
        sources.truncate(largest - order.len());
        state.take_turns(&mut pool, &sources, &mut held, &mut order)?;
        task.watch.advance(sources.len() as u64)?;
    }

    let finish = |(bound, &budget): (Option<Bound>, &usize)| {
        let bound = bound.ok_or(TOO_LARGE)?;
        let mut chosen = order[..budget].to_vec();
        let (mut value, mut prefix) = (bound.lp_value, true);
        if let Some(subset) = bound.subset {
            let slots = |chosen: &[(u32, f64)]| chosen.iter().map(|&(slot, _)| slot).collect::<Vec<_>>();
            value = pool.distance(&slots(&chosen), None)?;
            let rounded = pool.distance(&slots(&subset), None)?;
            if rounded < value {
                (chosen, value, prefix) = (subset, rounded, false);
            }
        }
        let rows = chosen.iter().map(|&(slot, _)| pool.rows[slot as usize] as usize).collect();
        let scores = chosen.iter().map(|&(_, score)| score).collect();
        let Bound { potentials, lp_value, takers, .. } = bound;
        let (shares, prices) = (Vec::new(), Vec::new());
        Ok(Budgeted { budget, rows, scores, potentials, shares, prices, lp_value, value, prefix, takers })
    };
    let found = bounds.into_iter().zip(budgets).map(finish).collect::<Result<_, SelectError>>()?;
    Ok(BudgetedOptima { budgets: found, lists: pool.candidates.into_longer_lists() })
}

/// What was found for one budget before its rows are read off the order.
struct Bound {
    potentials: Vec<f64>,
    lp_value: f64,
    /// The rounding of a fractional optimum: slots and scores.
    subset: Option<Vec<(u32, f64)>>,
    /// The query that holds each row of the order so far, if all rows are whole.
    takers: Option<Vec<usize>>,
}

/// Continues from whole rows until every query holds its share of the budget. Then rounds to the k rows of which most is
/// used, among equals those that entered first.
fn fractional(
    mut state: State,
    pool: &mut Slots<'_>,
    mut entered: Vec<(u32, f64)>,
    budget: usize,
    demands: &Demands,
) -> Result<Bound, SelectError> {
    let whole = demands.unit;
    state.exchange.holdings.scale(whole);
    state.free.iter_mut().for_each(|free| *free *= whole);
    for source in 0..pool.m {
        let mut wanted = demands.rest(source);
        while wanted > 0 {
            let (slot, mass) = state.augment(pool, source, wanted, &Units::Same(whole))?;
            wanted -= mass;
            if state.free[slot as usize] + mass == whole {
                entered.push((slot, -state.exchange.potentials[source]));
            }
        }
    }
    entered.sort_by_key(|&(slot, _)| state.free[slot as usize]);
    entered.truncate(budget);
    let lp_value = state.cost(pool, whole, budget);
    Ok(Bound { potentials: state.exchange.potentials, lp_value, subset: Some(entered), takers: None })
}

/// What a row gains at most from the potentials.
fn worth(potentials: &[f64], pool: &Slots<'_>, slot: u32) -> f64 {
    potentials.iter().zip(pool.line(slot)).map(|(g, cost)| g - cost).fold(f64::NEG_INFINITY, f64::max)
}

/// How much mass rows have, in units.
enum Units<'a> {
    /// All rows the same.
    Same(u64),
    /// Each its own; none, if it must not be chosen.
    OfRow(&'a [u64]),
}

impl Units<'_> {
    fn of(&self, row: u32) -> u64 {
        match self {
            Units::Same(units) => *units,
            Units::OfRow(units) => units[row as usize],
        }
    }
}

/// One partial solution, optimal for what the queries hold so far.
#[derive(Clone)]
struct State {
    exchange: Exchange,
    /// For every query, how many rows at the front of its list are used up.
    cursor: Vec<usize>,
    /// The mass of every slot that no query holds. Slots beyond the end are still whole.
    free: Vec<u64>,
}

impl State {
    /// Nothing chosen; every potential is the cost of the nearest row.
    fn new(pool: &mut Slots<'_>, m: usize) -> Self {
        let fronts = (0..m).filter_map(|j| pool.candidates.list(j).first().copied());
        let nearest: Vec<_> = fronts.collect();
        let mut rows: Vec<u32> = nearest.iter().map(|near| near.row).collect();
        rows.sort_unstable();
        rows.dedup();
        pool.load(&rows);
        let largest = pool.costs.iter().fold(0.0, |largest: f64, cost| largest.max(cost.abs()));
        let grid = Grid::new(2.0 * largest);
        let potentials = nearest.iter().map(|near| grid.snap(near.cost)).collect();
        Self { exchange: Exchange::new(grid, potentials), cursor: vec![0; m], free: Vec::new() }
    }

    /// Gives a row to each of these queries.
    fn take_turns(
        &mut self,
        pool: &mut Slots<'_>,
        sources: &[usize],
        held: &mut [usize],
        order: &mut Vec<(u32, f64)>,
    ) -> Result<(), SelectError> {
        self.prefetch(pool, &Units::Same(1));
        for &source in sources {
            let (slot, _) = self.augment(pool, source, 1, &Units::Same(1))?;
            order.push((slot, -self.exchange.potentials[source]));
            held[source] += 1;
        }
        Ok(())
    }

    /// Evaluates the costs of the rows that the queries would take next, if one of them is not known yet.
    fn prefetch(&mut self, pool: &mut Slots<'_>, units: &Units<'_>) {
        let unknown = |row: u32| pool.slot_of[row as usize] == NONE;
        let fronts = (0..pool.m).filter_map(|j| front(pool, &self.free, units, &mut self.cursor[j], j));
        if fronts.filter(|near| unknown(near.row)).count() == 0 {
            return;
        }
        let next = (0..pool.m).flat_map(|j| pool.candidates.list(j).iter().skip(self.cursor[j]).take(PREFETCHED));
        let mut rows: Vec<u32> = next.map(|near| near.row).filter(|&row| unknown(row)).collect();
        rows.sort_unstable();
        rows.dedup();
        pool.load(&rows);
    }

    /// Brings up to `wanted` units of mass to the query `source` along one shortest path. Returns the slot of the row that
    /// entered and how much of it entered.
    fn augment(
        &mut self,
        pool: &mut Slots<'_>,
        source: usize,
        wanted: u64,
        units: &Units<'_>,
    ) -> Result<(u32, u64), SelectError> {
        loop {
            let grid = self.exchange.grid;
            let (free, cursor, slots) = (&self.free, &mut self.cursor, &*pool);
            let found = self.exchange.search(source, |j, potential| {
                // Beyond the end of a list only a lower bound of the cost is known.
                let near = front(slots, free, units, &mut cursor[j], j).map(|near| near.cost);
                grid.snap(near.unwrap_or_else(|| slots.candidates.radius(j))) - potential
            });
            // The budget is at most the pool, so some row is free and there is a path; only infinite costs can hide it.
            let found = found.ok_or(TOO_LARGE)?;
            let Some(near) = front(pool, &self.free, units, &mut self.cursor[found.end], found.end) else {
                pool.candidates.extend()?;
                continue;
            };
            let slot = pool.slot(near.row);
            while self.free.len() <= slot as usize {
                self.free.push(units.of(pool.rows[self.free.len()]));
            }
            let mass = wanted.min(self.exchange.bottleneck()).min(self.free[slot as usize]);
            self.exchange.raise(found);
            self.exchange.shift(&pool.costs, mass);
            self.exchange.give(&pool.costs, slot, found.end, mass);
            self.free[slot as usize] -= mass;
            return Ok((slot, mass));
        }
    }

    /// Cost of the plan over `budget` rows of `whole` units each.
    fn cost(&self, pool: &Slots<'_>, whole: u64, budget: usize) -> f64 {
        self.total_cost(pool) / (whole as f64 * budget as f64)
    }

    /// Cost of the plan, of all its units.
    fn total_cost(&self, pool: &Slots<'_>) -> f64 {
        let pieces = (0..pool.rows.len() as u32).flat_map(|slot| {
            let line = pool.line(slot);
            self.exchange.holdings.of(slot).into_iter().map(|(query, mass)| mass as f64 * line[query as usize])
        });
        pieces.sum::<f64>()
    }
}

/// The nearest row of a query with free mass, if the list reaches that far.
fn front(
    pool: &Slots<'_>,
    free: &[u64],
    units: &Units<'_>,
    cursor: &mut usize,
    query: usize,
) -> Option<candidates::Candidate> {
    let list = pool.candidates.list(query);
    let used = |row: u32| free.get(pool.slot_of[row as usize] as usize) == Some(&0) || units.of(row) == 0;
    while list.get(*cursor).is_some_and(|near| used(near.row)) {
        *cursor += 1;
    }
    list.get(*cursor).copied()
}
