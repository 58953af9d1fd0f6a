//! A proof that a kernel stays positive semidefinite when its diagonal is lowered on some rows.
//!
//! Cholesky's factorisation in `f64` of a matrix B proves that B is almost positive semidefinite if it runs to its end: whatever
//! the order of the sums, its least eigenvalue is at least −γ/(1 − γ)·tr B with γ = (n + 1)u/(1 − (n + 1)u) (Demmel 1989; Rump
//! 2006). Here B holds lower ends of kernel values and a diagonal that is lower by more than that and by what the
//! ends are apart (`notes/T19.md`).
//!
//! Limit: ⅓n³ operations in `f64` from rows of [`PANEL`] columns, and 8n² bytes.

use std::ops::Range;

use crate::bounds::Executor;
use crate::bounds::blocks::gather;
use crate::cost_bounds::CostBounds;
use crate::dot;
use crate::geometry::Geometry;
use crate::kernel::Kernel;
use crate::rejection::Rejection;
use crate::rounding::{UNIT, add_up, mul_up, sub_down};

/// Columns that are eliminated together.
const PANEL: usize = 64;

/// Most rows, whose pairs take half a gigabyte.
const MOST: usize = 8192;

/// Whether it is proved that the kernel between these pool rows stays positive semidefinite when these numbers are taken from
/// its diagonal (T19); false too where rows or numbers are bad.
pub fn shift_holds(
    geometry: &Geometry<'_>,
    kernel: Kernel,
    rows: &[usize],
    shift: &[f64],
    executor: Executor<'_>,
) -> bool {
    rows.len() == shift.len()
        && shift.iter().all(|d| d.is_finite())
        && geometry.to_rows(rows).is_ok_and(|landmarks| check(&landmarks, kernel, shift, executor).is_ok())
}

/// Checks that K − diag(`shift`) is positive semidefinite, K the kernel between the rows that are the columns of `landmarks`.
pub(super) fn check(
    landmarks: &Geometry<'_>,
    kernel: Kernel,
    shift: &[f64],
    executor: Executor<'_>,
) -> Result<(), Rejection> {
    // The kernel alone is.
    if shift.iter().all(|&d| d <= 0.0) {
        return Ok(());
    }
    let n = shift.len();
    if n > MOST {
        return Err(Rejection::new("shift", format!("{n} rows are more than the {MOST} that are looked at")));
    }
    let (mut matrix, doubt) = lower_ends(landmarks, kernel, executor)?;
    let trace = shift.iter().fold(0.0, |sum, d| add_up(sum, (-sub_down(*d, 1.0)).max(0.0)));
    let terms = n as f64 + 2.0;
    // Four times the bound: room for the quotient and for its own rounding. Products that underflow err by far less than the last.
    let rounding = mul_up(4.0 * terms * UNIT, add_up(trace, 1.0));
    let slack = add_up(add_up(rounding, mul_up(terms, doubt)), 1e-290);
    for (at, d) in shift.iter().enumerate() {
        matrix[at * n + at] = sub_down(sub_down(1.0, *d), slack);
    }
    factorise(&mut matrix, n, executor)
}

