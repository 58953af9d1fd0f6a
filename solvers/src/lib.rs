//! Selectors, which choose pool rows, and solvers of optimal transport.
//!
//! - [`scan`]: one pass over the pool
//! - [`relax`]: the relaxed problem of every objective, whose dual bounds all subsets
//! - [`select`]: the selectors, one file each
//! - [`transport`]: solvers of transport between given rows and queries
//! - [`density`]: kernel densities, and near-duplicates
//!
//! Nothing here reads files, prints, or decides what is certified. Data enters through [`kantor_theory::Rows`],
//! progress leaves through [`Watch`], and what is found goes up as a [`Selection`].
//!
//! The way of the data: a selector says by a [`ScanRequest`] what it needs of the pass over the pool. One blocked
//! [`scan`](scan::scan) answers the requests of all selectors. Each selector then decides on exact `f64` closeness and returns
//! its selections.

#![warn(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

pub mod admission;
pub mod bandwidth;
pub mod bandwidths;
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

pub use admission::{Admission, TokenAdmission, least_tokens};
pub use kantor_theory::simd;
pub use objective::ObjectiveSettings;
pub use relax::Optimum;
pub use scan::{PoolScan, ScanRequest};
pub use select::{Auto, Energy, KdeRatio, KnnKde, KnnTv, KnnUniform, Mmd, Selection, Selector, Swap, Tradeoff, Uot};
pub use settings::{SettingGroup, Settings};
pub use solver::{BuiltIn, Plan, Potentials, Residuals, Solution, SolveError, Solver, SolverSettings};
pub use task::{SelectError, Task};
pub use transport::divergence::{Divergence, sinkhorn_divergence};
pub use watch::{Quiet, Stopped, Watch};
