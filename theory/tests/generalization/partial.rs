//! T4.

use kantor_theory::generalization::cloud::Capacity;
use kantor_theory::generalization::lipschitz::{gap, truncate};
use kantor_theory::generalization::partial::{partial_plan_cost, partial_plan_gap, pinsker};
use proptest::prelude::*;

use crate::support::{EPS, METRICS, Random, capped, certified, clouds, cones, costs, dim, mean, ot, transport, unit};

/// Cost and the L¹ deviations of a plan's marginals from uniform weights.
fn marginals(plan: &[Vec<f64>], costs: &[Vec<f64>]) -> (f64, f64, f64) {
    let (k, m) = (plan.len(), plan[0].len());
    let cost = plan.iter().zip(costs).flat_map(|(p, c)| p.iter().zip(c)).map(|(p, c)| p * c).sum();
    let rows = plan.iter().map(|line| (line.iter().sum::<f64>() - 1.0 / k as f64).abs()).sum();
    let columns = (0..m).map(|j| (plan.iter().map(|line| line[j]).sum::<f64>() - 1.0 / m as f64).abs()).sum();
    (cost, rows, columns)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// T4: any non-negative plan gives a bound; the empty one gives B, the exact one T1.
    #[test]
    fn t4_any_plan_certifies(seed: u64, which in 0usize..3) {
        let random = &mut Random(seed);
        let metric = METRICS[which];
        let (s, q) = clouds(random, metric, 5, 5);
        let c = costs(&s.pairs(&q).unwrap());
        let (k, m) = (s.len(), q.len());
        let lipschitz = 2.0 * unit(random);
        let floor = random.signed();
        let loss = cones(random, lipschitz, floor, metric, dim(&s));
        let (ls, lq) = (loss(&s), loss(&q));
        let all = || ls.iter().chain(&lq).copied();
        let range = all().fold(f64::NEG_INFINITY, f64::max) - all().fold(f64::INFINITY, f64::min);
        let scale = 2.0 * unit(random) / (k * m) as f64;
        let any: Vec<Vec<f64>> = (0..k).map(|_| (0..m).map(|_| scale * unit(random)).collect()).collect();
        let (cost, rows, columns) = marginals(&any, &c);
        let truth = (mean(&lq) - mean(&ls)).abs();
        prop_assert!(truth <= partial_plan_gap(lipschitz, range, cost, columns, rows).value() + EPS);
        let nothing = partial_plan_gap(lipschitz, range, 0.0, 1.0, 1.0).value();
        prop_assert!((nothing - range).abs() <= EPS);
        let (value, _) = ot(&c, &vec![m as u64; k], &vec![k as u64; m]);
        let exact = partial_plan_gap(lipschitz, range, value, 0.0, 0.0).value();
        prop_assert!((exact - gap(lipschitz, certified(&s, &q)).value()).abs() <= EPS);
    }

    /// T4: a plan of W₁ without its longest entries, paid for by the mass that they carried.
    #[test]
    fn t4_holds_without_the_longest_entries(seed: u64, which in 0usize..3) {
        let random = &mut Random(seed);
        let metric = METRICS[which];
        let (s, q) = clouds(random, metric, 5, 5);
        let pairs = s.pairs(&q).unwrap();
        let c = costs(&pairs);
        let (value, plan) = capped(&c, Capacity { num: 1, den: 1 });
        let limit = 2.0 * unit(random);
        let (cost, missing) = pairs.without_longer(&plan, limit).unwrap();
        prop_assert!(cost <= value + EPS && missing <= 1.0);
        let lipschitz = 2.0 * unit(random);
        let floor = random.signed();
        let loss = cones(random, lipschitz, floor, metric, dim(&s));
        let (ls, lq) = (loss(&s), loss(&q));
        let all = || ls.iter().chain(&lq).copied();
        let range = all().fold(f64::NEG_INFINITY, f64::max) - all().fold(f64::INFINITY, f64::min);
        let truth = (mean(&lq) - mean(&ls)).abs();
        prop_assert!(truth <= partial_plan_gap(lipschitz, range, cost, missing, missing).value() + EPS);
        prop_assert_eq!(partial_plan_cost(cost, missing).value(), cost);
        let (all_of_it, nothing) = pairs.without_longer(&plan, f64::INFINITY).unwrap();
        prop_assert!((all_of_it - value).abs() <= EPS && nothing == 0.0);
    }

    /// T4 and T1b: the best partial plan gives exactly the truncated transport.
    #[test]
    fn t4_best_partial_plan_is_the_truncated_metric(seed: u64) {
        let random = &mut Random(seed);
        let (s, q) = clouds(random, METRICS[0], 4, 4);
        let pairs = s.pairs(&q).unwrap();
        let c = costs(&pairs);
        let (k, m) = pairs.shape();
        let (lipschitz, range) = (2.0 * unit(random), 0.1 + unit(random));
        // What is not carried costs B/2 at both ends, hence B: a dummy row and a dummy query at B/2 each, free of each other.
        let mut lines: Vec<Vec<f64>> =
            c.iter().map(|line| line.iter().map(|d| lipschitz * d).chain([range / 2.0]).collect()).collect();
        lines.push(vec![range / 2.0; m].into_iter().chain([0.0]).collect());
        let mut supply = vec![m as u64; k];
        let mut demand = vec![k as u64; m];
        supply.push((k * m) as u64);
        demand.push((k * m) as u64);
        let (plan, _) = transport(&lines, &supply, &demand);
        let best: f64 = plan.iter().map(|&(i, j, x)| x as f64 / (k * m) as f64 * lines[i][j]).sum();
        let cut: Vec<Vec<f64>> = c.iter().map(|line| line.iter().map(|&d| truncate(lipschitz, range, d)).collect()).collect();
        let (truncated, _) = capped(&cut, Capacity { num: 1, den: 1 });
        prop_assert!((best - truncated).abs() <= EPS, "{} {}", best, truncated);
    }

    /// Generalised Pinsker, for measures of any mass.
    #[test]
    fn t4_generalised_pinsker(seed: u64) {
        let random = &mut Random(seed);
        let n = 1 + random.below(6);
        let scale = 10f64.powi(random.below(5) as i32 - 2);
        let x: Vec<f64> = (0..n).map(|_| scale * unit(random)).collect();
        let y: Vec<f64> = (0..n).map(|_| unit(random) + 1e-6).collect();
        let kl: f64 = x.iter().zip(&y).map(|(&x, &y)| if x > 0.0 { x * (x / y).ln() - x + y } else { y }).sum();
        let distance: f64 = x.iter().zip(&y).map(|(x, y)| (x - y).abs()).sum();
        prop_assert!(distance <= pinsker(x.iter().sum(), y.iter().sum(), kl) + EPS);
        // For probabilities it is √(2KL).
        prop_assert!((pinsker(1.0, 1.0, kl.abs()) - (2.0 * kl.abs()).sqrt()).abs() <= EPS);
    }
}

