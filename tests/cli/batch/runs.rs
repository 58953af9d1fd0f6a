//! Several runs of the same jobs, side by side or one killed after the other.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Child;

use serde_json::Value;

use super::{GRID, Work, names, numbers, ran};
use crate::run::Run;
use crate::support::{indices, json, write_npy};

#[test]
fn shards_part_the_jobs_and_may_run_at_the_same_time() {
    let work = Work::new(GRID);
    let runs: Vec<Child> = ["0/3", "1/3", "2/3"].map(|shard| work.spawn(&["--json", "--shard", shard])).into();
    let printed: Vec<Value> =
        runs.into_iter().map(|run| serde_json::from_slice(&run.wait_with_output().unwrap().stdout).unwrap()).collect();
    let mut all: Vec<String> = printed.iter().flat_map(|printed| names(printed, ran)).collect();
    assert!(printed.iter().all(|printed| names(printed, |job| !ran(job)).is_empty()));
    all.sort();
    assert_eq!(all, work.results().into_keys().collect::<Vec<_>>());
    assert_eq!(work.printed(&[], 0)["counts"]["ran"], 0);
    // Counting from 1 is the same.
    let from_1: Vec<usize> = ["1/3", "2/3", "3/3"]
        .map(|shard| names(&work.printed(&["--status", "--shard", shard], 0), |_| true).len())
        .into();
    assert_eq!(from_1.iter().sum::<usize>(), 16);
    work.batch(&["--shard", "4/3"]).assert().code(2);
}

#[test]
fn runs_that_want_the_same_jobs_share_them_out() {
    let work = Work::new("methods = [\"round-robin\", \"random\", \"uot\"]\nbudgets = [5, 20, 50]\nseeds = [0, 1]");
    let runs: Vec<Child> = (0..3).map(|_| work.spawn(&["--json", "--jobs", "2"])).collect();
    let outputs = runs.into_iter().map(|run| run.wait_with_output().unwrap());
    let mut all = Vec::new();
    for output in outputs {
        assert_eq!(output.status.code(), Some(0));
        let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
        // Whoever did them, all are done when a run ends.
        assert_eq!(printed["counts"]["done"], 36);
        all.extend(names(&printed, ran));
    }
    all.sort();
    assert_eq!(all, work.results().into_keys().collect::<Vec<_>>());
}

#[test]
fn status_tells_what_is_running_and_does_nothing() {
    let work = Work::new("budgets = [5]");
    let status = work.printed(&["--status"], 0);
    assert_eq!((&status["counts"]["pending"], status["jobs"][0]["outdated"].clone()), (&2.into(), false.into()));
    assert!(!work.path("results").exists());
    work.batch(&["--shard", "0/2"]).assert().success();
    let lock = work.path("results/.batch/b/round-robin-k5-seed0.lock");
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    let held = fs::File::create(lock).unwrap();
    held.lock().unwrap();
    let status = work.printed(&["--status"], 0);
    assert_eq!((&status["jobs"][0]["state"], &status["jobs"][1]["state"]), (&"done".into(), &"running".into()));
    drop(held);
    assert_eq!(work.printed(&["--status"], 0)["counts"]["pending"], 1);
}

#[test]
fn an_interrupt_ends_with_130_and_keeps_what_is_done() {
    let work =
        Work::new("methods = [\"random\", \"uot\"]\nbudgets = [500]\nepsilon = 0.0001\nrho = inf\nno-certify = true");
    write_npy(&work.path("pool.npy"), 128, &numbers(30_000 * 128, 4));
    fs::write(work.path("pool.jsonl"), "{}\n".repeat(30_000)).unwrap();
    for task in ["a.npy", "b.npy"] {
        write_npy(&work.path(task), 128, &numbers(400 * 128, 5));
    }
    let mut run = Run::of(work.spawn(&[]));
    let done = work.path("results/a/random-k500-seed0/manifest.json");
    run.stop_when(|| done.exists());
    run.signal("INT");
    assert_eq!(run.go_on().0, Some(130));
    assert_eq!(work.results().into_keys().collect::<Vec<_>>(), ["a/random-k500-seed0"]);
    assert_eq!(work.printed(&["--status"], 0)["counts"]["pending"], 3);
}

/// Fails if a result that can be seen is not whole.
fn check_whole(directory: &Path) {
    let manifest = json(&directory.join("manifest.json"));
    let outputs = manifest["outputs"].as_array().unwrap();
    assert_eq!(outputs.len(), 7);
    for output in outputs {
        let length = fs::metadata(directory.join(output["path"].as_str().unwrap())).unwrap().len();
        assert_eq!(output["bytes"].as_u64(), Some(length), "{}", directory.display());
    }
}

