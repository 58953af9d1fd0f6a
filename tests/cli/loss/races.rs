//! What happens at the target while a run works.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use kantor::output::{OutputError, ResultDirectory};

use super::{LONG, Work, inode, whole_result};
use crate::run::Run;
use crate::support::example;

/// Commands that write a directory, with words that make them take a while.
const COMMANDS: [(&str, &[&str]); 3] = [
    ("select", LONG),
    ("compare", &["--method=energy,random", "--budget=300", "--random-seeds=2", "--quiet"]),
    ("quantiles", &["--method=knn-kde", "--bins=10", "--take=400", "--quiet"]),
];

fn keep(path: &Path) {
    fs::write(path, "keep").unwrap();
}

fn kept(path: &Path) -> bool {
    fs::read_to_string(path).unwrap() == "keep"
}

#[test]
fn a_directory_that_appears_meanwhile_is_spared() {
    for (command, words) in COMMANDS {
        let work = Work::new();
        let run = work.stopped(command, words);
        fs::create_dir(work.path("out")).unwrap();
        keep(&work.path("out/keep"));
        let (code, said) = run.go_on();
        assert_eq!(code, Some(4), "{command}: {said}");
        assert!(said.contains("out") && said.contains("somebody else"), "{said}");
        assert!(kept(&work.path("out/keep")), "{command}");
        assert_eq!(work.names(), ["out"], "{command}");
    }
}

#[test]
fn an_empty_directory_a_file_or_a_link_that_appears_meanwhile_is_spared() {
    for made in ["empty", "file", "link"] {
        let work = Work::new();
        let run = work.stopped("select", LONG);
        match made {
            "empty" => fs::create_dir(work.path("out")).unwrap(),
            "file" => keep(&work.path("out")),
            _ => symlink("nowhere", work.path("out")).unwrap(),
        }
        let before = inode(&work.path("out"));
        assert_eq!(run.go_on().0, Some(4), "{made}");
        assert_eq!((inode(&work.path("out")), work.names().as_slice()), (before, &["out".to_owned()][..]), "{made}");
    }
}

#[test]
fn an_empty_directory_is_taken_unless_it_is_filled_meanwhile() {
    let work = Work::new();
    fs::create_dir(work.path("out")).unwrap();
    let run = work.stopped("select", LONG);
    keep(&work.path("out/keep"));
    assert_eq!(run.go_on().0, Some(4));
    assert!(kept(&work.path("out/keep")));
    assert_eq!(work.names(), ["out"]);
    fs::remove_file(work.path("out/keep")).unwrap();
    work.select(3, &[]).success();
    assert_eq!(whole_result(&work.path("out")), 3);
}

#[test]
fn a_file_added_during_a_forced_run_is_spared_with_the_older_result() {
    for (command, words) in COMMANDS {
        let work = Work::new();
        work.select(3, &[]).success();
        let run = work.stopped(command, &[words, &["--force"]].concat());
        keep(&work.path("out/round-robin/keep"));
        let (code, said) = run.go_on();
        assert_eq!(code, Some(4), "{command}: {said}");
        assert!(kept(&work.path("out/round-robin/keep")));
        fs::remove_file(work.path("out/round-robin/keep")).unwrap();
        assert_eq!(whole_result(&work.path("out")), 3);
        assert_eq!(work.names(), ["out"], "{command}");
    }
}

#[test]
fn a_file_edited_before_or_during_a_forced_run_is_spared() {
    let work = Work::new();
    work.select(3, &[]).success();
    let run = work.stopped("select", &[LONG, &["--force"]].concat());
    keep(&work.path("out/round-robin/k3/selection.jsonl"));
    assert_eq!(run.go_on().0, Some(4));
    work.select(4, &["--force"]).code(2).stderr(predicates::str::contains("selection.jsonl"));
    assert!(kept(&work.path("out/round-robin/k3/selection.jsonl")));
    assert_eq!(work.names(), ["out"]);
}

#[test]
fn a_link_swapped_in_is_not_followed() {
    let work = Work::new();
    work.select(3, &[]).success();
    // A result too, so that every file in it has a name that a manifest lists.
    let run = work.stopped("select", &[LONG, &["--force"]].concat());
    fs::rename(work.path("out"), work.path("victim")).unwrap();
    symlink("victim", work.path("out")).unwrap();
    assert_eq!(run.go_on().0, Some(4));
    assert_eq!(fs::read_link(work.path("out")).unwrap(), Path::new("victim"));
    assert_eq!(whole_result(&work.path("victim")), 3);
    assert_eq!(work.names(), ["out", "victim"]);
    // Neither is one that is there from the beginning.
    work.select(4, &["--force"]).code(2).stderr(predicates::str::contains("victim"));
    assert_eq!(whole_result(&work.path("victim")), 3);
}

