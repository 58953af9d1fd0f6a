//! Budgets in tokens (T17) under every selector, with limits and without: all keep to them.

use kantor_solvers::registry::{SELECTORS, selector};
use kantor_solvers::relax::{budgeted, herding};
use kantor_solvers::select::Constrained;
use kantor_solvers::{Quiet, SelectError, Selection, Selector, Settings, Task, TokenAdmission, least_tokens, scan};
use kantor_theory::constraints::ColumnRecord;
use kantor_theory::{
    Column, Constraints, Cost, FeasibleSet, Geometry, Kernel, Objective, Statement, TokenBudget, Weights,
    constrained_best_bound, sequential,
};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::constraints::{Kind, constraints, some_rows};
use crate::support::{MEMORY, clustered, geometry, single};

const N: usize = 240;
const M: usize = 6;
const DIM: usize = 7;

fn with_geometry(check: impl FnOnce(&Geometry<'_>)) {
    let (pool, query) = (single(DIM, &clustered(N, DIM, 5, 1)), single(DIM, &clustered(M, DIM, 5, 2)));
    check(&geometry(&pool, &query, Cost::Cosine));
}

fn task<'a>(geometry: &'a Geometry<'a>, set: Option<&'a FeasibleSet>) -> Task<'a> {
    Task { seed: 3, block: 64, constraints: set, ..Task::new(geometry, MEMORY, &Quiet) }
}

fn choose(selector: &dyn Selector, task: &Task<'_>, budget: usize) -> Result<Selection, SelectError> {
    let scanned = scan::scan(task, selector.needs(task, budget))?;
    Ok(selector.select(task, &scanned, &[budget])?.remove(0))
}

fn named(name: &str) -> Constrained {
    Constrained::new((selector(name).unwrap().build)(&Settings::default()))
}

fn in_tokens(lengths: &[f64], most: f64, include: Vec<usize>, exclude: Vec<usize>) -> FeasibleSet {
    let free = (0..N).filter(|row| exclude.binary_search(row).is_err()).map(|row| lengths[row]);
    let min = least_tokens(free, most).unwrap();
    let tokens = TokenBudget { column: ColumnRecord::default(), min, max: most };
    let constraints = Constraints { include, exclude, ..Constraints::default() };
    let set = FeasibleSet::new(&constraints, &[], N, &[]).unwrap();
    set.in_tokens(&tokens, &Column::numbers(lengths.to_vec()).unwrap(), N, &[]).unwrap()
}

/// Lengths of some kind, and a budget that the rows have and whose rows to be included fit.
fn some_set(seed: u64) -> FeasibleSet {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let length = |rng: &mut ChaCha8Rng| match (seed % 4, rng.random_range(0..20)) {
        (0, _) => 1.0,
        (1, 0) => 0.0,
        // A few rows that are longer than most budgets.
        (2, 0) => 5000.0,
        _ => f64::from(rng.random_range(1..200u32)),
    };
    let lengths: Vec<f64> = (0..N).map(|_| length(&mut rng)).collect();
    let mut exclude: Vec<usize> = (0..N).filter(|_| rng.random_range(0..6) == 0).collect();
    let include: Vec<usize> = (0..N).filter(|row| lengths[*row] < 200.0 && row % 97 == 5).collect();
    exclude.retain(|row| !include.contains(row));
    let of = |rows: &[usize]| rows.iter().map(|&row| lengths[row]).sum::<f64>();
    let free = lengths.iter().sum::<f64>() - of(&exclude);
    let most = (of(&include) + 1.0).max(free * rng.random_range(0.01..0.9)).floor();
    in_tokens(&lengths, most, include, exclude)
}

fn check(selection: &Selection, set: &FeasibleSet, case: &str) {
    let mut rows = selection.rows.clone();
    rows.sort_unstable();
    rows.dedup();
    assert_eq!((rows.len(), selection.scores.len()), (selection.rows.len(), selection.rows.len()), "{case}: repeats");
    // Of the tokens, and of rows to include and exclude.
    assert_eq!(set.check(&rows), Ok(()), "{case}");
    assert!(selection.scores.iter().all(|score| !score.is_nan()), "{case}: a score is NaN");
}

