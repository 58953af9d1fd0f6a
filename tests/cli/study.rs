//! `kantor study`: rank correlations of distance and outcome.

use std::fs;
use std::path::Path;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use serde_json::Value;

use super::support::{example, json, kantor, printed_json, select_example, write_npy};

fn tables() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/published")
}

#[test]
fn published_correlations_of_quantile_and_query_loss_are_reproduced() {
    let printed = printed_json(kantor().arg("study").arg("--tables").arg(tables()).arg("--json"));
    assert_eq!(printed["schema"], "kantor/study/1");
    let lines = printed["correlations"].as_array().unwrap();
    // One model, five tasks, three representations, two outcomes.
    assert_eq!(lines.len(), 5 * 3 * 2);
    let of = |task: &str, outcome: &str| {
        let wanted =
            |line: &&Value| line["task"] == task && line["representation"] == "LESS" && line["outcome"] == outcome;
        let line = lines.iter().find(wanted).unwrap();
        assert_eq!((line["pool"].as_str(), line["model"].as_str()), (Some("tulu"), Some("llama2-7b")));
        line["spearman"].as_f64().unwrap()
    };
    // arXiv 2602.14696, figures 2 and 3, two decimals.
    let published = [
        ("bbh", 0.92, -0.61),
        ("codex", 0.99, 0.72),
        ("gsm8k", 0.94, -0.89),
        ("tydiqa", 1.0, -1.0),
        ("mmlu_pro", 0.95, -0.76),
    ];
    for (task, loss, metric) in published {
        assert!((of(task, "loss") - loss).abs() < 0.0051, "{task}: {}", of(task, "loss"));
        assert!((of(task, "metric") - metric).abs() < 0.0051, "{task}: {}", of(task, "metric"));
    }
}

#[test]
fn budgets_are_compared_with_random_task_by_task() {
    let printed = printed_json(kantor().arg("study").arg("--tables").arg(tables()).arg("--json"));
    let lines = printed["budgets"].as_array().unwrap();
    // Five budgets, eight methods, two outcomes.
    assert_eq!(lines.len(), 5 * 8 * 2);
    for line in lines {
        assert_eq!(line["tasks"], 5);
        let random = line["method"] == "Random";
        assert_eq!(line["p_value"].is_null(), random);
        assert!(random || line["p_value"].as_f64().unwrap() >= 2.0 / 32.0);
    }
    // Ranks among eight methods have mean 4.5.
    let ranks: f64 = lines.iter().map(|line| line["rank"].as_f64().unwrap()).sum();
    assert!((ranks / lines.len() as f64 - 4.5).abs() < 1e-12);
}

#[test]
fn own_results_are_joined_with_certified_distances() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let methods = ["--budget", "100,200", "--method", "optimal,round-robin,doubly-greedy,random"];
    select_example(&out, &methods).assert().success();
    // An outcome that falls with the distance at one budget and rises with it at the other.
    let mut results = "task,method,budget,seed,value\n".to_owned();
    for line in json(&out.join("manifest.json"))["results"].as_array().unwrap() {
        let (method, budget) = (line["method"].as_str().unwrap(), line["budget"].as_u64().unwrap());
        let distance = line["distance"]["upper"].as_f64().unwrap();
        let value = if budget == 100 { distance * distance } else { -distance };
        for seed in 0..2 {
            results.push_str(&format!("gsm8k,{method},{budget},{seed},{}\n", value + f64::from(seed)));
        }
    }
    results.push_str("gsm8k,uot,100,0,1.0\n");
    let path = directory.path().join("results.csv");
    fs::write(&path, results).unwrap();
    let run = format!("gsm8k={}", out.display());
    let printed = printed_json(kantor().arg("study").arg("--results").arg(&path).args(["--run", &run, "--json"]));
    let cells = printed["cells"].as_array().unwrap();
    let spearman: Vec<f64> = cells.iter().map(|cell| cell["spearman"].as_f64().unwrap()).collect();
    assert_eq!(spearman, [1.0, -1.0]);
    assert_eq!(printed["mean_spearman"], 0.0);
    assert_eq!(printed["without_distance"], serde_json::json!([["gsm8k", "uot", 100]]));
    // Seed 1 is none of the run's.
    let other = printed["of_other_seeds"].as_array().unwrap();
    assert_eq!((other.len(), &other[0]), (8, &serde_json::json!(["gsm8k", "doubly-greedy", 100])));
}

