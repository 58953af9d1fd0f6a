//! What outputs may be called: never an input, never each other, nothing that is there unless that is said.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use predicates::str::contains;

use super::Work;
use crate::support::{example, kantor, write_npy};

const SOLVER: [&str; 4] = ["--solver", "sinkhorn-newton", "--epsilon", "0.1"];

/// A pool and queries of three rows.
fn inputs(work: &Work) {
    for name in ["p.npy", "q.npy"] {
        write_npy(&work.path(name), 2, &[1.0, 0.5, 0.25, 1.0, 0.5, 0.75]);
    }
    fs::write(work.path("rows.txt"), "0\n2\n").unwrap();
    fs::write(work.path("weights.txt"), "1\n2\n").unwrap();
    fs::write(work.path("flags.toml"), "quiet = true\n").unwrap();
}

fn distance(work: &Work, more: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = kantor();
    command.current_dir(work.directory.path()).args(["distance", "--pool", "p.npy", "--query", "q.npy"]);
    command.args(["--subset", "rows.txt", "--subset-weights", "weights.txt", "--config", "flags.toml"]);
    command.args(SOLVER).args(more).assert()
}

#[test]
fn outputs_over_inputs_are_refused_even_with_force() {
    let work = Work::new();
    inputs(&work);
    fs::hard_link(work.path("p.npy"), work.path("other-name.npy")).unwrap();
    let before: Vec<_> = work.names().iter().map(|name| fs::read(work.path(name)).unwrap()).collect();
    for flag in ["--certificate", "--plan", "--trace"] {
        for input in ["p.npy", "./q.npy", "rows.txt", "weights.txt", "flags.toml", "other-name.npy"] {
            distance(&work, &[flag, input, "--force"]).code(2).stderr(contains(flag)).stderr(contains("same file"));
        }
    }
    let after: Vec<_> = work.names().iter().map(|name| fs::read(work.path(name)).unwrap()).collect();
    assert_eq!(after, before);
}

#[test]
fn outputs_of_one_name_are_refused() {
    let work = Work::new();
    inputs(&work);
    let before = work.names();
    for pair in [["--certificate", "--plan"], ["--plan", "--trace"], ["--certificate", "--trace"]] {
        let words = [pair[0], "new", pair[1], "./new"];
        distance(&work, &words).code(2).stderr(contains(pair[0])).stderr(contains(pair[1]));
        assert_eq!(work.names(), before);
    }
}

#[test]
fn an_output_that_exists_is_replaced_with_force_only() {
    let work = Work::new();
    inputs(&work);
    for flag in ["--certificate", "--plan", "--trace"] {
        fs::write(work.path("old"), "keep").unwrap();
        distance(&work, &[flag, "old"]).code(2).stderr(contains("--force"));
        assert_eq!(fs::read_to_string(work.path("old")).unwrap(), "keep");
        distance(&work, &[flag, "old", "--force"]).success();
        assert_ne!(fs::read(work.path("old")).unwrap(), b"keep");
        fs::remove_file(work.path("old")).unwrap();
        distance(&work, &[flag, "old"]).success();
        assert!(work.hidden().is_empty());
        fs::remove_file(work.path("old")).unwrap();
    }
}

#[test]
fn a_failure_leaves_no_output_and_older_ones_as_they_are() {
    let work = Work::new();
    inputs(&work);
    fs::write(work.path("old"), "keep").unwrap();
    fs::write(work.path("rows.txt"), "0\n99\n").unwrap();
    distance(&work, &["--certificate", "old", "--plan", "plan", "--trace", "trace", "--force"]).code(3);
    assert_eq!(fs::read_to_string(work.path("old")).unwrap(), "keep");
    assert_eq!(work.names(), ["flags.toml", "old", "p.npy", "q.npy", "rows.txt", "weights.txt"]);
}

#[test]
fn outputs_that_are_no_files_are_refused() {
    let work = Work::new();
    inputs(&work);
    fs::create_dir(work.path("directory")).unwrap();
    symlink("p.npy", work.path("link")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(work.path("pipe")).status().unwrap().success());
    for (name, word) in [("directory", "regular"), ("pipe", "regular"), ("/dev/null", "regular"), ("link", "p.npy")] {
        distance(&work, &["--certificate", name, "--force"]).code(2).stderr(contains(word));
    }
    distance(&work, &["--certificate", "-"]).code(2).stderr(contains("standard output"));
    assert!(Path::new("/dev/null").metadata().unwrap().len() == 0);
}

