//! Constraints under every selector: none of them knows one, all obey them.

use crate::support::constraints::{Kind, constraints, some_rows};
use crate::support::{MEMORY, clustered, geometry, single};
use kantor_solvers::registry::{SELECTORS, selector};
use kantor_solvers::scan;
use kantor_solvers::select::{Balanced, Constrained};
use kantor_solvers::{Quiet, ScanRequest, SelectError, Selection, Selector, Settings, Task};
use kantor_theory::constraints::{ColumnRecord, Counted, Limit};
use kantor_theory::{Column, Constraints, Cost, FeasibleSet, Geometry};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const N: usize = 240;
const M: usize = 6;
const DIM: usize = 7;

fn with_geometry(check: impl FnOnce(&Geometry<'_>)) {
    let (pool, query) = (single(DIM, &clustered(N, DIM, 5, 1)), single(DIM, &clustered(M, DIM, 5, 2)));
    check(&geometry(&pool, &query, Cost::Cosine));
}

fn task<'a>(geometry: &'a Geometry<'a>, constraints: Option<&'a FeasibleSet>) -> Task<'a> {
    Task { seed: 3, block: 64, constraints, ..Task::new(geometry, MEMORY, &Quiet) }
}

fn choose(selector: &dyn Selector, task: &Task<'_>, budget: usize) -> Result<Selection, SelectError> {
    let scanned = scan::scan(task, selector.needs(task, budget))?;
    Ok(selector.select(task, &scanned, &[budget])?.remove(0))
}

fn build(name: &str) -> Box<dyn Selector> {
    (selector(name).unwrap().build)(&Settings::default())
}

/// Constraints of some kind and the budget for which some subset obeys them.
fn some_constraints(seed: u64) -> (FeasibleSet, usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let k = rng.random_range(1..N / 3);
    let kept = some_rows(&mut rng, N, k);
    let kinds = [Kind::Partition, Kind::Laminar, Kind::Crossing, Kind::Everything];
    (constraints(&mut rng, kinds[seed as usize % 4], N, &kept), k)
}

fn check(selection: &Selection, set: &FeasibleSet, k: usize, case: &str) {
    let mut rows = selection.rows.clone();
    rows.sort_unstable();
    rows.dedup();
    assert_eq!((rows.len(), selection.scores.len()), (k, k), "{case}: wrong number of rows");
    assert_eq!(set.check(&rows), Ok(()), "{case}");
    assert!(selection.scores.iter().all(|score| !score.is_nan()), "{case}: a score is NaN");
}

#[test]
fn every_selector_obeys_every_constraint_at_any_block_and_number_of_threads() {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    with_geometry(|geometry| {
        for seed in 0..24 {
            let (set, k) = some_constraints(seed);
            for entry in SELECTORS {
                let selector = Constrained::new((entry.build)(&Settings::default()));
                let selection = choose(&selector, &task(geometry, Some(&set)), k).unwrap();
                check(&selection, &set, k, &format!("{}, seed {seed}", entry.name));
                if seed % 4 == 3 {
                    let other = Task { block: 7, ..task(geometry, Some(&set)) };
                    let again = one.install(|| choose(&selector, &other, k)).unwrap();
                    assert_eq!((again.rows, again.scores), (selection.rows, selection.scores), "{}", entry.name);
                }
            }
        }
    });
}

#[test]
fn without_constraints_the_wrapper_changes_nothing() {
    with_geometry(|geometry| {
        let none = FeasibleSet::new(&Constraints::default(), &[], N, &[]).unwrap();
        for entry in SELECTORS {
            let plain = choose((entry.build)(&Settings::default()).as_ref(), &task(geometry, None), 50).unwrap();
            let wrapped = Constrained::new((entry.build)(&Settings::default()));
            assert_eq!(choose(&wrapped, &task(geometry, None), 50).unwrap(), plain, "{}", entry.name);
            let empty = choose(&wrapped, &task(geometry, Some(&none)), 50).unwrap();
            assert_eq!((empty.rows, empty.scores), (plain.rows, plain.scores), "{}", entry.name);
        }
    });
}