#[test]
fn every_selector_keeps_to_every_budget_in_tokens_at_any_block_and_number_of_threads() {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    with_geometry(|geometry| {
        for seed in 0..16 {
            let set = some_set(seed);
            for entry in SELECTORS {
                let selector = named(entry.name);
                let case = format!("{}, seed {seed}", entry.name);
                let selection = choose(&selector, &task(geometry, Some(&set)), 0).unwrap();
                check(&selection, &set, &case);
                if seed % 4 == 3 {
                    let other = Task { block: 7, ..task(geometry, Some(&set)) };
                    let again = one.install(|| choose(&selector, &other, 0)).unwrap();
                    assert_eq!((again.rows, again.scores), (selection.rows, selection.scores), "{case}");
                }
            }
        }
    });
}

/// Limits of some kind that a subset of some tokens obeys, and these as the budget.
fn limited(seed: u64) -> FeasibleSet {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let kind = [Kind::Partition, Kind::Laminar, Kind::Crossing, Kind::Everything][seed as usize % 4];
    let count = rng.random_range(8..60);
    let kept = some_rows(&mut rng, N, count);
    let set = constraints(&mut rng, kind, N, &kept);
    let lengths: Vec<f64> = (0..N).map(|_| f64::from(rng.random_range(1..200u32))).collect();
    let free = (0..N).filter(|&row| !set.is_excluded(row)).map(|row| lengths[row]);
    let most = kept.iter().map(|&row| lengths[row]).sum::<f64>() + f64::from(rng.random_range(0..100u32));
    let min = least_tokens(free, most).unwrap();
    let tokens = TokenBudget { column: ColumnRecord::default(), min, max: most };
    set.in_tokens(&tokens, &Column::numbers(lengths).unwrap(), N, &[]).unwrap()
}

/// Registry × random limits: whatever a method chooses obeys, and nearly always one is found.
#[test]
fn every_selector_obeys_limits_within_budgets_in_tokens() {
    with_geometry(|geometry| {
        let (mut chosen, mut none) = (0, 0);
        for seed in 0..40 {
            let set = limited(seed);
            for (at, entry) in SELECTORS.iter().enumerate() {
                if !(seed as usize + at).is_multiple_of(3)
                    && !["optimal", "random", "swap", "energy"].contains(&entry.name)
                {
                    continue;
                }
                let objective = if seed % 5 == 0 { Objective::Energy } else { Objective::W };
                let task = Task { objective, ..task(geometry, Some(&set)) };
                match choose(&named(entry.name), &task, 1) {
                    Ok(selection) => check(&selection, &set, &format!("{}, seed {seed}", entry.name)),
                    Err(SelectError::NoTokensFound { .. }) => none += 1,
                    Err(other) => panic!("{}, seed {seed}: {other}", entry.name),
                }
                chosen += 1;
            }
        }
        assert!(none * 20 < chosen, "none found {none} times of {chosen}");
    });
}

/// Limits on one column, and a random order of rows: the budget is met, and what is taken can always be completed.
#[test]
fn every_order_of_rows_obeys_limits_within_the_budget() {
    let mut found = 0;
    for seed in 0..200 {
        let set = limited(seed);
        let mut order: Vec<usize> = (0..N).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let mut admission = match TokenAdmission::new(&set) {
            Ok(admission) => admission.unwrap(),
            Err(SelectError::NoTokensFound { .. }) => continue,
            Err(other) => panic!("seed {seed}: {other}"),
        };
        let mut taken = Vec::new();
        for row in order {
            if admission.is_met() {
                break;
            }
            if admission.take(row) {
                taken.push(row);
            }
            // What is taken and the reserve obey together, but for the fewest tokens.
            let (tokens, lengths) = set.tokens().unwrap();
            let whole: Vec<usize> = taken.iter().copied().chain(admission.reserved()).collect();
            assert!(whole.iter().map(|&row| lengths[row]).sum::<f64>() <= tokens.max, "seed {seed}");
        }
        let chosen = if admission.is_met() { Ok(taken) } else { admission.complete(taken) };
        let Ok(chosen) = chosen else { continue };
        assert_eq!(set.check(&chosen), Ok(()), "seed {seed}");
        found += 1;
    }
    assert!(found > 190, "{found} of 200");
}

