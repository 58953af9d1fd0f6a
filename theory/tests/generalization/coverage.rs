//! Every statement with high probability is drawn again and again: it fails at most as often as it says.

use kantor_theory::bounds::Interval;
use kantor_theory::generalization::heldout::{
    HeldOutLosses, bernstein_term, clopper_pearson, deviation, held_out_distance, law_distance, same_queries_distance,
    weighted_deviation,
};
use kantor_theory::generalization::kernel::mmd_one_sample;
use kantor_theory::generalization::lower::one_dimensional_up;
use kantor_theory::generalization::{Bound, Kind, MetricDistance};

use crate::support::{EPS, Random, unit};

const DELTA: f64 = 0.1;
const RUNS: usize = 1500;

/// Violations allowed: δ·RUNS and four standard deviations.
fn allowed() -> f64 {
    let n = RUNS as f64;
    DELTA * n + 4.0 * (n * DELTA * (1.0 - DELTA)).sqrt()
}

/// A law on a few numbers in [0, 1], with masses in 64ths, as a multiset.
fn law(random: &mut Random) -> Vec<f64> {
    let support: Vec<f64> = (0..5).map(|_| unit(random)).collect();
    let pick = |random: &mut Random| {
        let first = 1 + random.below(5);
        support[random.below(first)]
    };
    (0..64).map(|_| pick(random)).collect()
}

fn draw(random: &mut Random, law: &[f64], n: usize) -> Vec<f64> {
    (0..n).map(|_| law[random.below(law.len())]).collect()
}

fn distance(a: &[f64], b: &[f64]) -> MetricDistance {
    let w = one_dimensional_up(a, b);
    MetricDistance::new(Interval { lower: Some(0.0), upper: Some(w) }).unwrap()
}

fn count(mut fails: impl FnMut(&mut Random) -> bool, seed: u64) -> f64 {
    let random = &mut Random(seed);
    (0..RUNS).filter(|_| fails(random)).count() as f64
}

/// T10: S fixed before Q_e is drawn.
#[test]
fn t10_covers() {
    for (seed, m) in [(1, 4), (2, 20), (3, 80)] {
        let random = &mut Random(seed);
        let (law, subset) = (law(random), (0..7).map(|_| unit(random)).collect::<Vec<_>>());
        let truth = one_dimensional_up(&subset, &law);
        let failed = count(
            |random| held_out_distance(distance(&subset, &draw(random, &law, m)), 1.0, m, DELTA).value() < truth - EPS,
            seed + 100,
        );
        assert!(failed <= allowed(), "{failed} of {RUNS} for M = {m}");
    }
}

/// T10 without the held-out condition fails: a subset that copies the queries is at distance 0 from them.
#[test]
fn t10_needs_held_out_queries() {
    let random = &mut Random(9);
    let law: Vec<f64> = (0..512).map(|i| f64::from(i) / 511.0).collect();
    let m = 2;
    let failed = count(
        |random| {
            let queries = draw(random, &law, m);
            // Without the statistical term, which is what a W₁ of 0 on the queries seen would suggest.
            distance(&queries, &queries).upper() < one_dimensional_up(&queries, &law)
        },
        random.bits(),
    );
    assert!(failed > 0.9 * RUNS as f64);
}

/// T11: S chosen *after* seeing the queries (here: a copy of them), halves by position.
#[test]
fn t11_covers_for_subsets_that_saw_the_queries() {
    for (seed, m) in [(4, 4), (5, 9), (6, 40)] {
        let law = law(&mut Random(seed));
        let failed = count(
            |random| {
                let queries = draw(random, &law, m);
                let splits: Vec<MetricDistance> = (0..3)
                    .map(|_| {
                        let mut order: Vec<usize> = (0..m).collect();
                        random.shuffle(&mut order);
                        let half = |part: &[usize]| part.iter().map(|&i| queries[i]).collect::<Vec<_>>();
                        distance(&half(&order[..m / 2]), &half(&order[m / 2..2 * (m / 2)]))
                    })
                    .collect();
                let bound = law_distance(&splits, 1.0, m, DELTA).unwrap();
                same_queries_distance(distance(&queries, &queries), &bound).value()
                    < one_dimensional_up(&queries, &law) - EPS
            },
            seed + 200,
        );
        assert!(failed <= allowed(), "{failed} of {RUNS} for M = {m}");
    }
}

