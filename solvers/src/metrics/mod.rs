//! What kernel distances need besides their formulas, which are in [`kantor_theory::bounds`]: a bandwidth.

mod bandwidth;

pub use bandwidth::{Bandwidth, UnknownBandwidth, kernel};
