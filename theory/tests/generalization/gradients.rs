//! T8, T8b.

use kantor_theory::generalization::gradients::{
    concatenate, descent, loss_change_gap, relative_matching_error, require_raw,
};
use kantor_theory::generalization::lower::{mean_difference, mean_norm};
use kantor_theory::generalization::{Assumption, Metric};
use proptest::prelude::*;

use crate::support::{EPS, Random, certified, cloud, mean, points};

/// Logistic loss of labelled rows (last coordinate: label ±1) and its gradient.
fn logistic(theta: &[f64], row: &[f64]) -> (f64, Vec<f64>) {
    let (x, y) = (&row[..theta.len()], row[theta.len()]);
    let margin = y * theta.iter().zip(x).map(|(t, x)| t * x).sum::<f64>();
    let weight = -y / (1.0 + margin.exp());
    ((-margin).exp().ln_1p(), x.iter().map(|x| weight * x).collect())
}

fn rows(random: &mut Random, n: usize, d: usize) -> Vec<Vec<f64>> {
    (0..n)
        .map(|_| {
            let mut row = points(random, 1, d);
            row.push(if random.below(2) == 0 { 1.0 } else { -1.0 });
            row
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    /// T8 on logistic regression, β ≤ max‖x‖²/4: the losses on Q and S change alike up to ‖Δ‖·mismatch + β‖Δ‖², and the mean
    /// gradient mismatch is at most the W₁ of the gradients. T8b: one step on S lowers the loss on Q by what it promises.
    #[test]
    fn t8_and_t8b_hold_for_logistic_regression(seed: u64) {
        let random = &mut Random(seed);
        let d = 1 + random.below(3);
        let (k, m) = (1 + random.below(6), 1 + random.below(5));
        let (s, q) = (rows(random, k, d), rows(random, m, d));
        let start = points(random, 1, d);
        let beta = s.iter().chain(&q).map(|r| r[..d].iter().map(|x| x * x).sum::<f64>()).fold(0.0, f64::max) / 4.0;
        let gradients = |data: &[Vec<f64>]| cloud(Metric::Euclidean, d, &data.iter().flat_map(|r| logistic(&start, r).1).collect::<Vec<_>>());
        let (gs, gq) = (gradients(&s), gradients(&q));
        let mismatch = mean_difference(&gs, &gq).unwrap();
        let w = certified(&gs, &gq);
        prop_assert!(mismatch.lower <= w.upper());
        let risk = |data: &[Vec<f64>], theta: &[f64]| mean(&data.iter().map(|r| logistic(theta, r).0).collect::<Vec<_>>());
        let step: Vec<f64> = points(random, 1, d).iter().map(|x| 2.0 * x).collect();
        let end: Vec<f64> = start.iter().zip(&step).map(|(a, b)| a + b).collect();
        let length = step.iter().map(|x| x * x).sum::<f64>().sqrt();
        let difference = (risk(&q, &end) - risk(&q, &start)) - (risk(&s, &end) - risk(&s, &start));
        let bound = loss_change_gap(length, mismatch.upper, beta);
        prop_assert!(difference.abs() <= bound.value() + EPS);
        prop_assert!(bound.value() <= loss_change_gap(length, w.upper(), beta).value() + EPS);

        let eta = 1.0 / beta.max(1e-3);
        let mut g = vec![0.0; d];
        for r in &s {
            g.iter_mut().zip(logistic(&start, r).1).for_each(|(g, x)| *g += x / k as f64);
        }
        let stepped: Vec<f64> = start.iter().zip(&g).map(|(t, g)| t - eta * g).collect();
        let promised = descent(eta, mismatch, mean_norm(&gq));
        prop_assert!(risk(&q, &stepped) <= risk(&q, &start) - promised.value() + EPS);
        let r = relative_matching_error(mismatch, mean_norm(&gq)).value();
        prop_assert_eq!(r < 1.0, promised.value() > 0.0);
    }

    /// Joining checkpoints scaled by √η makes the inner product the η-weighted sum; scaling by η does not.
    #[test]
    fn checkpoints_join_by_roots_of_rates(seed: u64) {
        let random = &mut Random(seed);
        let (d, t) = (1 + random.below(4), 1 + random.below(3));
        let (a, b) = (points(random, t, d), points(random, t, d));
        let rates: Vec<f64> = (0..t).map(|_| random.signed().abs()).collect();
        let of = |x: &[f64], rates: &[f64]| concatenate(&x.chunks_exact(d).collect::<Vec<_>>(), rates);
        let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
        let weighted: f64 = (0..t).map(|i| rates[i] * dot(&a[i * d..(i + 1) * d], &b[i * d..(i + 1) * d])).sum();
        prop_assert!((dot(&of(&a, &rates), &of(&b, &rates)) - weighted).abs() <= EPS);
        let squared: Vec<f64> = rates.iter().map(|r| r * r).collect();
        let wrong: f64 = (0..t).map(|i| squared[i] * dot(&a[i * d..(i + 1) * d], &b[i * d..(i + 1) * d])).sum();
        prop_assert!((dot(&of(&a, &squared), &of(&b, &squared)) - wrong).abs() <= EPS);
    }
}

/// T8b, equality: R = β‖θ‖²/2 and η = 1/β, whatever S says.
#[test]
fn t8b_equality_for_a_quadratic() {
    let beta = 2.0;
    let theta = [0.6, -0.8];
    let gq = [beta * theta[0], beta * theta[1]];
    let gs = [1.0, 0.5];
    let risk = |t: &[f64]| beta * t.iter().map(|x| x * x).sum::<f64>() / 2.0;
    let stepped: Vec<f64> = theta.iter().zip(&gs).map(|(t, g)| t - g / beta).collect();
    let (a, b) = (cloud(Metric::Euclidean, 2, &gs), cloud(Metric::Euclidean, 2, &gq));
    let promised = descent(1.0 / beta, mean_difference(&a, &b).unwrap(), mean_norm(&b)).value();
    assert!((risk(&theta) - risk(&stepped) - promised).abs() < 1e-12);
}

/// T8 breaks for normalised gradients: g_q = 10u and g_s = u are at distance 0 once normalised, and losses fall by
/// different amounts. Rows of one length are refused.
#[test]
fn t8_counterexample_for_normalised_gradients() {
    let (q, s) = (cloud(Metric::Chord, 2, &[10.0, 0.0]), cloud(Metric::Chord, 2, &[1.0, 0.0]));
    assert!(certified(&s, &q).upper() < 1e-12);
    let step: f64 = 0.1;
    // Linear losses, β = 0: changes 10·‖Δ‖ and ‖Δ‖ differ by 9·‖Δ‖, which "‖Δ‖·0" would deny.
    assert!((10.0 * step - step).abs() > loss_change_gap(step, certified(&s, &q).upper(), 0.0).value() + 8.0 * step);
    let raw = (cloud(Metric::Euclidean, 2, &[10.0, 0.0]), cloud(Metric::Euclidean, 2, &[1.0, 0.0]));
    assert!(9.0 * step <= loss_change_gap(step, mean_difference(&raw.0, &raw.1).unwrap().upper, 0.0).value());
    assert_eq!(require_raw(&[1.0, 1.0, 0.9999]).unwrap_err().assumption, Assumption::RawGradients);
    assert!(require_raw(&[1.0, 0.5]).is_ok() && require_raw(&[1.0]).is_ok());
}
