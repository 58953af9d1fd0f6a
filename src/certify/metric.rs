//! Distances besides transport, each with a proved interval and with what it says of transport.

use kantor_theory::bounds::{Executor, Interval, kernel_means, mean_difference, nearest_distances, transport_at_least};
use kantor_theory::{Geometry, Kernel, Rejection};
use serde::Serialize;

use super::Terms;

/// A distance between a subset and the queries that needs no transport plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SubsetMetric {
    /// The root of 2E‖x − q‖ − E‖x − x'‖ − E‖q − q'‖.
    Energy,
    /// Maximum mean discrepancy: ‖E φ(x) − E φ(q)‖ for the feature map of a kernel.
    Mmd(Kernel),
    /// The unbiased estimate of the squared discrepancy, which can be negative.
    MmdUnbiased(Kernel),
    /// Mean cost of a query and its closest row; for p = 2 the root of the mean squared cost.
    ChamferToSubset,
    /// The same of a row and its closest query.
    ChamferToQuery,
    /// The largest cost of a point and the closest of the other side.
    Hausdorff,
    /// ‖E x − E q‖.
    MeanDifference,
}

/// A proved value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measured {
    /// Proved to contain the value.
    #[serde(flatten)]
    pub interval: Interval,
    /// Proved to contain its square, where that is what was summed up.
    pub squared: Option<Interval>,
    /// Proved not to exceed the transport distance of the same rows under the same cost, power and weights;
    /// `null` if the value says nothing of it.
    pub transport_at_least: Option<f64>,
}

/// Evaluates `metric` for these rows and the queries, outwards.
///
/// # Errors
/// If the metric needs rows and there is a matrix, if rows or weights do not fit, or if the executor stopped early.
pub fn measure(
    geometry: &Geometry<'_>,
    metric: SubsetMetric,
    terms: &Terms,
    rows: &[usize],
    executor: Executor<'_>,
) -> Result<Measured, Rejection> {
    let Terms { power, weights, .. } = terms;
    let plain = |interval: Interval, transport_at_least| Measured { interval, squared: None, transport_at_least };
    let kernel = |kernel| kernel_means(geometry, kernel, rows, weights, executor);
    let nearest = || nearest_distances(geometry, *power, rows, weights, executor);
    match metric {
        SubsetMetric::Energy => distance_of(geometry, &kernel(Kernel::ENERGY)?),
        SubsetMetric::Mmd(of) => distance_of(geometry, &kernel(of)?),
        SubsetMetric::MmdUnbiased(of) => {
            let few = "needs two rows and two queries with weight";
            let interval = kernel(of)?.unbiased().ok_or_else(|| Rejection { rule: "unbiased", place: few.into() })?;
            Ok(plain(interval, None))
        }
        SubsetMetric::ChamferToSubset => nearest().map(|x| plain(x.chamfer_to_subset, x.chamfer_to_subset.lower)),
        SubsetMetric::ChamferToQuery => nearest().map(|x| plain(x.chamfer_to_query, x.chamfer_to_query.lower)),
        SubsetMetric::Hausdorff => nearest().map(|x| plain(x.hausdorff, None)),
        SubsetMetric::MeanDifference => {
            let interval = mean_difference(geometry, rows, weights, executor)?;
            Ok(plain(interval, transport_at_least(geometry.cost(), interval.lower.unwrap_or(0.0))))
        }
    }
}

fn distance_of(geometry: &Geometry<'_>, means: &kantor_theory::KernelMeans) -> Result<Measured, Rejection> {
    Ok(Measured {
        interval: means.distance()?,
        squared: Some(means.squared()),
        transport_at_least: transport_at_least(geometry.cost(), means.transport_at_least()),
    })
}
