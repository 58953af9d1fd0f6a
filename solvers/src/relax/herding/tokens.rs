//! Kernels where tokens are the budget: rows weigh their lengths.
//!
//! With s(x) = Σ t_z·k(x, z) over the rows picked, of T tokens in all, the next row is the admissible one of least
//! s(x)/(T + t_x) − q(x): of rows of length one that is herding as without tokens. Then rows leave, come in or take the place of
//! others while that lowers the squared distance and keeps to budget and limits, of which the change is known exactly from the sums
//! and the mutual kernel values. The relaxation is over measures in which a row has at most its length of the fewest tokens.
//!
//! Limit: as without tokens, and a pass of swaps (2·[`LISTED`])² numbers for every change.

use std::collections::HashSet;

use kantor_theory::{FeasibleSet, Kernel};

use super::cloud::KernelPoints;
use super::greedy::{ActiveSet, Field, Herd, nan_as_infinity};
use super::polytope::Polytope;
use super::relax::{Capacities, Relaxed, relax_from};
use super::{HerdedSubsets, KernelDual, KernelSubset, bytes, method};
use crate::admission::{TokenAdmission, TokenExchanges, rows_within};
use crate::relax::swaps::{Improved, LeftOpen, in_order, least_of};
use crate::task::{SelectError, Task};
use crate::watch::Watch;

/// Most picks between two passes over the active rows.
const BLOCK: usize = 128;

/// Rows that may leave, and rows that may come in, that are tried with each other in a pass.
const LISTED: usize = 192;

/// Most changes in a pass.
const CHANGES: usize = 128;

/// Most passes.
const PASSES: usize = 32;

/// Changes below this share of what the squared distance is made of are rounding.
const SMALLEST: f64 = 1e-12;

/// A pass that lowers the squared distance by less than this share of it is the last.
const WORTH: f64 = 1e-4;

/// What the squared distance is made of, but for what is the same for every subset.
#[derive(Clone, Copy)]
struct Parts {
    /// Σ t_i t_j k_ij, Σ t_i q_i and Σ t_i.
    own: f64,
    cross: f64,
    total: f64,
}

impl Parts {
    fn of(field: &Field, lengths: &[f64], inside: impl Iterator<Item = usize>) -> Self {
        let mut parts = Self { own: 0.0, cross: 0.0, total: 0.0 };
        for at in inside {
            let length = lengths[field.rows[at]];
            parts.own += length * field.sums[at];
            parts.cross += length * field.queries[at];
            parts.total += length;
        }
        parts
    }

    fn value(self) -> f64 {
        self.own / (self.total * self.total) - 2.0 * self.cross / self.total
    }

    fn size(self) -> f64 {
        (self.own / (self.total * self.total)).abs() + 2.0 * (self.cross / self.total).abs()
    }
}

/// Chooses for the budget of `set`.
///
/// # Errors
/// As [`super::choose`].
pub(super) fn choose(task: &Task<'_>, kernel: Kernel, set: &FeasibleSet) -> Result<HerdedSubsets, SelectError> {
    let (Some(admission), Some(rows)) = (TokenAdmission::new(set)?, rows_within(set)) else {
        return Ok(HerdedSubsets { kernel, budgets: Vec::new() });
    };
    let cloud = KernelPoints::new(task, kernel, method(kernel))?;
    task.afford(method(kernel), bytes(task, rows, 1))?;
    let among_queries = cloud.among_queries()?;
    let herd = herd(&cloud, set, admission, rows, task.watch)?;
    let chosen = swapped(&cloud, set, herd, among_queries, usize::MAX, task.watch)?;
    Ok(HerdedSubsets { kernel, budgets: vec![chosen] })
}

/// Improves any subset within budget and limits.
///
/// # Errors
/// As [`super::choose`].
pub(super) fn improve(
    task: &Task<'_>,
    kernel: Kernel,
    set: &FeasibleSet,
    rows: &[usize],
    limit: usize,
) -> Result<Improved, SelectError> {
    let cloud = KernelPoints::new(task, kernel, method(kernel))?;
    task.afford(method(kernel), bytes(task, rows.len(), 1))?;
    let among_queries = cloud.among_queries()?;
    let herd = around(&cloud, set, rows, rows.len())?;
    let found = swapped(&cloud, set, herd, among_queries, limit, task.watch)?;
    let KernelSubset { herd, values, swaps, least_gain, compared, left_open, .. } = found;
    let potentials = herd.field.potentials(tokens(set, &herd.rows));
    let (rows, scores) = in_order(&herd.field.rows, &potentials, &herd.inside());
    Ok(Improved { rows, scores, values, swaps, least_gain, compared, left_open })
}

