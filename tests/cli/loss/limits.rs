//! Disks that are full, files that may not grow, memory that ends.

use std::fs;
use std::process::Command;

use super::Work;
use crate::support::{copy_program, example};

/// Runs the program with these words under a shell that first does `limit`.
fn limited(work: &Work, limit: &str, command: &str, more: &[&str]) -> std::process::Output {
    let script = format!("{limit} && exec \"$@\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, "sh"]).arg(assert_cmd::cargo::cargo_bin!("kantor"));
    shell.args(work.words(command, more)).output().unwrap()
}

#[test]
fn a_file_that_may_not_grow_ends_with_4_and_leaves_nothing() {
    let work = Work::new();
    let words = ["--budget=5000", "--method=random", "--no-certify", "--quiet"];
    let output = limited(&work, "ulimit -f 8", "select", &words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("out"), "{said}");
    assert!(work.names().is_empty(), "{:?}", work.names());
}

#[test]
fn memory_that_ends_ends_with_5_and_leaves_nothing() {
    let work = Work::new();
    let words = ["--budget=5000", "--method=knn-kde,energy,uot", "--quiet", "--max-memory=100G"];
    let mut ended = 0;
    for megabytes in [60, 80, 100, 150, 200] {
        let output = limited(&work, &format!("ulimit -v {}", megabytes * 1024), "select", &words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0 | 5)), "{megabytes} MB: {:?} {said}", output.status);
        if output.status.code() == Some(5) {
            ended += 1;
            assert!(said.contains("memory") && work.names().is_empty(), "{said} {:?}", work.names());
        }
    }
    assert!(ended > 0, "there was enough memory every time");
}

#[test]
fn a_full_disk_ends_with_4_and_leaves_the_older_result() {
    let work = Work::new();
    work.select(3, &[]).success();
    // A disk of its own, seen by this shell only. Where the system does not allow that, the rest has no meaning.
    let disk = |script: &str| {
        let mut shell = Command::new("unshare");
        shell.args(["--mount", "--map-root-user", "sh", "-ec"]);
        shell.arg(format!("mount -t tmpfs -o size=256k tmpfs \"$0\" && {script}")).arg(work.path("disk"));
        shell
    };
    fs::create_dir(work.path("disk")).unwrap();
    let allowed = disk("true").output().is_ok_and(|output| output.status.success());
    if !allowed {
        assert!(std::env::var_os("KANTOR_TMPFS").is_none(), "KANTOR_TMPFS asks for this test, which needs unshare");
        eprintln!("skipped: no file system may be mounted here");
        return;
    }
    let script = "cp -r \"$1\" \"$0/out\"; shift; code=0; \"$@\" || code=$?; ls -A \"$0\"; \
                  ls \"$0/out/round-robin\"; exit $code";
    let mut command = disk(script);
    command.arg(work.path("out")).arg(assert_cmd::cargo::cargo_bin!("kantor"));
    let words = ["--force", "--budget=5000", "--method=random,doubly-greedy", "--no-certify", "--quiet"];
    let mut words = work.words("select", &words);
    let at = words.iter().position(|word| word == "-o").unwrap();
    words[at + 1] = work.path("disk/out").into();
    let output = command.args(words).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "out\nk3\n", "{said}");
}

/// Sandboxes need not have `/proc`: then the system does not say how much memory there is.
#[test]
fn a_system_that_tells_nothing_is_enough() {
    let work = Work::new();
    let mut shell = Command::new("unshare");
    let script = "mount -t tmpfs tmpfs /proc && exec \"$0\" \"$@\"";
    shell.args(["--mount", "--map-root-user", "sh", "-ec", script]).arg(assert_cmd::cargo::cargo_bin!("kantor"));
    let output = shell.args(work.words("select", &["--budget=5", "--quiet"])).output();
    match output {
        Ok(output) if output.status.success() => assert_eq!(work.names(), ["out"]),
        failed => {
            let said = failed.map(|output| String::from_utf8_lossy(&output.stderr).into_owned()).unwrap_or_default();
            assert!(!said.contains("kantor:"), "{said}");
            assert!(std::env::var_os("KANTOR_TMPFS").is_none(), "KANTOR_TMPFS asks for this test, which needs unshare");
        }
    }
}

