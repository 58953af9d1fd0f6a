//! A selector and a cost of your own: what the traits ask for, and what you get for it — exact transport, bounds for
//! every subset and certificates work with both, for they believe no selector and need nothing but costs.

use std::collections::BTreeMap;
use std::path::Path;

use kantor::certify::{self, Certified, Terms};
use kantor::select::{InputSpec, Inputs};
use kantor::solvers::greedy::RoundRobin;
use kantor::solvers::{PoolScan, Quiet, ScanRequest, SelectError, Selection, Selector, Task, exact, kernels};
use kantor::theory::{Cost, DenseRows, Geometry, Power, Status};

/// The rows closest to any query, but none that is too close to a row chosen before.
struct Distinct {
    /// Largest cosine of two chosen rows.
    limit: f64,
}

impl Selector for Distinct {
    fn name(&self) -> &'static str {
        "distinct"
    }

    fn nested(&self) -> bool {
        true
    }

    fn needs(&self, _: &Task<'_>, _: usize) -> ScanRequest {
        ScanRequest { row_best: true, lists: 0 }
    }

    fn select(&self, task: &Task<'_>, scanned: &PoolScan, budgets: &[usize]) -> Result<Vec<Selection>, SelectError> {
        let fault = |fault| SelectError::Unsupported { method: self.name(), fault };
        let best = scanned.row_best.as_ref().ok_or(fault("needs the closest query of every row"))?;
        let largest = budgets.iter().copied().max().unwrap_or(0);
        let (mut rows, mut scores) = (Vec::new(), Vec::new());
        for (row, closeness) in best.top(task.geometry, task.geometry.pool_len()) {
            if rows.len() == largest {
                break;
            }
            let mut cosines = vec![0.0; rows.len()];
            task.geometry.to_rows(&[row])?.closeness_gather(&rows, &mut cosines);
            if cosines.iter().all(|&cosine| cosine <= self.limit) {
                rows.push(row);
                scores.push(closeness);
            }
        }
        if rows.len() < largest {
            return Err(fault("finds too few distinct rows: allow closer ones"));
        }
        let (status, notes) = (Status::Uncertified, BTreeMap::new());
        let first = |&k: &usize| (rows[..k].to_vec(), scores[..k].to_vec());
        let selection = |(rows, scores)| Selection { rows, scores, status, notes: notes.clone() };
        Ok(budgets.iter().map(first).map(selection).collect())
    }
}

/// Chooses and certifies 500 rows.
fn certified(geometry: &Geometry<'_>, selector: &dyn Selector) -> Result<Certified, Box<dyn std::error::Error>> {
    let task = Task { geometry, power: Power::One, seed: 0, block: 512, memory: u64::MAX, watch: &Quiet };
    let scanned = kernels::scan(&task, selector.needs(&task, 500).union(exact::needs(&task, 500)))?;
    let optimum = exact::solve(&task, &scanned, &[500])?;
    let best = certify::best(geometry, Power::One, &optimum.budgets[0], optimum.lists.as_ref())?;
    let selection = selector.select(&task, &scanned, &[500])?.remove(0);
    Ok(Certified::new(certify::distance(geometry, &Terms::default(), &selection.rows)?, Some(best))?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
    let spec = InputSpec {
        pool: vec![data.join("pool.embed.npy")],
        query: Some(data.join("query_gsm8k.embed.npy")),
        pool_jsonl: vec![data.join("pool.jsonl.gz")],
        ..InputSpec::default()
    };
    let inputs = Inputs::open(&spec, Cost::Cosine, &Quiet)?;
    let cosine = inputs.geometry(Cost::Cosine)?;

    // A cost is a matrix: here 1 − cos and 0.1 for every thousand bytes of the example. Large matrices need not be
    // held: whatever implements `Rows` will do, and is asked for some columns of a query's line at a time.
    let (n, m) = (cosine.pool_len(), cosine.query_len());
    let all: Vec<usize> = (0..n).collect();
    let lines = inputs.examples().ok_or("no examples")?.copy(&all, &Quiet)?;
    let values = (0..m).flat_map(|j| (0..n).map(move |i| (i, j)));
    let values = values.map(|(i, j)| cosine.cost_of(i, j) + 0.1 * lines[&i].len() as f64 / 1000.0);
    let matrix = DenseRows::from_f64(n, values.collect()).ok_or("no rows")?;
    let charged = Geometry::from_matrix(&matrix, Cost::Precomputed)?;

    let distinct = Distinct { limit: 0.7 };
    let runs: [(_, _, &dyn Selector); 3] =
        [("1 − cos", &cosine, &distinct), ("1 − cos", &cosine, &RoundRobin), ("with length", &charged, &RoundRobin)];
    for (name, geometry, selector) in runs {
        let found = certified(geometry, selector)?;
        let bytes: usize = found.distance().rows().iter().map(|row| lines[row].len()).sum();
        println!(
            "{:<12} under {name:<12} distance {:.4}, at most {:>5.2} % above the best possible; {bytes} bytes of text",
            selector.name(),
            found.distance().interval().upper.unwrap_or(f64::NAN),
            100.0 * found.excess().unwrap_or(f64::NAN),
        );
    }
    Ok(())
}
