//! Methods, budgets, costs and solvers side by side on one pool and query set.

mod map;
mod near;
mod nearest;
mod overlap;
mod queries;
mod run;
mod solvers;
mod text;
mod unseen;
mod warnings;
mod write;

pub use run::{CompareRequest, Compared, compare};
pub use solvers::Solvers;
pub use write::{REPORT, write};
