//! What a distance between a subset and queries implies for a loss, with which constants, and when it implies nothing.
//!
//! Every function names its theorem; `theory/notes/<id>.md` states and proves it. Numbers leave as a [`Bound`], which
//! carries its kind and its assumptions and can be made only here. What the inputs contradict leaves as a [`Refusal`].
//!
//! Symbols: S subset (k rows, weights w), Q queries (M rows), P the law of the queries, l the loss of one trained model
//! at a point, R_S, R_Q, R_P its means, d a metric with diameter D, L the Lipschitz constant of l in d, B = max l − min l.
//! Nothing here solves, draws or iterates over data that it was not given: plans, resampled distances and losses come
//! in as arguments.

pub mod assumption;
pub mod bound;
pub mod bracket;
pub mod capacity;
pub mod cloud;
pub mod composite;
pub mod cross_fit;
pub mod dimension;
pub mod domain;
pub mod gradients;
pub mod heldout;
pub mod kernel;
pub mod lipschitz;
pub mod lower;
pub mod metric;
pub mod objective;
pub mod partial;
pub mod projection;
pub mod rates;
pub mod reference;

pub mod selectors;
pub mod theorem;

pub use assumption::{Assumption, Refusal};
pub use bound::{Bound, Kind};
pub use cloud::{Cloud, Pairs};
pub use metric::{Metric, MetricDistance};
pub use objective::LossObjective;
pub use theorem::Theorem;
