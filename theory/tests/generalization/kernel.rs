//! T14.

use kantor_theory::generalization::kernel::{
    frank_wolfe_gap, gaussian_mean, herding_rate, mmd_gap, mmd_one_sample, mmd_squared, smoothing_cost,
};
use kantor_theory::generalization::{Assumption, Metric};
use proptest::prelude::*;

use crate::support::{EPS, METRICS, Random, certified, cloud, clouds, costs, mean, points, unit};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// T14: losses of the kernel's space differ by at most norm times MMD.
    #[test]
    fn t14_losses_in_the_space_obey_it(seed: u64) {
        let random = &mut Random(seed);
        let (s, q) = clouds(random, METRICS[0], 6, 5);
        let sigma = 0.2 + unit(random);
        let pairs = [s.pairs(&q).unwrap(), s.pairs(&s).unwrap(), q.pairs(&q).unwrap()];
        let [between, a, b] = pairs.each_ref().map(|p| gaussian_mean(p, sigma));
        let mmd = mmd_squared(between, a, b).sqrt();
        // l = Σ c_r k(·, z_r) with the z_r among the queries: ‖l‖² = cᵀKc.
        let kernel = |p: &kantor_theory::generalization::Pairs<'_>| -> Vec<Vec<f64>> {
            costs(p).iter().map(|line| line.iter().map(|d| (-d * d / (2.0 * sigma * sigma)).exp()).collect()).collect()
        };
        let c: Vec<f64> = (0..q.len()).map(|_| random.signed()).collect();
        let of = |k: &[Vec<f64>]| -> Vec<f64> { k.iter().map(|line| line.iter().zip(&c).map(|(k, c)| k * c).sum()).collect() };
        let gram = kernel(&pairs[2]);
        let (ls, lq) = (of(&kernel(&pairs[0])), of(&gram));
        let norm = lq.iter().zip(&c).map(|(l, c)| l * c).sum::<f64>().max(0.0).sqrt();
        let bound = mmd_gap(norm, mmd);
        prop_assert!((mean(&lq) - mean(&ls)).abs() <= bound.value() + 1e-7);
        prop_assert!(bound.assumptions().contains(&Assumption::InRkhs));
    }

    /// T14, herding with repeats towards a mean in the hull: MMD ≤ R/√k for every k.
    #[test]
    fn t14_herding_rate_holds_inside_the_hull(seed: u64) {
        let random = &mut Random(seed);
        let n = 2 + random.below(6);
        let x = points(random, n, 2);
        let gram: Vec<Vec<f64>> = (0..n)
            .map(|i| (0..n).map(|j| {
                let d: f64 = (0..2).map(|t| (x[2 * i + t] - x[2 * j + t]).powi(2)).sum();
                (-d / 0.5).exp()
            }).collect())
            .collect();
        let weights: Vec<f64> = (0..n).map(|_| unit(random) + 0.01).collect();
        let total: f64 = weights.iter().sum();
        let target: Vec<f64> = gram.iter().map(|line| line.iter().zip(&weights).map(|(g, w)| g * w / total).sum()).collect();
        let norm: f64 = target.iter().zip(&weights).map(|(t, w)| t * w / total).sum();
        let radius = (0..n).map(|i| (gram[i][i] - 2.0 * target[i] + norm).max(0.0).sqrt()).fold(0.0, f64::max);
        let mut chosen = vec![0.0; n];
        for k in 1..=40usize {
            // argmax ⟨w_t, φ(x)⟩, w_t = t·μ − Σ φ(x_s).
            let score = |i: usize| k as f64 * target[i] - (0..n).map(|j| chosen[j] * gram[i][j]).sum::<f64>();
            let best = (0..n).max_by(|&a, &b| score(a).total_cmp(&score(b))).unwrap();
            chosen[best] += 1.0;
            let p: Vec<f64> = chosen.iter().map(|c| c / k as f64).collect();
            let inner = |u: &[f64]| -> f64 { u.iter().enumerate().map(|(i, u)| u * gram[i].iter().zip(&p).map(|(g, p)| g * p).sum::<f64>()).sum() };
            let mmd2 = inner(&p) - 2.0 * p.iter().zip(&target).map(|(p, t)| p * t).sum::<f64>() + norm;
            prop_assert!(mmd2.max(0.0).sqrt() <= herding_rate(radius, k) + 1e-7);
        }
    }

    /// Smoothing the queries with noise moves them by at most its mean length in W₁.
    #[test]
    fn t14_smoothing_costs_its_bandwidth(seed: u64) {
        let random = &mut Random(seed);
        let n = 1 + random.below(6);
        let x = points(random, n, 2);
        let z = points(random, n, 2);
        let h = unit(random);
        let moved: Vec<f64> = x.iter().zip(&z).map(|(x, z)| x + h * z).collect();
        let length = z.chunks(2).map(|z| (z[0] * z[0] + z[1] * z[1]).sqrt()).sum::<f64>() / n as f64;
        let w = certified(&cloud(Metric::Euclidean, 2, &x), &cloud(Metric::Euclidean, 2, &moved));
        prop_assert!(w.lower() <= smoothing_cost(h, length) + EPS);
    }
}

