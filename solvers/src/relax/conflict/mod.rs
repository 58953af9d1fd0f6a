//! Limits that no subset obeys, found before the pool is compared with anything: what they count is all that matters.
//!
//! What counting by one column does not show ([`FeasibleSet::conflict`]) is a linear program without costs. It has a solution in
//! parts of rows, or there are prices of the limits at which every choice of the budget's size uses more than they allow
//! (Farkas' lemma). Those prices are found by cutting planes, as those of the bound are (`constrained::ascent`): each choice
//! that is best at some prices is a plane, and the master problem weighs all of them. [`FeasibleSet::refutes`] proves what was
//! found, from the rows.
//!
//! Of the limits that have a price one after the other is left out (a deletion filter; Chinneck and Dravnieks 1991). What is
//! left is a conflict still, and any part of it can be met in parts of rows, as far as the work that is allowed shows that.

mod instance;

use kantor_theory::FeasibleSet;
use kantor_theory::constraints::{Price, listed};

use super::constrained::master::{self, Best, Cut};
use crate::admission::{Admission, TokenAdmission};
use crate::task::SelectError;
use crate::watch::{Stopped, Watch};
use instance::{End, Instance, Point};

/// Operations that the search for a conflict may take before other work begins: less than a second.
const WORK: u64 = 200_000_000;

/// Operations for finding which limits of a known conflict can be left out.
const FILTER: u64 = 2_000_000_000;

/// Ends of limits that have prices at once.
const MOST: usize = 256;

/// Numbers that the points of a search hold.
const HELD: usize = 4_000_000;

/// An excess of no more than this, as a share of the largest, is none.
const CLOSED: f64 = 1e-9;

/// Weights below this share of the largest are left out of a proof that holds without them.
const SMALL: f64 = 1e-6;

/// Fails if it can be told, without much work, that no subset of `budget` rows, or of the budget in tokens, obeys the limits; the
/// error names a set of limits of which none could be left out.
///
/// # Errors
/// That, or the observer asks to stop.
pub fn check(set: &FeasibleSet, budget: usize, memory: u64, watch: &dyn Watch) -> Result<(), SelectError> {
    if let Some(conflict) = set.conflict(budget) {
        return Err(SelectError::infeasible(set, budget, conflict));
    }
    let limits = &set.constraints().limits;
    let is_one_column = limits.iter().all(|limit| limit.column == limits[0].column);
    let is_counted = set.tokens().is_none() && is_one_column;
    if limits.is_empty() || is_counted || is_met(set, budget)? {
        return Ok(());
    }
    match proved(set, budget, memory, watch)? {
        None => Ok(()),
        Some(conflict) => Err(SelectError::infeasible(set, budget, conflict)),
    }
}

/// Whether a subset that obeys is found at once.
fn is_met(set: &FeasibleSet, budget: usize) -> Result<bool, SelectError> {
    let found = match TokenAdmission::new(set) {
        Ok(Some(admission)) => admission.complete(Vec::new()).map(|_| ()),
        Ok(None) => Admission::new(set, budget).map(|_| ()),
        Err(error) => Err(error),
    };
    match found {
        Err(stopped @ SelectError::Stopped(_)) => Err(stopped),
        found => Ok(found.is_ok()),
    }
}

/// The limits of a conflict that prices prove, in words; `None` if none is found with the work and memory that are allowed.
///
/// # Errors
/// If the observer asks to stop.
pub(super) fn proved(
    set: &FeasibleSet,
    budget: usize,
    memory: u64,
    watch: &dyn Watch,
) -> Result<Option<String>, Stopped> {
    let prices = refutation(set, budget, memory, watch)?;
    Ok(prices.map(|prices| {
        let names = listed(prices.iter().map(|price| set.end_in_words(price)).collect());
        let all = if prices.len() == 1 {
            format!("the limit on {names} cannot")
        } else {
            format!("the limits on {names} cannot all")
        };
        let by = set.tokens().map_or_else(String::new, |(tokens, _)| match (tokens.min, tokens.max) {
            (min, max) if min < max => format!(" by {min} to {max} tokens"),
            (_, max) => format!(" by {max} tokens"),
        });
        format!("{all} be met{by}, not even by parts of rows")
    }))
}

