//! What the KNN selectors are meant to do, on random clouds, and what published code got wrong.

use kantor_solvers::draw::Sampling;
use kantor_solvers::scan;
use kantor_solvers::{KnnKde, Quiet, SelectError, Selection, Task, Tradeoff, registry};
use kantor_theory::{Cost, DenseRows, Geometry};
use proptest::prelude::*;
use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Random rows around a few centres; small `spread` makes crowds.
fn cloud(rows: usize, dim: usize, spread: f32, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let centres: Vec<f32> = (0..4 * dim).map(|_| rng.random::<f32>() - 0.4).collect();
    (0..rows)
        .flat_map(|_| {
            let centre = rng.random_range(0..4usize);
            (0..dim).map(|t| centres[centre * dim + t] + spread * (rng.random::<f32>() - 0.5)).collect::<Vec<f32>>()
        })
        .collect()
}

struct Case {
    pool: DenseRows,
    query: DenseRows,
    cost: Cost,
}

impl Case {
    fn new(pool: Vec<f32>, query: Vec<f32>, dim: usize) -> Self {
        let rows = |values| DenseRows::from_f32(dim, values).unwrap();
        Self { pool: rows(pool), query: rows(query), cost: Cost::Cosine }
    }

    fn random(n: usize, m: usize, seed: u64) -> Self {
        Self::new(cloud(n, 6, 0.8, seed), cloud(m, 6, 0.8, seed + 1), 6)
    }

    fn geometry(&self) -> Geometry<'_> {
        Geometry::new(&self.pool, &self.query, self.cost).unwrap()
    }

    fn try_select(&self, name: &str, settings: &KnnKde, budget: usize) -> Result<Selection, SelectError> {
        try_select(&self.geometry(), name, settings, budget)
    }

    fn select(&self, name: &str, settings: &KnnKde, budget: usize) -> Selection {
        self.try_select(name, settings, budget).unwrap()
    }

    /// Rows of the order and scores, by pool row.
    fn all(&self, name: &str, settings: &KnnKde) -> (Vec<usize>, Vec<f64>) {
        let n = self.geometry().pool_len();
        let found = self.select(name, settings, n);
        let mut scores = vec![0.0; n];
        for (&row, &score) in found.rows.iter().zip(&found.scores) {
            scores[row] = score;
        }
        (found.rows, scores)
    }
}

/// All settings of the KNN methods, with this trade-off.
fn knn(alpha: f64, tradeoff_c: f64) -> KnnKde {
    KnnKde { tradeoff: Tradeoff { alpha, tradeoff_c, ..Tradeoff::default() }, ..KnnKde::default() }
}

fn try_select(geometry: &Geometry<'_>, name: &str, settings: &KnnKde, budget: usize) -> Result<Selection, SelectError> {
    let task = Task { block: 64, ..Task::new(geometry, 1 << 30, &Quiet) };
    let selector = (registry::selector(name).unwrap().build)(&settings.clone().into());
    let findings = scan::scan(&task, selector.needs(&task, budget)).unwrap();
    Ok(selector.select(&task, &findings, &[budget])?.remove(0))
}

