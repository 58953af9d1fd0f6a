//! The selector `swap`: what another method chooses, improved by swaps of one row for another.
//!
//! The neighbourhood of a subset is all subsets that differ in one row and obey the constraints, those with a row more or less too
//! where tokens are the budget; which of them are looked at,
//! and what is shown when none is better, is for [`swaps`] to say.
//!
//! Limit: costs of all rows once, 8·N·M bytes; where they do not fit, only rows on lists take part.

use kantor_theory::{Objective, Status};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;

use crate::admission::rows_within;
use crate::registry;
use crate::relax::herding::cloud::comparable;
use crate::relax::swaps::{self, Active, Improved, LeftOpen};
use crate::scan::{PoolScan, ScanRequest};
use crate::select::{Constrained, Selection, Selector, notes};
use crate::settings::{SettingGroup, SettingKind, SettingValue, Settings, settings};
use crate::task::{SelectError, Task};

/// Name on the command line.
const NAME: &str = "swap";

/// The name of a method of the registry other than `swap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Start(&'static str);

impl Start {
    /// The method of that name, unless there is none.
    pub fn of(name: &str) -> Option<Self> {
        Self::names().find(|known| *known == name).map(Self)
    }

    fn names() -> impl Iterator<Item = &'static str> {
        registry::SELECTORS.iter().map(|entry| entry.name).filter(|name| *name != NAME)
    }
}

impl Default for Start {
    fn default() -> Self {
        Self("round-robin")
    }
}

impl<'de> Deserialize<'de> for Start {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        Self::of(&name).ok_or_else(|| serde::de::Error::custom(format!("no method `{name}` to start from")))
    }
}

impl SettingValue for Start {
    fn kind() -> SettingKind {
        SettingKind::Word(Self::names().collect())
    }
}

settings! {
    /// Lowers the objective of the task, whichever it is, by swaps of one row until none helps.
    pub struct Swap {
        /// Method whose rows swap improves; its settings have their defaults
        swap_start: Start = Start::default();
        /// Most swaps that swap makes
        swap_limit: usize = 100_000 => some_rows(), value_name("SWAPS");
    }
}

impl Swap {
    /// The method that it starts from, which obeys the constraints if there are some.
    fn start(&self, task: &Task<'_>) -> Option<Box<dyn Selector>> {
        let start = (registry::selector(self.swap_start.0)?.build)(&Settings::default());
        Some(if task.constraints.is_some() { Box::new(Constrained::new(start)) } else { start })
    }

    fn selection(&self, task: &Task<'_>, scanned: &PoolScan, rows: &[usize]) -> Result<Selection, SelectError> {
        let Improved { rows, scores, values, swaps, least_gain, compared, left_open } =
            swaps::improve(task, scanned, rows, self.swap_limit)?;
        let notes = notes([
            ("start", json!(self.swap_start)),
            ("objective", json!(task.objective)),
            ("objective-at-start", json!(values[0])),
            ("objective-at-end", json!(values[1])),
            ("swaps", json!(swaps)),
            ("no-swap-improves", json!(left_open.is_none())),
            ("swaps-left-open", json!(left_open.map(LeftOpen::words))),
            ("least-gain-noticed", json!(least_gain)),
            ("rows-compared", json!(compared)),
        ]);
        Ok(Selection { rows, scores, status: Status::Uncertified, notes })
    }
}

impl Selector for Swap {
    fn name(&self) -> &'static str {
        NAME
    }

    /// Subsets of different sizes are improved each by itself.
    fn nested(&self) -> bool {
        false
    }

    fn obeys_constraints(&self) -> bool {
        true
    }

    fn weighs_quality(&self) -> bool {
        true
    }

    fn minimises(&self, _objective: Objective) -> bool {
        true
    }

    fn obeys_token_budgets(&self) -> bool {
        true
    }

    fn supports(&self, task: &Task<'_>) -> Result<(), SelectError> {
        self.check()?;
        if let Some(kernel) = task.objective.kernel() {
            comparable(task.geometry, kernel.name(), NAME)?;
        }
        self.start(task).map_or(Ok(()), |start| start.supports(task))
    }

    fn needs(&self, task: &Task<'_>, largest: usize) -> ScanRequest {
        let start = self.start(task).map_or_else(ScanRequest::default, |start| start.needs(task, largest));
        let largest = task.constraints.and_then(rows_within).unwrap_or(largest);
        if task.objective.kernel().is_some() { start } else { start.union(Active::needs(task, largest)) }
    }

    fn select(&self, task: &Task<'_>, scanned: &PoolScan, budgets: &[usize]) -> Result<Vec<Selection>, SelectError> {
        self.supports(task)?;
        if task.constraints.is_none_or(|set| set.tokens().is_none()) {
            task.largest(budgets)?;
        }
        task.power.check(task.geometry)?;
        let Some(start) = self.start(task) else { return Ok(Vec::new()) };
        let started = start.select(task, scanned, budgets)?;
        started.iter().map(|from| self.selection(task, scanned, &from.rows)).collect()
    }
}
