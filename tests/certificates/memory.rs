//! Rows in memory: the same choice and the same proof as from files, in any memory order.

use half::{bf16, f16};
use kantor::pipeline::ProvedSelection;
use kantor::prelude::*;
use kantor::solvers::{Optimum, PoolScan, SelectError, Selection, Selector, Task, registry};
use kantor::theory::{KernelName, PickedRows};
use ndarray::{Array2, ArrayView2, Axis, ShapeBuilder, s};

use super::support::{Instance, Kind};

const DIM: usize = 5;

/// Numbers that every type holds exactly.
fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 57) as f64 - 60.0) / 16.0
    };
    (0..count).map(|_| next()).collect()
}

fn euclidean(budgets: &[usize]) -> Goal {
    Goal { cost: Cost::Euclidean, budgets: budgets.to_vec(), ..Goal::default() }
}

fn request(method: &str) -> Request {
    Request { methods: vec![method.to_owned()], cross_fit: Some(2), ..Request::default() }
}

fn chosen(pool: &dyn Rows, query: &dyn Rows, request: &Request) -> Vec<ProvedSelection> {
    let problem = Problem::new(pool, query, euclidean(&[3, 8])).unwrap().with_cache();
    choose(&problem, request, &Quiet).unwrap().chosen.remove(0).selections
}

/// Rows, scores, and the ends of all intervals, to the last bit.
type Said = (Vec<usize>, Vec<u64>, Vec<Option<u64>>);

/// What is said of selections.
fn said(selections: &[ProvedSelection]) -> Vec<Said> {
    let bits = |x: Option<f64>| x.map(f64::to_bits);
    let of = |proved: &ProvedSelection| {
        let certified = proved.certified.as_ref().unwrap();
        let (interval, held) = (certified.distance().interval(), proved.held_out.unwrap());
        let ends = [interval.lower, interval.upper, certified.best().map(|best| best.lower())];
        let held = [held.held_out.distance, held.seen.distance].map(|mean| [mean.lower, mean.upper]);
        let scores = proved.selection.scores.iter().map(|score| score.to_bits()).collect();
        let ends = ends.into_iter().chain(held.into_iter().flatten()).map(bits).collect();
        (proved.selection.rows.clone(), scores, ends)
    };
    selections.iter().map(of).collect()
}

fn typed<T: Clone>(values: &[f64], rows: usize, convert: impl Fn(f64) -> T) -> [Array2<T>; 2] {
    let of = |x: &f64| convert(*x);
    let standard = Array2::from_shape_vec((rows, DIM), values.iter().map(of).collect()).unwrap();
    let mut fortran = Array2::from_elem((rows, DIM).f(), convert(0.0));
    fortran.assign(&standard);
    [standard, fortran]
}

