//! From inputs and budgets to selections: one pass over the pool, then every method decides.

mod beside;
mod crossfit;
mod groups;
mod inputs;
mod objective;
mod order;
mod write;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use kantor_solvers::balanced::Balanced;
use kantor_solvers::exact::{self, Solved};
use kantor_solvers::herding;
use kantor_solvers::kernels::{list_bytes, scan};
use kantor_solvers::registry::{SELECTORS, selector};
use kantor_solvers::{Findings, Needs, SelectError, Selection, Selector, Settings, Stopped, Task, Watch};
use kantor_theory::{BestBound, Cost, Geometry, GeometryError, Objective, Power, Status};

use crate::certify::{self, Certified, CertifyError, Nearest, Terms};
use crate::data::DataError;
use crate::report::manifest::InputRecord;
use crate::report::staging::OutputError;
use crate::report::{cpu, memory};

pub use beside::Beside;
pub use crossfit::HeldOut;
pub use groups::GroupCoverage;
pub(crate) use groups::coverage;
pub use inputs::{InputSpec, Inputs};
pub use objective::Target;
pub use order::Note;
pub(crate) use order::notes;
pub use write::{Run, write};
pub(crate) use write::{finish, manifest, named_groups, parameters, write_selections};

/// Pool rows per block of a pass: large enough for the matrix product, small enough to stay in cache.
pub(crate) const BLOCK: usize = 512;

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
    /// It would take more memory than allowed.
    #[error(
        "this takes about {needed} bytes beyond the input but --max-memory allows {allowed}: allow more, or ask for less"
    )]
    Memory {
        /// Bytes needed, roughly.
        needed: u64,
        /// Bytes allowed.
        allowed: u64,
    },
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
    /// Power p of the transport distances.
    pub power: Power,
    /// Which distance is certified.
    pub objective: Target,
    /// Whether to certify the distance of every selection.
    pub certify: bool,
    /// Whether to evaluate energy distances whatever that takes; else only where it takes little.
    pub energy: bool,
    /// Number of folds of the queries on which selections by the other folds are measured.
    pub cross_fit: Option<usize>,
    /// The group of every query, by any number, if every method is to balance its choice over these groups.
    pub balance: Option<Vec<usize>>,
    /// Parameters of the methods.
    pub settings: Settings,
    /// Seed of every random choice.
    pub seed: u64,
    /// Bytes that may be used beyond the input; by default what the system has to give.
    pub memory: u64,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            methods: vec!["round-robin".to_owned()],
            budgets: Vec::new(),
            cost: Cost::default(),
            power: Power::default(),
            objective: Target::default(),
            certify: true,
            energy: false,
            cross_fit: None,
            balance: None,
            settings: Settings::default(),
            seed: 0,
            memory: memory::available().unwrap_or(u64::MAX),
        }
    }
}

/// One selection and what was proved of it.
#[derive(Debug, Clone)]
pub struct Proved {
    /// The rows.
    pub selection: Selection,
    /// Their distance, unless nobody asked for a proof.
    pub certified: Option<Certified>,
    /// For each row the closest query, and the cost between the two.
    pub nearest: Vec<(usize, f64)>,
    /// For each query the cost to the closest row.
    pub query_costs: Vec<f64>,
    /// Other distances of the same rows, unless nobody asked for a proof.
    pub beside: Option<Beside>,
    /// What selections by some of the queries are worth for the others, if asked for.
    pub held_out: Option<HeldOut>,
    /// Wall-clock seconds of the proof.
    pub seconds: f64,
}