#[test]
fn a_link_inside_an_older_result_is_not_followed() {
    let work = Work::new();
    work.select(3, &[]).success();
    fs::rename(work.path("out/round-robin"), work.path("victim")).unwrap();
    symlink("../victim", work.path("out/round-robin")).unwrap();
    work.select(4, &["--force"]).code(2);
    assert_eq!(super::files(&work.path("victim")), 2);
}

#[test]
fn hidden_names_of_others_are_spared() {
    let work = Work::new();
    for name in [".out.kantor-backup", ".out.kantor-1", ".kantor-backup", ".kantor-123456789abc-1-0"] {
        fs::create_dir(work.path(name)).unwrap();
        keep(&work.path(name).join("keep"));
    }
    let before = work.names();
    work.select(3, &[]).success();
    work.select(4, &["--force"]).success();
    assert_eq!(work.names().len(), before.len() + 1);
    assert!(work.hidden().iter().all(|path| kept(&path.join("keep"))));
}

/// Lets all runs go on at the same time; the codes of those that did not win.
fn losers(runs: Vec<Run>) -> Vec<Option<i32>> {
    runs.iter().for_each(|run| run.signal("CONT"));
    let codes: Vec<_> = runs.into_iter().map(|run| run.end().0).collect();
    assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 1, "{codes:?}");
    codes.into_iter().filter(|code| *code != Some(0)).collect()
}

#[test]
fn of_four_runs_with_one_target_one_wins() {
    let budgets = ["--budget=300", "--budget=310", "--budget=320", "--budget=330"];
    for forced in [false, true] {
        let work = Work::new();
        let force: &[&str] = if forced { &["--force"] } else { &[] };
        if forced {
            work.select(3, &[]).success();
        }
        let start = |(at, budget): (usize, &&'static str)| {
            let mut run = work.spawn("select", &[&["--method=energy", budget, "--quiet"], force].concat());
            run.stop_when(|| work.hidden().iter().filter(|path| path.is_dir()).count() > at);
            run
        };
        let runs = budgets.iter().enumerate().map(start).collect();
        assert_eq!(losers(runs), [Some(4); 3]);
        assert!((300..=330).contains(&whole_result(&work.path("out"))));
        assert_eq!(work.names(), ["out"]);
    }
}

#[test]
fn a_result_that_is_replaced_while_it_is_looked_at_is_said_to_be() {
    const ROUNDS: usize = 500;
    let work = Work::new();
    let target = work.path("out");
    // Each result has files of its own names, so those of the older one are missed.
    let replace = |round: usize| {
        let mut result = ResultDirectory::begin(&target, true, &[]).unwrap();
        for file in 0..6 {
            result.file(&format!("{round}-{file}"), |out| out.write_all(&[7; 100_000])).unwrap();
        }
        let manifest = serde_json::json!({"schema": "kantor/select/1", "outputs": result.written()}).to_string();
        result.file("manifest.json", |out| out.write_all(manifest.as_bytes())).unwrap();
        result.commit().unwrap();
    };
    replace(0);
    let met = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let replaced = scope.spawn(|| (1..ROUNDS).take_while(|_| !met.load(Ordering::Relaxed)).for_each(replace));
        while !met.load(Ordering::Relaxed) && !replaced.is_finished() {
            if let Err(error) = ResultDirectory::begin(&target, true, &[]) {
                met.store(true, Ordering::Relaxed);
                assert!(matches!(error, OutputError::Taken(_)), "{error}");
            }
        }
    });
    assert!(met.into_inner(), "no result was replaced while it was looked at");
}

/// A link stands for a file system that does not tell upper from lower case: the second name leads to what has the first one.
#[test]
fn two_outputs_whose_names_are_one_to_the_file_system_are_called_the_same() {
    let work = Work::new();
    let mut program = Command::new(assert_cmd::cargo::cargo_bin!("kantor"));
    program.args(["distance", "--threads=1", "--quiet", "--solver=sinkhorn", "--pool"]).arg(example("pool.embed.npy"));
    program.args(["--epsilon=0.0001", "--tolerance=1e-15", "--iterations=1500", "--query"]);
    program.arg(example("query_gsm8k.embed.npy")).arg("--certificate").arg(work.path("name"));
    program.arg("--trace").arg(work.path("other"));
    let mut run = Run::of(program.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    run.stop_when(|| work.hidden().iter().filter(|path| path.is_dir()).count() == 2);
    symlink("name", work.path("other")).unwrap();
    let (code, said) = run.go_on();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("are the same file") && said.contains("give each output its own name"), "{said}");
    assert_eq!(work.names(), ["other"]);
}