fn lengths(set: &FeasibleSet) -> &[f64] {
    set.tokens().map_or(&[], |(_, lengths)| lengths)
}

fn tokens(set: &FeasibleSet, rows: &[usize]) -> f64 {
    rows.iter().map(|&row| lengths(set)[row]).sum()
}

/// These rows, with active rows around them as for so many.
fn around(cloud: &KernelPoints<'_>, set: &FeasibleSet, rows: &[usize], about: usize) -> Result<Herd, SelectError> {
    let weights: Vec<f64> = rows.iter().map(|&row| lengths(set)[row]).collect();
    Herd::weighted(cloud, (rows, &weights), ActiveSet::default(), about)
}

fn herd(
    cloud: &KernelPoints<'_>,
    set: &FeasibleSet,
    mut admission: TokenAdmission<'_>,
    about: usize,
    watch: &dyn Watch,
) -> Result<Herd, SelectError> {
    let (lengths, reserved): (_, Vec<usize>) = (lengths(set), admission.reserved().collect());
    // The reserve stays at work, whether or not it is near.
    let mut field = Herd::weighted(cloud, (&reserved, &vec![0.0; reserved.len()]), ActiveSet::default(), about)?.field;
    let mut asked = vec![false; field.rows.len()];
    let (mut rows, mut scores, mut total) = (Vec::with_capacity(about), Vec::with_capacity(about), 0.0);
    watch.begin("herding", about as u64);
    while !admission.is_met() {
        let (t, block) = (rows.len(), (rows.len() / 8).clamp(1, BLOCK));
        let value =
            |sum: f64, at: usize| nan_as_infinity(sum / (total + lengths[field.rows[at]]).max(1.0) - field.queries[at]);
        let values: Vec<f64> = (0..field.rows.len()).map(|at| value(field.sums[at], at)).collect();
        let open = (0..field.rows.len()).filter(|&at| !asked[at]).collect();
        let mut list = least_of(&values, open, (4 * block).max(64));
        if list.is_empty() {
            break;
        }
        list.sort_unstable();
        let listed: Vec<usize> = list.iter().map(|&at| field.rows[at]).collect();
        let gram = cloud.gram(&listed)?;
        let mut sums: Vec<f64> = list.iter().map(|&at| field.sums[at]).collect();
        while rows.len() < t + block && !admission.is_met() {
            let value = |place: usize| {
                let at = list[place];
                nan_as_infinity(sums[place] / (total + lengths[field.rows[at]]).max(1.0) - field.queries[at])
            };
            let open = (0..list.len()).filter(|&place| !asked[list[place]]);
            let Some(best) = open.min_by(|&a, &b| value(a).total_cmp(&value(b))) else { break };
            asked[list[best]] = true;
            let score = -value(best);
            if !admission.take(listed[best]) {
                continue;
            }
            let length = lengths[listed[best]];
            rows.push(listed[best]);
            scores.push(score);
            total += length;
            let line = &gram[best * list.len()..][..list.len()];
            sums.iter_mut().zip(line).for_each(|(sum, k)| *sum += length * k);
        }
        let weights: Vec<f64> = rows[t..].iter().map(|&row| lengths[row]).collect();
        field.add(cloud, &rows[t..], &weights)?;
        watch.advance((rows.len() - t) as u64)?;
    }
    if admission.is_met() {
        return Ok(Herd { rows, scores, field });
    }
    // Of rows that are not at work any that fit.
    for row in 0..lengths.len() {
        if !admission.is_met() && admission.take(row) {
            rows.push(row);
        }
    }
    let rows = if admission.is_met() { rows } else { admission.complete(rows)? };
    let herd = around(cloud, set, &rows, about)?;
    let potentials = herd.field.potentials(tokens(set, &rows));
    let score = |row: &usize| herd.field.position(*row).map_or(f64::NEG_INFINITY, |at| -potentials[at]);
    let scores = rows.iter().map(score).collect();
    Ok(Herd { rows, scores, ..herd })
}

