//! The job file.

use std::fs;

use predicates::str::contains;

use super::{DIM, Work, numbers};
use crate::support::{json, kantor, printed_json, write_npy};

#[test]
fn mistakes_in_the_job_file_name_file_and_key() {
    let work = Work::new("");
    for (jobs, words) in [
        ("budgets = [5]\nmethod_s = 3", &["unknown key `method_s`", "known: ", "budgets", "epsilon"][..]),
        ("budgets = [5]\ncost = \"manhattan\"", &["manhattan", "--cost", "euclidean"]),
        ("budgets = [5]\nepsilon = \"small\"", &["small", "--epsilon"]),
        ("budgets = [5, 0]", &["`budgets` has 0"]),
        ("budgets = [5]\nmethods = []", &["`methods` is an empty list"]),
        ("budgets = [5]\n---[[grid]]\nseeds = []", &["`seeds` is an empty list"]),
        ("budgets = [5]\nseeds = [-1]", &["`seeds` has -1"]),
        ("methods = [\"round-robin\"]", &["no `budgets`"]),
        ("budgets = [5]\nbudget = 6", &["`budgets` and `budget` are the same"]),
        ("budgets = [5]\nmethods = [\"best\"]", &["unknown method `best`", "round-robin"]),
        ("budgets = [5]\nquery = \"a.npy\"", &["`query` belongs to a task"]),
        ("budgets = [5]\n---c = { query = \"a.npy\", weight = 2 }", &["unknown key `weight` in task `c`"]),
        ("budgets = [5]\n---c = { pool = \"pool.npy\" }", &["task `c` has no `query`"]),
        ("budgets = [5]\n---\"../c\" = \"a.npy\"", &["task name `../c`"]),
        (&format!("budgets = [5]\n---{} = \"a.npy\"", "c".repeat(300)), &["task name", "at most 140 bytes"]),
        ("budgets = [5]\ngrid = [{ budgets = [3] }, 4]", &["`grid` is not a table"]),
        ("budgets = [5]\n---[[grid]]\nepsilon = 0.1", &["unknown key `epsilon` in a grid"]),
    ] {
        work.jobs(jobs);
        let mut run = work.batch(&[]).assert().code(2).stderr(contains("jobs.toml: "));
        for word in words {
            run = run.stderr(contains(*word));
        }
        assert!(!work.path("results").exists());
    }
    work.jobs("budgets = [5");
    work.batch(&[]).assert().code(3).stderr(contains("jobs.toml"));
    fs::write(work.path("jobs.toml"), "budgets = 5\npool = \"pool.npy\"\n[tasks]\na = \"a.npy\"\n").unwrap();
    work.batch(&[]).assert().code(2).stderr(contains("`out`"));
    work.batch(&["-o"]).arg(work.path("elsewhere")).assert().success();
    assert!(work.path("elsewhere/a/round-robin-k5-seed0/manifest.json").exists());
}

/// What was meant depended on the directory in which `batch` was started.
#[test]
fn a_query_is_the_file_beside_the_job_file_whatever_its_name() {
    let work = Work::new("");
    for (name, seed) in [("a=b.npy", 7), ("b.npy", 8)] {
        write_npy(&work.path(name), DIM, &numbers(10 * DIM, seed));
    }
    let text = "out = \"results\"\npool = \"pool.npy\"\nbudgets = [5]\n[tasks]\ns = \"a=b.npy\"\n";
    fs::write(work.path("jobs.toml"), text).unwrap();
    let query = || {
        let manifest = json(&work.path("results/s/round-robin-k5-seed0/manifest.json"));
        manifest["inputs"].as_array().unwrap().iter().find(|of| of["role"] == "query").unwrap()["path"].clone()
    };
    work.batch(&[]).assert().success();
    assert!(query().as_str().unwrap().ends_with("/a=b.npy"));
    let mut beside = kantor();
    let again = beside.args(["batch", "jobs.toml", "--json", "--threads=1"]).current_dir(work.path(""));
    assert_eq!(printed_json(again)["counts"]["ran"], 0);
    // The name of another file is in this one's.
    fs::remove_file(work.path("a=b.npy")).unwrap();
    work.batch(&[]).assert().code(1).stderr(contains("a=b.npy"));
    for word in ["a=b.npy", "data/seed=b.npy"] {
        let mut select = kantor();
        select.args(["select", "--budget=5", "-o", "out", "--pool", "pool.npy", "--query", word]);
        select.current_dir(work.path("")).assert().code(4).stderr(contains(format!("{word}: ")));
    }
}

