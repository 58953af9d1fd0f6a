//! What finds things: selectors and optimal-transport solvers, each family in its own folder.
//!
//! Nothing here reads files, prints, or decides what is certified. Data enters through [`kantor_theory::Rows`],
//! progress leaves through [`Watch`], and what is found goes up as a [`Selection`].
//!
//! The way through: a selector says what it [`ScanRequest`] of the pool; one blocked [`scan`](kernels::scan) collects the
//! needs of all selectors; each selector then decides on exact `f64` closeness and returns its selections.

#![warn(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

pub mod balanced;
pub mod bandwidth;
pub mod divergence;
pub mod draw;
pub mod evidence;
pub mod exact;
pub mod fixed_point;
pub mod folds;
pub mod greedy;
pub mod herding;
pub mod kde;
pub mod kernels;
pub mod knn;
pub mod linalg;
pub mod lowrank;
pub mod objective;
pub mod optimum;
pub mod registry;
pub mod screened;
pub mod selector;
pub mod settings;
pub mod sinkhorn;
pub mod sliced;
pub mod solver;
pub mod watch;
mod weights;

pub use divergence::{Divergence, sinkhorn_divergence};
pub use herding::{Energy, Mmd};
pub use kantor_theory::simd;
pub use kde::KnnKde;
pub use kde::ratio::KdeRatio;
pub use knn::Tradeoff;
pub use knn::tv::KnnTv;
pub use knn::uniform::KnnUniform;
pub use objective::ObjectiveSettings;
pub use optimum::Optimum;
pub use selector::{PoolScan, ScanRequest, SelectError, Selection, Selector, Task};
pub use settings::{SettingGroup, Settings};
pub use sinkhorn::Uot;
pub use solver::{BuiltIn, Plan, Potentials, Residuals, Solution, SolveError, Solver, SolverSettings};
pub use watch::{Quiet, Stopped, Watch};
