//! From masses to an order of rows: mass first, then closeness to the nearest query, then the lower row.
//!
//! Uniform masses take at most M+1 values, so without the second key most of the order would be the order of the
//! file. It is evaluated only for rows that may be among those asked for.
//!
//! With [`Sampling::Multinomial`] rows that have mass are drawn instead, without replacement and by the task's seed;
//! smaller draws are prefixes of larger ones, and rows without mass follow as above. (The published code of arXiv
//! 2410.11303 draws with replacement, which fills a budget with copies.)

use super::Tradeoff;
use crate::draw::{self, Sampling};
use crate::scan::PoolScan;
use crate::task::{SelectError, Task};

/// The first `count` rows of the order.
///
/// Rows without mass come after all others, ranked by the same second key.
pub(crate) fn order(
    task: &Task<'_>,
    scanned: &PoolScan,
    mass: &[f64],
    count: usize,
    tradeoff: &Tradeoff,
    method: &'static str,
) -> Result<Vec<usize>, SelectError> {
    let mut rows: Vec<usize> = (0..mass.len()).filter(|&row| mass[row] > 0.0).collect();
    rows.sort_by(|&a, &b| mass[b].total_cmp(&mass[a]).then(a.cmp(&b)));
    let supported = rows.len();
    let drawn = tradeoff.sampling == Sampling::Multinomial;
    let mut keys = Vec::new();
    if drawn {
        keys.extend(draw::gumbel(task.seed, mass.len()).zip(mass).map(|(noise, mass)| mass.ln() + noise));
        rows.sort_by(|&a, &b| keys[b].total_cmp(&keys[a]).then(a.cmp(&b)));
    }

    if tradeoff.compat_reference {
        rows.extend((0..mass.len()).filter(|&row| mass[row] <= 0.0).take(count.saturating_sub(supported)));
        rows.truncate(count);
        return Ok(rows);
    }

    let Some(best) = &scanned.row_best else {
        return Err(SelectError::Unsupported {
            method,
            fault: "was not given the closest query of every row: answer its needs first",
        });
    };
    let mut order = Vec::with_capacity(count);
    let tied = |&a: &usize, &b: &usize| if drawn { keys[a] == keys[b] } else { mass[a] == mass[b] };
    for class in rows.chunk_by(tied) {
        let open = count - order.len();
        if open == 0 {
            break;
        }
        task.watch.advance(0)?;
        match class {
            // A row with a mass of its own needs no second key.
            &[row] => order.push(row),
            _ => order.extend(best.top_of(task.geometry, class.iter().copied(), open).into_iter().map(|(row, _)| row)),
        }
    }
    let rest = (0..mass.len()).filter(|&row| mass[row] <= 0.0);
    order.extend(best.top_of(task.geometry, rest, count - order.len()).into_iter().map(|(row, _)| row));
    Ok(order)
}
