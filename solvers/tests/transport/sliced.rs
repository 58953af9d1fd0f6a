//! Projections on lines bound transport from below (theorem T6).

use kantor_solvers::transport::sliced::sliced;
use kantor_solvers::transport::sliced::slices;
use kantor_solvers::{Plan, Quiet, Solution, SolveError, Solver, SolverSettings, Stopped, Watch, registry};
use kantor_theory::{Cost, DenseRows, Geometry, Power, Status, TransportProblem, Weights};
use proptest::prelude::*;

const COSTS: [Cost; 5] = [Cost::Cosine, Cost::HalfCosine, Cost::Euclidean, Cost::Sqeuclidean, Cost::Angular];

fn exact(problem: &TransportProblem<'_>) -> Solution {
    (registry::solver("exact").unwrap().build)(&SolverSettings::default()).solve(problem, None, &Quiet).unwrap()
}

fn rows(dim: usize, values: &[f64]) -> DenseRows {
    DenseRows::from_f64(dim, values.to_vec()).unwrap()
}

fn cloud(n: usize, dim: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(prop_oneof![4 => -1.0..1.0f64, 1 => Just(0.5)], n * dim)
        .prop_filter("no zero row", move |x| x.chunks(dim).all(|x| x.iter().any(|x| x.abs() > 1e-3)))
}

type Case = (usize, Vec<f64>, Vec<f64>, Option<Vec<f64>>, Option<Vec<f64>>);

