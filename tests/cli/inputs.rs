//! What is given in the place of an input: pipes, devices, other formats, other number types, too much of it.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use assert_cmd::Command;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use tempfile::TempDir;

use crate::support::{example, json, kantor, select_example, write_npy};

fn work() -> TempDir {
    let work = tempfile::tempdir().unwrap();
    assert!(std::process::Command::new("mkfifo").arg(work.path().join("pipe")).status().unwrap().success());
    work
}

/// The program, which must not wait for what never comes.
fn hasty() -> Command {
    let mut command = kantor();
    command.timeout(Duration::from_secs(60));
    command
}

fn with_example(command: &str) -> Command {
    let mut program = hasty();
    program.arg(command).arg("--pool").arg(example("pool.embed.npy"));
    program.arg("--query").arg(example("query_gsm8k.embed.npy"));
    program
}

#[test]
fn pipes_and_devices_end_with_3_wherever_a_file_is_meant() {
    let work = work();
    for given in [work.path().join("pipe"), "/dev/zero".into(), work.path().to_owned()] {
        let (given, out) = (given.as_path(), work.path().join("out"));
        let refused = |mut command: Command| {
            let words = if given.is_dir() { "is a directory" } else { "is not a regular file" };
            command.assert().code(3).stderr(contains(words)).stderr(contains(given.to_str().unwrap()));
            assert!(!out.exists());
        };
        let mut verify = with_example("verify");
        verify.arg(given);
        refused(verify);
        let mut batch = hasty();
        batch.arg("batch").arg(given);
        refused(batch);
        let mut study = hasty();
        study.args(["study", "--results"]).arg(given).args(["--run", "a=b"]);
        refused(study);
        for flag in ["--config", "--pool-jsonl", "--query-groups"] {
            let mut select = with_example("select");
            select.args(["--budget", "2"]).arg("-o").arg(&out).arg(flag).arg(given);
            refused(select);
        }
        for flag in ["--subset", "--subset-weights", "--query-weights"] {
            let mut distance = with_example("distance");
            distance.arg(flag).arg(given);
            refused(distance);
        }
        let mut bound = with_example("bound");
        fs::write(work.path().join("rows"), "1\n2\n").unwrap();
        bound.arg("--subset").arg(work.path().join("rows")).arg("--losses").arg(given);
        refused(bound);
    }
}

#[test]
fn a_run_of_study_is_a_directory_of_kantor_or_its_manifest_and_no_pipe() {
    let work = work();
    fs::write(work.path().join("results"), "task,method,budget,seed,value\na,random,3,0,0.5\n").unwrap();
    let study = |run: &Path| {
        let mut command = hasty();
        command.args(["study", "--results"]).arg(work.path().join("results"));
        command.arg("--run").arg(format!("a={}", run.display())).assert()
    };
    study(&work.path().join("pipe")).code(3).stderr(contains("is not a regular file"));
    fs::create_dir(work.path().join("run")).unwrap();
    fs::rename(work.path().join("pipe"), work.path().join("run/manifest.json")).unwrap();
    study(&work.path().join("run")).code(3).stderr(contains("is not a regular file"));
}

#[test]
fn other_formats_are_named_with_the_remedy() {
    let work = tempfile::tempdir().unwrap();
    let (parquet, text, out) = (work.path().join("x.parquet"), work.path().join("x.jsonl"), work.path().join("out"));
    fs::write(&parquet, b"PAR1\x15\x04\x15\0").unwrap();
    fs::write(&text, "{\"text\": \"a\"}\n").unwrap();
    let run = select_example(&out, &["--budget", "2", "--pool-jsonl"]).arg(&parquet).assert().code(3);
    if cfg!(feature = "parquet") {
        run.stderr(contains("x.parquet: is damaged").and(contains("cut off")));
    } else {
        run.stderr(contains("is a Parquet file, which this program was built without").and(contains("to_json")));
    }
    for flag in ["--pool", "--query"] {
        let mut command = kantor();
        command.args(["select", "--budget", "2", "-o"]).arg(&out).arg(flag).arg(&text);
        command.arg(if flag == "--pool" { "--query" } else { "--pool" }).arg(example("query_gsm8k.embed.npy"));
        command
            .assert()
            .code(2)
            .stderr(contains("x.jsonl is text and "))
            .stderr(contains("query_gsm8k.embed.npy is not"));
    }
    with_example("verify").arg(&parquet).assert().code(3).stderr(contains("not a certificate"));
    kantor().arg("batch").arg(&parquet).assert().code(3).stderr(contains("not a file of settings"));
    assert!(!out.exists());
}

