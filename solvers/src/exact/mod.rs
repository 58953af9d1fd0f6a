//! Exact solvers: transport between a given subset and the queries, and the best subset of a given size.
//!
//! Both are transportation problems with few sinks, the queries, and both are solved by successive shortest paths on
//! the queries alone (module `exchange`).

mod active;
pub mod budgeted;
mod candidates;
pub mod capacity;
mod exchange;
mod holdings;
pub mod masses;
pub mod selector;
pub mod transport;

pub use active::active_rows;
pub use budgeted::{Budgeted, Solved, needs, solve};
pub use capacity::{Capped, capacity_path, capped};
pub use masses::{Masses, WeightError, masses};
pub use selector::Optimal;
pub use transport::{Shipment, Transport, TransportError, transport};
