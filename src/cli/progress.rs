//! Progress on standard error: a bar on a terminal, a plain line now and then elsewhere, nothing for short stages.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kantor_solvers::{Stopped, Watch};

use crate::view::escape::OneLine;
use crate::view::terminal::{self, tell};

/// A stage is worth showing once it has taken this long.
const PATIENCE: Duration = Duration::from_secs(1);

/// Time between two plain lines.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// How much to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// Nothing.
    Quiet,
    /// Long stages.
    Normal,
    /// Every stage when it ends, with its time, too.
    Verbose,
}

/// Shows the progress of long stages, and carries the wish to stop.
pub(super) struct Progress {
    detail: Detail,
    terminal: bool,
    stop: &'static AtomicBool,
    stage: Mutex<Stage>,
}

struct Stage {
    name: String,
    total: u64,
    done: u64,
    begun: Instant,
    shown: Option<Instant>,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Progress that stops the computation once `stop` is set.
    pub(super) fn new(detail: Detail, stop: &'static AtomicBool) -> Self {
        let stage = Stage { name: String::new(), total: 0, done: 0, begun: Instant::now(), shown: None, bar: None };
        Self { detail, terminal: terminal::is_watched(), stop, stage: Mutex::new(stage) }
    }

    fn show(&self, stage: &mut Stage) {
        if self.detail == Detail::Quiet || stage.total == 0 || stage.begun.elapsed() < PATIENCE {
            return;
        }
        if self.terminal {
            let bar = stage.bar.get_or_insert_with(|| {
                let bar = ProgressBar::with_draw_target(Some(stage.total), ProgressDrawTarget::stderr());
                if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {percent} % {eta}") {
                    bar.set_style(style);
                }
                bar.set_message(OneLine(&stage.name).to_string());
                bar
            });
            bar.set_position(stage.done.min(stage.total));
        } else if stage.shown.is_none_or(|shown| shown.elapsed() >= PLAIN_INTERVAL) {
            stage.shown = Some(Instant::now());
            tell(format_args!("{}: {} %", stage.name, 100 * stage.done.min(stage.total) / stage.total));
        }
    }
}

impl Watch for Progress {
    fn begin(&self, stage: &str, total: u64) {
        let mut current = self.stage.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(bar) = current.bar.take() {
            bar.finish_and_clear();
        }
        if self.detail == Detail::Verbose && !current.name.is_empty() {
            tell(format_args!("{}: {:.3} s", current.name, current.begun.elapsed().as_secs_f64()));
        }
        *current = Stage { name: stage.to_owned(), total, done: 0, begun: Instant::now(), shown: None, bar: None };
    }

    fn advance(&self, units: u64) -> Result<(), Stopped> {
        // Another thread may hold the lock just now; what it does not see is counted with its next call.
        let mut current = self.stage.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        current.done += units;
        self.show(&mut current);
        if self.stop.load(Ordering::Relaxed) { Err(Stopped) } else { Ok(()) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.begin("", 0);
    }
}
