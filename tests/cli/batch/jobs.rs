//! Jobs one after the other: done once, alone or with others; failures.

use std::fs;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use serde_json::Value;

use super::{DIM, GRID, Work, names, numbers, ran, replaced};
use crate::support::{indices, json, kantor, write_npy};

#[test]
fn a_job_is_done_once_and_again_only_if_its_result_is_not_whole() {
    let work = Work::new(GRID);
    let printed = work.printed(&[], 0);
    assert_eq!(printed["schema"], "kantor/batch/1");
    assert_eq!(printed["counts"]["done"], 16);
    assert_eq!(names(&printed, ran).len(), 16);
    let first = work.results();
    assert_eq!(first.len(), 16);

    let printed = work.printed(&[], 0);
    assert_eq!(printed["counts"]["ran"], 0);
    assert_eq!(
        printed["jobs"][0]["distance"]["upper"],
        json(&work.path("results/a/round-robin-k5-seed0/manifest.json"))["results"][0]["distance"]["upper"]
    );
    assert_eq!(work.results(), first);

    fs::remove_dir_all(work.path("results/a/random-k5-seed1")).unwrap();
    let copies = work.path("results/b/round-robin-k20-seed0/round-robin/k20/selected.jsonl");
    fs::write(&copies, "{}\n").unwrap();
    let printed = work.printed(&[], 1);
    assert_eq!(names(&printed, ran), ["a/random-k5-seed1", "b/round-robin-k20-seed0"]);
    // Somebody changed it: it is not whole any more, and not kantor's to replace.
    assert_eq!(names(&printed, |job| job["state"] == "failed"), ["b/round-robin-k20-seed0"]);
    assert_eq!(fs::read_to_string(&copies).unwrap(), "{}\n");
    fs::remove_file(&copies).unwrap();
    let again_printed = work.printed(&[], 0);
    assert_eq!(names(&again_printed, ran), ["b/round-robin-k20-seed0"]);
    let again = work.results();
    let kept = |name: &String| !names(&printed, ran).contains(name);
    assert!(first.iter().filter(|(name, _)| kept(name)).all(|(name, result)| again[name] == *result));
    assert_eq!(fs::read_to_string(copies).unwrap().lines().count(), 20);
}

#[test]
fn a_result_that_was_edited_is_not_called_done() {
    let work = Work::new(GRID);
    work.printed(&[], 0);
    let selection = work.path("results/a/round-robin-k5-seed0/round-robin/k5/selection.jsonl");
    let text = fs::read_to_string(&selection).unwrap();
    // Of the same length.
    let edited: String = text.chars().map(|c| if c.is_ascii_digit() { '7' } else { c }).collect();
    assert_ne!(text, edited);
    fs::write(&selection, &edited).unwrap();
    let status = work.printed(&["--status"], 0);
    assert_eq!(names(&status, |job| job["state"] != "done"), ["a/round-robin-k5-seed0"]);
    let printed = work.printed(&[], 1);
    assert_eq!(names(&printed, |job| job["state"] == "failed"), ["a/round-robin-k5-seed0"]);
    assert_eq!(fs::read_to_string(&selection).unwrap(), edited);
}

#[test]
fn jobs_that_share_a_pass_choose_what_each_would_alone() {
    let methods = [
        "optimal",
        "random",
        "mean-similarity",
        "round-robin",
        "doubly-greedy",
        "knn-uniform",
        "knn-kde",
        "knn-tv",
        "kde-ratio",
        "uot",
        "energy",
        "mmd",
    ];
    let work =
        Work::new(&format!("methods = {methods:?}\nbudgets = [7, 10, 33]\nseeds = [4, 9]\nsampling = \"multinomial\""));
    work.batch(&["--jobs", "2"]).assert().success();
    for (task, method, budget, seed) in [
        ("a", 0, 7, 4),
        ("b", 0, 33, 9),
        ("a", 1, 10, 4),
        ("a", 1, 10, 9),
        ("b", 8, 33, 4),
        ("a", 10, 7, 9),
        ("b", 11, 10, 4),
    ]
    .into_iter()
    .chain([("a", 5, 33, 4), ("a", 5, 33, 9), ("b", 6, 10, 4), ("b", 7, 7, 9), ("a", 9, 10, 4)])
    {
        let (method, out) = (methods[method], work.path("alone"));
        let mut command = kantor();
        command.args(["select", "--force", "--sampling", "multinomial", "--method", method]);
        command.args(["--budget", &format!("{budget}"), "--seed", &format!("{seed}"), "-o"]).arg(&out);
        command.arg("--pool").arg(work.path("pool.npy")).arg("--query").arg(work.path(&format!("{task}.npy")));
        command.assert().success();
        let selection = format!("{method}/k{budget}/indices.npy");
        let shared = work.path("results").join(format!("{task}/{method}-k{budget}-seed{seed}"));
        assert_eq!(
            indices(&shared.join(&selection)),
            indices(&out.join(&selection)),
            "{task} {method} {budget} {seed}"
        );
        let manifest = json(&shared.join("manifest.json"));
        assert_eq!((&manifest["seed"], &manifest["parameters"]["budgets"][0]), (&seed.into(), &budget.into()));
    }
    // A certificate of a shared pass stands by itself.
    let mut verify = kantor();
    verify.arg("verify").arg(work.path("results/a/uot-k10-seed4/uot/k10/certificate.json"));
    verify.arg("--pool").arg(work.path("pool.npy")).arg("--query").arg(work.path("a.npy"));
    verify.assert().success();
}