impl Proved {
    /// How it ended: what the search says if that is bad news, else what was proved.
    pub fn status(&self) -> Status {
        match &self.certified {
            Some(certified) if self.selection.status.is_success() => certified.status(),
            _ => self.selection.status,
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
    pub selections: Vec<Proved>,
    /// Wall-clock seconds of the method's own work.
    pub seconds: f64,
    /// Processor seconds of this process meanwhile; digests of the input files may be among them.
    pub cpu_seconds: f64,
    /// Largest resident memory of this process by then, in bytes.
    pub peak_memory: Option<u64>,
}

/// What all methods chose.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The input files with their digests.
    pub inputs: Vec<InputRecord>,
    /// Which distance was certified.
    pub objective: Objective,
    /// In the order of the methods.
    pub chosen: Vec<Chosen>,
    /// Wall-clock seconds of the shared pass over the pool.
    pub scan_seconds: f64,
    /// Wall-clock seconds of the bounds for all subsets.
    pub best_seconds: f64,
    /// Wall-clock seconds of cross-fitting.
    pub cross_fit_seconds: f64,
}

/// Bytes that the pass, its findings and the proof for `certified` rows of each budget (costs, and closeness
/// remembered) take beyond the input.
fn bytes(task: &Task<'_>, needs: Needs, objective: Objective, certified: usize, budgets: usize) -> u64 {
    let (n, m) = (task.geometry.pool_len(), task.geometry.query_len());
    let dim = task.geometry.points().map_or(0, |rows| rows.dim());
    let block = rayon::current_num_threads() * task.block.min(n) * 4 * (m + dim);
    let best = if needs.row_best { size_of::<u64>() * 2 * n } else { 0 };
    let lists = if needs.lists > 0 { list_bytes(task, needs.lists) } else { 0 };
    let proof = match objective {
        _ if certified == 0 => 0,
        Objective::W => (2 * size_of::<f64>() * certified * m) as u64,
        _ => herding::bytes(task, certified, budgets) + (size_of::<f64>() * certified * dim) as u64,
    };
    (block + best) as u64 + lists + proof
}

/// Proves for every budget how close any subset of that size can be, and leaves the best subsets in `findings`.
fn bests(
    task: &Task<'_>,
    objective: Objective,
    findings: &mut Findings,
    budgets: &[usize],
) -> Result<Vec<BestBound>, Error> {
    if objective != Objective::W {
        let (bounds, herded) = objective::bests(task, objective, budgets)?;
        findings.herded = herded;
        return Ok(bounds);
    }
    let solved = exact::solve(task, findings, budgets)?;
    let lists = solved.lists.as_ref().or(findings.lists.as_ref());
    let bounds = solved.budgets.iter().map(|found| certify::best(task.geometry, task.power, found, lists));
    let bounds = bounds.collect::<Result<_, _>>()?;
    findings.optimum = Some(solved);
    Ok(bounds)
}

/// Certifies the distance of a selection if that was asked for.
fn prove(
    task: &Task<'_>,
    request: &Request,
    objective: Objective,
    optimum: Option<&Solved>,
    bests: &[BestBound],
    selection: Selection,
) -> Result<Proved, Error> {
    if !request.certify {
        let Nearest { of_rows: nearest, of_queries: query_costs } = certify::nearest(task.geometry, &selection.rows);
        let (certified, beside, held_out) = (None, None, None);
        return Ok(Proved { selection, certified, nearest, query_costs, beside, held_out, seconds: 0.0 });
    }
    let begun = Instant::now();
    task.watch.advance(0)?;
    let terms = Terms { power: request.power, objective, ..Terms::default() };
    let solved = optimum.and_then(|solved| solved.budgets.iter().find(|found| found.rows == selection.rows));
    let found = solved.map(|found| certify::found_distance(task.geometry, request.power, found)).transpose()?.flatten();
    let distance = match found {
        Some(distance) => distance,
        None => {
            // What the search for the best subset looked at is of little use for another one.
            task.geometry.forget();
            certify::distance(task.geometry, &terms, &selection.rows)?
        }
    };
    let Nearest { of_rows: nearest, of_queries: query_costs } = certify::nearest(task.geometry, &selection.rows);
    let best = bests.iter().find(|best| best.budget() == selection.budget()).cloned();
    let beside =
        Some(Beside::of(task.geometry, &terms, distance.interval(), request.energy, &selection.rows, task.watch)?);
    let certified = Some(Certified { distance, best });
    let seconds = begun.elapsed().as_secs_f64();
    Ok(Proved { selection, certified, nearest, query_costs, beside, held_out: None, seconds })
}

/// Chooses rows by every method for every budget, with one pass over the pool for what the methods share.
///
/// The input files are digested meanwhile, unless there is one thread only: much of the choosing is one chain of steps
/// that leaves processors idle.
///
/// # Errors
/// If the request makes no sense for these inputs, a method cannot work on them, or `watch` asks to stop.
pub fn select(inputs: &Inputs, request: &Request, watch: &dyn Watch) -> Result<Outcome, Error> {
    if rayon::current_num_threads() == 1 {
        let outcome = select_only(inputs, request, watch)?;
        return Ok(Outcome { inputs: inputs.records(watch)?, ..outcome });
    }
    let abandoned = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let records = scope.spawn(|| inputs.records(&Unless(&abandoned)));
        let choice = select_only(inputs, request, watch);
        abandoned.store(choice.is_err(), Ordering::Relaxed);
        let records = records.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // Why nothing was chosen goes first: the records were then stopped.
        let outcome = choice?;
        Ok(Outcome { inputs: records?, ..outcome })
    })
}

