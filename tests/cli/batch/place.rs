//! The output directory is taken before the work: from other commands, from other tasks, from what keeps it locked.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

use super::{Work, names};
use crate::run::{Run, program, program_without};
use crate::support::kantor;

impl Work {
    /// `select` into the directory of the results.
    fn select(&self, more: &[&str]) -> assert_cmd::assert::Assert {
        let mut select = kantor();
        select.args(["select", "--quiet", "--budget", "7", "-o"]).arg(self.path("results")).args(more);
        select.arg("--pool").arg(self.path("pool.npy")).arg("--query").arg(self.path("a.npy"));
        select.assert()
    }

    /// A run that waits for the lock on the name of task `a`, which it takes before it reads any input.
    fn waiting(&self) -> (Run, fs::File) {
        let held = self.hold("a");
        (self.waits_for("a"), held)
    }

    /// The lock on the name of this task.
    fn hold(&self, task: &str) -> fs::File {
        let note = self.note(task);
        fs::create_dir_all(note.parent().unwrap()).unwrap();
        let held = fs::File::create(&note).unwrap();
        held.lock().unwrap();
        held
    }

    /// A run that waits for it.
    fn waits_for(&self, task: &str) -> Run {
        let mut run = Run::of(self.spawn(&[]));
        run.waits_to_lock(&self.note(task).canonicalize().unwrap());
        run
    }

    fn note(&self, task: &str) -> PathBuf {
        self.path("results/.batch").join(task).join("task")
    }
}

#[test]
fn a_place_that_jobs_have_taken_is_free_for_no_other_command() {
    let work = Work::new("budgets = [5]");
    let (run, held) = work.waiting();
    work.select(&[]).code(2).stderr(contains("exists"));
    work.select(&["--force"]).code(2).stderr(contains(".batch"));
    drop(held);
    assert_eq!(run.end().0, Some(0));
    assert_eq!(work.results().len(), 2);
}

#[test]
fn a_result_of_another_command_that_appears_before_the_first_job_is_spared() {
    let work = Work::new("budgets = [5]");
    let (run, held) = work.waiting();
    fs::write(work.path("results/manifest.json"), "{}").unwrap();
    drop(held);
    let (code, said) = run.end();
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("results was made or changed by somebody else meanwhile"), "{said}");
    // What the test made is there, and nothing else.
    let present = |path: &str| fs::read_dir(work.path(path)).unwrap().map(|entry| entry.unwrap().file_name());
    let mut all: Vec<_> =
        present("results").chain(present("results/.batch")).chain(present("results/.batch/a")).collect();
    all.sort();
    assert_eq!(all, [".batch", "a", "manifest.json", "task"]);
}

#[test]
fn a_refused_run_takes_back_what_it_noted() {
    let work = Work::new("budgets = [5]");
    let note = work.path("results/.batch/b/task");
    fs::create_dir_all(note.parent().unwrap()).unwrap();
    fs::write(&note, "B").unwrap();
    work.batch(&[]).assert().code(2).stderr(contains("the tasks B and b have one directory"));
    assert_eq!(fs::read_dir(work.path("results/.batch")).unwrap().count(), 1);
    // Without it they can begin.
    fs::remove_file(&note).unwrap();
    work.batch(&[]).assert().success();
}

#[test]
fn a_link_to_the_directory_of_another_task_that_appears_before_the_first_job_is_refused() {
    let work = Work::new("budgets = [5]");
    let (run, held) = work.waiting();
    fs::create_dir(work.path("results/a")).unwrap();
    symlink("a", work.path("results/b")).unwrap();
    drop(held);
    let (code, said) = run.end();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("the tasks a and b have one directory") && said.contains("remove the link"), "{said}");
    assert_eq!(fs::read_dir(work.path("results/a")).unwrap().count(), 0);
}