/// One selection by two methods has one distance, whatever the rounding of its proofs.
#[test]
fn equal_selections_are_ties() {
    let directory = tempfile::tempdir().unwrap();
    let pool = directory.path().join("pool.npy");
    write_npy(&pool, 1, &[0.1, 0.2, 0.7, 0.9]);
    let out = directory.path().join("out");
    let mut select = kantor();
    select.args(["select", "--cost", "euclidean", "--budget", "4", "--method", "optimal,round-robin,random,uot", "-o"]);
    select.arg(&out).arg("--pool").arg(&pool).arg("--query").arg(&pool).assert().success();
    let path = directory.path().join("results.csv");
    let lines = ["optimal,4,0,1", "round-robin,4,0,2", "random,4,0,3", "uot,4,0,4"].map(|line| format!("a,{line}\n"));
    fs::write(&path, format!("task,method,budget,seed,value\n{}", lines.concat())).unwrap();
    let run = format!("a={}", out.display());
    let printed = printed_json(kantor().arg("study").arg("--results").arg(&path).args(["--run", &run, "--json"]));
    assert!(printed["cells"][0]["spearman"].is_null(), "{printed}");
}

#[test]
fn a_bad_line_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("results.csv");
    fs::write(&path, "task,method,budget,seed,value\nbbh,random,500,0,high\n").unwrap();
    let failed = kantor().arg("study").arg("--results").arg(&path).args(["--run", "bbh=nowhere"]).assert().code(3);
    let message = String::from_utf8_lossy(&failed.get_output().stderr).into_owned();
    assert!(message.contains("results.csv: line 2") && message.contains("value"), "{message}");
}

#[test]
fn a_value_that_is_no_number_is_not_ranked() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("results.csv");
    for value in ["nan", "inf", "-inf"] {
        fs::write(&path, format!("task,method,budget,seed,value\nbbh,random,500,0,{value}\n")).unwrap();
        let failed = kantor().arg("study").arg("--results").arg(&path).args(["--run", "bbh=nowhere"]).assert().code(3);
        let message = String::from_utf8_lossy(&failed.get_output().stderr).into_owned();
        assert!(message.contains("random") && message.contains("no rank"), "{message}");
    }
}

/// Two lines of one training counted as two seeds, with an interval over them.
#[test]
fn a_result_that_is_said_twice_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("results.csv");
    fs::write(
        &path,
        "task,method,budget,seed,value\nbbh,random,500,0,1.5\nbbh,random,500,1,1.5\nbbh,random,500,0,1.4\n",
    )
    .unwrap();
    let failed = kantor().arg("study").arg("--results").arg(&path).args(["--run", "bbh=nowhere"]).assert().code(3);
    let message = String::from_utf8_lossy(&failed.get_output().stderr).into_owned();
    assert!(message.contains("says twice what task bbh, method random, budget 500, seed 0 gave"), "{message}");
}

#[test]
fn a_page_never_takes_the_place_of_a_file_that_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let model = directory.path().join("plot_data/quantile_budget/llama2-7b");
    fs::create_dir_all(&model).unwrap();
    let of_budgets = model.join("budget_ce_loss_budget.csv");
    fs::write(&of_budgets, "published").unwrap();
    let mut study = kantor();
    study.arg("study").arg("--tables").arg(directory.path()).arg("--force").arg("-o").arg(&of_budgets);
    study.assert().code(2).stderr(contains("is the same file as the input"));
    assert_eq!(fs::read_to_string(of_budgets).unwrap(), "published");

    let out = directory.path().join("out");
    select_example(&out, &["--budget", "5", "--no-certify"]).assert().success();
    let (results, manifest) = (directory.path().join("results.csv"), out.join("manifest.json"));
    fs::write(&results, "task,method,budget,seed,value\n").unwrap();
    let run = format!("gsm8k={}", out.display());
    for input in [&results, &manifest] {
        let before = fs::read(input).unwrap();
        let mut study = kantor();
        study.arg("study").arg("--results").arg(&results).args(["--run", &run, "--force", "-o"]).arg(input);
        study.assert().code(2).stderr(contains("is the same file as the input"));
        assert_eq!(fs::read(input).unwrap(), before);
    }
}

