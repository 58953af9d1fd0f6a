//! `kantor batch`: every job exactly once, whatever happens.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use serde_json::Value;

use crate::support::{indices, json, kantor, write_npy};

/// Columns of the rows made up here.
const DIM: usize = 6;

/// Numbers that look random.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..count).map(|_| next()).collect()
}

/// A directory with a pool of 120 rows, queries for the tasks `a` and `b`, and a job file.
struct Work {
    directory: tempfile::TempDir,
}

impl Work {
    fn new(jobs: &str) -> Self {
        let work = Self { directory: tempfile::tempdir().unwrap() };
        write_npy(&work.path("pool.npy"), DIM, &numbers(120 * DIM, 1));
        let lines: String = (0..120).map(|row| format!("{{\"text\": \"row {row}\"}}\n")).collect();
        fs::write(work.path("pool.jsonl"), lines).unwrap();
        work.query("a", 2);
        work.query("b", 3);
        work.jobs(jobs);
        work
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn query(&self, task: &str, seed: u64) {
        write_npy(&self.path(&format!("{task}.npy")), DIM, &numbers(10 * DIM, seed));
    }

    /// Writes the job file: what all of them have, and this before its tables.
    fn jobs(&self, more: &str) {
        let (before, after) = more.split_once("---").unwrap_or((more, ""));
        let text = format!(
            "out = \"results\"\npool = \"pool.npy\"\npool-jsonl = \"pool.jsonl\"\n{before}\n\
             [tasks]\na = \"a.npy\"\nb = {{ query = \"b.npy\" }}\n{after}\n"
        );
        fs::write(self.path("jobs.toml"), text).unwrap();
    }

    fn batch(&self, words: &[&str]) -> assert_cmd::Command {
        let mut command = kantor();
        command.arg("batch").arg(self.path("jobs.toml")).args(["--threads", "1"]).args(words);
        command
    }

    /// The object that a run prints, which must end with this code.
    fn printed(&self, words: &[&str], code: i32) -> Value {
        let output = self.batch(words).arg("--json").assert().code(code).get_output().stdout.clone();
        serde_json::from_slice(&output).unwrap()
    }

    fn spawn(&self, words: &[&str]) -> Child {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("kantor"));
        command.arg("batch").arg(self.path("jobs.toml")).args(["--threads", "1"]).args(words);
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// What tells one result from another that took its place, by the name of its job.
    fn results(&self) -> BTreeMap<String, (u64, i64, i64)> {
        let mut found = BTreeMap::new();
        for task in ["a", "b"] {
            for entry in fs::read_dir(self.path("results").join(task)).into_iter().flatten() {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                if !name.starts_with('.') {
                    let file = fs::metadata(entry.path().join("manifest.json")).unwrap();
                    found.insert(format!("{task}/{name}"), (file.ino(), file.mtime(), file.mtime_nsec()));
                }
            }
        }
        found
    }
}

/// Of the jobs that a run printed, those for which this holds, by name.
fn names(printed: &Value, which: impl Fn(&Value) -> bool) -> Vec<String> {
    let name = |job: &Value| {
        let word = |key: &str| job[key].as_str().unwrap().to_owned();
        format!("{}/{}-k{}-seed{}", word("task"), word("method"), job["budget"], job["seed"])
    };
    printed["jobs"].as_array().unwrap().iter().filter(|job| which(job)).map(name).collect()
}

fn ran(job: &Value) -> bool {
    job["ran"] == true
}

const GRID: &str = "methods = [\"round-robin\", \"random\"]\nbudgets = [5, 20]\nseeds = [0, 1]";

#[test]
fn a_job_is_done_once_and_again_only_if_its_result_is_damaged() {
    let work = Work::new(GRID);
    let printed = work.printed(&[], 0);
    assert_eq!(printed["schema"], "kantor/batch/1");
    assert_eq!(printed["counts"]["done"], 16);
    assert_eq!(names(&printed, ran).len(), 16);
    let first = work.results();
    assert_eq!(first.len(), 16);

    let printed = work.printed(&[], 0);
    assert_eq!(printed["counts"]["ran"], 0);
    assert_eq!(
        printed["jobs"][0]["distance"]["upper"],
        json(&work.path("results/a/round-robin-k5-seed0/manifest.json"))["results"][0]["distance"]["upper"]
    );
    assert_eq!(work.results(), first);

    fs::remove_dir_all(work.path("results/a/random-k5-seed1")).unwrap();
    fs::write(work.path("results/b/round-robin-k20-seed0/round-robin/k20/selected.jsonl"), "{}\n").unwrap();
    let printed = work.printed(&[], 0);
    assert_eq!(names(&printed, ran), ["a/random-k5-seed1", "b/round-robin-k20-seed0"]);
    let again = work.results();
    let kept = |name: &String| !names(&printed, ran).contains(name);
    assert!(first.iter().filter(|(name, _)| kept(name)).all(|(name, result)| again[name] == *result));
    let copied =
        fs::read_to_string(work.path("results/b/round-robin-k20-seed0/round-robin/k20/selected.jsonl")).unwrap();
    assert_eq!(copied.lines().count(), 20);
}

#[test]
fn jobs_that_share_a_pass_choose_what_each_would_alone() {
    let methods = [
        "optimal",
        "random",
        "mean-similarity",
        "round-robin",
        "doubly-greedy",
        "knn-uniform",
        "knn-kde",
        "knn-tv",
        "kde-ratio",
        "uot",
        "energy",
        "mmd",
    ];
    let work =
        Work::new(&format!("methods = {methods:?}\nbudgets = [7, 10, 33]\nseeds = [4, 9]\nsampling = \"multinomial\""));
    work.batch(&["--jobs", "2"]).assert().success();
    for (task, method, budget, seed) in [
        ("a", 0, 7, 4),
        ("b", 0, 33, 9),
        ("a", 1, 10, 4),
        ("a", 1, 10, 9),
        ("b", 8, 33, 4),
        ("a", 10, 7, 9),
        ("b", 11, 10, 4),
    ]
    .into_iter()
    .chain([("a", 5, 33, 4), ("a", 5, 33, 9), ("b", 6, 10, 4), ("b", 7, 7, 9), ("a", 9, 10, 4)])
    {
        let (method, out) = (methods[method], work.path("alone"));
        let mut command = kantor();
        command.args(["select", "--force", "--sampling", "multinomial", "--method", method]);
        command.args(["--budget", &format!("{budget}"), "--seed", &format!("{seed}"), "-o"]).arg(&out);
        command.arg("--pool").arg(work.path("pool.npy")).arg("--query").arg(work.path(&format!("{task}.npy")));
        command.assert().success();
        let selection = format!("{method}/k{budget}/indices.npy");
        let shared = work.path("results").join(format!("{task}/{method}-k{budget}-seed{seed}"));
        assert_eq!(
            indices(&shared.join(&selection)),
            indices(&out.join(&selection)),
            "{task} {method} {budget} {seed}"
        );
        let manifest = json(&shared.join("manifest.json"));
        assert_eq!((&manifest["seed"], &manifest["parameters"]["budgets"][0]), (&seed.into(), &budget.into()));
    }
    // A certificate of a shared pass stands by itself.
    let mut verify = kantor();
    verify.arg("verify").arg(work.path("results/a/uot-k10-seed4/uot/k10/certificate.json"));
    verify.arg("--pool").arg(work.path("pool.npy")).arg("--query").arg(work.path("a.npy"));
    verify.assert().success();
}

#[test]
fn only_what_is_new_or_changed_runs() {
    let work = Work::new(GRID);
    work.printed(&[], 0);
    let first = work.results();
    work.jobs("methods = [\"round-robin\", \"random\", \"doubly-greedy\"]\nbudgets = [5, 8, 20]\nseeds = [0, 1]");
    let printed = work.printed(&[], 0);
    let new: Vec<String> = names(&printed, |job| job["budget"] == 8 || job["method"] == "doubly-greedy");
    assert_eq!((names(&printed, ran), new.len()), (new.clone(), 20));
    assert!(first.iter().all(|(name, result)| work.results()[name] == *result));

    // Other bytes under the same name.
    let before = work.results();
    work.query("b", 77);
    let status = work.printed(&["--status"], 0);
    assert_eq!(
        names(&status, |job| job["state"] == "pending" && job["outdated"] == true),
        names(&status, |job| job["task"] == "b")
    );
    let printed = work.printed(&[], 0);
    assert_eq!(names(&printed, ran), names(&printed, |job| job["task"] == "b"));
    assert!(before.iter().all(|(name, result)| (work.results()[name] == *result) == name.starts_with("a/")));

    // The same bytes again, under another date: nothing to do.
    work.query("b", 77);
    assert_eq!(work.printed(&[], 0)["counts"]["ran"], 0);
    // Another parameter: all are to be done again.
    work.jobs(&format!("{GRID}\ncost = \"euclidean\""));
    assert_eq!(work.printed(&[], 0)["counts"]["ran"], 16);
    // A second grid and a task with its own similarities.
    write_npy(&work.path("similarity.npy"), 120, &numbers(10 * 120, 5));
    work.jobs(&format!(
        "{GRID}\n---c = {{ similarity = \"similarity.npy\" }}\n[[grid]]\n[[grid]]\nmethods = \"mean-similarity\"\nseeds = 3\nbudgets = [5, 6]"
    ));
    let printed = work.printed(&[], 0);
    // Parameters are as they were first, but their results were replaced meanwhile.
    for task in ["a", "b", "c"] {
        assert_eq!(names(&printed, |job| job["task"] == task && ran(job)).len(), 8 + 2);
    }
}

#[test]
fn a_failure_is_kept_apart_reported_and_tried_again() {
    let work = Work::new("methods = [\"round-robin\", \"optimal\"]\nbudgets = [5, 121]\n---c = \"c.npy\"");
    let printed = work.printed(&[], 1);
    let failed = names(&printed, |job| job["state"] == "failed");
    assert_eq!(
        names(&printed, |job| job["state"] == "done"),
        ["a/round-robin-k5-seed0", "a/optimal-k5-seed0", "b/round-robin-k5-seed0", "b/optimal-k5-seed0"]
    );
    assert_eq!(failed.len(), 4 + 4);
    let status = work.printed(&["--status"], 0);
    assert_eq!(names(&status, |job| job["state"] == "failed"), failed);
    let error = |status: &Value, name: &str| {
        let place = names(status, |_| true).iter().position(|job| job == name).unwrap();
        status["jobs"][place]["error"].as_str().unwrap_or_default().to_owned()
    };
    assert!(error(&status, "a/optimal-k121-seed0").contains("120"), "{status}");
    assert!(error(&status, "c/optimal-k5-seed0").contains("c.npy"), "{status}");
    work.batch(&["--status"])
        .assert()
        .success()
        .stdout(contains("failed: ").and(contains("4 of 12 jobs done, 8 failed")));

    // The next run tries what failed, and only that.
    write_npy(&work.path("c.npy"), DIM, &numbers(4 * DIM, 9));
    let printed = work.printed(&[], 1);
    assert_eq!(names(&printed, ran), failed);
    assert_eq!(names(&printed, |job| job["state"] == "failed").len(), 2 * 3);
    write_npy(&work.path("pool.npy"), DIM, &numbers(121 * DIM, 1));
    fs::write(work.path("pool.jsonl"), "{}\n".repeat(121)).unwrap();
    assert_eq!(work.printed(&[], 0)["counts"]["done"], 12);

    // A directory that somebody else filled is left alone.
    let strange = work.path("results/a/random-k3-seed0");
    fs::create_dir_all(&strange).unwrap();
    fs::write(strange.join("notes.txt"), "mine").unwrap();
    work.jobs("methods = [\"random\"]\nbudgets = [3]");
    work.batch(&[]).assert().code(1).stderr(contains("notes.txt"));
    assert_eq!(fs::read_to_string(strange.join("notes.txt")).unwrap(), "mine");
}

#[test]
fn too_little_memory_for_all_is_enough_for_some() {
    let work = Work::new("methods = [\"round-robin\"]\nbudgets = [5, 110]\n");
    let printed = work.printed(&["--max-memory", "54K"], 1);
    assert_eq!(
        names(&printed, |job| job["state"] == "done"),
        ["a/round-robin-k5-seed0", "b/round-robin-k5-seed0"],
        "{printed}"
    );
}

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
fn mistakes_in_the_job_file_name_file_and_key() {
    let work = Work::new("");
    for (jobs, words) in [
        ("budgets = [5]\nmethod_s = 3", &["unknown key `method_s`", "known: ", "budgets", "epsilon"][..]),
        ("budgets = [5]\ncost = \"manhattan\"", &["manhattan", "--cost", "euclidean"]),
        ("budgets = [5]\nepsilon = \"small\"", &["small", "--epsilon"]),
        ("budgets = [5, 0]", &["`budgets` has 0"]),
        ("budgets = [5]\nseeds = [-1]", &["`seeds` has -1"]),
        ("methods = [\"round-robin\"]", &["no `budgets`"]),
        ("budgets = [5]\nbudget = 6", &["`budgets` and `budget` are the same"]),
        ("budgets = [5]\nmethods = [\"best\"]", &["unknown method `best`", "round-robin"]),
        ("budgets = [5]\nquery = \"a.npy\"", &["`query` belongs to a task"]),
        ("budgets = [5]\n---c = { query = \"a.npy\", weight = 2 }", &["unknown key `weight` in task `c`"]),
        ("budgets = [5]\n---c = { pool = \"pool.npy\" }", &["task `c` has no `query`"]),
        ("budgets = [5]\n---\"../c\" = \"a.npy\"", &["task name `../c`"]),
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

#[test]
fn an_interrupt_ends_with_130_and_keeps_what_is_done() {
    let work =
        Work::new("methods = [\"random\", \"uot\"]\nbudgets = [700]\nepsilon = 0.0001\nrho = inf\nno-certify = true");
    write_npy(&work.path("pool.npy"), 256, &numbers(60_000 * 256, 4));
    fs::write(work.path("pool.jsonl"), "{}\n".repeat(60_000)).unwrap();
    for task in ["a.npy", "b.npy"] {
        write_npy(&work.path(task), 256, &numbers(600 * 256, 5));
    }
    let mut run = work.spawn(&[]);
    let done = work.path("results/a/random-k700-seed0/manifest.json");
    for _ in 0..3000 {
        if done.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(130));
    assert_eq!(work.results().into_keys().collect::<Vec<_>>(), ["a/random-k700-seed0"]);
    assert_eq!(work.printed(&["--status"], 0)["counts"]["pending"], 3);
}

/// Fails if a result that can be seen is not whole.
fn check_whole(directory: &Path) {
    let manifest = json(&directory.join("manifest.json"));
    let outputs = manifest["outputs"].as_array().unwrap();
    assert_eq!(outputs.len(), 5);
    for output in outputs {
        let length = fs::metadata(directory.join(output["path"].as_str().unwrap())).unwrap().len();
        assert_eq!(output["bytes"].as_u64(), Some(length), "{}", directory.display());
    }
}

#[test]
fn fifty_kills_lose_nothing_and_repeat_nothing_that_was_done() {
    let grid = "methods = [\"round-robin\", \"random\", \"uot\"]\nbudgets = [5, 10, 15, 20]\nseeds = [0, 1, 2]";
    let work = Work::new(grid);
    let (mut done, mut queries, mut kills_at_work) = (BTreeMap::new(), 100, 0);
    for round in 0..50u64 {
        let mut run = work.spawn(&["--quiet", "--jobs", if round % 2 == 0 { "1" } else { "2" }]);
        std::thread::sleep(Duration::from_millis(5 + round * 37 % 90));
        run.kill().unwrap();
        kills_at_work += u32::from(run.wait().unwrap().code().is_none());
        let now = work.results();
        now.keys().for_each(|name| check_whole(&work.path("results").join(name)));
        for (name, result) in &done {
            assert_eq!(now.get(name), Some(result), "{name} was done before round {round}");
        }
        done = now;
        if done.len() == 72 {
            // All done: new queries for one of the tasks, whose results are then replaced one by one.
            let task = if queries % 2 == 0 { "a" } else { "b" };
            work.query(task, queries);
            queries += 1;
            done.retain(|name, _| !name.starts_with(task));
            let status = work.printed(&["--status"], 0);
            assert_eq!(names(&status, |job| job["state"] == "pending" && job["outdated"] == true).len(), 36);
        } else {
            let status = work.printed(&["--status"], 0);
            let told = names(&status, |job| job["state"] == "done");
            // Older results can be seen until new ones take their places.
            done.retain(|name, _| told.contains(name));
        }
    }
    assert!(kills_at_work >= 25, "only {kills_at_work} runs were at work when they were killed");
    assert!(queries > 100, "no run in fifty came to the end");
    let printed = work.printed(&[], 0);
    assert_eq!(printed["counts"]["done"], 72);
    for (name, result) in &done {
        assert_eq!(work.results().get(name), Some(result));
    }
    // Nothing is left behind, and the rows are those of a run that nobody disturbed.
    let calm = Work::new(grid);
    for task in ["a", "b"] {
        fs::copy(work.path(&format!("{task}.npy")), calm.path(&format!("{task}.npy"))).unwrap();
    }
    calm.batch(&[]).assert().success();
    assert_eq!(fs::read_dir(work.path("results/a")).unwrap().count(), 36);
    assert_eq!(fs::read_dir(work.path("results/b")).unwrap().count(), 36);
    for job in printed["jobs"].as_array().unwrap() {
        let selection = Path::new(job["selection"].as_str().unwrap());
        let calm = calm.path("results").join(selection.strip_prefix(work.path("results")).unwrap());
        assert_eq!(indices(&selection.join("indices.npy")), indices(&calm.join("indices.npy")));
    }
}
