//! Densities and near-duplicates of the pruned search against all pairs, and what is drawn by them.

use kantor_solvers::bandwidth::Bandwidth;
use kantor_solvers::density::clusters::clusters;
use kantor_solvers::density::density::{Densities, densities, reach};
use kantor_solvers::density::near::near_duplicates;
use kantor_solvers::density::nearest::nearest;
use kantor_solvers::scan;
use kantor_solvers::{KdeRatio, Mmd, Quiet, SelectError, Selection, Settings, Task, Tradeoff, registry};
use kantor_theory::cost::Family;
use kantor_theory::kernel::{Kernel, KernelName};
use kantor_theory::{Cost, DenseRows, Geometry, Rows};
use proptest::prelude::*;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Rows around `centres` centres, every eleventh a copy of an earlier one and every seventh nearly one.
fn cloud(rows: usize, dim: usize, centres: usize, spread: f32, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let middle: Vec<f32> = (0..centres * dim).map(|_| rng.random_range(-1.0f32..1.0)).collect();
    let mut values: Vec<f32> = Vec::with_capacity(rows * dim);
    for i in 0..rows {
        let earlier = rng.random_range(0..i.max(1)) * dim;
        let centre = rng.random_range(0..centres) * dim;
        for t in 0..dim {
            let noise = rng.random_range(-1.0f32..1.0);
            values.push(match i {
                _ if i > 0 && i % 11 == 0 => values[earlier + t],
                _ if i > 0 && i % 7 == 0 => values[earlier + t] + 0.01 * noise,
                _ => middle[centre + t] + spread * noise,
            });
        }
    }
    values
}

/// Squared distances of all pairs of `rows`, by the definition of closeness.
fn all_squared(points: &dyn Rows, rows: &[usize], family: Family) -> Vec<Vec<f64>> {
    let cost = if family == Family::Angle { Cost::Cosine } else { Cost::Sqeuclidean };
    let among = Geometry::new(points, points, cost).unwrap();
    let squared = |closeness: f64| if family == Family::Angle { 2.0 * (1.0 - closeness) } else { -closeness };
    let mut line = vec![0.0; points.len()];
    let mut squares = |u| {
        among.closeness_row(u, &mut line);
        rows.iter().map(|&v| squared(line[v])).collect()
    };
    rows.iter().map(|&u| squares(u)).collect()
}

/// 1 for the row itself and k, in multiples of 2⁻⁶⁴, for these others.
fn sum(kernel: &Kernel, others: impl Iterator<Item = f64>) -> f64 {
    let fixed = |squared: f64| (kernel.value(squared.max(0.0)) * 64f64.exp2()) as u64;
    let sum: u128 = others.map(|squared| u128::from(fixed(squared))).sum::<u128>() + (1 << 64);
    sum as f64 * (-64f64).exp2()
}

fn kernel(name: KernelName, sigma: f64) -> Kernel {
    Kernel::new(name, Some(sigma)).unwrap()
}

