//! Proofs serve only what they were made for: a screen one geometry, power and potentials; bounds one problem.

use kantor_theory::certificate::{Dropped, MadeBy, Role};
use kantor_theory::{
    BestBound, Candidates, Certificate, Cost, DenseRows, DistanceBound, DistanceEvidence, Geometry, Power, Rejection,
    Screened, SparsePlan, Statement, Weights, best_bound, distance_bound, sequential,
};

use crate::support::range;

/// Four points on a line, and two queries.
fn rows() -> (DenseRows, DenseRows) {
    let rows = |values: &[f64]| DenseRows::from_f64(1, values.to_vec()).unwrap();
    (rows(&[0.0, 1.0, 5.0, 9.0]), rows(&[0.0, 2.0]))
}

/// A screen that leaves all rows, which is true of anything.
fn all_rows(geometry: &Geometry<'_>, power: Power, potentials: &[f64]) -> Screened {
    // SAFETY: no row is left out.
    #[allow(unsafe_code)]
    unsafe {
        Screened::assume(geometry, power, potentials.to_vec(), vec![0, 1, 2, 3])
    }
}

#[test]
fn a_screen_serves_only_what_it_was_made_for() {
    let (pool, query) = rows();
    let geometry = Geometry::new(&pool, &query, Cost::Euclidean).unwrap();
    let twin = Geometry::new(&pool, &query, Cost::Euclidean).unwrap();
    let g = [1.5, 1.0];
    let bound = |geometry: &Geometry<'_>, power, g: &[f64], screened: &Screened| -> Result<BestBound, Rejection> {
        let problem = Statement::new(geometry, power, 2);
        best_bound(geometry, &problem, g.to_vec(), Candidates::Screened(screened), &sequential)
    };
    let screened = all_rows(&geometry, Power::One, &g);
    assert!(bound(&geometry, Power::One, &g, &screened).unwrap().lower() > 0.0);
    let refused = [
        bound(&twin, Power::One, &g, &screened),
        bound(&geometry, Power::Two, &g, &screened),
        bound(&geometry, Power::One, &[1.5, 1.0f64.next_up()], &screened),
        bound(&geometry, Power::One, &[1.5], &screened),
    ];
    for refused in refused {
        assert!(matches!(refused.unwrap_err().rule, "screen" | "potentials"));
    }
    let squared = Geometry::new(&pool, &query, Cost::Sqeuclidean).unwrap();
    assert_eq!(bound(&squared, Power::One, &g, &screened).unwrap_err().rule, "screen");
    // SAFETY: no row of the pool is left out; one is listed that does not exist.
    #[allow(unsafe_code)]
    let beyond = unsafe { Screened::assume(&squared, Power::One, g.to_vec(), vec![0, 1, 2, 3, 4]) };
    assert_eq!(bound(&squared, Power::One, &g, &beyond).unwrap_err().rule, "screen");
}

#[test]
fn a_certificate_joins_only_bounds_of_one_problem_on_one_geometry() {
    let (pool, query) = rows();
    let geometry = Geometry::new(&pool, &query, Cost::Euclidean).unwrap();
    let twin = Geometry::new(&pool, &query, Cost::Euclidean).unwrap();
    let best = |geometry: &Geometry<'_>, problem: Statement| {
        best_bound(geometry, &problem, vec![0.1, 0.1], Candidates::All, &sequential).unwrap()
    };
    let distance = |geometry: &Geometry<'_>, problem: &Statement| -> DistanceBound {
        let plan = SparsePlan::new(vec![(0, 0, 1), (1, 1, 1)]);
        let evidence = DistanceEvidence { potentials: Some(vec![0.1, 0.1]), plan };
        distance_bound(geometry, problem, &[0, 1], evidence, &sequential).unwrap()
    };
    let plain = Statement::new(&geometry, Power::One, 2);
    let of = distance(&geometry, &plain);
    let inputs = || vec![range(Role::Pool, 0, 4, 1, "0"), range(Role::Query, 0, 2, 1, "0")];
    let join = |best: &BestBound| Certificate::new(inputs(), Dropped::default(), &of, Some(best), MadeBy::default());
    assert_eq!(join(&best(&geometry, plain.clone())).unwrap().problem, plain);
    let weighted = plain.clone().weighted(Weights { subset: None, query: Some(vec![1.0, 2.0]) });
    let others = [
        best(&geometry, weighted),
        best(&geometry, Statement::new(&geometry, Power::Two, 2)),
        best(&geometry, Statement::new(&geometry, Power::One, 1)),
        best(&twin, plain),
    ];
    for other in &others {
        assert_eq!(join(other).unwrap_err().rule, "best");
    }
    let squared = Geometry::new(&pool, &query, Cost::Sqeuclidean).unwrap();
    let other = best(&squared, Statement::new(&squared, Power::One, 2));
    assert_eq!(join(&other).unwrap_err().rule, "best");
    let unordered = Dropped { pool: vec![3, 1], query: vec![] };
    let refused = Certificate::new(inputs(), unordered, &of, None, MadeBy::default());
    assert_eq!(refused.unwrap_err().rule, "dropped");
    let refused = Certificate::new(vec![], Dropped::default(), &of, None, MadeBy::default());
    assert_eq!(refused.unwrap_err().rule, "inputs");
}

#[test]
fn an_executor_that_runs_other_tasks_than_asked_changes_nothing() {
    let (pool, query) = rows();
    let geometry = Geometry::new(&pool, &query, Cost::Euclidean).unwrap();
    let problem = Statement::new(&geometry, Power::One, 2);
    let bound = |executor: kantor_theory::Executor<'_>| {
        best_bound(&geometry, &problem, vec![1.5, 1.0], Candidates::All, executor).map(|best| best.lower())
    };
    let more = |count: usize, task: &(dyn Fn(usize) + Sync)| (0..2 * count + 3).for_each(task);
    let none = |_: usize, _: &(dyn Fn(usize) + Sync)| {};
    assert_eq!(bound(&more), bound(&sequential));
    assert_eq!(bound(&none).unwrap_err().rule, "complete");
}
