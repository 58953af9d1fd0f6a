//! From a problem and a request to an outcome: one pass over the pool, then every method decides.

mod alike;
mod beside;
mod combinations;
mod crossfit;
mod doubts;
mod error;
mod every;
mod feasible;
mod forbid;
mod groups;
mod guard;
mod heldout;
mod idle;
mod inputs;
mod likeness;
mod listed;
mod order;
mod own;
mod prepared;
mod quality;
mod random;
mod records;
mod rules;
mod spec;
mod taken;
mod tasks;
mod text;
mod unseen;

use std::sync::atomic::{AtomicBool, Ordering};

use kantor_solvers::{Selection, Settings, Stopped, Watch};
use kantor_theory::{Objective, Quality, Status};
use serde::{Deserialize, Serialize};

use crate::certify::Certified;
use crate::constraints::LimitUse;
use crate::probe;
use crate::problem::{Goal, Problem};
use crate::source::InputRecord;
use crate::thread;

#[cfg(feature = "cli")]
pub(crate) use alike::QUERY;
pub use beside::Beside;
pub use crossfit::{HeldOut, Law};
#[cfg(feature = "cli")]
pub(crate) use doubts::IDLE_TENSOR;
pub use error::Error;
pub use every::ALL;
pub(crate) use every::every_method;
pub use forbid::ForbidOverlap;
pub use groups::GroupCoverage;
pub(crate) use groups::coverage;
#[cfg(feature = "cli")]
pub(crate) use guard::unless_explained;
pub use heldout::Means;
pub(crate) use heldout::{choose_and_measure, middle};
pub use inputs::Inputs;
pub(crate) use likeness::unlike_anew;
pub use order::Note;
#[cfg(feature = "cli")]
pub(crate) use order::OVERFIT;
pub(crate) use order::notes;
pub use own::Own;
pub use prepared::{Prepared, method};
pub use quality::QualitySpec;
pub(crate) use random::{Drawing, references};
pub use random::{RandomReference, cheap_draws};
pub use rules::{Dedup, RuleSpec, Tokens};
pub use spec::InputSpec;
pub use tasks::{Aggregate, QueryWeighting};
pub use unseen::{Behind, PairedBy, Standing, Unseen};

/// How a problem is worked on: by which methods, and what is proved.
///
/// ```
/// use kantor::prelude::*;
/// let settings = Uot { epsilon: 0.05, ..Uot::default() }.into();
/// let request = Request { methods: vec!["uot".into()], settings, ..Request::default() };
/// assert_eq!(request.settings.read::<Uot>().epsilon, 0.05);
/// ```
#[derive(Debug, Clone)]
pub struct Request {
    /// Names of methods, as `kantor methods` lists them, or of [`Request::own`].
    pub methods: Vec<String>,
    /// Selectors of the caller's; a name that is in the registry too means these.
    pub own: Vec<Own>,
    /// Whether to certify the distance of every selection.
    pub certify: bool,
    /// Whether to evaluate energy distances whatever that takes; else only where it takes little.
    pub energy: bool,
    /// Number of folds of the queries on which selections by the other folds are measured.
    pub cross_fit: Option<usize>,
    /// The group of every query, by any number, if every method is to balance its choice over these groups.
    pub balance: Option<Vec<usize>>,
    /// Random subsets of every budget by which distances are read, if they are certified.
    pub random: usize,
    /// Settings of the methods and the objective; of several, [`Settings::with`].
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
            own: Vec::new(),
            certify: true,
            energy: false,
            cross_fit: None,
            balance: None,
            random: 0,
            settings: Settings::default(),
            seed: 0,
            memory: probe::available_memory().unwrap_or(u64::MAX),
        }
    }
}

/// What a selection uses of a budget in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokensUsed {
    /// The number of rows.
    pub rows: usize,
    /// The tokens that they have.
    pub used: u64,
    /// The bound for all subsets is about those of at least so many tokens, and at most the budget.
    pub least: u64,
}

