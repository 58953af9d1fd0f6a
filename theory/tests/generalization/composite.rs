//! The main statement: its pieces, its order, and its coverage.

use kantor_theory::bounds::Interval;
use kantor_theory::generalization::capacity::PathPoint;
use kantor_theory::generalization::cloud::Capacity;
use kantor_theory::generalization::composite::{Constants, held_out, same_queries};
use kantor_theory::generalization::cross_fit::{Fold, fold_bounds, over_fitting};
use kantor_theory::generalization::domain::segments;
use kantor_theory::generalization::heldout::{held_out_distance, law_distance};
use kantor_theory::generalization::lipschitz::truncate;
use kantor_theory::generalization::{Assumption, Kind, Metric, MetricDistance, Theorem};

use crate::support::{EPS, Random, capped, cloud, cones, costs, mean, unit};

const X: Constants = Constants { lipschitz: 1.5, range: 1.0, diameter: 1.0, subset_loss: 0.1, delta: 0.1 };

fn distance(upper: f64) -> MetricDistance {
    MetricDistance::new(Interval { lower: Some(0.0), upper: Some(upper) }).unwrap()
}

fn grid() -> Vec<Capacity> {
    [4, 5, 6, 8, 12].map(|num| Capacity { num, den: 4 }).to_vec()
}

/// OT_λ under min(L·d, B) between numbers, on the grid.
fn path(subset: &[f64], queries: &[f64], x: &Constants) -> Vec<PathPoint> {
    let (s, q) = (cloud(Metric::Euclidean, 1, subset), cloud(Metric::Euclidean, 1, queries));
    let pairs = s.pairs(&q).unwrap();
    let cut: Vec<Vec<f64>> =
        costs(&pairs).iter().map(|line| line.iter().map(|&d| truncate(x.lipschitz, x.range, d)).collect()).collect();
    let point = |capacity| {
        let (_, plan) = capped(&cut, capacity);
        let upper = pairs.capped_cost(&plan, capacity, |d| truncate(x.lipschitz, x.range, d)).unwrap();
        PathPoint { capacity, upper }
    };
    grid().into_iter().map(point).collect()
}

/// Held-out queries: for Lipschitz losses in [0, B] the bound fails at most as often as δ.
#[test]
fn composite_covers_on_held_out_queries() {
    let random = &mut Random(21);
    let law: Vec<f64> = (0..32).map(|_| unit(random)).collect();
    let subset: Vec<f64> = (0..4).map(|_| unit(random)).collect();
    let (all, chosen) = (cloud(Metric::Euclidean, 1, &law), cloud(Metric::Euclidean, 1, &subset));
    let (runs, m) = (300, 6);
    let mut failed = 0;
    for _ in 0..runs {
        let loss = cones(random, X.lipschitz, 0.0, Metric::Euclidean, 1);
        let cut = |v: Vec<f64>| mean(&v.into_iter().map(|l| l.min(X.range)).collect::<Vec<_>>());
        let (truth, own) = (cut(loss(&all)), cut(loss(&chosen)));
        let queries: Vec<f64> = (0..m).map(|_| law[random.below(32)]).collect();
        let x = Constants { subset_loss: own, ..X };
        let bound = held_out(&x, &path(&subset, &queries, &x), m).unwrap();
        failed += usize::from(truth > bound.value() + EPS);
    }
    assert!(failed as f64 <= 30.0 + 4.0 * (300.0f64 * 0.09).sqrt(), "{failed}");
}

#[test]
fn composite_is_no_looser_than_its_parts() {
    let (subset, queries) = ([0.0, 0.2, 0.9], [0.1, 0.8]);
    let path = path(&subset, &queries, &X);
    let bound = held_out(&X, &path, 2).unwrap();
    let first = held_out(&X, &path[..1], 2).unwrap();
    // A longer grid pays ln|Λ|, and λ = 1 is on both.
    assert!(first.value() <= X.subset_loss + path[0].upper + (10f64.ln() / 4.0).sqrt() + EPS);
    assert!(bound.value() <= X.subset_loss + path[0].upper + (50f64.ln() / 4.0).sqrt() + EPS);
    assert_eq!((bound.kind(), bound.theorem()), (Kind::HighProbability(0.1), Theorem::Composite));
    for a in [Assumption::HeldOut, Assumption::NonNegative, Assumption::Bounded, Assumption::PriorDiameter] {
        assert!(bound.assumptions().contains(&a));
    }
    let law = law_distance(&[distance(0.05)], 1.0, 100, 0.1).unwrap();
    let same = same_queries(&X, &path, &law).unwrap();
    assert!(!same.assumptions().contains(&Assumption::HeldOut));
    assert!(same.value() <= X.subset_loss + path[0].upper + X.lipschitz * law.value() + EPS);
    assert!(held_out(&X, &[], 2).is_none() && same_queries(&X, &[], &law).is_none());
}

/// The two segments of the paper's Theorem 6.1.
#[test]
fn paper_segments_add_up() {
    let law = law_distance(&[distance(0.2)], 2.0, 50, 0.05).unwrap();
    let sum = segments(distance(0.3), &law);
    assert!(sum.value() >= 0.3 + law.value() && sum.value() <= 0.3 + law.value() + 1e-12);
    assert_eq!((sum.kind(), sum.theorem()), (law.kind(), Theorem::Paper61));
}

/// Folds share δ, and over-fitting is the mean difference of unseen and seen.
#[test]
fn cross_fit_shares_delta() {
    let fold = |seen, unseen| Fold { seen: distance(seen), unseen: distance(unseen), unseen_queries: 40 };
    let folds = [fold(0.4, 0.5), fold(0.3, 0.6)];
    let bounds = fold_bounds(&folds, 2.0, 0.1);
    let total: f64 = bounds
        .iter()
        .map(|b| match b.kind() {
            Kind::HighProbability(delta) => delta,
            _ => 1.0,
        })
        .sum();
    assert!(total <= 0.1 && total > 0.0999);
    assert!(bounds[0].value() >= held_out_distance(distance(0.5), 2.0, 40, 0.05).value());
    assert!((over_fitting(&folds).unwrap().value() - 0.2).abs() < 1e-12);
    assert_eq!(over_fitting(&folds).unwrap().kind(), Kind::Estimate);
    assert!(over_fitting(&[]).is_none());
}
