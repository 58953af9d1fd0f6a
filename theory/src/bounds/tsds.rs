//! Bounds of the regularised transport problem of TSDS (arXiv 2410.11303): of one subset, and below that of **every**
//! subset of k rows.
//!
//! For a subset S of k of the N rows and λ > 0 (`notes/tsds.md`)
//!   F_λ(S) = min ⟨c, x⟩ + λ·(M·max x_ij − 1/N)  over x ≥ 0 on S×Q with Σ_i x_ij = 1/M for every query j.
//! - One subset: every query gives 1/(MK) to its K nearest rows of S; any K ≤ k gives an upper bound, F_λ is the least.
//!   Any g ∈ R^M gives a lower bound: mean_j g_j + min_{1/k ≤ t ≤ 1} t·(λ − s/M) − λ/N with
//!   s = Σ_{i∈S} h_i, h_i = Σ_j max(0, g_j − c_ij). K and g are found here from the costs, and both bounds meet up to rounding.
//! - Every subset: the same with the k largest h_i of the pool for s, and any g.
//!
//! Limit: k·M inner products and M sorts of k costs for one subset, N·M inner products in `f64` for all, see
//! [`dot`](crate::dot).

use std::cmp::Reverse;

use crate::bounds::best::over_rows;
use crate::bounds::{
    BLOCK, BestBound, BestEvidence, Candidates, DistanceBound, DistanceEvidence, Interval, Spread, TASK,
    check_potentials, check_subset, gather,
};
use crate::cost_bounds::{CostBounds, Power};
use crate::geometry::Geometry;
use crate::rejection::Rejection;
use crate::rounding::{ExactSum, add_down, add_up, div_down, div_up, mul_up, sub_down};
use crate::statement::{Objective, Statement};

/// Costs of one query and all rows of a subset, lower and upper ends, each sorted by itself: the l-th least cost lies
/// between the l-th of both.
type Ends = [Vec<f64>; 2];

/// Evaluates F_λ of the pool rows `rows`, with λ from `problem.objective`.
///
/// O(k·M·(d + log k)) time, 16·k·M bytes.
///
/// # Errors
/// If the statement is about something else or does not fit the geometry, a row is bad, or the spread stopped early.
pub fn tsds_bound(
    geometry: &Geometry<'_>,
    problem: &Statement,
    rows: &[usize],
    spread: Spread<'_>,
) -> Result<DistanceBound, Rejection> {
    problem.check(geometry)?;
    check_subset(rows, problem)?;
    let diversity = diversity_of(problem)?;
    let columns = columns(geometry, rows, spread)?;
    let (k, n, m) = (rows.len(), problem.pool as f64, columns.len() as f64);

    // Σ_j of the l-th least costs, to find K and g by; nothing rests on it.
    let layer = |l: usize, end: usize| columns.iter().map(|ends| ends[end][l]).sum::<f64>() / m;
    let (mut near, mut gap, mut count) = (layer(0, 1), 0.0, 1);
    while count < k {
        let next = layer(count, 1);
        gap += count as f64 * (next - near);
        if gap >= diversity {
            break;
        }
        (near, count) = (next, count + 1);
    }

    let mut plan = ExactSum::default();
    columns.iter().flat_map(|[_, high]| &high[..count]).for_each(|&cost| plan.add(cost));
    let penalty = mul_up(diversity, div_up(div_up(n - count as f64, count as f64), n));
    let upper = add_up(div_up(div_up(plan.up(), count as f64), m), penalty);

    // g_j lies between the K-th and the next least cost, where Σ_ij max(0, g_j − c_ij) is λM; beyond the last cost it
    // would have to exceed it, and staying there loses nothing.
    let spent = |at: usize| {
        let of = |[low, _]: &Ends| low[..count].iter().map(|c| low[at] - c).sum::<f64>();
        columns.iter().map(of).sum::<f64>() / m
    };
    let share = if count < k {
        let (least, most) = (spent(count - 1), spent(count));
        if most > least { ((diversity - least) / (most - least)).clamp(0.0, 1.0) } else { 1.0 }
    } else {
        0.0
    };
    let level = |[low, _]: &Ends| low[count - 1] + share * (low[count.min(k - 1)] - low[count - 1]);
    let g: Vec<f64> = columns.iter().map(level).collect();
    let mut heights = ExactSum::default();
    for ([low, _], &g) in columns.iter().zip(&g) {
        for &cost in low.iter().take_while(|&&cost| cost < g) {
            heights.add(g);
            heights.add(-cost);
        }
    }
    let signed = CostBounds::new(geometry, Power::One).signed();
    let lower = dual(problem, diversity, &g, heights.up(), signed)?;
    if !upper.is_finite() {
        return Err(Rejection::new("range", "a bound is too large for a double: rescale diversity or costs"));
    }
    if lower > upper {
        return Err(Rejection::new("contradiction", format!("lower bound {lower} is above upper bound {upper}")));
    }
    let interval = Interval { lower: Some(lower), upper: Some(upper) };
    Ok(DistanceBound::proved(geometry, problem, rows, DistanceEvidence::default(), interval))
}

