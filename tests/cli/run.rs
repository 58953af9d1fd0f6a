//! A run of the program that is stopped in a known state: tests of what happens meanwhile need no guess at times.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for a state that a run reaches in a second.
const PATIENCE: Duration = Duration::from_secs(120);

/// The program, with signals as a terminal has them: what runs in the background may be told to ignore some.
pub(crate) fn program() -> Command {
    let mut command = Command::new("env");
    command.args(["--default-signal=INT,HUP,TERM", "--"]).arg(assert_cmd::cargo::cargo_bin!("kantor"));
    command
}

/// The program on a system where these calls fail by these errors, as on file systems that do not know them; `None` where
/// nothing can play such a system.
pub(crate) fn program_without(calls: &[(&str, &str)]) -> Option<Command> {
    let play = || {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-e"]);
        strace.arg(format!("trace={}", calls.iter().map(|(call, _)| *call).collect::<Vec<_>>().join(",")));
        for (call, error) in calls {
            strace.args(["-e", &format!("inject={call}:error={error}")]);
        }
        strace
    };
    let can = play().arg("true").output().is_ok_and(|output| output.status.success());
    if !can {
        eprintln!("skipped: there is no strace here, or it may not trace");
    }
    can.then(|| {
        let mut strace = play();
        strace.arg(assert_cmd::cargo::cargo_bin!("kantor"));
        strace
    })
}

/// A process.
pub(crate) struct Run {
    child: Child,
}

impl Run {
    pub(crate) fn of(child: Child) -> Self {
        Self { child }
    }

    /// Waits for a state, stops the process in it, and checks that it has not ended.
    pub(crate) fn stop_when(&mut self, reached: impl Fn() -> bool) {
        assert!(self.try_stop_when(reached), "the run ended before it was stopped");
    }

    /// Waits for a state; false if the run ended before.
    pub(crate) fn reaches(&mut self, state: impl Fn() -> bool) -> bool {
        let begun = Instant::now();
        while !state() {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(begun.elapsed() < PATIENCE, "the state was not reached");
            std::thread::sleep(Duration::from_micros(200));
        }
        true
    }

    /// As [`Run::stop_when`]; false if the run ended before.
    pub(crate) fn try_stop_when(&mut self, reached: impl Fn() -> bool) -> bool {
        if !self.reaches(reached) {
            return false;
        }
        let begun = Instant::now();
        self.signal("STOP");
        while self.state() != 'T' {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(begun.elapsed() < PATIENCE, "the run does not stop");
            std::thread::yield_now();
        }
        true
    }

    /// The letter for the process's state.
    fn state(&self) -> char {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        stat.rsplit(')').next().unwrap().trim().chars().next().unwrap()
    }

    /// Waits until it has this file or directory open, otherwise than to list what is in it.
    pub(crate) fn waits_to_lock(&mut self, path: &Path) {
        let process = Path::new("/proc").join(self.child.id().to_string());
        let is_it = |name: &OsStr| fs::read_link(process.join("fd").join(name)).is_ok_and(|to| to == path);
        let lists = |name: &OsStr| {
            let info = fs::read_to_string(process.join("fdinfo").join(name)).unwrap_or_default();
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).map(str::trim);
            let flags = flags.and_then(|flags| i32::from_str_radix(flags, 8).ok());
            flags.is_none_or(|flags| flags & libc::O_DIRECTORY != 0)
        };
        let open = || fs::read_dir(process.join("fd")).into_iter().flatten().flatten().map(|entry| entry.file_name());
        assert!(self.reaches(|| open().any(|name| is_it(&name) && !lists(&name))), "the run ended before it locked it");
    }

    pub(crate) fn signal(&self, name: &str) {
        let signal = format!("-{name}");
        assert!(Command::new("kill").args([&signal, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Lets it go on; its exit code, none if a signal ended it, and what it said.
    pub(crate) fn go_on(self) -> (Option<i32>, String) {
        // It may have ended.
        let _ = Command::new("kill").args(["-CONT", &self.child.id().to_string()]).stderr(Stdio::null()).status();
        self.end()
    }

    /// How it ended and what it printed.
    pub(crate) fn output(self) -> Output {
        self.child.wait_with_output().unwrap()
    }

    pub(crate) fn end(self) -> (Option<i32>, String) {
        let output = self.output();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        assert_eq!(self.child.wait().unwrap().code(), None);
    }
}