/// Views that show the same rows: by rows, by columns, a part of a larger array, and both axes backwards twice.
fn checked<T: kantor::Scalar + PartialEq>(
    pool: &[f64],
    query: &[f64],
    convert: impl Fn(f64) -> T + Copy,
    files: &[ProvedSelection],
    method: &str,
) {
    let (n, m) = (pool.len() / DIM, query.len() / DIM);
    let [query, _] = typed(query, m, convert);
    let query = ArrayRows::new(query.view());
    let [standard, fortran] = typed(pool, n, convert);
    let mut larger = Array2::from_elem((2 * n + 3, DIM + 4), convert(7.0));
    larger.slice_mut(s![1..2 * n;2, 2..DIM + 2]).assign(&standard);
    let mut backwards = standard.clone();
    backwards.invert_axis(Axis(0));
    backwards.invert_axis(Axis(1));
    let mut backwards = backwards.as_standard_layout().into_owned();
    backwards.invert_axis(Axis(0));
    backwards.invert_axis(Axis(1));
    let views: [ArrayView2<'_, T>; 4] =
        [standard.view(), fortran.view(), larger.slice(s![1..2 * n;2, 2..DIM + 2]), backwards.view()];
    for view in views {
        assert_eq!(view, standard);
        let strides = view.strides().to_vec();
        let found = chosen(&ArrayRows::new(view), &query, &request(method));
        assert_eq!(said(&found), said(files), "{method} {} {strides:?}", T::ELEMENT.name());
    }
}

#[test]
fn rows_in_memory_give_what_files_give_in_any_order_and_type() {
    let (pool, query) = (numbers(40 * DIM, 1), numbers(6 * DIM, 2));
    for method in ["optimal", "round-robin", "knn-kde", "energy"] {
        let instance = Instance::points(Kind::F32, DIM, &[&pool[..]], &query);
        let files = select(&instance.open(Cost::Euclidean), &euclidean(&[3, 8]), &request(method), &Quiet).unwrap();
        let files = &files.chosen[0].selections[..];
        checked(&pool, &query, |x| x, files, method);
        checked(&pool, &query, |x| x as f32, files, method);
        checked(&pool, &query, f16::from_f64, files, method);
        checked(&pool, &query, bf16::from_f64, files, method);
    }
}

/// Takes the rows from the last one on.
struct Last;

impl Selector for Last {
    fn name(&self) -> &'static str {
        "last"
    }

    fn nested(&self) -> bool {
        true
    }

    fn select(&self, task: &Task<'_>, _scanned: &PoolScan, budgets: &[usize]) -> Result<Vec<Selection>, SelectError> {
        let of = |&budget: &usize| Selection {
            rows: (0..task.geometry.pool_len()).rev().take(budget).collect(),
            scores: vec![0.0; budget],
            status: Status::Uncertified,
            notes: Default::default(),
        };
        Ok(budgets.iter().map(of).collect())
    }
}

#[test]
fn a_selector_of_ones_own_goes_where_a_name_goes() {
    assert!(registry::selector("last").is_none());
    let (pool, query) = (numbers(40 * DIM, 1), numbers(6 * DIM, 2));
    let request = Request { methods: vec!["last".into(), "random".into()], own: vec![Own::new(Last)], ..request("") };
    let instance = Instance::points(Kind::F64, DIM, &[&pool[..]], &query);
    let outcome = select(&instance.open(Cost::Euclidean), &euclidean(&[3, 8]), &request, &Quiet).unwrap();
    assert_eq!(outcome.chosen[0].method, "last");
    for (proved, budget) in outcome.chosen[0].selections.iter().zip([3, 8]) {
        assert_eq!(proved.selection.rows, (0..40).rev().take(budget).collect::<Vec<_>>());
        let certified = proved.certified.as_ref().unwrap();
        assert!(certified.best().unwrap().lower() <= certified.distance().interval().upper.unwrap());
        assert!(proved.held_out.is_some());
    }
    let unknown = Request { own: Vec::new(), ..request };
    let refused =
        select(&instance.open(Cost::Euclidean), &euclidean(&[3, 8]), &unknown, &Quiet).unwrap_err().to_string();
    assert!(refused.contains("unknown method `last`"), "{refused}");
}

#[test]
fn what_is_wrong_with_rows_in_memory_is_an_error() {
    let (pool, query) = (Array2::<f64>::zeros((3, 2)), ndarray::array![[1.0, 2.0]]);
    let (zero, query) = (ArrayRows::new(pool.view()), ArrayRows::new(query.view()));
    let problem = Problem::new(&zero, &query, Goal { budgets: vec![1], ..Goal::default() }).unwrap();
    let refused = choose(&problem, &Request::default(), &Quiet).unwrap_err().to_string();
    assert!(refused.contains("pool row 0"), "{refused}");
    let (nothing, no_columns) = (Array2::<f64>::zeros((0, 2)), Array2::<f64>::zeros((2, 0)));
    for (pool, query) in [(nothing.view(), query.clone()), (no_columns.view(), ArrayRows::new(no_columns.view()))] {
        assert!(Problem::new(&ArrayRows::new(pool), &query, euclidean(&[1])).is_err());
    }
}