/// As [`select`], without describing the input files.
///
/// # Errors
/// As [`select`].
pub(crate) fn select_only(inputs: &Inputs, request: &Request, watch: &dyn Watch) -> Result<Outcome, Error> {
    let geometry = inputs.geometry(request.cost)?;
    let geometry = if request.certify { geometry.remembering() } else { geometry };
    let choice = choose(inputs, &geometry, request, watch)?;
    crossfit::measure(inputs, request, watch, choice)
}

/// Stops work in the background once there is no use for it.
struct Unless<'a>(&'a AtomicBool);

impl Watch for Unless<'_> {
    fn begin(&self, _stage: &str, _total: u64) {}

    fn advance(&self, _units: u64) -> Result<(), Stopped> {
        if self.0.load(Ordering::Relaxed) { Err(Stopped) } else { Ok(()) }
    }
}

/// What all methods chose; the input files are not described.
fn choose(inputs: &Inputs, geometry: &Geometry<'_>, request: &Request, watch: &dyn Watch) -> Result<Outcome, Error> {
    let pool = geometry.pool_len();
    if request.methods.is_empty() || request.budgets.is_empty() {
        return Err(Error::Request("give at least one --method and one --budget".to_owned()));
    }
    if let Some(&budget) = request.budgets.iter().find(|&&budget| budget == 0 || budget > pool) {
        return Err(SelectError::Budget { budget, pool }.into());
    }
    if request.objective != Target::W && request.power != Power::One {
        return Err(Error::Request(format!("--p 2 goes with --objective w only, not with {}", request.objective)));
    }
    let objective = request.objective.objective(geometry, &request.settings)?;
    let task = Task { geometry, power: request.power, seed: request.seed, block: BLOCK, memory: request.memory, watch };
    let largest = request.budgets.iter().copied().max().unwrap_or(0);
    let mut selectors: Vec<Box<dyn Selector>> = Vec::new();
    for name in &request.methods {
        let entry = selector(name).ok_or_else(|| Error::UnknownMethod {
            name: name.clone(),
            known: SELECTORS.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", "),
        })?;
        let plain = (entry.build)(&request.settings);
        selectors.push(match &request.balance {
            Some(labels) => Box::new(Balanced::new(plain, labels)),
            None => plain,
        });
    }
    let transport = request.certify && objective == Objective::W;
    let proof = if transport { exact::needs(&task, largest) } else { Needs::default() };
    let needs = selectors.iter().fold(proof, |all, s| all.union(s.needs(&task, largest)));
    let certified = if request.certify { largest } else { 0 };
    let needed = bytes(&task, needs, objective, certified, request.budgets.len());
    if needed > request.memory {
        return Err(Error::Memory { needed, allowed: request.memory });
    }
    let begun = Instant::now();
    let mut findings = scan(&task, needs)?;
    inputs.check_suspects(request.cost, &findings.suspects)?;
    let scan_seconds = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let bests = if request.certify { bests(&task, objective, &mut findings, &request.budgets)? } else { Vec::new() };
    let best_seconds = begun.elapsed().as_secs_f64();
    let mut chosen = Vec::with_capacity(selectors.len());
    for selector in selectors {
        let (begun, cpu_begun) = (Instant::now(), cpu::seconds());
        let selections = selector.select(&task, &findings, &request.budgets)?;
        let (seconds, cpu_seconds) = (begun.elapsed().as_secs_f64(), cpu::seconds() - cpu_begun);
        let optimum = findings.optimum.as_ref();
        let selections =
            selections.into_iter().map(|selection| prove(&task, request, objective, optimum, &bests, selection));
        chosen.push(Chosen {
            method: selector.name().to_owned(),
            nested: selector.nested(),
            selections: selections.collect::<Result<_, Error>>()?,
            seconds,
            cpu_seconds,
            peak_memory: memory::peak(),
        });
    }
    Ok(Outcome { inputs: Vec::new(), objective, chosen, scan_seconds, best_seconds, cross_fit_seconds: 0.0 })
}