#[test]
fn values_without_a_mean_are_refused_by_line() {
    let work = tempfile::tempdir().unwrap();
    let results = work.path().join("results.csv");
    select_example(&work.path().join("out"), &["--budget=3"]).assert().success();
    for value in ["1e308", "-1e101"] {
        fs::write(&results, format!("task,method,budget,seed,value\na,round-robin,3,0,{value}\n")).unwrap();
        let mut study = kantor();
        study.args(["study", "--results"]).arg(&results).arg("--run");
        let run = study.arg(format!("a={}", work.path().join("out").display())).assert().code(3);
        run.stderr(contains("results.csv")).stderr(contains("line 2")).stderr(contains(value));
    }
}

/// Records were counted, without the empty lines and the line feeds in quotes before them.
#[test]
fn results_that_are_refused_are_named_by_their_line() {
    let work = tempfile::tempdir().unwrap();
    let results = work.path().join("results.csv");
    let header = "task,method,budget,seed,value\n";
    for (lines, line, fault) in [
        ("a,random,7,0,1\n\n\na,random,7,0,x\n", 5, "`x` in column `value`"),
        ("\"a\n\n\",random,7,0,1\na,random,7,0,1e300\n", 5, "`1e300`"),
        ("a,random,7,0,1\r\n\r\na,random,7\r\n", 4, "it has 3 fields, and the header has 5"),
        ("\na,\"b\nc\",7,0,y\n", 3, "`y`"),
    ] {
        fs::write(&results, format!("{header}{lines}")).unwrap();
        let run = kantor().arg("study").arg("--results").arg(&results).args(["--run", "a=r0"]).assert().code(3);
        run.stderr(contains(format!("results.csv: line {line} ")).and(contains(fault)));
    }
}

/// The message of `study --results` on these runs of task `a`, which it refuses.
fn refused(work: &Path, runs: &[&str]) -> String {
    let results = work.join("results.csv");
    fs::write(&results, "task,method,budget,seed,value\na,round-robin,3,0,1.0\n").unwrap();
    let mut study = kantor();
    study.arg("study").arg("--results").arg(&results);
    for run in runs {
        study.arg("--run").arg(format!("a={}", work.join(run).display()));
    }
    let message = String::from_utf8_lossy(&study.assert().code(3).get_output().stderr).into_owned();
    for run in runs {
        let manifest = work.join(run).join("manifest.json");
        assert!(message.contains(&*manifest.to_string_lossy()), "{run} is not named: {message}");
    }
    message
}

#[test]
fn distances_of_different_measures_were_ranked_as_one_list() {
    let work = tempfile::tempdir().unwrap();
    let select = |name: &str, more: &[&str]| {
        let more: Vec<&str> = ["--budget=3"].iter().chain(more).copied().collect();
        select_example(&work.path().join(name), &more).assert().success();
    };
    select("w", &["--method=round-robin"]);
    // Other methods and seeds: what differs is the measure alone.
    select("euclidean", &["--method=random", "--cost=euclidean"]);
    select("squared", &["--method=random", "--p=2"]);
    select("narrow", &["--method=random", "--seed=1", "--objective=mmd", "--bandwidth=0.5"]);
    select("wide", &["--method=random", "--objective=mmd", "--bandwidth=1"]);
    select("laplace", &["--method=random", "--objective=mmd", "--bandwidth=1", "--kernel=laplace"]);
    for (pair, words) in [
        (["w", "euclidean"], ["cost", "\"cosine\" and \"euclidean\""]),
        (["w", "squared"], ["p differs", "1 and 2"]),
        (["w", "wide"], ["objective", "\"w\" and {\"mmd\""]),
        (["narrow", "wide"], ["objective", "0.5"]),
        (["wide", "laplace"], ["objective", "laplace"]),
    ] {
        let message = refused(work.path(), &pair);
        assert!(words.iter().all(|word| message.contains(word)) && message.contains("task name"), "{message}");
    }
}