fn case() -> impl Strategy<Value = Case> {
    let weights = |n| prop::option::of(prop::collection::vec(prop_oneof![4 => 0.1..1.0f64, 1 => Just(0.0)], n));
    (1usize..6, 1usize..12, 1usize..7).prop_flat_map(move |(dim, n, m)| {
        let positive = |w: &Option<Vec<f64>>| w.as_ref().is_none_or(|w| w.iter().any(|w| *w > 0.0));
        let (a, b) = (weights(n).prop_filter("mass", positive), weights(m).prop_filter("mass", positive));
        (Just(dim), cloud(n, dim), cloud(m, dim), a, b)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// No direction gives more than the distance, for any cost and weights; the potentials are feasible for all pairs
    /// and have the value claimed. On the line itself nothing is lost.
    #[test]
    fn slices_are_lower_bounds((dim, x, y, subset, query) in case(), seed in 0u64..1000) {
        let settings = SolverSettings { directions: 7, seed, ..SolverSettings::default() };
        let (pool, queries) = (rows(dim, &x), rows(dim, &y));
        for cost in COSTS {
            for power in [Power::One, Power::Two] {
                let geometry = Geometry::new(&pool, &queries, cost).unwrap();
                let weights = Weights { subset: subset.clone(), query: query.clone() };
                let problem = TransportProblem { weights, ..TransportProblem::new(&geometry, power) };
                let (truth, found) = (exact(&problem), sliced(&settings).solve(&problem, None, &Quiet).unwrap());
                prop_assert!(found.dual <= truth.primal + 1e-12, "{cost}: {} above {}", found.dual, truth.primal);
                prop_assert_eq!(found.status, Status::Uncertified);
                prop_assert_eq!((found.primal, &found.plan), (f64::INFINITY, &Plan::Absent));
                let share = |w: &Option<Vec<f64>>, count: usize| {
                    let w = w.clone().unwrap_or_else(|| vec![1.0; count]);
                    let sum: f64 = w.iter().sum();
                    w.into_iter().map(|w| w / sum).collect::<Vec<f64>>()
                };
                let (f, g) = (&found.potentials.pool, &found.potentials.query);
                for (i, f) in f.iter().enumerate() {
                    for (j, g) in g.iter().enumerate() {
                        let cost = geometry.cost_of(i, j);
                        let cost = if power == Power::Two { cost * cost } else { cost };
                        prop_assert!(f + g <= cost + 1e-12);
                    }
                }
                let inner = |w: Vec<f64>, f: &[f64]| w.iter().zip(f).map(|(w, f)| w * f).sum::<f64>();
                let dual = inner(share(&subset, f.len()), f) + inner(share(&query, g.len()), g);
                prop_assert!((dual - found.dual).abs() < 1e-12, "{dual} {}", found.dual);
                let slices = slices(&problem, &settings, &Quiet).unwrap();
                prop_assert!(slices.mean <= slices.greatest + 1e-15);
                if dim == 1 && matches!(cost, Cost::Euclidean | Cost::Sqeuclidean) {
                    prop_assert!((found.dual - truth.primal).abs() < 1e-12);
                }
            }
        }
    }

    /// W_1(Q, Q + v) = ‖v‖, which the difference of the means sees, and W_2² = ‖v‖² likewise.
    #[test]
    fn shifts_are_seen_in_full((dim, x) in (1usize..9).prop_flat_map(|d| (Just(d), cloud(9, d))), v in cloud(1, 8)) {
        let shifted: Vec<f64> = x.iter().enumerate().map(|(at, x)| x + v[at % dim]).collect();
        let length = v[..dim].iter().map(|x| x * x).sum::<f64>().sqrt();
        let (pool, queries) = (rows(dim, &x), rows(dim, &shifted));
        let settings = SolverSettings { directions: 0, ..SolverSettings::default() };
        for (cost, value) in [(Cost::Euclidean, length), (Cost::Sqeuclidean, length * length)] {
            let geometry = Geometry::new(&pool, &queries, cost).unwrap();
            let found = slices(&TransportProblem::new(&geometry, Power::One), &settings, &Quiet).unwrap();
            prop_assert!((found.greatest - value).abs() < 1e-12);
            prop_assert!(found.mean.is_nan());
        }
    }

    /// Chosen rows in any order are the same as a pool of them.
    #[test]
    fn rows_that_take_part_are_a_pool(x in cloud(12, 3), y in cloud(4, 3), turn in 0usize..12) {
        let taken: Vec<usize> = (0..12).map(|i| (i * 5 + turn) % 12).take(7).collect();
        let copied: Vec<f64> = taken.iter().flat_map(|&i| x[3 * i..3 * i + 3].to_vec()).collect();
        let (pool, alone, queries) = (rows(3, &x), rows(3, &copied), rows(3, &y));
        let settings = SolverSettings { directions: 5, ..SolverSettings::default() };
        for cost in COSTS {
            let whole = Geometry::new(&pool, &queries, cost).unwrap();
            let part = Geometry::new(&alone, &queries, cost).unwrap();
            let chosen = TransportProblem { rows: Some(&taken), ..TransportProblem::new(&whole, Power::One) };
            let first = slices(&chosen, &settings, &Quiet).unwrap();
            prop_assert_eq!(first, slices(&TransportProblem::new(&part, Power::One), &settings, &Quiet).unwrap());
        }
    }
}

/// Numbers without pattern in (−1, 1).
fn noise(count: usize, seed: usize) -> Vec<f64> {
    (0..count).map(|i| ((i * 7919 + seed * 104_729) as f64 * 0.618_033_988_749_894_8).fract() * 2.0 - 1.0).collect()
}

#[test]
fn value_on_the_line_is_the_area_between_the_distribution_functions() {
    let (x, y) = (noise(31, 1), noise(8, 2));
    let mut cuts = [x.clone(), y.clone()].concat();
    cuts.sort_by(f64::total_cmp);
    let below = |z: &[f64], t: f64| z.iter().filter(|z| **z <= t).count() as f64 / z.len() as f64;
    let area: f64 = cuts.windows(2).map(|c| (below(&x, c[0]) - below(&y, c[0])).abs() * (c[1] - c[0])).sum();
    let (pool, queries) = (rows(1, &x), rows(1, &y));
    let geometry = Geometry::new(&pool, &queries, Cost::Euclidean).unwrap();
    let found = slices(&TransportProblem::new(&geometry, Power::One), &SolverSettings::default(), &Quiet).unwrap();
    assert!((found.greatest - area).abs() < 1e-14);
    assert!((found.mean - area).abs() < 1e-14 && found.standard_error < 1e-15);
}

#[test]
fn mean_over_the_sphere_is_estimated() {
    // Two points at distance 1 in three dimensions: E|θ·v| = 1/2, E(θ·v)² = 1/3.
    let (pool, queries) = (rows(3, &[0.0; 3]), rows(3, &[0.6, 0.0, 0.8]));
    let settings = SolverSettings { directions: 20_000, ..SolverSettings::default() };
    for (cost, mean) in [(Cost::Euclidean, 0.5), (Cost::Sqeuclidean, 1.0 / 3.0)] {
        let geometry = Geometry::new(&pool, &queries, cost).unwrap();
        let found = slices(&TransportProblem::new(&geometry, Power::One), &settings, &Quiet).unwrap();
        assert!((found.mean - mean).abs() < 4.0 * found.standard_error && found.standard_error < 0.003);
    }
}

#[test]
fn result_depends_on_the_seed_and_on_nothing_else() {
    let (pool, queries) = (rows(6, &noise(6 * 900, 3)), rows(6, &noise(6 * 40, 4)));
    let geometry = Geometry::new(&pool, &queries, Cost::Euclidean).unwrap();
    let problem = TransportProblem::new(&geometry, Power::One);
    let run = |seed, memory, threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            slices(&problem, &SolverSettings { seed, memory, ..SolverSettings::default() }, &Quiet).unwrap()
        })
    };
    let first = run(0, u64::MAX, 1);
    assert_eq!(first, run(0, u64::MAX, 3));
    assert_eq!(first, run(0, 24 * 940, 2));
    assert_ne!(first.mean, run(1, u64::MAX, 1).mean);
    assert!(matches!(
        slices(&problem, &SolverSettings { memory: 1000, ..SolverSettings::default() }, &Quiet),
        Err(SolveError::Memory { .. })
    ));
}

#[test]
fn whoever_stops_it_gets_what_was_found() {
    struct Impatient(std::sync::atomic::AtomicU64);
    impl Watch for Impatient {
        fn begin(&self, _: &str, _: u64) {}
        fn advance(&self, units: u64) -> Result<(), Stopped> {
            let before = self.0.fetch_add(units, std::sync::atomic::Ordering::Relaxed);
            if before < 40 { Ok(()) } else { Err(Stopped) }
        }
    }
    let (pool, queries) = (rows(4, &noise(400, 5)), rows(4, &noise(40, 6)));
    let geometry = Geometry::new(&pool, &queries, Cost::Cosine).unwrap();
    let problem = TransportProblem::new(&geometry, Power::One);
    let found = slices(&problem, &SolverSettings::default(), &Impatient(0.into())).unwrap();
    assert!(found.interrupted && found.directions == 32 && found.greatest > 0.0);
    assert_eq!(found.potentials.pool.len(), 100);
}

#[test]
fn matrices_have_no_lines() {
    let matrix = rows(2, &[0.1, 0.2]);
    let geometry = Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap();
    let refused = slices(&TransportProblem::new(&geometry, Power::One), &SolverSettings::default(), &Quiet);
    assert!(matches!(refused, Err(SolveError::Unsupported { solver: "sliced", .. })));
}