#[test]
fn t11_split_distance_is_zero_only_if_all_queries_agree() {
    let same = distance(&[0.3, 0.3], &[0.3, 0.3]);
    let bound = law_distance(&[same], 2.0, 100, 0.05).unwrap();
    assert!(bound.inputs().contains(&("V̂", 0.0)));
    assert!((bound.value() - 6.0 * (20f64.ln() / 200.0).sqrt()).abs() < 1e-12);
    assert!(law_distance(&[], 2.0, 100, 0.05).is_none() && law_distance(&[same], 2.0, 1, 0.05).is_none());
    // The seed of the splits changes V̂ only within its spread.
    let queries: Vec<f64> = (0..40).map(|i| f64::from(i * 7 % 40) / 40.0).collect();
    let estimate = |seed: u64| {
        let random = &mut Random(seed);
        let one = |random: &mut Random| {
            let mut order: Vec<usize> = (0..40).collect();
            random.shuffle(&mut order);
            let half = |part: &[usize]| part.iter().map(|&i| queries[i]).collect::<Vec<_>>();
            one_dimensional_up(&half(&order[..20]), &half(&order[20..]))
        };
        (0..200).map(|_| one(random)).sum::<f64>() / 200.0
    };
    assert!((estimate(1) - estimate(2)).abs() < 0.03);
}

/// T12: Hoeffding, empirical Bernstein, weighted Hoeffding.
#[test]
fn t12_covers_for_bounded_losses() {
    for (seed, m) in [(7, 5), (8, 30), (9, 100)] {
        let law = law(&mut Random(seed));
        let truth = law.iter().sum::<f64>() / law.len() as f64;
        let covered = |bound: fn(&HeldOutLosses<'_>) -> Option<Bound>| {
            count(
                |random| {
                    let losses = draw(random, &law, m);
                    let bound = bound(&HeldOutLosses::new(&losses, &[], 0.0, 1.0).unwrap()).unwrap();
                    assert_eq!(bound.kind(), Kind::HighProbability(DELTA));
                    bound.value() < truth
                },
                seed + 300,
            )
        };
        assert!(covered(|l| Some(l.hoeffding(DELTA))) <= allowed());
        assert!(covered(|l| l.empirical_bernstein(DELTA)) <= allowed());
        let weights: Vec<f64> = (0..m).map(|i| 1.0 + (i % 3) as f64).collect();
        let term = weighted_deviation(1.0, &weights, DELTA);
        let total: f64 = weights.iter().sum();
        let failed = count(
            |random| {
                let losses = draw(random, &law, m);
                losses.iter().zip(&weights).map(|(l, w)| l * w).sum::<f64>() / total + term < truth
            },
            seed + 400,
        );
        assert!(failed <= allowed());
    }
    assert!(
        HeldOutLosses::new(&[0.5, 1.5], &[], 0.0, 1.0).is_err()
            && HeldOutLosses::new(&[f64::NAN], &[], 0.0, 1.0).is_err()
    );
    assert!(HeldOutLosses::new(&[], &[], 0.0, 1.0).is_err());
}