/// Evaluates the bound below F_λ of every subset of `problem.budget` rows, with λ from `problem.objective`.
///
/// O(rows·M·d) time, O(N + M) memory per task.
///
/// # Errors
/// If a potential is missing or not finite, a row is bad, the rows were screened for something else, or the spread
/// stopped early.
pub fn best_tsds_bound(
    geometry: &Geometry<'_>,
    problem: &Statement,
    potentials: Vec<f64>,
    candidates: Candidates<'_>,
    spread: Spread<'_>,
) -> Result<BestBound, Rejection> {
    problem.check(geometry)?;
    let diversity = diversity_of(problem)?;
    check_potentials(&potentials, problem.queries, "best potentials")?;
    let candidates = candidates.rows(geometry, problem, &potentials)?;
    let costs = CostBounds::new(geometry, Power::One);
    let height = |closeness: &[f64], heights: &mut [f64]| costs.reply_sums(&potentials, closeness, heights);
    let join = |all: &mut Vec<f64>, part: Vec<f64>| all.extend(part);
    let mut heights = over_rows(geometry, candidates, spread, height, Vec::push, join)?;
    if problem.budget < heights.len() {
        heights.select_nth_unstable_by_key(problem.budget, |h| Reverse(h.to_bits()));
        heights.truncate(problem.budget);
    }
    let mut largest = ExactSum::default();
    heights.iter().for_each(|&h| largest.add(h));
    let lower = dual(problem, diversity, &potentials, largest.up(), costs.signed())?;
    Ok(BestBound::proved(geometry, problem, BestEvidence::Potentials(potentials), lower))
}

/// A number ≤ mean g + min over 1/k ≤ t ≤ 1 of t·(λ − s/M) − λ/N, for any s ≤ `heights`.
fn dual(problem: &Statement, diversity: f64, g: &[f64], heights: f64, signed: bool) -> Result<f64, Rejection> {
    let slope = sub_down(diversity, div_up(heights, problem.queries as f64));
    let least = if slope >= 0.0 { div_down(slope, problem.budget as f64) } else { slope };
    let constant = div_up(diversity, problem.pool as f64);
    let value = sub_down(add_down(problem.mean_potential_down(g), least), constant);
    if !value.is_finite() {
        return Err(Rejection::new("range", "the bound is too large for a double: rescale potentials or costs"));
    }
    // Neither part of F_λ is negative unless costs are.
    Ok(if signed { value } else { value.max(0.0) })
}

/// For every query the costs of all rows, sorted.
fn columns(geometry: &Geometry<'_>, rows: &[usize], spread: Spread<'_>) -> Result<Vec<Ends>, Rejection> {
    let m = geometry.query_len();
    let costs = CostBounds::new(geometry, Power::One);
    let task = |index: usize| {
        let mut columns = vec![Ends::default(); m];
        let mut closeness = vec![0.0; BLOCK * m];
        for block in rows[index * TASK..((index + 1) * TASK).min(rows.len())].chunks(BLOCK) {
            let closeness = &mut closeness[..block.len() * m];
            geometry.check_rows(block.iter().copied()).map_err(|fault| Rejection::new("rows", fault.to_string()))?;
            geometry.closeness_gather(block, closeness);
            for (at, &s) in closeness.iter().enumerate() {
                let (row, query) = (block[at / m], at % m);
                if !s.is_finite() {
                    let place = format!("the closeness of pool row {row} and query {query} is not finite");
                    return Err(Rejection::new("rows", place));
                }
                columns[query][0].push(costs.lower(s));
                columns[query][1].push(costs.upper(s, || geometry.same_row(row, query)));
            }
        }
        Ok(columns)
    };
    let join = |all: &mut Vec<Ends>, part: Vec<Ends>| {
        let sides = all.iter_mut().flatten().zip(part.into_iter().flatten());
        sides.for_each(|(all, part)| all.extend(part));
    };
    let mut columns = gather(rows.len().div_ceil(TASK), spread, task, vec![Ends::default(); m], join)?;
    columns.iter_mut().flatten().for_each(|ends| ends.sort_unstable_by(f64::total_cmp));
    Ok(columns)
}

fn diversity_of(problem: &Statement) -> Result<f64, Rejection> {
    match problem.objective {
        Objective::Tsds { diversity } => Ok(diversity),
        other => Err(Rejection::new("objective", format!("the statement is about `{}`, not about TSDS", other.name()))),
    }
}