#[test]
fn only_what_is_new_or_changed_runs() {
    let work = Work::new(GRID);
    work.printed(&[], 0);
    let first = work.results();
    work.jobs("methods = [\"round-robin\", \"random\", \"doubly-greedy\"]\nbudgets = [5, 8, 20]\nseeds = [0, 1]");
    let printed = work.printed(&[], 0);
    let new: Vec<String> = names(&printed, |job| job["budget"] == 8 || job["method"] == "doubly-greedy");
    assert_eq!((names(&printed, ran), new.len()), (new.clone(), 20));
    assert!(first.iter().all(|(name, result)| work.results()[name] == *result));

    // Other bytes under the same name.
    let before = work.results();
    work.query("b", 77);
    let status = work.printed(&["--status"], 0);
    assert_eq!(
        names(&status, |job| job["state"] == "pending" && job["outdated"] == true),
        names(&status, |job| job["task"] == "b")
    );
    let printed = work.printed(&[], 0);
    assert_eq!(names(&printed, ran), names(&printed, |job| job["task"] == "b"));
    assert!(before.iter().all(|(name, result)| (work.results()[name] == *result) == name.starts_with("a/")));

    // The same bytes again, under another date: nothing to do.
    work.query("b", 77);
    assert_eq!(work.printed(&[], 0)["counts"]["ran"], 0);
    // Another parameter: all are to be done again.
    work.jobs(&format!("{GRID}\ncost = \"euclidean\""));
    let printed = work.printed(&[], 0);
    assert_eq!((&printed["counts"]["ran"], names(&printed, replaced).len()), (&16.into(), 16));
    // A second grid and a task with its own similarities.
    write_npy(&work.path("similarity.npy"), 120, &numbers(10 * 120, 5));
    work.jobs(&format!(
        "{GRID}\n---c = {{ similarity = \"similarity.npy\" }}\n[[grid]]\n[[grid]]\nmethods = \"mean-similarity\"\nseeds = 3\nbudgets = [5, 6]"
    ));
    let printed = work.printed(&[], 0);
    // Parameters are as they were first, but their results were replaced meanwhile.
    for task in ["a", "b", "c"] {
        assert_eq!(names(&printed, |job| job["task"] == task && ran(job)).len(), 8 + 2);
    }
}

#[test]
fn a_method_that_takes_no_matrix_fails_alone() {
    let work = Work::new(
        "methods = [\"kde-ratio\", \"random\", \"energy\"]\nbudgets = [5]\nno-certify = true\n---c = { similarity = \"s.npy\" }",
    );
    write_npy(&work.path("s.npy"), 120, &numbers(10 * 120, 5));
    let printed = work.printed(&[], 1);
    let failed = names(&printed, |job| job["state"] == "failed");
    assert_eq!(failed, ["c/kde-ratio-k5-seed0", "c/energy-k5-seed0"]);
    assert!(work.path("results/c/random-k5-seed0/manifest.json").exists());
}

