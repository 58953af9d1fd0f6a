//! The objective family f_α(p) = (1 − p^α)/α of the probability p of the right answer (arXiv 2510.00526); α → 0 is −ln p.
//!
//! p = softmax_y(z) of logits z. Values are plain `f64`, stable at α → 0, p → 0 and p → 1; constants are closed forms.

use super::assumption::{Assumption, Refusal};
use super::bound::{Bound, Kind};
use super::theorem::Theorem;
use crate::rounding::{div_up, library_up, mul_up, sqrt_up};

/// Norm in which logits move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogitNorm {
    /// Sum of moduli.
    L1,
    /// Euclidean.
    L2,
    /// Largest modulus.
    Max,
}

/// f_α for one α ≥ 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossObjective {
    alpha: f64,
}

/// Logits seen from the right answer: ln p, p, and 1 − p without cancellation.
struct Answer {
    log_p: f64,
    p: f64,
    rest: f64,
    others: Vec<f64>,
}

fn answer(logits: &[f64], right: usize) -> Answer {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = logits.iter().map(|z| (z - largest).exp()).collect();
    let total: f64 = weights.iter().sum();
    let wrong: f64 = weights.iter().enumerate().filter(|(j, _)| *j != right).map(|(_, w)| w).sum();
    // ln p = −ln(1 + wrong/right) keeps its digits where p is close to 1, the other form where it is close to 0.
    let log_p = if weights[right] >= 0.5 * total {
        -(wrong / weights[right]).ln_1p()
    } else {
        (logits[right] - largest) - total.ln()
    };
    Answer { log_p, p: log_p.exp(), rest: wrong / total, others: weights.into_iter().map(|w| w / total).collect() }
}

impl LossObjective {
    /// `None` unless α is finite and not negative.
    pub fn new(alpha: f64) -> Option<Self> {
        (alpha.is_finite() && alpha >= 0.0).then_some(Self { alpha })
    }

    /// α.
    pub fn alpha(self) -> f64 {
        self.alpha
    }

    /// f_α(p) for 0 ≤ p ≤ 1; infinite at p = 0 for α = 0.
    pub fn value(self, p: f64) -> f64 {
        self.of_log(p.ln())
    }

    /// f_α from ln p ≤ 0.
    fn of_log(self, log_p: f64) -> f64 {
        let product = self.alpha * log_p;
        // −expm1(x)/α = −ln p·(1 + x/2 + …): where x is not a normal number that factor is 1.
        if self.alpha == 0.0 || product.abs() < f64::MIN_POSITIVE { -log_p } else { -product.exp_m1() / self.alpha }
    }

    /// f_α of the softmax of logits at the right answer.
    pub fn of_logits(self, logits: &[f64], right: usize) -> f64 {
        self.of_log(answer(logits, right).log_p)
    }

    /// ∂f/∂z: −p^α(1 − p) at the right answer, p^α·p_j elsewhere. Sums to zero.
    pub fn gradient(self, logits: &[f64], right: usize) -> Vec<f64> {
        let Answer { log_p, rest, mut others, .. } = answer(logits, right);
        let scale = (self.alpha * log_p).exp();
        others[right] = -rest;
        others.iter_mut().for_each(|x| *x *= scale);
        others
    }

    /// W(p) = p^α(1 − p): the weight that an example of probability p gets; ‖∇f‖∞ = W and ‖∇f‖₁ = 2W.
    pub fn weight(self, p: f64) -> f64 {
        p.powf(self.alpha) * (1.0 - p)
    }

    /// Where W is largest: p* = α/(1 + α).
    pub fn peak(self) -> f64 {
        self.alpha / (1.0 + self.alpha)
    }

    /// W* = α^α/(1 + α)^{1 + α} = max W, rounded up; 1 for α = 0, where it is not attained.
    pub fn largest_weight(self) -> f64 {
        if self.alpha == 0.0 {
            return 1.0;
        }
        // ln W* = −α ln(1 + 1/α) − ln(1 + α), both terms negative: no cancellation, and an error of some units.
        let log = -self.alpha * (1.0 / self.alpha).ln_1p() - self.alpha.ln_1p();
        library_up((log + 8.0 * crate::rounding::UNIT * log.abs()).exp()).min(1.0)
    }