#[test]
fn an_archive_that_unpacks_to_more_than_allowed_ends_with_5_and_both_numbers() {
    let work = tempfile::tempdir().unwrap();
    let (plain, packed) = (work.path().join("pool.npy"), work.path().join("pool.npz"));
    write_npy(&plain, 256, &vec![1.0; 256 * 20_000]);
    let mut archive = zip::ZipWriter::new(fs::File::create(&packed).unwrap());
    archive.start_file("x.npy", zip::write::SimpleFileOptions::default()).unwrap();
    std::io::Write::write_all(&mut archive, &fs::read(&plain).unwrap()).unwrap();
    archive.finish().unwrap();
    let out = work.path().join("out");
    let select = |memory: &str| {
        let mut command = kantor();
        command.args(["select", "--budget", "2", "--method", "random", "--no-certify", "--max-memory", memory]);
        command.arg("--pool").arg(&packed).arg("--query").arg(&packed).arg("-o").arg(&out).assert()
    };
    select("10M").code(5).stderr(contains("takes 20480129 bytes")).stderr(contains("but 10485760 may be taken"));
    // Pool and queries count together.
    select("30M").code(5).stderr(contains("takes 20480129 bytes"));
    assert!(!out.exists());
}

/// The pool of the example in f16, and rows of it as queries in f32.
fn other_type(work: &TempDir) -> Command {
    let bytes = fs::read(example("pool.embed.npy")).unwrap();
    let halves =
        bytes[bytes.len() - 5005 * 384 * 2..].chunks(2).map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32());
    let query = work.path().join("query.npy");
    write_npy(&query, 384, &halves.skip(384 * 1000).take(384 * 100).collect::<Vec<f32>>());
    let mut command = kantor();
    command.args(["select", "--budget", "5", "-o"]).arg(work.path().join("out"));
    command.arg("--pool").arg(example("pool.embed.npy")).arg("--query").arg(query);
    command
}

#[test]
fn queries_that_are_pool_rows_in_another_type_are_counted_and_may_be_forbidden() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    for words in [&["--forbid-overlap"][..], &["--forbid-overlap=0.999"]] {
        let run = other_type(&work).args(words).assert().code(3);
        run.stderr(contains("100 query rows are also in the pool")).stderr(contains("query row 0: pool row 1000"));
        assert!(!out.exists());
    }
    for bad in ["--forbid-overlap=1.5", "--forbid-overlap=much"] {
        other_type(&work).arg(bad).assert().code(2);
    }
    let every = "100 query rows are also in the pool, every one of them";
    other_type(&work).assert().success().stderr(contains(every));
    assert_eq!(json(&out.join("manifest.json"))["overlap"], 100);
}

#[test]
fn overlap_is_forbidden_by_config_and_job_file_as_by_the_flag() {
    let work = tempfile::tempdir().unwrap();
    let config = work.path().join("config.toml");
    for value in ["true", "0.999"] {
        fs::write(&config, format!("forbid-overlap = {value}\n")).unwrap();
        other_type(&work).arg("--config").arg(&config).assert().code(3).stderr(contains("100 query rows"));
        let jobs = work.path().join("jobs.toml");
        let pool = example("pool.embed.npy");
        let text = format!(
            "out = \"results\"\npool = {pool:?}\nforbid-overlap = {value}\nbudgets = [5]\n[tasks]\na = \"query.npy\"\n"
        );
        fs::write(&jobs, text).unwrap();
        kantor().arg("batch").arg(&jobs).assert().code(1).stderr(contains("100 query rows are also in the pool"));
    }
    fs::write(&config, "forbid-overlap = false\n").unwrap();
    other_type(&work).arg("--config").arg(&config).assert().success();
}