/// Directories above the results that are missing were made only where `out` has no `..`.
#[test]
fn results_go_above_the_job_file() {
    let work = Work::new("budgets = [5]");
    fs::create_dir(work.path("jobs")).unwrap();
    let text = fs::read_to_string(work.path("jobs.toml")).unwrap();
    let text = text.replace("\"results\"", "\"../new/results\"").replace("= \"", "= \"../");
    fs::write(work.path("jobs/jobs.toml"), text.replace("../../", "../")).unwrap();
    let mut batch = kantor();
    let printed = printed_json(batch.args(["batch", "--json", "--threads=1"]).arg(work.path("jobs/jobs.toml")));
    assert_eq!(printed["counts"]["done"], 2);
    assert!(work.path("new/results/a/round-robin-k5-seed0/manifest.json").is_file());
}

#[test]
fn a_small_file_that_asks_for_too_many_jobs_is_refused_at_once() {
    let list = |count: usize| (1..=count).map(|number| number.to_string()).collect::<Vec<_>>().join(", ");
    let work = Work::new(&format!("budgets = [{}]\nseeds = [{}]", list(100), list(50_000)));
    for words in [&[][..], &["--status"]] {
        let run = work.batch(words).assert().code(2);
        run.stderr(contains("jobs.toml")).stderr(contains("10000000 jobs")).stderr(contains("at most 100000"));
    }
    work.jobs(&format!("budgets = [{}]\nseeds = [{}]", list(100), list(400)));
    work.batch(&["--max-memory", "100M"]).assert().code(5).stderr(contains("80000 jobs take"));
    assert!(!work.path("results").exists());
}

#[test]
fn tasks_that_share_too_much_are_refused_at_once() {
    let work = Work::new("");
    let (pool, tasks) =
        ("\"p\",".repeat(50_000), (0..100).map(|task| format!("t{task} = \"q\"\n")).collect::<String>());
    let text = format!("out = \"results\"\nbudgets = [5]\npool = [{pool}]\n[tasks]\n{tasks}");
    fs::write(work.path("jobs.toml"), text).unwrap();
    work.batch(&["--status"]).assert().code(2).stderr(contains("100 tasks that share 50")).stderr(contains("too many"));
}

#[test]
fn the_bundled_job_file_does_what_it_says() {
    let work = tempfile::tempdir().unwrap();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/jobs.toml");
    let mut command = kantor();
    let printed = printed_json(command.args(["batch", file, "--json", "-o"]).arg(work.path()));
    assert_eq!((&printed["counts"]["done"], &printed["counts"]["ran"]), (&24.into(), &24.into()));
    // What random rows are worth, by seed, beside round robin.
    let distance = |name: &str| {
        let manifest = json(&work.path().join(name).join("manifest.json"));
        manifest["results"][0]["distance"]["upper"].as_f64().unwrap()
    };
    for seed in 0..3 {
        assert!(distance(&format!("gsm8k/random-k500-seed{seed}")) > distance("gsm8k/round-robin-k500-seed0"));
    }
}

