//! From inputs and budgets to selections: one pass over the pool, then every method decides.

mod inputs;
mod write;

use std::time::Instant;

use kantor_solvers::kernels::scan;
use kantor_solvers::registry::{SELECTORS, selector};
use kantor_solvers::{Needs, SelectError, Selection, Settings, Stopped, Task, Watch};
use kantor_theory::{Cost, GeometryError};

use crate::certify::CertifyError;
use crate::data::DataError;
use crate::report::staging::OutputError;

pub use inputs::{InputSpec, Inputs};
pub use write::{Run, write};

/// Pool rows per block of a pass: large enough for the matrix product, small enough to stay in cache.
const BLOCK: usize = 1024;

/// Why nothing was selected.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An input cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Pool, queries and cost do not go together.
    #[error("{0}")]
    Geometry(#[from] GeometryError),
    /// No method has this name.
    #[error("unknown method `{name}`; known: {known}")]
    UnknownMethod {
        /// The name given.
        name: String,
        /// All names.
        known: String,
    },
    /// The request makes no sense.
    #[error("{0}")]
    Request(String),
    /// Queries are in the pool and that was forbidden.
    #[error(
        "{0} query rows are also in the pool: remove them from the pool, or allow it by leaving out --forbid-overlap"
    )]
    Overlap(usize),
    /// A method failed.
    #[error(transparent)]
    Selector(#[from] SelectError),
    /// A distance could not be certified.
    #[error(transparent)]
    Certify(#[from] CertifyError),
    /// The result cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl From<Stopped> for Error {
    fn from(stopped: Stopped) -> Self {
        Error::Selector(stopped.into())
    }
}

/// What to select, from inputs already open.
#[derive(Debug, Clone)]
pub struct Request {
    /// Names of methods, as `kantor methods` lists them.
    pub methods: Vec<String>,
    /// Numbers of rows to choose.
    pub budgets: Vec<usize>,
    /// Pairwise cost.
    pub cost: Cost,
    /// Parameters of the methods.
    pub settings: Settings,
    /// Seed of every random choice.
    pub seed: u64,
    /// Bytes that may be used beyond the input.
    pub memory: u64,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            methods: vec!["round-robin".to_owned()],
            budgets: Vec::new(),
            cost: Cost::default(),
            settings: Settings::default(),
            seed: 0,
            memory: u64::MAX,
        }
    }
}

/// What one method chose, for every budget.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// Name of the method.
    pub method: String,
    /// Whether smaller budgets are prefixes of larger ones.
    pub nested: bool,
    /// One selection per budget, in the order of the budgets.
    pub selections: Vec<Selection>,
    /// Wall-clock seconds of the method's own work.
    pub seconds: f64,
}

/// What all methods chose.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// In the order of the methods.
    pub chosen: Vec<Chosen>,
    /// Wall-clock seconds of the shared pass over the pool.
    pub scan_seconds: f64,
}

/// Chooses rows by every method for every budget, with one pass over the pool for what the methods share.
///
/// # Errors
/// If the request makes no sense for these inputs, a method cannot work on them, or `watch` asks to stop.
pub fn select(inputs: &Inputs, request: &Request, watch: &dyn Watch) -> Result<Outcome, Error> {
    let geometry = inputs.geometry(request.cost)?;
    let pool = geometry.pool_len();
    if request.methods.is_empty() || request.budgets.is_empty() {
        return Err(Error::Request("give at least one --method and one --budget".to_owned()));
    }
    if let Some(&budget) = request.budgets.iter().find(|&&budget| budget == 0 || budget > pool) {
        return Err(SelectError::Budget { budget, pool }.into());
    }
    let task = Task { geometry: &geometry, seed: request.seed, block: BLOCK, memory: request.memory, watch };
    let largest = request.budgets.iter().copied().max().unwrap_or(0);
    let mut selectors = Vec::new();
    for name in &request.methods {
        let entry = selector(name).ok_or_else(|| Error::UnknownMethod {
            name: name.clone(),
            known: SELECTORS.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", "),
        })?;
        selectors.push((entry.build)(&request.settings));
    }
    let needs = selectors.iter().fold(Needs::default(), |all, s| all.union(s.needs(&task, largest)));
    let begun = Instant::now();
    let findings = scan(&task, needs)?;
    let scan_seconds = begun.elapsed().as_secs_f64();
    let mut chosen = Vec::with_capacity(selectors.len());
    for selector in selectors {
        let begun = Instant::now();
        let selections = selector.select(&task, &findings, &request.budgets)?;
        chosen.push(Chosen {
            method: selector.name().to_owned(),
            nested: selector.nested(),
            selections,
            seconds: begun.elapsed().as_secs_f64(),
        });
    }
    Ok(Outcome { chosen, scan_seconds })
}
