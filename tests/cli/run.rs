//! A run of the program that is stopped in a known state: tests of what happens meanwhile need no guess at times.

use std::fs;
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
