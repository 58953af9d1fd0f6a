//! A selector and a cost of your own: what the traits ask for, and what you get for it — exact transport, bounds for
//! every subset and certificates work with both, for they believe no selector and need nothing but costs.

use std::collections::BTreeMap;
use std::path::Path;

use kantor::prelude::*;
use kantor::solvers::{PoolScan, ScanRequest, SelectError, Selection, Selector, Task};

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

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
    let spec = InputSpec {
        pool: vec![data.join("pool.embed.npy")],
        query: vec![data.join("query_gsm8k.embed.npy")],
        pool_jsonl: vec![data.join("pool.jsonl.gz")],
        ..InputSpec::default()
    };
    let inputs = Inputs::open(&spec, Cost::Cosine, &Quiet)?;
    let cosine = inputs.problem(Goal { budgets: vec![500], ..Goal::default() })?;

    // A cost is a matrix: here 1 − cos and 0.1 for every thousand bytes of the example. Large matrices need not be
    // held: whatever implements `Rows` will do, and is asked for some columns of a query's line at a time.
    let geometry = cosine.geometry();
    let (n, m) = (geometry.pool_len(), geometry.query_len());
    let all: Vec<usize> = (0..n).collect();
    let lines = inputs.examples().ok_or("no examples")?.copy(&all, &Quiet)?;
    let values = (0..m).flat_map(|j| (0..n).map(move |i| (i, j)));
    let values = values.map(|(i, j)| geometry.cost_of(i, j) + 0.1 * lines[&i].len() as f64 / 1000.0);
    let matrix = DenseRows::from_f64(n, values.collect()).ok_or("no rows")?;
    let charged = Problem::from_matrix(&matrix, Goal { cost: Cost::Precomputed, ..cosine.goal().clone() })?;

    let request = Request {
        methods: vec!["distinct".into(), "round-robin".into()],
        own: vec![Own::new(Distinct { limit: 0.7 })],
        ..Request::default()
    };
    let by_length = Request { methods: vec!["round-robin".into()], ..request.clone() };
    for (name, problem, request) in [("1 − cos", &cosine, &request), ("with length", &charged, &by_length)] {
        for chosen in choose(problem, request, &Quiet)?.chosen {
            let found = chosen.selections[0].certified.as_ref().ok_or("nothing was certified")?;
            let bytes: usize = found.distance().rows().iter().map(|row| lines[row].len()).sum();
            println!(
                "{:<12} under {name:<12} distance {:.4}, at most {:>5.2} % above the best possible; {bytes} bytes of text",
                chosen.method,
                found.distance().interval().upper.unwrap_or(f64::NAN),
                100.0 * found.excess().unwrap_or(f64::NAN),
            );
        }
    }
    Ok(())
}
