//! Certificates of TSDS's regularised problem from end to end: made by every method, checked, tampered with, and against
//! a look at every subset.

use std::path::Path;

use kantor::certify::{self, Terms, best_tsds};
use kantor::prelude::*;
use kantor::solvers::Task;
use kantor::solvers::relax::tsds::duals;
use kantor::theory::{Objective, Proved, Verdict};
use serde_json::{Value, json};

use crate::support::{Instance, Kind, example, facts, goal, golden, methods, numbers, subsets, written};

/// Up to ten rows, all budgets, small and large weights: the bound is below every subset, close to the best one, and attained
/// where all rows can be had.
#[test]
fn potentials_prove_the_best_subset() {
    let (mut gaps, mut count) = (0.0, 0);
    for seed in 0..12 {
        let (n, m) = (4 + seed % 7, 1 + seed % 4);
        let cost = [Cost::Cosine, Cost::Euclidean, Cost::Precomputed, Cost::Angular][seed % 4];
        let values = numbers(seed as u64, n * 3);
        let instance = match cost {
            Cost::Precomputed => Instance::matrix(Kind::F64, n, &numbers(seed as u64, n * m)),
            _ => Instance::points(Kind::F64, 3, &[&values], &numbers(100 + seed as u64, m * 3)),
        };
        let inputs = instance.open(cost);
        let problem = inputs.problem(goal(cost)).unwrap();
        let (geometry, task) = (problem.geometry(), Task { block: 4, ..problem.task(0, 1 << 30, &Quiet) });
        let budgets: Vec<usize> = (1..=n).collect();
        for diversity in [0.05, 0.5, 3.0, 100.0] {
            let objective = Objective::Tsds { diversity };
            let terms = Terms { objective, ..Terms::default() };
            for dual in duals(&task, diversity, &budgets).unwrap() {
                let place = format!("{cost} seed {seed} λ {diversity} k {}", dual.budget);
                let best = best_tsds(geometry, &terms, &dual).unwrap().lower();
                let value = |rows: Vec<usize>| certify::distance(geometry, &terms, &rows).unwrap().interval();
                let least =
                    subsets(n, dual.budget).map(|rows| value(rows).upper.unwrap()).fold(f64::INFINITY, f64::min);
                assert!(best <= least, "{place}: {best} is above {least}");
                assert!(dual.seen >= least - 1e-12 * diversity, "{place}");
                assert!((best - dual.value).abs() <= 1e-6 * diversity.max(1.0), "{place}: {best} {}", dual.value);
                gaps += (least - best) / (least.abs() + 1e-3);
                count += 1;
                if dual.budget == n {
                    assert!(least - best <= 1e-7 * diversity.max(1.0), "{place}: {best} {least}");
                }
            }
        }
    }
    assert!(gaps / f64::from(count) < 0.02, "{} on average", gaps / f64::from(count));
}

/// All methods, costs of points and matrices: what is claimed is verified, and the bound for all subsets does not
/// depend on what else is asked for.
#[test]
fn what_is_claimed_with_diversity_is_verified() {
    let (pool, query) = (numbers(1, 60 * 5), numbers(2, 4 * 5));
    let points = |kind| Instance::points(kind, 5, &[&pool[..100], &pool[100..]], &query);
    let instances = [
        (points(Kind::F16), vec![Cost::Cosine, Cost::Euclidean]),
        (points(Kind::F64), vec![Cost::Angular, Cost::Sqeuclidean]),
        (Instance::matrix(Kind::F32, 60, &pool[..240]), vec![Cost::Cosine, Cost::Precomputed]),
    ];
    for (instance, costs) in &instances {
        for (&cost, diversity) in costs.iter().zip([0.4, 6.0]) {
            let inputs = instance.open(cost);
            let budgets = [1, 7, 30, 60];
            let goal = Goal { budgets: budgets.to_vec(), ..goal(cost) };
            let (problem, facts) = (inputs.problem(goal.clone()).unwrap(), facts(&inputs));
            let settings =
                Settings::from(ObjectiveSettings { diversity: Some(diversity), ..ObjectiveSettings::default() });
            let request = |methods| Request { methods, settings: settings.clone(), ..Request::default() };
            let all = select(&inputs, &goal, &request(methods(&inputs, cost)), &Quiet).unwrap();
            let alone = select(&inputs, &goal, &request(vec!["random".to_owned()]), &Quiet).unwrap();
            assert_eq!(all.objective, Objective::Tsds { diversity });
            for (index, budget) in budgets.into_iter().enumerate() {
                for chosen in &all.chosen {
                    let place = format!("{} {cost} {diversity} {budget}", chosen.method);
                    let certified = chosen.selections[index].certified.as_ref().unwrap();
                    let certificate = certified.certificate(&facts, None).unwrap();
                    let best = certified.best().unwrap();
                    let claim = Proved { distance: certified.distance().interval(), best: Some(best.lower()) };
                    assert_eq!(
                        written(&certificate, &facts, problem.geometry()).0,
                        Verdict::Verified(claim),
                        "{place}"
                    );
                    let same = alone.chosen[0].selections[index].certified.as_ref().unwrap().best().unwrap();
                    assert!(best.lower() == same.lower() && best.evidence() == same.evidence(), "{place}");
                    if budget == 60 {
                        // All rows: there is but one subset.
                        let gap = claim.distance.upper.unwrap() - best.lower();
                        assert!(gap <= 1e-6 * diversity, "{place}: {gap}");
                    }
                }
            }
        }
    }
}

