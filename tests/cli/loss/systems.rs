//! File systems that know less than others, and directories that other programs keep locked.

use std::fs;
use std::process::{Command, Stdio};

use super::Work;
use crate::run::{Run, program, program_without};
use crate::support::example;

/// `distance` to `file`, which is there and is to be replaced, or of a pool that is missing.
fn distance<'a>(command: &'a mut Command, work: &Work, file: &str, pool: &str) -> &'a mut Command {
    command.args(["distance", "--threads=1", "--quiet", "--force", "--pool"]).arg(example(pool)).arg("--query");
    command.arg(example("query_gsm8k.embed.npy")).arg("--certificate").arg(work.path(file))
}

#[test]
fn a_lock_of_another_program_is_met_before_the_work() {
    for single in [false, true] {
        let work = Work::new();
        work.select(3, &[]).success();
        fs::write(work.path("file"), "older").unwrap();
        let held = fs::File::open(work.path("")).unwrap();
        held.lock().unwrap();
        let mut run = if single {
            let mut command = program();
            distance(&mut command, &work, "file", "pool.embed.npy");
            Run::of(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
        } else {
            work.spawn("select", &["--budget=4", "--quiet", "--no-certify", "--force"])
        };
        run.waits_to_lock(&work.path("").canonicalize().unwrap());
        // Nothing is being written yet.
        assert_eq!(work.names(), ["file", "out"]);
        drop(held);
        let (code, said) = run.end();
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(work.names(), ["file", "out"]);
    }
}

#[test]
fn a_file_system_without_links_and_such_renames_is_named_before_the_work() {
    let work = Work::new();
    fs::write(work.path("older"), "older").unwrap();
    for file in ["older", "newer"] {
        let Some(mut command) = program_without(&[("renameat2", "EINVAL"), ("linkat", "EPERM")]) else { return };
        let output = distance(&mut command, &work, file, "missing.npy").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(said.contains(file) && said.contains("hard links") && said.contains("on another one"), "{said}");
        assert_eq!(work.names(), ["older"]);
        assert_eq!(fs::read_to_string(work.path("older")).unwrap(), "older");
    }
}

#[test]
fn a_file_system_without_such_renames_takes_new_files_and_replaces_older_ones() {
    let work = Work::new();
    for _ in 0..2 {
        let Some(mut command) = program_without(&[("renameat2", "EINVAL")]) else { return };
        let output = distance(&mut command, &work, "file", "pool.embed.npy").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(work.names(), ["file"]);
    }
}

#[test]
fn what_the_system_lets_nobody_change_is_named_before_the_work() {
    let work = Work::new();
    work.select(3, &[]).success();
    fs::write(work.path("file"), "older").unwrap();
    let before = work.names();
    for fixed in ["out/round-robin/k3/selection.jsonl", "out/round-robin", "out", "file", ""] {
        for attribute in ["i", "a"] {
            let change = |sign: &str| {
                let mut command = Command::new("chattr");
                command.arg(format!("{sign}{attribute}")).arg(work.path(fixed)).stderr(Stdio::null());
                command.status().is_ok_and(|status| status.success())
            };
            if !change("+") {
                eprintln!("skipped: this user or file system sets no such attributes");
                return;
            }
            // A pool that is missing is found when the work begins.
            let output = match fixed {
                "file" => distance(&mut program(), &work, fixed, "missing.npy").output().unwrap(),
                _ => work.select(4, &["--force"]).get_output().clone(),
            };
            assert!(change("-"));
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(4), "{said}");
            assert!(said.contains(fixed) && said.contains("chattr -i -a"), "{said}");
            assert_eq!((super::whole_result(&work.path("out")), work.names()), (3, before.clone()));
        }
    }
    work.select(4, &["--force"]).success();
}
