//! Weights of both sides and the reference of the entropy, as an iteration reads them.
//!
//! Points without weight receive nothing under any penalty: they are left out before, and all weights are positive.

use kantor_theory::transport_problem::Reference;

use crate::transport::exact::{WeightError, check_weights};
use crate::weights::positive_shares;

/// Positive masses of N rows and M queries. The reference measure is r_ij = α_i β_j: both sides' masses for
/// [`Reference::Product`], ones for [`Reference::Counting`].
pub(crate) struct Measures {
    /// a (N).
    pub(crate) rows: Vec<f64>,
    /// ln(a_i/α_i) (N); empty if all are 0.
    pub(crate) surplus: Vec<f64>,
    /// b (M).
    pub(crate) queries: Vec<f64>,
    /// β (M).
    pub(crate) base: Vec<f64>,
    /// Mass of the reference on all pairs, those without weight included.
    pub(crate) reference: f64,
}

impl Measures {
    /// Uniform masses of rows and these of queries, against their product.
    pub(crate) fn of_queries(rows: usize, queries: Vec<f64>) -> Self {
        Self::new(vec![1.0 / rows as f64; rows], queries, Reference::Product, 0)
    }

    /// These masses; `pairs` is the number of all pairs.
    pub(crate) fn new(rows: Vec<f64>, queries: Vec<f64>, reference: Reference, pairs: usize) -> Self {
        match reference {
            Reference::Product => Self { rows, surplus: Vec::new(), base: queries.clone(), queries, reference: 1.0 },
            Reference::Counting => Self {
                surplus: rows.iter().map(|a| a.ln()).collect(),
                base: vec![1.0; queries.len()],
                rows,
                queries,
                reference: pairs as f64,
            },
        }
    }

    /// The same on the rows at these positions, with as much mass in all.
    pub(crate) fn among(&self, positions: &[usize]) -> Self {
        let total: f64 = positions.iter().map(|&at| self.rows[at]).sum();
        let rows = positions.iter().map(|&at| self.rows[at] / total).collect();
        let reference = if self.surplus.is_empty() { Reference::Product } else { Reference::Counting };
        Self::new(rows, self.queries.clone(), reference, positions.len() * self.queries.len())
    }

    /// α_i.
    pub(crate) fn row_base(&self, row: usize) -> f64 {
        if self.surplus.is_empty() { self.rows[row] } else { 1.0 }
    }
}

/// Weights of one side divided by their sum, uniform if none are given; and which are positive if some are not.
///
/// # Errors
/// If a weight is negative or not finite, or none is positive.
///
/// # Panics
/// If the number of weights is not the number of points.
pub(crate) fn shares(
    side: &'static str,
    weights: Option<&[f64]>,
    count: usize,
) -> Result<(Vec<f64>, Option<Vec<usize>>), WeightError> {
    if let Some(weights) = weights {
        assert!(weights.len() == count, "as many weights as points");
        check_weights(side, weights)?;
    }
    Ok(positive_shares(weights, count))
}
