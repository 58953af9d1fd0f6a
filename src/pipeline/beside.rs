//! Distances printed beside W: the energy distance, which follows losses as well, and the chamfer distance from the
//! queries, which says how near the closest rows are whatever else was chosen.
//!
//! Chamfer takes k·M inner products, no more than the certificate of W. Energy takes ½k² + kM + ½M²: it is evaluated
//! unasked where that is at most [`CHEAP`] multiplications, or a quarter of those of the pass over the pool, which is
//! then about as long since the pass works in single precision.

use kantor_solvers::{Stopped, Watch};
use kantor_theory::{Geometry, Interval, Objective, Rejection};

use super::Error;
use crate::certify::{CertifyError, SubsetMetric, Terms, measure, watched};

/// Multiplications that are always worth an energy distance: some tenths of a second of one processor.
const CHEAP: f64 = 2e9;

/// What else is known of one selection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Beside {
    /// Proved to contain the energy distance.
    pub energy: Option<Interval>,
    /// Why there is none.
    pub no_energy: Option<&'static str>,
    /// Proved to contain the mean cost between a query and its closest row, for p = 2 the root of the mean squared cost.
    pub chamfer: Interval,
}

impl Beside {
    /// Of these rows and all queries, whose distance in the given terms is `distance`; `always` evaluates the energy
    /// distance whatever it takes.
    pub(super) fn of(
        geometry: &Geometry<'_>,
        terms: &Terms,
        distance: Interval,
        always: bool,
        rows: &[usize],
        watch: &dyn Watch,
    ) -> Result<Self, Error> {
        let energy = match terms.objective {
            Objective::Energy => Ok(distance),
            _ => energy(geometry, terms, always, rows, watch)?,
        };
        let (energy, no_energy) = (energy.ok(), energy.err());
        let chamfer = value(geometry, SubsetMetric::ChamferToSubset, terms, rows, watch)?;
        Ok(Self { energy, no_energy, chamfer })
    }
}

/// The energy distance, or why it is not evaluated.
pub(super) fn energy(
    geometry: &Geometry<'_>,
    terms: &Terms,
    always: bool,
    rows: &[usize],
    watch: &dyn Watch,
) -> Result<Result<Interval, &'static str>, Error> {
    let Some(points) = geometry.points() else {
        return Ok(Err("a matrix does not say how close pool rows are to each other"));
    };
    let (n, k, m) = (geometry.pool_len() as f64, rows.len() as f64, geometry.query_len() as f64);
    let dim = points.dim() as f64;
    if !always && 0.5 * (k + m) * (k + m) * dim > CHEAP.max(0.25 * n * m * dim) {
        return Ok(Err(
            "it takes more than 2·10⁹ multiplications and more than a quarter of those of the pass; --energy evaluates it",
        ));
    }
    value(geometry, SubsetMetric::Energy, terms, rows, watch).map(Ok)
}

fn value(
    geometry: &Geometry<'_>,
    metric: SubsetMetric,
    terms: &Terms,
    rows: &[usize],
    watch: &dyn Watch,
) -> Result<Interval, Error> {
    let spread = watched("comparing rows", watch);
    let stopped = |rejection: Rejection| match rejection.rule {
        "complete" => Error::from(Stopped),
        _ => Error::Certify(CertifyError::Rejected(rejection)),
    };
    Ok(measure(geometry, metric, terms, rows, &spread).map_err(stopped)?.interval)
}
