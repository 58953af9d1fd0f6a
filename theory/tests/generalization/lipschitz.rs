//! T1, T1b, T2, T9.

use kantor_theory::Weights;
use kantor_theory::generalization::cloud::Capacity;
use kantor_theory::generalization::lipschitz::{
    Carried, critical_lipschitz, gap, mean_loss, measured_gap, observed_lipschitz, reweighted_gap, truncate,
    truncated_gap, worst_case,
};
use kantor_theory::generalization::metric::chord_from_cosine;
use kantor_theory::generalization::{Assumption, Metric};
use kantor_theory::rounding::add_up;
use proptest::prelude::*;

use crate::support::{
    EPS, METRICS, Random, capped, certified, cloud, clouds, cones, costs, dim, mean, ot, points, transport, unit, w1,
    weighted,
};

const WHOLE: Capacity = Capacity { num: 1, den: 1 };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// T1: no L-Lipschitz loss violates it, with uniform weights or others, in any metric.
    #[test]
    fn t1_no_lipschitz_loss_violates_it(seed: u64, which in 0usize..3) {
        let random = &mut Random(seed);
        let (s, q) = clouds(random, METRICS[which], 7, 5);
        let lipschitz = 3.0 * unit(random);
        let floor = random.signed();
        let loss = cones(random, lipschitz, floor, METRICS[which], dim(&s));
        let (ls, lq) = (loss(&s), loss(&q));
        let bound = gap(lipschitz, certified(&s, &q)).value();
        prop_assert!((mean(&lq) - mean(&ls)).abs() <= bound + EPS);
        let weights = |random: &mut Random, n: usize| -> Vec<f64> {
            (0..n).map(|i| (random.below(4) + usize::from(i == 0)) as f64).collect()
        };
        let (a, b) = (weights(random, s.len()), weights(random, q.len()));
        let (rs, rq) = (mean_loss(&ls, Some(&a)).unwrap(), mean_loss(&lq, Some(&b)).unwrap());
        let w = weighted(&s, &q, Weights { subset: Some(a), query: Some(b) });
        prop_assert!((rq.0 - rs.1).abs() <= gap(lipschitz, w).value() + EPS);
    }

    /// T1, equality: the optimal dual potential is 1-Lipschitz and attains W₁.
    #[test]
    fn t1_is_attained_by_the_dual_potential(seed: u64, which in 0usize..3) {
        let random = &mut Random(seed);
        let (s, q) = clouds(random, METRICS[which], 6, 5);
        let pairs = s.pairs(&q).unwrap();
        let c = costs(&pairs);
        let (k, m) = pairs.shape();
        let (_, g) = transport(&c, &vec![m as u64; k], &vec![k as u64; m]);
        // l(x) = max_j (g_j − d(x, q_j)) is 1-Lipschitz, and at least g_j at q_j.
        let loss = |x: &kantor_theory::generalization::Cloud| -> Vec<f64> {
            costs(&x.pairs(&q).unwrap())
                .iter()
                .map(|line| line.iter().zip(&g).map(|(d, g)| g - d).fold(f64::NEG_INFINITY, f64::max))
                .collect()
        };
        let difference = mean(&loss(&q)) - mean(&loss(&s));
        prop_assert!((difference - w1(&c)).abs() <= EPS, "{difference} {}", w1(&c));
    }

    /// T1: translation costs its length, equal sets nothing, scaling scales, order and copies of all do not matter; in one
    /// dimension it is ∫|F − G|.
    #[test]
    fn t1_distance_behaves(seed: u64) {
        let random = &mut Random(seed);
        let (n, dim) = (1 + random.below(5), 1 + random.below(3));
        let x = points(random, n, dim);
        let shift = points(random, 1, dim);
        let moved: Vec<f64> = x.iter().enumerate().map(|(t, v)| v + shift[t % dim]).collect();
        let scaled: Vec<f64> = moved.iter().map(|v| 4.0 * v).collect();
        let a = cloud(Metric::Euclidean, dim, &x);
        let w = certified(&a, &cloud(Metric::Euclidean, dim, &moved));
        let length = shift.iter().map(|v| v * v).sum::<f64>().sqrt();
        prop_assert!((w.upper() - length).abs() <= EPS && w.upper() - w.lower() <= EPS);
        prop_assert_eq!(certified(&a, &a).upper(), 0.0);
        let four: Vec<f64> = x.iter().map(|v| 4.0 * v).collect();
        let w4 = certified(&cloud(Metric::Euclidean, dim, &four), &cloud(Metric::Euclidean, dim, &scaled));
        prop_assert!((w4.upper() - 4.0 * length).abs() <= EPS);
        let count = 1 + random.below(5);
        let y = points(random, count, dim);
        let b = cloud(Metric::Euclidean, dim, &y);
        let twice: Vec<f64> = x.iter().chain(&x).copied().collect();
        let reversed: Vec<f64> = x.chunks_exact(dim).rev().flatten().copied().collect();
        let plain = certified(&a, &b).upper();
        for other in [twice, reversed] {
            prop_assert!((certified(&cloud(Metric::Euclidean, dim, &other), &b).upper() - plain).abs() <= EPS);
        }
        if dim == 1 {
            let line = kantor_theory::generalization::lower::one_dimensional_up(&x, &y);
            prop_assert!((line - plain).abs() <= EPS);
        }
    }

    /// T1b: valid for losses in [0, B], never above L·W₁ nor B, concave and non-decreasing in L, equal to L·W₁ while
    /// L·D ≤ B; and min(d, τ) is a metric.
    #[test]
    fn t1b_truncation_only_helps(seed: u64, which in 0usize..3) {
        let random = &mut Random(seed);
        let (s, q) = clouds(random, METRICS[which], 6, 4);
        let pairs = s.pairs(&q).unwrap();
        let c = costs(&pairs);
        let w = certified(&s, &q);
        let range = 0.2 + unit(random);
        let at = |l: f64| {
            let cut: Vec<Vec<f64>> = c.iter().map(|line| line.iter().map(|&d| (l * d).min(range)).collect()).collect();
            let (_, plan) = capped(&cut, WHOLE);
            let up = pairs.capped_cost(&plan, WHOLE, |d| truncate(l, range, d)).unwrap();
            assert!((up - w1(&cut)).abs() <= EPS);
            truncated_gap(l, range, up).value()
        };
        let (l, step) = (4.0 * unit(random), unit(random));
        let (low, mid, high) = (at(l), at(l + step), at(l + 2.0 * step));
        prop_assert!(low <= gap(l, w).value() + EPS && low <= range);
        prop_assert!(low <= mid + EPS && mid <= high + EPS && low + high <= 2.0 * mid + EPS);
        let diameter = c.iter().flatten().fold(0.0f64, |a, &d| a.max(d));
        if l * diameter <= range {
            prop_assert!((low - gap(l, w).value()).abs() <= EPS);
        }
        let loss = cones(random, l, 0.0, METRICS[which], dim(&s));
        let cut = |v: Vec<f64>| v.into_iter().map(|x| x.min(range)).collect::<Vec<_>>();
        prop_assert!(mean(&cut(loss(&q))) - mean(&cut(loss(&s))) <= low + EPS);
        let (x, y, tau) = (unit(random), unit(random), unit(random));
        let z = random.signed().abs() * (x + y);
        prop_assert!(z.min(tau) <= x.min(tau) + y.min(tau) + 1e-15);
    }

    /// T2: the Voronoi weights attain c(Q→S) = min_w W₁(Q, S_w); the loss bound holds for them; c falls when S grows and
    /// ignores copies.
    #[test]
    fn t2_voronoi_weights_attain_the_chamfer_distance(seed: u64, which in 0usize..3) {
        let random = &mut Random(seed);
        let metric = METRICS[which];
        let (s, q) = clouds(random, metric, 6, 6);
        let chamfer = s.pairs(&q).unwrap().chamfer();
        let weights: Vec<f64> = chamfer.counts.iter().map(|&n| n as f64).collect();
        let w = weighted(&s, &q, Weights { subset: Some(weights.clone()), query: None });
        prop_assert!((w.upper() - chamfer.columns_to_rows.upper()).abs() <= EPS);
        let other: Vec<f64> = (0..s.len()).map(|i| (random.below(4) + usize::from(i == 0)) as f64).collect();
        let any = weighted(&s, &q, Weights { subset: Some(other), query: None });
        prop_assert!(any.upper() + EPS >= chamfer.columns_to_rows.lower());
        let lipschitz = 2.0 * unit(random);
        let loss = cones(random, lipschitz, 0.0, metric, dim(&s));
        let (ls, lq) = (loss(&s), loss(&q));
        let reweighted = mean_loss(&ls, Some(&weights)).unwrap().0;
        let bound = reweighted_gap(lipschitz, &chamfer);
        prop_assert!((mean(&lq) - reweighted).abs() <= bound.value() + EPS);
        prop_assert!(bound.assumptions().contains(&Assumption::BestWeights));
        let largest = |v: &[f64]| v.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        prop_assert!(largest(&lq) <= worst_case(lipschitz, &chamfer, largest(&ls)).value() + EPS);
        // Fewer rows are farther; copies change nothing.
        let part = s.part(0..1 + random.below(s.len())).unwrap();
        prop_assert!(part.pairs(&q).unwrap().chamfer().columns_to_rows.upper() + EPS >= chamfer.columns_to_rows.lower());
        let copies = s.part((0..s.len()).chain([0, 0])).unwrap();
        let again = copies.pairs(&q).unwrap().chamfer().columns_to_rows;
        prop_assert!((again.upper() - chamfer.columns_to_rows.upper()).abs() <= 1e-15);
    }

    /// T9: for any plan and any λ it holds for measured losses, Lipschitz or not; with the observed constant no mass fails.
    #[test]
    fn t9_holds_for_any_plan_and_any_losses(seed: u64, lambda in 0.0f64..4.0) {
        let random = &mut Random(seed);
        let (s, q) = clouds(random, Metric::Euclidean, 6, 5);
        let c = costs(&s.pairs(&q).unwrap());
        let (k, m) = (s.len(), q.len());
        let ls: Vec<f64> = (0..k).map(|_| unit(random)).collect();
        let lq: Vec<f64> = (0..m).map(|_| unit(random)).collect();
        let optimal = ot(&c, &vec![m as u64; k], &vec![k as u64; m]).1;
        let product = (0..k).flat_map(|i| (0..m).map(move |j| (i, j, 1))).collect();
        for plan in [optimal, product] {
            let carried: Vec<Carried> = plan
                .iter()
                .map(|&(i, j, mass)| Carried { mass, distance: c[i][j], subset_loss: ls[i], query_loss: lq[j] })
                .collect();
            let bound = measured_gap(lambda, 1.0, &carried);
            prop_assert!(mean(&lq) - mean(&ls) <= bound.value() + EPS);
            let enough = add_up(observed_lipschitz(&carried).value(), 1e-9);
            if enough.is_finite() {
                let exact = measured_gap(enough, 1.0, &carried);
                prop_assert!(exact.inputs().contains(&("failing mass", 0.0)));
            }
        }
    }

    /// The chord from 1 − cos: W₁(chord) ≤ √(2·OT of 1 − cos).
    #[test]
    fn chord_is_bounded_by_the_cosine_cost(seed: u64) {
        let random = &mut Random(seed);
        let (s, q) = clouds(random, Metric::Chord, 6, 5);
        let c = costs(&s.pairs(&q).unwrap());
        let cosine: Vec<Vec<f64>> = c.iter().map(|line| line.iter().map(|d| d * d / 2.0).collect()).collect();
        prop_assert!(certified(&s, &q).lower() <= chord_from_cosine(w1(&cosine)) + EPS);
    }
}