/// One selection and what was proved of it.
#[derive(Debug, Clone)]
pub struct ProvedSelection {
    /// The budget that it was chosen for: its number of rows, unless tokens are counted.
    pub budget: usize,
    /// What it uses of the budget, if tokens are counted.
    pub tokens: Option<TokensUsed>,
    /// The rows.
    pub selection: Selection,
    /// Their distance, unless nobody asked for a proof.
    pub certified: Option<Certified>,
    /// For each row the closest query, and the cost between the two.
    pub nearest: Vec<(usize, f64)>,
    /// For each query the closest row of the pool that was chosen, and the cost between the two.
    pub nearest_rows: Vec<(usize, f64)>,
    /// What the rows use of every limit that they obey.
    pub limits: Vec<LimitUse>,
    /// The mean of their quality, if a column says what it is.
    pub mean_quality: Option<f64>,
    /// Other distances of the same rows, unless nobody asked for a proof.
    pub beside: Option<Beside>,
    /// What selections by some of the queries are worth for the others, if asked for.
    pub held_out: Option<HeldOut>,
    /// Wall-clock seconds of the proof.
    pub seconds: f64,
}

impl ProvedSelection {
    /// At most the distance of every subset of its size, if that was proved; less quality, where that counts.
    pub fn best(&self) -> Option<f64> {
        Some(self.certified.as_ref()?.best()?.lower())
    }

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
    /// Whether the method minimises the objective over the choices that obey; `None` without constraints.
    pub minimises: Option<bool>,
    /// One selection per budget, in the order of the budgets.
    pub selections: Vec<ProvedSelection>,
    /// Wall-clock seconds of the method's own work.
    pub seconds: f64,
    /// Processor seconds of this process meanwhile; digests of the input files may be among them.
    pub cpu_seconds: f64,
    /// Largest resident memory of this process by then, in bytes.
    pub peak_memory: Option<u64>,
}

/// What all methods chose. [`record`](Outcome::record) makes a serialisable record of it, [`save`](Outcome::save) writes it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was asked.
    pub goal: Goal,
    /// Whether budgets are in tokens.
    pub in_tokens: bool,
    /// What the chosen rows obey, one phrase for each rule.
    pub constraints: Vec<String>,
    /// What rows are worth by themselves, if a column says so.
    pub quality: Option<Quality>,
    /// Whether some queries count for more than others.
    pub weighted: bool,
    /// The tasks that the queries are, and what each counts of a total of 1; none if there is one.
    pub tasks: Vec<(String, f64)>,
    /// What the tasks are together.
    pub aggregate: Aggregate,
    /// How it was worked on.
    pub request: Request,
    /// The input files with their digests; none if the rows are not from files.
    pub inputs: Vec<InputRecord>,
    /// Rows of the pool.
    pub pool_rows: usize,
    /// Rows of the queries.
    pub query_rows: usize,
    /// Which distance was certified, the bandwidth of its kernel found.
    pub objective: Objective,
    /// Random subsets of each budget, as many as were asked for.
    pub random: Vec<RandomReference>,
    /// Methods on seen and on unseen queries, by budget, if [`Request::cross_fit`] asks for it.
    pub unseen: Vec<Unseen>,
    /// Whether groups of queries could not be kept together in the folds of that.
    pub splits_groups: bool,
    /// In the order of the methods.
    pub chosen: Vec<Chosen>,
    /// Wall-clock seconds of the shared pass over the pool.
    pub scan_seconds: f64,
    /// Wall-clock seconds of the bounds for all subsets.
    pub best_seconds: f64,
    /// Wall-clock seconds of cross-fitting.
    pub cross_fit_seconds: f64,
}

impl Outcome {
    /// All selections, by method, then budget.
    pub fn selections(&self) -> impl Iterator<Item = (&Chosen, &ProvedSelection)> {
        self.chosen.iter().flat_map(|chosen| chosen.selections.iter().map(move |proved| (chosen, proved)))
    }
}

/// Chooses rows of files by every method for every budget; as [`choose`], with the files described by digest.
///
/// The input files are digested meanwhile, unless there is one thread only: much of the choosing is one chain of steps
/// that leaves processors idle.
///
/// ```
/// use kantor::prelude::*;
/// let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
/// let (pool, query) = (vec![data.join("pool.embed.npy")], vec![data.join("query_gsm8k.embed.npy")]);
/// let inputs = Inputs::open(&InputSpec { pool, query, ..InputSpec::default() }, Cost::Cosine, &Quiet)?;
/// let goal = Goal { budgets: vec![20], ..Goal::default() };
/// let request = Request { methods: vec!["doubly-greedy".into()], ..Request::default() };
/// let outcome = kantor::select(&inputs, &goal, &request, &Quiet)?;
/// for (chosen, proved) in outcome.selections() {
///     println!("{}: rows {:?}, {}", chosen.method, proved.selection.rows, proved.status());
/// }
/// assert_eq!(outcome.inputs[0].rows, 5005);
/// # Ok::<_, kantor::pipeline::Error>(())
/// ```
///
/// # Errors
/// If the request makes no sense for these inputs, a method cannot work on them, or `watch` asks to stop.
pub fn select(inputs: &Inputs, goal: &Goal, request: &Request, watch: &dyn Watch) -> Result<Outcome, Error> {
    inputs.guarded(watch, |watch| select_beside_digests(inputs, goal, request, watch))
}