/// Changes a herd while that helps, at most `limit` times.
fn swapped(
    cloud: &KernelPoints<'_>,
    set: &FeasibleSet,
    mut herd: Herd,
    among_queries: f64,
    limit: usize,
    watch: &dyn Watch,
) -> Result<KernelSubset, SelectError> {
    let lengths = lengths(set);
    let picked: HashSet<usize> = herd.rows.iter().copied().collect();
    let mut inside = herd.inside();
    let parts = |field: &Field, inside: &[bool]| Parts::of(field, lengths, (0..inside.len()).filter(|&at| inside[at]));
    let before = parts(&herd.field, &inside).value() + among_queries;
    let mut swaps = 0;
    if let Some(mut exchanges) = TokenExchanges::new(set, &herd.rows) {
        watch.begin("swapping", PASSES as u64);
        for _ in 0..PASSES {
            watch.advance(1)?;
            let now = parts(&herd.field, &inside);
            let made = pass(cloud, (&mut herd.field, lengths), &mut inside, &mut exchanges, limit - swaps)?;
            swaps += made;
            let gained = now.value() - parts(&herd.field, &inside).value();
            if made == 0 || made < CHANGES && gained < WORTH * cloud.size(now.value() + among_queries) {
                break;
            }
        }
    }
    let last = parts(&herd.field, &inside);
    let potentials = herd.field.potentials(last.total);
    let at = |row: &usize| herd.field.position(*row).filter(|&at| inside[at]);
    let mut chosen: Vec<(usize, f64)> = herd
        .rows
        .iter()
        .zip(&herd.scores)
        .filter(|(row, _)| at(row).is_some())
        .map(|(&row, &score)| (row, score))
        .collect();
    let herded = chosen.len();
    let mut came: Vec<usize> =
        (0..inside.len()).filter(|&at| inside[at] && !picked.contains(&herd.field.rows[at])).collect();
    came.sort_by(|&a, &b| potentials[a].total_cmp(&potentials[b]).then(a.cmp(&b)));
    chosen.extend(came.into_iter().map(|at| (herd.field.rows[at], -potentials[at])));
    (herd.rows, herd.scores) = chosen.into_iter().unzip();
    let budget = set.tokens().map_or(0, |(tokens, _)| tokens.max as usize);
    let (values, compared) = ([before, last.value() + among_queries], herd.field.rows.len());
    let least_gain = SMALLEST * last.size() + 4.0 * cloud.resolution();
    let left_open = Some(LeftOpen::Limit);
    Ok(KernelSubset { herd, budget, values, swaps, least_gain, compared, left_open, herded, among_queries })
}

/// Makes the best change again and again among the rows that promise most to first order; returns how many.
fn pass(
    cloud: &KernelPoints<'_>,
    (field, lengths): (&mut Field, &[f64]),
    inside: &mut [bool],
    exchanges: &mut TokenExchanges<'_>,
    limit: usize,
) -> Result<usize, SelectError> {
    let length = |at: usize| lengths[field.rows[at]];
    let mut parts = Parts::of(field, lengths, (0..inside.len()).filter(|&at| inside[at]));
    let heights = field.potentials(parts.total);
    let mean = (0..inside.len()).filter(|&at| inside[at]).map(|at| length(at) * heights[at]).sum::<f64>() / parts.total;
    let out: Vec<f64> = (0..inside.len()).map(|at| length(at) * (mean - heights[at])).collect();
    let new: Vec<f64> = out.iter().map(|x| -x).collect();
    let was: &[bool] = inside;
    let of = |kind: bool| (0..was.len()).filter(move |&at| was[at] == kind);
    let mut list = least_of(&out, of(true).filter(|&at| exchanges.may_leave(field.rows[at])).collect(), LISTED);
    list.extend(least_of(&new, of(false).filter(|&at| exchanges.may_enter(field.rows[at])).collect(), LISTED));
    list.sort_unstable();
    let n = list.len();
    let rows: Vec<usize> = list.iter().map(|&at| field.rows[at]).collect();
    let gram = cloud.gram(&rows)?;
    let t: Vec<f64> = rows.iter().map(|&row| lengths[row]).collect();
    let q: Vec<f64> = list.iter().map(|&at| field.queries[at]).collect();
    let mut sums: Vec<f64> = list.iter().map(|&at| field.sums[at]).collect();
    let before: Vec<bool> = list.iter().map(|&at| inside[at]).collect();
    let mut now = before.clone();
    // The parts with one row more or less.
    let changed = |parts: Parts, sums: &[f64], place: usize, sign: f64| Parts {
        own: parts.own + sign * 2.0 * t[place] * sums[place] + t[place] * t[place] * gram[place * n + place],
        cross: parts.cross + sign * t[place] * q[place],
        total: parts.total + sign * t[place],
    };
    let mut made = 0;
    while made < CHANGES.min(limit) {
        let value = parts.value();
        let noticed = SMALLEST * parts.size();
        let mut best = (value - noticed, None);
        let some = |kind: bool| (0..n).filter(|&place| now[place] == kind).map(Some).chain([None]).collect::<Vec<_>>();
        let (leave, come) = (some(true), some(false));
        for &old in &leave {
            let less = old.map_or(parts, |old| changed(parts, &sums, old, -1.0));
            for &new in come.iter().filter(|new| old.is_some() || new.is_some()) {
                let mut more = new.map_or(less, |new| changed(less, &sums, new, 1.0));
                if let (Some(old), Some(new)) = (old, new) {
                    // The sums of the row that comes in have the one that left.
                    more.own -= 2.0 * t[old] * t[new] * gram[old * n + new];
                }
                if more.total > 0.0 && more.value() < best.0 {
                    let row = |place: Option<usize>| place.map(|place| rows[place]);
                    if exchanges.after(row(old), row(new)).is_some() {
                        best = (more.value(), Some((old, new, more)));
                    }
                }
            }
        }
        let Some((old, new, after)) = best.1 else { break };
        parts = after;
        exchanges.exchange(old.map(|place| rows[place]), new.map(|place| rows[place]));
        for (place, sign, is_in) in [(old, -1.0, false), (new, 1.0, true)] {
            let Some(place) = place else { continue };
            now[place] = is_in;
            let line = &gram[place * n..][..n];
            sums.iter_mut().zip(line).for_each(|(sum, k)| *sum += sign * t[place] * k);
        }
        made += 1;
    }
    let moved: Vec<usize> = (0..n).filter(|&place| now[place] != before[place]).collect();
    let weights: Vec<f64> = moved.iter().map(|&place| if now[place] { t[place] } else { -t[place] }).collect();
    field.add(cloud, &moved.iter().map(|&place| rows[place]).collect::<Vec<_>>(), &weights)?;
    moved.iter().for_each(|&place| inside[list[place]] = now[place]);
    Ok(made)
}