#[test]
fn a_problem_whose_costs_cannot_be_squared_is_none() {
    let matrix = DenseRows::from_f64(2, vec![0.5, 1.0, 2.0, -3.0]).unwrap();
    let goal = |power| Goal { cost: Cost::Precomputed, power, ..Goal::default() };
    let refused = Problem::from_matrix(&matrix, goal(Power::Two)).err().unwrap().to_string();
    assert!(refused.contains("-3"), "{refused}");
    let problem = Problem::from_matrix(&matrix, goal(Power::One)).unwrap();
    assert_eq!(problem.geometry().cost_of(1, 1), -3.0);
}

/// With some of the queries, rows and matrix are the problem of these queries alone, and the goal stays.
#[test]
fn a_problem_with_other_queries_is_that_of_these_queries() {
    let rows = |values| DenseRows::from_f64(DIM, values).unwrap();
    let (pool, query, part) = (rows(numbers(9 * DIM, 1)), rows(numbers(4 * DIM, 2)), [3, 1]);
    let points = Problem::new(&pool, &query, euclidean(&[2])).unwrap().with_cache();
    let costs: Vec<f64> = (0..36).map(|at| points.geometry().cost_of(at % 9, at / 9)).collect();
    let costs = DenseRows::from_f64(9, costs).unwrap();
    let goal = Goal { cost: Cost::Precomputed, ..euclidean(&[2]) };
    for problem in [points, Problem::from_matrix(&costs, goal).unwrap()] {
        let picked = PickedRows::new(problem.queries(), part.to_vec());
        let some = problem.with_queries(&picked).unwrap();
        assert_eq!(some.goal(), problem.goal());
        for row in 0..9 {
            let of = |problem: &Problem<'_>, query| problem.geometry().cost_of(row, query).to_bits();
            assert_eq!([0, 1].map(|place| of(&some, place)), part.map(|query| of(&problem, query)));
        }
    }
}

/// Fails if any work begins.
struct Idle;

impl Watch for Idle {
    fn begin(&self, stage: &str, _: u64) {
        panic!("{stage} began");
    }

    fn advance(&self, _: u64) -> Result<(), kantor::solvers::Stopped> {
        Ok(())
    }
}

#[test]
fn what_a_selector_cannot_do_is_said_before_the_pass() {
    let rows = |count, seed| DenseRows::from_f64(DIM, numbers(count * DIM, seed)).unwrap();
    let (pool, query, matrix) = (rows(40, 1), rows(5, 2), DenseRows::from_f64(40, vec![0.5; 200]).unwrap());
    let points = Problem::new(&pool, &query, euclidean(&[3])).unwrap();
    let matrix = Problem::from_matrix(&matrix, Goal { budgets: vec![3], ..Goal::default() }).unwrap();
    let (plain, uot) = (Settings::default(), Settings::from(Uot { epsilon: 0.0, ..Uot::default() }));
    let cosine = Settings::default().with(&Mmd { kernel: KernelName::Cosine, ..Mmd::default() });
    for (problem, method, settings, said) in [
        (&matrix, "kde-ratio", &plain, "not only similarities"),
        (&matrix, "knn-kde", &plain, "not only similarities"),
        (&matrix, "energy", &plain, "not only similarities"),
        (&points, "mmd", &cosine, "unit rows"),
        (&points, "uot", &uot, "`epsilon` is 0: it must be positive"),
    ] {
        let methods = vec!["round-robin".to_owned(), method.to_owned()];
        let request = Request { methods, settings: settings.clone(), ..Request::default() };
        let refused = choose(problem, &request, &Idle).unwrap_err().to_string();
        assert!(refused.contains(said), "{method}: {refused}");
    }
}

/// A selector of the registry with settings of its own goes where a name goes, and where settings go.
#[test]
fn settings_are_those_of_the_request_or_of_the_selector() {
    let (pool, query) = (numbers(60 * DIM, 3), numbers(6 * DIM, 4));
    let rows = |values| DenseRows::from_f64(DIM, values).unwrap();
    let (pool, query) = (rows(pool), rows(query));
    let uot = Uot { epsilon: 5.0, ..Uot::default() };
    let usual = said(&chosen(&pool, &query, &request("uot")));
    let by_settings = Request { settings: uot.clone().into(), ..request("uot") };
    let own = Request { own: vec![Own::new(uot)], ..request("uot") };
    let found = said(&chosen(&pool, &query, &by_settings));
    assert_eq!(found, said(&chosen(&pool, &query, &own)));
    assert_ne!(found, usual);
}