#[test]
fn a_study_spares_its_page_and_its_results() {
    let work = Work::new();
    let tables = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/published");
    fs::write(work.path("page.html"), "keep").unwrap();
    let study = || {
        let mut command = kantor();
        command.arg("study").arg("--tables").arg(&tables).arg("-o").arg(work.path("page.html"));
        command
    };
    study().assert().code(2).stderr(contains("--force"));
    assert_eq!(fs::read_to_string(work.path("page.html")).unwrap(), "keep");
    study().arg("--force").assert().success();
    assert_ne!(fs::read_to_string(work.path("page.html")).unwrap(), "keep");
    work.select(3, &[]).success();
    fs::write(work.path("results.csv"), "task,method,budget,seed,value\na,round-robin,3,0,1.5\n").unwrap();
    let mut command = kantor();
    command.args(["study", "--results"]).arg(work.path("results.csv"));
    command.arg("--run").arg(format!("a={}", work.path("out").display()));
    command.arg("-o").arg(work.path("results.csv")).arg("--force").assert().code(2).stderr(contains("same file"));
}

#[test]
fn targets_that_name_no_directory_are_refused_with_a_way_out() {
    let work = Work::new();
    fs::write(work.path("file"), "keep").unwrap();
    fs::create_dir(work.path("place")).unwrap();
    symlink("place", work.path("link")).unwrap();
    let refused = |name: &str, word: &str| {
        let mut command = kantor();
        command.current_dir(work.directory.path()).args(["select", "--force", "--budget=3", "--pool"]);
        command.arg(example("pool.embed.npy")).arg("--query").arg(example("query_gsm8k.embed.npy"));
        command.args(["-o", name]).assert().code(2).stderr(contains(word));
        assert_eq!(work.names(), ["file", "link", "place"], "{name}");
    };
    refused("-", "./-");
    refused("file", "not a directory");
    refused("link", "place");
    refused("link/", "place");
    refused("..", "name");
    refused(".", "current directory");
    refused("/", "name");
    assert_eq!(fs::read_dir(work.path("place")).unwrap().count(), 0);
}

#[test]
fn long_names_are_no_trouble() {
    let work = Work::new();
    let out = work.path(&"o".repeat(250));
    let run = |more: &[&str]| {
        let mut command = kantor();
        command.args(["select", "--budget=3", "--quiet", "--pool"]).arg(example("pool.embed.npy"));
        command.arg("--query").arg(example("query_gsm8k.embed.npy")).arg("-o").arg(&out).args(more);
        command.assert().success();
    };
    run(&[]);
    run(&["--force"]);
    assert_eq!(work.names().len(), 1);
    inputs(&work);
    distance(&work, &["--certificate", &"c".repeat(250)]).success();
}

#[test]
fn a_private_target_stays_private() {
    use std::os::unix::fs::PermissionsExt;
    let work = Work::new();
    inputs(&work);
    let mode = |name: &str| fs::metadata(work.path(name)).unwrap().permissions().mode() & 0o777;
    let keep_private = |name: &str| fs::set_permissions(work.path(name), fs::Permissions::from_mode(0o700)).unwrap();
    fs::create_dir(work.path("out")).unwrap();
    keep_private("out");
    work.select(3, &[]).success();
    assert_eq!(mode("out"), 0o700);
    work.select(4, &["--force"]).success();
    assert_eq!(mode("out"), 0o700);
    fs::write(work.path("old"), "").unwrap();
    keep_private("old");
    distance(&work, &["--certificate", "old", "--force"]).success();
    assert_eq!(mode("old"), 0o700);
}

#[test]
fn an_empty_directory_in_the_place_of_a_file_of_the_result_is_spared() {
    let work = Work::new();
    work.select(3, &[]).success();
    let listed = work.path("out/round-robin/k3/indices.npy");
    fs::remove_file(&listed).unwrap();
    fs::create_dir(&listed).unwrap();
    work.select(4, &["--force"]).code(2).stderr(contains("indices.npy"));
    assert!(listed.is_dir());
}

#[test]
fn places_that_cannot_be_are_named_as_the_system_does() {
    let work = Work::new();
    inputs(&work);
    let before = work.names();
    for more in [&[][..], &["--force"]] {
        distance(&work, &[&["--certificate", "missing/../new"], more].concat())
            .code(4)
            .stderr(contains("missing/../new"));
    }
    distance(&work, &["--certificate", ""]).code(2);
    assert_eq!(work.names(), before);
    let script = "mkdir gone && cd gone && rmdir ../gone && exec \"$@\"";
    let mut shell = std::process::Command::new("sh");
    shell.current_dir(work.path("")).args(["-c", script, "sh"]).arg(assert_cmd::cargo::cargo_bin!("kantor"));
    shell.args(["select", "--budget=1", "-o", "out", "--pool"]).arg(work.path("p.npy")).arg("--query");
    let output = shell.arg(work.path("q.npy")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("out: No such file or directory"), "{said}");
}