fn bits(found: &Densities) -> Vec<u64> {
    found.values.iter().map(|value| value.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Compact densities are those of all pairs, bit for bit; others lack at most what is stated.
    #[test]
    fn densities_by_all_pairs(
        n in 1usize..160, dim in 1usize..24, spread in prop::sample::select(vec![0.01f32, 0.3, 1.5]),
        sigma in prop::sample::select(vec![1e-3, 0.2, 0.75, 3.0]), double in any::<bool>(), seed in 0u64..1000,
        family in prop::sample::select(vec![Family::Angle, Family::Distance]),
    ) {
        let values = cloud(n, dim, 5, spread, seed);
        let points = if double {
            DenseRows::from_f64(dim, values.iter().map(|&x| f64::from(x) / 3.0).collect()).unwrap()
        } else {
            DenseRows::from_f32(dim, values).unwrap()
        };
        // Not all rows, and not in their order.
        let rows: Vec<usize> = (0..n).rev().filter(|row| row % 5 != 3 || *row == n - 1).collect();
        let squared = all_squared(&points, &rows, family);
        let full = |kernel: &Kernel, u: usize| sum(kernel, (0..rows.len()).filter(|&v| v != u).map(|v| squared[u][v]));

        let compact = kernel(KernelName::Compact, sigma);
        let found = densities(&points, &rows, family, compact, 0.0, &Quiet).unwrap();
        prop_assert_eq!(found.omitted, 0.0);
        for (u, value) in found.values.iter().enumerate() {
            prop_assert_eq!(value.to_bits(), full(&compact, u).to_bits(), "row {}: {}", u, value);
        }
        for name in [KernelName::Gaussian, KernelName::Laplace, KernelName::InverseMultiquadric] {
            for tolerance in [1e-3, 1e-9] {
                let kernel = kernel(name, sigma);
                let found = densities(&points, &rows, family, kernel, tolerance, &Quiet).unwrap();
                prop_assert!(found.omitted <= tolerance * (1.0 + 1e-12));
                for (u, value) in found.values.iter().enumerate() {
                    let missing = full(&kernel, u) - value;
                    prop_assert!(missing >= 0.0 && missing <= found.omitted * (1.0 + 1e-12) + 1e-13, "{}", missing);
                }
            }
        }
    }

    /// Beyond its reach a kernel proves to be at most ε.
    #[test]
    fn reach_is_proved(sigma in 1e-3f64..1e3, epsilon in prop::sample::select(vec![0.5, 1e-3, 1e-12, 1e-300])) {
        for name in [KernelName::Gaussian, KernelName::Laplace] {
            let kernel = kernel(name, sigma);
            prop_assert!(kernel.upper(reach(&kernel, epsilon)) <= epsilon);
        }
        let compact = kernel(KernelName::Compact, sigma);
        prop_assert_eq!(compact.value(reach(&compact, epsilon)), 0.0);
    }

    /// Near-duplicates are those of all pairs.
    #[test]
    fn near_duplicates_by_all_pairs(n in 2usize..150, dim in 2usize..24, cosine in prop::sample::select(vec![0.5, 0.99, 0.999, 1.0 - 1e-9]), seed in 0u64..1000) {
        let points = DenseRows::from_f32(dim, cloud(n, dim, 5, 0.5, seed)).unwrap();
        let rows: Vec<usize> = (0..n).filter(|row| row % 4 != 1).collect();
        let squared = all_squared(&points, &rows, Family::Angle);
        let near = |v: usize| (0..v).filter(|&u| squared[u][v] <= 2.0 * (1.0 - cosine)).collect::<Vec<_>>();
        let found = near_duplicates(&points, &rows, cosine, &Quiet).unwrap();
        prop_assert_eq!(found.pairs as usize, (0..rows.len()).map(|v| near(v).len()).sum::<usize>());
        let earliest: Vec<(usize, usize)> =
            (0..rows.len()).filter_map(|v| near(v).first().map(|&u| (rows[u], rows[v]))).collect();
        prop_assert_eq!(found.rows, earliest);
        let members: Vec<usize> = (0..rows.len())
            .filter(|&v| !near(v).is_empty() || (v + 1..rows.len()).any(|w| near(w).contains(&v)))
            .map(|v| rows[v])
            .collect();
        prop_assert_eq!(found.members, members);
        // A cluster is named by the first row from which near pairs lead to all its rows.
        let mut first: Vec<u32> = (0..rows.len() as u32).collect();
        for _ in 0..rows.len() {
            for v in 0..rows.len() {
                for u in near(v) {
                    let least = first[u].min(first[v]);
                    (first[u], first[v]) = (least, least);
                }
            }
        }
        let threads = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        prop_assert_eq!(threads.install(|| clusters(&points, &rows, cosine, &Quiet).unwrap()), first);
    }
}

/// Several blocks, several groups, any number of threads: the same bits as from all pairs, and pairs are pruned.
#[test]
fn blocks_groups_and_threads_change_nothing() {
    let (n, dim) = (1300, 48);
    let points = DenseRows::from_f32(dim, cloud(n, dim, 12, 0.35, 4)).unwrap();
    let rows: Vec<usize> = (0..n).collect();
    for (family, sigma) in [(Family::Angle, 0.75), (Family::Distance, 2.0)] {
        let squared = all_squared(&points, &rows, family);
        let compact = kernel(KernelName::Compact, sigma);
        for cap in [1, 40, 300, n] {
            let expected: Vec<u64> = (0..n)
                .map(|u| {
                    let mut others: Vec<f64> = (0..n).filter(|&v| v != u).map(|v| squared[u][v]).collect();
                    others.sort_unstable_by(f64::total_cmp);
                    sum(&compact, others.into_iter().take(cap - 1)).to_bits()
                })
                .collect();
            for (threads, memory) in [(1, 1), (3, 100_000), (3, 1 << 30)] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let found = pool.install(|| nearest(&points, &rows, family, compact, cap, memory, &Quiet).unwrap());
                assert_eq!(bits(&found), expected, "{family:?}, cap {cap}, {threads} threads, {memory} bytes");
            }
        }
        let work = densities(&points, &rows, family, compact, 0.0, &Quiet).unwrap().work;
        assert_eq!(work.pairs, (n * (n - 1) / 2) as u64);
        assert!(work.multiplied < work.pairs, "{family:?}: {work:?}");
    }
}

