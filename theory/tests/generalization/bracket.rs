//! T5.

use kantor_theory::generalization::bracket::{entropic_excess, entropy_up, rounding_change, uniform_excess};
use proptest::prelude::*;

use crate::support::{EPS, METRICS, Random, clouds, costs, w1};

/// The entropic optimum by plain Sinkhorn iterations in logarithms, which may leave the rows' marginal wrong; both uniform.
fn sinkhorn(costs: &[Vec<f64>], epsilon: f64) -> Vec<Vec<f64>> {
    let (k, m) = (costs.len(), costs[0].len());
    let (mut f, mut g) = (vec![0.0; k], vec![0.0; m]);
    let lse = |values: &mut dyn Iterator<Item = f64>| {
        let values: Vec<f64> = values.collect();
        let top = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        top + values.iter().map(|v| (v - top).exp()).sum::<f64>().ln()
    };
    for _ in 0..3000 {
        for i in 0..k {
            f[i] = -epsilon * lse(&mut (0..m).map(|j| (g[j] - costs[i][j]) / epsilon - (m as f64).ln()));
        }
        for j in 0..m {
            g[j] = -epsilon * lse(&mut (0..k).map(|i| (f[i] - costs[i][j]) / epsilon - (k as f64).ln()));
        }
    }
    (0..k).map(|i| (0..m).map(|j| ((f[i] + g[j] - costs[i][j]) / epsilon).exp() / (k * m) as f64).collect()).collect()
}

fn cost(plan: &[Vec<f64>], costs: &[Vec<f64>]) -> f64 {
    plan.iter().zip(costs).flat_map(|(p, c)| p.iter().zip(c)).map(|(p, c)| p * c).sum()
}

/// ⟨C, π⟩ + ε·KL(π|a⊗b).
fn value(plan: &[Vec<f64>], costs: &[Vec<f64>], epsilon: f64) -> f64 {
    let product = 1.0 / (plan.len() * plan[0].len()) as f64;
    let kl: f64 = plan.iter().flatten().map(|&p| if p > 0.0 { p * (p / product).ln() } else { 0.0 }).sum();
    cost(plan, costs) + epsilon * kl
}

/// Rounds a plan to uniform marginals: rows scaled down, columns scaled down, the rest as a product.
fn round(plan: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let (k, m) = (plan.len(), plan[0].len());
    let mut plan = plan.to_vec();
    for line in &mut plan {
        let factor = (1.0 / k as f64 / line.iter().sum::<f64>()).min(1.0);
        line.iter_mut().for_each(|p| *p *= factor);
    }
    for j in 0..m {
        let factor = (1.0 / m as f64 / plan.iter().map(|line| line[j]).sum::<f64>()).min(1.0);
        plan.iter_mut().for_each(|line| line[j] *= factor);
    }
    let rows: Vec<f64> = plan.iter().map(|line| 1.0 / k as f64 - line.iter().sum::<f64>()).collect();
    let columns: Vec<f64> = (0..m).map(|j| 1.0 / m as f64 - plan.iter().map(|line| line[j]).sum::<f64>()).collect();
    let left: f64 = rows.iter().sum();
    if left > 0.0 {
        for (line, r) in plan.iter_mut().zip(&rows) {
            line.iter_mut().zip(&columns).for_each(|(p, c)| *p += r * c / left);
        }
    }
    plan
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// T5: the entropic optimum is above the transport value by at most ε·min(H(a), H(b)); rounding moves it by at most
    /// 2(r + c)·max C; any dual made feasible is below.
    #[test]
    fn t5_bracket_contains_the_exact_value(seed: u64, which in 0usize..3, log in -1.5f64..1.0) {
        let random = &mut Random(seed);
        let (s, q) = clouds(random, METRICS[which], 5, 4);
        let c = costs(&s.pairs(&q).unwrap());
        let (k, m) = (s.len(), q.len());
        let epsilon = 10f64.powf(log);
        let exact = w1(&c);
        let plan = sinkhorn(&c, epsilon);
        let room = entropic_excess(epsilon, &vec![1.0 / k as f64; k], &vec![1.0 / m as f64; m]);
        // A plan with right columns whose rows miss r in all has the dual value up to r times the largest potential.
        let largest = c.iter().flatten().copied().fold(0.0, f64::max);
        let missed: f64 = plan.iter().map(|line| (line.iter().sum::<f64>() - 1.0 / k as f64).abs()).sum();
        let slack = rounding_change(missed, 0.0, largest) + EPS;
        prop_assert!(cost(&plan, &c) >= exact - slack && cost(&plan, &c) <= exact + room + slack);
        prop_assert!(value(&plan, &c, epsilon) <= exact + room + slack);
        // An unfinished plan, rounded.
        let rough: Vec<Vec<f64>> = plan.iter().map(|line| line.iter().map(|p| p * (1.0 + 0.3 * random.signed())).collect()).collect();
        let rows: f64 = rough.iter().map(|line| (line.iter().sum::<f64>() - 1.0 / k as f64).abs()).sum();
        let columns: f64 = (0..m).map(|j| (rough.iter().map(|line| line[j]).sum::<f64>() - 1.0 / m as f64).abs()).sum();
        let rounded = round(&rough);
        prop_assert!(cost(&rounded, &c) >= exact - EPS);
        prop_assert!((cost(&rounded, &c) - cost(&rough, &c)).abs() <= rounding_change(rows, columns, largest) + EPS);
        // Any dual, made feasible.
        let g: Vec<f64> = (0..m).map(|_| random.signed()).collect();
        let f = c.iter().map(|line| line.iter().zip(&g).map(|(c, g)| c - g).fold(f64::INFINITY, f64::min));
        prop_assert!(g.iter().sum::<f64>() / m as f64 + f.sum::<f64>() / k as f64 <= exact + EPS);
    }
}

/// T5: the Sinkhorn divergence is no upper bound of W₁, which is 1 here; it falls to ½·energy distance.
#[test]
fn t5_sinkhorn_divergence_is_not_an_upper_bound() {
    for (epsilon, expected) in [(0.01, 0.997), (0.1, 0.965), (1.0, 0.717), (10.0, 0.525), (1000.0, 0.500)] {
        let between = vec![vec![1.0, 1.0]];
        let within = vec![vec![0.0, 2.0], vec![2.0, 0.0]];
        let ot = |c: &[Vec<f64>]| value(&sinkhorn(c, epsilon), c, epsilon);
        let divergence = ot(&between) - 0.5 * ot(&within);
        assert!((divergence - expected).abs() < 6e-4, "{epsilon}: {divergence}");
        assert!(divergence < w1(&between));
        assert!((ot(&within) - 0.5 * ot(&within) - 0.5 * ot(&within)).abs() < 1e-12, "zero for equal measures");
    }
}

#[test]
fn t5_entropy_of_uniform_weights() {
    for n in [1usize, 2, 7, 100] {
        let entropy = entropy_up(&vec![1.0 / n as f64; n]);
        let weights = |n: usize| vec![1.0 / n as f64; n];
        let excess = entropic_excess(0.5, &weights(n), &weights(9));
        assert!((uniform_excess(0.5, n, 9).value() - excess).abs() < 1e-12);
        assert!(entropy >= (n as f64).ln() - 1e-15 && entropy <= (n as f64).ln() + 1e-12);
    }
    assert_eq!(entropy_up(&[1.0, 0.0]), 0.0);
}
