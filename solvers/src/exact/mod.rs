//! Exact solvers: transport between a given subset and the queries, and the best subset of a given size.
//!
//! Both are transportation problems with few sinks, the queries. A given subset is solved by the network simplex
//! (module `simplex`), the choice of one by successive shortest paths on the queries alone (module `exchange`).

pub mod budgeted;
mod candidates;
mod capacity;
mod exchange;
mod grid;
mod holdings;
pub mod masses;
mod partial;
pub mod path;
pub mod selector;
mod simplex;
mod solver;
mod start;
pub mod transport;
mod tree;

pub use budgeted::{Budgeted, BudgetedOptima, needs, solve};
pub use masses::{Masses, WeightError, masses};
pub(crate) use masses::{check_weights, masses_of};
pub use partial::partial;
pub use path::{Capped, capacity_path, capped};
pub use selector::Optimal;
pub use solver::{costs, exact};
pub use transport::{Shipment, Transport, TransportError, transport};
