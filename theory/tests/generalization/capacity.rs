//! T3.

use kantor_theory::generalization::capacity::{PathPoint, path_bound};
use kantor_theory::generalization::cloud::Capacity;
use kantor_theory::generalization::lipschitz::gap;
use kantor_theory::generalization::{Assumption, Metric};
use kantor_theory::{DenseRows, SparsePlan};
use proptest::prelude::*;

use crate::support::{EPS, METRICS, Random, capped, certified, clouds, cones, costs, dim, mean, unit, w1};

fn path(k: usize) -> Vec<Capacity> {
    // Quarters from 1 to k.
    (4..=4 * k as u64).map(|num| Capacity { num, den: 4 }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// T3: endpoints W₁ and chamfer; convex, non-increasing; the loss inequality for losses ≥ 0.
    #[test]
    fn t3_path_joins_distance_and_chamfer(seed: u64, which in 0usize..3) {
        let random = &mut Random(seed);
        let metric = METRICS[which];
        let (s, q) = clouds(random, metric, 5, 4);
        let pairs = s.pairs(&q).unwrap();
        let c = costs(&pairs);
        let points: Vec<PathPoint> = path(s.len())
            .into_iter()
            .map(|capacity| {
                let (value, plan) = capped(&c, capacity);
                let upper = pairs.capped_cost(&plan, capacity, |d| d).unwrap();
                assert!((upper - value).abs() <= EPS);
                PathPoint { capacity, upper }
            })
            .collect();
        let last = points.len() - 1;
        prop_assert!((points[0].upper - w1(&c)).abs() <= EPS);
        prop_assert!((points[last].upper - pairs.chamfer().columns_to_rows.upper()).abs() <= EPS);
        for three in points.windows(3) {
            prop_assert!(three[1].upper <= three[0].upper + EPS);
            prop_assert!(2.0 * three[1].upper <= three[0].upper + three[2].upper + EPS, "not convex");
        }
        let lipschitz = 3.0 * unit(random);
        let loss = cones(random, lipschitz, 0.0, metric, dim(&s));
        let (rs, rq) = (mean(&loss(&s)), mean(&loss(&q)));
        let bound = path_bound(lipschitz, rs, &points).unwrap();
        prop_assert!(rq <= bound.value() + EPS);
        prop_assert!(bound.value() <= rs + gap(lipschitz, certified(&s, &q)).value() + EPS, "λ = 1 is on the path");
        prop_assert!(bound.assumptions().contains(&Assumption::NonNegative));
    }
}

/// T3 needs l ≥ 0: with λ > 1 a negative loss violates the inequality.
#[test]
fn t3_counterexample_for_negative_losses() {
    let (s, q) =
        (crate::support::cloud(Metric::Euclidean, 1, &[0.0, 1.0]), crate::support::cloud(Metric::Euclidean, 1, &[0.0]));
    let pairs = s.pairs(&q).unwrap();
    let capacity = Capacity { num: 2, den: 1 };
    let (value, _) = capped(&costs(&pairs), capacity);
    assert!(value.abs() < EPS);
    // l = −1 everywhere: R_Q = −1 > 2·(−1) + 0.
    assert!(-1.0 > value - capacity.value());
    // The code does not take it: a negative R_S counts as none.
    let point = PathPoint { capacity, upper: value };
    assert!(path_bound(1.0, -1.0, &[point]).unwrap().value() >= 0.0);
}

/// A plan that takes more from a row than it may, or serves queries unequally, bounds nothing and is refused.
#[test]
fn capped_plans_are_checked() {
    let rows = DenseRows::from_f64(1, vec![0.0, 1.0]).unwrap();
    let s = kantor_theory::generalization::Cloud::new(Metric::Euclidean, &rows, 0..2).unwrap();
    let pairs = s.pairs(&s).unwrap();
    let plan = |entries: Vec<(usize, usize, u64)>| SparsePlan::new(entries).unwrap();
    let one = Capacity { num: 1, den: 1 };
    let all_from_first = plan(vec![(0, 0, 1), (0, 1, 1)]);
    assert_eq!(pairs.capped_cost(&all_from_first, one, |d| d).unwrap_err().rule, "capacity");
    assert!((pairs.capped_cost(&all_from_first, Capacity { num: 2, den: 1 }, |d| d).unwrap() - 0.5).abs() < EPS);
    assert_eq!(pairs.capped_cost(&plan(vec![(0, 0, 1)]), one, |d| d).unwrap_err().rule, "marginal");
    assert_eq!(pairs.capped_cost(&plan(vec![(0, 0, 1), (2, 1, 1)]), one, |d| d).unwrap_err().rule, "plan");
    assert_eq!(pairs.capped_cost(&plan(vec![]), one, |d| d).unwrap_err().rule, "marginal");
}