#[test]
fn a_failure_is_kept_apart_reported_and_tried_again() {
    let work = Work::new("methods = [\"round-robin\", \"optimal\"]\nbudgets = [5, 121]\n---c = \"c.npy\"");
    let printed = work.printed(&[], 1);
    let failed = names(&printed, |job| job["state"] == "failed");
    assert_eq!(
        names(&printed, |job| job["state"] == "done"),
        ["a/round-robin-k5-seed0", "a/optimal-k5-seed0", "b/round-robin-k5-seed0", "b/optimal-k5-seed0"]
    );
    assert_eq!(failed.len(), 4 + 4);
    let status = work.printed(&["--status"], 0);
    assert_eq!(names(&status, |job| job["state"] == "failed"), failed);
    let error = |status: &Value, name: &str| {
        let place = names(status, |_| true).iter().position(|job| job == name).unwrap();
        status["jobs"][place]["error"].as_str().unwrap_or_default().to_owned()
    };
    assert!(error(&status, "a/optimal-k121-seed0").contains("120"), "{status}");
    assert!(error(&status, "c/optimal-k5-seed0").contains("c.npy"), "{status}");
    work.batch(&["--status"])
        .assert()
        .success()
        .stdout(contains("failed: ").and(contains("4 of 12 jobs done, 8 failed")));

    // The next run tries what failed, and only that.
    write_npy(&work.path("c.npy"), DIM, &numbers(4 * DIM, 9));
    let printed = work.printed(&[], 1);
    assert_eq!(names(&printed, ran), failed);
    assert_eq!(names(&printed, |job| job["state"] == "failed").len(), 2 * 3);
    write_npy(&work.path("pool.npy"), DIM, &numbers(121 * DIM, 1));
    fs::write(work.path("pool.jsonl"), "{}\n".repeat(121)).unwrap();
    assert_eq!(work.printed(&[], 0)["counts"]["done"], 12);

    // A directory that somebody else filled is left alone.
    let strange = work.path("results/a/random-k3-seed0");
    fs::create_dir_all(&strange).unwrap();
    fs::write(strange.join("notes.txt"), "mine").unwrap();
    work.jobs("methods = [\"random\"]\nbudgets = [3]");
    work.batch(&[]).assert().code(1).stderr(contains("notes.txt"));
    assert_eq!(fs::read_to_string(strange.join("notes.txt")).unwrap(), "mine");
}

#[test]
fn a_job_that_ends_short_of_what_was_asked_is_done_and_counts() {
    let work = Work::new("methods = [\"uot\", \"random\"]\nbudgets = [20]\nepsilon = 1e-12\nrho = 1e8");
    for (words, ran) in [(&["--quiet"][..], 4), (&[], 0)] {
        let printed = work.printed(words, 1);
        let counts = &printed["counts"];
        assert_eq!((&counts["done"], &counts["not_met"], &counts["ran"]), (&4.into(), &2.into(), &ran.into()));
        assert_eq!(printed["jobs"][0]["status"], "iteration_limit");
    }
    work.batch(&[])
        .assert()
        .code(1)
        .stdout(contains("not met: iteration_limit").and(contains("4 of 4 jobs done, 2 not met")));
}

#[test]
fn too_little_memory_for_all_is_enough_for_some() {
    let work = Work::new("methods = [\"round-robin\"]\nbudgets = [5, 119]\n");
    let enough_for_some = (8..100).step_by(3).find_map(|kib| {
        let output = work.batch(&["--json", "--max-memory", &format!("{kib}K")]).output().unwrap();
        let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
        (printed["counts"]["done"] != 0).then_some(printed)
    });
    let printed = enough_for_some.unwrap();
    let done = names(&printed, |job| job["state"] == "done");
    assert_eq!(done, ["a/round-robin-k5-seed0", "b/round-robin-k5-seed0"], "{printed}");
    assert!(printed["jobs"][1]["error"].as_str().unwrap().contains("--max-memory"), "{printed}");
}

#[test]
fn a_pipe_or_a_link_in_the_place_of_a_lock_fails_its_job_and_hangs_nothing() {
    let work = Work::new("methods = [\"random\"]\nbudgets = [5]");
    let locks = work.path("results/.batch/a");
    fs::create_dir_all(&locks).unwrap();
    let lock = locks.join("random-k5-seed0.lock");
    assert!(std::process::Command::new("mkfifo").arg(&lock).status().unwrap().success());
    for put in ["pipe", "link"] {
        if put == "link" {
            fs::remove_file(&lock).unwrap();
            std::os::unix::fs::symlink(work.path("elsewhere"), &lock).unwrap();
        }
        let printed = work.printed(&[], 1);
        assert_eq!(names(&printed, |job| job["state"] == "failed"), ["a/random-k5-seed0"], "{put}");
        assert!(!work.path("elsewhere").exists());
        work.printed(&["--status"], 0);
    }
}

