//! The exact solver of transport between given rows and the queries: a transportation problem with few sinks, solved by the
//! network simplex (module `simplex`).

mod capacity;
pub(crate) mod grid;
pub mod masses;
mod partial;
pub mod path;
pub(crate) mod simplex;
mod solver;
pub(crate) mod start;
pub mod transport;
pub(crate) mod tree;

pub use masses::{Masses, WeightError, gcd, masses};
pub(crate) use masses::{check_weights, masses_of};
pub use partial::partial;
pub use path::{Capped, capacity_path, capped};
pub use solver::{costs, exact};
pub use transport::{Shipment, Transport, TransportError, transport};
