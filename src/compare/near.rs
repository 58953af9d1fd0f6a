//! Near-duplicates within selections: rows whose direction is nearly that of another chosen row, as `kantor inspect`
//! counts them.
//!
//! All rows that any method chose are searched once; a row that is near none of them is near none of its own selection.

use std::collections::BTreeSet;

use kantor_solvers::Watch;
use kantor_solvers::density::near::near_duplicates;
use kantor_theory::Rows;
use kantor_theory::cost::Family;
use kantor_theory::geometry::row_fault;

use crate::inspect::NearOptions;
use crate::pipeline::{Error, Inputs};

/// Share of the rows of each selection that are near another of them; nothing for a matrix, and for selections of more
/// rows than `kantor inspect` compares.
pub(super) fn shares(inputs: &Inputs, selections: &[&[usize]], watch: &dyn Watch) -> Result<Vec<Option<f64>>, Error> {
    let Some((pool, _)) = inputs.points() else { return Ok(vec![None; selections.len()]) };
    let NearOptions { cosine, rows: most } = NearOptions::default();
    let mut line = vec![0.0; pool.dim()];
    let mut has_direction = |row: &usize| {
        pool.read_row(*row, &mut line);
        row_fault(Family::Angle, &line).is_none()
    };
    let all: BTreeSet<usize> = selections.iter().copied().flatten().copied().filter(&mut has_direction).collect();
    let near = |rows: Vec<usize>| match rows.len() {
        0 | 1 => Ok(Vec::new()),
        _ => near_duplicates(pool, &rows, cosine, watch).map(|found| found.members),
    };
    let candidates: BTreeSet<usize> = match all.len() <= most {
        true => near(all.into_iter().collect())?.into_iter().collect(),
        false => all,
    };
    let share = |rows: &&[usize]| {
        let mut compared: Vec<usize> = rows.iter().copied().filter(|row| candidates.contains(row)).collect();
        compared.sort_unstable();
        let few = compared.len() <= most;
        few.then(|| Ok(near(compared)?.len() as f64 / rows.len() as f64)).transpose()
    };
    selections.iter().map(share).collect()
}
