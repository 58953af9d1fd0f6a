//! What selectors optimise, by looking at all subsets of small pools.

use kantor_theory::generalization::selectors::{OPTIMISES, assignment_excess, nearest_rows_bound, optimises};
use proptest::prelude::*;

use crate::support::{EPS, METRICS, Random, clouds, costs, ot, points, w1};
use kantor_theory::generalization::{Cloud, Metric};

fn subsets(n: usize, k: usize) -> Vec<Vec<usize>> {
    (0u32..1 << n)
        .filter(|b| b.count_ones() as usize == k)
        .map(|b| (0..n).filter(|i| b >> i & 1 == 1).collect())
        .collect()
}

fn part(c: &[Vec<f64>], rows: &[usize]) -> Vec<Vec<f64>> {
    rows.iter().map(|&i| c[i].clone()).collect()
}

/// Queries take turns; each takes its closest free row, ties to the lower row.
fn round_robin(c: &[Vec<f64>], k: usize) -> (Vec<usize>, f64) {
    let m = c[0].len();
    let mut free: Vec<usize> = (0..c.len()).collect();
    let (mut rows, mut cost) = (Vec::new(), 0.0);
    for turn in 0..k {
        let j = turn % m;
        let at = (0..free.len()).min_by(|&a, &b| c[free[a]][j].total_cmp(&c[free[b]][j])).unwrap();
        cost += c[free[at]][j] / k as f64;
        rows.push(free.remove(at));
    }
    (rows, cost)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// M | k: the best subset is a b-matching; round robin's assignment lies between W and the bound by nearest rows, and
    /// is optimal if the lists of nearest rows are disjoint.
    #[test]
    fn best_subset_is_a_matching_and_round_robin_lies_above(seed: u64, m in 1usize..4, share in 1usize..3) {
        let random = &mut Random(seed);
        let k = m * share;
        let n = k + random.below(4);
        let pool = crate::support::cloud(Metric::Euclidean, 2, &points(random, n, 2));
        let q = crate::support::cloud(Metric::Euclidean, 2, &points(random, m, 2));
        let c = costs(&pool.pairs(&q).unwrap());
        let best = subsets(n, k).iter().map(|rows| w1(&part(&c, rows))).fold(f64::INFINITY, f64::min);
        // Matching: each row once, each query k/M times, the rest unmatched at no cost.
        let lines: Vec<Vec<f64>> = c.iter().map(|line| line.iter().copied().chain([0.0]).collect()).collect();
        let mut demand = vec![share as u64; m];
        demand.push((n - k) as u64);
        let (matching, _) = ot(&lines, &vec![1; n], &demand);
        prop_assert!((best - matching * n as f64 / k as f64).abs() <= EPS);
        let (rows, cost) = round_robin(&c, k);
        let w = w1(&part(&c, &rows));
        let lists: Vec<Vec<f64>> = (0..m)
            .map(|j| {
                let mut column: Vec<f64> = c.iter().map(|line| line[j]).collect();
                column.sort_by(f64::total_cmp);
                column.truncate(share);
                column
            })
            .collect();
        let bound = nearest_rows_bound(&lists, k).unwrap();
        prop_assert!(bound <= best + EPS && best <= w + EPS && w <= cost + EPS);
        if let Some(excess) = assignment_excess(cost, bound) {
            prop_assert!(cost <= (1.0 + excess) * bound + EPS && w <= (1.0 + excess) * best + EPS);
        }
        let mut nearest: Vec<usize> = (0..m)
            .flat_map(|j| {
                let mut order: Vec<usize> = (0..n).collect();
                order.sort_by(|&a, &b| c[a][j].total_cmp(&c[b][j]));
                order.truncate(share);
                order
            })
            .collect();
        nearest.sort_unstable();
        nearest.dedup();
        if nearest.len() == k {
            prop_assert!((w - best).abs() <= EPS && (cost - bound).abs() <= EPS);
        }
    }

    /// Taking turns costs at most 2^k − 1 times the best assignment under a metric, one row or more a query.
    #[test]
    fn round_robin_has_its_factor_for_metrics_alone(seed: u64, m in 1usize..4, share in 1usize..3) {
        let random = &mut Random(seed);
        let k = m * share;
        let n = k + random.below(3);
        let (dim, metric) = (1 + random.below(2), METRICS[random.below(3)]);
        let pool = crate::support::cloud(metric, dim, &points(random, n, dim));
        let q = crate::support::cloud(metric, dim, &points(random, m, dim));
        let c = costs(&pool.pairs(&q).unwrap());
        let best = subsets(n, k).iter().map(|rows| w1(&part(&c, rows))).fold(f64::INFINITY, f64::min);
        prop_assert!(round_robin(&c, k).1 <= (2f64.powi(k as i32) - 1.0) * best + EPS);
        // Any other cost: the first query takes one of two rows that are alike to it, and the second pays any price.
        let price = 1e6 * random.signed().abs();
        let c = vec![vec![0.0, 0.0], vec![0.0, price]];
        prop_assert_eq!((2.0 * round_robin(&c, 2).1, w1(&c)), (price, 0.0));
    }

    /// W_p^p is convex in the subset's measure, whose mean over all k-subsets is the pool's; for any cost.
    #[test]
    fn a_random_subset_is_no_closer_in_the_mean_than_the_pool(seed: u64) {
        let random = &mut Random(seed);
        let (n, m) = (1 + random.below(7), 1 + random.below(4));
        let c: Vec<Vec<f64>> = (0..n).map(|_| (0..m).map(|_| random.signed()).collect()).collect();
        let k = 1 + random.below(n);
        let all: Vec<f64> = subsets(n, k).iter().map(|rows| w1(&part(&c, rows))).collect();
        prop_assert!(all.iter().sum::<f64>() / all.len() as f64 >= w1(&c) - EPS);
    }

    /// Mean similarity minimises the product coupling, doubly greedy c(S→Q), among all subsets.
    #[test]
    fn modular_selectors_are_exact_for_their_bounds(seed: u64) {
        let random = &mut Random(seed);
        let (pool, q): (Cloud, Cloud) = clouds(random, Metric::Euclidean, 7, 4);
        let c = costs(&pool.pairs(&q).unwrap());
        let k = 1 + random.below(c.len());
        let mean_cost = |i: &usize| c[*i].iter().sum::<f64>();
        let nearest = |i: &usize| c[*i].iter().copied().fold(f64::INFINITY, f64::min);
        for score in [&mean_cost as &dyn Fn(&usize) -> f64, &nearest] {
            let mut order: Vec<usize> = (0..c.len()).collect();
            order.sort_by(|a, b| score(a).total_cmp(&score(b)));
            let chosen: f64 = order[..k].iter().map(score).sum();
            let least = subsets(c.len(), k).iter().map(|rows| rows.iter().map(score).sum::<f64>()).fold(f64::INFINITY, f64::min);
            prop_assert!((chosen - least).abs() <= EPS);
        }
    }
}

/// Round robin's worst case for two queries: 3 + ε against 1 + ε.
#[test]
fn round_robin_worst_case_for_two() {
    // q = 0, 1; candidates 1 and −1 − ε.
    let epsilon = 0.01;
    let c = vec![vec![1.0, 0.0], vec![1.0 + epsilon, 2.0 + epsilon]];
    let (_, cost) = round_robin(&c, 2);
    let best = w1(&c);
    assert!((2.0 * cost - (3.0 + epsilon)).abs() < EPS && (2.0 * best - (1.0 + epsilon)).abs() < EPS);
}

#[test]
fn every_entry_is_found_by_name() {
    for entry in OPTIMISES {
        assert_eq!(optimises(entry.method), Some(entry));
    }
    assert!(optimises("no such method").is_none());
    assert!(nearest_rows_bound(&[vec![1.0]], 2).is_none() && nearest_rows_bound(&[], 2).is_none());
    assert!(assignment_excess(1.0, 0.0).is_none());
}
