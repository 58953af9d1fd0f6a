//! From chosen rows to a certificate: solvers find the evidence, the trusted kernel says what it proves.

mod facts;

use kantor_solvers::exact::{TransportError, WeightError, masses, transport};
use kantor_theory::bounds::{BestBound, DistanceBound, DistanceEvidence, Rejection, distance_bound};
use kantor_theory::certificate::{MadeBy, Weights};
use kantor_theory::cost_bounds::Power;
use kantor_theory::plan::SparsePlan;
use kantor_theory::{Certificate, Geometry, Problem, Status};
use rayon::prelude::*;

pub use facts::facts;

/// Rows of a subset whose costs are computed by one task.
const ROWS: usize = 256;

/// An interval that closes to this share of itself is called optimal.
const CLOSED: f64 = 1e-9;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertifyError {
    /// The weights make no measure.
    #[error(transparent)]
    Weights(#[from] WeightError),
    /// The costs cannot be solved on.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The kernel does not accept the evidence.
    #[error("the distance could not be certified: {0}")]
    Rejected(#[from] Rejection),
}

/// Runs the tasks on all worker threads.
pub fn in_parallel(count: usize, task: &(dyn Fn(usize) + Sync)) {
    (0..count).into_par_iter().for_each(task);
}

/// Solves the transport between the rows and the queries exactly and proves an interval around its value.
///
/// Takes 8·k·M bytes for the costs.
///
/// # Errors
/// If weights or costs are no numbers to solve with, or the kernel refuses the evidence.
pub fn distance(
    geometry: &Geometry<'_>,
    power: Power,
    rows: &[usize],
    weights: Weights,
) -> Result<DistanceBound, CertifyError> {
    let masses = masses(rows.len(), weights.subset.as_deref(), geometry.query_len(), weights.query.as_deref())?;
    let solved = transport(&costs(geometry, power, rows), &masses)?;
    let plan = SparsePlan::new(solved.plan.iter().map(|entry| (entry.row, entry.query, entry.mass)).collect());
    let evidence = DistanceEvidence { potentials: Some(solved.potentials), plan };
    let problem = Problem::new(geometry, power, rows.len()).weighted(weights);
    Ok(distance_bound(geometry, &problem, rows, evidence, &in_parallel)?)
}

/// c^p between the rows and all queries, k×M, row-major.
pub fn costs(geometry: &Geometry<'_>, power: Power, rows: &[usize]) -> Vec<f64> {
    let m = geometry.query_len();
    let mut costs = vec![0.0; rows.len() * m];
    costs.par_chunks_mut(ROWS * m).zip(rows.par_chunks(ROWS)).for_each(|(costs, rows)| {
        geometry.closeness_gather(rows, costs);
        for value in costs {
            let cost = geometry.cost().from_closeness(*value);
            *value = if power == Power::Two { cost * cost } else { cost };
        }
    });
    costs
}

/// The word for a subset with these bounds: `optimal` if the interval between the best possible and its own distance
/// closes.
pub fn status(distance: &DistanceBound, best: Option<&BestBound>) -> Status {
    match (distance.interval().upper, best) {
        (Some(upper), Some(best)) if upper - best.lower() <= CLOSED * best.lower().abs() => Status::Optimal,
        _ => Status::Certified,
    }
}

/// Who made it, for the certificate.
pub fn made_by(selector: Option<&str>) -> MadeBy {
    MadeBy {
        tool: "kantor".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        selector: selector.map(str::to_owned),
    }
}

/// The certificate of these bounds over these inputs.
///
/// # Errors
/// If the bounds contradict each other.
pub fn certificate(
    geometry: &Geometry<'_>,
    power: Power,
    weights: Weights,
    facts: &kantor_theory::Facts,
    distance: &DistanceBound,
    best: Option<&BestBound>,
    selector: Option<&str>,
) -> Result<Certificate, CertifyError> {
    let problem = Problem::new(geometry, power, distance.rows().len()).weighted(weights);
    let (inputs, dropped) = (facts.inputs.clone(), facts.dropped.clone());
    Ok(Certificate::new(problem, inputs, dropped, distance, best, made_by(selector))?)
}