/// Real text: the masses of `knn-uniform` cut to k rows are within a few per cent of the best k rows, and exactly optimal
/// where k rows hold them all.
#[test]
fn nearest_rows_on_real_data_are_close_to_the_best_possible() {
    let spec = InputSpec {
        pool: vec![example("pool.embed.npy")],
        query: vec![example("query_gsm8k.embed.npy")],
        ..InputSpec::default()
    };
    let inputs = Inputs::open(&spec, Cost::Cosine, &Quiet).unwrap();
    let goal = Goal { budgets: vec![500], ..Goal::default() };
    let (problem, facts) = (inputs.problem(goal.clone()).unwrap(), facts(&inputs));
    for (diversity, most) in [(0.2, 1e-6), (3.0, 0.01), (30.0, 0.02)] {
        let request = Request {
            methods: ["knn-uniform", "random"].map(str::to_owned).to_vec(),
            settings: Settings::from(ObjectiveSettings { diversity: Some(diversity), ..ObjectiveSettings::default() }),
            ..Request::default()
        };
        let outcome = select(&inputs, &goal, &request, &Quiet).unwrap();
        let of = |method: usize| outcome.chosen[method].selections[0].certified.as_ref().unwrap();
        let (nearest, random) = (of(0), of(1));
        assert!(nearest.excess().unwrap() <= most, "λ {diversity}: {:?}", nearest.excess());
        assert!(random.excess().unwrap() > 0.1, "λ {diversity}: {:?}", random.excess());
        let certificate = nearest.certificate(&facts, Some("knn-uniform")).unwrap();
        assert!(matches!(written(&certificate, &facts, problem.geometry()).0, Verdict::Verified(_)));
    }
}

fn kantor(words: &[&str]) -> (i32, Value, String) {
    let output = assert_cmd::cargo::cargo_bin_cmd!("kantor").args(words).output().unwrap();
    let printed = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap(), printed, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn the_program_selects_certifies_and_verifies_with_diversity() {
    let work = tempfile::tempdir().unwrap();
    let (pool, query) = (golden("pool.npy").display().to_string(), golden("query.npy").display().to_string());
    let run = |out: &str, more: &[&str]| {
        let out = work.path().join(out).display().to_string();
        let words = ["select", "--pool", &pool, "--query", &query, "--budget", "100", "--json", "-o", &out];
        kantor(&[&words[..], more].concat())
    };
    let (code, printed, said) = run("out", &["--method", "knn-uniform,round-robin", "--diversity", "0.2"]);
    assert_eq!(code, 0, "{said}");
    let result = &printed["results"][0];
    assert_eq!(result["objective"], "tsds");
    let (upper, best) = (result["distance"]["upper"].as_f64().unwrap(), result["best"]["lower"].as_f64().unwrap());
    assert!(best <= upper && result["excess"].as_f64().unwrap() < 0.05);
    let read =
        |path: &str| -> Value { serde_json::from_slice(&std::fs::read(work.path().join(path)).unwrap()).unwrap() };
    let manifest = read("out/manifest.json");
    assert_eq!(manifest["parameters"]["objective"], json!({"tsds": {"diversity": 0.2}}));
    assert_eq!(manifest["parameters"]["diversity"], 0.2);

    // λ = (1 − α)C/α: the same rows.
    let rows = |out: &str| std::fs::read(work.path().join(out).join("knn-uniform/k100/indices.npy")).unwrap();
    let (code, _, said) = run("alpha", &["--method", "knn-uniform", "--alpha", "0.5", "--tradeoff-c", "0.2"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(rows("out"), rows("alpha"));

    for (more, word) in [
        (&["--diversity", "2", "--alpha", "0.5"][..], "--alpha"),
        (&["--diversity", "2", "--objective", "energy"], "--objective w"),
        (&["--diversity", "2", "--p", "2"], "--p 2"),
        (&["--diversity", "0"], "positive"),
        (&["--diversity", "inf"], "finite"),
    ] {
        let (code, _, said) = run("refused", more);
        assert_eq!(code, 2, "{more:?}: {said}");
        assert!(said.contains(word), "{more:?}: {said}");
    }

    let verify = |certificate: &Path, pool: &str| {
        kantor(&["verify", &certificate.display().to_string(), "--pool", pool, "--query", &query, "--json"])
    };
    let certificate = work.path().join("out/knn-uniform/k100/certificate.json");
    let (code, printed, _) = verify(&certificate, &pool);
    assert_eq!((code, &printed["verdict"], &printed["objective"]), (0, &json!("verified"), &json!("tsds")));
    assert_eq!(verify(&certificate, &query).1["verdict"], "cannot-check");
    let changed = work.path().join("changed.json");
    type Change<'a> = (&'a dyn Fn(&mut Value), &'a str);
    let changes: [Change<'_>; 7] = [
        (&|c| c["best"]["lower"] = json!(c["best"]["lower"].as_f64().unwrap() + 1e-6), "weaker"),
        (&|c| c["distance"]["upper"] = json!(c["distance"]["upper"].as_f64().unwrap() - 1e-6), "rejected"),
        (&|c| c["problem"]["objective"]["tsds"]["diversity"] = json!(0.19), "weaker"),
        (&|c| c["problem"]["objective"]["tsds"]["diversity"] = json!(-0.2), "rejected"),
        (&|c| c["subset"][0] = c["subset"][1].clone(), "rejected"),
        (&|c| c["evidence"]["best_potentials"][0] = json!(9.0), "weaker"),
        (&|c| drop(c["problem"].as_object_mut().unwrap().remove("objective")), "rejected"),
    ];
    for (index, (change, verdict)) in changes.iter().enumerate() {
        let mut value = read("out/knn-uniform/k100/certificate.json");
        change(&mut value);
        std::fs::write(&changed, serde_json::to_vec(&value).unwrap()).unwrap();
        let (code, printed, _) = verify(&changed, &pool);
        assert_eq!((code, printed["verdict"].as_str().unwrap()), (1, *verdict), "change {index}: {printed}");
    }
}
