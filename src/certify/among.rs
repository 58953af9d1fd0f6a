//! Bounds among the subsets that obey constraints (T15), and with what rows are worth by themselves.

use kantor_theory::{
    BestBound, BestEvidence, DistanceBound, FeasibleSet, Geometry, Price, constrained_best_bound,
    constrained_distance_bound,
};

use super::{CertifyError, Terms, evidence, in_parallel};

/// As [`distance`](super::distance), for rows that obey the constraints of `set`; less its quality, if it has one. If tokens are its
/// budget, they weigh their lengths.
///
/// ```
/// use kantor::certify::{Certified, Terms, best_among, column_record, distance_among, facts_of};
/// use kantor::prelude::*;
/// use kantor::theory::constraints::{Column, Constraints, Counted, FeasibleSet, Limit, Price};
/// use kantor::theory::{sequential, verify};
/// let (pool, query) = (ndarray::array![[0.0], [0.1], [3.0]], ndarray::array![[0.0]]);
/// let (pool, query) = (ArrayRows::new(pool.view()), ArrayRows::new(query.view()));
/// let problem = Problem::new(&pool, &query, Goal { cost: Cost::Euclidean, ..Goal::default() })?;
/// let geometry = problem.geometry();
/// // At most one row from the web.
/// let source = Column::labels([Some("web"), Some("web"), Some("books")]);
/// let constraints = Constraints {
///     columns: vec![column_record("source", &source)],
///     limits: vec![Limit { column: 0, of: Counted::Label("web".into()), min: None, max: Some(1.0) }],
///     ..Constraints::default()
/// };
/// let set = FeasibleSet::new(&constraints, &[source.clone()], 3, &[])?;
/// let distance = distance_among(geometry, &Terms::default(), &[0, 2], &set)?;
/// let prices = [Price { limit: 0, label: None, price: 2.9 }];
/// let best = best_among(geometry, &Terms::default(), 2, vec![3.0], &set, &prices)?;
/// let certified = Certified::new(distance, Some(best))?;
/// assert!(certified.excess().is_some_and(|excess| excess < 1e-9));
///
/// let mut facts = facts_of(&problem);
/// let certificate = certified.certificate(&facts, None)?;
/// (facts.column_records, facts.columns) = (vec![column_record("source", &source)], vec![source]);
/// assert_eq!(verify(&certificate, &facts, geometry, &sequential).name(), "verified");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`distance`](super::distance), or if the rows break a constraint.
pub fn distance_among(
    geometry: &Geometry<'_>,
    terms: &Terms,
    rows: &[usize],
    set: &FeasibleSet,
) -> Result<DistanceBound, CertifyError> {
    // Before the transport is solved.
    set.check(rows)?;
    let terms = terms.clone().of_rows(Some(set), rows);
    let problem = terms.problem_among(geometry, rows.len(), set);
    let evidence = evidence(geometry, &terms, rows)?;
    Ok(constrained_distance_bound(geometry, &problem, rows, evidence, set, &in_parallel)?)
}

/// Proves how close any subset of `budget` rows can be that obeys the constraints of `set`, from evidence of the objective
/// and prices of limits; of any number of rows, if tokens are the budget of `set`. Looks at all rows.
///
/// # Errors
/// If the evidence or a price is refused.
pub fn best_among(
    geometry: &Geometry<'_>,
    terms: &Terms,
    budget: usize,
    evidence: impl Into<BestEvidence>,
    set: &FeasibleSet,
    prices: &[Price],
) -> Result<BestBound, CertifyError> {
    let problem = terms.problem_among(geometry, budget, set).of_every_subset();
    Ok(constrained_best_bound(geometry, &problem, evidence, set, prices, &in_parallel)?)
}
