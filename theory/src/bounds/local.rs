//! A bound below every subset under a local kernel: most rows count for themselves alone (T19, `notes/T19.md`).
//!
//! A subset p has p_i² = p_i/k, and a kernel that is never negative can only gain by pairs that are left out. So with active rows A,
//! numbers d_i such that K − diag(d) is positive semidefinite on them, and any measure w on them,
//! 2·(mean of the k smallest h) − ⟨w, (K − d)w⟩ + ⟨Q, Q⟩ ≤ ‖S − Q‖² with h = d_i/2k + ((K − d)w)_i − μ_i on A, μ the mean of the kernel to the
//! queries, and h = 1/2k − μ_j elsewhere. Nothing of w or A is believed; of d it is proved (module `bounds::definite`).
//!
//! Limit: N·M + L² inner products for L active rows, and the proof that the kernel less its shift is positive semidefinite.

use crate::bounds::best::Relaxation;
use crate::bounds::discrepancy::{End, Sums, among_queries, check_rows_of};
use crate::bounds::means::scaled;
use crate::bounds::outside::Outside;
use crate::bounds::{Executor, Witness, definite, ratio_down};
use crate::geometry::Geometry;
use crate::kernel::Kernel;
use crate::rejection::Rejection;
use crate::rounding::{ExactSum, add_down, add_up, div_down, sub_down};
use crate::statement::{Statement, total};

/// What active rows with masses in units of 1/k and shifts say of all subsets.
pub(super) fn relaxation<'a>(
    geometry: &'a Geometry<'_>,
    problem: &Statement,
    kernel: Kernel,
    (witness, shift): (&'a Witness, &'a [f64]),
    executor: Executor<'_>,
) -> Result<Relaxation<'a>, Rejection> {
    check(problem, kernel, witness, shift)?;
    let landmarks = geometry.to_rows(&witness.rows).map_err(|fault| Rejection::new("rows", fault.to_string()))?;
    definite::check(&landmarks, kernel, shift, executor)?;
    let to_witness = Sums::new(&landmarks, kernel, witness.weights.as_slice().into())?;
    let shares = scaled(problem.weights.query.as_deref(), geometry.query_len())?;
    let sum_of_shares = total(&shares);
    let queries = among_queries(geometry, kernel, &shares, &sum_of_shares)?;
    let mut places = vec![None; problem.pool];
    witness.rows.iter().enumerate().for_each(|(at, &row)| places[row] = Some(at));

    // Of every active row twice: pulls from below and above.
    let pulls = to_witness.of_all(&landmarks, &witness.rows, executor)?;
    let k = problem.least_total();
    let mut square = ExactSum::default();
    for (at, (&weight, &d)) in witness.weights.iter().zip(shift).enumerate() {
        let pull = if weight >= 0.0 {
            add_up(pulls[1][at], -product_down(d, weight))
        } else {
            add_down(pulls[0][at], product_down(-d, weight))
        };
        square.add_product(weight, pull);
    }
    let length = -div_down(div_down(-square.up(), k), k);
    let outside = Outside::alone(geometry, kernel, (&shares, &sum_of_shares), k).ok();
    // Numbers ≤ k·(h + μ).
    let own: Vec<f64> = witness
        .weights
        .iter()
        .zip(shift)
        .zip(&pulls[0])
        .map(|((&weight, &d), &pull)| {
            let rest = if d >= 0.0 { sub_down(0.5, weight) } else { add_up(0.5, -weight) };
            add_down(pull, product_down(d, rest))
        })
        .collect();
    let to_queries = Sums::new(geometry, kernel, shares.into())?;
    Ok(Relaxation {
        holds_price: false,
        outside,
        // −h.
        values: Box::new(move |_, rows, out| {
            let queries = to_queries.of_rows(geometry, rows, &[End::Upper])?;
            for ((out, &row), &query) in out.iter_mut().zip(rows).zip(&queries[0]) {
                let own = places[row].map_or(0.5, |at| own[at]);
                *out = add_up(-ratio_down(-query, &sum_of_shares), -div_down(own, k));
            }
            match out.iter().position(|value| !value.is_finite()) {
                Some(at) => Err(Rejection::new("range", format!("pool row {} overflows", rows[at]))),
                None => Ok(()),
            }
        }),
        lower: Box::new(move |support| {
            let squared = add_down(sub_down(2.0 * div_down(-support, k), length), queries);
            squared.is_finite().then_some(squared)
        }),
    })
}

/// A number ≤ a·b, of any signs.
fn product_down(a: f64, b: f64) -> f64 {
    if a == 0.0 || b == 0.0 { 0.0 } else { (a * b).next_down() }
}

fn check(problem: &Statement, kernel: Kernel, witness: &Witness, shift: &[f64]) -> Result<(), Rejection> {
    if !kernel.name().is_nonnegative() {
        let place = format!("rows do not count for themselves alone under the kernel {}", kernel.name());
        return Err(Rejection::new("shift", place));
    }
    if problem.tokens.is_some() {
        return Err(Rejection::new(
            "shift",
            "it is for budgets in rows: where tokens are the budget rows differ in mass",
        ));
    }
    check_rows_of(witness, problem.pool)?;
    if shift.len() != witness.rows.len() {
        let place = format!("{} numbers for {} rows of the witness", shift.len(), witness.rows.len());
        return Err(Rejection::new("shift", place));
    }
    match shift.iter().position(|d| !(d.is_finite() && *d < 1.0)) {
        Some(at) => {
            Err(Rejection::new("shift", format!("number {at} is not below 1, the kernel of a row with itself")))
        }
        None => Ok(()),
    }
}