/// Rows that are all alike, or zero under Euclidean costs, are no special case.
#[test]
fn crowds_of_equal_rows() {
    let points = DenseRows::from_f32(3, [0.5, -1.0, 2.0].repeat(1200)).unwrap();
    let rows: Vec<usize> = (0..1200).collect();
    let narrow = kernel(KernelName::Compact, 0.1);
    let found = nearest(&points, &rows, Family::Angle, narrow, 50, 1 << 20, &Quiet).unwrap();
    assert!(found.values.iter().all(|&value| (value - 50.0).abs() < 1e-9));
    let found = densities(&points, &rows, Family::Angle, narrow, 0.0, &Quiet).unwrap();
    assert!(found.values.iter().all(|&value| (value - 1200.0).abs() < 1e-9));
    assert_eq!(near_duplicates(&points, &rows, 0.999, &Quiet).unwrap().pairs, 1200 * 1199 / 2);
    assert_eq!(clusters(&points, &rows, 0.999, &Quiet).unwrap(), vec![0; 1200]);
    let mixed = DenseRows::from_f32(2, vec![0.0, 0.0, 0.0, 0.0, 0.05, 0.0, 7.0, 0.0]).unwrap();
    let found = densities(&mixed, &[0, 1, 2, 3], Family::Distance, narrow, 0.0, &Quiet).unwrap();
    let expected = [2.75, 2.75, 2.5, 1.0];
    assert!(found.values.iter().zip(expected).all(|(value, wanted)| (value - wanted).abs() < 1e-6), "{found:?}");
}

fn geometry<'a>(pool: &'a DenseRows, query: &DenseRows, cost: Cost) -> Geometry<'a> {
    Geometry::new(pool, query, cost).unwrap()
}

fn choose(
    geometry: &Geometry<'_>,
    name: &str,
    settings: &Settings,
    seed: u64,
    budget: usize,
) -> Result<Selection, SelectError> {
    let task = Task { seed, block: 64, ..Task::new(geometry, 1 << 30, &Quiet) };
    let selector = (registry::selector(name).unwrap().build)(settings);
    let findings = scan::scan(&task, selector.needs(&task, budget)).unwrap();
    Ok(selector.select(&task, &findings, &[budget])?.remove(0))
}

