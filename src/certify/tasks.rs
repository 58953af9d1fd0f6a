//! The transport of rows to every one of several tasks; to all queries together, if there are none.

use kantor_solvers::transport::exact::{Transport, masses, transport};
use kantor_theory::Weights;

use super::CertifyError;

/// The first query of every task, and the optimal plan to it, of `rows` rows with these costs to all queries (row-major).
pub(crate) fn transports(
    costs: &[f64],
    rows: usize,
    weights: &Weights,
    tasks: &[usize],
) -> Result<Vec<(usize, Transport)>, CertifyError> {
    let m = costs.len() / rows;
    let mut first = 0;
    let solve = |&count: &usize| {
        let span = first..first + count;
        first = span.end;
        let query = weights.query.as_deref().map(|weights| &weights[span.clone()]);
        let masses = masses(rows, weights.subset.as_deref(), count, query)?;
        let solved = match count == m {
            true => transport(costs, &masses)?,
            false => {
                let lines = costs.chunks_exact(m).flat_map(|line| &line[span.clone()]);
                transport(&lines.copied().collect::<Vec<f64>>(), &masses)?
            }
        };
        Ok((span.start, solved))
    };
    if tasks.is_empty() { [m].iter().map(solve).collect() } else { tasks.iter().map(solve).collect() }
}
