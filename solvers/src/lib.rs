//! What finds things: selectors and optimal-transport solvers.
//!
//! [`scan`] passes over the pool, [`select`] chooses (one selector a file), [`relax`] solves what is proved of all subsets,
//! [`transport`] solves given problems, [`density`] knows who is near to whom.
//!
//! Nothing here reads files, prints, or decides what is certified. Data enters through [`kantor_theory::Rows`],
//! progress leaves through [`Watch`], and what is found goes up as a [`Selection`].
//!
//! The way through: a selector says what it [`ScanRequest`] of the pool; one blocked [`scan`](scan::scan) collects the
//! needs of all selectors; each selector then decides on exact `f64` closeness and returns its selections.

#![warn(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

pub mod bandwidth;
pub mod density;
pub mod draw;
pub mod folds;
pub mod objective;
pub mod registry;
pub mod relax;
pub mod scan;
pub mod select;
pub mod settings;
pub mod solver;
pub mod task;
pub mod transport;
pub mod watch;
mod weights;

pub use kantor_theory::simd;
pub use objective::ObjectiveSettings;
pub use relax::Optimum;
pub use scan::{PoolScan, ScanRequest};
pub use select::{Energy, KdeRatio, KnnKde, KnnTv, KnnUniform, Mmd, Selection, Selector, Tradeoff, Uot};
pub use settings::{SettingGroup, Settings};
pub use solver::{BuiltIn, Plan, Potentials, Residuals, Solution, SolveError, Solver, SolverSettings};
pub use task::{SelectError, Task};
pub use transport::divergence::{Divergence, sinkhorn_divergence};
pub use watch::{Quiet, Stopped, Watch};
