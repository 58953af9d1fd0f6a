//! What is wrong with input that cannot be measured: rows, entries of a matrix, and sides that do not go together.

use crate::cost::{Cost, Family};
use crate::dot;
use crate::rows::Element;

/// Squared norms outside this range are refused: inside it no product of two norms over- or underflows.
pub const SQUARED_NORM_RANGE: (f64, f64) = (1e-140, 1e140);

/// The largest size of a given cost to the power p: that of a squared distance of points, about, so that neither sums nor
/// differences of costs overflow, however many there are.
pub const LARGEST_COST: f64 = 1e280;

/// The largest given cost that can be squared: the root of [`LARGEST_COST`].
pub const LARGEST_SQUARED_COST: f64 = 1e140;

/// Why pool and queries make no geometry.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GeometryError {
    /// One side has no rows.
    #[error("the {0} has no rows")]
    Empty(&'static str),
    /// The two sides have different dimensions.
    #[error("the pool has {pool} columns but the queries have {query}")]
    Dimensions {
        /// Columns of the pool.
        pool: usize,
        /// Columns of the queries.
        query: usize,
    },
    /// A row cannot be measured under this cost.
    #[error("{side} row {row} {fault}")]
    BadRow {
        /// `pool` or `query`.
        side: &'static str,
        /// Which row.
        row: usize,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// An entry of a given matrix is no similarity or cost.
    #[error("the entry of query {query} and pool row {pool} of the matrix is {value}, which {fault}")]
    BadEntry {
        /// Its row.
        query: usize,
        /// Its column.
        pool: usize,
        /// The entry.
        value: f64,
        /// What is wrong with it, and the remedy.
        fault: &'static str,
    },
    /// The cost does not go with this kind of input.
    #[error("cost `{cost}` {fault}")]
    WrongCost {
        /// The cost asked for.
        cost: Cost,
        /// Why it does not fit.
        fault: &'static str,
    },
}

/// Says what is wrong with a row under a cost family, if anything.
///
/// Under the angle family a zero row has no direction; under both point families the squared norm must be finite
/// and its products with another must not overflow ([`SQUARED_NORM_RANGE`]).
pub fn row_fault(family: Family, row: &[f64]) -> Option<&'static str> {
    let squared = dot::dot(row, row);
    if (SQUARED_NORM_RANGE.0..=SQUARED_NORM_RANGE.1).contains(&squared) {
        // No term of a finite sum of squares is anything else.
        return None;
    }
    if row.iter().any(|x| !x.is_finite()) {
        return Some("holds a value that is not finite");
    }
    match family {
        Family::Given => None,
        Family::Angle if row.iter().all(|&x| x == 0.0) => Some("is zero, so its direction is undefined"),
        Family::Angle if squared < SQUARED_NORM_RANGE.0 => Some("is too small to normalise: rescale the rows"),
        _ if squared.is_nan() || squared > SQUARED_NORM_RANGE.1 => {
            Some("is too large, its squared norm overflows: rescale the rows")
        }
        _ => None,
    }
}

/// How far outside [−1, 1] an entry of a matrix of cosines may lie that is stored in this type.
///
/// The cosine of a row with a copy of itself exceeds one by what was rounded on the way. Rows that were normalised in
/// the stored type leave up to two of its roundings in their product: 2ε, ε the distance from one to the next number. A sum
/// of d products in single precision, in which cosines are commonly computed whatever they are stored in, errs by about
/// √d roundings, as they have either sign: 2⁻¹⁸ is 64 of them, for d up to 4,096. What is farther out is no cosine.
pub fn cosine_allowance(element: Element) -> f64 {
    2.0 * element.epsilon() + (-18f64).exp2()
}

/// The largest size that an entry of a given matrix may have under a cost: that of a cosine, up to
/// [`cosine_allowance`], or [`LARGEST_COST`].
pub fn largest_entry(cost: Cost, element: Element) -> f64 {
    match cost.family() {
        Family::Angle => 1.0 + cosine_allowance(element),
        Family::Distance | Family::Given => LARGEST_COST,
    }
}

/// Says what is wrong with an entry of a given matrix, stored in this type, under a cost; nothing if it is no larger than
/// [`largest_entry`].
pub fn entry_fault(cost: Cost, element: Element, entry: f64) -> Option<&'static str> {
    if !entry.is_finite() {
        Some("is not finite: compute the matrix again")
    } else if entry.abs() <= largest_entry(cost, element) {
        None
    } else if cost.family() == Family::Angle {
        Some("is no cosine, as it lies outside [−1, 1]: normalise the rows whose products these are, or give costs")
    } else {
        Some("is too large for a cost, beyond 1e280 sums of costs overflow: rescale the costs")
    }
}

/// What is wrong with a cost beyond [`LARGEST_SQUARED_COST`] where costs are squared.
pub(crate) const LARGE_COST: &str = "is too large to be squared, beyond 1e140 sums of squares overflow: rescale the costs, or \
                                     take p = 1";

/// What is wrong with a negative cost where costs are squared.
pub(crate) const NEGATIVE_COST: &str = "is negative, but W₂ needs costs that are not, as squares would forget their signs: take \
                                        p = 1, or give other costs";
