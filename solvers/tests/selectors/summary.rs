//! What a pass finds does not depend on how the pool is split, nor on the order in which the parts are merged.

use crate::support::{clustered, double, geometry, matrix_of, single};
use kantor_solvers::scan::screen::{Screen, ScreenWorkspace};
use kantor_solvers::scan::screened::active_rows;
use kantor_solvers::scan::{MergeError, Summary};
use kantor_solvers::{PoolScan, ScanRequest};
use kantor_theory::{Cost, Geometry, Power};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The summary of one part of a pool, taken in blocks of random sizes in random order.
fn summary(screen: &Screen<'_>, request: ScanRequest, rng: &mut ChaCha8Rng) -> Summary {
    let n = screen.geometry().pool_len();
    let mut blocks = Vec::new();
    let mut start = 0;
    while start < n {
        let end = n.min(start + rng.random_range(1..=n));
        blocks.insert(rng.random_range(0..=blocks.len()), start..end);
        start = end;
    }
    let mut found = Summary::new(request, screen);
    let mut workspace = ScreenWorkspace::default();
    blocks.into_iter().for_each(|rows| found.update(screen, rows, &mut workspace, None));
    found
}

/// Merges any two until one is left; some travel as text.
fn merged(mut parts: Vec<Summary>, rng: &mut ChaCha8Rng) -> Summary {
    while parts.len() > 1 {
        let part = parts.swap_remove(rng.random_range(0..parts.len()));
        let part = match rng.random_bool(0.5) {
            true => serde_json::from_str(&serde_json::to_string(&part).unwrap()).unwrap(),
            false => part,
        };
        let into = rng.random_range(0..parts.len());
        parts[into].merge(part).unwrap();
    }
    parts.remove(0)
}

/// Everything that can be asked of a scan, as `whole` answers it.
fn answers(found: &PoolScan, whole: &Geometry<'_>, count: usize) -> String {
    let lists = found.lists.as_ref().map(|lists| lists.exact(whole, count));
    let best = found.row_best.as_ref().map(|best| best.top(whole, whole.pool_len()));
    format!("{lists:?} {best:?} {:?}", found.suspects)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_split_and_merge_tree_finds_the_same(seed: u64, n in 1usize..120, m in 1usize..9, cost in 0usize..5, kind in 0..3) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (dim, cost) = (rng.random_range(1..6), Cost::ALL[cost]);
        let mut rows = clustered(n, dim, 4, seed);
        // Copies, and norms that differ between the parts.
        rows.copy_within(0..dim, (n / 2) * dim);
        rows[(n - 1) * dim..].iter_mut().for_each(|x| *x *= 1e3);
        let (query, as_matrix) = (double(dim, &clustered(m, dim, 2, seed ^ 1)), kind == 2);
        let of = |rows: &[f64]| if kind == 0 { single(dim, rows) } else { double(dim, rows) };
        let request = ScanRequest { row_best: rng.random(), lists: [0, 1, n.div_ceil(5), n][rng.random_range(0..4)] };

        let whole = of(&rows);
        let matrix = matrix_of(&geometry(&whole, &query, cost), false);
        let whole = match as_matrix {
            true => Geometry::from_matrix(&matrix, Cost::Precomputed).unwrap(),
            false => geometry(&whole, &query, cost),
        };
        let screen = Screen::new(&whole);
        let expected = answers(&summary(&screen, request, &mut rng).finish(n).unwrap(), &whole, request.lists);
        let joined = merged((0..3).map(|_| Summary::new(request, &screen)).chain([summary(&screen, request, &mut rng)]).collect(), &mut rng);
        prop_assert_eq!(&answers(&joined.finish(n).unwrap(), &whole, request.lists), &expected);
        if as_matrix {
            return Ok(());
        }

        // Shards that do not know of each other, but for the scale.
        let (mut parts, mut start) = (Vec::new(), 0);
        while start < n {
            let end = n.min(start + rng.random_range(1..=n));
            let rows = of(&rows[start * dim..end * dim]);
            let shard = geometry(&rows, &query, cost);
            let screen = Screen::with_largest(&shard, Screen::largest(&whole));
            parts.push(summary(&screen, request, &mut rng).starting_at(start));
            start = end;
        }
        let twice = parts[0].clone();
        let joined = merged(parts, &mut rng);
        let mut doubled = joined.clone();
        prop_assert_eq!(&answers(&joined.clone().finish(n).unwrap(), &whole, request.lists), &expected);
        prop_assert_eq!(joined.finish(n + 1).err(), Some(MergeError::Rows { row: n, missing: true }));
        doubled.merge(twice).unwrap();
        prop_assert_eq!(doubled.finish(n).err(), Some(MergeError::Rows { row: 0, missing: false }));
    }
}

#[test]
fn summaries_of_other_scales_or_requests_are_not_merged() {
    let query = double(2, &[1.0, 0.0]);
    let (near, far) = (double(2, &[1.0, 1.0]), double(2, &[1e6, 1.0]));
    let (near, far) = (geometry(&near, &query, Cost::Euclidean), geometry(&far, &query, Cost::Euclidean));
    let request = ScanRequest { row_best: true, lists: 1 };
    let mut first = Summary::new(request, &Screen::new(&near));
    assert_eq!(first.merge(Summary::new(request, &Screen::new(&far))), Err(MergeError::Different));
    let longer = ScanRequest { lists: 2, ..request };
    assert_eq!(first.merge(Summary::new(longer, &Screen::new(&near))), Err(MergeError::Different));
}

/// A screening proof needs every row of the pool, and a screen whose error rests on nothing that the caller said.
#[test]
fn only_a_whole_pool_under_a_proved_screen_rules_rows_out() {
    let pool = double(1, &[0.0, 1.0, 2.0, 50.0]);
    let query = double(1, &[40.0]);
    let geometry = geometry(&pool, &query, Cost::Euclidean);
    let request = ScanRequest { row_best: false, lists: 4 };
    let rules_out = |screen: &Screen<'_>, rows: usize| {
        let mut summary = Summary::new(request, screen);
        summary.update(screen, 0..rows, &mut ScreenWorkspace::default(), None);
        let lists = summary.finish(rows).unwrap().lists.unwrap();
        active_rows(&geometry, &lists, Power::One, &[20.0]).is_some()
    };
    let screen = Screen::new(&geometry);
    assert!(rules_out(&screen, 4));
    // The one row that counts was not seen.
    assert!(!rules_out(&screen, 3));
    for largest in [1e-9, 50.0] {
        assert!(!rules_out(&Screen::with_largest(&geometry, largest), 4), "{largest}");
    }
}
