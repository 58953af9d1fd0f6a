//! `kantor batch`: every job exactly once, whatever happens.

mod file;
mod jobs;
#[cfg(target_os = "linux")]
mod place;
mod runs;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::support::{kantor, write_npy};

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
        let mut command = crate::run::program();
        command.arg("batch").arg(self.path("jobs.toml")).args(["--threads", "1"]).args(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Whether a run writes a result just now.
    fn hidden(&self) -> bool {
        let entries = ["a", "b"].map(|task| fs::read_dir(self.path("results").join(task)));
        entries
            .into_iter()
            .flatten()
            .flatten()
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with('.'))
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

fn replaced(job: &Value) -> bool {
    job["replaced"] == true
}

const GRID: &str = "methods = [\"round-robin\", \"random\"]\nbudgets = [5, 20]\nseeds = [0, 1]";
