//! Completeness: whatever `select` certifies, the checker verifies, for all methods, costs, powers, budgets and inputs.

use kantor::theory::{Cost, Power};

use crate::support::{Checked, Instance, Kind, check, numbers};

const POINT_COSTS: [Cost; 5] = [Cost::Cosine, Cost::HalfCosine, Cost::Euclidean, Cost::Sqeuclidean, Cost::Angular];
const MATRIX_COSTS: [Cost; 4] = [Cost::Precomputed, Cost::Cosine, Cost::HalfCosine, Cost::Angular];
const POWERS: [Power; 2] = [Power::One, Power::Two];

/// 1, below M, M, a multiple of M, between multiples, N.
fn budgets(n: usize, m: usize) -> Vec<usize> {
    let mut budgets = vec![1, m.saturating_sub(1), m, 3 * m, 2 * m + 1, n - 1, n];
    budgets.retain(|&budget| (1..=n).contains(&budget));
    budgets.sort_unstable();
    budgets.dedup();
    budgets
}

/// All costs and both powers; every instance must yield certificates of all methods.
fn all(instance: &Instance, costs: &[Cost], n: usize, m: usize) -> Vec<(Cost, Power, Checked)> {
    let mut results = Vec::new();
    for &cost in costs {
        for power in POWERS {
            let budgets = budgets(n, m);
            let checked = check(instance, cost, power, &budgets);
            assert!(checked.certificates >= 7 * budgets.len(), "{cost} {power:?}: {}", checked.certificates);
            results.push((cost, power, checked));
        }
    }
    results
}

/// As [`all`], where costs are far from rounding errors: `optimal` closes whenever it promises to.
fn all_closed(instance: &Instance, costs: &[Cost], n: usize, m: usize) {
    for (cost, power, checked) in all(instance, costs, n, m) {
        for (budget, closed, lower, upper) in checked.optimal {
            let promised = budget % m == 0 || budget == n;
            assert!(closed || !promised, "{cost} {power:?} k = {budget}: [{lower}, {upper}]");
        }
    }
}

#[test]
fn general_position() {
    for (seed, kind) in [(1, Kind::F32), (2, Kind::F64), (3, Kind::F16), (4, Kind::Fortran)] {
        let (pool, query) = (numbers(seed, 31 * 6), numbers(seed + 100, 5 * 6));
        all_closed(&Instance::points(kind, 6, &[&pool], &query), &POINT_COSTS, 31, 5);
    }
}

#[test]
fn longer_pools_than_lists() {
    let (pool, query) = (numbers(5, 700 * 9), numbers(6, 3 * 9));
    all_closed(&Instance::points(Kind::F32, 9, &[&pool], &query), &POINT_COSTS, 700, 3);
}

#[test]
fn shards() {
    let (pool, query) = (numbers(7, 40 * 4), numbers(8, 4 * 4));
    let shards: [&[f64]; 3] = [&pool[..4], &pool[4..100], &pool[100..]];
    all_closed(&Instance::points(Kind::F32, 4, &shards, &query), &POINT_COSTS, 40, 4);
}

#[test]
fn one_query() {
    all_closed(&Instance::points(Kind::F32, 3, &[&numbers(9, 60)], &numbers(10, 3)), &POINT_COSTS, 20, 1);
}

#[test]
fn one_row() {
    all(&Instance::points(Kind::F32, 3, &[&numbers(11, 3)], &numbers(12, 3)), &POINT_COSTS, 1, 1);
    all(&Instance::points(Kind::F64, 3, &[&numbers(11, 3)], &numbers(12, 12)), &POINT_COSTS, 1, 4);
}

#[test]
fn all_rows_equal() {
    let pool = [0.5, -0.25, 0.125].repeat(25);
    all_closed(&Instance::points(Kind::F32, 3, &[&pool], &numbers(13, 12)), &POINT_COSTS, 25, 4);
    all(&Instance::points(Kind::F32, 3, &[&pool], &[0.5, -0.25, 0.125].repeat(4)), &POINT_COSTS, 25, 4);
}

#[test]
fn ties_everywhere() {
    // The corners of a cube, several times over.
    let corner = |i: usize| [0, 1, 2].map(|bit| if i >> bit & 1 == 1 { 1.0 } else { -1.0 });
    let pool: Vec<f64> = (0..40).flat_map(corner).collect();
    let query: Vec<f64> = [0, 3, 3, 5].into_iter().flat_map(corner).collect();
    all(&Instance::points(Kind::F32, 3, &[&pool], &query), &POINT_COSTS, 40, 4);
    all(&Instance::points(Kind::F16, 3, &[&pool], &query), &POINT_COSTS, 40, 4);
}

#[test]
fn duplicates_and_queries_in_the_pool() {
    let (base, query) = (numbers(14, 10 * 5), numbers(15, 4 * 5));
    let pool = [&base[..], &base, &query, &base[..20], &query].concat();
    let n = pool.len() / 5;
    all(&Instance::points(Kind::F32, 5, &[&pool], &query), &POINT_COSTS, n, 4);
    let near: Vec<f64> = pool.iter().zip(numbers(16, pool.len())).map(|(x, e)| x + 1e-9 * e).collect();
    all(&Instance::points(Kind::F64, 5, &[&near], &query), &POINT_COSTS, n, 4);
}