/// Lower ends of the kernel for all pairs, on and below the diagonal, and a number ≥ how far any of them is from its upper end.
fn lower_ends(landmarks: &Geometry<'_>, kernel: Kernel, executor: Executor<'_>) -> Result<(Vec<f64>, f64), Rejection> {
    let defect = || Rejection::new("objective", "the rows are no points");
    let (values, norms) = landmarks.queries().ok_or_else(defect)?;
    let squares = CostBounds::squared_distance(landmarks).ok_or_else(defect)?;
    let n = norms.len();
    let dim = values.len() / n;
    let task = |index: usize| {
        let rows = index * PANEL..((index + 1) * PANEL).min(n);
        let (mut block, mut doubt) = (vec![0.0; rows.len() * rows.end], 0.0f64);
        let mut closeness = vec![0.0; rows.len() * PANEL];
        let (mut low, mut high) = (vec![0.0; PANEL], vec![0.0; PANEL]);
        let of = |span: Range<usize>| (&values[span.start * dim..span.end * dim], &norms[span]);
        let (x, x_norms) = of(rows.clone());
        for first in (0..rows.end).step_by(PANEL) {
            let columns = first..(first + PANEL).min(rows.end);
            let (y, y_norms) = of(columns.clone());
            let closeness = &mut closeness[..rows.len() * columns.len()];
            landmarks.closeness_between(x, x_norms, y, y_norms, closeness);
            for (line, out) in closeness.chunks_exact(columns.len()).zip(block.chunks_exact_mut(rows.end)) {
                if line.iter().any(|s| !s.is_finite()) {
                    return Err(Rejection::new("rows", "two rows of the witness have no finite closeness"));
                }
                let (low, high) = (&mut low[..line.len()], &mut high[..line.len()]);
                squares.ends(line, low, high);
                kernel.ends(low, high);
                // The greatest kernel value is that at the least distance.
                doubt = low.iter().zip(&*high).fold(doubt, |doubt, (up, down)| doubt.max(add_up(*up, -down)));
                out[columns.clone()].copy_from_slice(high);
            }
        }
        Ok((rows, block, doubt))
    };
    let merge = |total: &mut (Range<usize>, Vec<f64>, f64), (rows, block, doubt): (Range<usize>, Vec<f64>, f64)| {
        for (row, line) in rows.clone().zip(block.chunks_exact(rows.end)) {
            total.1[row * n..row * n + rows.end].copy_from_slice(line);
        }
        total.2 = total.2.max(doubt);
    };
    let (_, matrix, doubt) = gather(n.div_ceil(PANEL), executor, task, (0..0, vec![0.0; n * n], 0.0), merge)?;
    Ok((matrix, doubt))
}

/// Runs Cholesky's factorisation in place, of which only what stands on and below the diagonal is read; fails where a pivot is not
/// positive.
fn factorise(matrix: &mut [f64], n: usize, executor: Executor<'_>) -> Result<(), Rejection> {
    for start in (0..n).step_by(PANEL) {
        let panel = start..(start + PANEL).min(n);
        let (width, done) = (panel.len(), start);
        let eliminated: Vec<f64> = panel.clone().flat_map(|row| matrix[row * n..row * n + done].to_vec()).collect();
        // What is left of some rows in the columns of the panel.
        let left = |matrix: &[f64], rows: Range<usize>| {
            let mut left: Vec<f64> =
                rows.clone().flat_map(|row| &matrix[row * n + start..row * n + panel.end]).copied().collect();
            if done > 0 {
                let known: Vec<f64> = rows.clone().flat_map(|row| &matrix[row * n..row * n + done]).copied().collect();
                let mut products = vec![0.0; rows.len() * width];
                dot::dots(done, &known, &eliminated, &mut products);
                left.iter_mut().zip(&products).for_each(|(left, product)| *left -= product);
            }
            left
        };
        let mut corner = left(matrix, panel.clone());
        for at in 0..width {
            for column in 0..=at {
                let products: f64 = (0..column).map(|t| corner[at * width + t] * corner[column * width + t]).sum();
                let rest = corner[at * width + column] - products;
                corner[at * width + column] = if column < at {
                    rest / corner[column * width + column]
                } else if rest > 0.0 && rest.is_finite() {
                    rest.sqrt()
                } else {
                    let place =
                        format!("it is not shown to leave the kernel positive semidefinite (number {})", start + at);
                    return Err(Rejection::new("shift", place));
                };
            }
        }
        let below = panel.end;
        let (whole, factor) = (&*matrix, &corner);
        let task = |index: usize| {
            let rows = below + index * PANEL..(below + (index + 1) * PANEL).min(n);
            let mut left = left(whole, rows.clone());
            for line in left.chunks_exact_mut(width) {
                for column in 0..width {
                    let pivots = &factor[column * width..column * width + column];
                    let products: f64 = line.iter().zip(pivots).map(|(a, b)| a * b).sum();
                    line[column] = (line[column] - products) / factor[column * width + column];
                }
            }
            Ok(vec![(rows, left)])
        };
        let count = (n - below).div_ceil(PANEL);
        let blocks = gather(count, executor, task, Vec::new(), |all, part| all.extend(part))?;
        for (rows, block) in blocks.into_iter().chain([(panel.clone(), corner)]) {
            for (row, line) in rows.zip(block.chunks_exact(width)) {
                matrix[row * n + start..row * n + panel.end].copy_from_slice(line);
            }
        }
    }
    Ok(())
}
