//! Weights as whole numbers over one denominator, so that marginals add up exactly.

use kantor_theory::{TransportProblem, Weights};

use crate::weights::shares;

/// Largest common total of non-integer weights: far below overflow, and fine enough that weights which differ by
/// twelve orders of magnitude keep six digits.
const TOTAL: u64 = 1 << 62;

/// Whole masses of both sides with equal totals, proportional to the weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masses {
    /// Mass of every row.
    pub supply: Vec<u64>,
    /// Mass of every query.
    pub demand: Vec<u64>,
    /// Their common sum.
    pub total: u64,
}

/// Why weights make no measure.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WeightError {
    /// A weight is negative or not finite.
    #[error("{side} weight {index} is {value}: weights must be finite and not negative")]
    Bad {
        /// `row` or `query`.
        side: &'static str,
        /// Which one.
        index: usize,
        /// Its value.
        value: f64,
    },
    /// Nothing has weight.
    #[error("all {side} weights are zero")]
    Empty {
        /// `row` or `query`.
        side: &'static str,
    },
}

/// Whole masses for `rows` and `queries` points, uniform where no weights are given.
///
/// Weights that are whole numbers (uniform ones are) are represented exactly: a_i = w_i·B/gcd(A, B) and
/// b_j = v_j·A/gcd(A, B) for the sums A and B. Others are rounded to a total of at most 2⁶², with an error in L¹ of a
/// few 2⁻⁵³; a positive weight never becomes zero. Zero weights are allowed.
///
/// # Errors
/// If a weight is negative or not finite, or one side has no weight at all.
///
/// # Panics
/// If the number of weights is not the number of points.
pub fn masses(
    rows: usize,
    row_weights: Option<&[f64]>,
    queries: usize,
    query_weights: Option<&[f64]>,
) -> Result<Masses, WeightError> {
    let ones = vec![1.0; rows.max(queries)];
    let w = row_weights.unwrap_or(&ones[..rows]);
    let v = query_weights.unwrap_or(&ones[..queries]);
    assert!(w.len() == rows && v.len() == queries, "as many weights as points");
    for (side, weights) in [("row", w), ("query", v)] {
        check_weights(side, weights)?;
    }
    if let (Some(a), Some(b)) = (whole(w), whole(v)) {
        let common = gcd(a, b);
        if let Some(total) = (a / common).checked_mul(b).filter(|&total| total <= TOTAL) {
            let scaled = |weights: &[f64], factor: u64| weights.iter().map(|&x| x as u64 * factor).collect();
            return Ok(Masses { supply: scaled(w, b / common), demand: scaled(v, a / common), total });
        }
    }
    let total = match (whole(w), whole(v)) {
        (Some(sum), _) | (_, Some(sum)) if sum < TOTAL => TOTAL / sum * sum,
        _ => TOTAL,
    };
    Ok(Masses { supply: apportion(w, total), demand: apportion(v, total), total })
}

/// Whole masses of the rows and queries of a problem.
pub(crate) fn masses_of(problem: &TransportProblem<'_>) -> Result<Masses, WeightError> {
    let Weights { subset, query } = &problem.weights;
    masses(problem.row_count(), subset.as_deref(), problem.geometry.query_len(), query.as_deref())
}

/// Whether these are weights of a measure.
///
/// # Errors
/// If a weight is negative or not finite, or none is positive.
pub(crate) fn check_weights(side: &'static str, weights: &[f64]) -> Result<(), WeightError> {
    if let Some((index, &value)) = weights.iter().enumerate().find(|(_, x)| !x.is_finite() || **x < 0.0) {
        return Err(WeightError::Bad { side, index, value });
    }
    if weights.iter().all(|&x| x == 0.0) { Err(WeightError::Empty { side }) } else { Ok(()) }
}

/// The sum of weights that are all whole numbers, if it is below 2⁵³.
fn whole(weights: &[f64]) -> Option<u64> {
    let sum: f64 = weights.iter().sum();
    (sum < 9e15 && weights.iter().all(|x| x.fract() == 0.0)).then_some(sum as u64)
}

/// Whole numbers proportional to `weights` that sum to `total`; positive weights stay positive.
pub(crate) fn apportion(weights: &[f64], total: u64) -> Vec<u64> {
    if let Some(sum) = whole(weights).filter(|&sum| total.is_multiple_of(sum)) {
        return weights.iter().map(|&x| x as u64 * (total / sum)).collect();
    }
    let least = |&weight: &f64| u64::from(weight > 0.0);
    let mut masses: Vec<u64> = shares(Some(weights), weights.len())
        .iter()
        .zip(weights)
        .map(|(share, weight)| ((share * total as f64) as u64).max(least(weight)))
        .collect();
    let Some(at) = (0..masses.len()).max_by_key(|&i| (masses[i], std::cmp::Reverse(i))) else { return masses };
    // What rounding left over is about n·2⁻⁵³ of the total; the largest mass is at least total/n.
    let rest: u64 = masses.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, mass)| mass).sum();
    masses[at] = total.saturating_sub(rest);
    masses
}

/// The greatest common divisor.
pub fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_masses_are_exact() {
        let uniform = masses(6, None, 4, None).ok();
        assert_eq!(uniform, Some(Masses { supply: vec![2; 6], demand: vec![3; 4], total: 12 }));
    }

    #[test]
    fn positive_weights_stay_positive_and_sums_agree() {
        let w = [1e-12, 0.0, 1.0, 0.3, 1e-20];
        for masses in [masses(5, Some(&w), 3, None), masses(5, Some(&w), 3, Some(&[0.1, 1e300, 1e280]))] {
            let Ok(masses) = masses else { panic!("valid weights") };
            assert_eq!(masses.supply.iter().sum::<u64>(), masses.total);
            assert_eq!(masses.demand.iter().sum::<u64>(), masses.total);
            assert!(masses.supply.iter().zip(w).all(|(&mass, w)| (mass > 0) == (w > 0.0)));
            let error: f64 =
                masses.supply.iter().zip(w).map(|(&a, w)| (a as f64 / masses.total as f64 - w / 1.3).abs()).sum();
            assert!(error < 2e-12, "{error}");
        }
    }

    #[test]
    fn bad_weights_are_named() {
        let bad = masses(2, Some(&[1.0, f64::NAN]), 1, None);
        assert!(matches!(bad, Err(WeightError::Bad { side: "row", index: 1, .. })));
        assert_eq!(masses(1, None, 2, Some(&[0.0, 0.0])), Err(WeightError::Empty { side: "query" }));
    }
}