#[test]
fn of_two_distances_of_one_selection_the_last_won() {
    let work = tempfile::tempdir().unwrap();
    for (name, epsilon) in [("one", "0.1"), ("other", "5")] {
        let more = ["--budget=20", "--method=uot", "--epsilon", epsilon];
        select_example(&work.path().join(name), &more).assert().success();
    }
    let message = refused(work.path(), &["one", "other"]);
    assert!(message.contains("method uot, budget 20, seed 0") && message.contains("leave out"), "{message}");

    // Two runs that agree on a selection say one thing.
    select_example(&work.path().join("again"), &["--budget=20,30", "--method=uot", "--epsilon=0.1"]).assert().success();
    let results = work.path().join("results.csv");
    fs::write(&results, "task,method,budget,seed,value\na,uot,20,0,1.0\n").unwrap();
    let run = |name: &str| format!("--run=a={}", work.path().join(name).display());
    let mut study = kantor();
    study.arg("study").arg("--results").arg(&results).args([run("one"), run("again")]).assert().success();
}

/// A line of no run's seed was said to be of no selection.
#[test]
fn a_line_without_the_seed_of_a_run_is_told_the_seeds() {
    let work = tempfile::tempdir().unwrap();
    for seed in ["0", "1"] {
        let name = format!("r{seed}");
        select_example(&work.path().join(name), &["--budget=3", "--method=random", "--seed", seed]).assert().success();
    }
    let results = work.path().join("results.csv");
    for (seed, said) in [("", "no seed"), ("7", "seed 7")] {
        fs::write(&results, format!("task,method,budget,seed,value\na,random,3,{seed},1.0\n")).unwrap();
        let mut study = kantor();
        study.arg("study").arg("--results").arg(&results);
        for run in ["r0", "r1"] {
            study.arg("--run").arg(format!("a={}", work.path().join(run).display()));
        }
        study.assert().code(3).stderr(contains(said).and(contains("seeds 0, 1 are given")));
    }
}

#[test]
fn distances_to_different_queries_were_ranked_as_one_list() {
    let work = tempfile::tempdir().unwrap();
    let select = |name: &str, queries: &str, seed: &str| {
        let mut select = kantor();
        select.arg("select").arg("--pool").arg(example("pool.embed.npy")).arg("--query").arg(example(queries));
        select.args(["--budget=3", "--method=random", "--seed", seed, "-o"]).arg(work.path().join(name));
        select.assert().success();
    };
    select_example(&work.path().join("gsm8k"), &["--budget=3"]).assert().success();
    select("humaneval", "query_humaneval.embed.npy", "0");
    select("humaneval-1", "query_humaneval.embed.npy", "1");
    let message = refused(work.path(), &["gsm8k", "humaneval"]);
    assert!(message.contains("queries differ for seed 0"), "{message}");

    // Every seed may have its own draw of queries.
    let results = work.path().join("results.csv");
    fs::write(&results, "task,method,budget,seed,value\na,round-robin,3,0,1.0\na,random,3,1,1.0\n").unwrap();
    let run = |name: &str| format!("--run=a={}", work.path().join(name).display());
    let mut study = kantor();
    study.arg("study").arg("--results").arg(&results).args([run("gsm8k"), run("humaneval-1")]).assert().success();
}

