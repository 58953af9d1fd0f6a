//! Methods, budgets, costs and solvers side by side on one pool and query set.

mod record;

pub use record::{
    AgainstRandom, Comparison, GroupCoverage, NearestExample, NearestExamples, Overlap, Reference, Row, SCHEMA,
    SolverRow, Warning,
};
