//! Methods, budgets, costs and solvers side by side on one pool and query set.

mod near;
mod nearest;
mod overlap;
mod random;
mod record;
mod run;
mod solvers;
mod table;
mod text;
mod warnings;
mod write;

pub use crate::select::GroupCoverage;
pub use record::{
    AgainstRandom, Comparison, NearestExample, NearestExamples, Overlap, Reference, Row, SCHEMA, SolverRow, Warning,
};
pub use run::{ALL, Compared, Request, compare};
pub use solvers::Solvers;
pub use text::FIELDS;
pub use write::write;
