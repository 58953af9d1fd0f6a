//! What is true: the nouns of subset–query transport and the rules that hold for them.
//!
//! This crate is the bottom layer. It reads no file, starts no thread, draws no random number and runs no
//! iterative method; it says what a cost is, evaluates it in `f64` with a stated error, and decides what evidence
//! proves. The solvers above it find things; whatever they find is believed only through this crate.
//!
//! Making a certificate: find potentials and a plan somehow, then [`distance_bound`] and [`best_bound`] say what they
//! prove and [`Certificate::new`] writes it down. Checking one: [`Certificate::parse`], then [`verify`].

#![warn(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

pub mod bounds;
mod cache;
pub mod certificate;
pub mod checker;
pub mod constraints;
pub mod conventions;
pub mod cost;
pub mod cost_bounds;
pub mod dot;
mod fault;
pub mod generalization;
pub mod geometry;
mod identity;
pub mod json;
pub mod kernel;
mod matrix;
mod picked;
pub mod plan;
pub mod rejection;
pub mod rounding;
pub mod rows;
pub mod simd;
pub mod statement;
pub mod status;
pub mod tokens;
pub mod transport_problem;

pub use bounds::{
    BestBound, BestEvidence, Candidates, DistanceBound, DistanceEvidence, Executor, Interval, KernelMeans, LimitEnd,
    NearestDistances, NewRow, PricedEnd, Screened, Sensitivity, Witness, best_bound, constrained_best_bound,
    constrained_distance_bound, distance_bound, excess, kernel_means, mean_difference, nearest_distances, sequential,
    shift_holds, transport_at_least,
};
pub use certificate::Certificate;
pub use checker::{Facts, Proved, Verdict, verify};
pub use constraints::{Column, Constraints, FeasibleSet, Price, Quality};
pub use cost::Cost;
pub use cost_bounds::{CostBounds, Power};
pub use geometry::{Geometry, GeometryError};
pub use identity::GeometryId;
pub use kernel::{Kernel, KernelError, KernelName};
pub use picked::{PickedColumns, PickedRows};
pub use plan::SparsePlan;
pub use rejection::Rejection;
pub use rows::{DenseRows, Element, JoinedRows, Rows};
pub use statement::{Objective, Statement, Weights};
pub use status::Status;
pub use tokens::TokenBudget;
pub use transport_problem::TransportProblem;
