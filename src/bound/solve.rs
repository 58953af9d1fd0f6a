//! Transports between clouds: solvers find the plans, theory says what they prove.

use kantor_solvers::transport::exact::masses;
use kantor_solvers::transport::exact::transport;
use kantor_solvers::transport::exact::{self, Capped, Shipment};
use kantor_solvers::{Stopped, Watch};
use kantor_theory::generalization::capacity::PathPoint;
use kantor_theory::generalization::cloud::Capacity;
use kantor_theory::generalization::{MetricDistance, Pairs};
use kantor_theory::{DistanceEvidence, Power, Rejection, SparsePlan, Statement};

use crate::certify::{self, CertifyError};

/// A certified distance and the plan behind it.
pub(super) struct Solved {
    pub(super) distance: MetricDistance,
    pub(super) plan: SparsePlan,
}

fn sparse(plan: &[Shipment]) -> Result<SparsePlan, CertifyError> {
    let entries = plan.iter().map(|s| (s.row, s.query, s.mass)).collect();
    SparsePlan::new(entries).ok_or(CertifyError::Transport(exact::TransportError::Unbalanced))
}

/// All distances, rows × columns, as plain numbers for solvers.
pub(super) fn costs(pairs: &Pairs<'_>) -> Vec<f64> {
    let rows: Vec<usize> = (0..pairs.shape().0).collect();
    exact::costs(pairs.geometry(), Power::One, &rows)
}

/// W₁ of all rows to all columns with uniform weights.
pub(super) fn distance(pairs: &Pairs<'_>) -> Result<Solved, CertifyError> {
    let (k, m) = pairs.shape();
    let solved = transport(&costs(pairs), &masses(k, None, m, None)?)?;
    let plan = sparse(&solved.plan)?;
    let evidence = DistanceEvidence { potentials: Some(solved.potentials), plan: Some(plan.clone()) };
    let problem = Statement::new(pairs.geometry(), Power::One, k);
    Ok(Solved { distance: pairs.distance(&problem, evidence, &certify::in_parallel)?, plan })
}

/// A number ≥ OT under `cut(d)`, from the plan that was found for it, and that plan.
pub(super) fn truncated(pairs: &Pairs<'_>, cut: impl Fn(f64) -> f64) -> Result<(f64, SparsePlan), CertifyError> {
    let (k, m) = pairs.shape();
    let costs: Vec<f64> = costs(pairs).into_iter().map(&cut).collect();
    let solved = transport(&costs, &masses(k, None, m, None)?)?;
    let plan = sparse(&solved.plan)?;
    Ok((pairs.capped_cost(&plan, Capacity { num: 1, den: 1 }, cut)?, plan))
}

/// The capacity path under `cut(d)`, every point bounded by its own plan.
pub(super) fn path(
    pairs: &Pairs<'_>,
    limit: usize,
    watch: &dyn Watch,
    cut: impl Fn(f64) -> f64,
) -> Result<Result<Vec<PathPoint>, CertifyError>, Stopped> {
    let (k, m) = pairs.shape();
    let costs: Vec<f64> = costs(pairs).into_iter().map(&cut).collect();
    let found = exact::capacity_path(&costs, k, m, limit, watch)?;
    Ok(found
        .map_err(CertifyError::from)
        .and_then(|path| path.iter().map(|point| bounded(pairs, point, &cut)).collect()))
}

/// The points of Λ, which was fixed before these columns were looked at, under `cut(d)`.
pub(super) fn on_grid(
    pairs: &Pairs<'_>,
    grid: &[Capacity],
    cut: impl Fn(f64) -> f64,
) -> Result<Vec<PathPoint>, CertifyError> {
    let (k, m) = pairs.shape();
    let costs: Vec<f64> = costs(pairs).into_iter().map(&cut).collect();
    grid.iter().map(|&capacity| bounded(pairs, &exact::capped(&costs, k, m, capacity)?, &cut)).collect()
}

fn bounded(pairs: &Pairs<'_>, point: &Capped, cut: impl Fn(f64) -> f64) -> Result<PathPoint, CertifyError> {
    let upper: Result<f64, Rejection> = pairs.capped_cost(&sparse(&point.plan)?, point.capacity, cut);
    Ok(PathPoint { capacity: point.capacity, upper: upper? })
}