/// T2 is not for uniform weights: both chamfer distances and Hausdorff are 0 while W₁ is 0.8 and a loss differs by it.
#[test]
fn t2_counterexample_for_uniform_weights() {
    let q: Vec<f64> = [vec![0.0; 9], vec![1.0; 1]].concat();
    let s: Vec<f64> = [vec![0.0; 1], vec![1.0; 9]].concat();
    let (sc, qc) = (cloud(Metric::Euclidean, 1, &s), cloud(Metric::Euclidean, 1, &q));
    let chamfer = sc.pairs(&qc).unwrap().chamfer();
    assert_eq!((chamfer.columns_to_rows.upper(), chamfer.rows_to_columns.upper(), chamfer.hausdorff), (0.0, 0.0, 0.0));
    let w = certified(&sc, &qc);
    assert!((w.lower() - 0.8).abs() < 1e-12 && (w.upper() - 0.8).abs() < 1e-12);
    // l(x) = x is 1-Lipschitz; its gap is 0.8, which "L·c(Q→S) = 0" would deny.
    assert!((mean(&s) - mean(&q)).abs() > reweighted_gap(1.0, &chamfer).value() + 0.79);
}

/// W₁ is not monotone in S: adding a row can move the subset away.
#[test]
fn t2_distance_can_rise_when_rows_are_added() {
    let q = cloud(Metric::Euclidean, 1, &[0.0]);
    let few = certified(&cloud(Metric::Euclidean, 1, &[0.0]), &q);
    let more = certified(&cloud(Metric::Euclidean, 1, &[0.0, 1.0]), &q);
    assert!(few.upper() == 0.0 && more.lower() > 0.49);
}

#[test]
fn critical_constant_is_where_the_bound_stops_saying_anything() {
    let w = certified(&cloud(Metric::Euclidean, 1, &[0.0, 0.5]), &cloud(Metric::Euclidean, 1, &[1.0]));
    let critical = critical_lipschitz(1.0, 0.25, w, 0.0).value();
    assert!((critical - 1.0).abs() < 1e-12, "{critical}");
    assert!(0.25 + gap(critical * (1.0 - 1e-9), w).value() < 1.0);
    assert!(0.25 + gap(critical * (1.0 + 1e-9), w).value() > 1.0);
    assert_eq!(critical_lipschitz(1.0, 2.0, w, 0.0).value(), 0.0);
}
