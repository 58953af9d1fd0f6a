//! Inputs that others cut or write anew while the program works on them. Linux tells when a file is mapped, and a stopped
//! process does nothing meanwhile.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::support::{kantor, write_npy};

const DIM: usize = 64;
const ROWS: usize = 40_000;

/// A directory with a pool, queries, a list of rows, a certificate of them and a job file.
fn work() -> TempDir {
    let work = tempfile::tempdir().unwrap();
    let values: Vec<f32> = (0..ROWS * DIM).map(|i| ((i * 7919 % 10_007) as f32) - 5000.0).collect();
    write_npy(&work.path().join("pool.npy"), DIM, &values);
    write_npy(&work.path().join("query.npy"), DIM, &values[2 * DIM + 1..42 * DIM + 1]);
    let rows: Vec<String> = (0..200).map(|row| (row * 17).to_string()).collect();
    fs::write(work.path().join("rows.txt"), rows.join("\n")).unwrap();
    fs::write(
        work.path().join("jobs.toml"),
        "out = \"out\"\npool = \"pool.npy\"\nbudgets = [50]\n[tasks]\na = \"query.npy\"\n",
    )
    .unwrap();
    let words = "distance --pool pool.npy --query query.npy --subset rows.txt --certificate certificate.json";
    kantor().current_dir(work.path()).args(words.split(' ')).assert().success();
    work
}

fn maps(process: u32, name: &str) -> bool {
    fs::read_to_string(format!("/proc/{process}/maps")).is_ok_and(|maps| maps.lines().any(|line| line.ends_with(name)))
}

fn signal(process: u32, name: &str) {
    assert!(Command::new("kill").args([name, &process.to_string()]).status().unwrap().success());
}

/// Runs the program in `directory` and does `act` while it has mapped `pool.npy` and stands still.
fn while_mapped(directory: &Path, words: &str, act: impl Fn(&Path)) -> Output {
    let pool = directory.join("pool.npy");
    for _ in 0..50 {
        let child = Command::new(assert_cmd::cargo::cargo_bin!("kantor"))
            .current_dir(directory)
            .args(words.split(' '))
            .args(["--quiet"].iter().filter(|_| !words.starts_with("inspect") && !words.starts_with("verify")))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let alive = || fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        // A process that has ended waits for its parent: state Z.
        while !maps(child.id(), "/pool.npy") && !alive().contains(") Z ") {}
        signal(child.id(), "-STOP");
        while !alive().contains(") T ") && !alive().contains(") Z ") {}
        let reached = maps(child.id(), "/pool.npy");
        if reached {
            act(&pool);
        }
        signal(child.id(), "-CONT");
        let output = child.wait_with_output().unwrap();
        if reached {
            return output;
        }
        let _ = fs::remove_dir_all(directory.join("out"));
    }
    panic!("`{words}` never had its pool mapped when it stood still");
}

fn cut(pool: &Path) {
    File::options().write(true).open(pool).unwrap().set_len(8192).unwrap();
}

/// Writes zeros over some rows and gives the file its time of modification back.
fn overwrite(pool: &Path) {
    let modified = fs::metadata(pool).unwrap().modified().unwrap();
    let mut file = File::options().write(true).open(pool).unwrap();
    file.seek(SeekFrom::Start(1 << 20)).unwrap();
    file.write_all(&[0; 4096]).unwrap();
    file.set_modified(modified).unwrap();
}

const COMMANDS: [&str; 9] = [
    "select --pool pool.npy --query query.npy --budget 50 --method round-robin,uot -o out",
    "select --pool pool.npy --query query.npy --budget 50 --method kde-ratio --cost euclidean --forbid-overlap=0.999 -o out",
    "compare --pool pool.npy --query query.npy --budget 50 --method round-robin,random --random-seeds 3 -o out",
    "quantiles --pool pool.npy --query query.npy --take 50 -o out",
    "distance --pool pool.npy --query query.npy --subset rows.txt --certificate new.json",
    "distance --pool pool.npy --query query.npy --subset rows.txt --metric energy",
    "distance --pool pool.npy --query query.npy --subset rows.txt --solver sinkhorn --epsilon 0.1 --plan new.safetensors",
    "bound --pool pool.npy --query query.npy --subset rows.txt --references 3 --splits 2",
    "inspect pool.npy",
];

/// Every command ends with 4, names the file, prints no result and leaves nothing.
fn refused_by_all(act: fn(&Path)) {
    let work = work();
    let kept = fs::read(work.path().join("pool.npy")).unwrap();
    let names = || {
        let mut names: Vec<_> = fs::read_dir(work.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    for words in COMMANDS {
        fs::write(work.path().join("pool.npy"), &kept).unwrap();
        let Output { status, stdout, stderr } = while_mapped(work.path(), words, act);
        let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        assert_eq!(status.code(), Some(4), "{words}: {status} {stderr}");
        assert!(stderr.contains("pool.npy") && stderr.contains("changed while it was read"), "{words}: {stderr}");
        assert!(stdout.is_empty(), "{words}: {stdout}");
        assert_eq!(names(), before, "{words}");
    }
}

#[test]
fn a_pool_that_is_cut_ends_every_command_with_4_and_leaves_nothing() {
    refused_by_all(cut);
}

#[test]
fn a_pool_that_is_written_anew_in_place_ends_every_command_with_4() {
    refused_by_all(overwrite);
}

#[test]
fn a_certificate_is_not_judged_by_a_pool_that_changes() {
    for act in [cut, overwrite] {
        let work = work();
        let words = "verify certificate.json --pool pool.npy --query query.npy";
        let Output { status, stdout, stderr } = while_mapped(work.path(), words, act);
        let stderr = String::from_utf8(stderr).unwrap();
        assert_eq!((status.code(), stdout.len()), (Some(4), 0), "{stderr}");
        assert!(stderr.contains("pool.npy") && stderr.contains("changed while it was read"), "{stderr}");
    }
}

#[test]
fn a_job_on_a_pool_that_changes_fails_for_that_reason() {
    for act in [cut, overwrite] {
        let work = work();
        let Output { status, stderr, .. } = while_mapped(work.path(), "batch jobs.toml", act);
        let stderr = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("pool.npy: changed while it was read"), "{stderr}");
        assert!(!work.path().join("out/a/round-robin-k50-seed0").exists());
    }
}
