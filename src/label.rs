//! What those who watch are told a stage of work is for.

use kantor_solvers::solver::Step;
use kantor_solvers::{Stopped, Watch};

/// Says with every stage what it is for: "herding: energy, budget 500".
pub(crate) struct Labelled<'a> {
    inner: &'a dyn Watch,
    label: String,
}

impl<'a> Labelled<'a> {
    /// Stages of this, whatever it is, are told to `inner`.
    pub(crate) fn new(inner: &'a dyn Watch, label: impl Into<String>) -> Self {
        Self { inner, label: label.into() }
    }
}

impl Watch for Labelled<'_> {
    fn begin(&self, stage: &str, total: u64) {
        let separator = if stage.contains(": ") { ", " } else { ": " };
        self.inner.begin(&format!("{stage}{separator}{}", self.label), total);
    }

    fn advance(&self, units: u64) -> Result<(), Stopped> {
        self.inner.advance(units)
    }

    fn step(&self, step: &Step) {
        self.inner.step(step);
    }
}

/// `budget 500`, `budgets 500, 1000`.
pub(crate) fn budgets(budgets: &[usize]) -> String {
    let list: Vec<String> = budgets.iter().map(usize::to_string).collect();
    format!("budget{} {}", if list.len() == 1 { "" } else { "s" }, list.join(", "))
}
