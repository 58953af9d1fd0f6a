//! From masses to an order of rows: mass first, then closeness to the nearest query, then the lower row.
//!
//! Uniform masses take at most M+1 values, so without the second key most of the order would be the order of the
//! file. The closeness of a row to its nearest query is read off the lists wherever they settle it: a query that
//! does not list a row is no closer to it than to the last row that it lists.

use rayon::prelude::*;

use super::Tradeoff;
use crate::kernels::lists::Neighbour;
use crate::selector::{Findings, SelectError, Task};

/// The first `count` rows of the order.
///
/// Rows without mass come after all others, ranked by the same second key.
pub(crate) fn order(
    task: &Task<'_>,
    findings: &Findings,
    lists: &[Vec<Neighbour>],
    mass: &[f64],
    count: usize,
    tradeoff: &Tradeoff,
) -> Result<Vec<usize>, SelectError> {
    let mut rows: Vec<usize> = (0..mass.len()).filter(|&row| mass[row] > 0.0).collect();
    rows.sort_by(|&a, &b| mass[b].total_cmp(&mass[a]).then(a.cmp(&b)));
    let supported = rows.len();

    if tradeoff.compat_reference {
        rows.extend((0..mass.len()).filter(|&row| mass[row] <= 0.0).take(count.saturating_sub(supported)));
        rows.truncate(count);
        return Ok(rows);
    }

    // Only rows that share their mass with another row, in classes that reach into the first `count`, need the key.
    let mut tied = Vec::new();
    let mut cut = 0;
    for class in rows.chunk_by(|&a, &b| mass[a] == mass[b]) {
        if cut >= count {
            break;
        }
        if class.len() > 1 {
            tied.push(cut..cut + class.len());
        }
        cut += class.len();
    }
    rows.truncate(cut);
    let closest = Closest::new(lists, mass.len());
    for class in tied {
        task.watch.advance(0)?;
        let class = &mut rows[class];
        let mut keyed: Vec<(f64, usize)> = class.par_iter().map(|&row| (closest.of(task, row), row)).collect();
        keyed.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for (slot, (_, row)) in class.iter_mut().zip(keyed) {
            *slot = row;
        }
    }
    rows.truncate(count);

    if rows.len() < count {
        let Some(best) = &findings.row_best else {
            return Err(SelectError::Unsupported {
                method: "knn",
                fault: "was not given the closest query of every row: answer its needs first",
            });
        };
        // The first `count` rows by closeness hold at least count − supported rows without mass.
        let rest = best.top(task.geometry, count).into_iter().map(|(row, _)| row).filter(|&row| mass[row] <= 0.0);
        let missing = count - rows.len();
        rows.extend(rest.take(missing));
    }
    Ok(rows)
}

/// What the lists say about the closeness of every row to its nearest query.
struct Closest {
    /// Closeness to the nearest query that lists the row.
    listed: Vec<f64>,
    /// No query that does not list the row is closer than this.
    unlisted: Vec<f64>,
}

impl Closest {
    fn new(lists: &[Vec<Neighbour>], pool: usize) -> Self {
        // A query that lists the whole pool leaves nothing unlisted.
        let radius = |list: &Vec<Neighbour>| match list.last() {
            Some(last) if list.len() < pool => last.closeness,
            _ => f64::NEG_INFINITY,
        };
        let mut by_radius: Vec<(f64, &Vec<Neighbour>)> = lists.iter().map(|list| (radius(list), list)).collect();
        by_radius.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut listed = vec![f64::NEG_INFINITY; pool];
        let mut first_gap = vec![0; pool];
        for (position, (_, list)) in by_radius.iter().enumerate() {
            for neighbour in *list {
                listed[neighbour.row] = listed[neighbour.row].max(neighbour.closeness);
                if first_gap[neighbour.row] == position {
                    first_gap[neighbour.row] = position + 1;
                }
            }
        }
        let unlisted = first_gap.iter().map(|&gap| by_radius.get(gap).map_or(f64::NEG_INFINITY, |r| r.0)).collect();
        Self { listed, unlisted }
    }

    fn of(&self, task: &Task<'_>, row: usize) -> f64 {
        if self.listed[row] >= self.unlisted[row] {
            return self.listed[row];
        }
        let mut closeness = vec![0.0; task.geometry.query_len()];
        task.geometry.closeness_row(row, &mut closeness);
        closeness.into_iter().fold(f64::NEG_INFINITY, f64::max)
    }
}