#[test]
fn too_few_open_files_end_with_5_before_anything_is_made() {
    let work = Work::new();
    for files in [3, 4, 8, 16] {
        let output = limited(&work, &format!("ulimit -n {files}"), "select", &["--budget=5", "--quiet"]);
        let said = String::from_utf8_lossy(&output.stderr);
        // With fewer still, the system cannot even load the program.
        assert!(matches!(output.status.code(), Some(5 | 127)), "{files}: {:?} {said}", output.status);
        assert!(work.names().is_empty(), "{files}");
    }
    let output = limited(&work, "ulimit -n 24", "select", &["--budget=5", "--quiet"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The program and its inputs in a directory where another user may run and read them, and that user's shell.
struct Elsewhere(Work);

impl Elsewhere {
    fn new() -> Self {
        let work = Work::new();
        copy_program(&work.path("kantor"));
        for (name, from) in [("pool", "pool.embed.npy"), ("query", "query_gsm8k.embed.npy")] {
            fs::copy(example(from), work.path(name)).unwrap();
        }
        set_mode(&work.path(""), 0o777);
        Self(work)
    }

    /// Runs a script by a user who is not root.
    fn shell(&self, script: &str) -> std::process::Output {
        use std::os::unix::process::CommandExt;
        let mut shell = Command::new("sh");
        shell.current_dir(self.0.path("")).args(["-c", script]);
        if rustix::process::geteuid().is_root() {
            shell.uid(65534).gid(65534);
        }
        shell.output().unwrap()
    }
}

fn set_mode(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

const SELECT: &str = "./kantor select --pool pool --query query --budget 3 --quiet --force -o out";

#[test]
fn an_older_result_that_may_not_be_removed_is_refused_before_the_work() {
    let elsewhere = Elsewhere::new();
    let work = &elsewhere.0;
    assert_eq!(elsewhere.shell(SELECT).status.code(), Some(0));
    let before = work.names();
    for closed in ["out/round-robin/k3", "out"] {
        set_mode(&work.path(closed), 0o555);
        let output = elsewhere.shell(SELECT);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(said.contains(closed) && said.contains("chmod u+w"), "{said}");
        set_mode(&work.path(closed), 0o755);
        assert_eq!((super::whole_result(&work.path("out")), work.names()), (3, before.clone()));
    }
    assert_eq!(elsewhere.shell(SELECT).status.code(), Some(0));
}

#[test]
fn a_umask_that_takes_the_users_own_rights_leaves_nothing_behind() {
    for mask in ["400", "577", "777"] {
        let elsewhere = Elsewhere::new();
        let distance = "./kantor distance --pool pool --query query --quiet --certificate certificate";
        let output = elsewhere.shell(&format!("umask {mask}; {SELECT} && {distance}"));
        assert_eq!(output.status.code(), Some(0), "{mask}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(elsewhere.0.names(), ["certificate", "kantor", "out", "pool", "query"], "{mask}");
        assert_eq!(super::whole_result(&elsewhere.0.path("out")), 3);
    }
}

#[test]
fn a_place_that_may_be_written_but_not_read_takes_forced_results_too() {
    let elsewhere = Elsewhere::new();
    let distance = "./kantor distance --pool pool --query query --quiet --force --certificate certificate";
    set_mode(&elsewhere.0.path(""), 0o333);
    for _ in 0..2 {
        let output = elsewhere.shell(&format!("{SELECT} && {distance}"));
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    set_mode(&elsewhere.0.path(""), 0o777);
    assert_eq!(elsewhere.0.names(), ["certificate", "kantor", "out", "pool", "query"]);
    assert_eq!(super::whole_result(&elsewhere.0.path("out")), 3);
}

#[test]
fn the_stack_of_threads_does_not_depend_on_the_environment() {
    let work = Work::new();
    let mut command = crate::support::kantor();
    let words = work.words("select", &["--budget=5", "--quiet", "--method=round-robin,energy"]);
    command.env("RUST_MIN_STACK", "1000").args(words).assert().success();
}

#[test]
fn a_place_of_which_nothing_may_be_removed_leaves_nothing_of_the_runs_that_lose_it() {
    let elsewhere = Elsewhere::new();
    let work = &elsewhere.0;
    elsewhere.shell("mkdir out && chmod 555 out");
    // A long run, stopped when it has begun to write; another takes the place meanwhile.
    let script = format!("{} --method energy --budget 300", SELECT.replace(" --budget 3", ""));
    let run = || {
        use std::os::unix::process::CommandExt;
        let mut shell = Command::new("sh");
        shell.current_dir(work.path("")).args(["-c", &format!("exec {script}")]);
        if rustix::process::geteuid().is_root() {
            shell.uid(65534).gid(65534);
        }
        crate::run::Run::of(shell.stderr(std::process::Stdio::piped()).spawn().unwrap())
    };
    let mut loser = run();
    loser.stop_when(|| work.hidden().iter().any(|path| path.is_dir()));
    assert_eq!(elsewhere.shell(SELECT).status.code(), Some(0));
    let (code, said) = loser.go_on();
    assert_eq!(code, Some(4), "{said}");
    assert_eq!(work.names(), ["kantor", "out", "pool", "query"], "{said}");
}
