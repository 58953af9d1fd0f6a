//! `kantor study --learning-curve`: choices by parts of the queries and of the pool, on queries that were kept out.

use std::fs;

use kantor::constraints::Rules;
use kantor::prelude::*;
use kantor::study::{Axis, LearningCurves, learning_curves};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::support::{example, kantor, printed_json, write_npy};

fn curve(more: &[&str]) -> assert_cmd::Command {
    let mut command = kantor();
    command.args(["study", "--learning-curve", "--pool"]).arg(example("pool.embed.npy"));
    command.arg("--query").arg(example("query_gsm8k.embed.npy")).args(more);
    command
}

/// Numbers between 0 and 1.
fn line(count: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| rng.random_range(0.0..1.0)).collect()
}

fn rows(values: &[f64]) -> DenseRows {
    DenseRows::from_f64(1, values.to_vec()).unwrap()
}

fn goal(budget: usize) -> Goal {
    Goal { cost: Cost::Euclidean, budgets: vec![budget], ..Goal::default() }
}

fn optimal() -> Request {
    Request { methods: vec!["optimal".to_owned()], ..Request::default() }
}

fn of(found: &LearningCurves, axis: Axis) -> &kantor::study::Curve {
    found.curves.iter().find(|curve| curve.axis == axis).unwrap()
}

/// The least distance to seen queries over a pool is no more than over a part of it: 16 rows for 16 queries, where an optimum is a
/// vertex of the transport problem.
#[test]
fn the_optimum_over_more_rows_is_no_farther_from_seen_queries() {
    for seed in 0..4 {
        let (pool, query) = (rows(&line(200, 2 * seed)), rows(&line(20, 2 * seed + 1)));
        let problem = Problem::new(&pool, &query, goal(16)).unwrap();
        let found = learning_curves(&problem, &Request { seed, ..optimal() }, 5, &Quiet).unwrap();
        let (queries, pool) = (of(&found, Axis::Queries), of(&found, Axis::Pool));
        assert_eq!(pool.points.iter().map(|point| point.pool_rows).collect::<Vec<_>>(), [25, 50, 100, 200]);
        assert!(pool.points.windows(2).all(|pair| pair[1].seen <= pair[0].seen + 1e-12), "{pool:?}");
        assert!(pool.points[0].seen > pool.points[3].seen, "{pool:?}");
        // 16 queries are left; 2 are too few for a point.
        assert_eq!(queries.points.iter().map(|point| point.queries).collect::<Vec<_>>(), [4.0, 8.0, 16.0]);
        assert!(found.left_out.len() == 1 && found.left_out[0].why.contains("only 2 queries"), "{:?}", found.left_out);
        let (a, b) = (queries.points.last().unwrap(), pool.points.last().unwrap());
        assert_eq!((a.unseen, a.seen), (b.unseen, b.seen));
        assert_eq!((a.behind_last.mean, a.behind_last.half_width), (0.0, Some(0.0)));
        // Gains add up to what the first point is behind the last.
        let sum: f64 = pool.points.iter().filter_map(|point| Some(point.gain?.mean)).sum();
        assert!((sum - pool.points[0].behind_last.mean).abs() < 1e-12);
    }
}

/// A matrix of costs says the same as the rows that it is of.
#[test]
fn a_matrix_has_the_curves_of_its_rows() {
    let (pool, query) = (line(90, 1), line(20, 2));
    let costs = query.iter().flat_map(|q| pool.iter().map(move |x| (q - x).abs())).collect();
    let matrix = DenseRows::from_f64(90, costs).unwrap();
    let (pool, query) = (rows(&pool), rows(&query));
    let by_rows = learning_curves(&Problem::new(&pool, &query, goal(7)).unwrap(), &optimal(), 4, &Quiet).unwrap();
    let goal = Goal { cost: Cost::Precomputed, ..goal(7) };
    let by_matrix = learning_curves(&Problem::from_matrix(&matrix, goal).unwrap(), &optimal(), 4, &Quiet).unwrap();
    assert_eq!(by_rows.curves.len(), by_matrix.curves.len());
    for (a, b) in by_rows.curves.iter().zip(&by_matrix.curves) {
        assert_eq!((a.axis, a.points.len()), (b.axis, b.points.len()));
        for (a, b) in a.points.iter().zip(&b.points) {
            assert!((a.unseen - b.unseen).abs() < 1e-9 && (a.seen - b.seen).abs() < 1e-9, "{a:?} {b:?}");
        }
    }
}