/// Near x = y the constant of Pinsker is attained, so it cannot be improved.
#[test]
fn t4_pinsker_is_sharp() {
    let (x, y) = ([0.5 + 1e-4, 0.5 - 1e-4], [0.5, 0.5]);
    let kl: f64 = x.iter().zip(&y).map(|(x, y): (&f64, &f64)| x * (x / y).ln() - x + y).sum();
    assert!(2e-4 / pinsker(1.0, 1.0, kl) > 0.9999);
}

/// The value of an unbalanced problem alone bounds nothing: it goes to zero with ρ while W₁ stays 1.
#[test]
fn t4_value_of_unbalanced_transport_is_no_bound() {
    // One row at 0, one query at 1; carrying mass t costs t + 2ρ·KL(t|1); t = e^{−1/(2ρ)} is optimal.
    for (rho, largest) in [(1.0, 0.8), (0.1, 0.2), (0.001, 0.002_1)] {
        let t = f64::exp(-1.0 / (2.0 * rho));
        let value = t + 2.0 * rho * (if t > 0.0 { t * t.ln() } else { 0.0 } - t + 1.0);
        assert!(value < largest && value < 1.0, "{rho}: {value}");
        // With the marginals of its plan it bounds again.
        assert!(partial_plan_gap(1.0, 1.0, t, 1.0 - t, 1.0 - t).value() >= 1.0 - EPS);
    }
}