#[test]
fn a_file_that_is_given_twice_is_named() {
    let work = tempfile::tempdir().unwrap();
    let (pool, query) = (work.path().join("pool.npy"), work.path().join("query.npy"));
    write_npy(&pool, 2, &(0..40).map(|x| x as f32 - 7.5).collect::<Vec<f32>>());
    write_npy(&query, 2, &[1.0, 2.0]);
    let select = |query: &Path, pools: &[&Path]| {
        let mut command = kantor();
        command
            .args(["select", "--budget", "5", "--force", "-o"])
            .arg(work.path().join("out"))
            .arg("--query")
            .arg(query);
        for pool in pools {
            command.arg("--pool").arg(pool);
        }
        String::from_utf8(command.assert().success().get_output().stderr.clone()).unwrap()
    };
    let (same, twice) = ("pool and queries are the same file", "the pool holds the file");
    // Under another name, too.
    let other = work.path().join(".").join("other.npy");
    std::os::unix::fs::symlink(&pool, &other).unwrap();
    let said = select(&query, &[&pool]);
    assert!(!said.contains(same) && !said.contains(twice), "{said}");
    let said = select(&other, &[&pool]);
    assert!(said.contains(same) && said.contains("20 query rows are also in the pool, every one of them"), "{said}");
    let said = select(&query, &[&pool, &other]);
    assert!(said.contains(twice) && said.contains("other.npy twice"), "{said}");
}

#[test]
fn overlap_cannot_be_forbidden_of_a_matrix() {
    let work = tempfile::tempdir().unwrap();
    write_npy(&work.path().join("s.npy"), 3, &[1.0, 0.5, 0.25, 0.5, 0.25, 0.75]);
    for (command, flag) in
        [("select", "--forbid-overlap"), ("select", "--forbid-overlap=0.9"), ("compare", "--forbid-overlap")]
    {
        let mut run = kantor();
        run.current_dir(work.path()).args([command, "--similarity", "s.npy", "--budget=1", "-o", "out", flag]);
        run.assert().code(2).stderr(contains("--forbid-overlap compares rows")).stderr(contains("--pool"));
        assert!(!work.path().join("out").exists());
    }
}

#[test]
fn ids_that_only_some_rows_have_are_not_dropped_in_silence() {
    let work = tempfile::tempdir().unwrap();
    write_npy(&work.path().join("p.npy"), 2, &[1.0, 0.5, 0.25, 1.0, 0.5, 0.75]);
    for (lines, said) in [
        ("{\"id\":\"a\"}\n{\"text\":\"x\"}\n{\"id\":7}\n", true),
        ("{\"id\":\"a\"}\n{\"id\":\"b\"}\n{\"id\":7}\n", false),
        ("{}\n{}\n{}\n", false),
    ] {
        fs::write(work.path().join("p.jsonl"), lines).unwrap();
        let mut run = kantor();
        run.current_dir(work.path()).args("select --pool p.npy --query p.npy --pool-jsonl p.jsonl".split(' '));
        let run = run.args(["--budget=1", "--force", "-o", "out"]).assert().success();
        let printed = String::from_utf8(run.get_output().stderr.clone()).unwrap();
        assert_eq!(printed.contains("2 of 3 lines of the pool's examples have an `id`"), said, "{printed}");
    }
}

#[test]
fn settings_that_change_nothing_are_named() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    for (words, idle) in [
        (&["--method=round-robin", "--alpha=0.5"][..], Some("--alpha")),
        (&["--method=round-robin,uot", "--epsilon=0.5"], None),
        (&["--method=mmd", "--density-sample=9"], Some("--density-sample")),
        (&["--method=random", "--kernel=laplace"], Some("--kernel")),
        (&["--method=random", "--kernel=laplace", "--objective=mmd"], None),
        (&["--method=random", "--diversity=0.5"], None),
        (&["--method=mmd", "--kernel=cosine", "--bandwidth=0.5"], Some("--bandwidth")),
    ] {
        let run = select_example(&out, &[&["--budget=3", "--force"], words].concat()).assert().success();
        let printed = String::from_utf8(run.get_output().stderr.clone()).unwrap();
        assert_eq!(printed.contains("changes nothing here"), idle.is_some(), "{words:?}: {printed}");
        assert!(printed.contains(idle.unwrap_or_default()), "{printed}");
    }
}

