//! Writes a comparison: `results.csv`, `results.json`, `report.html` with its `figures/*.svg`, the selections on request,
//! and `manifest.json` last.
//!
//! `results.csv` has a line per result, in the order of the request, and an empty field for what is not known:
//!
//! | columns | what |
//! | --- | --- |
//! | `cost`, `method`, `budget` | which selection |
//! | `distance_lower`, `distance_upper` | proved to hold the distance |
//! | `best_lower`, `excess` | no subset of this size is closer; upper/best − 1, rounded up |
//! | `energy_lower`, `energy_upper` | proved to hold the energy distance |
//! | `chamfer_lower`, `chamfer_upper` | proved to hold the mean cost from a query to its closest chosen row |
//! | `held_out_lower`, `held_out_upper`, `held_out_energy_lower`, `held_out_energy_upper` | the same distances to queries that took no part, in the mean over folds |
//! | `random_mean`, `random_min`, `random_max`, `random_percentile`, `random_p` | distances of random subsets, the share of them that is at least as close, and the p-value of that |
//! | `tokens`, `near_duplicates` | of the chosen rows: tokens in all, share with a near-duplicate among them |
//! | `status`, `seconds`, `cpu_seconds`, `certify_seconds`, `peak_memory_bytes` | how it ended and what it took; seconds of the method's own work are for all budgets together |

use std::io;

use kantor_solvers::Watch;
use serde::Serialize;

use super::run::{CompareRequest, Compared};
use crate::output::ResultDirectory;
use crate::record::columns::{COLUMNS, Cell, Shown};
use crate::record::{Manifest, Origin, Run, directory, finish, write_selections};
use crate::report::Page;
use crate::select::{Error, Inputs};

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
        Some(Cell::Number(x) | Cell::Excess(x) | Cell::Share(x) | Cell::Seconds(x)) => vec![Field::Number(Some(x))],
        Some(Cell::Status(status)) => vec![Field::Word(status.name())],
    }
}

/// Writes everything into the target, all at once, and the selections if the request says so. The manifest describes
/// the selections of the first cost, `results.json` all.
///
/// # Errors
/// If an input changed meanwhile or the system refuses; then the target is as it was.
pub fn write(
    mut staging: ResultDirectory,
    inputs: &Inputs,
    request: &CompareRequest,
    compared: &Compared,
    page: &Page,
    watch: &dyn Watch,
) -> Result<(), Error> {
    let Compared { comparison, outcomes } = compared;
    if request.write_selections {
        for outcome in outcomes {
            write_selections(&mut staging, inputs, outcome, &request.under(outcome.request.cost), watch)?;
        }
    }
    staging.file("results.csv", |out| {
        let mut lines = csv::Writer::from_writer(out);
        let columns = || COLUMNS.iter().filter(|column| !column.csv.is_empty());
        lines.write_record(columns().flat_map(|column| column.csv)).map_err(io::Error::other)?;
        let of = comparison.context();
        for found in &comparison.results {
            let cells = columns().flat_map(|column| fields((column.cell)(&Shown { of, found }), column.csv.len()));
            lines.serialize(cells.collect::<Vec<_>>()).map_err(io::Error::other)?;
        }
        lines.flush()
    })?;
    staging.file("results.json", |out| {
        serde_json::to_writer(&mut *out, &comparison)?;
        out.write_all(b"\n")
    })?;
    staging.file("report.html", |out| out.write_all(page.html.as_bytes()))?;
    for (name, figure) in &page.figures {
        staging.file(&format!("figures/{name}"), |out| out.write_all(figure.as_bytes()))?;
    }
    inputs.check_unchanged()?;
    let outcome = &outcomes[0];
    let run = Run { begun: request.begun, on_bad_row: request.on_bad_row };
    let under = request.write_selections.then(|| request.under(outcome.request.cost));
    let dir = |chosen: &_, proved: &_| Some(directory(under.as_deref()?, chosen, proved));
    let manifest = Manifest::of(Origin(Some(inputs)), outcome, run, dir, staging.written().to_vec());
    finish(staging, &manifest)
}