/// The order and the scores of `kde-ratio` are the formula's, with noise drawn as documented.
#[test]
fn ratios_by_definition() {
    let (n, m, dim) = (150, 9, 6);
    let pool = DenseRows::from_f32(dim, cloud(n, dim, 4, 0.6, 1)).unwrap();
    let query = DenseRows::from_f32(dim, cloud(m, dim, 4, 0.6, 2)).unwrap();
    for cost in [Cost::Cosine, Cost::Euclidean] {
        for name in [KernelName::Gaussian, KernelName::Laplace, KernelName::InverseMultiquadric, KernelName::Compact] {
            let geometry = geometry(&pool, &query, cost);
            let settings =
                KdeRatio { kernel: name, density_bandwidth: Bandwidth::Given(0.8), ..KdeRatio::default() }.into();
            let found = choose(&geometry, "kde-ratio", &settings, 5, n).unwrap();
            let kernel = kernel(name, 0.8);
            let family = cost.family();
            let rows: Vec<usize> = (0..n).collect();
            let among = all_squared(&pool, &rows, family);
            let to_query = |i, j| match family {
                Family::Angle => (2.0 * (1.0 - geometry.closeness(i, j))).max(0.0),
                _ => -geometry.closeness(i, j),
            };
            let mut rng = ChaCha8Rng::seed_from_u64(5);
            let expected: Vec<f64> = (0..n)
                .map(|i| {
                    let noise = -(-(((rng.next_u64() >> 12) as f64 + 0.5) * (-52f64).exp2()).ln()).ln();
                    let q = (0..m).map(|j| kernel.value(to_query(i, j))).sum::<f64>() / m as f64;
                    let p = (1.0 + (0..n).filter(|&v| v != i).map(|v| kernel.value(among[i][v].max(0.0))).sum::<f64>())
                        / n as f64;
                    (q / p).ln() + noise
                })
                .collect();
            for (rank, (&row, &score)) in found.rows.iter().zip(&found.scores).enumerate() {
                let wanted = expected[row].max(f64::MIN);
                assert!((score - wanted).abs() < 1e-6 * (1.0 + wanted.abs()), "{name}: {score} is not {wanted}");
                assert!(rank == 0 || found.scores[rank - 1] >= score);
            }
            let reached = expected.iter().filter(|score| score.is_finite()).count();
            assert_eq!(found.notes["rows_reached"], reached);
            // Rows that no query reaches follow by closeness.
            let nearest = |row: usize| (0..m).map(|j| geometry.closeness(row, j)).fold(f64::NEG_INFINITY, f64::max);
            assert!(found.rows[reached..].windows(2).all(|pair| nearest(pair[0]) >= nearest(pair[1])));
            assert_eq!(found.notes["pool_density_exact"], true);
        }
    }
}

/// The first row drawn is row i with probability proportional to its weight: within five standard deviations.
#[test]
fn draws_follow_the_weights() {
    let pool = DenseRows::from_f32(2, vec![1.0, 0.0, 0.9, 0.4, 0.3, 1.0, -0.2, 1.0, -1.0, 0.1]).unwrap();
    let query = DenseRows::from_f32(2, vec![1.0, 0.3, 0.1, 1.0]).unwrap();
    let geometry = geometry(&pool, &query, Cost::Cosine);
    let settings = KdeRatio { density_bandwidth: Bandwidth::Given(0.5), ..KdeRatio::default() }.into();
    let sampling = kantor_solvers::draw::Sampling::Multinomial;
    let multinomial = Tradeoff { alpha: 0.7, tradeoff_c: 1.0, sampling, ..Tradeoff::default() }.into();
    for (name, settings) in [("kde-ratio", &settings), ("knn-tv", &multinomial), ("knn-uniform", &multinomial)] {
        let draws = 1500;
        let mut counts = [0.0; 5];
        let mut weights = [0.0; 5];
        for seed in 0..draws {
            let found = choose(&geometry, name, settings, seed, 5).unwrap();
            counts[found.rows[0]] += 1.0;
            if seed == 0 && name != "kde-ratio" {
                found.rows.iter().zip(&found.scores).for_each(|(&row, &mass)| weights[row] = mass);
            }
        }
        if name == "kde-ratio" {
            let kernel = kernel(KernelName::Gaussian, 0.5);
            let among = all_squared(&pool, &[0, 1, 2, 3, 4], Family::Angle);
            for (i, weight) in weights.iter_mut().enumerate() {
                let q: f64 = (0..2).map(|j| kernel.value((2.0 * (1.0 - geometry.closeness(i, j))).max(0.0))).sum();
                *weight = q / among[i].iter().map(|squared| kernel.value(squared.max(0.0))).sum::<f64>();
            }
        }
        let total: f64 = weights.iter().sum();
        for (count, weight) in counts.iter().zip(weights) {
            let (p, runs) = (weight / total, draws as f64);
            let deviation = (runs * p * (1.0 - p)).sqrt();
            assert!((count - runs * p).abs() <= 5.0 * deviation + 1e-9, "{name}: {count} of {runs}, not {p}");
        }
    }
}

