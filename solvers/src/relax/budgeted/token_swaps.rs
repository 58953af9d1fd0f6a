//! Swaps that improve a small subset of a budget in tokens, whose rounding moves much of it.
//!
//! With the potentials g of the subset's own transport, u_i = −max_j (g_j − c_ij) is what a token of row i costs to first order. The
//! swaps, additions and removals that keep to the budget and promise most are tried by solving the transport again; the first
//! that lowers the distance is made. So the distance falls, and the search ends.
//!
//! Limit: a transport of k·M costs for every try; none where k·M is large, and the rounding a small part.

use kantor_theory::FeasibleSet;

use super::slots::Slots;
use super::{TOO_LARGE, worth};
use crate::task::{SelectError, Task};
use crate::transport::exact::masses::masses;
use crate::transport::exact::transport::transport;

/// Largest k·M at which swaps are tried.
const COSTS: usize = 30_000;

/// Most transports that are solved.
const TRIES: usize = 300;

/// Rows that may leave, and that may come in, of which pairs are made.
const LISTED: usize = 48;

/// Pairs that are tried before the search ends.
const PAIRS: usize = 16;

/// Improves these slots, distinct and within the budget of `set`.
pub(super) fn improve(
    task: &Task<'_>,
    set: &FeasibleSet,
    pool: &Slots<'_>,
    mut chosen: Vec<u32>,
) -> Result<Vec<u32>, SelectError> {
    let Some((tokens, lengths)) = set.tokens() else { return Ok(chosen) };
    if chosen.len() * pool.m > COSTS {
        return Ok(chosen);
    }
    let row = |slot: u32| pool.rows[slot as usize] as usize;
    let length = |slot: u32| lengths[row(slot)];
    let solve = |chosen: &[u32]| {
        let costs: Vec<f64> = chosen.iter().flat_map(|&slot| pool.line(slot)).copied().collect();
        let weights: Vec<f64> = chosen.iter().map(|&slot| length(slot)).collect();
        let masses = masses(chosen.len(), Some(&weights), pool.m, task.weights).map_err(|_| TOO_LARGE)?;
        let solved = transport(&costs, &masses).map_err(|_| TOO_LARGE)?;
        Ok::<_, SelectError>((solved.value, solved.potentials))
    };
    let (mut value, mut potentials) = solve(&chosen)?;
    let mut tries = 0;
    loop {
        task.watch.advance(0)?;
        let cost = |slot: u32| -worth(&potentials, pool, slot);
        let (used, spent) = chosen
            .iter()
            .fold((0.0, 0.0), |(used, spent), &slot| (used + length(slot), spent + length(slot) * cost(slot)));
        // Tokens and cost with one row less, one more, or both; a place of nobody stands for no row.
        let mean = spent / used;
        let mut leaving: Vec<(f64, Option<usize>)> = chosen
            .iter()
            .enumerate()
            .filter(|(_, slot)| !set.is_included(row(**slot)))
            .map(|(at, &slot)| (length(slot) * (mean - cost(slot)), Some(at)))
            .collect();
        let free = |slot: &u32| !set.is_excluded(row(*slot)) && length(*slot) > 0.0 && !chosen.contains(slot);
        let mut coming: Vec<(f64, Option<u32>)> = (0..pool.rows.len() as u32)
            .filter(free)
            .map(|slot| (length(slot) * (cost(slot) - mean), Some(slot)))
            .collect();
        leaving.sort_by(|a, b| a.0.total_cmp(&b.0));
        coming.sort_by(|a, b| a.0.total_cmp(&b.0));
        leaving.truncate(LISTED);
        coming.truncate(LISTED);
        leaving.push((0.0, None));
        coming.push((0.0, None));
        let mut pairs = Vec::new();
        for &(_, old) in &leaving {
            for &(_, new) in &coming {
                let (less, more) = (old.map_or(0.0, |at| length(chosen[at])), new.map_or(0.0, length));
                let after = used - less + more;
                if (tokens.min..=tokens.max).contains(&after) && (old.is_some() || new.is_some()) {
                    let of_old = old.map_or(0.0, |at| less * cost(chosen[at]));
                    let of_new = new.map_or(0.0, |slot| more * cost(slot));
                    pairs.push(((spent - of_old + of_new) / after, old, new));
                }
            }
        }
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let promising = pairs.into_iter().filter(|pair| pair.0 < mean).take(PAIRS);
        let mut better = None;
        for (_, old, new) in promising {
            let mut other = chosen.clone();
            if let Some(at) = old {
                other.remove(at);
            }
            other.extend(new);
            tries += 1;
            let found = solve(&other)?;
            if found.0 < value {
                better = Some((other, found));
                break;
            }
            if tries == TRIES {
                break;
            }
        }
        let Some((other, found)) = better else { return Ok(chosen) };
        (chosen, (value, potentials)) = (other, found);
        if tries == TRIES {
            return Ok(chosen);
        }
    }
}