/// Rules speak of rows of the whole pool, whatever part of it is left: copies of the queries, which nobody may choose, are never chosen.
#[test]
fn rules_hold_in_parts_of_the_pool() {
    let query = line(16, 3);
    let near = query.iter().copied().cycle().take(48);
    let pool: Vec<f64> = near.chain(line(48, 4).into_iter().map(|x| x + 5.0)).collect();
    let (pool, query) = (rows(&pool), rows(&query));
    let free = Problem::new(&pool, &query, goal(8)).unwrap();
    let least = |found: &LearningCurves| {
        let points = found.curves.iter().flat_map(|curve| &curve.points);
        points.map(|point| point.unseen.min(point.seen)).fold(f64::INFINITY, f64::min)
    };
    assert!(least(&learning_curves(&free, &optimal(), 4, &Quiet).unwrap()) < 1.0);
    let ruled = Problem::new(&pool, &query, goal(8)).unwrap().constrained(Rules::default().exclude(0..48));
    let found = learning_curves(&ruled, &optimal(), 4, &Quiet).unwrap();
    assert!(least(&found) > 4.0, "{found:?}");
    // Of 12 rows there are not 8 others.
    let refused = found.left_out.iter().find(|left_out| left_out.axis == Axis::Pool).unwrap();
    assert_eq!(refused.divisor, 8);
}

/// Where queries are of far clusters, few of them miss the clusters' shares, and what more of them gain is told apart from none.
#[test]
fn a_gain_that_is_there_is_told() {
    let cluster = |values: Vec<f64>| values.iter().enumerate().map(|(at, x)| 10.0 * (at % 4) as f64 + x).collect();
    let (pool, query): (Vec<f64>, Vec<f64>) = (cluster(line(400, 5)), cluster(line(120, 6)));
    let (pool, query) = (rows(&pool), rows(&query));
    let problem = Problem::new(&pool, &query, goal(40)).unwrap();
    let found = learning_curves(&problem, &optimal(), 30, &Quiet).unwrap();
    let queries = of(&found, Axis::Queries);
    assert!(queries.points[0].behind_last.is_told_apart(), "{queries:?}");
    assert!(queries.sentence().contains("fell by"), "{}", queries.sentence());
}

/// Over many sets of queries from one law, intervals of 95 % hold the mean gain of their step about that often: each misses it in at most
/// 15 of 100 studies, all together in at most 9 %.
#[test]
fn intervals_hold_the_mean_gain_of_their_step() {
    const STUDIES: u64 = 100;
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let centres: Vec<Vec<f64>> = (0..12).map(|_| (0..6).map(|_| rng.random_range(-2.0..2.0)).collect()).collect();
    let mut draw = |count: usize| {
        let row = |_| {
            // The first clusters are the largest.
            let centre = &centres[rng.random_range(0..12usize).min(rng.random_range(0..12))];
            centre.iter().map(|x| x + rng.random_range(-0.8..0.8)).collect::<Vec<_>>()
        };
        DenseRows::from_f64(6, (0..count).flat_map(row).collect()).unwrap()
    };
    let pool = draw(400);
    let mut gains: Vec<Vec<(f64, f64)>> = Vec::new();
    for seed in 0..STUDIES {
        let query = draw(60);
        let problem = Problem::new(&pool, &query, goal(40)).unwrap();
        let found = learning_curves(&problem, &Request { seed, ..Request::default() }, 10, &Quiet).unwrap();
        let points = found.curves.iter().flat_map(|curve| &curve.points).filter_map(|point| point.gain);
        gains.push(points.map(|gain| (gain.mean, gain.half_width.unwrap())).collect());
    }
    let steps = gains[0].len();
    assert_eq!(steps, 6);
    let missed = (0..steps).map(|step| {
        let mean = gains.iter().map(|of| of[step].0).sum::<f64>() / STUDIES as f64;
        gains.iter().filter(|of| (of[step].0 - mean).abs() > of[step].1).count()
    });
    let missed: Vec<usize> = missed.collect();
    assert!(missed.iter().all(|missed| *missed <= 15) && missed.iter().sum::<usize>() <= 54, "{missed:?}");
}

