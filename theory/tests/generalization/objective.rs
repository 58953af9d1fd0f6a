//! The objective family f_α.

use kantor_theory::generalization::objective::{LogitNorm, Thresholded, el2n};
use kantor_theory::generalization::{Assumption, LossObjective};
use proptest::prelude::*;

use crate::support::Random;

fn softmax(z: &[f64]) -> Vec<f64> {
    let top = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = z.iter().map(|x| (x - top).exp()).sum();
    z.iter().map(|x| (x - top).exp() / sum).collect()
}

fn alpha() -> impl Strategy<Value = f64> {
    prop::sample::select(vec![0.0, 1e-8, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Gradient by finite differences; sums to zero; its norms; shifting all logits changes nothing.
    #[test]
    fn gradient_and_norms(seed: u64, alpha in alpha()) {
        let random = &mut Random(seed);
        let v = 2 + random.below(5);
        let z: Vec<f64> = (0..v).map(|_| 4.0 * random.signed()).collect();
        let y = random.below(v);
        let f = LossObjective::new(alpha).unwrap();
        let gradient = f.gradient(&z, y);
        for j in 0..v {
            let h = 1e-6;
            let at = |d: f64| { let mut w = z.clone(); w[j] += d; f.of_logits(&w, y) };
            let slope = (at(h) - at(-h)) / (2.0 * h);
            prop_assert!((slope - gradient[j]).abs() <= 1e-7 * (1.0 + slope.abs()), "{} {}", slope, gradient[j]);
        }
        let p = softmax(&z)[y];
        prop_assert!((f.of_logits(&z, y) - f.value(p)).abs() <= 1e-9 * (1.0 + f.value(p)));
        prop_assert!(gradient.iter().sum::<f64>().abs() <= 1e-15);
        let (one, two, max) = (
            gradient.iter().map(|g| g.abs()).sum::<f64>(),
            gradient.iter().map(|g| g * g).sum::<f64>().sqrt(),
            gradient.iter().map(|g| g.abs()).fold(0.0, f64::max),
        );
        let w = f.weight(p);
        prop_assert!((one - 2.0 * w).abs() <= 1e-12 && (max - w).abs() <= 1e-12);
        prop_assert!((two - f.gradient_norm(&z, y)).abs() <= 1e-12 && two <= 2f64.sqrt() * w + 1e-12);
        prop_assert!((el2n(&z, y) - LossObjective::new(0.0).unwrap().gradient_norm(&z, y)).abs() <= 1e-12);
        let shifted: Vec<f64> = z.iter().map(|x| x + 3.0).collect();
        prop_assert!((f.of_logits(&shifted, y) - f.of_logits(&z, y)).abs() <= 1e-12);
    }

    /// Lipschitz constants in three norms, along random segments.
    #[test]
    fn lipschitz_constants_hold(seed: u64, alpha in alpha()) {
        let random = &mut Random(seed);
        let v = 2 + random.below(4);
        let logits = |random: &mut Random| -> Vec<f64> { (0..v).map(|_| 6.0 * random.signed()).collect() };
        let (a, b) = (logits(random), logits(random));
        let y = random.below(v);
        let f = LossObjective::new(alpha).unwrap();
        let difference = (f.of_logits(&a, y) - f.of_logits(&b, y)).abs();
        let gaps: Vec<f64> = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).collect();
        let norms = [
            (LogitNorm::L1, gaps.iter().sum::<f64>()),
            (LogitNorm::L2, gaps.iter().map(|g| g * g).sum::<f64>().sqrt()),
            (LogitNorm::Max, gaps.iter().copied().fold(0.0, f64::max)),
        ];
        for (norm, length) in norms {
            prop_assert!(difference <= f.lipschitz(norm) * length + 1e-12);
        }
    }

    /// Range, order in α, the bounds by 1 − p and −ln p, and the link to errors.
    #[test]
    fn range_order_and_error_link(p in 1e-12f64..1.0, alpha in alpha(), beta in alpha()) {
        let (f, g) = (LossObjective::new(alpha).unwrap(), LossObjective::new(beta).unwrap());
        let value = f.value(p);
        prop_assert!(value >= 0.0 && value <= f.range());
        if alpha <= beta {
            prop_assert!(value >= g.value(p) * (1.0 - 1e-12));
        }
        if alpha <= 1.0 {
            prop_assert!(value >= (1.0 - p) * (1.0 - 1e-12) && value <= -p.ln() * (1.0 + 1e-12));
        }
        // An argmax other than the right answer leaves it p ≤ ½.
        if p <= 0.5 {
            prop_assert!(f.error_constant() * value >= 1.0);
        }
        prop_assert!(f.weight(p) <= f.largest_weight());
    }
}

/// W*, c_α and c_α·W*: the table.
#[test]
fn constants_of_the_family() {
    let table = [(0.0, 1.0), (0.1, 0.7153), (0.5, 0.3849), (1.0, 0.25), (2.0, 0.1481), (10.0, 0.0350)];
    for (alpha, expected) in table {
        let f = LossObjective::new(alpha).unwrap();
        assert!((f.largest_weight() - expected).abs() <= 5e-5, "{alpha}: {}", f.largest_weight());
        if alpha > 0.0 {
            assert!((f.weight(f.peak()) - f.largest_weight()).abs() <= 1e-12);
        }
    }
    let product = |alpha: f64| {
        let f = LossObjective::new(alpha).unwrap();
        f.error_constant() * f.largest_weight()
    };
    for (alpha, expected) in [(0.0, 1.44), (0.1, 1.07), (0.5, 0.66), (1.0, 0.50), (2.0, 0.395), (5.7, 0.345)] {
        assert!((product(alpha) - expected).abs() <= 5.1e-3, "{alpha}: {}", product(alpha));
    }
    assert!(product(5.7) < product(4.5) && product(5.7) < product(7.0));
    assert!((product(1e6) - (-1f64).exp()).abs() < 1e-5);
    assert!((LossObjective::new(1.0).unwrap().error_constant() - 2.0).abs() < 1e-14);
    assert!((LossObjective::new(0.0).unwrap().error_constant() - 1.0 / 2f64.ln()).abs() < 1e-14);
    assert!(
        LossObjective::new(-1.0).is_none()
            && LossObjective::new(f64::NAN).is_none()
            && LossObjective::new(f64::INFINITY).is_none()
    );
}

/// The constants are attained (up to little) where p = p* and one competitor holds the rest.
#[test]
fn lipschitz_constants_are_sharp() {
    for alpha in [0.1, 1.0, 2.0] {
        let f = LossObjective::new(alpha).unwrap();
        let gap = (f.peak() / (1.0 - f.peak())).ln();
        let h = 1e-5;
        let slope = |dy: f64, dj: f64| {
            (f.of_logits(&[gap + h * dy, h * dj], 0) - f.of_logits(&[gap - h * dy, -h * dj], 0)).abs() / (2.0 * h)
        };
        assert!((slope(1.0, -1.0) - f.lipschitz(LogitNorm::Max)).abs() < 1e-8);
        assert!((slope(1.0, -1.0) / 2f64.sqrt() - f.lipschitz(LogitNorm::L2)).abs() < 1e-8);
        assert!((slope(1.0, 0.0) - f.lipschitz(LogitNorm::L1)).abs() < 1e-8);
    }
    // α = 0: W tends to 1 as p → 0.
    assert!((LossObjective::new(0.0).unwrap().weight(1e-12) - 1.0).abs() < 1e-11);
}

/// Stable at α → 0, p → 0 and p → 1.
#[test]
fn stable_at_the_ends() {
    let (zero, tiny, denormal) =
        (LossObjective::new(0.0).unwrap(), LossObjective::new(1e-8).unwrap(), LossObjective::new(1e-320).unwrap());
    for p in [1e-300, 1e-10, 0.3, 0.999_999] {
        let exact = -f64::ln(p);
        assert!((tiny.value(p) - exact).abs() <= 1e-5 * exact);
        assert!((denormal.value(p) - exact).abs() <= 1e-12 * exact && (zero.value(p) - exact).abs() <= 1e-15 * exact);
    }
    assert_eq!(zero.value(0.0), f64::INFINITY);
    assert_eq!(LossObjective::new(0.5).unwrap().value(0.0), 2.0);
    assert_eq!(LossObjective::new(0.5).unwrap().value(1.0), 0.0);
    // 1 − p far below the unit roundoff of p.
    let f = LossObjective::new(1.0).unwrap();
    let gradient = f.gradient(&[50.0, 0.0], 0);
    assert!((gradient[0] + (-50f64).exp()).abs() <= 1e-30 && f.of_logits(&[50.0, 0.0], 0) > 1e-22);
    // p underflows, −ln p does not.
    assert!((zero.of_logits(&[-2000.0, 0.0], 0) - 2000.0).abs() < 1e-9);
    assert!(f.gradient(&[-2000.0, 0.0], 0).iter().all(|g| g.is_finite()));
}

/// A threshold makes the loss jump: refused unless the mask is frozen.
#[test]
fn thresholded_losses_are_not_lipschitz() {
    let objective = LossObjective::new(0.5).unwrap();
    let cut = Thresholded { objective, threshold: 0.2 };
    assert_eq!(cut.value(0.2 - 1e-12), 0.0);
    assert!((cut.value(0.2) - cut.jump()).abs() < 1e-15 && cut.jump() > 1.0);
    assert_eq!(cut.lipschitz(LogitNorm::L2, false).unwrap_err().assumption, Assumption::FrozenMask);
    assert_eq!(cut.lipschitz(LogitNorm::L2, true).unwrap(), objective.lipschitz(LogitNorm::L2));
}

/// Through a linear probe z = Ax, f_α is Lipschitz in x with √2·W*·‖A‖.
#[test]
fn loss_is_lipschitz_through_a_linear_probe() {
    let random = &mut Random(3);
    let f = LossObjective::new(0.5).unwrap();
    for _ in 0..200 {
        let a: Vec<f64> = (0..12).map(|_| 2.0 * random.signed()).collect();
        let frobenius = a.iter().map(|x| x * x).sum::<f64>().sqrt();
        let of = |x: &[f64]| -> Vec<f64> {
            a.chunks_exact(3).map(|line| line.iter().zip(x).map(|(a, x)| a * x).sum()).collect()
        };
        let point = |random: &mut Random| -> Vec<f64> { (0..3).map(|_| random.signed()).collect() };
        let (x, y) = (point(random), point(random));
        let length = x.iter().zip(&y).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt();
        let bound = f.loss_lipschitz(frobenius).value() * length;
        assert!((f.of_logits(&of(&x), 1) - f.of_logits(&of(&y), 1)).abs() <= bound + 1e-12);
    }
}