#[test]
fn a_link_to_the_directory_of_another_task_that_appears_later_loses_no_result() {
    let work = Work::new("budgets = [5]");
    let lock = work.path("results/.batch/b/round-robin-k5-seed0.lock");
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    let held = fs::File::create(&lock).unwrap();
    held.lock().unwrap();
    let mut run = Run::of(work.spawn(&[]));
    let done = || work.path("results/.batch/a/round-robin-k5-seed0.lock").exists() && work.results().len() == 1;
    assert!(run.reaches(done), "the run ended before it did the first job");
    let before = work.results();
    symlink("a", work.path("results/b")).unwrap();
    drop(held);
    let output = run.output();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("holds the result of the task a: move it away"), "{said}");
    fs::remove_file(work.path("results/b")).unwrap();
    assert_eq!(work.results(), before);
    work.batch(&[]).assert().success();
    assert_eq!(work.results().len(), 2);
}

/// The first run makes what both go by, and is refused while the second is about to use it.
#[test]
fn a_run_that_ends_takes_nothing_from_under_another_one() {
    for both in [false, true] {
        let work = Work::new("budgets = [5]");
        let mut held = work.hold("b");
        let first = work.waits_for("b");
        let mut second = work.waits_for("b");
        second.stop_when(|| true);
        held.write_all(b"B").unwrap();
        drop(held);
        let (code, said) = first.end();
        assert_eq!(code, Some(2), "{said}");
        assert_eq!(fs::read_to_string(work.note("a")).unwrap(), "a");
        if !both {
            fs::write(work.note("b"), "b").unwrap();
        }
        let (code, said) = second.go_on();
        assert_eq!(code, Some(if both { 2 } else { 0 }), "{said}");
        assert_eq!(work.results().len(), if both { 0 } else { 2 });
        // The last of them takes back what was made for both.
        assert_eq!(work.path("results/.batch").exists(), !both);
    }
}

/// A path that has room for the directory of a task and not for the file in it stands for a system that makes the one and
/// refuses the other.
#[test]
fn a_run_that_cannot_note_its_tasks_leaves_nothing_behind() {
    let work = Work::new("budgets = [5]");
    const LONGEST: usize = 4095;
    let mut out = work.directory.path().canonicalize().unwrap();
    let room = |out: &PathBuf| LONGEST - out.as_os_str().len() - "/made/out/.batch/a".len();
    while room(&out) > 250 {
        out.push("d".repeat(200));
    }
    out.push("d".repeat(room(&out) - 1));
    fs::create_dir_all(&out).unwrap();
    let said = work.batch(&["-o"]).arg(out.join("made/out")).assert().code(4);
    said.stderr(contains("File name too long"));
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
}

#[test]
fn a_file_or_a_link_in_the_way_of_the_output_directory_is_named() {
    let work = Work::new("budgets = [5]");
    fs::write(work.path("file"), "keep").unwrap();
    symlink("nowhere", work.path("link")).unwrap();
    for (out, way, what) in [
        ("file", "file", "is not a directory: choose another name"),
        ("file/x/y", "file", "is not a directory: choose another name"),
        ("link", "link", "is a symbolic link to nowhere: name the place itself, or another one"),
        ("link/x", "link", "is a symbolic link to nowhere: name the place itself, or another one"),
    ] {
        let expected = format!("{} {what}", work.path(way).display());
        work.batch(&["-o"]).arg(work.path(out)).assert().code(2).stderr(contains(&expected));
        let mut select = kantor();
        select.args(["select", "--quiet", "--budget", "7", "--pool"]).arg(work.path("pool.npy")).arg("--query");
        select.arg(work.path("a.npy")).arg("-o").arg(work.path(out)).assert().code(2).stderr(contains(&expected));
    }
    for made in ["results/a", "results/.batch/a", "results/.batch"] {
        fs::create_dir_all(work.path(made).parent().unwrap()).unwrap();
        fs::write(work.path(made), "keep").unwrap();
        let expected = format!("{} is not a directory", work.path(made).display());
        work.batch(&[]).assert().code(2).stderr(contains(expected));
        assert_eq!(fs::read_to_string(work.path(made)).unwrap(), "keep");
        fs::remove_dir_all(work.path("results")).unwrap();
    }
}

