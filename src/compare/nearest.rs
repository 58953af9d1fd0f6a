//! A few queries and the pool examples closest to them, as text.
//!
//! For a single query the method `round-robin` lists the closest rows in exact order, so it is asked. One pass over the
//! pool for each query shown.

use kantor_solvers::scan::scan;
use kantor_solvers::select::RoundRobin;
use kantor_solvers::{Selector, Task, Watch};
use kantor_theory::{PickedRows, Power};

use crate::pipeline::{Error, Inputs};
use crate::problem::Problem;
use crate::record::{NearestExample, NearestExamples};
use crate::source::JsonlRows;
use crate::source::text::beginning;

/// Queries shown, spread evenly over all of them.
const QUERIES: usize = 6;

/// Examples shown of each.
const EXAMPLES: usize = 3;

/// The examples closest to some queries; `chosen` are methods with the rows that they chose. Nothing without text.
pub(super) fn nearest(
    inputs: &Inputs,
    problem: &Problem<'_>,
    chosen: &[(&str, &[usize])],
    memory: u64,
    watch: &dyn Watch,
) -> Result<Vec<NearestExamples>, Error> {
    let Some(examples) = inputs.examples() else { return Ok(Vec::new()) };
    let m = problem.geometry().query_len();
    let shown = QUERIES.min(m);
    let queries: Vec<usize> = (0..shown).map(|place| place * m / shown).collect();
    let mut found = Vec::with_capacity(shown);
    for &query in &queries {
        let one = PickedRows::new(problem.queries(), vec![query]);
        let one = problem.with_queries(&one)?;
        let geometry = one.geometry();
        let task = Task { power: Power::One, ..one.task(0, memory, watch) };
        let count = EXAMPLES.min(geometry.pool_len());
        let findings = scan(&task, RoundRobin.needs(&task, count))?;
        let rows = RoundRobin.select(&task, &findings, &[count])?.pop().map_or_else(Vec::new, |found| found.rows);
        let costs: Vec<f64> = rows.iter().map(|&row| geometry.cost_of(row, 0)).collect();
        found.push((rows, costs));
    }
    let wanted: Vec<usize> = found.iter().flat_map(|(rows, _)| rows).map(|&row| inputs.original_row(row)).collect();
    let lines = examples.copy(&wanted, watch)?;
    let originals: Vec<usize> = queries.iter().map(|&query| inputs.original_query(query)).collect();
    let texts = inputs.query_examples().map(|text: &JsonlRows| text.copy(&originals, watch)).transpose()?;
    let example = |(&row, &cost): (&usize, &f64)| {
        let original = inputs.original_row(row);
        NearestExample {
            row: original,
            id: examples.id(original).map_or_else(|| original.to_string(), str::to_owned),
            cost,
            text: beginning(inputs.said(&lines[&original])),
            chosen_by: chosen
                .iter()
                .filter(|(_, rows)| rows.contains(&row))
                .map(|(name, _)| (*name).to_owned())
                .collect(),
        }
    };
    let of = |(query, (rows, costs)): (usize, (Vec<usize>, Vec<f64>))| NearestExamples {
        query,
        text: texts.as_ref().map(|texts| beginning(inputs.said(&texts[&query]))),
        examples: rows.iter().zip(&costs).map(example).collect(),
    };
    Ok(originals.into_iter().zip(found).map(of).collect())
}