/// T12: Clopper–Pearson, exactly: for every rate the probability of a limit below it is at most δ, summed over outcomes.
#[test]
fn t12_clopper_pearson_covers_exactly() {
    for n in [1u64, 5, 23] {
        let limits: Vec<f64> = (0..=n).map(|x| clopper_pearson(x, n, DELTA).unwrap().value()).collect();
        assert_eq!(limits[n as usize], 1.0);
        for step in 1..200 {
            let p = f64::from(step) / 200.0;
            let mut mass = (1.0 - p).powi(n as i32);
            let mut missed = 0.0;
            for x in 0..=n {
                if limits[x as usize] < p {
                    missed += mass;
                }
                mass *= (n - x) as f64 / (x + 1) as f64 * p / (1.0 - p);
            }
            assert!(missed <= DELTA + 1e-12, "n={n} p={p}: {missed}");
        }
        // No errors: 1 − δ^{1/n}.
        assert!((limits[0] - (1.0 - DELTA.powf(1.0 / n as f64))).abs() < 1e-12);
    }
    // By halving in rational arithmetic (Python's fractions), to 2⁻³⁴.
    for (x, n, expected) in [(3u64, 50u64, 0.147_837_176_395), (120, 1000, 0.138_239_407_446)] {
        let value = clopper_pearson(x, n, 0.05).unwrap().value();
        assert!((value - expected).abs() < 1e-9, "{x} of {n}: {value}");
    }
    // Far beyond what powers of 1 − p could hold.
    let large = clopper_pearson(90_000, 100_000, 0.05).unwrap().value();
    assert!(large > 0.9014 && large < 0.9017, "{large}");
    assert!(clopper_pearson(3, 2, 0.05).is_none() && clopper_pearson(0, 0, 0.05).is_none());
}

/// T13: W₁ exceeds its mean by D·√(ln(1/δ)/(2n)) at most as often as δ.
#[test]
fn t13_concentration_covers() {
    let law = law(&mut Random(12));
    let n = 25;
    let random = &mut Random(13);
    let mean = (0..4000).map(|_| one_dimensional_up(&draw(random, &law, n), &law)).sum::<f64>() / 4000.0;
    let failed = count(|random| one_dimensional_up(&draw(random, &law, n), &law) > mean + deviation(n, DELTA), 14);
    assert!(failed <= allowed());
}

/// T14: the one-sample term for the Gaussian kernel.
#[test]
fn t14_one_sample_term_covers() {
    let law = law(&mut Random(15));
    let kernel = |a: &[f64], b: &[f64]| {
        let sum: f64 = a.iter().flat_map(|x| b.iter().map(move |y| (-(x - y) * (x - y) / 0.02).exp())).sum();
        sum / (a.len() * b.len()) as f64
    };
    let own = kernel(&law, &law);
    for n in [3, 20] {
        let term = mmd_one_sample(1.0, n, DELTA).value();
        let failed = count(
            |random| {
                let sample = draw(random, &law, n);
                (kernel(&sample, &sample) - 2.0 * kernel(&sample, &law) + own).max(0.0).sqrt() > term
            },
            16,
        );
        assert!(failed <= allowed());
    }
}

/// The tables of what each term costs at δ = .05.
#[test]
fn tables_of_statistical_terms() {
    let sizes = [8usize, 16, 70, 81, 100, 500, 10_000];
    let zero = MetricDistance::new(Interval { lower: Some(0.0), upper: Some(0.0) }).unwrap();
    let hoeffding = [0.433, 0.306, 0.146, 0.136, 0.122, 0.055, 0.012];
    let t10 = [0.865, 0.612, 0.293, 0.272, 0.245, 0.109, 0.024];
    let t11 = [2.60, 1.84, 0.88, 0.82, 0.73, 0.33, 0.07];
    let bernstein = [1.44, 0.73, 0.197, 0.175, 0.148, 0.044, 0.007];
    for (i, &m) in sizes.iter().enumerate() {
        assert!((deviation(m, 0.05) - hoeffding[i]).abs() <= 6e-4, "{m}");
        assert!((held_out_distance(zero, 2.0, m, 0.05).value() - t10[i]).abs() <= 6e-4, "{m}");
        let odd = if m % 2 == 1 { 0.02 } else { 0.006 };
        assert!((law_distance(&[zero], 2.0, m, 0.05).unwrap().value() - t11[i]).abs() <= odd, "{m}");
        let value = bernstein_term(0.05, 1.0, m, 0.05);
        assert!((value - bernstein[i]).abs() <= 6e-3, "{m}: {value}");
        // Falls in M, rises as δ falls.
        assert!(deviation(m + 1, 0.05) < deviation(m, 0.05) && deviation(m, 0.01) > deviation(m, 0.05));
    }
}