/// Each task may have rules and a quality of its own, which the table shows.
#[test]
fn a_task_may_have_rules_of_its_own() {
    let work = Work::new("");
    let column = (0..120).map(|row| if row % 2 == 0 { "even\n" } else { "odd\n" });
    fs::write(work.path("parity.txt"), column.collect::<String>()).unwrap();
    fs::write(work.path("scores.txt"), (0..120).map(|row| format!("{row}\n")).collect::<String>()).unwrap();
    let own = "query = \"a.npy\", column = [\"parity=parity.txt\"], quota = [\"parity=odd:..0\"]";
    let worth = "query = \"a.npy\", quality = \"scores.txt\", quality-weight = 0.001";
    work.jobs(&format!("budgets = [10]\nmethods = [\"optimal\"]\n---even = {{ {own} }}\nworth = {{ {worth} }}"));
    let shown = work.batch(&[]).assert().success();
    let shown = String::from_utf8(shown.get_output().stdout.clone()).unwrap();
    assert!(shown.contains("mean quality") && shown.contains("less quality"), "{shown}");
    let result =
        |task: &str| json(&work.path(&format!("results/{task}/optimal-k10-seed0/manifest.json")))["results"][0].clone();
    assert!(result("a")["limits"].as_array().is_none_or(|limits| limits.is_empty()), "{}", result("a"));
    assert_eq!(result("even")["limits"][0]["used"], 0.0);
    assert!(result("worth")["quality"]["mean"].as_f64().is_some() && result("a")["quality"].is_null());
    let jobs = work.printed(&[], 0)["jobs"].clone();
    let jobs = jobs.as_array().unwrap();
    let of = |task: &str| jobs.iter().find(|job| job["task"] == task).unwrap();
    assert_eq!(of("worth")["quality"], result("worth")["quality"]);
    assert!(of("a").get("quality").is_none());
    // Nothing of this is done again.
    assert!(jobs.iter().all(|job| job["ran"] == false));
}

/// A column for all tasks made those fail whose rules did not speak of it.
#[test]
fn a_column_for_all_tasks_is_of_those_that_speak_of_it() {
    let work = Work::new("");
    fs::write(work.path("parity.txt"), "even\nodd\n".repeat(60)).unwrap();
    let shared = "column = [\"parity=parity.txt\"]\nbudgets = [10]\nmethods = [\"optimal\"]";
    work.jobs(&format!("{shared}\n---even = {{ query = \"a.npy\", quota = [\"parity=odd:..0\"] }}"));
    work.batch(&[]).assert().success();
    let result = |task: &str| json(&work.path(&format!("results/{task}/optimal-k10-seed0/manifest.json")));
    assert_eq!(result("even")["results"][0]["limits"][0]["used"], 0.0);
    assert!(result("a")["results"][0]["limits"].as_array().is_none_or(|limits| limits.is_empty()));
    // One of which no task speaks is a slip.
    work.jobs(shared);
    work.batch(&[]).assert().failure().stderr(contains("nothing speaks of --column parity"));
}

#[test]
fn records_are_written_in_the_formats_of_the_job_file() {
    let grid = "method = \"random\"\nbudget = 5\nno-certify = true\n";
    let work = Work::new(grid);
    let written = |name: &str| fs::read_to_string(work.path("results/a/random-k5-seed0/random/k5").join(name));
    work.batch(&["--quiet"]).assert().success();
    let before = work.results();
    assert!(written("selected.jsonl").is_ok() && written("selected.ids.txt").is_err());
    // Another format is another result.
    work.jobs(&format!("{grid}format = [\"ids\", \"jsonl\"]"));
    work.batch(&["--quiet"]).assert().success();
    assert_eq!(written("selected.ids.txt").unwrap().lines().count(), 5);
    assert!(written("selected.jsonl").is_ok());
    let after = work.results();
    assert!(before.iter().all(|(name, result)| after[name] != *result));
    // And the same is done.
    work.batch(&["--quiet"]).assert().success();
    assert_eq!(work.results(), after);
    work.jobs(&format!("{grid}format = \"jsonl\"\nwith-ranks = true"));
    work.batch(&["--quiet"]).assert().success();
    assert!(written("selected.jsonl").unwrap().contains("kantor_weight"));
    work.jobs(&format!("{grid}format = \"parquet\""));
    work.batch(&["--quiet"]).assert().code(1).stderr(contains("choose --format jsonl"));
    work.jobs(&format!("{grid}format = \"csv\""));
    work.batch(&["--quiet"]).assert().code(2).stderr(contains("alpaca"));
}
