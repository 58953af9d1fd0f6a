//! `auto`: what unseen queries say of a choice, and what is done with it (theory/notes/kernel-score.md).

use crate::support::{MEMORY, clustered, geometry, single};
use kantor_solvers::bandwidth::Bandwidth;
use kantor_solvers::relax::herding;
use kantor_solvers::scan::scan;
use kantor_solvers::{Auto, Energy, Mmd, Quiet, Selection, Selector, Settings, Task, registry};
use kantor_theory::{Cost, DenseRows, DistanceEvidence, Geometry, Kernel, KernelName, Objective, Power, Statement};
use kantor_theory::{distance_bound, sequential};
use serde_json::Value;

fn task<'a>(geometry: &'a Geometry<'a>) -> Task<'a> {
    Task { block: 64, ..Task::new(geometry, MEMORY, &Quiet) }
}

fn choose(selector: &dyn Selector, geometry: &Geometry<'_>, budget: usize) -> Selection {
    let task = task(geometry);
    let scanned = scan(&task, selector.needs(&task, budget)).unwrap();
    selector.select(&task, &scanned, &[budget]).unwrap().remove(0)
}

fn mean(of: &[f64]) -> f64 {
    of.iter().sum::<f64>() / of.len() as f64
}

fn gaussian() -> Kernel {
    Kernel::new(KernelName::Gaussian, Some(0.7)).unwrap()
}

/// (a) of the note, for the law that has the queries' own masses; the distance is the certified one.
#[test]
fn scores_of_all_queries_add_up_to_the_squared_distance() {
    let (pool, query) = (single(3, &clustered(60, 3, 4, 1)), single(3, &clustered(7, 3, 4, 2)));
    for cost in [Cost::Cosine, Cost::Euclidean] {
        let geometry = geometry(&pool, &query, cost);
        let rows = [3, 50, 8, 20];
        let statement = Statement::new(&geometry, Power::One, rows.len()).under(Objective::Mmd(gaussian()));
        let bound = distance_bound(&geometry, &statement, &rows, DistanceEvidence::default(), &sequential).unwrap();
        let squared = bound.interval().upper.unwrap().powi(2);
        let scores = herding::scores(&task(&geometry), gaussian(), &rows).unwrap();
        let among: Vec<f64> = (0..7).map(|query| among(&geometry, query)).collect();
        assert!((mean(&scores) + mean(&among) - squared).abs() < 1e-9, "{cost}");
    }
}

/// The mean of the kernel between a query and all queries: minus half of what a row at the query would add to a score.
fn among(geometry: &Geometry<'_>, query: usize) -> f64 {
    let (values, norms) = geometry.queries().unwrap();
    let (dim, m) = (values.len() / norms.len(), norms.len());
    let angle = geometry.cost() == Cost::Cosine;
    let row = |at: usize| -> Vec<f64> {
        values[at * dim..][..dim].iter().map(|x| if angle { x / norms[at] } else { *x }).collect()
    };
    let squared = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f64>();
    (0..m).map(|other| gaussian().value(squared(&row(query), &row(other)))).sum::<f64>() / m as f64
}

/// (b) of the note, exactly: a law of three queries, two independent draws, one to choose by and one to score by.
#[test]
fn unseen_scores_are_unbiased() {
    let pool = single(2, &clustered(30, 2, 3, 5));
    let law = clustered(3, 2, 3, 6);
    let all = single(2, &law);
    let whole = geometry(&pool, &all, Cost::Euclidean);
    let of = |query: usize| single(2, &law[2 * query..][..2]);
    let (mut scored, mut expected) = (Vec::new(), Vec::new());
    for seen in 0..3 {
        let query = of(seen);
        let rows = choose(&Energy, &geometry(&pool, &query, Cost::Euclidean), 4).rows;
        for unseen in 0..3 {
            let query = of(unseen);
            scored
                .extend(herding::scores(&task(&geometry(&pool, &query, Cost::Euclidean)), gaussian(), &rows).unwrap());
        }
        expected.push(mean(&herding::scores(&task(&whole), gaussian(), &rows).unwrap()));
    }
    assert_eq!(scored.len(), 9);
    assert!((mean(&scored) - mean(&expected)).abs() < 1e-12);
    // The choices differ, so that it is no accident.
    assert!(expected.iter().any(|value| (value - expected[0]).abs() > 1e-3), "{expected:?}");
}

/// The rows are those of the candidate that is named, for all queries; it is the first that is not worse than the best by more
/// than a standard error.
#[test]
fn what_is_taken_is_what_the_method_would_choose_by_itself() {
    let pool = single(6, &clustered(400, 6, 8, 11));
    let mut taken = std::collections::BTreeSet::new();
    for seed in 0..6 {
        let query = single(6, &clustered(10 + seed as usize, 6, 2 + seed as usize, 100 + seed));
        let geometry = geometry(&pool, &query, Cost::Cosine);
        let found = choose(&Auto::default(), &geometry, 20);
        let compared = found.notes["auto-compared"].as_array().unwrap();
        let number = |of: &Value, key: &str| of[key].as_f64().unwrap();
        assert!(compared.iter().any(|of| number(of, "above_best") == 0.0));
        let first = compared.iter().find(|of| number(of, "above_best") <= number(of, "standard_error")).unwrap();
        let mut settings = Settings::default();
        for (name, value) in first["settings"].as_object().unwrap() {
            settings.set(name, value).unwrap();
        }
        let entry = registry::selector(first["method"].as_str().unwrap()).unwrap();
        let alone = choose((entry.build)(&settings).as_ref(), &geometry, 20);
        assert_eq!((&found.rows, &found.scores), (&alone.rows, &alone.scores), "{first}");
        assert!(found.notes["auto-took"].as_str().unwrap().starts_with(entry.name));
        taken.insert(found.notes["auto-took"].as_str().unwrap().to_owned());
    }
    assert!(taken.len() > 1, "{taken:?}");
}

/// Nothing can be compared on one query.
#[test]
fn few_queries_choose_by_the_method_of_first_preference() {
    let pool = single(2, &clustered(50, 2, 3, 7));
    let query = DenseRows::from_f64(2, vec![1.0, 0.5]).unwrap();
    let geometry = geometry(&pool, &query, Cost::Cosine);
    let found = choose(&Auto::default(), &geometry, 5);
    let sigma = Bandwidth::Local.for_queries(KernelName::Gaussian, &geometry).unwrap().bandwidth().unwrap();
    let mmd = Mmd { kernel: KernelName::Gaussian, bandwidth: Bandwidth::Given(sigma).into() };
    assert_eq!(found.rows, choose(&mmd, &geometry, 5).rows);
}
