//! Nothing is lost: whatever happens while a run works, what was there before and what others write stays.

mod killed;
mod limits;
mod outputs;
mod races;
mod systems;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::run::Run;
use crate::support::{example, json};

/// A directory for results, watched from outside.
struct Work {
    directory: tempfile::TempDir,
}

impl Work {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The words of a run on the bundled data that writes to `out`.
    fn words(&self, command: &str, more: &[&str]) -> Vec<std::ffi::OsString> {
        let mut words = vec![command.into(), "--threads=1".into(), "--pool".into()];
        words.extend([example("pool.embed.npy").into(), "--query".into(), example("query_gsm8k.embed.npy").into()]);
        words.extend(["-o".into(), self.path("out").into()]);
        words.extend(more.iter().map(Into::into));
        words
    }

    /// A short run, to its end.
    fn select(&self, budget: usize, more: &[&str]) -> assert_cmd::assert::Assert {
        let budget = budget.to_string();
        let more = [&["--quiet", "--no-certify", "--budget", &budget], more].concat();
        crate::support::kantor().args(self.words("select", &more)).assert()
    }

    fn spawn(&self, command: &str, more: &[&str]) -> Run {
        let mut program = crate::run::program();
        program.args(self.words(command, more)).stdout(Stdio::null()).stderr(Stdio::piped());
        Run::of(program.spawn().unwrap())
    }

    /// A long run, stopped when it has begun to write and long before its end.
    fn stopped(&self, command: &str, more: &[&str]) -> Run {
        let mut run = self.spawn(command, more);
        run.stop_when(|| self.hidden().iter().any(|path| path.is_dir()));
        run
    }

    /// Names in the directory that begin with a dot.
    fn hidden(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.directory.path()).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with('.')).collect()
    }

    /// Files in the hidden directory of a run.
    fn hidden_files(&self) -> usize {
        self.hidden().iter().filter(|path| path.is_dir()).map(|path| files(path)).sum()
    }

    /// Names in the directory, sorted.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// Files below a directory; it may vanish meanwhile.
fn files(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}

/// The budget of the result at `out`, after checking that all its files are there, whole, and no others.
fn whole_result(out: &Path) -> u64 {
    let manifest = json(&out.join("manifest.json"));
    let outputs = manifest["outputs"].as_array().unwrap();
    for output in outputs {
        let length = fs::metadata(out.join(output["path"].as_str().unwrap())).unwrap().len();
        assert_eq!(output["bytes"].as_u64(), Some(length));
    }
    assert_eq!(files(out), outputs.len() + 1);
    manifest["parameters"]["budgets"][0].as_u64().unwrap()
}

/// What tells a directory from one that took its place.
fn inode(path: &Path) -> u64 {
    fs::symlink_metadata(path).unwrap().ino()
}

/// Methods and budgets that take about a second after the first hidden name is there.
const LONG: &[&str] = &["--method=energy", "--budget=300", "--quiet"];