#[test]
fn t14_one_sample_table() {
    let row = [(8, 1.22), (16, 0.86), (70, 0.41), (81, 0.38), (100, 0.35), (500, 0.15), (10_000, 0.03)];
    for (n, expected) in row {
        let value = mmd_one_sample(1.0, n, 0.05).value();
        assert!((value - expected).abs() <= 0.006, "{n}: {value}");
    }
    assert!((frank_wolfe_gap(4.0, 6) - 1.0).abs() < 1e-12 && frank_wolfe_gap(4.0, 100) < frank_wolfe_gap(4.0, 10));
}

/// ‖l‖² in the space of the Gaussian kernel of bandwidth `narrow` ≤ `wide`, for l = Σ c_r k_wide(·, y_r): every wide bump is a Gaussian mixture of
/// narrow ones.
fn norm_in_narrower(y: &[f64], c: &[f64], dim: usize, wide: f64, narrow: f64) -> f64 {
    let spread = 2.0 * wide * wide - narrow * narrow;
    let factor = (wide / narrow).powi(2 * dim as i32) * (narrow * narrow / spread).powf(0.5 * dim as f64);
    let inner = |a: &[f64], b: &[f64]| {
        let squared: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
        factor * (-squared / (2.0 * spread)).exp()
    };
    let rows: Vec<&[f64]> = y.chunks_exact(dim).collect();
    let line = |(a, c_a): (&&[f64], &f64)| c_a * rows.iter().zip(c).map(|(b, c_b)| c_b * inner(a, b)).sum::<f64>();
    rows.iter().zip(c).map(line).sum()
}

/// T14: a narrower kernel's space holds that of a wider one, with norms at most (σ/σ')^(d/2) times as great; broad functions attain that.
#[test]
fn t14_narrow_kernels_see_wide_bumps() {
    for seed in 0..200 {
        let random = &mut Random(seed);
        let (dim, count) = (1 + random.below(3), 1 + random.below(6));
        let wide = 0.2 + unit(random);
        let narrow = wide * (0.2 + 0.8 * unit(random));
        let y: Vec<f64> = (0..count * dim).map(|_| random.signed()).collect();
        let c: Vec<f64> = (0..count).map(|_| random.signed()).collect();
        let own = norm_in_narrower(&y, &c, dim, wide, wide);
        let most = (wide / narrow).powi(dim as i32) * own;
        let found = norm_in_narrower(&y, &c, dim, wide, narrow);
        assert!(found <= most * (1.0 + 1e-9), "{own} {found} {most}");
    }
    let y: Vec<f64> = (0..1000).map(|at| 0.1 * f64::from(at)).collect();
    let (own, found) =
        (norm_in_narrower(&y, &[1.0; 1000], 1, 1.0, 1.0), norm_in_narrower(&y, &[1.0; 1000], 1, 1.0, 0.25));
    assert!(found > 3.9 * own, "{found} {own}");
}