/// Small pools, where the fewest tokens are too few for what limits ask for: it was said that nothing obeys them.
#[test]
fn nobody_says_that_no_choice_obeys_where_one_does() {
    const FEW: usize = 12;
    let (pool, query) = (single(3, &clustered(FEW, 3, 3, 1)), single(3, &clustered(3, 3, 2, 2)));
    let geometry = geometry(&pool, &query, Cost::Euclidean);
    let mut none = 0;
    for seed in 0..240u64 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let kind = [Kind::Partition, Kind::Laminar, Kind::Crossing, Kind::Everything][seed as usize % 4];
        let count = rng.random_range(1..6);
        let kept = some_rows(&mut rng, FEW, count);
        let set = constraints(&mut rng, kind, FEW, &kept);
        let lengths: Vec<f64> = (0..FEW).map(|_| f64::from(rng.random_range(1..7u32))).collect();
        let most = kept.iter().map(|&row| lengths[row]).sum::<f64>() + f64::from(rng.random_range(0..3u32));
        let free = (0..FEW).filter(|&row| !set.is_excluded(row)).map(|row| lengths[row]);
        let tokens = TokenBudget { column: ColumnRecord::default(), min: least_tokens(free, most).unwrap(), max: most };
        let set = set.in_tokens(&tokens, &Column::numbers(lengths).unwrap(), FEW, &[]).unwrap();
        if set.check(&kept).is_err() {
            continue;
        }
        let task = task(&geometry, Some(&set));
        let scanned = scan::scan(&task, budgeted::needs(&task, 0)).unwrap();
        match budgeted::solve(&task, &scanned, &[1]) {
            Ok(found) => assert_eq!(set.check(&found.budgets[0].rows), Ok(()), "seed {seed}"),
            Err(SelectError::NoTokensFound { .. }) => none += 1,
            Err(other) => panic!("seed {seed}: {other}"),
        }
    }
    assert!(none < 24, "{none} of 240 not found");
}

/// The best prices prove the value of the relaxation, which no choice is below, and which `optimal` is near.
#[test]
fn prices_of_limits_prove_the_relaxed_optimum_of_tokens() {
    with_geometry(|geometry| {
        let mut gaps = Vec::new();
        for seed in 0..16 {
            let set = limited(seed);
            let worths: Vec<f64> = (0..N).map(|row| 0.01 * ((row * 7) % 5) as f64).collect();
            let quality = (seed % 4 == 1).then_some(&worths[..]);
            let task = Task { quality, ..task(geometry, Some(&set)) };
            let scanned = scan::scan(&task, budgeted::needs(&task, 0)).unwrap();
            let found = match budgeted::solve(&task, &scanned, &[1]) {
                Ok(mut found) => found.budgets.remove(0),
                Err(SelectError::NoTokensFound { .. }) => continue,
                Err(other) => panic!("seed {seed}: {other}"),
            };
            assert_eq!(set.check(&found.rows), Ok(()), "seed {seed}");
            assert!(found.value >= found.lp_value - 1e-9, "seed {seed}");
            gaps.push(found.value - found.lp_value);
            if quality.is_some() {
                continue;
            }
            let statement = Statement::new(geometry, task.power, 0)
                .constrained(set.constraints().clone())
                .in_tokens(set.tokens().unwrap().0.clone());
            let proved =
                constrained_best_bound(geometry, &statement, found.potentials, &set, &found.prices, &sequential);
            let lower = proved.unwrap().lower();
            assert!(lower >= found.lp_value - 1e-6, "seed {seed}: {lower} {}", found.lp_value);
            assert!(found.value >= lower - 1e-9, "seed {seed}");
        }
        assert!(gaps.len() > 12, "{gaps:?}");
    });
}

