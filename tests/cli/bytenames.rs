//! File names that are not UTF-8: every command works on them, and records say which files they were.
#![cfg(target_os = "linux")]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use predicates::str::contains;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{json, kantor, printed_json, write_npy};

/// `name` with a byte that begins no character at its end.
fn odd(name: &str) -> OsString {
    OsString::from_vec([name.as_bytes(), b"\xff"].concat())
}

/// A directory with inputs of such names.
fn work() -> TempDir {
    let work = tempfile::tempdir().unwrap();
    let values: Vec<f32> = (0..60 * 4).map(|i| ((i * 7919 % 101) as f32) - 50.3).collect();
    write_npy(&work.path().join(odd("pool")), 4, &values);
    write_npy(&work.path().join(odd("query")), 4, &values[3..3 + 20]);
    let lines: String = (0..60).map(|i| format!("{{\"id\": \"r{i}\", \"text\": \"t\"}}\n")).collect();
    fs::write(work.path().join(odd("text")), lines).unwrap();
    fs::write(
        work.path().join(odd("groups")),
        "{\"g\": \"a\"}\n{\"g\": \"b\"}\n{\"g\": \"a\"}\n{\"g\": \"a\"}\n{\"g\": \"b\"}\n",
    )
    .unwrap();
    work
}

/// The program in `work`, with pool and queries.
fn run(work: &TempDir, command: &str) -> Command {
    let mut program = kantor();
    program.current_dir(work.path()).arg(command);
    program.arg("--pool").arg(odd("pool")).arg("--query").arg(odd("query"));
    program
}

fn with(mut command: Command, more: &[&dyn AsRef<OsStr>]) -> Command {
    more.iter().for_each(|word| {
        command.arg(word.as_ref());
    });
    command
}

fn paths(manifest: &Value) -> Vec<&str> {
    manifest["inputs"].as_array().unwrap().iter().map(|input| input["path"].as_str().unwrap()).collect()
}

#[test]
fn select_quantiles_and_compare_work_and_record_the_names_escaped() {
    let work = work();
    let groups = OsString::from_vec([odd("groups").as_bytes(), b":g"].concat());
    let more: [&dyn AsRef<OsStr>; 6] = [&"--pool-jsonl", &odd("text"), &"--query-groups", &groups, &"--budget", &"5"];
    for (command, out) in [("select", odd("s")), ("compare", odd("c"))] {
        let mut program = with(run(&work, command), &more);
        let printed = printed_json(program.arg("--json").arg("-o").arg(&out));
        let manifest = json(&work.path().join(&out).join("manifest.json"));
        assert_eq!(paths(&manifest), [r"pool\xff", r"query\xff", r"text\xff", r"groups\xff"]);
        match command {
            "select" => assert_eq!(printed["results"][0]["dir"], r"s\xff/round-robin/k5"),
            _ => {
                assert_eq!(paths(&printed)[0], r"pool\xff");
                let words: Vec<&str> =
                    printed["command"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
                assert!(words.contains(&r"pool\xff") && words.contains(&r"groups\xff:g"), "{words:?}");
                let page = fs::read_to_string(work.path().join(&out).join("report.html")).unwrap();
                assert!(page.contains(r"pool\xff") && !page.contains('\u{fffd}'));
            }
        }
    }
    let out = odd("q");
    let printed = printed_json(run(&work, "quantiles").args(["--take", "2", "--bins", "3", "--json", "-o"]).arg(&out));
    assert_eq!(printed["results"][0]["dir"], r"q\xff/bin00");
    assert_eq!(paths(&json(&work.path().join(&out).join("manifest.json"))), [r"pool\xff", r"query\xff"]);
    // The text forms, too.
    with(run(&work, "select"), &[&"--budget", &"5", &"-o", &odd("t")])
        .assert()
        .success()
        .stdout(contains(r"to t\xff in"));
}

#[test]
fn a_certificate_names_its_inputs_and_is_verified() {
    let work = work();
    let rows = odd("rows");
    fs::write(work.path().join(&rows), "1\n2\n3\n").unwrap();
    let more: [&dyn AsRef<OsStr>; 4] = [&"--subset", &rows, &"--certificate", &odd("certificate")];
    with(run(&work, "distance"), &more).assert().success();
    let certificate = json(&work.path().join(odd("certificate")));
    let names: Vec<&str> =
        certificate["inputs"].as_array().unwrap().iter().map(|input| input["name"].as_str().unwrap()).collect();
    assert_eq!(names, [r"pool\xff", r"query\xff"]);
    run(&work, "verify").arg(odd("certificate")).assert().success().stdout(contains("verified"));
    with(run(&work, "bound"), &[&"--subset", &rows, &"--references", &"2"]).assert().success();
    let printed = printed_json(kantor().current_dir(work.path()).args(["inspect", "--json"]).arg(odd("pool")));
    assert_eq!(printed["files"][0]["path"], r"pool\xff");
    kantor().current_dir(work.path()).arg("inspect").arg(odd("pool")).assert().success().stdout(contains(r"pool\xff"));
}

#[test]
fn config_job_file_and_study_are_found_under_such_names() {
    let work = work();
    let directory: PathBuf = work.path().join(odd("dir"));
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join(odd("config")), "budget = 3\nmethod = \"random\"\n").unwrap();
    let config = OsString::from_vec([b"--config=", directory.join(odd("config")).as_os_str().as_bytes()].concat());
    let pool = OsString::from_vec(b"--pool=pool\xff".to_vec());
    let mut program = kantor();
    program.current_dir(work.path()).arg("select").arg(pool).arg("--query").arg(odd("query"));
    program.arg(config).arg("-o").arg(odd("s")).assert().success();
    assert!(work.path().join(odd("s")).join("random/k3/indices.npy").exists());

    for name in ["pool", "query"] {
        fs::copy(work.path().join(odd(name)), directory.join(name)).unwrap();
    }
    let jobs = "out = \"out\"\npool = \"pool\"\nbudgets = [3]\n[tasks]\na = \"query\"\n";
    fs::write(directory.join(odd("jobs")), jobs).unwrap();
    let printed = printed_json(kantor().arg("batch").arg(directory.join(odd("jobs"))).args(["--json", "--quiet"]));
    let named = |path: &Path| format!(r"{}/dir\xff/{}", work.path().display(), path.display());
    assert_eq!(printed["out"], named(Path::new("out")));
    assert_eq!(printed["jobs"][0]["dir"], named(Path::new("out/a/round-robin-k3-seed0")));

    fs::write(work.path().join(odd("results")), "task,method,budget,seed,value\na,round-robin,3,0,0.5\n").unwrap();
    let run = [b"a=", directory.join("out/a/round-robin-k3-seed0").as_os_str().as_bytes()].concat();
    let mut program = kantor();
    program.current_dir(work.path()).args(["study", "--json", "--results"]).arg(odd("results"));
    let printed = printed_json(program.arg("--run").arg(OsString::from_vec(run)));
    assert_eq!(printed["cells"][0]["pairs"][0]["value"], 0.5);
}

#[test]
fn errors_name_such_files_without_loss() {
    let work = work();
    let mut program = kantor();
    program.current_dir(work.path()).args(["select", "--budget", "1", "-o", "out", "--pool"]).arg(odd("none"));
    program.arg("--query").arg(odd("query")).assert().code(4).stderr(contains(r"none\xff: cannot open it"));
}
