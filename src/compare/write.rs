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
use kantor_theory::{Interval, Status};
use serde::Serialize;

use super::record::{Comparison, Row};
use super::run::{Compared, Request};
use crate::output::ResultDirectory;
use crate::report::Page;
use crate::select::{Error, Inputs, Run, finish, manifest, write_selections};

/// A line of `results.csv`.
#[derive(Serialize)]
struct Line<'a> {
    cost: &'static str,
    method: &'a str,
    budget: usize,
    distance_lower: Option<f64>,
    distance_upper: Option<f64>,
    best_lower: f64,
    excess: Option<f64>,
    energy_lower: Option<f64>,
    energy_upper: Option<f64>,
    chamfer_lower: Option<f64>,
    chamfer_upper: Option<f64>,
    held_out_lower: Option<f64>,
    held_out_upper: Option<f64>,
    held_out_energy_lower: Option<f64>,
    held_out_energy_upper: Option<f64>,
    random_mean: Option<f64>,
    random_min: Option<f64>,
    random_max: Option<f64>,
    random_percentile: Option<f64>,
    random_p: Option<f64>,
    tokens: Option<u64>,
    near_duplicates: Option<f64>,
    status: Status,
    seconds: f64,
    cpu_seconds: f64,
    certify_seconds: f64,
    peak_memory_bytes: Option<u64>,
}

impl<'a> Line<'a> {
    fn of(comparison: &Comparison, row: &'a Row) -> Self {
        let nothing = Interval { lower: None, upper: None };
        let energy = row.energy.unwrap_or(nothing);
        let held_out = row.held_out.map_or(nothing, |held| held.held_out.distance);
        let held_out_energy = row.held_out.and_then(|held| held.held_out.energy).unwrap_or(nothing);
        let here = |(cost, budget)| (cost, budget) == (row.cost, row.budget);
        let reference = comparison.references.iter().find(|reference| here((reference.cost, reference.budget)));
        Self {
            cost: row.cost.name(),
            method: &row.method,
            budget: row.budget,
            distance_lower: row.distance.lower,
            distance_upper: row.distance.upper,
            best_lower: row.best,
            excess: row.excess,
            energy_lower: energy.lower,
            energy_upper: energy.upper,
            chamfer_lower: row.chamfer.lower,
            chamfer_upper: row.chamfer.upper,
            held_out_lower: held_out.lower,
            held_out_upper: held_out.upper,
            held_out_energy_lower: held_out_energy.lower,
            held_out_energy_upper: held_out_energy.upper,
            random_mean: reference.map(|drawn| drawn.mean),
            random_min: reference.map(|drawn| drawn.range.0),
            random_max: reference.map(|drawn| drawn.range.1),
            random_percentile: row.against_random.map(|place| place.percentile),
            random_p: row.against_random.map(|place| place.p_value),
            tokens: row.tokens,
            near_duplicates: row.near_duplicates,
            status: row.status,
            seconds: row.seconds,
            cpu_seconds: row.cpu_seconds,
            certify_seconds: row.certify_seconds,
            peak_memory_bytes: row.peak_memory_bytes,
        }
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
    request: &Request,
    compared: &Compared,
    page: &Page,
    watch: &dyn Watch,
) -> Result<(), Error> {
    let Compared { comparison, outcomes } = compared;
    if request.write_selections {
        for (selecting, outcome) in outcomes {
            write_selections(&mut staging, inputs, outcome, &request.under(selecting.cost), watch)?;
        }
    }
    staging.file("results.csv", |out| {
        let mut lines = csv::Writer::from_writer(out);
        for row in &comparison.results {
            lines.serialize(Line::of(comparison, row)).map_err(io::Error::other)?;
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
    let (selecting, outcome) = &outcomes[0];
    let run = Run { begun: request.begun, on_bad_row: request.on_bad_row };
    let under = request.write_selections.then(|| request.under(selecting.cost));
    let outputs = staging.written().to_vec();
    finish(staging, &manifest(inputs, selecting, outcome, run, under.as_deref(), outputs))
}