/// The measure of which the linear step proves most, from the subset at `positions` on, whose field is `field`.
///
/// # Errors
/// If the observer asks to stop or a row is bad.
pub(super) fn relax(
    cloud: &KernelPoints<'_>,
    set: &FeasibleSet,
    field: Field,
    positions: &[usize],
    among_queries: f64,
    watch: &dyn Watch,
) -> Result<KernelDual, SelectError> {
    let least = set.tokens().map_or(0.0, |(tokens, _)| tokens.min);
    let most: f64 = positions.iter().map(|&at| lengths(set)[field.rows[at]]).sum();
    let found = relax_at(cloud, set, (field.clone(), positions), least, among_queries, watch)?;
    // Where rows that are far must be chosen, more tokens than the fewest are closer.
    if found.closed || most <= least || set.constraints().are_none() {
        return Ok(found.dual);
    }
    let other = relax_at(cloud, set, (field, positions), most, among_queries, watch)?;
    Ok(if other.lower > found.lower { other.dual } else { found.dual })
}

/// The same for measures of so many tokens.
fn relax_at(
    cloud: &KernelPoints<'_>,
    set: &FeasibleSet,
    (mut field, positions): (Field, &[usize]),
    least: f64,
    among_queries: f64,
    watch: &dyn Watch,
) -> Result<Relaxed, SelectError> {
    let lengths = lengths(set);
    let of: Vec<f64> = field.rows.iter().map(|&row| lengths[row]).collect();
    let included = |at: &&usize| set.is_included(field.rows[**at]);
    let (kept, used): (f64, f64) =
        (positions.iter().filter(included).map(|&at| of[at]).sum(), positions.iter().map(|&at| of[at]).sum());
    let total = least.max(kept);
    // Rows that must be chosen have all their tokens, the others a share of theirs.
    let share = if used > kept { ((total - kept) / (used - kept)).min(1.0) } else { 0.0 };
    let mut mass = vec![0.0; of.len()];
    positions.iter().for_each(|&at| mass[at] = of[at] * if included(&&at) { 1.0 } else { share });
    let rows: Vec<usize> = positions.iter().map(|&at| field.rows[at]).collect();
    let change: Vec<f64> = positions.iter().map(|&at| mass[at] - of[at]).collect();
    field.add(cloud, &rows, &change)?;
    let subset = positions.iter().map(|&at| (field.rows[at], mass[at]));
    let polytope = Polytope::new(set, total as usize, subset);
    relax_from(cloud, (field, mass), &Capacities { of, total }, among_queries, Some(polytope), watch)
}