/// Costs of every query in increasing order.
fn sorted_costs(case: &Case) -> Vec<Vec<f64>> {
    let geometry = case.geometry();
    (0..geometry.query_len())
        .map(|j| {
            let mut costs: Vec<f64> = (0..geometry.pool_len()).map(|i| geometry.cost_of(i, j)).collect();
            costs.sort_by(f64::total_cmp);
            costs
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// K is the least with (α/C) ΣΣ_{l≤K} (d_{K+1} − d_l) ≥ (1 − α)M, evaluated as written (quadratic in the list).
    #[test]
    fn the_stopping_rule_is_the_literal_one(n in 2usize..60, m in 1usize..8, alpha in 0.05f64..0.95, seed in 0u64..1000) {
        let case = Case::random(n, m, seed);
        let settings = knn(alpha, 2.0);
        let found = case.select("knn-uniform", &settings, 1);
        let costs = sorted_costs(&case);
        let literal = (1..n).find(|&k| {
            let gap: f64 = costs.iter().map(|d| d[..k].iter().map(|x| d[k] - x).sum::<f64>()).sum();
            alpha / 2.0 * gap >= (1.0 - alpha) * m as f64
        });
        prop_assert_eq!(found.notes["neighbours_per_query"].as_u64().unwrap() as usize, literal.unwrap_or(n));
    }

    /// Rows and masses are those of exact lists evaluated in full, also where crowds are tighter than single precision
    /// can tell, and for costs of every family.
    #[test]
    fn uniform_by_brute_force(
        n in 2usize..120, m in 1usize..7, cap in 1usize..130, seed in 0u64..1000,
        // The least α lets the cap cut through a crowd; others tend to stop between crowds.
        alpha in prop::sample::select(vec![1e-6, 1e-6, 0.03, 0.2, 0.8]),
        spread in prop::sample::select(vec![0.8f32, 1e-3, 1e-6]), compat_reference in any::<bool>(),
        cost in prop::sample::select(vec![Cost::Cosine, Cost::HalfCosine, Cost::Angular, Cost::Euclidean, Cost::Sqeuclidean]),
    ) {
        let mut case = Case::new(cloud(n, 6, spread, seed), cloud(m, 6, 0.8, seed + 1), 6);
        case.cost = cost;
        let settings = KnnKde { tradeoff: Tradeoff { compat_reference, ..knn(alpha, 1.0).tradeoff }, list_cap: cap, ..knn(alpha, 1.0) };
        let geometry = case.geometry();
        let lists: Vec<Vec<usize>> = (0..m)
            .map(|j| {
                let mut rows: Vec<usize> = (0..n).collect();
                rows.sort_by(|&a, &b| geometry.closeness(b, j).total_cmp(&geometry.closeness(a, j)).then(a.cmp(&b)));
                rows
            })
            .collect();
        let longest = cap.min(n);
        let mut gap = 0.0;
        let k = (1..longest).find(|&k| {
            let cost = |j: usize, l: usize| cost.from_closeness(geometry.closeness(lists[j][l], j));
            gap += k as f64 * (0..m).map(|j| cost(j, k) - cost(j, k - 1)).sum::<f64>();
            alpha * gap >= (1.0 - alpha) * m as f64
        });
        let k = k.unwrap_or(longest);
        let mut counts = vec![0usize; n];
        lists.iter().flat_map(|list| &list[..k]).for_each(|&row| counts[row] += 1);
        let second = |row| match compat_reference {
            true => 0.0,
            false => (0..m).map(|j| geometry.closeness(row, j)).fold(f64::NEG_INFINITY, f64::max),
        };
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| {
            counts[b].cmp(&counts[a]).then(second(b).total_cmp(&second(a))).then(a.cmp(&b))
        });
        for budget in [n / 2, n] {
            let found = case.select("knn-uniform", &settings, budget.max(1));
            prop_assert_eq!(found.notes["neighbours_per_query"].as_u64().unwrap() as usize, k);
            prop_assert_eq!(&found.rows[..], &order[..budget.max(1)]);
            for (&row, &score) in found.rows.iter().zip(&found.scores) {
                prop_assert_eq!(score, counts[row] as f64 / (k * m) as f64);
            }
        }
    }

    /// The masses are a probability on the pool, for every list cap.
    #[test]
    fn total_mass_is_one(n in 1usize..80, m in 1usize..8, cap in 1usize..90, alpha in 0.05f64..0.95, sigma in 0.0f64..1.5, seed in 0u64..1000) {
        let case = Case::random(n, m, seed);
        let settings = KnnKde { sigma, list_cap: cap, ..knn(alpha, 5.0) };
        for name in ["knn-uniform", "knn-kde"] {
            let (order, scores) = case.all(name, &settings);
            prop_assert!((scores.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert!(sorted.iter().copied().eq(0..n));
            prop_assert!(order.windows(2).all(|pair| scores[pair[0]] >= scores[pair[1]]));
        }
    }

    /// Rows of equal mass, those without any included, follow by closeness to their nearest query.
    #[test]
    fn ties_in_mass_go_to_the_closer_row(n in 10usize..120, m in 1usize..8, cap in 1usize..40, seed in 0u64..1000) {
        let case = Case::random(n, m, seed);
        let settings = KnnKde { list_cap: cap, ..knn(0.4, 5.0) };
        let geometry = case.geometry();
        let nearest = |row| (0..m).map(|j| geometry.closeness(row, j)).fold(f64::NEG_INFINITY, f64::max);
        for name in ["knn-uniform", "knn-kde"] {
            let (order, scores) = case.all(name, &settings);
            for pair in order.windows(2) {
                if scores[pair[0]] == scores[pair[1]] {
                    prop_assert!(nearest(pair[0]) >= nearest(pair[1]));
                }
            }
            // A smaller budget is a prefix.
            for budget in [1, n / 3 + 1, n - 1] {
                prop_assert_eq!(&case.select(name, &settings, budget).rows[..], &order[..budget]);
            }
        }
    }

    /// The level and masses of `knn-kde` are the literal problem's: densities by all pairs, then the least breakpoint
    /// s with (α/C) Σ_j [d_{k_j+1} W_{k_j} − Σ_{l≤k_j} d_l w_l] ≥ (1 − α)M.
    #[test]
    fn densities_and_level_by_brute_force(n in 20usize..160, m in 1usize..6, alpha in 0.1f64..0.9, sigma in 0.2f64..1.5, cap in 1usize..12, seed in 0u64..1000) {
        let case = Case::random(n, m, seed);
        let settings = KnnKde { sigma, kde_cap: cap, ..knn(alpha, 1.0) };
        let (_, scores) = case.all("knn-kde", &settings);
        let geometry = case.geometry();
        let (length, cap) = (n / 10, cap.min(n / 10));
        let lists: Vec<Vec<usize>> = (0..m)
            .map(|j| {
                let mut rows: Vec<usize> = (0..n).collect();
                rows.sort_by(|&a, &b| geometry.closeness(b, j).total_cmp(&geometry.closeness(a, j)).then(a.cmp(&b)));
                rows.truncate(length);
                rows
            })
            .collect();
        let mut listed: Vec<usize> = lists.concat();
        listed.sort_unstable();
        listed.dedup();
        let among = Geometry::new(&case.pool, &case.pool, Cost::Cosine).unwrap();
        let density = |u: usize| -> f64 {
            let mut squared: Vec<f64> = listed.iter().map(|&v| 2.0 * (1.0 - among.closeness(u, v))).collect();
            squared.sort_by(f64::total_cmp);
            squared.iter().take(cap).map(|d| (1.0 - d / (sigma * sigma)).max(0.0)).sum()
        };
        let weight: Vec<f64> = (0..n).map(|u| if listed.contains(&u) { 1.0 / density(u) } else { 0.0 }).collect();
        // Every breakpoint, in order, with the literal sum over all lists filled up to it.
        let mut breakpoints: Vec<f64> = Vec::new();
        for list in &lists {
            let mut sum = 0.0;
            for &row in &list[..length - 1] {
                sum += weight[row];
                breakpoints.push(sum);
            }
        }
        breakpoints.sort_by(f64::total_cmp);
        let price = |s: f64| -> f64 {
            lists.iter().enumerate().map(|(j, list)| {
                let (mut w, mut dw, mut value) = (0.0, 0.0, 0.0);
                for pair in list.windows(2) {
                    w += weight[pair[0]];
                    dw += weight[pair[0]] * geometry.cost_of(pair[0], j);
                    if w > s {
                        break;
                    }
                    value = geometry.cost_of(pair[1], j) * w - dw;
                }
                value
            }).sum()
        };
        let level = breakpoints.iter().copied().find(|&s| alpha * price(s * (1.0 + 1e-14)) >= (1.0 - alpha) * m as f64);
        let level = level.or(breakpoints.last().copied());
        if let Some(level) = level {
            let mut mass = vec![0.0; n];
            for list in &lists {
                let mut left = 1.0;
                for (k, &row) in list.iter().enumerate() {
                    let share = if k + 1 < list.len() { (weight[row] / level).min(left) } else { left };
                    mass[row] += share / m as f64;
                    left -= share;
                }
            }
            for row in 0..n {
                prop_assert!((mass[row] - scores[row]).abs() < 1e-9, "row {}: {} is not {}", row, scores[row], mass[row]);
            }
        }
    }

    /// With σ = 0 every row is alone, and `knn-kde` is `knn-uniform` on lists of the same length.
    #[test]
    fn without_a_kernel_kde_is_uniform(n in 30usize..200, m in 1usize..6, seed in 0u64..1000) {
        let case = Case::random(n, m, seed);
        let settings = KnnKde { sigma: 0.0, list_cap: n / 10, ..knn(0.7, 1.0) };
        let uniform = case.select("knn-uniform", &settings, 1);
        prop_assume!(uniform.notes["list_cap_reached"] == false);
        let (order, scores) = case.all("knn-kde", &settings);
        let (uniform_order, uniform_scores) = case.all("knn-uniform", &settings);
        for (a, b) in scores.iter().zip(&uniform_scores) {
            prop_assert!((a - b).abs() < 1e-13);
        }
        prop_assert_eq!(order[0], uniform_order[0]);
    }

    /// Renumbering the pool renumbers the selection.
    #[test]
    fn pool_permutation(n in 20usize..150, m in 1usize..6, seed in 0u64..1000) {
        let case = Case::random(n, m, seed);
        let values = cloud(n, 6, 0.8, seed);
        let reversed: Vec<f32> = values.chunks(6).rev().flatten().copied().collect();
        let other = Case::new(reversed, cloud(m, 6, 0.8, seed + 1), 6);
        for name in ["knn-uniform", "knn-kde"] {
            let settings = knn(0.3, 5.0);
            let renumbered: Vec<usize> = other.all(name, &settings).0.into_iter().map(|row| n - 1 - row).collect();
            prop_assert_eq!(case.all(name, &settings).0, renumbered);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// r copies of a row get together the mass that one would get.
    #[test]
    fn copies_share_one_mass(r in 1usize..9, pick in 0usize..5, seed in 0u64..1000) {
        let base = cloud(300, 6, 1.5, seed);
        let query = cloud(4, 6, 1.5, seed + 1);
        let settings = KnnKde { sigma: 1e-2, ..knn(0.6, 1.0) };
        let (order, scores) = Case::new(base.clone(), query.clone(), 6).all("knn-kde", &settings);
        let row = order[pick];
        let mut copied = base.clone();
        (1..r).for_each(|_| copied.extend_from_slice(&base[row * 6..row * 6 + 6]));
        let case = Case::new(copied, query, 6);
        prop_assume!(case.select("knn-kde", &settings, 1).notes["list_cap_reached"] == false);
        let (_, with_copies) = case.all("knn-kde", &settings);
        let together: f64 = with_copies[row] + with_copies[300..].iter().sum::<f64>();
        prop_assert!((together - scores[row]).abs() < 1e-9, "{} is not {}", together, scores[row]);
    }

    /// `knn-tv` keeps 1/(MN) where (α/C)(d − d_min) < 1 − α and gives the rest of every query to its nearest row.
    #[test]
    fn total_variation_by_definition(n in 1usize..80, m in 1usize..7, alpha in 0.3f64..0.999, seed in 0u64..1000) {
        let case = Case::random(n, m, seed);
        let settings = knn(alpha, 1.0);
        let (order, scores) = case.all("knn-tv", &settings);
        let geometry = case.geometry();
        let mut mass = vec![0.0; n];
        for j in 0..m {
            let costs: Vec<f64> = (0..n).map(|i| geometry.cost_of(i, j)).collect();
            let nearest = (0..n).min_by(|&a, &b| costs[a].total_cmp(&costs[b]).then(a.cmp(&b))).unwrap();
            let mut left = 1.0 / m as f64;
            for (i, mass) in mass.iter_mut().enumerate().filter(|&(i, _)| i != nearest) {
                if alpha * (costs[i] - costs[nearest]) < 1.0 - alpha {
                    *mass += 1.0 / (m * n) as f64;
                    left -= 1.0 / (m * n) as f64;
                }
            }
            mass[nearest] += left;
        }
        for row in 0..n {
            prop_assert!((mass[row] - scores[row]).abs() < 1e-12);
        }
        prop_assert!(order.windows(2).all(|pair| scores[pair[0]] >= scores[pair[1]]));
    }

    /// Multinomial draws take rows with mass first and are prefixes of each other; the seed decides.
    #[test]
    fn multinomial_draws_nest(n in 20usize..120, m in 1usize..5, seed in 0u64..1000) {
        let case = Case::random(n, m, seed);
        let settings =
            KnnKde { tradeoff: Tradeoff { sampling: Sampling::Multinomial, ..knn(0.9, 1.0).tradeoff }, ..knn(0.9, 1.0) };
        for name in ["knn-uniform", "knn-kde", "knn-tv"] {
            let (order, scores) = case.all(name, &settings);
            let supported = scores.iter().filter(|&&mass| mass > 0.0).count();
            prop_assert!(order[..supported].iter().all(|&row| scores[row] > 0.0));
            let (top, same) = case.all(name, &KnnKde { tradeoff: Tradeoff { sampling: Sampling::TopK, ..settings.clone().tradeoff }, ..settings.clone() });
            prop_assert_eq!(&same, &scores);
            // Rows without mass follow in the order of closeness.
            prop_assert_eq!(&top[supported..], &order[supported..]);
            for budget in [1, n / 2] {
                prop_assert_eq!(&case.select(name, &settings, budget).rows[..], &order[..budget]);
            }
        }
    }
}

/// Near 0, α makes the plan of `knn-tv` uniform; near 1, nearest rows take all.
#[test]
fn total_variation_at_its_ends() {
    let case = Case::random(50, 3, 2);
    let (_, even) = case.all("knn-tv", &knn(1e-6, 5.0));
    assert!(even.iter().all(|&mass| (mass - 0.02).abs() < 1e-15));
    let (_, nearest) = case.all("knn-tv", &knn(1.0 - 1e-12, 5.0));
    assert!(nearest.iter().filter(|&&mass| mass > 0.0).count() <= 3);
}

/// As α → 1 only the nearest row counts.
#[test]
fn alpha_near_one_keeps_one_neighbour() {
    let case = Case::random(200, 5, 3);
    let found = case.select("knn-uniform", &knn(1.0 - 1e-9, 5.0), 5);
    assert_eq!(found.notes["neighbours_per_query"], 1);
}

/// r copies of a row share the mass of one (what the densities are for).
#[test]
fn copies_share_mass() {
    let base = cloud(300, 6, 1.5, 8);
    let settings = KnnKde { sigma: 1e-3, ..knn(0.5, 1.0) };
    let query = cloud(4, 6, 1.5, 9);
    let (order, scores) = Case::new(base.clone(), query.clone(), 6).all("knn-kde", &settings);
    let first = order[0];
    let mut copied = base.clone();
    for _ in 0..3 {
        copied.extend_from_slice(&base[first * 6..first * 6 + 6]);
    }
    let (_, with_copies) = Case::new(copied, query, 6).all("knn-kde", &settings);
    let together: f64 = with_copies[first] + with_copies[300..].iter().sum::<f64>();
    assert!((together - scores[first]).abs() < 1e-12, "{together} is not {}", scores[first]);
}

/// Published KNN-KDE gives w/(Ms) > 1/M to a first neighbour heavier than the level: total mass above 1.
#[test]
fn regression_kde_mass_above_one() {
    // Query 0 has a lone first neighbour (weight 1), query 1 a crowd (small weights): the level stays below 1.
    let mut pool = Vec::new();
    for i in 0..60 {
        let angle = f64::from(i) * 1e-2;
        pool.extend([angle.cos() as f32, angle.sin() as f32, 0.0]);
    }
    pool.extend([0.0, 0.0, 1.0]);
    for i in 0..60 {
        let angle = 2.5 + f64::from(i) * 1e-2;
        pool.extend([angle.cos() as f32, angle.sin() as f32, 0.1]);
    }
    let case = Case::new(pool, vec![0.0, 0.0, 1.0, 1.0, 0.0, 0.0], 3);
    let settings = knn(0.999_999, 1.0);
    let found = case.select("knn-kde", &settings, 121);
    assert!(found.notes["level"].as_f64().unwrap() < 1.0);
    assert!((found.scores.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    let lone = found.rows.iter().position(|&row| row == 60).unwrap();
    assert!((found.scores[lone] - 0.5).abs() < 1e-12);
}

/// Published KNN-Uniform fills its few mass classes in file order.
#[test]
fn regression_uniform_ranks_classes_by_file_order() {
    let case = Case::random(400, 3, 21);
    let settings = knn(0.2, 5.0);
    let (order, scores) = case.all("knn-uniform", &settings);
    let (compatible, _) = case
        .all("knn-uniform", &KnnKde { tradeoff: Tradeoff { compat_reference: true, ..settings.tradeoff }, ..settings });
    assert!(compatible.windows(2).all(|p| scores[p[0]] > scores[p[1]] || p[0] < p[1]));
    assert_ne!(order, compatible);
}

/// A cap that decides instead of the rule is reported; a pool that ends is no cap.
#[test]
fn regression_list_cap_reported() {
    let case = Case::random(100, 3, 5);
    let note = |cap, alpha| {
        let settings = KnnKde { list_cap: cap, ..knn(alpha, 5.0) };
        case.select("knn-uniform", &settings, 1).notes["list_cap_reached"].clone()
    };
    assert_eq!(note(20, 1e-6), true);
    assert_eq!(note(5000, 1e-6), false);
    assert_eq!(note(20, 0.999), false);
    let kde = |alpha| case.select("knn-kde", &knn(alpha, 5.0), 1).notes["list_cap_reached"].clone();
    assert_eq!(kde(1e-6), true);
}

/// Published KNN-KDE refuses supports below 10,000 rows.
#[test]
fn regression_small_support_is_no_error() {
    let case = Case::random(50, 2, 1);
    assert_eq!(case.select("knn-kde", &KnnKde::default(), 50).rows.len(), 50);
}

#[test]
fn thread_count_does_not_matter() {
    let case = Case::new(cloud(3000, 6, 0.3, 1), cloud(9, 6, 0.3, 2), 6);
    let settings = KnnKde { kde_cap: 50, ..KnnKde::default() };
    let with = |threads: usize| {
        let pool = rayon_pool(threads);
        pool.install(|| (case.all("knn-kde", &settings), case.all("knn-uniform", &settings)))
    };
    assert_eq!(with(1), with(3));
}

fn rayon_pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

/// Distances between rows as given take the kernel 1 − ‖u − v‖²/σ² of arXiv 2410.11303.
#[test]
fn euclidean_rows_have_euclidean_densities() {
    let mut case = Case::random(200, 4, 12);
    case.cost = Cost::Euclidean;
    let (_, scores) = case.all("knn-kde", &knn(0.5, 5.0));
    assert!((scores.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    // Scaling rows and σ together changes nothing when the trade-off is scaled too.
    let scaled = |values: Vec<f32>| values.into_iter().map(|x| 4.0 * x).collect::<Vec<f32>>();
    let mut larger = Case::new(scaled(cloud(200, 6, 0.8, 12)), scaled(cloud(4, 6, 0.8, 13)), 6);
    larger.cost = Cost::Euclidean;
    let settings = KnnKde { sigma: 4.0 * 0.75, ..knn(0.5, 20.0) };
    assert_eq!(larger.all("knn-kde", &settings).1, scores);
}

/// A support narrower than the rounding of a cosine leaves every row alone; it makes no density 0.
#[test]
fn tiny_sigma_is_no_kernel() {
    let case = Case::random(200, 4, 12);
    let (order, scores) = case.all("knn-kde", &KnnKde { sigma: 1e-200, ..KnnKde::default() });
    assert!(scores.iter().all(|score| score.is_finite()));
    assert_eq!((order, scores), case.all("knn-kde", &KnnKde { sigma: 0.0, ..KnnKde::default() }));
}

#[test]
fn similarities_alone_have_no_densities() {
    let matrix = DenseRows::from_f32(4, vec![0.1, 0.9, 0.3, 0.2]).unwrap();
    let geometry = Geometry::from_matrix(&matrix, Cost::Cosine).unwrap();
    let refused = try_select(&geometry, "knn-kde", &KnnKde::default(), 2);
    assert!(matches!(refused, Err(SelectError::Unsupported { method: "knn-kde", .. })));
    let equal = KnnKde { sigma: 0.0, ..KnnKde::default() };
    assert_eq!(try_select(&geometry, "knn-kde", &equal, 2).unwrap().rows, [1, 2]);
    assert_eq!(try_select(&geometry, "knn-uniform", &KnnKde::default(), 2).unwrap().rows, [1, 2]);
}

#[test]
fn senseless_settings_are_refused_by_name() {
    let case = Case::random(20, 2, 1);
    let base = KnnKde::default;
    let bad = [
        ("alpha", knn(0.0, 5.0)),
        ("alpha", knn(1.0, 5.0)),
        ("alpha", knn(f64::NAN, 5.0)),
        ("tradeoff-c", knn(0.01, 0.0)),
        ("tradeoff-c", knn(0.01, f64::INFINITY)),
        ("list-cap", KnnKde { list_cap: 0, ..KnnKde::default() }),
        ("sigma", KnnKde { sigma: -1.0, ..KnnKde::default() }),
        ("sigma", KnnKde { sigma: f64::NAN, ..KnnKde::default() }),
        ("kde-cap", KnnKde { kde_cap: 0, ..KnnKde::default() }),
    ];
    for (wanted, settings) in bad {
        let found = case.try_select("knn-kde", &settings, 1);
        assert!(matches!(found, Err(SelectError::Setting { ref name, .. }) if name == wanted), "{wanted}: {found:?}");
    }
    for budget in [0, 21] {
        assert!(matches!(case.try_select("knn-uniform", &base(), budget), Err(SelectError::Budget { .. })));
    }
}
