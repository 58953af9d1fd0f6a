//! `results.csv`: a line per result, in the order of the request, and an empty field for what is not known:
//!
//! | columns | what |
//! | --- | --- |
//! | `cost`, `method`, `budget` | which selection |
//! | `rows`, `tokens_used` | only of budgets in tokens: rows chosen, and their tokens by the lengths that the budget counts |
//! | `distance_lower`, `distance_upper` | proved to hold the distance |
//! | `best_lower`, `excess` | no subset of this size is closer; upper/best − 1, rounded up |
//! | `energy_lower`, `energy_upper` | proved to hold the energy distance |
//! | `chamfer_lower`, `chamfer_upper` | proved to hold the mean cost from a query to its closest chosen row; for p = 2 the root of the mean squared cost |
//! | `held_out_lower`, `held_out_upper`, `held_out_energy_lower`, `held_out_energy_upper` | the same distances to queries that took no part, in the mean over folds |
//! | `random_mean`, `random_min`, `random_max`, `random_percentile`, `random_p` | distances of random subsets, the share of them that is closer, and the p-value of those that are at least as close |
//! | `tokens`, `near_duplicates` | of the chosen rows: words and marks in all, share with a near-duplicate among them |
//! | `mean_quality`, `less_quality_lower`, `less_quality_upper`, `less_quality_best`, `less_quality_gap` | mean of what the chosen rows are worth by themselves; proved to hold the distance to its power less weight times that; no subset that may be chosen has less; upper − best, rounded up |
//! | `status`, `seconds`, `cpu_seconds`, `certify_seconds`, `peak_memory_bytes` | how it ended and what it took; seconds of the method's own work are for all budgets together |
//! | `task_distance_lower:NAME`, `task_distance_upper:NAME` | where the worst of several tasks counts, for each: proved to hold the distance to it |

use std::io::{self, Write};

use serde::Serialize;

use crate::record::Comparison;
use crate::record::columns::{COLUMNS, Cell, Shown};

/// A field of `results.csv`, empty if there is no value.
#[derive(Serialize)]
#[serde(untagged)]
enum Field<'a> {
    Word(&'a str),
    Text(String),
    Count(u64),
    Number(Option<f64>),
}

/// The fields of a value, of which there are `count`.
fn fields(value: Option<Cell<'_>>, count: usize) -> Vec<Field<'_>> {
    match value {
        None => (0..count).map(|_| Field::Number(None)).collect(),
        Some(Cell::Word(word)) => vec![Field::Word(word)],
        Some(Cell::Text(text)) => vec![Field::Text(text)],
        Some(Cell::Count(number) | Cell::Bytes(number)) => vec![Field::Count(number)],
        Some(Cell::Interval(around) | Cell::Value(around)) => [around.lower, around.upper].map(Field::Number).into(),
        Some(Cell::Number(x) | Cell::Gap(x) | Cell::Excess(x) | Cell::Share(x) | Cell::Seconds(x)) => {
            vec![Field::Number(Some(x))]
        }
        Some(Cell::Status(status)) => vec![Field::Word(status.name())],
    }
}

/// Writes a line of headings and one per result.
///
/// # Errors
/// If the system refuses.
pub(crate) fn write(comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    let mut lines = csv::Writer::from_writer(out);
    let of = comparison.context();
    let columns = || COLUMNS.iter().filter(|column| !column.csv.is_empty() && (column.in_csv)(&of));
    let tasks = || of.worst_tasks().iter().enumerate();
    let of_tasks =
        tasks().flat_map(|(_, (task, _))| ["lower", "upper"].map(|end| format!("task_distance_{end}:{task}")));
    let fixed = columns().flat_map(|column| column.csv).map(|name| (*name).to_owned());
    lines.write_record(fixed.chain(of_tasks)).map_err(io::Error::other)?;
    for found in &comparison.results {
        let cells = columns().flat_map(|column| fields((column.cell)(&Shown { of, found }), column.csv.len()));
        let of_tasks =
            tasks().flat_map(|(task, _)| fields(found.task_distances.get(task).copied().map(Cell::Interval), 2));
        lines.serialize(cells.chain(of_tasks).collect::<Vec<_>>()).map_err(io::Error::other)?;
    }
    lines.flush()
}