fn select_beside_digests(inputs: &Inputs, goal: &Goal, request: &Request, watch: &dyn Watch) -> Result<Outcome, Error> {
    let choose = || {
        let problem = inputs.problem(goal.clone())?;
        let problem = if request.certify { problem.with_cache() } else { problem };
        let problems = [problem];
        let (methods, _) = every_method(&problems, request, watch);
        choose_from(inputs, &problems[0], &Request { methods, ..request.clone() }, watch)
    };
    if rayon::current_num_threads() == 1 {
        let outcome = choose()?;
        return Ok(Outcome { inputs: inputs.records(request.certify, watch)?, ..outcome });
    }
    let abandoned = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let helper = thread::builder().spawn_scoped(scope, || inputs.records(request.certify, &Unless(&abandoned)));
        let choice = choose();
        abandoned.store(choice.is_err(), Ordering::Relaxed);
        // Why nothing was chosen goes first: the records were then stopped.
        let outcome = choice?;
        let records = match helper {
            Ok(helper) => helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            // The system gives no more threads.
            Err(_) => inputs.records(request.certify, watch),
        };
        Ok(Outcome { inputs: records?, ..outcome })
    })
}

/// As [`choose`] for a problem of these inputs, whose files errors name.
///
/// # Errors
/// As [`choose`].
pub(crate) fn choose_from(
    inputs: &Inputs,
    problem: &Problem<'_>,
    request: &Request,
    watch: &dyn Watch,
) -> Result<Outcome, Error> {
    let outcome = choose(problem, &inputs.within(request), watch);
    let outcome = outcome.map_err(|error| inputs.named(error, problem.goal().cost))?;
    Ok(Outcome { request: request.clone(), tasks: inputs.tasks(), ..outcome })
}

/// Chooses rows of any pool, in memory or elsewhere, by every method for every budget, with one pass over the pool for
/// what the methods share, and proves how good they are. No file is read or described. With [`Problem::with_cache`],
/// proofs look at no row twice.
///
/// ```
/// use kantor::prelude::*;
/// let rows = |values| DenseRows::from_f64(2, values).ok_or("rows of two numbers");
/// let (pool, query) = (rows(vec![1.0, 0.0, 0.8, 0.6, 0.0, 1.0])?, rows(vec![0.9, 0.1])?);
/// let problem = Problem::new(&pool, &query, Goal { budgets: vec![1, 2], ..Goal::default() })?;
/// let outcome = choose(&problem, &Request::default(), &Quiet)?;
/// assert_eq!(outcome.chosen[0].selections[1].selection.rows, [0, 1]);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the request makes no sense here, a row of the pool cannot be measured, a method cannot work on it, or `watch` asks
/// to stop.
pub fn choose(problem: &Problem<'_>, request: &Request, watch: &dyn Watch) -> Result<Outcome, Error> {
    // What methods share is not kept for cross-fitting, which shares by fold.
    let choice = Prepared::new(problem, request, watch)?.choose_all(request, &problem.goal().budgets)?;
    let outcome = crossfit::measure(problem, choice, watch)?;
    let of = Drawing {
        budgets: &problem.goal().budgets,
        draws: if request.certify { request.random } else { 0 },
        objective: outcome.objective,
        seed: request.seed,
        memory: request.memory,
    };
    let best = |at: usize| outcome.chosen.iter().find_map(|chosen: &Chosen| chosen.selections[at].best());
    let random = references(problem, &of, best, watch)?;
    Ok(Outcome { random, ..outcome })
}

/// Stops work in the background once there is no use for it.
struct Unless<'a>(&'a AtomicBool);

impl Watch for Unless<'_> {
    fn begin(&self, _stage: &str, _total: u64) {}

    fn advance(&self, _units: u64) -> Result<(), Stopped> {
        if self.0.load(Ordering::Relaxed) { Err(Stopped) } else { Ok(()) }
    }
}
