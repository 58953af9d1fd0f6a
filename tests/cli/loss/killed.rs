//! Runs that are killed at a known point.

use std::fs;
use std::path::PathBuf;

use super::{LONG, Work, inode, whole_result};

/// Words of a run that writes many files.
fn many(budgets: std::ops::Range<usize>) -> Vec<String> {
    let budgets: Vec<String> = budgets.map(|budget| budget.to_string()).collect();
    ["--force", "--no-certify", "--quiet", "--method=random,doubly-greedy", "--budget"]
        .map(str::to_owned)
        .into_iter()
        .chain([budgets.join(",")])
        .collect()
}

/// Kills a run that has written some of its files; the hidden directory that it leaves.
fn killed_while_it_wrote(work: &Work) -> PathBuf {
    let words = many(2..102);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut run = work.spawn("select", &words);
    run.stop_when(|| work.hidden_files() >= 2);
    run.kill();
    work.hidden().into_iter().find(|path| path.is_dir()).unwrap()
}

#[test]
fn a_kill_while_files_are_written_leaves_the_old_result_and_the_next_run_clears_up() {
    let work = Work::new();
    work.select(1, &[]).success();
    // Before the first file, and after so many of the 401.
    let mut seen = 1;
    for written in [0, 1, 2, 20, 100, 200] {
        let words = many(2..102);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let at_work = || work.hidden().iter().any(|path| path.is_dir()) && work.hidden_files() >= written;
        // A run that was too quick to be stopped there has put its result in the place of the older one.
        let stopped = (0..50).find_map(|_| {
            let (mut run, before) = (work.spawn("select", &words), inode(&work.path("out")));
            if run.try_stop_when(at_work) && inode(&work.path("out")) == before {
                return Some(run);
            }
            assert_eq!(run.go_on().0, Some(0));
            seen = 2;
            None
        });
        let found = work.hidden_files();
        stopped.unwrap().kill();
        assert_eq!(whole_result(&work.path("out")), seen);
        assert_eq!(work.hidden_files(), found);
    }
    work.select(7, &["--force"]).success();
    assert_eq!(whole_result(&work.path("out")), 7);
    assert_eq!(work.names(), ["out"]);
}

#[test]
fn what_others_put_among_the_files_of_a_killed_run_is_spared() {
    let work = Work::new();
    let hidden = killed_while_it_wrote(&work);
    fs::write(hidden.join("random/keep"), "keep").unwrap();
    // A file of another make under a name that the run used.
    fs::rename(hidden.join("random/k2/indices.npy"), work.path("moved.npy")).unwrap();
    fs::write(hidden.join("random/k2/indices.npy"), "keep").unwrap();
    work.select(7, &[]).success();
    assert_eq!(fs::read_to_string(hidden.join("random/keep")).unwrap(), "keep");
    assert_eq!(fs::read_to_string(hidden.join("random/k2/indices.npy")).unwrap(), "keep");
    assert_eq!(super::files(&hidden), 2);
}

#[test]
fn a_run_at_work_is_not_taken_for_a_killed_one() {
    let work = Work::new();
    let first = work.stopped("select", LONG);
    let before = work.hidden();
    work.select(7, &[]).success();
    assert!(before.iter().all(|path| path.exists()));
    assert_eq!(first.go_on().0, Some(4));
    assert_eq!((whole_result(&work.path("out")), work.names()), (7, vec!["out".to_owned()]));
}

#[test]
fn a_kill_at_any_moment_leaves_the_old_result_or_the_new_one() {
    let work = Work::new();
    work.select(1, &[]).success();
    let (mut seen, mut hits) = (1, 0);
    for round in 2..32u64 {
        let budget = round.to_string();
        let mut run = work.spawn("select", &["--force", "--no-certify", "--quiet", "--budget", &budget]);
        // From the first hidden name to the end: most of these points lie in the few steps of the exchange.
        if run.try_stop_when(|| work.hidden_files() as u64 >= round % 4) {
            hits += 1;
            run.kill();
        } else {
            assert_eq!(run.end().0, Some(0));
        }
        let found = whole_result(&work.path("out"));
        assert!(found == seen || found == round, "round {round} left the result of {found}");
        seen = found;
    }
    assert!(hits > 0, "no run was killed at work");
    work.select(50, &["--force"]).success();
    assert_eq!((whole_result(&work.path("out")), work.names()), (50, vec!["out".to_owned()]));
}

#[test]
fn a_forged_journal_reaches_nothing_behind_a_link() {
    let work = Work::new();
    let hidden = killed_while_it_wrote(&work);
    // The journal names the very files, which now lie elsewhere, and a link leads there.
    fs::rename(hidden.join("random"), work.path("victim")).unwrap();
    std::os::unix::fs::symlink("../victim", hidden.join("random")).unwrap();
    let before = super::files(&work.path("victim"));
    work.select(7, &[]).success();
    assert_eq!((super::files(&work.path("victim")), before > 0), (before, true));
    // Neither is a hidden directory that is itself a link.
    fs::remove_file(hidden.join("random")).unwrap();
    fs::remove_dir(&hidden).unwrap();
    fs::create_dir(work.path("whole")).unwrap();
    fs::rename(work.path("victim"), work.path("whole/random")).unwrap();
    std::os::unix::fs::symlink("whole", &hidden).unwrap();
    work.select(8, &["--force"]).success();
    assert_eq!(super::files(&work.path("whole")), before);
}

#[test]
fn directories_that_a_killed_run_made_go_with_what_it_left() {
    let work = Work::new();
    let select = |budget: &str| {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("kantor"));
        command.args(["select", "--method=energy", "--quiet", "--budget", budget, "--pool"]);
        command.arg(crate::support::example("pool.embed.npy")).arg("--query");
        command.arg(crate::support::example("query_gsm8k.embed.npy")).arg("-o").arg(work.path("new/sub/out"));
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
        crate::run::Run::of(command.spawn().unwrap())
    };
    let mut run = select("300");
    run.stop_when(|| fs::read_dir(work.path("new/sub")).is_ok_and(|entries| entries.count() == 2));
    run.kill();
    // One that fails makes them anew for itself, and takes them away.
    assert_eq!(select("9999").end().0, Some(3));
    assert!(work.names().is_empty(), "{:?}", work.names());
}