#[test]
fn a_lock_on_results_that_are_to_be_replaced_is_met_before_the_work() {
    let work = Work::new("budgets = [5]");
    work.printed(&[], 0);
    let place = work.path("results/a");
    let held = fs::File::open(&place).unwrap();
    held.lock().unwrap();
    // Nothing is to be replaced.
    work.printed(&[], 0);
    work.jobs("budgets = [5]\ncost = \"angular\"");
    let mut run = Run::of(work.spawn(&[]));
    run.waits_to_lock(&place.canonicalize().unwrap());
    assert!(!work.hidden());
    drop(held);
    assert_eq!(run.end().0, Some(0));
    assert_eq!(work.printed(&["--status"], 0)["counts"]["done"], 2);
}

/// What a file system does that does not tell upper from lower case: the second name leads to what the first one made.
#[test]
fn tasks_whose_names_are_one_to_the_file_system_are_refused_before_any_work() {
    let work = Work::new("budgets = [5]");
    let records = work.path("results/.batch");
    fs::create_dir_all(&records).unwrap();
    symlink("a", records.join("b")).unwrap();
    for words in [&[][..], &["--jobs", "2"]] {
        let refused = work.batch(words).assert().code(2);
        refused.stderr(contains("the tasks a and b have one directory").and(contains("rename one of them")));
        assert!(!records.join("a").exists() && !work.path("results/a").exists());
    }
    // The second of them in another run.
    fs::create_dir(records.join("a")).unwrap();
    work.batch(&["--shard", "0/2"]).assert().code(2);
    fs::remove_file(records.join("b")).unwrap();
    work.batch(&["--shard", "0/2"]).assert().success();
    fs::remove_dir_all(records.join("b")).unwrap();
    symlink("a", records.join("b")).unwrap();
    for words in [&[][..], &["--status"]] {
        work.batch(words).assert().code(2).stderr(contains("the tasks a and b have one directory"));
    }
    assert!(!work.path("results/b").exists());
}

/// A run that may have so many files open.
fn limited(work: &Work, files: u32, out: &str, words: &[&str]) -> std::process::Output {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n {files} && exec \"$@\""), "sh"]).arg(program().get_program());
    shell.args(program().get_args()).arg("batch").arg(work.path("jobs.toml")).args(["--threads", "2", "-o"]);
    shell.arg(work.path(out)).args(words).output().unwrap()
}

#[test]
fn jobs_that_need_more_open_files_than_are_allowed_are_refused_before_any_work() {
    let seeds: Vec<u32> = (0..80).collect();
    let work = Work::new(&format!("methods = [\"random\"]\nbudgets = [7]\nno-certify = true\nseeds = {seeds:?}"));
    for parallel in ["1", "2"] {
        let out = format!("out{parallel}");
        let refused = limited(&work, 30, &out, &["--jobs", parallel]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(5), "{said}");
        assert!(!work.path(&out).exists());
        // As many as it says are enough.
        let (_, least) = said.trim().rsplit_once(' ').unwrap();
        let done = limited(&work, least.parse().unwrap(), &out, &["--jobs", parallel, "--json"]);
        assert_eq!(done.status.code(), Some(0), "{least}: {}", String::from_utf8_lossy(&done.stderr));
        let printed: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!(names(&printed, |job| job["state"] == "done").len(), 160);
        assert_eq!(limited(&work, 30, &out, &["--status"]).status.code(), Some(0));
    }
    // A few jobs need a few.
    work.jobs("methods = [\"random\"]\nbudgets = [7]");
    assert_eq!(limited(&work, 30, "few", &[]).status.code(), Some(0));
}

#[test]
fn a_file_system_without_locks_is_named_before_any_work_with_the_remedy() {
    for error in ["ENOLCK", "ENOSYS", "EOPNOTSUPP"] {
        let work = Work::new("budgets = [5]");
        let Some(mut batch) = program_without(&[("flock", error)]) else { return };
        let output = batch.arg("batch").arg(work.path("jobs.toml")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(said.contains("results/.batch/a/task") && said.contains("a file system with locks"), "{said}");
        assert!(!work.path("results").exists(), "{error}");
    }
}
