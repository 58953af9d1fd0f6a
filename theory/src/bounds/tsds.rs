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

use crate::bounds::best::{Relaxation, values_of_closeness};
use crate::bounds::blocks::over_closeness;
use crate::bounds::{Executor, Interval, check_potentials};
use crate::cost_bounds::{CostBounds, Power};
use crate::geometry::Geometry;
use crate::rejection::Rejection;
use crate::rounding::{ExactSum, add_down, add_up, div_down, div_up, mul_up, sub_down};
use crate::statement::Statement;

/// Costs of one query and all rows of a subset, lower and upper ends, each sorted by itself: the l-th least cost lies
/// between the l-th of both.
type Ends = [Vec<f64>; 2];

/// Evaluates F_λ of the pool rows `rows` for λ = `diversity`.
pub(super) fn interval(
    geometry: &Geometry<'_>,
    problem: &Statement,
    diversity: f64,
    rows: &[usize],
    executor: Executor<'_>,
) -> Result<Interval, Rejection> {
    let columns = columns(geometry, rows, executor)?;
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
    let lower = dual(problem, diversity, &g, heights.up(), signed);
    match lower.filter(|_| upper.is_finite()) {
        Some(lower) => Ok(Interval { lower: Some(lower), upper: Some(upper) }),
        None => Err(Rejection::new("range", "a bound is too large for a double: rescale diversity or costs")),
    }
}

/// What potentials say of all subsets.
pub(super) fn relaxation<'a>(
    geometry: &'a Geometry<'_>,
    problem: &'a Statement,
    diversity: f64,
    g: &'a [f64],
) -> Result<Relaxation<'a>, Rejection> {
    check_potentials(g, problem.queries, "best potentials")?;
    let costs = CostBounds::new(geometry, Power::One);
    Ok(Relaxation {
        holds_price: false,
        outside: None,
        values: values_of_closeness(geometry, move |closeness, out| costs.reply_sums(g, closeness, out)),
        lower: Box::new(move |support| dual(problem, diversity, g, support, costs.signed())),
    })
}

/// A number ≤ mean g + min over 1/k ≤ t ≤ 1 of t·(λ − s/M) − λ/N, for any s ≤ `heights`; `None` if it is too large for a
/// double.
fn dual(problem: &Statement, diversity: f64, g: &[f64], heights: f64, signed: bool) -> Option<f64> {
    let slope = sub_down(diversity, div_up(heights, problem.queries as f64));
    let least = if slope >= 0.0 { div_down(slope, problem.budget as f64) } else { slope };
    let constant = div_up(diversity, problem.pool as f64);
    let value = sub_down(add_down(problem.mean_potential_down(g), least), constant);
    // Neither part of F_λ is negative unless costs are.
    value.is_finite().then(|| if signed { value } else { value.max(0.0) })
}

/// For every query the costs of all rows, sorted.
fn columns(geometry: &Geometry<'_>, rows: &[usize], executor: Executor<'_>) -> Result<Vec<Ends>, Rejection> {
    let m = geometry.query_len();
    let costs = CostBounds::new(geometry, Power::One);
    let visit = |columns: &mut Vec<Ends>, _: usize, block: &[usize], closeness: &[f64]| {
        for (at, &s) in closeness.iter().enumerate() {
            let (row, query) = (block[at / m], at % m);
            columns[query][0].push(costs.lower(s));
            columns[query][1].push(costs.upper(s, || geometry.same_row(row, query)));
        }
        Ok(())
    };
    let join = |all: &mut Vec<Ends>, part: Vec<Ends>| {
        let sides = all.iter_mut().flatten().zip(part.into_iter().flatten());
        sides.for_each(|(all, part)| all.extend(part));
    };
    let mut columns = over_closeness(geometry, rows, executor, vec![Ends::default(); m], visit, join)?;
    columns.iter_mut().flatten().for_each(|ends| ends.sort_unstable_by(f64::total_cmp));
    Ok(columns)
}