/// A distance to queries of other weights is another measure.
#[test]
fn distances_under_other_weights_of_the_queries_were_ranked_as_one_list() {
    let work = tempfile::tempdir().unwrap();
    write_npy(&work.path().join("p.npy"), 2, &[1.0, 0.0, 0.8, 0.6, 0.0, 1.0, 0.6, 0.8]);
    write_npy(&work.path().join("a.npy"), 2, &[1.0, 0.1, 1.0, 0.2]);
    write_npy(&work.path().join("b.npy"), 2, &[0.1, 1.0]);
    for (name, weights) in [("w1.txt", "1\n9\n"), ("w2.txt", "9\n1\n")] {
        fs::write(work.path().join(name), weights).unwrap();
    }
    let select = |name: &str, more: &[&str]| {
        let mut select = kantor();
        select.current_dir(work.path()).args(["select", "--pool", "p.npy", "--budget", "2", "-o", name]).args(more);
        select.assert().success();
    };
    let (one, two) = (["--query", "a.npy"], ["--query", "a=a.npy", "--query", "b=b.npy"]);
    select("equal", &[&one[..], &["--method=random"]].concat());
    select("first", &[&one[..], &["--method=round-robin", "--query-weights=w1.txt"]].concat());
    select("second", &[&one[..], &["--method=random", "--query-weights=w2.txt"]].concat());
    select("much-a", &[&two[..], &["--method=round-robin", "--query-shares", "a=9,b=1"]].concat());
    select("much-b", &[&two[..], &["--method=random", "--query-shares", "a=1,b=9"]].concat());
    for (runs, said) in [
        (["equal", "first"], "weighting of the queries differs: none and those of a file"),
        (["first", "second"], "weights of the queries differ for seed 0"),
        (["much-a", "much-b"], "shares of the queries differ for seed 0"),
    ] {
        let message = refused(work.path(), &runs);
        assert!(message.contains(said), "{message}");
    }
}

/// Budgets of tokens stood beside those of rows, the worst of tasks beside their mixture, and rows of other lengths or of text that
/// another pool weights beside each other.
#[test]
fn distances_that_were_measured_otherwise_are_not_ranked_together() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let line = |row: usize| format!("{{\"text\": \"word{} and {}\", \"n\": 1}}\n", row % 5, row * 7 % 11);
    fs::write(at.join("p.jsonl"), (0..30).map(line).collect::<String>()).unwrap();
    fs::write(at.join("other.jsonl"), (3..40).map(line).collect::<String>()).unwrap();
    fs::write(at.join("q.jsonl"), (5..12).map(line).collect::<String>()).unwrap();
    fs::write(at.join("r.jsonl"), (15..20).map(line).collect::<String>()).unwrap();
    let run = |out: &str, pool: &str, words: &[&str]| {
        let mut select = kantor();
        select.current_dir(at).args(["select", "--pool", pool, "--method", "round-robin,random", "-o", out, "--quiet"]);
        select.args(words).assert().success();
    };
    let (one, budget) = (["--query", "q.jsonl"], ["--budget", "10"]);
    let plain = [&one[..], &budget].concat();
    run("plain", "p.jsonl", &plain);
    run("tokens", "p.jsonl", &[&one[..], &["--token-budget", "10", "--tokens", "n"]].concat());
    run("short", "p.jsonl", &[&plain[..], &["--ngram-dim", "64"]].concat());
    run("template", "p.jsonl", &[&plain[..], &["--text", "{text}"]].concat());
    run("pool", "other.jsonl", &plain);
    let two = ["--query", "q=q.jsonl", "--query", "r=r.jsonl", "--budget", "10"];
    run("mixture", "p.jsonl", &two);
    run("worst", "p.jsonl", &[&two[..], &["--aggregate", "worst"]].concat());
    fs::write(at.join("results.csv"), "task,method,budget,seed,value\na,random,10,0,1\na,round-robin,10,0,2\n")
        .unwrap();
    let study = |runs: [&str; 2]| {
        let mut study = kantor();
        study.current_dir(at).args(["study", "--results", "results.csv"]);
        runs.iter().for_each(|run| _ = study.arg("--run").arg(format!("a={run}")));
        study
    };
    for (runs, what) in [
        (["plain", "tokens"], "unit of budgets differs"),
        (["plain", "short"], "representation differs"),
        (["plain", "template"], "representation differs"),
        (["plain", "pool"], "representation differs"),
        (["mixture", "worst"], "aggregate of tasks differs"),
    ] {
        study(runs).assert().code(3).stderr(contains(what).and(contains("another task name")));
    }
    study(["plain", "plain"]).assert().success();
    // Cells are joined by quotes here as little as in tables of text.
    fs::write(at.join("results.csv"), "task,method,budget,seed,value\n\"a,random,10,0,1\na\"b,random,10,0,2\n")
        .unwrap();
    study(["plain", "plain"]).assert().code(3).stderr(contains("line 3 has text after the quote"));
}
