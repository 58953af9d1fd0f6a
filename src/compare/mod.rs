//! Methods, budgets, costs and solvers side by side on one pool and query set.

mod near;
mod nearest;
mod overlap;
mod run;
mod solvers;
mod text;
mod warnings;
mod write;

pub use run::{ALL, CompareRequest, Compared, compare};
pub use solvers::Solvers;
pub use write::write;