#[test]
fn a_curve_is_the_same_by_any_threads_and_another_by_another_seed() {
    let more = ["-k", "30,60", "--method", "round-robin,random", "--folds", "4", "--json"];
    let run = |extra: &[&str]| printed_json(&mut curve(&[&more[..], extra].concat()));
    let (one, three, other) = (run(&["--threads", "1"]), run(&["--threads", "3"]), run(&["--seed", "1"]));
    assert_eq!(one, three);
    assert_ne!(one["curves"], other["curves"]);
    assert_eq!(one["schema"], "kantor/study/1");
    let curves = one["curves"].as_array().unwrap();
    // Two axes, two methods, two budgets.
    assert_eq!(curves.len(), 8);
    for curve in curves {
        let points = curve["points"].as_array().unwrap();
        let size =
            |point: &Value| point[if curve["axis"] == "queries" { "queries" } else { "pool_rows" }].as_f64().unwrap();
        assert!(points.len() == 4 && points.windows(2).all(|pair| size(&pair[0]) < size(&pair[1])));
        assert!(points[0]["gain"].is_null());
        // Random rows are the same by any queries.
        let blind = curve["axis"] == "queries" && curve["method"] == "random";
        assert_eq!(points[3]["gain"]["half_width"] == 0.0, blind, "{curve}");
        assert!(points.iter().all(|point| point["energy"].as_f64().unwrap() > 0.0));
    }
}

/// Groups are kept out and drawn whole; fewer groups than parts cannot be.
#[test]
fn groups_stay_together() {
    let work = tempfile::tempdir().unwrap();
    let labels = work.path().join("groups.txt");
    // 25 conversations of 4 queries.
    fs::write(&labels, (0..100).map(|query| format!("c{}\n", query % 25)).collect::<String>()).unwrap();
    let labels = labels.to_str().unwrap();
    let more = ["-k", "30", "--method", "round-robin", "--folds", "5", "--query-groups", labels];
    let printed = printed_json(&mut curve(&[&more[..], &["--json"]].concat()));
    assert_eq!(printed["groups"], 25);
    let points = printed["curves"][0]["points"].as_array().unwrap();
    let sizes: Vec<f64> = points.iter().map(|point| point["queries"].as_f64().unwrap()).collect();
    // Whole groups of 4 that have at least 1/8, 1/4 and 1/2 of 80 queries.
    assert_eq!(sizes, [12.0, 20.0, 40.0, 80.0]);
    curve(&more).assert().success().stdout(contains("100 queries (25 groups, which stay together) in 5 parts"));
    let few = ["-k", "30", "--folds", "26", "--query-groups", labels];
    curve(&few).assert().code(2).stderr(contains("fewer groups of queries than --folds 26").and(contains("leave out")));
}

#[test]
fn the_page_has_both_figures_and_every_sentence() {
    let work = tempfile::tempdir().unwrap();
    let page = work.path().join("page.html");
    let more = ["-k", "20", "--method", "round-robin", "--folds", "5", "-o", page.to_str().unwrap()];
    let printed = String::from_utf8(curve(&more).assert().success().get_output().stdout.clone()).unwrap();
    let html = fs::read_to_string(&page).unwrap();
    assert!(html.contains("learning-queries") && html.contains("learning-pool"));
    let sentences: Vec<&str> = printed.lines().filter(|line| line.starts_with("round-robin, 20 rows: ")).collect();
    assert!(sentences.len() == 2 && sentences.iter().all(|sentence| html.contains(sentence)), "{printed}");
    curve(&more).assert().code(2).stderr(contains("--force"));
}

#[test]
fn too_few_queries_and_flags_of_other_studies_are_refused() {
    curve(&["-k", "20", "--folds", "101"]).assert().code(2).stderr(contains("is not between 2 and the 100 queries"));
    curve(&["-k", "20", "--folds", "1"]).assert().code(2).stderr(contains("is not between 2 and"));
    curve(&[]).assert().code(2).stderr(contains("--budget"));
    curve(&["-k", "6000"]).assert().code(3).stderr(contains("5005 rows of the pool"));
    curve(&["-k", "20", "--tables", "x"]).assert().code(2).stderr(contains("cannot be used with"));
    kantor().args(["study", "--tables", "x", "--pool", "y"]).assert().code(2).stderr(contains("cannot be used with"));
    // A budget that parts of the pool do not have leaves them out.
    let large = curve(&["-k", "1000", "--method", "random", "--folds", "4"]).assert().success();
    large.stdout(contains("1/8 of the pool is left out: budget 1000 is not between 1 and the 626 rows"));
    let work = tempfile::tempdir().unwrap();
    let few = work.path().join("few.npy");
    write_npy(&few, 2, &[1.0, 0.5, 0.2, 1.0, 0.3, 0.4, 0.9, 0.1, 0.6, 0.6, 0.7, 0.2, 0.1, 0.4, 0.8, 0.8]);
    let mut study = kantor();
    study.args(["study", "--learning-curve", "-k", "1", "--folds", "4", "--pool"]).arg(&few).arg("--query").arg(&few);
    study.assert().code(2).stderr(contains("8 queries leave only 6 to choose by").and(contains("give more queries")));
}