/// Passing over rows of a balanced order would leave groups short: the groups take turns among admissible rows.
#[test]
fn balanced_groups_stay_balanced_under_constraints() {
    with_geometry(|geometry| {
        let labels = [4, 4, 4, 4, 9, 4];
        for seed in 0..8 {
            let (set, k) = some_constraints(seed);
            for entry in SELECTORS {
                let balanced = || Balanced::new((entry.build)(&Settings::default()), &labels);
                let selection =
                    choose(&Constrained::new(Box::new(balanced())), &task(geometry, Some(&set)), k).unwrap();
                check(&selection, &set, k, entry.name);
                assert_eq!(selection.notes["balanced-groups"], 2);
                // Pick r is the first in the order of group r mod 2 that is admissible: with one group's queries close to
                // some rows, its picks are not the other's.
                let group = [&[0usize, 1, 2, 3, 5][..], &[4]];
                if entry.name == "doubly-greedy" {
                    for (r, (&row, score)) in selection.rows.iter().zip(&selection.scores).enumerate() {
                        let own = group[r % 2].iter().map(|&query| geometry.closeness(row, query));
                        assert_eq!(own.fold(f64::NEG_INFINITY, f64::max), *score, "pick {r}");
                    }
                }
            }
        }
    });
}

/// The query whose turn it is takes the closest row that may still be chosen, though a closer one is refused.
#[test]
fn queries_take_turns_among_admissible_rows() {
    with_geometry(|geometry| {
        let label = |row: usize| if row.is_multiple_of(3) { "web" } else { "code" };
        let labels: Vec<&str> = (0..N).map(label).collect();
        let limit = Limit { column: 0, of: Counted::Label("web".into()), min: None, max: Some(4.0) };
        let columns = vec![ColumnRecord { name: "source".into(), blake3: String::new(), origin: None }];
        let all = Constraints { columns, limits: vec![limit], exclude: vec![1, 2, 4, 5], ..Constraints::default() };
        let set = FeasibleSet::new(&all, &[Column::labels(labels.iter().map(|of| Some(*of)))], N, &[]).unwrap();
        let found = choose(build("round-robin").as_ref(), &task(geometry, Some(&set)), 60).unwrap();
        let (mut free, mut web) = (vec![true; N], 0);
        for (r, &row) in found.rows.iter().enumerate() {
            let may = |row: &usize| free[*row] && !set.is_excluded(*row) && (web < 4 || label(*row) != "web");
            let of = |row: &usize| geometry.closeness(*row, r % M);
            let closest = (0..N).filter(may).max_by(|a, b| of(a).total_cmp(&of(b)).then(b.cmp(a))).unwrap();
            assert_eq!(row, closest, "pick {r}");
            free[row] = false;
            web += usize::from(label(row) == "web");
        }
        assert_eq!(web, 4);
    });
}

#[test]
fn constraints_that_cannot_be_met_and_several_budgets_are_refused() {
    with_geometry(|geometry| {
        let labels: Vec<Option<&str>> = (0..N).map(|row| (row < 5).then_some("gsm8k")).collect();
        let limit = Limit { column: 0, of: Counted::Label("gsm8k".into()), min: Some(10.0), max: None };
        let columns = vec![ColumnRecord { name: "source".into(), blake3: String::new(), origin: None }];
        let all = Constraints { columns, limits: vec![limit], ..Constraints::default() };
        let set = FeasibleSet::new(&all, &[Column::labels(labels)], N, &[]).unwrap();
        for entry in SELECTORS {
            let selector = Constrained::new((entry.build)(&Settings::default()));
            let task = task(geometry, Some(&set));
            let error = choose(&selector, &task, 20).unwrap_err();
            assert!(matches!(error, SelectError::Infeasible { budget: 20, .. }), "{}: {error}", entry.name);
            assert!(error.to_string().contains("`source=gsm8k` has 5 rows"), "{error}");
            let scanned = scan::scan(&task, selector.needs(&task, 20)).unwrap();
            assert_eq!(selector.select(&task, &scanned, &[10, 20]), Err(SelectError::Budgets(2)), "{}", entry.name);
        }
    });
}

/// `optimal` under constraints read the lists of the pass whole: beside another method, which asks for longer ones, it chose
/// other rows.
#[test]
fn what_others_ask_of_the_pass_changes_no_choice() {
    with_geometry(|geometry| {
        for seed in 0..24 {
            let (set, k) = some_constraints(seed);
            let constraints = if seed % 6 == 5 { None } else { Some(&set) };
            for entry in SELECTORS {
                let selector = Constrained::new(build(entry.name));
                let task = task(geometry, constraints);
                let needs = selector.needs(&task, k);
                let choose = |more: ScanRequest| {
                    let scanned = scan::scan(&task, needs.union(more)).unwrap();
                    selector.select(&task, &scanned, &[k]).map(|mut found| found.remove(0).rows)
                };
                let alone = choose(ScanRequest::default());
                for lists in [needs.lists + 7, 2 * needs.lists + 20, N] {
                    let beside = choose(ScanRequest { row_best: true, lists });
                    assert_eq!(alone, beside, "{} seed {seed} k {k} lists {lists}", entry.name);
                }
            }
        }
    });
}
