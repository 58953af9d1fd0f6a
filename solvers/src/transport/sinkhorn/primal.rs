//! A feasible plan beside the potentials, and what it costs: with the dual value a bracket of the optimum.
//!
//! Query potentials g come with the best pool potentials f. In their plan T a hard pool marginal is exact already; the
//! queries' marginal is off by the residual. What is mended depends on the marginals:
//! - Pool penalised: column j is multiplied by k_j, to b_j where the queries are hard, else to the best reply. The result
//!   is a Gibbs plan for f and g'_j = g_j + ε ln k_j, whose objective is
//!   Σ_i T'_i f_i + Σ_j T'_.j g'_j − ε Σ T' + ε Σ r + ρ_pool KL(T'_i | a_i) + ρ_query KL(T'_.j | b_j).
//! - Pool hard, queries penalised: T itself is feasible.
//! - Both hard: columns that carry too much are cut to b_j, which leaves rows short by d_i and columns by e_j, both of sum η;
//!   d eᵀ/η is added (Altschuler, Weed and Rigollet, arXiv 1705.09634, whose rows are cut too). For two measures x and y the
//!   log-sum inequality gives Σ (x+y) ln((x+y)/r) ≤ Σ x ln(x/r) + Σ y ln(y/r) − x̄ ln(1 − η) − η ln η if x̄ = 1 − η and
//!   η are their masses, and the entropies of cut plan and rank-one plan are sums over rows and columns.
//!
//! So the primal value is at least the objective of a feasible plan in every case. Limit: one pass that reads the costs, which is
//! saved where the last pass of the iteration has told of the rows and the mending is below rounding.

use super::dual::{Dual, Point};
use super::pass::Ask;
use super::penalty::Penalty;
use super::weight::Weight;
use crate::watch::Stopped;

/// Best pool potentials and values of their plan.
pub(crate) struct PrimalCertificate {
    /// f (N).
    pub(crate) rows: Vec<f64>,
    /// Objective of a feasible plan, or a little more; +∞ if there is none.
    pub(crate) primal: f64,
    /// ⟨c, T⟩ of the plan of f and g.
    pub(crate) transport: f64,
}

/// x ln(x/w) − x + w, with little error where x is near w.
fn kl(x: f64, w: f64) -> f64 {
    let excess = (x - w) / w;
    if x <= 0.0 {
        w
    } else if excess.abs() < 0.5 {
        w * ((1.0 + excess) * excess.ln_1p() - excess)
    } else {
        x * (x / w).ln() - x + w
    }
}

/// One pass at a point that has the best pool potentials.
pub(crate) fn certify<W: Weight>(dual: &mut Dual<'_, W>, point: &Point) -> Result<PrimalCertificate, Stopped> {
    let Penalty { epsilon, pool, query } = dual.penalty;
    let (m, masses, columns) = (point.g.len(), &dual.measures.queries, &point.sums.columns);
    let (hard_pool, hard_query) = (pool == f64::INFINITY, query == f64::INFINITY);
    // Per query: the factor of its column and the logarithm of it; and the part that a cut takes away.
    let (mut cut, mut short) = (vec![0.0; m], Vec::new());
    let mut log_factor = vec![0.0; m];
    if hard_pool && hard_query {
        for (j, (b, t)) in masses.iter().zip(columns).enumerate() {
            cut[j] = if t > b { (t - b) / t } else { 0.0 };
            log_factor[j] = (-cut[j]).ln_1p();
            short.push(if b > t { b - t } else { 0.0 });
        }
    } else if !hard_pool {
        for (j, log) in log_factor.iter_mut().enumerate() {
            let lack = point.log_residual(j, dual.measures, &dual.penalty);
            *log = lack / (epsilon * dual.penalty.curvature());
        }
    }
    let missing: f64 = short.iter().sum();
    let toll: Vec<f64> = if missing > 0.0 { short.iter().map(|e| e / missing).collect() } else { Vec::new() };
    // With k_j for the factors, the objective of the mended plan exceeds that of f and g by ρ Σ_i KL(v_i | T_i), the terms
    // linear in v_i − T_i being zero for the best f; by the log-sum inequality that is at most this.
    let excess: f64 = columns.iter().zip(&log_factor).map(|(t, log)| pool * t * kl(log.exp(), 1.0)).sum();
    let known = !hard_pool && !point.sums.logs.is_empty() && excess <= point.noise;
    let share: Vec<f64> = if hard_pool { cut } else { log_factor.iter().map(|log| log.exp()).collect() };
    let evaluated;
    let found = if known {
        &point.sums
    } else {
        evaluated = dual.evaluate(point.g.clone(), Ask::Shares { share: &share, toll: &toll })?.sums;
        &evaluated
    };

    let theta = dual.penalty.theta();
    // A row that no finite cost reaches has no mass for any potential.
    let potential = |log: &f64| if log.is_finite() { -epsilon * (1.0 - theta) * log } else { 0.0 };
    let rows: Vec<f64> = found.logs.iter().map(potential).collect();
    let a = &dual.measures.rows;
    let stranded = hard_pool && found.logs.iter().any(|log| !log.is_finite());
    let columns_after = columns.iter().zip(&log_factor).map(|(t, log)| t * log.exp());
    let mut primal = epsilon * dual.measures.reference;
    for ((t, log), (g, b)) in columns_after.zip(&log_factor).zip(point.g.iter().zip(masses)) {
        primal += if t > 0.0 { t * (g + epsilon * log - epsilon) } else { 0.0 };
        primal += if hard_query { 0.0 } else { query * kl(t, *b) };
    }
    if known {
        // Σ_i [T_i f_i + ρ KL(T_i | a_i)] = ρ Σ_i (a_i − T_i).
        primal += excess + epsilon * columns.iter().sum::<f64>() - point.sums.value;
    } else if hard_pool {
        // v_i is what the row lost; the entropy of the rank-one plan is Σ d ln(d/α) + Σ e ln(e/(βη)).
        primal += a.iter().zip(&found.shares).zip(&rows).map(|((a, v), f)| (a - v) * f).sum::<f64>();
        let lost: f64 = found.shares.iter().sum();
        if missing > 0.0 && lost > 0.0 {
            let rounded = lost.max(missing);
            let x_ln_x = |x: f64, base: f64| if x > 0.0 { x * (x / base).ln() } else { 0.0 };
            let of_rows: f64 =
                found.shares.iter().enumerate().map(|(i, v)| x_ln_x(*v, dual.measures.row_base(i))).sum();
            let bases = toll.iter().zip(&dual.measures.base);
            let of_queries: f64 = bases.map(|(t, base)| x_ln_x(*t, *base)).sum();
            primal += found.toll + epsilon * (of_rows + lost * of_queries - lost);
            primal += epsilon * (-(1.0 - rounded) * (-rounded).ln_1p() - rounded * rounded.ln());
        }
    } else {
        for ((v, f), a) in found.shares.iter().zip(&rows).zip(a) {
            primal += v * f + pool * kl(*v, *a);
        }
    }
    let feasible = primal.is_finite() && !stranded && (!hard_query || columns.iter().all(|&t| t > 0.0));
    Ok(PrimalCertificate { rows, primal: if feasible { primal } else { f64::INFINITY }, transport: found.transport })
}