#[test]
fn an_outdated_result_that_is_an_input_of_another_task_is_spared() {
    let work = Work::new("budgets = [5]");
    work.printed(&[], 0);
    let copies = work.path("results/a/round-robin-k5-seed0/round-robin/k5/selected.jsonl");
    let before = fs::read(&copies).unwrap();
    // Other parameters; and a task whose pool is described by what the first one chose.
    write_npy(&work.path("few.npy"), DIM, &numbers(5 * DIM, 9));
    let own = "c = { query = \"b.npy\", pool = \"few.npy\", pool-jsonl = \"results/a/round-robin-k5-seed0/round-robin/k5/selected.jsonl\" }";
    work.jobs(&format!("budgets = [5]\ncost = \"angular\"\n---{own}"));
    let printed = work.printed(&[], 1);
    assert_eq!(names(&printed, |job| job["state"] == "failed"), ["a/round-robin-k5-seed0"]);
    assert!(printed.to_string().contains("lies inside"), "{printed}");
    assert_eq!(fs::read(&copies).unwrap(), before);
}

#[test]
fn a_result_of_another_command_at_the_place_of_a_job_is_spared() {
    let work = Work::new("budgets = [5]");
    let place = work.path("results/a/round-robin-k5-seed0");
    let mut select = kantor();
    select.args(["select", "--budget=7", "--pool"]).arg(work.path("pool.npy")).arg("--query");
    select.arg(work.path("a.npy")).arg("-o").arg(&place).assert().success();
    let before = fs::read(place.join("manifest.json")).unwrap();
    let printed = work.printed(&[], 1);
    assert_eq!(names(&printed, |job| job["state"] == "failed"), ["a/round-robin-k5-seed0"]);
    assert!(printed.to_string().contains("result of another command"), "{printed}");
    assert_eq!(fs::read(place.join("manifest.json")).unwrap(), before);
}

#[test]
fn records_of_failures_that_others_touched_are_spared_and_not_believed() {
    let work = Work::new("budgets = [5]");
    let blocker = work.path("results/a/round-robin-k5-seed0/note");
    let record = work.path("results/.batch/a/round-robin-k5-seed0.failed.json");
    let block = || {
        fs::create_dir_all(blocker.parent().unwrap()).unwrap();
        fs::write(&blocker, "x").unwrap();
        work.printed(&[], 1);
        fs::remove_file(&blocker).unwrap();
    };
    // As if the clock had been set back five hours since.
    block();
    let text = fs::read_to_string(&record).unwrap();
    let at = json(&record)["at"].as_u64().unwrap();
    fs::write(&record, text.replace(&at.to_string(), &(at + 18_000_000).to_string())).unwrap();
    assert_eq!(work.printed(&[], 0)["counts"]["failed"], 0);
    assert!(!record.exists());
    // With a word of the user's, and as a link.
    for touched in ["annotated", "link"] {
        fs::remove_dir_all(blocker.parent().unwrap()).unwrap();
        block();
        let text = fs::read_to_string(&record).unwrap();
        if touched == "link" {
            fs::rename(&record, work.path("user.json")).unwrap();
            std::os::unix::fs::symlink(work.path("user.json"), &record).unwrap();
        } else {
            fs::write(&record, text.replacen('{', "{\n  \"my notes\": \"ask\",", 1)).unwrap();
        }
        let before = fs::read(&record).unwrap();
        work.printed(&[], 0);
        assert_eq!(fs::read(&record).unwrap(), before, "{touched}");
        assert_eq!(fs::symlink_metadata(&record).unwrap().is_symlink(), touched == "link");
        fs::remove_file(&record).unwrap();
    }
}

#[test]
fn a_result_of_another_command_is_no_place_for_jobs() {
    let work = Work::new(GRID);
    let mut select = kantor();
    select.args(["select", "--budget", "5", "-o"]).arg(work.path("results"));
    select.arg("--pool").arg(work.path("pool.npy")).arg("--query").arg(work.path("a.npy"));
    select.assert().success();
    let files = || fs::read_dir(work.path("results")).unwrap().count();
    let before = files();
    for words in [&[][..], &["--status"]] {
        work.batch(words).assert().code(2).stderr(contains("results is the result of another command"));
        assert_eq!(files(), before);
    }
    // It is as it was, so it may be replaced.
    select.arg("--force").assert().success();
}

