//! Rows that are much the same as others, near rows of a file, or like no query.

use std::path::{Path, PathBuf};

use kantor_solvers::scan::scan;
use kantor_solvers::{ScanRequest, Watch};
use kantor_theory::cost::Family;
use kantor_theory::{Column, Cost, Rows};

use super::alike::POOL;
use super::{Error, Inputs};
use crate::constraints::{Rules, duplicates};
use crate::problem::{Goal, Problem};
use crate::represent::{Side, TextRows};
use crate::source::column::ROW;
use crate::source::kind::holds_text;
use crate::source::memory::Claim;
use crate::source::{Allowance, DataError, JsonlRows, OnBadRow, OpenOptions, Representation};

/// Bytes that a row takes while rows that are much the same are looked for.
const CLUSTER: u64 = 160;

/// The rows that are equal, or with a cosine those that chains of pairs connect whose own is at least that: by the number of the first of
/// them, as stored. Rows that are alone have no label.
pub(super) fn clusters(
    cosine: Option<f64>,
    inputs: &Inputs,
    allowance: &Allowance,
    watch: &dyn Watch,
) -> Result<Column, Error> {
    let Some((pool, _)) = inputs.points() else {
        let fault = "--dedup compares rows: give --pool and --query instead of --similarity, or name a field that tells which \
                     rows are the same";
        return Err(Error::Request(fault.to_owned()));
    };
    let file = pool.files().first().map_or(Path::new("the pool"), |file| &file.path);
    let claimed = |bytes: u64| -> Result<Claim<'_>, DataError> {
        let mut claim = Claim::new(allowance, file);
        let bytes = bytes.saturating_mul(inputs.original_pool_len() as u64);
        claim.add(bytes, "looking for rows that are much the same", "allow more with --max-memory")?;
        Ok(claim)
    };
    let search = claimed(CLUSTER)?;
    let of = match cosine {
        Some(cosine) => duplicates::near(pool, cosine, watch)?,
        None => duplicates::equal(pool, watch)?,
    };
    let mut labels: Vec<Option<String>> = vec![None; inputs.original_pool_len()];
    for (row, first) in of.iter().enumerate() {
        labels[inputs.original_row(row)] = first.map(|first| inputs.original_row(first).to_string());
    }
    let column = Column::labels(labels.iter().map(Option::as_deref));
    drop(search);
    claimed(ROW)?.keep();
    Ok(column)
}

/// The rows of a file, and the pool rows (as stored) that have at least this cosine to one of them.
pub(super) fn near_rows(
    path: &PathBuf,
    cosine: f64,
    inputs: &Inputs,
    (options, text_rows): (&OpenOptions, Option<&TextRows>),
    allowance: &Allowance,
    watch: &dyn Watch,
) -> Result<(Representation, Vec<usize>), Error> {
    let Some((pool, _)) = inputs.points() else {
        let fault = "--exclude-near compares rows: give --pool and --query instead of --similarity";
        return Err(Error::Request(fault.to_owned()));
    };
    let file = std::slice::from_ref(path);
    let mut near = match (text_rows, inputs.examples()) {
        (Some(rows), Some(pool_text)) if holds_text(path, options) => {
            let lines = JsonlRows::scan_within(file, None, allowance, watch)?;
            rows.rows(pool_text, (&lines, Side::Pool), allowance, watch)?
        }
        _ => Representation::open_within(file, options, allowance)?,
    };
    near.validate(Family::Angle, OnBadRow::Error, watch).map_err(DataError::never_dropped)?;
    near.check_same_dim(pool)?;
    inputs.check_alike(&near, POOL)?;
    let closeness = largest_similarity(&Problem::new(pool, &near, cosines())?, watch)?;
    let rows = closeness.into_iter().filter(|(_, value)| *value >= cosine);
    let rows = rows.map(|(row, _)| inputs.original_row(row)).collect();
    Ok((near, rows))
}

/// How similarities are asked for.
fn cosines() -> Goal {
    Goal { cost: Cost::Cosine, ..Goal::default() }
}

/// The pool rows whose largest similarity to a query is below this; without a pool `queries` is a matrix.
pub(super) fn unlike_all_queries(
    least: f64,
    pool: Option<&dyn Rows>,
    queries: &dyn Rows,
    watch: &dyn Watch,
) -> Result<Vec<usize>, Error> {
    let problem = match pool {
        Some(pool) => Problem::new(pool, queries, cosines())?,
        None => Problem::from_matrix(queries, cosines())?,
    };
    let closeness = largest_similarity(&problem, watch)?;
    // What has no direction is like no query.
    let unlike = closeness.into_iter().filter(|(_, value)| value.is_nan() || *value < least);
    Ok(unlike.map(|(row, _)| row).collect())
}

/// The problem, whose rules exclude the rows that are like none of its own queries in place of those that are like none of others.
pub(crate) fn unlike_anew<'a>(problem: Problem<'a>, watch: &dyn Watch) -> Result<Problem<'a>, Error> {
    let Some(least) = problem.rules().and_then(Rules::least_similarity) else { return Ok(problem) };
    let unlike = unlike_all_queries(least, problem.pool(), problem.queries(), watch)?;
    Ok(problem.without_unlike(least, &unlike))
}

/// Every pool row with its largest similarity to the queries of `problem`.
fn largest_similarity(problem: &Problem<'_>, watch: &dyn Watch) -> Result<Vec<(usize, f64)>, Error> {
    let scanned = scan(&problem.task(0, u64::MAX, watch), ScanRequest { row_best: true, lists: 0 })?;
    let geometry = problem.geometry();
    Ok(scanned.row_best.map_or_else(Vec::new, |best| best.top(geometry, geometry.pool_len())))
}