#[test]
fn a_manifest_records_only_settings_that_something_read() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    let width = ["--bandwidth=0.5", "--budget=3", "--quiet", "--force"];
    for (words, recorded) in [
        (&["--method=random"][..], serde_json::json!("median")),
        (&["--method=mmd", "--kernel=cosine"], serde_json::json!("median")),
        (&["--method=mmd"], serde_json::json!(0.5)),
        (&["--method=random", "--objective=mmd"], serde_json::json!(0.5)),
    ] {
        select_example(&out, &[&width[..], words].concat()).assert().success();
        assert_eq!(json(&out.join("manifest.json"))["parameters"]["bandwidth"], recorded, "{words:?}");
    }
}

#[test]
fn a_budget_that_favours_the_first_queries_is_noted() {
    let work = tempfile::tempdir().unwrap();
    for (method, budget, noted) in [
        ("round-robin", "150", true),
        ("round-robin", "200", false),
        ("round-robin", "450", false),
        ("random", "150", false),
    ] {
        let out = work.path().join(format!("{method}{budget}"));
        let run = select_example(&out, &["--no-certify", "--method", method, "--budget", budget]).assert().success();
        let printed = String::from_utf8(run.get_output().stderr.clone()).unwrap();
        assert_eq!(
            printed.contains("serves the first 50 of 100 queries once more than the others (1×)"),
            noted,
            "{method} {budget}: {printed}"
        );
    }
}

/// A kernel without a width was given one in every command that selects, and all but one were silent.
#[test]
fn a_width_of_a_kernel_without_one_is_named_by_every_command() {
    let work = tempfile::tempdir().unwrap();
    write_npy(&work.path().join("p.npy"), 2, &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 2.0]);
    let jobs =
        "pool='p.npy'\nout='jobs'\nmethods=['mmd']\nbudgets=[2]\nkernel='cosine'\nbandwidth=3\n[tasks]\na='p.npy'\n";
    fs::write(work.path().join("jobs.toml"), jobs).unwrap();
    let files = "--pool p.npy --query p.npy --kernel cosine --bandwidth 3";
    for words in [
        format!("select -o 1 --budget 2 --method mmd {files}"),
        format!("select -o 2 --budget 2 --objective mmd {files}"),
        format!("compare -o 3 --budget 2 --method mmd {files}"),
        format!("compare -o 4 --budget 2 {files}"),
        format!("quantiles -o 5 --bins 2 --take 1 --objective mmd {files}"),
        "batch jobs.toml".to_owned(),
    ] {
        let run = kantor().current_dir(work.path()).args(words.split(' ')).assert().success();
        run.stderr(contains("--bandwidth changes nothing here"));
    }
}

#[test]
fn a_tensor_is_named_where_no_file_has_any() {
    let work = tempfile::tempdir().unwrap();
    write_npy(&work.path().join("p.npy"), 2, &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    let jobs = "pool='p.npy'\nout='jobs'\nbudgets=[2]\ntensor='x'\n[tasks]\na='p.npy'\n";
    fs::write(work.path().join("jobs.toml"), jobs).unwrap();
    for words in [
        "select -o out --budget 2 --pool p.npy --query p.npy --tensor x",
        "distance --pool p.npy --query p.npy --tensor x",
        "verify out/round-robin/k2/certificate.json --pool p.npy --query p.npy --tensor x",
        "batch jobs.toml",
    ] {
        let run = kantor().current_dir(work.path()).args(words.split(' ')).assert().success();
        run.stderr(contains("--tensor changes nothing for pool and queries"));
    }
    let silent = kantor().current_dir(work.path()).args("distance --pool p.npy --query p.npy".split(' ')).assert();
    silent.success().stderr(contains("--tensor").not());
}