#[test]
fn identical_sets_are_at_distance_exactly_zero() {
    for (kind, scale) in [(Kind::F32, 1.0), (Kind::F64, 1e-20), (Kind::F64, 1e20), (Kind::F16, 1.0)] {
        let rows: Vec<f64> = numbers(17, 12 * 4).into_iter().map(|x| scale * x).collect();
        for (cost, power, checked) in all(&Instance::points(kind, 4, &[&rows], &rows), &POINT_COSTS, 12, 12) {
            let &(budget, closed, lower, upper) = checked.optimal.last().unwrap();
            assert_eq!((budget, closed, lower, upper), (12, true, 0.0, 0.0), "{cost} {power:?}");
        }
    }
}

#[test]
fn norms_from_1e_minus_20_to_1e20() {
    for (kind, powers) in [(Kind::F32, [-18.0, 18.0]), (Kind::F64, [-20.0, 20.0])] {
        let scaled = |seed, rows: usize| {
            let exponents = numbers(seed + 50, rows);
            let scale = exponents.into_iter().map(|x| 10f64.powf(x * powers[1]));
            let values = numbers(seed, rows * 4);
            values
                .chunks(4)
                .zip(scale)
                .flat_map(|(row, s)| row.iter().map(move |x| x * s).collect::<Vec<_>>())
                .collect()
        };
        let (pool, query): (Vec<f64>, Vec<f64>) = (scaled(18, 30), scaled(19, 4));
        all(&Instance::points(kind, 4, &[&pool], &query), &POINT_COSTS, 30, 4);
        for power in powers {
            let all_of = |values: Vec<f64>| values.into_iter().map(|x| x * 10f64.powf(power)).collect::<Vec<_>>();
            let (pool, query) = (all_of(numbers(20, 120)), all_of(numbers(21, 16)));
            all(&Instance::points(kind, 4, &[&pool], &query), &POINT_COSTS, 30, 4);
        }
    }
}

#[test]
fn dropped_rows() {
    let (mut pool, mut query) = (numbers(22, 30 * 3), numbers(23, 6 * 3));
    for row in [0, 7, 8, 29] {
        pool[3 * row] = f64::NAN;
    }
    query[3 * 2 + 1] = f64::INFINITY;
    let shards: [&[f64]; 2] = [&pool[..24], &pool[24..]];
    all_closed(&Instance::points(Kind::F32, 3, &shards, &query).dropping(), &POINT_COSTS, 26, 5);
}

#[test]
fn matrices() {
    for (seed, kind) in [(24, Kind::F32), (25, Kind::F64), (26, Kind::F16), (27, Kind::Fortran)] {
        all_closed(&Instance::matrix(kind, 30, &numbers(seed, 4 * 30)), &MATRIX_COSTS[1..], 30, 4);
        // Costs of both signs, which are not squared.
        check(&Instance::matrix(kind, 30, &numbers(seed, 4 * 30)), Cost::Precomputed, Power::One, &budgets(30, 4));
        let costs: Vec<f64> = numbers(seed, 4 * 30).into_iter().map(|x| x + 2.0).collect();
        all_closed(&Instance::matrix(kind, 30, &costs), &MATRIX_COSTS[..1], 30, 4);
    }
}

#[test]
fn rows_on_the_edge_of_counting_add_nothing() {
    // Whole-number costs: potentials equal costs, so that differences are exactly zero.
    for seed in 28..34 {
        let costs: Vec<f64> = numbers(seed, 3 * 24).into_iter().map(|x| (3.0 * x).floor() + 3.0).collect();
        all(&Instance::matrix(Kind::F32, 24, &costs), &MATRIX_COSTS[..1], 24, 3);
    }
    all(&Instance::matrix(Kind::F32, 24, &[0.0; 72]), &MATRIX_COSTS, 24, 3);
    all(&Instance::matrix(Kind::F64, 24, &[0.3; 72]), &MATRIX_COSTS, 24, 3);
}

/// Entries outside [−1, 1] by rounding are one number to selection, certificate and checker.
#[test]
fn cosines_beyond_one_by_rounding_are_certified_as_one() {
    let beyond = [1.0 + 2.0 * f64::from(f32::EPSILON), 1.0, -1.0 - f64::from(f32::EPSILON), 0.25, -0.75];
    for (seed, kind) in [(36, Kind::F32), (37, Kind::F64)] {
        let similarities: Vec<f64> =
            numbers(seed, 3 * 24).into_iter().map(|x| beyond[(2.5 * (x + 1.0)) as usize]).collect();
        all_closed(&Instance::matrix(kind, 24, &similarities), &MATRIX_COSTS[1..], 24, 3);
    }
}

#[test]
fn matrices_of_any_scale() {
    for scale in [1e-300, 1e-150, 1e-20, 1e20, 1e139] {
        let costs: Vec<f64> = numbers(35, 72).into_iter().map(|x| scale * (x + 1.5)).collect();
        all(&Instance::matrix(Kind::F64, 24, &costs), &MATRIX_COSTS[..1], 24, 3);
    }
}