/// Prices that prove a conflict, of limits none of which could be left out.
fn refutation(set: &FeasibleSet, budget: usize, memory: u64, watch: &dyn Watch) -> Result<Option<Vec<Price>>, Stopped> {
    let ends = End::all(set);
    let columns = set.constraints().columns.len() as u64 + 1;
    let sorting = set.pool() as u64 * columns * 16;
    if Instance::bytes(set) + (HELD * size_of::<f64>()) as u64 > memory || sorting > WORK || ends.len() > HELD {
        return Ok(None);
    }
    let mut game = Game { set, budget, watch, instance: Instance::new(set, budget, &ends), ends, work: WORK - sorting };
    let allowed = vec![true; game.ends.len()];
    let Verdict::Refuted(first) = game.play(&allowed)? else { return Ok(None) };
    // From here on the others do not matter.
    let ends: Vec<End> = first.iter().map(|(at, _)| game.ends[*at]).collect();
    let mut game = Game { instance: Instance::new(set, budget, &ends), ends, work: FILTER, ..game };
    let mut kept: Vec<(usize, Price)> = first.into_iter().enumerate().map(|(at, (_, price))| (at, price)).collect();
    let mut needed = vec![false; game.ends.len()];
    while let Some(left_out) = kept.iter().map(|(at, _)| *at).find(|&at| !needed[at]) {
        let mut allowed = vec![false; needed.len()];
        kept.iter().for_each(|(at, _)| allowed[*at] = *at != left_out);
        match game.play(&allowed)? {
            Verdict::Refuted(rest) => kept = rest,
            Verdict::Met | Verdict::Open => needed[left_out] = true,
        }
    }
    Ok(Some(kept.into_iter().map(|(_, price)| price).collect()))
}

/// The search for prices of some ends.
struct Game<'a> {
    set: &'a FeasibleSet,
    budget: usize,
    watch: &'a dyn Watch,
    instance: Instance,
    ends: Vec<End>,
    /// Operations that are left.
    work: u64,
}

/// What a search finds.
enum Verdict {
    /// Ends in conflict, with the prices that prove it.
    Refuted(Vec<(usize, Price)>),
    /// Parts of rows obey.
    Met,
    /// Neither was shown.
    Open,
}

impl Game<'_> {
    /// Looks for prices of the ends that are `allowed`.
    fn play(&mut self, allowed: &[bool]) -> Result<Verdict, Stopped> {
        let (mut active, mut known): (Vec<usize>, Vec<bool>) = (Vec::new(), vec![false; allowed.len()]);
        let (mut points, mut best, mut basis): (Vec<Point>, usize, Vec<master::Column>) = (Vec::new(), 0, Vec::new());
        let mut weights = vec![0.0; allowed.len()];
        while self.spend(self.instance.work()) && (points.len() + 1) * allowed.len() <= HELD {
            self.watch.advance(0)?;
            let point = self.instance.point(&weights);
            if point.value > 0.0
                && let Some(proof) = self.proof(&weights)
            {
                return Ok(Verdict::Refuted(proof));
            }
            let exceeds = |at: usize| point.excess[at] > CLOSED * (1.0 + self.instance.bounds()[at].abs());
            let exceeded: Vec<usize> = (0..allowed.len()).filter(|&at| allowed[at] && exceeds(at)).collect();
            if exceeded.is_empty() {
                return Ok(Verdict::Met);
            }
            let new = active.len();
            active.extend(exceeded.into_iter().filter(|&at| !std::mem::replace(&mut known[at], true)));
            if active.len() > MOST {
                break;
            }
            if active.len() > new {
                basis = Vec::new();
            }
            points.push(point);
            if points[best].value < points[points.len() - 1].value {
                best = points.len() - 1;
            }
            let excess = |point: &Point| active.iter().map(|&at| point.excess[at]).collect();
            let cuts: Vec<Cut> = points.iter().map(|point| Cut { cost: 0.0, excess: excess(point) }).collect();
            let (low, high) = (vec![0.0; active.len()], vec![1.0; active.len()]);
            let Best { prices, value, basis: found, work, .. } =
                master::solve(&cuts, best, (&low, &high), basis, self.watch)?;
            basis = found;
            let largest = cuts.iter().flat_map(|cut| &cut.excess).fold(0.0f64, |most, excess| most.max(excess.abs()));
            if value <= CLOSED * largest {
                return Ok(Verdict::Met);
            }
            if value - points[best].value <= CLOSED * value || !self.spend(work) {
                break;
            }
            active.iter().zip(prices).for_each(|(&at, price)| weights[at] = price);
        }
        Ok(Verdict::Open)
    }

    /// The ends of these weights with their prices, if they prove a conflict; those of small weights only if they must be there.
    fn proof(&mut self, weights: &[f64]) -> Option<Vec<(usize, Price)>> {
        let largest = weights.iter().fold(0.0f64, |most, weight| most.max(*weight));
        [SMALL, 0.0].into_iter().find_map(|share| {
            let weighed = weights.iter().enumerate().filter(|(_, weight)| **weight > share * largest);
            let prices: Vec<(usize, Price)> =
                weighed.filter_map(|(at, &weight)| Some((at, self.ends[at].price(self.set, weight)?))).collect();
            let of: Vec<Price> = prices.iter().map(|(_, price)| price.clone()).collect();
            self.spend(16 * self.set.pool() as u64);
            self.set.refutes(self.budget, &of).is_ok_and(|refuted| refuted).then_some(prices)
        })
    }

    /// Whether there was so much work left.
    fn spend(&mut self, work: u64) -> bool {
        let left = self.work.checked_sub(work);
        self.work = left.unwrap_or(0);
        left.is_some()
    }
}
