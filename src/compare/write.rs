//! Writes a comparison: `results.csv`, `results.json`, `report.html` with its `figures/*.svg`, the selections on request,
//! and `manifest.json` last.

use kantor_solvers::Watch;

use super::run::{CompareRequest, Compared};
use crate::output::ResultDirectory;
use crate::pipeline::{Error, Inputs};
use crate::record::{Manifest, Origin, Run, directory, finish, texts, write_columns, write_selections};
use crate::view::{Page, csv};

/// The page.
pub const REPORT: &str = "report.html";

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
    if let Some(copies) = &request.write_selections {
        write_columns(&mut staging, inputs)?;
        for outcome in outcomes {
            let texts = texts(inputs, outcome, copies.clone(), watch)?;
            let under = request.under(outcome.goal.cost);
            write_selections(&mut staging, inputs, outcome, &under, &texts)?;
        }
    }
    staging.file("results.csv", |out| csv::write(comparison, out))?;
    staging.file("results.json", |out| {
        serde_json::to_writer(&mut *out, &comparison)?;
        out.write_all(b"\n")
    })?;
    staging.file(REPORT, |out| out.write_all(page.html.as_bytes()))?;
    for (name, figure) in &page.figures {
        staging.file(&format!("figures/{name}"), |out| out.write_all(figure.as_bytes()))?;
    }
    inputs.check_unchanged()?;
    let outcome = &outcomes[0];
    let run = Run { begun: request.begun, on_bad_row: request.on_bad_row };
    let under = request.write_selections.is_some().then(|| request.under(outcome.goal.cost));
    let dir = |chosen: &_, proved: &_| Some(directory(under.as_deref()?, chosen, proved));
    let manifest = Manifest::of(Origin(Some(inputs)), outcome, run, dir, staging.written().to_vec());
    finish(staging, &manifest)
}
