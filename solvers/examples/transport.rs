//! Times exact transport on a cost matrix from a file, for comparison with other solvers (`benches/peers/emd.py`).
//!
//! `transport COSTS QUERIES [ROW_WEIGHTS QUERY_WEIGHTS]`: raw little-endian f64 files, costs n×m row-major. Prints value,
//! dual value and the least seconds of several runs.
#![allow(clippy::unwrap_used)]

use std::time::Instant;

use kantor_solvers::transport::exact::masses;
use kantor_solvers::transport::exact::transport;

fn read(path: &str) -> Vec<f64> {
    let bytes = std::fs::read(path).unwrap();
    bytes.as_chunks().0.iter().map(|&chunk| f64::from_le_bytes(chunk)).collect()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let costs = read(&arguments[0]);
    let m: usize = arguments[1].parse().unwrap();
    let weights: Vec<Vec<f64>> = arguments[2..].iter().map(|path| read(path)).collect();
    let weights = |side: usize| weights.get(side).map(Vec::as_slice);
    let mut best = f64::INFINITY;
    let mut solved = None;
    for _ in 0..5 {
        let start = Instant::now();
        let masses = masses(costs.len() / m, weights(0), m, weights(1)).unwrap();
        solved = Some(transport(&costs, &masses).unwrap());
        best = best.min(start.elapsed().as_secs_f64());
        if best > 2.0 {
            break;
        }
    }
    let solved = solved.unwrap();
    println!("{:?} {:?} {best:?} {}", solved.value, solved.dual, solved.pivots);
}
