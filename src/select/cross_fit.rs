//! Query cross-fitting: choose for some of the queries, measure on the others.
//!
//! A distance flatters itself on the queries it was minimised for. With F folds of the queries, every method chooses for
//! the queries outside a fold and is measured on both parts; means over folds stand beside each other. These subsets are
//! chosen for fewer queries and are not the ones that are written.

use kantor_solvers::{Watch, draw};
use kantor_theory::generalization::cross_fit::{Fold, over_fitting};
use kantor_theory::generalization::kernel::energy_squared;
use kantor_theory::generalization::{Cloud, Metric, MetricDistance};
use kantor_theory::{Cost, DenseRows, Geometry, Rows};
use serde::Serialize;

use super::{Error, Inputs, Request, choose};
use crate::certify::{self, Terms};

/// Stream of the seed by which queries are dealt to folds.
const DEAL: u64 = 4 << 32;

/// Subsets larger than this have no energy distance here: it needs k² distances.
const PAIRWISE: usize = 4096;

/// Means over folds for one method and budget.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CrossFit {
    /// Which method.
    pub method: String,
    /// How many rows.
    pub budget: usize,
    /// Distance to the queries that the method saw (upper ends).
    pub seen: f64,
    /// Distance to the queries that it did not see.
    pub unseen: f64,
    /// unseen − seen: by how much the distance over-fits.
    pub over_fitting: f64,
    /// Energy distance to the queries that it saw; `null` for costs without a norm and for large subsets.
    pub energy_seen: Option<f64>,
    /// Energy distance to the queries that it did not see.
    pub energy_unseen: Option<f64>,
}

/// One fold's distances, and energy distances to both parts.
type Measured = (Fold, Option<(f64, f64)>);

/// Cross-fits every method and budget of the request over `folds` ≥ 2 folds of the queries.
///
/// # Errors
/// If there are fewer queries than folds, a matrix was given instead of rows, or a selection fails.
pub fn cross_fit(inputs: &Inputs, request: &Request, folds: usize, watch: &dyn Watch) -> Result<Vec<CrossFit>, Error> {
    let Some((pool, query)) = inputs.points() else {
        return Err(Error::Request("--cross-fit needs query rows, not a matrix".to_owned()));
    };
    let count = query.len();
    if folds < 2 || folds > count {
        return Err(Error::Request(format!(
            "--cross-fit {folds}: give a number of folds from 2 to the {count} queries"
        )));
    }
    let order = draw::without_replacement(request.seed, DEAL, count, count);
    let request = Request { certify: false, ..request.clone() };
    let mut measured: Vec<(String, usize, Vec<Measured>)> = Vec::new();
    for fold in 0..folds {
        let part = |inside: bool| {
            let mut rows: Vec<usize> = order
                .iter()
                .enumerate()
                .filter(|(at, _)| (at % folds == fold) == inside)
                .map(|(_, &row)| row)
                .collect();
            rows.sort_unstable();
            rows
        };
        let (seen, unseen) = (taken(query, &part(false))?, taken(query, &part(true))?);
        let (inner, outer) = (Geometry::new(pool, &seen, request.cost)?, Geometry::new(pool, &unseen, request.cost)?);
        let (chosen, _, _) = choose(&inner, &request, watch)?;
        let mut place = 0;
        for method in chosen {
            for proved in method.selections {
                watch.advance(0)?;
                let rows = &proved.selection.rows;
                let distance = |geometry| -> Result<MetricDistance, Error> {
                    let terms = Terms { power: request.power, ..Terms::default() };
                    let interval = certify::distance(geometry, &terms, rows)?.interval();
                    MetricDistance::new(interval).ok_or_else(|| Error::Request("the costs are no distances".to_owned()))
                };
                let numbers = Fold { seen: distance(&inner)?, unseen: distance(&outer)?, unseen_queries: unseen.len() };
                let energies = energies(request.cost, pool, rows, [&seen, &unseen])?;
                if fold == 0 {
                    measured.push((method.method.clone(), rows.len(), Vec::new()));
                }
                measured[place].2.push((numbers, energies));
                place += 1;
            }
        }
    }
    Ok(measured.into_iter().map(|(method, budget, folds)| means(method, budget, &folds)).collect())
}

fn means(method: String, budget: usize, folds: &[Measured]) -> CrossFit {
    let mean = |of: &dyn Fn(&Measured) -> Option<f64>| -> Option<f64> {
        folds.iter().map(of).sum::<Option<f64>>().map(|sum| sum / folds.len() as f64)
    };
    let distances: Vec<Fold> = folds.iter().map(|fold| fold.0).collect();
    CrossFit {
        method,
        budget,
        seen: mean(&|fold| Some(fold.0.seen.upper())).unwrap_or(f64::NAN),
        unseen: mean(&|fold| Some(fold.0.unseen.upper())).unwrap_or(f64::NAN),
        over_fitting: over_fitting(&distances).map_or(f64::NAN, |bound| bound.value()),
        energy_seen: mean(&|fold| fold.1.map(|e| e.0)),
        energy_unseen: mean(&|fold| fold.1.map(|e| e.1)),
    }
}

fn taken(query: &dyn Rows, rows: &[usize]) -> Result<DenseRows, Error> {
    let mut values = vec![0.0; rows.len() * query.dim()];
    for (&row, line) in rows.iter().zip(values.chunks_exact_mut(query.dim())) {
        query.read_row(row, line);
    }
    DenseRows::from_f64(query.dim(), values).ok_or_else(|| Error::Request("a fold has no queries".to_owned()))
}

/// Energy distances of the rows to both parts, in the metric behind the cost.
fn energies(cost: Cost, pool: &dyn Rows, rows: &[usize], parts: [&DenseRows; 2]) -> Result<Option<(f64, f64)>, Error> {
    let metric = Metric::behind(cost).filter(|metric| metric.is_norm() && rows.len() <= PAIRWISE);
    let Some(subset) = metric.and_then(|metric| Cloud::new(metric, pool, rows.iter().copied())) else {
        return Ok(None);
    };
    let own = subset.pairs(&subset)?.mean();
    let mut found = [0.0; 2];
    for (part, energy) in parts.into_iter().zip(&mut found) {
        let Some(queries) = Cloud::new(subset.metric(), part, 0..part.len()) else { return Ok(None) };
        let squared = energy_squared(subset.pairs(&queries)?.mean(), own, queries.pairs(&queries)?.mean());
        *energy = squared.sqrt().upper;
    }
    Ok(Some((found[0], found[1])))
}
