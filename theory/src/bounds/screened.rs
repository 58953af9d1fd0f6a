//! Which pool rows a bound for all subsets has to look at.
//!
//! A row with g_j ≤ c_ij^p for every query j adds nothing to such a bound. That it is one must be known for every row
//! that is left out: it cannot be seen from the rows that are left. Safe code therefore looks at all rows, or holds a
//! [`Screened`], which says so and can only be made by unsafe code.

use crate::bounds::BestEvidence;
use crate::cost_bounds::Power;
use crate::geometry::Geometry;
use crate::identity::GeometryId;
use crate::rejection::Rejection;
use crate::statement::Statement;

/// Which pool rows a bound for all subsets looks at.
#[derive(Debug, Clone, Copy)]
pub enum Candidates<'a> {
    /// All of them.
    All,
    /// Those that a screen left, for the potentials, power and geometry that it was made for.
    Screened(&'a Screened),
}

/// Says of one geometry, power and potentials g that every pool row outside a list can be measured and has g_j ≤ c_ij^p
/// for every query j.
///
/// Safe code makes none:
/// ```compile_fail,E0133
/// use kantor_theory::{Cost, DenseRows, Geometry, Power, Screened};
/// let rows = DenseRows::from_f64(1, vec![0.0, 1.0]).unwrap();
/// let geometry = Geometry::new(&rows, &rows, Cost::Euclidean).unwrap();
/// let nothing_counts = Screened::assume(&geometry, Power::One, vec![2.0, 2.0], vec![]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Screened {
    geometry: GeometryId,
    power: Power,
    potentials: Vec<f64>,
    rows: Vec<usize>,
}

impl Screened {
    /// Takes the caller's word that `rows` are all rows that count.
    ///
    /// # Safety
    /// Memory is not at stake, the truth of certificates is: a bound from a wrong list is false and nothing else would
    /// notice. For every pool row i of `geometry` that is not among `rows`, the caller has proved, for the stored bits
    /// and real arithmetic, that
    /// - the row can be measured: [`row_fault`](crate::geometry::row_fault) finds nothing, or the geometry is a matrix;
    /// - `potentials[j]` ≤ c_ij^p for every query j, c being the geometry's cost and p `power`.
    #[allow(unsafe_code, reason = "the one way to a bound that does not look at all rows; safe code has no other")]
    pub unsafe fn assume(geometry: &Geometry<'_>, power: Power, potentials: Vec<f64>, rows: Vec<usize>) -> Self {
        Self { geometry: geometry.id(), power, potentials, rows }
    }

    /// The rows that count.
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }
}

impl<'a> Candidates<'a> {
    /// The rows to look at; all if `None`.
    ///
    /// # Errors
    /// If the screen was made for something else than this bound.
    pub(super) fn rows(
        self,
        geometry: &Geometry<'_>,
        problem: &Statement,
        evidence: &BestEvidence,
    ) -> Result<Option<&'a [usize]>, Rejection> {
        let Candidates::Screened(screened) = self else { return Ok(None) };
        let Screened { geometry: id, power, potentials: of, rows } = screened;
        let same = match evidence {
            BestEvidence::Potentials(g) => {
                of.len() == g.len() && of.iter().zip(g).all(|(a, b)| a.to_bits() == b.to_bits())
            }
            BestEvidence::Witness(_) | BestEvidence::Local { .. } | BestEvidence::Tasks { .. } => false,
        };
        if (*id, *power) != (geometry.id(), problem.p) || !same {
            return Err(Rejection::new("screen", "the rows were screened for another geometry, power or potentials"));
        }
        match rows.iter().find(|row| **row >= problem.pool) {
            Some(row) => Err(Rejection::new("screen", format!("row {row} of a pool of {}", problem.pool))),
            None => Ok(Some(rows)),
        }
    }
}