/// A sample stands for the pool: its estimate of N·p has that mean, and it says that it is one.
#[test]
fn sampled_pool_densities_are_unbiased() {
    let pool = DenseRows::from_f32(4, cloud(120, 4, 3, 0.5, 7)).unwrap();
    let query = DenseRows::from_f32(4, cloud(3, 4, 3, 0.5, 8)).unwrap();
    let geometry = geometry(&pool, &query, Cost::Cosine);
    let settings = KdeRatio { density_bandwidth: Bandwidth::Given(0.7), ..KdeRatio::default() };
    let gumbel = |seed: u64| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..120).map(|_| -(-(((rng.next_u64() >> 12) as f64 + 0.5) * (-52f64).exp2()).ln()).ln()).collect::<Vec<f64>>()
    };
    // 1/weight is linear in the pool density.
    let inverse = |settings: &KdeRatio, seed: u64| {
        let found = choose(&geometry, "kde-ratio", &settings.clone().into(), seed, 120).unwrap();
        let (noise, mut values) = (gumbel(seed), vec![0.0; 120]);
        found.rows.iter().zip(&found.scores).for_each(|(&row, score)| values[row] = (noise[row] - score).exp());
        (values, found.notes)
    };
    let (exact, notes) = inverse(&settings, 0);
    assert_eq!((&notes["pool_density_rows"], &notes["pool_density_exact"]), (&120.into(), &true.into()));
    let sampled = KdeRatio { density_sample: 40, ..settings };
    let runs = 300;
    let mut mean = vec![0.0; 120];
    for seed in 0..runs {
        let (values, notes) = inverse(&sampled, seed);
        assert_eq!((&notes["pool_density_rows"], &notes["pool_density_exact"]), (&40.into(), &false.into()));
        mean.iter_mut().zip(values).for_each(|(mean, value)| *mean += value / runs as f64);
    }
    for (mean, exact) in mean.iter().zip(exact) {
        assert!((mean / exact - 1.0).abs() < 0.03, "{mean} is not {exact}");
    }
}

#[test]
fn bandwidths_by_rule() {
    // Directions of the axes: all distances √2, and a coordinate is 1 with probability 1/4.
    let axes = DenseRows::from_f32(4, (0..16).map(|i| f32::from(u8::from(i % 5 == 0)) * 3.0).collect()).unwrap();
    let sigma = |rule: &str, family| {
        let rule: Bandwidth = rule.parse().unwrap();
        rule.kernel(KernelName::Gaussian, &axes, family).unwrap().bandwidth().unwrap()
    };
    let deviation = (0.25f64 * 0.75).sqrt();
    let scott = 4f64.powf(-1.0 / 8.0);
    let close = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-12, "{found} is not {wanted}");
    close(sigma("median", Family::Angle), 2f64.sqrt());
    close(sigma("median", Family::Distance), 3.0 * 2f64.sqrt());
    close(sigma("scott", Family::Angle), deviation * scott);
    close(sigma("silverman", Family::Angle), deviation * scott * (4.0f64 / 6.0).powf(1.0 / 8.0));
    close(sigma("0.25", Family::Angle), 0.25);
    assert!("wide".parse::<Bandwidth>().is_err());
    let alike = DenseRows::from_f32(2, [1.0, 2.0].repeat(5)).unwrap();
    assert!(Bandwidth::Median.kernel(KernelName::Laplace, &alike, Family::Distance).is_err());
    let written = serde_json::to_string(&Mmd::default()).unwrap();
    assert_eq!(written, r#"{"kernel":"gaussian","bandwidth":"median"}"#);
    assert_eq!(serde_json::from_str::<Mmd>(&written).unwrap(), Mmd::default());
    assert_eq!(serde_json::from_str::<Mmd>(r#"{"bandwidth":0.5}"#).unwrap().bandwidth, Bandwidth::Given(0.5).into());
}

#[test]
fn what_makes_no_density_is_refused() {
    let pool = DenseRows::from_f32(2, vec![1.0, 0.0, 0.0, 1.0]).unwrap();
    let geometry = geometry(&pool, &pool, Cost::Cosine);
    for kernel in [KernelName::Energy, KernelName::Cosine] {
        let refused = choose(&geometry, "kde-ratio", &KdeRatio { kernel, ..KdeRatio::default() }.into(), 0, 1);
        assert!(matches!(refused, Err(SelectError::Unsupported { method: "kde-ratio", .. })));
    }
    for sigma in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let settings = KdeRatio { density_bandwidth: Bandwidth::Given(sigma), ..KdeRatio::default() }.into();
        let refused = choose(&geometry, "kde-ratio", &settings, 0, 1);
        let Err(SelectError::Setting { name, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(name, "density-bandwidth");
    }
}
