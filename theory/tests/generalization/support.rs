//! Small random instances, and transport by a solver simple enough to be believed.

#[allow(dead_code, unused_imports)]
#[path = "../kernel/support.rs"]
mod kernel;

use kantor_theory::bounds::sequential;
use kantor_theory::generalization::cloud::Capacity;
use kantor_theory::generalization::{Cloud, Metric, MetricDistance, Pairs};
use kantor_theory::{DenseRows, DistanceEvidence, Power, Rows, SparsePlan, Statement, Weights};

pub(crate) use kernel::{Random, transport};

/// Points with coordinates in [-1, 1).
pub(crate) fn points(random: &mut Random, n: usize, dim: usize) -> Vec<f64> {
    (0..n * dim).map(|_| random.signed()).collect()
}

pub(crate) fn cloud(metric: Metric, dim: usize, values: &[f64]) -> Cloud {
    let rows = DenseRows::from_f64(dim, values.to_vec()).unwrap();
    Cloud::new(metric, &rows, 0..rows.len()).unwrap()
}

/// Two random clouds of 1..=k and 1..=m points.
pub(crate) fn clouds(random: &mut Random, metric: Metric, k: usize, m: usize) -> (Cloud, Cloud) {
    let (k, m, dim) = (1 + random.below(k), 1 + random.below(m), 1 + random.below(4));
    let (s, q) = (points(random, k, dim), points(random, m, dim));
    (cloud(metric, dim, &s), cloud(metric, dim, &q))
}

pub(crate) const METRICS: [Metric; 3] = [Metric::Euclidean, Metric::Chord, Metric::Angular];

/// A number in [0, 1).
pub(crate) fn unit(random: &mut Random) -> f64 {
    random.signed().abs().min(1.0 - 1e-9)
}

/// Distances by rows as plain numbers.
pub(crate) fn costs(pairs: &Pairs<'_>) -> Vec<Vec<f64>> {
    let (k, m) = pairs.shape();
    (0..k).map(|i| (0..m).map(|j| pairs.geometry().cost_of(i, j)).collect()).collect()
}

/// The least cost of moving these whole masses, and a plan.
pub(crate) fn ot(costs: &[Vec<f64>], supply: &[u64], demand: &[u64]) -> (f64, Vec<(usize, usize, u64)>) {
    let (plan, _) = transport(costs, supply, demand);
    let total: u64 = demand.iter().sum();
    (plan.iter().map(|&(i, j, x)| x as f64 / total as f64 * costs[i][j]).sum(), plan)
}

/// W₁ with uniform weights, as a plain number.
pub(crate) fn w1(costs: &[Vec<f64>]) -> f64 {
    let (k, m) = (costs.len(), costs[0].len());
    ot(costs, &vec![m as u64; k], &vec![k as u64; m]).0
}

/// W₁ with uniform weights, certified.
pub(crate) fn certified(s: &Cloud, q: &Cloud) -> MetricDistance {
    weighted(s, q, Weights::default())
}

/// W₁ certified, for weights that are whole numbers.
pub(crate) fn weighted(s: &Cloud, q: &Cloud, weights: Weights) -> MetricDistance {
    let pairs = s.pairs(q).unwrap();
    let (k, m) = pairs.shape();
    let whole = |w: &Option<Vec<f64>>, n: usize| -> Vec<u64> {
        w.as_ref().map_or_else(|| vec![1; n], |w| w.iter().map(|&x| x as u64).collect())
    };
    let (a, b) = (whole(&weights.subset, k), whole(&weights.query, m));
    let (total_a, total_b): (u64, u64) = (a.iter().sum(), b.iter().sum());
    let supply: Vec<u64> = a.iter().map(|x| x * total_b).collect();
    let demand: Vec<u64> = b.iter().map(|x| x * total_a).collect();
    let (plan, potentials) = transport(&costs(&pairs), &supply, &demand);
    let evidence = DistanceEvidence { potentials: Some(potentials), plan: SparsePlan::new(plan) };
    let problem = Statement::new(pairs.geometry(), Power::One, k).weighted(weights);
    pairs.distance(&problem, evidence, &sequential).unwrap()
}

/// A plan of least cost among those that take at most λ/k from each row and serve each query its 1/M.
pub(crate) fn capped(costs: &[Vec<f64>], capacity: Capacity) -> (f64, SparsePlan) {
    let (k, m) = (costs.len() as u64, costs[0].len() as u64);
    // In units of 1/(k·M·den): a row may send num·M, a query gets den·k, and a query that costs nothing takes the rest.
    let lines: Vec<Vec<f64>> = costs.iter().map(|line| line.iter().copied().chain([0.0]).collect()).collect();
    let mut demand = vec![capacity.den * k; m as usize];
    demand.push(k * m * (capacity.num - capacity.den));
    let (plan, _) = transport(&lines, &vec![capacity.num * m; k as usize], &demand);
    let real: Vec<(usize, usize, u64)> = plan.into_iter().filter(|entry| entry.1 < m as usize).collect();
    let total = (k * m * capacity.den) as f64;
    (real.iter().map(|&(i, j, x)| x as f64 / total * costs[i][j]).sum(), SparsePlan::new(real).unwrap())
}

/// A loss that is L-Lipschitz in the metric and at least `floor`: the least of cones at a few points of the space.
pub(crate) fn cones(
    random: &mut Random,
    lipschitz: f64,
    floor: f64,
    metric: Metric,
    dim: usize,
) -> impl Fn(&Cloud) -> Vec<f64> + use<> {
    let count = 1 + random.below(4);
    let centres = cloud(metric, dim, &points(random, count, dim));
    let heights: Vec<f64> = (0..count).map(|_| floor + random.signed().abs()).collect();
    move |at: &Cloud| {
        let pairs = at.pairs(&centres).unwrap();
        costs(&pairs)
            .iter()
            .map(|line| line.iter().zip(&heights).map(|(d, h)| h + lipschitz * d).fold(f64::INFINITY, f64::min))
            .collect()
    }
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Room for the rounding of plain arithmetic in a test: angles of nearly equal directions err by some 1e-8.
pub(crate) const EPS: f64 = 1e-6;

pub(crate) fn dim(cloud: &Cloud) -> usize {
    cloud.rows().dim()
}