/// Says that the optimum is the rows farthest from it.
struct Impostor;

impl Selector for Impostor {
    fn name(&self) -> &'static str {
        "impostor"
    }

    fn nested(&self) -> bool {
        false
    }

    fn of_optimum(&self, task: &Task<'_>, _optimum: &Optimum, budgets: &[usize]) -> Option<Vec<Selection>> {
        self.select(task, &PoolScan::default(), budgets).ok()
    }

    fn select(&self, task: &Task<'_>, _scanned: &PoolScan, budgets: &[usize]) -> Result<Vec<Selection>, SelectError> {
        let last = task.geometry.pool_len();
        let of = |&budget: &usize| Selection {
            rows: (last - budget..last).collect(),
            scores: vec![0.0; budget],
            status: Status::Uncertified,
            notes: Default::default(),
        };
        Ok(budgets.iter().map(of).collect())
    }
}

#[test]
fn a_selector_that_poses_as_the_optimum_gets_the_proof_of_its_own_rows() {
    let pool = DenseRows::from_f64(1, vec![0.0, 1.0, 2.0, 30.0, 40.0]).unwrap();
    let query = DenseRows::from_f64(1, vec![0.0, 1.0]).unwrap();
    let problem = Problem::new(&pool, &query, euclidean(&[2])).unwrap();
    let (methods, own) = (vec!["impostor".to_owned()], vec![Own::new(Impostor)]);
    let outcome = choose(&problem, &Request { methods, own, ..Request::default() }, &Quiet).unwrap();
    let proved = &outcome.chosen[0].selections[0];
    let interval = proved.certified.as_ref().unwrap().distance().interval();
    assert_eq!(proved.selection.rows, [3, 4]);
    assert!(interval.lower.unwrap() <= 34.5 && interval.upper.unwrap() >= 34.5, "{interval:?}");
}

/// Gives what it was made with, whatever is asked for.
struct Stubborn(Vec<Vec<usize>>);

impl Selector for Stubborn {
    fn name(&self) -> &'static str {
        "stubborn"
    }

    fn nested(&self) -> bool {
        false
    }

    fn select(&self, _task: &Task<'_>, _scanned: &PoolScan, _budgets: &[usize]) -> Result<Vec<Selection>, SelectError> {
        let of = |rows: &Vec<usize>| Selection {
            rows: rows.clone(),
            scores: vec![0.0; rows.len()],
            status: Status::Uncertified,
            notes: Default::default(),
        };
        Ok(self.0.iter().map(of).collect())
    }
}

#[test]
fn what_a_selector_of_ones_own_gives_is_checked_before_anybody_counts_on_it() {
    let pool = DenseRows::from_f64(1, vec![0.0, 1.0, 2.0, 30.0, 40.0]).unwrap();
    let query = DenseRows::from_f64(1, vec![0.0, 1.0]).unwrap();
    let rules = [Rules::default(), Rules::default().exclude(vec![4])];
    for given in [vec![], vec![vec![0]], vec![vec![0, 0]], vec![vec![0, 5]], vec![vec![0, 1], vec![2, 3]]] {
        for rules in &rules {
            let problem = Problem::new(&pool, &query, euclidean(&[2])).unwrap().constrained(rules.clone());
            let (methods, own) = (vec!["stubborn".to_owned()], vec![Own::new(Stubborn(given.clone()))]);
            let refused = choose(&problem, &Request { methods, own, ..Request::default() }, &Quiet);
            let said = refused.map(|_| ()).unwrap_err().to_string();
            assert!(said.contains("`stubborn` gave something else"), "{given:?}: {said}");
        }
    }
}
