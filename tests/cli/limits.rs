//! Limits of the system: threads and sizes of files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;

use predicates::str::contains;

use crate::support::{copy_program, example, json, kantor, select_example, write_npy};

/// No address space has room for a stack of that size: whoever starts a thread is refused.
const NO_THREADS: (&str, &str) = ("RUST_MIN_STACK", "140737488355328");

/// Every command that works with threads, as far as words go, on the bundled data.
fn commands(work: &Path) -> Vec<assert_cmd::Command> {
    let jobs = work.join("jobs.toml");
    let (pool, query) = (example("pool.embed.npy"), example("query_gsm8k.embed.npy"));
    fs::write(&jobs, format!("out = \"jobs\"\nbudgets = [5]\npool = {pool:?}\n[tasks]\na = {query:?}\n")).unwrap();
    fs::write(work.join("rows.txt"), "1\n2\n3\n").unwrap();
    fs::write(work.join("certificate.json"), "{}").unwrap();
    let on_example = |words: &[&str]| {
        let mut command = kantor();
        command.args(words).arg("--pool").arg(&pool).arg("--query").arg(&query).current_dir(work);
        command
    };
    let mut batch = kantor();
    batch.arg("batch").arg(jobs).current_dir(work);
    vec![
        on_example(&["select", "--budget", "5", "-o", "out"]),
        on_example(&["compare", "--budget", "5", "-o", "out"]),
        on_example(&["quantiles", "-o", "out"]),
        on_example(&["distance", "--subset", "rows.txt"]),
        on_example(&["bound", "--subset", "rows.txt"]),
        on_example(&["verify", "certificate.json"]),
        batch,
    ]
}

#[test]
fn a_million_threads_are_refused_before_any_is_started() {
    let work = tempfile::tempdir().unwrap();
    for mut command in commands(work.path()) {
        // If a thread were started, that would be the failure.
        command.env(NO_THREADS.0, NO_THREADS.1).args(["--threads", "999999"]);
        command.assert().code(2).stderr(contains("--threads")).stderr(contains("at most 1024"));
    }
    let mut batch = commands(work.path()).pop().unwrap();
    batch.args(["--jobs", "1025"]).assert().code(2).stderr(contains("--jobs")).stderr(contains("at most 1024"));
    let mut batch = commands(work.path()).pop().unwrap();
    batch.args(["--jobs", "0"]).assert().code(2).stderr(contains("at least 1"));
    let config = work.path().join("config.toml");
    for text in ["threads = 999999", "threads = \"1M\""] {
        fs::write(&config, text).unwrap();
        let mut select = commands(work.path()).swap_remove(0);
        select
            .arg("--config")
            .arg(&config)
            .assert()
            .code(2)
            .stderr(contains("at most 1024"))
            .stderr(contains("config.toml"));
    }
    assert!(!work.path().join("out").exists() && !work.path().join("jobs").exists());
}

#[test]
fn no_more_threads_are_started_than_are_of_use() {
    let work = tempfile::tempdir().unwrap();
    let processors = available_parallelism().unwrap().get() as u64;
    for (asked, started) in [("1k", processors * 4), ("1", 1), ("0", processors)] {
        let out = work.path().join(asked);
        select_example(&out, &["--budget", "5", "--threads", asked]).env_remove("RAYON_NUM_THREADS").assert().success();
        assert_eq!(json(&out.join("manifest.json"))["threads"], started.min(1024), "{asked}");
    }
    let out = work.path().join("many");
    select_example(&out, &["--budget", "5"]).env("RAYON_NUM_THREADS", "999999").assert().success();
    assert_eq!(json(&out.join("manifest.json"))["threads"], processors * 4);
}

#[test]
#[cfg(target_os = "linux")]
fn a_system_that_gives_no_threads_is_a_limit_and_no_panic() {
    let work = tempfile::tempdir().unwrap();
    let mut all = commands(work.path());
    let mut inspect = kantor();
    inspect.arg("inspect").arg(example("pool.embed.npy"));
    all.push(inspect);
    for mut command in all {
        let refused = command.env(NO_THREADS.0, NO_THREADS.1).assert().code(5);
        refused.stderr(contains("threads")).stderr(contains("ulimit -u"));
    }
    assert!(!work.path().join("out").exists() && !work.path().join("jobs").exists());
}