#[test]
fn a_result_of_other_parameters_is_not_replaced_without_a_word() {
    let older = "in the place of a result of other inputs or parameters";
    let work = Work::new("budgets = [5]");
    work.batch(&[]).assert().success().stderr(contains(older).not());
    work.jobs("budgets = [5]\ncost = \"angular\"");
    work.batch(&[]).assert().success().stderr(contains(older).count(2));
    // The result of these parameters, not whole any more.
    fs::remove_file(work.path("results/a/round-robin-k5-seed0/round-robin/k5/indices.npy")).unwrap();
    work.batch(&[]).assert().success().stderr(contains(older).not());
}

#[test]
fn the_summary_counts_done_and_failed_jobs_apart() {
    let work = Work::new("budgets = [5, 121]");
    work.batch(&[]).assert().code(1).stdout(contains("2 of 4 jobs done, 2 of them in this run, 2 failed"));
    work.batch(&[]).assert().code(1).stdout(contains("2 of 4 jobs done, 2 failed"));
}

#[test]
fn tasks_whose_directories_are_one_are_refused_before_any_work() {
    let work = Work::new(GRID);
    fs::create_dir_all(work.path("results/b")).unwrap();
    std::os::unix::fs::symlink("b", work.path("results/a")).unwrap();
    let failed = work.batch(&[]).assert().code(2);
    failed.stderr(contains("the tasks a and b have one directory"));
    assert_eq!(fs::read_dir(work.path("results/b")).unwrap().count(), 0);
    // One that is not there yet.
    fs::remove_dir(work.path("results/b")).unwrap();
    work.batch(&[]).assert().code(2).stderr(contains("leads nowhere"));
}

/// Rules are part of what a result is made by: the same jobs under others, or with another list of rows, are done again.
#[test]
fn jobs_under_constraints_obey_them_and_are_done_again_under_others() {
    let work = Work::new(&format!("exclude = \"list.txt\"\ndedup = \"exact\"\n{GRID}"));
    fs::write(work.path("list.txt"), "0\n1\n2\n").unwrap();
    let printed = work.printed(&[], 0);
    assert_eq!(names(&printed, ran).len(), 16);
    let chosen = |job: &str| indices(&work.path(&format!("results/{job}/indices.npy")));
    let before = chosen("a/round-robin-k20-seed0/round-robin/k20");
    assert!(before.iter().all(|row| *row > 2));
    assert_eq!(names(&work.printed(&[], 0), ran).len(), 0);
    // As many other rows.
    fs::write(work.path("list.txt"), format!("{}\n1\n2\n", before[0])).unwrap();
    assert_eq!(names(&work.printed(&[], 0), ran).len(), 16);
    assert!(!chosen("a/round-robin-k20-seed0/round-robin/k20").contains(&before[0]));
    work.jobs(&format!("exclude = \"list.txt\"\ndedup = \"exact\"\ndedup-keep = 2\n{GRID}"));
    assert_eq!(names(&work.printed(&[], 0), ran).len(), 16);
    work.jobs(GRID);
    assert_eq!(names(&work.printed(&[], 0), ran).len(), 16);
}

/// Ten rows of three labels, two of each at most, cannot be chosen; three can.
#[test]
fn a_budget_that_constraints_make_impossible_fails_its_own_jobs_only() {
    let work = Work::new(
        "column = [\"c=c.txt\"]\nquota = [\"c:..2\"]\nmethods = [\"random\", \"optimal\"]\nbudgets = [10, 3, 4]",
    );
    fs::write(work.path("c.txt"), "x\ny\nz\n".repeat(40)).unwrap();
    let printed = work.printed(&[], 1);
    let failed = names(&printed, |job| job["state"] == "failed");
    assert_eq!(failed.len(), 4, "{printed}");
    assert!(failed.iter().all(|job| job.contains("-k10-")), "{failed:?}");
    assert!(work.path("results/a/optimal-k3-seed0/manifest.json").exists());
}

#[test]
fn settings_that_none_of_the_methods_reads_are_named() {
    let work = Work::new(&format!("sigma = 0.3\n{GRID}"));
    work.batch(&[]).assert().success().stderr(contains("--sigma changes nothing here"));
}

/// Not even the jobs are done again: what no method reads is no part of what a result depends on.
#[test]
fn a_setting_that_the_method_does_not_read_makes_no_result_outdated() {
    let work = Work::new("methods = [\"round-robin\", \"uot\"]\nbudgets = [5]");
    work.printed(&[], 0);
    work.jobs("methods = [\"round-robin\", \"uot\"]\nbudgets = [5]\nepsilon = 0.2");
    assert_eq!(names(&work.printed(&[], 0), ran), ["a/uot-k5-seed0", "b/uot-k5-seed0"]);
}