    /// The sharp Lipschitz constant in logits, rounded up: W* in ‖·‖₁, √2·W* in ‖·‖₂, 2W* in ‖·‖∞.
    pub fn lipschitz(self, norm: LogitNorm) -> f64 {
        let factor = match norm {
            LogitNorm::L1 => 1.0,
            LogitNorm::L2 => sqrt_up(2.0),
            LogitNorm::Max => 2.0,
        };
        mul_up(factor, self.largest_weight())
    }

    /// The length of the range [0, 1/α], rounded up; infinite for α = 0.
    pub fn range(self) -> f64 {
        div_up(1.0, self.alpha)
    }

    /// c_α = α/(1 − 2^{−α}), rounded up: 1[answer is wrong] ≤ c_α·f_α(p); 1/ln 2 at α = 0.
    pub fn error_constant(self) -> f64 {
        let ln2 = std::f64::consts::LN_2;
        let half = self.of_log(-ln2);
        library_up(1.0 / half)
    }

    /// c_α as a quantity of its own.
    pub fn error_constant_bound(self) -> Bound {
        Bound::new(Theorem::Objective, Kind::Deterministic, self.error_constant(), [], &[("α", self.alpha)])
    }

    /// A bound of the mean of f_α as one of the share of wrong tokens: times c_α.
    pub fn error_bound(self, mean: &Bound) -> Bound {
        mean.times(Theorem::Objective, "c_α", self.error_constant())
    }

    /// L of T1 for this objective: √2·W*·(Lipschitz constant of row ↦ logits in ‖·‖₂).
    pub fn loss_lipschitz(self, logit_lipschitz: f64) -> Bound {
        let value = mul_up(self.lipschitz(LogitNorm::L2), logit_lipschitz);
        let inputs = [("α", self.alpha), ("W*", self.largest_weight()), ("Lip(x ↦ z)", logit_lipschitz)];
        Bound::new(Theorem::Objective, Kind::Deterministic, value, [Assumption::Lipschitz], &inputs)
    }

    /// GraNd in logits, ‖∇_z f_α‖₂ = p^α·EL2N: a score, no bound.
    pub fn gradient_norm(self, logits: &[f64], right: usize) -> f64 {
        let p = answer(logits, right).p;
        p.powf(self.alpha) * el2n(logits, right)
    }
}

/// EL2N: ‖softmax(z) − e_y‖₂, which is ‖∇_z f_0‖₂.
pub fn el2n(logits: &[f64], right: usize) -> f64 {
    let Answer { rest, others, .. } = answer(logits, right);
    let squares: f64 = others.iter().enumerate().filter(|(j, _)| *j != right).map(|(_, p)| p * p).sum();
    (rest * rest + squares).sqrt()
}

/// f_α·1[p ≥ τ]: tokens that the model finds too unlikely do not count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholded {
    /// The objective.
    pub objective: LossObjective,
    /// τ in (0, 1).
    pub threshold: f64,
}

impl Thresholded {
    /// f_α(p) if p ≥ τ, else 0.
    pub fn value(self, p: f64) -> f64 {
        if p >= self.threshold { self.objective.value(p) } else { 0.0 }
    }

    /// The size of the jump at τ: f_α(τ).
    pub fn jump(self) -> f64 {
        self.objective.value(self.threshold)
    }

    /// Its Lipschitz constant in logits, if the mask was frozen with the base model.
    ///
    /// # Errors
    /// If the mask moves with the model: the loss then jumps, and no constant exists.
    pub fn lipschitz(self, norm: LogitNorm, mask_frozen: bool) -> Result<f64, Refusal> {
        if mask_frozen {
            return Ok(self.objective.lipschitz(norm));
        }
        let why = format!(
            "the thresholded loss jumps by {:.4} at p = {}: it is not Lipschitz unless the mask is computed once, on the \
             base model",
            self.jump(),
            self.threshold
        );
        Err(Refusal::new(Theorem::T1, Assumption::FrozenMask, why))
    }
}