/// For another user, because the limit does not bind root; there is nothing to be seen where this one is not root.
#[test]
#[cfg(target_os = "linux")]
fn helpers_that_the_system_does_not_give_are_done_without() {
    let work = tempfile::tempdir().unwrap();
    let uid = format!("{}", 1_000_000 + std::process::id());
    let command = |limit: u32, words: &[&str]| {
        let mut command = Command::new("prlimit");
        command.arg(format!("--nproc={limit}")).args(["setpriv", "--reuid", &uid, "--regid", &uid, "--clear-groups"]);
        command.args(words).current_dir(work.path());
        command
    };
    let is_possible = command(1, &["true"]).output().is_ok_and(|output| output.status.success());
    if !is_possible {
        assert!(std::env::var_os("KANTOR_TMPFS").is_none(), "KANTOR_TMPFS asks for this test, which needs to be root");
        return;
    }
    copy_program(&work.path().join("kantor"));
    for name in ["pool", "query_gsm8k", "query_humaneval"] {
        fs::copy(example(&format!("{name}.embed.npy")), work.path().join(name)).unwrap();
    }
    let jobs =
        "budgets = [5]\npool = [\"pool\", \"query_humaneval\"]\n[tasks]\na = \"query_gsm8k\"\nb = \"query_gsm8k\"\n";
    fs::write(work.path().join("jobs.toml"), jobs).unwrap();
    fs::set_permissions(work.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let run = |limit: u32, out: &str| {
        let files = ["--pool", "pool", "--pool", "query_humaneval", "--query", "query_gsm8k", "--threads", "2"];
        let select = [&["./kantor", "select", "--budget", "50", "-o", out][..], &files].concat();
        let jobs = format!("jobs-{out}");
        let batch = ["./kantor", "batch", "jobs.toml", "--jobs", "2", "--threads", "2", "-o", &jobs];
        [&select[..], &batch].map(|words| {
            let output = command(limit, words).output().unwrap();
            eprintln!("{limit}: {}", String::from_utf8_lossy(&output.stderr));
            output.status.code()
        })
    };
    // The process itself and two workers; then the one that waits for signals, and one helper after the other.
    assert_eq!(run(2, "none"), [Some(5), Some(5)]);
    for limit in 3..=6 {
        let out = limit.to_string();
        assert_eq!(run(limit, &out), [Some(0), Some(0)], "{limit} threads");
        let certificate = |out: &str| fs::read(work.path().join(out).join("round-robin/k50/certificate.json")).unwrap();
        assert_eq!(certificate(&out), certificate("3"));
    }
}

#[test]
fn a_limit_of_file_sizes_is_a_failure_of_output_that_leaves_nothing() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    select_example(&out, &["--budget", "5"]).assert().success();
    let names = || {
        let mut names: Vec<_> = fs::read_dir(work.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = fs::read(out.join("manifest.json")).unwrap();
    // Blocks of 512 bytes.
    let limited = |words: &[&str]| {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -f 1; exec \"$@\"", "sh"]).arg(assert_cmd::cargo::cargo_bin!("kantor"));
        command.args(words).arg("--pool").arg(example("pool.embed.npy"));
        command.arg("--query").arg(example("query_gsm8k.embed.npy")).current_dir(work.path());
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(4), "{words:?}: {text}");
        assert!(text.contains("File too large"), "{text}");
    };
    limited(&["select", "--budget", "500", "-o", "new"]);
    limited(&["select", "--budget", "500", "-o", "out", "--force"]);
    limited(&["compare", "--budget", "5", "--method", "random", "--random-seeds", "0", "-o", "new"]);
    limited(&["quantiles", "-o", "new"]);
    limited(&["distance", "--certificate", "new"]);
    assert_eq!(names(), ["out"]);
    assert_eq!(fs::read(out.join("manifest.json")).unwrap(), before);
}

#[test]
fn repeats_without_end_are_refused() {
    for (command, flag) in [("compare", "--random-seeds"), ("bound", "--splits"), ("bound", "--references")] {
        let mut run = kantor();
        run.args([command, "--pool", "p.npy", "--query", "q.npy", flag, "9223372036854775807"]);
        run.assert().code(2).stderr(contains(flag)).stderr(contains("at most 100000"));
    }
}

#[test]
fn selections_of_many_budgets_are_counted_before_they_are_made() {
    let work = tempfile::tempdir().unwrap();
    let budgets: Vec<String> = (1..=5000).map(|budget| budget.to_string()).collect();
    let words = ["--method=random", "--no-certify", "--max-memory=100M", "--budget", &budgets.join(",")];
    select_example(&work.path().join("out"), &words).assert().code(5).stderr(contains("--max-memory"));
    assert!(!work.path().join("out").exists());
}

/// They were shown as 0.0000.
#[test]
fn a_verdict_of_tiny_distances_has_digits() {
    let work = tempfile::tempdir().unwrap();
    let rows =
        |count: usize, step: f32| (0..count).map(|row| 1e-8 * step * (1 + row * row) as f32).collect::<Vec<f32>>();
    write_npy(&work.path().join("pool.npy"), 1, &rows(40, 1.0));
    write_npy(&work.path().join("query.npy"), 1, &rows(3, 5.3));
    let mut command = kantor();
    command.current_dir(work.path()).args([
        "select",
        "--pool",
        "pool.npy",
        "--query",
        "query.npy",
        "--cost",
        "euclidean",
    ]);
    let shown = command.args(["--budget", "3", "-o", "out"]).assert().success();
    let shown = String::from_utf8_lossy(&shown.get_output().stdout).into_owned();
    let verdict = shown.lines().find(|line| line.contains("of the way from random rows")).unwrap();
    assert!(!verdict.contains("0.0000") && verdict.contains("e-"), "{verdict}");
}