#[test]
fn kills_lose_nothing_and_repeat_nothing_that_was_done() {
    let grid = "methods = [\"round-robin\", \"uot\"]\nbudgets = [5, 20]\nseeds = [0, 1]";
    let (calm, work) = (Work::new(grid), Work::new(grid));
    let (mut done, mut queries, mut kills) = (BTreeMap::new(), 100, 0);
    // Thirty kills at work, and at least one run that comes to the end.
    for round in 0.. {
        if kills >= 30 && queries > 100 {
            break;
        }
        assert!(round < 400, "{kills} kills at work, {} ends", queries - 100);
        let before = work.results();
        let new = || work.results().iter().filter(|&(name, result)| before.get(name) != Some(result)).count();
        let mut run = Run::of(work.spawn(&["--quiet", "--jobs", if round % 2 == 0 { "1" } else { "2" }]));
        // After so many jobs, and in every other round while the next one is written.
        let writes = || round % 4 < 2 || work.hidden();
        if run.try_stop_when(|| new() >= round % 5 && writes()) {
            run.kill();
            kills += 1;
        } else {
            assert_eq!(run.end().0, Some(0));
        }
        let now = work.results();
        now.keys().for_each(|name| check_whole(&work.path("results").join(name)));
        for (name, result) in &done {
            assert_eq!(now.get(name), Some(result), "{name} was done before round {round}");
        }
        // Results of older queries can be seen until new ones take their places: they are not done.
        let told = names(&work.printed(&["--status"], 0), |job| job["state"] == "done");
        assert!(done.keys().all(|name| told.contains(name)));
        done = now.into_iter().filter(|(name, _)| told.contains(name)).collect();
        if done.len() == 16 {
            // All done: new queries for one of the tasks, whose results are then replaced one by one.
            let task = if queries % 2 == 0 { "a" } else { "b" };
            work.query(task, queries);
            queries += 1;
            done.retain(|name, _| !name.starts_with(task));
        }
    }
    let printed = work.printed(&[], 0);
    assert_eq!(printed["counts"]["done"], 16);
    for (name, result) in &done {
        assert_eq!(work.results().get(name), Some(result));
    }
    // Nothing is left behind, and the rows are those of a run that nobody disturbed.
    for task in ["a", "b"] {
        fs::copy(work.path(&format!("{task}.npy")), calm.path(&format!("{task}.npy"))).unwrap();
    }
    calm.batch(&[]).assert().success();
    assert_eq!(fs::read_dir(work.path("results/a")).unwrap().count(), 8);
    assert_eq!(fs::read_dir(work.path("results/b")).unwrap().count(), 8);
    for job in printed["jobs"].as_array().unwrap() {
        let selection = Path::new(job["selection"].as_str().unwrap());
        let calm = calm.path("results").join(selection.strip_prefix(work.path("results")).unwrap());
        assert_eq!(indices(&selection.join("indices.npy")), indices(&calm.join("indices.npy")));
    }
}

/// Seeds were a line each, and `study` wanted every one of their directories by hand.
#[test]
fn seeds_are_taken_together_and_a_study_reads_the_whole_batch() {
    let work = Work::new("methods = [\"round-robin\", \"random\", \"uot\"]\nbudgets = [5, 20]\nseeds = [0, 1, 2]");
    let printed = work.printed(&[], 0);
    let groups = printed["over_seeds"].as_array().unwrap();
    assert_eq!(groups.len(), 2 * 3 * 2);
    let of = |job: &Value| {
        let (lower, upper) = (job["distance"]["lower"].as_f64().unwrap(), job["distance"]["upper"].as_f64().unwrap());
        (lower + upper) / 2.0
    };
    for group in groups {
        let same = |job: &&Value| ["task", "method", "budget"].iter().all(|key| job[key] == group[key]);
        let values: Vec<f64> = printed["jobs"].as_array().unwrap().iter().filter(same).map(of).collect();
        assert_eq!((values.len(), &group["n"]), (3, &3.into()));
        let mean = values.iter().sum::<f64>() / 3.0;
        let sd = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 2.0).sqrt();
        let found = &group["distance"];
        assert!((found["mean"].as_f64().unwrap() - mean).abs() < 1e-12);
        assert!((found["sd"].as_f64().unwrap() - sd).abs() < 1e-12);
        assert_eq!(sd > 1e-9, group["method"] == "random", "{group}");
    }
    let table = String::from_utf8(work.batch(&[]).assert().success().get_output().stdout.clone()).unwrap();
    assert!(table.contains("mean distance"), "{table}");
    let lines: String = ["a", "b"]
        .iter()
        .flat_map(|task| ["round-robin", "random", "uot"].map(|method| (task, method)))
        .flat_map(|(task, method)| [0, 1, 2].map(|seed| format!("{task},{method},20,{seed},{}\n", method.len() + seed)))
        .collect();
    fs::write(work.path("results.csv"), format!("task,method,budget,seed,value\n{lines}")).unwrap();
    let study = |directory: &Path| {
        let mut command = crate::support::kantor();
        command.arg("study").arg("--results").arg(work.path("results.csv")).arg("--run").arg(directory);
        command
    };
    let found = crate::support::printed_json(study(&work.path("results")).arg("--json"));
    let cells = found["cells"].as_array().unwrap();
    assert_eq!((cells.len(), &found["correlations"]), (2, &2.into()));
    for pair in cells.iter().flat_map(|cell| cell["pairs"].as_array().unwrap()) {
        // Three values around their middle one, a standard deviation of 1.
        let (low, value) = (pair["value_interval"][0].as_f64().unwrap(), pair["value"].as_f64().unwrap());
        assert!(pair["n"] == 3 && (value - low - 4.30265 / 3f64.sqrt()).abs() < 1e-4, "{pair}");
    }
    let text = String::from_utf8(study(&work.path("results")).assert().success().get_output().stdout.clone()).unwrap();
    assert!(text.contains("n = 3") && text.contains("(n = 2, 95 %"), "{text}");
    study(&work.path(".")).assert().code(3).stderr(predicates::str::contains("no finished job of kantor batch"));
}