#[test]
fn of_several_files_none_is_new_if_one_cannot_take_its_place() {
    const NAMES: [&str; 3] = ["certificate", "plan", "trace"];
    // About a second's work that ends short of its tolerance.
    let effort = ["--solver=sinkhorn", "--epsilon=0.0001", "--tolerance=1e-15", "--iterations=1500", "--quiet"];
    for older in [false, true] {
        let work = Work::new();
        if older {
            NAMES.iter().for_each(|name| keep(&work.path(name)));
        }
        let mut program = Command::new(assert_cmd::cargo::cargo_bin!("kantor"));
        program.args(["distance", "--threads=1", "--force", "--pool"]).arg(example("pool.embed.npy"));
        program.arg("--query").arg(example("query_gsm8k.embed.npy")).args(effort);
        for name in NAMES {
            program.arg(format!("--{name}")).arg(work.path(name));
        }
        let mut run = Run::of(program.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
        run.stop_when(|| work.hidden().iter().filter(|path| path.is_dir()).count() == NAMES.len());
        // The last of them.
        fs::write(work.path("trace"), "of somebody else").unwrap();
        let (code, said) = run.go_on();
        assert_eq!(code, Some(4), "{said}");
        assert_eq!(fs::read_to_string(work.path("trace")).unwrap(), "of somebody else");
        match older {
            true => assert!(NAMES[..2].iter().all(|name| kept(&work.path(name)))),
            false => assert_eq!(work.names(), ["trace"]),
        }
        assert!(work.hidden().is_empty());
    }
}

#[test]
fn a_study_that_is_interrupted_leaves_nothing() {
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/published");
    // It takes a fraction of a second, and is not always met while its page is hidden, nor always stopped by then.
    for _ in 0..200 {
        let work = Work::new();
        let mut program = crate::run::program();
        program.arg("study").arg("--tables").arg(&published).arg("-o").arg(work.path("page.html"));
        let mut run = Run::of(program.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
        let met = run.try_stop_when(|| work.hidden().iter().any(|path| path.is_dir()));
        if met {
            run.signal("TERM");
        }
        let (code, said) = run.go_on();
        let expected: &[&str] = if met && code == Some(130) { &[] } else { &["page.html"] };
        assert!(matches!(code, Some(0 | 130)) && work.names() == expected, "{code:?} {said} {:?}", work.names());
        if code == Some(130) {
            return;
        }
    }
    panic!("no run was interrupted");
}

#[test]
fn an_interrupt_or_a_request_to_end_leaves_nothing() {
    for signal in ["INT", "TERM", "HUP"] {
        let work = Work::new();
        let run = work.stopped("select", LONG);
        run.signal(signal);
        assert_eq!(run.go_on().0, Some(130), "{signal}");
        assert!(work.names().is_empty(), "{signal}");
    }
}

#[test]
fn a_signal_that_is_ignored_from_the_start_stays_ignored() {
    for signal in ["HUP", "INT", "TERM"] {
        let work = Work::new();
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("trap '' {signal}; exec \"$@\""), "sh"])
            .arg(assert_cmd::cargo::cargo_bin!("kantor"));
        shell.args(work.words("select", LONG)).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut run = Run::of(shell.spawn().unwrap());
        run.stop_when(|| work.hidden().iter().any(|path| path.is_dir()));
        run.signal(signal);
        assert_eq!(run.go_on().0, Some(0), "{signal}");
        assert_eq!(work.names(), ["out"]);
    }
}

#[test]
fn two_signals_at_once_leave_nothing_of_what_is_being_written() {
    let budgets: Vec<String> = (1..60).map(|budget: u32| budget.to_string()).collect();
    let words = ["--method=random", "--no-certify", "--quiet", "--budget", &budgets.join(",")];
    let mut at_work = 0;
    for round in 0..8 {
        let work = Work::new();
        let mut run = work.spawn("select", &words);
        if run.try_stop_when(|| work.hidden_files() > 5 * round) {
            at_work += usize::from(!work.path("out").exists());
            run.signal("TERM");
            run.signal("INT");
        }
        let (code, said) = run.go_on();
        let expected: &[&str] = if code == Some(130) { &[] } else { &["out"] };
        assert!(matches!(code, Some(0 | 130)) && work.names() == expected, "{code:?} {said} {:?}", work.names());
    }
    assert!(at_work > 0, "no run was stopped while it wrote");
}

#[test]
fn directories_made_for_a_result_go_with_it() {
    let work = Work::new();
    let out = work.path("a/b/out");
    let mut command = crate::support::kantor();
    command.args(["select", "--budget=9999", "--pool"]).arg(crate::support::example("pool.embed.npy")).arg("--query");
    command.arg(crate::support::example("query_gsm8k.embed.npy")).arg("-o").arg(&out).assert().code(3);
    assert!(work.names().is_empty());
}
