//! Inputs that others cut or write anew while the program works on them. Linux tells when a file is mapped; and a program
//! whose messages nobody takes waits with the first one, after it has opened its inputs.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::pipe::fcntl_getpipe_size;
use tempfile::TempDir;

use crate::run::Run;
use crate::support::{kantor, write_npy};

const DIM: usize = 64;
const ROWS: usize = 10_000;

/// A directory with a pool, queries, a list of rows and a certificate of them.
fn work() -> TempDir {
    let work = tempfile::tempdir().unwrap();
    let values: Vec<f32> = (0..ROWS * DIM).map(|i| ((i * 7919 % 10_007) as f32) - 5000.0).collect();
    write_npy(&work.path().join("pool.npy"), DIM, &values);
    write_npy(&work.path().join("query.npy"), DIM, &values[2 * DIM + 1..42 * DIM + 1]);
    let rows: Vec<String> = (0..200).map(|row| (row * 17).to_string()).collect();
    fs::write(work.path().join("rows.txt"), rows.join("\n")).unwrap();
    let words = "distance --pool pool.npy --query query.npy --subset rows.txt --certificate certificate.json";
    kantor().current_dir(work.path()).args(words.split(' ')).assert().success();
    work
}

/// How a run ended: its exit code, standard output, and standard error.
type Ended = (Option<i32>, String, String);

fn program(directory: &Path, words: &str) -> Command {
    let mut program = Command::new(assert_cmd::cargo::cargo_bin!("kantor"));
    program.current_dir(directory).args(words.split(' ')).stdout(Stdio::piped());
    program
}

fn maps_its_pool(process: u32) -> bool {
    let maps = fs::read_to_string(format!("/proc/{process}/maps"));
    maps.is_ok_and(|maps| maps.lines().any(|line| line.ends_with("/pool.npy")))
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// Runs the program with these words and `--verbose`, and does `act` while it waits with its first message.
fn while_waiting(directory: &Path, words: &str, act: impl Fn(&Path)) -> Ended {
    let (mut messages, mut full) = std::io::pipe().unwrap();
    full.write_all(&vec![b'.'; fcntl_getpipe_size(&full).unwrap()]).unwrap();
    let mut command = program(directory, words);
    let child = command.arg("--verbose").stderr(full).spawn().unwrap();
    // The writing end that the command keeps.
    drop(command);
    let (process, mut run) = (child.id(), Run::of(child));
    assert!(run.reaches(|| maps_its_pool(process)), "`{words}` ended before it had mapped its pool");
    act(&directory.join("pool.npy"));
    let mut stderr = String::new();
    messages.read_to_string(&mut stderr).unwrap();
    let output = run.output();
    (output.status.code(), text(output.stdout), stderr.trim_start_matches('.').to_owned())
}

/// Runs the program, which has no messages, and does `act` while it stands still with its pool mapped.
fn while_stopped(directory: &Path, words: &str, act: impl Fn(&Path)) -> Ended {
    for _ in 0..50 {
        let child = program(directory, words).stderr(Stdio::piped()).spawn().unwrap();
        let (process, mut run) = (child.id(), Run::of(child));
        if !run.try_stop_when(|| maps_its_pool(process)) {
            continue;
        }
        let reached = maps_its_pool(process);
        if reached {
            act(&directory.join("pool.npy"));
        }
        run.signal("CONT");
        let output = run.output();
        if reached {
            return (output.status.code(), text(output.stdout), text(output.stderr));
        }
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

const COMMANDS: [&str; 8] = [
    "select --pool pool.npy --query query.npy --budget 50 --method round-robin,uot -o out",
    "select --pool pool.npy --query query.npy --budget 50 --method kde-ratio --cost euclidean -o out",
    "compare --pool pool.npy --query query.npy --budget 50 --method round-robin,random --random-seeds 3 -o out",
    "quantiles --pool pool.npy --query query.npy --take 50 -o out",
    "distance --pool pool.npy --query query.npy --subset rows.txt --certificate new.json",
    "distance --pool pool.npy --query query.npy --subset rows.txt --metric energy",
    "distance --pool pool.npy --query query.npy --subset rows.txt --solver sinkhorn --epsilon 0.1 --plan new.safetensors",
    "bound --pool pool.npy --query query.npy --subset rows.txt --references 3 --splits 2",
];

/// The run ended with 4, named the file and printed no result.
fn assert_refused(words: &str, (code, stdout, stderr): Ended) {
    assert_eq!(code, Some(4), "{words}: {stderr}");
    assert!(stderr.contains("pool.npy: changed while it was read"), "{words}: {stderr}");
    assert!(!stderr.contains("defect"), "{words}: {stderr}");
    assert!(stdout.is_empty(), "{words}: {stdout}");
}

/// Every command refuses its pool and leaves nothing.
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
        assert_refused(words, while_waiting(work.path(), words, act));
        assert_eq!(names(), before, "{words}");
    }
}

#[test]
fn a_pool_that_is_cut_ends_every_command_with_4_and_leaves_nothing() {
    refused_by_all(cut);
}

#[test]
fn a_pool_that_is_written_anew_in_place_ends_every_command_with_4_and_leaves_nothing() {
    refused_by_all(overwrite);
}

#[test]
fn a_certificate_is_not_judged_by_a_pool_that_changes() {
    for act in [cut, overwrite] {
        let work = work();
        let words = "verify certificate.json --pool pool.npy --query query.npy";
        assert_refused(words, while_stopped(work.path(), words, act));
    }
}