/// Under a kernel: the witness and the prices prove nearly what was chosen.
#[test]
fn witnesses_of_tokens_prove_what_herding_finds() {
    with_geometry(|geometry| {
        for seed in 0..12 {
            let set = if seed % 2 == 0 { some_set(seed) } else { limited(seed) };
            let task = Task { objective: Objective::Energy, ..task(geometry, Some(&set)) };
            let chosen = match herding::choose(&task, Kernel::ENERGY, &[1]) {
                Ok(mut chosen) => chosen.budgets.remove(0),
                Err(SelectError::NoTokensFound { .. }) => continue,
                Err(other) => panic!("seed {seed}: {other}"),
            };
            assert_eq!(set.check(chosen.rows()), Ok(()), "seed {seed}");
            let dual = herding::dual(&task, Kernel::ENERGY, &chosen).unwrap();
            let statement = Statement::new(geometry, task.power, 0)
                .under(Objective::Energy)
                .constrained(set.constraints().clone())
                .in_tokens(set.tokens().unwrap().0.clone());
            let proved = constrained_best_bound(geometry, &statement, dual.witness, &set, &dual.prices, &sequential);
            let (lower, value) = (proved.unwrap().lower(), chosen.values[1].max(0.0).sqrt());
            assert!(value >= lower - 1e-9, "seed {seed}: {value} {lower}");
            assert!(chosen.values[1] <= chosen.values[0] + 1e-12, "seed {seed}");
            assert!(seed % 2 == 1 || value <= 1.3 * lower + 0.02, "seed {seed}: {value} {lower}");
        }
    });
}

/// Whatever the order in which rows are asked for, a budget is met, and rows are taken while they fit.
#[test]
fn every_order_of_rows_meets_the_budget() {
    for seed in 0..200 {
        let set = some_set(seed);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut order: Vec<usize> = (0..N).collect();
        order.shuffle(&mut rng);
        let mut admission = TokenAdmission::new(&set).unwrap().unwrap();
        let taken: Vec<usize> = order.into_iter().filter(|&row| !admission.is_met() && admission.take(row)).collect();
        assert!(admission.is_met(), "seed {seed}");
        assert_eq!(set.check(&taken), Ok(()), "seed {seed}");
    }
    assert_eq!(least_tokens([3.0, 1.0, 2.0].into_iter(), 6.0), Some(4.0));
    assert_eq!(least_tokens([1.0; 5].into_iter(), 4.0), Some(4.0), "of equal rows every number is reached");
    assert_eq!(least_tokens([3.0, 1.0, 2.0].into_iter(), 7.0), None, "there are not so many");
}

/// With the length 1 for every row, a budget in tokens is one in rows: methods that rank take the same rows, and the relaxed
/// optimum has the same value.
#[test]
fn unit_lengths_are_rows() {
    with_geometry(|geometry| {
        for k in [6, 20, 33] {
            let set = in_tokens(&[1.0; N], k as f64, Vec::new(), Vec::new());
            for entry in SELECTORS {
                let plain = (entry.build)(&Settings::default());
                if !plain.nested() {
                    continue;
                }
                let rows = choose(plain.as_ref(), &task(geometry, None), k).unwrap().rows;
                let tokens = choose(&named(entry.name), &task(geometry, Some(&set)), k).unwrap().rows;
                assert_eq!(rows, tokens, "{} at {k}", entry.name);
            }
            let value = |set: Option<&FeasibleSet>| {
                let task = task(geometry, set);
                let scanned = scan::scan(&task, budgeted::needs(&task, k)).unwrap();
                let found = budgeted::solve(&task, &scanned, &[k]).unwrap().budgets.remove(0);
                (found.lp_value, found.value)
            };
            let ((rows, best), (tokens, rounded)) = (value(None), value(Some(&set)));
            assert!((rows - tokens).abs() < 1e-9, "{k}: {rows} {tokens}");
            assert!(rounded >= best - 1e-9 || k % M != 0, "{k}: {best} {rounded}");
            assert!(k % M != 0 || (rounded - best).abs() < 1e-9, "{k}: {best} {rounded}");
        }
    });
}

