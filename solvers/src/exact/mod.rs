//! Exact solvers: transport between a given subset and the queries, and the best subset of a given size.
//!
//! Both are transportation problems with few sinks, the queries, and both are solved by successive shortest paths on
//! the queries alone ([`exchange`]).

mod exchange;
mod holdings;
pub mod masses;
pub mod transport;

pub use masses::{Masses, WeightError, masses};
pub use transport::{Shipment, Transport, TransportError, transport};
