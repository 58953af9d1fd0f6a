//! Distances between subset and queries, and what they imply for losses on these queries: T1 to T3, T6, T14.

use kantor_theory::generalization::capacity::{PathPoint, path_bound};
use kantor_theory::generalization::kernel::{energy_bound, energy_squared, gaussian_mean, mmd_bound, mmd_squared};
use kantor_theory::generalization::lipschitz::{
    critical_lipschitz, gap, reweighted_gap, truncate, truncated_gap, worst_case,
};
use kantor_theory::generalization::lower::{below, energy_lower, mean_difference, mmd_lower, product_upper};
use kantor_theory::generalization::partial::partial_plan_gap;
use kantor_theory::generalization::{Assumption, Refusal, Theorem};

use super::line::{DISTANCE, GAP};
use super::solve::{self, Solved};
use super::{Line, PAIRWISE, PATH, Says, Study};
use crate::certify::CertifyError;
use crate::decimal::magnitude;
use crate::pipeline::Error;

/// Values of L·(mean pair distance)/B at which the curve of T1b is shown.
const CURVE: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];

/// Points of the capacity path that are shown.
const SHOWN: usize = 5;

impl Study<'_> {
    /// W₁ and its cheap bounds.
    pub(super) fn distances(&mut self) -> Result<Solved, Error> {
        let solved = self.solved()?;
        let diameter = self.diameter;
        let reason = "no two points are farther apart than";
        self.push(Line::against(DISTANCE, solved.distance.bound(), diameter, reason));
        let (pairs, chamfer) = {
            let pairs = self.subset.pairs(&self.query)?;
            (pairs.mean(), pairs.chamfer())
        };
        self.push(Line::value("W₁ ≤ mean distance of all pairs", product_upper(pairs)));
        self.push(Line::value("W₁ ≥ chamfer S→Q", below(chamfer.rows_to_columns.lower())));
        self.push(Line::value("W₁ ≥ chamfer Q→S", below(chamfer.columns_to_rows.lower())));
        match mean_difference(&self.subset, &self.query) {
            Ok(difference) => self.push(Line::value("W₁ ≥ difference of means", below(difference.lower))),
            Err(refusal) => self.refuse("W₁ ≥ difference of means", refusal),
        }
        self.kernels()?;
        Ok(solved)
    }

    /// Energy distance and MMD, which need distances within the subset.
    fn kernels(&mut self) -> Result<(), Error> {
        if !self.metric.is_norm() {
            let why = "energy distance and MMD are stated for norms here; use `euclidean` or `cosine`";
            self.refuse("energy distance, MMD", Refusal::new(Theorem::T14, Assumption::Metric, why));
            return Ok(());
        }
        if self.subset.len() > PAIRWISE {
            let why = format!(
                "needs {} distances within the subset; it is left out above k = {PAIRWISE}",
                self.subset.len().pow(2)
            );
            self.skip("energy distance, MMD", Theorem::T14, why);
            return Ok(());
        }
        self.watch.advance(0)?;
        let (sq, ss, qq) =
            (self.subset.pairs(&self.query)?, self.subset.pairs(&self.subset)?, self.query.pairs(&self.query)?);
        let between = sq.mean();
        let energy = energy_squared(between, ss.mean(), qq.mean());
        self.watch.advance(0)?;
        let sigma = between.upper();
        let mut lines = vec![
            Line::value("energy distance", energy_bound(energy)),
            Line::value("W₁ ≥ ½·energy²", below(energy_lower(energy))),
        ];
        if sigma > 0.0 {
            let mmd =
                mmd_squared(gaussian_mean(&sq, sigma), gaussian_mean(&ss, sigma), gaussian_mean(&qq, sigma)).sqrt();
            lines.push(Line::value("MMD (Gaussian, σ = mean distance)", mmd_bound(sigma, mmd)));
            lines.push(Line::value("W₁ ≥ σ·MMD", below(mmd_lower(sigma, mmd))));
        }
        self.lines.extend(lines);
        Ok(())
    }

    /// Loss gaps on these queries: with L, bounds; without, the critical constant.
    pub(super) fn loss_gaps(&mut self, solved: &Solved) -> Result<(), Error> {
        let (range, loss) = (self.range, self.subset_loss());
        let trivial = "losses never differ by more than B =";
        let pairs = self.subset.pairs(&self.query)?;
        let mut lines = Vec::new();
        let critical = critical_lipschitz(range.unwrap_or(1.0), loss.map_or(0.0, |r| r.1), solved.distance, 0.0);
        let name = match (range, loss) {
            (Some(_), Some(_)) => "critical L on these queries",
            (Some(_), None) => "critical L on these queries (R_S = 0)",
            (None, _) => "critical L on these queries (× B, R_S = 0)",
        };
        let critical = match (range, loss) {
            (None, Some(_)) => critical_lipschitz(1.0, 0.0, solved.distance, 0.0),
            _ => critical,
        };
        lines.push(Line::value(name, critical));
        let chamfer = pairs.chamfer();
        match self.lipschitz {
            Some(l) => {
                let bound = gap(l, solved.distance);
                // T6: what needs no transport already says that nothing will follow.
                let cheap = chamfer.columns_to_rows.lower().max(chamfer.rows_to_columns.lower());
                match range.filter(|b| l * cheap >= *b) {
                    Some(b) => {
                        let why =
                            format!("a lower bound of W₁ already gives L·{} ≥ B = {}", magnitude(cheap), magnitude(b));
                        lines.push(Line::new(GAP, Says::Vacuous(bound, why)));
                    }
                    None => lines.push(Line::against(GAP, bound, range, trivial)),
                }
                lines.push(Line::against("|R_Q − R_Sw| ≤ L·chamfer", reweighted_gap(l, &chamfer), range, trivial));
                if let Some(losses) = &self.subject.losses.subset {
                    let largest = losses.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    lines.push(Line::against(
                        "max l on Q (k-center)",
                        worst_case(l, &chamfer, largest),
                        range,
                        trivial,
                    ));
                }
                if let Some(b) = range {
                    let (ot, plan) = solve::truncated(&pairs, |d| truncate(l, b, d))?;
                    lines.push(Line::against("R_Q − R_S, truncated metric", truncated_gap(l, b, ot), range, trivial));
                    // Carrying mass farther than B/L costs more than leaving it.
                    let worth = if l > 0.0 { b / l } else { f64::INFINITY };
                    let (cost, missing) = pairs.without_longer(&plan, worth).map_err(CertifyError::from)?;
                    let bound = partial_plan_gap(l, b, cost, missing, missing);
                    lines.push(Line::against("|R_Q − R_S|, pairs with L·d ≤ B carried", bound, range, trivial));
                }
            }
            None => {
                let (b, unit) = range.map_or((1.0, " (units of B)"), |b| (b, ""));
                let scale = pairs.mean().upper();
                for factor in CURVE.iter().filter(|_| scale > 0.0) {
                    self.watch.advance(0)?;
                    let l = factor * b / scale;
                    let (ot, _) = solve::truncated(&pairs, |d| truncate(l, b, d))?;
                    let quantity = format!("R_Q − R_S at L = {l:.3}{unit}");
                    lines.push(Line::against(&quantity, truncated_gap(l, b, ot), Some(b), trivial));
                }
            }
        }
        drop(pairs);
        self.lines.extend(lines);
        let path = solve::path(&self.subset.pairs(&self.query)?, PATH, self.watch, |d| d)??;
        self.path(&path);
        Ok(())
    }

    /// The capacity path, and T3 where L and losses are known.
    fn path(&mut self, path: &[PathPoint]) {
        let step = (path.len().max(1) - 1).div_ceil(SHOWN - 1).max(1);
        for (at, point) in path.iter().enumerate().filter(|(at, _)| at % step == 0 || at + 1 == path.len()) {
            let end = if at + 1 == path.len() && at > 0 { ", chamfer Q→S" } else { "" };
            self.push(Line::value(&format!("OT_λ at λ = {:.3}{end}", point.capacity.value()), point.bound()));
        }
        let (Some(l), Some(losses)) = (self.lipschitz, &self.subject.losses.subset) else { return };
        if losses.iter().any(|&x| x < 0.0) {
            let why = "a subset loss is negative; add a constant to all losses, or use T1";
            let refusal = Refusal::new(Theorem::T3, Assumption::NonNegative, why);
            self.refuse("R_Q ≤ min λ·R_S + L·OT_λ", refusal);
        } else if let Some(bound) = self.subset_loss().and_then(|(_, up)| path_bound(l, up, path)) {
            let range = self.range;
            self.push(Line::against("R_Q ≤ min λ·R_S + L·OT_λ", bound, range, "losses are at most B ="));
        }
    }
}