/// The potentials prove the value of the relaxation, which no choice is below; weights of queries or none.
#[test]
fn potentials_of_tokens_prove_the_relaxed_optimum() {
    with_geometry(|geometry| {
        for seed in 0..12 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let lengths: Vec<f64> = (0..N).map(|_| f64::from(rng.random_range(1..40u32))).collect();
            let exclude: Vec<usize> = (0..N).filter(|_| seed % 3 == 1 && rng.random_range(0..3) == 0).collect();
            let set = in_tokens(&lengths, f64::from(rng.random_range(60..1200u32)), Vec::new(), exclude);
            let weights: Option<Vec<f64>> =
                (seed % 2 == 0).then(|| (0..M).map(|_| rng.random_range(0.1..2.0)).collect());
            let task = Task { weights: weights.as_deref(), ..task(geometry, Some(&set)) };
            let scanned = scan::scan(&task, budgeted::needs(&task, 0)).unwrap();
            let found = budgeted::solve(&task, &scanned, &[1]).unwrap().budgets.remove(0);
            let query = weights.clone();
            let statement = Statement::new(geometry, task.power, 0)
                .weighted(Weights { subset: None, query })
                .constrained(set.constraints().clone())
                .in_tokens(set.tokens().unwrap().0.clone());
            let proved = constrained_best_bound(geometry, &statement, found.potentials, &set, &[], &sequential);
            let lower = proved.unwrap().lower();
            assert!((lower - found.lp_value).abs() < 1e-8, "seed {seed}: {lower} {}", found.lp_value);
            assert!(found.value >= lower - 1e-9, "seed {seed}");
            for entry in SELECTORS.iter().filter(|entry| ["random", "round-robin"].contains(&entry.name)) {
                let other = choose(&named(entry.name), &task, 0).unwrap();
                check(&other, &set, entry.name);
            }
        }
    });
}

/// Rows that must be chosen and are longer than the budget are said before any search, where no limit speaks of a column.
#[test]
fn rows_to_be_included_that_exceed_the_budget_are_a_conflict() {
    let tokens = TokenBudget { column: ColumnRecord::default(), min: 10.0, max: 12.0 };
    let lengths = Column::numbers(vec![9.0; N]).unwrap();
    let of = |include: Vec<usize>, exclude: Vec<usize>| {
        let constraints = Constraints { include, exclude, ..Constraints::default() };
        let set = FeasibleSet::new(&constraints, &[], N, &[]).unwrap();
        set.in_tokens(&tokens, &lengths, N, &[]).unwrap()
    };
    for (set, said) in
        [(of(vec![3, 7], vec![]), "18 tokens, but at most 12"), (of(vec![], (1..N).collect()), "9 tokens")]
    {
        assert!(set.conflict(12).unwrap().contains(said), "{:?}", set.conflict(12));
        assert!(matches!(TokenAdmission::new(&set), Err(SelectError::InfeasibleTokens { budget: 12, .. })));
        with_geometry(|geometry| {
            for tasks in [&[][..], &[2, M - 2]] {
                let task = Task { tasks, ..task(geometry, Some(&set)) };
                let found = choose(&named("optimal"), &task, 12);
                assert!(matches!(found, Err(SelectError::InfeasibleTokens { budget: 12, .. })), "{found:?}");
            }
        });
    }
    assert_eq!(of(vec![3], vec![]).included_tokens(), 9.0);
}
