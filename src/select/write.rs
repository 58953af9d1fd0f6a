//! Writes what was selected: the files of every selection, and the manifest last.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Instant;

use kantor_solvers::{Quiet, Watch};
use kantor_theory::{Facts, Objective, Status};

use crate::certify::{self, Certified};
use crate::data::OnBadRow;
use crate::output::{CERTIFICATE, MANIFEST, ResultDirectory, Written};
use crate::report::files::{self, Line};
use crate::report::manifest::{self, BestRecord, InputRecord, Manifest, Parameters, Provenance, ResultRecord};
use crate::report::memory;

use super::{Chosen, Error, Inputs, Outcome, Proved, Request, coverage, order};

/// What a result must record besides inputs, request and outcome.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// When the run began.
    pub begun: Instant,
    /// What was done with rows that cannot be measured.
    pub on_bad_row: OnBadRow,
}

/// Writes the result into `target`, all at once, and returns its manifest.
///
/// # Errors
/// If `target` may not be written, an input changed meanwhile, or the system refuses; then `target` is as it was.
pub fn write(
    staging: ResultDirectory,
    inputs: &Inputs,
    request: &Request,
    outcome: &Outcome,
    run: Run,
    watch: &dyn Watch,
) -> Result<Manifest, Error> {
    let copies = copies(inputs, rows(outcome), watch)?;
    write_with(staging, inputs, request, outcome, run, copies.as_ref())
}

/// As [`write`], with the examples to copy at hand.
pub(crate) fn write_with(
    mut staging: ResultDirectory,
    inputs: &Inputs,
    request: &Request,
    outcome: &Outcome,
    run: Run,
    copies: Option<&Copies>,
) -> Result<Manifest, Error> {
    write_files(&mut staging, inputs, outcome, "", copies)?;
    inputs.check_unchanged()?;
    let manifest = manifest(inputs, request, outcome, run, Some(""), staging.written().to_vec());
    finish(staging, &manifest)?;
    Ok(manifest)
}

/// Adds the manifest and makes the result visible.
///
/// # Errors
/// If the system refuses.
pub(crate) fn finish(mut staging: ResultDirectory, manifest: &Manifest) -> Result<(), Error> {
    staging.file(MANIFEST, |out| {
        serde_json::to_writer_pretty(&mut *out, manifest)?;
        out.write_all(b"\n")
    })?;
    Ok(staging.commit()?)
}

/// Writes the files of every selection, in directories whose names begin with `under`.
///
/// # Errors
/// If the pool's examples cannot be read again, a certificate contradicts itself, or the system refuses.
pub(crate) fn write_selections(
    staging: &mut ResultDirectory,
    inputs: &Inputs,
    outcome: &Outcome,
    under: &str,
    watch: &dyn Watch,
) -> Result<(), Error> {
    let copies = copies(inputs, rows(outcome), watch)?;
    write_files(staging, inputs, outcome, under, copies.as_ref())
}

fn write_files(
    staging: &mut ResultDirectory,
    inputs: &Inputs,
    outcome: &Outcome,
    under: &str,
    copies: Option<&Copies>,
) -> Result<(), Error> {
    let writer = SelectionWriter::new(inputs, &outcome.inputs, copies);
    for chosen in &outcome.chosen {
        for proved in &chosen.selections {
            let dir = format!("{under}{}", files::directory(&chosen.method, &proved.selection));
            writer.write(staging, &dir, &chosen.method, proved)?;
        }
    }
    Ok(())
}

/// The rows of every selection.
fn rows(outcome: &Outcome) -> impl Iterator<Item = &[usize]> {
    outcome.chosen.iter().flat_map(|chosen| &chosen.selections).map(|proved| &proved.selection.rows[..])
}

/// All parameters, defaults resolved.
pub(crate) fn parameters(request: &Request, objective: Objective, on_bad_row: OnBadRow) -> Parameters {
    Parameters {
        methods: request.methods.clone(),
        budgets: request.budgets.clone(),
        cost: request.cost,
        p: request.power,
        objective,
        certify: request.certify,
        energy: request.energy,
        cross_fit: request.cross_fit,
        balance_groups: request.balance.is_some(),
        settings: request.settings.resolved(),
        on_bad_row,
    }
}

/// What a result of this request is made from.
pub(crate) fn provenance(inputs: &Inputs, request: &Request, records: Vec<InputRecord>) -> Provenance {
    Provenance {
        kantor: env!("CARGO_PKG_VERSION"),
        inputs: records,
        dropped_rows: inputs.dropped().to_vec(),
        pool_rows: inputs.pool_len(),
        query_rows: inputs.queries().len(),
        overlap: inputs.overlap(),
        seed: request.seed,
        rng: "ChaCha8",
        tie_rule: "lower pool row first",
    }
}

/// The record of how these selections were made. Their directories begin with `under`, if they are written at all.
pub(crate) fn manifest(
    inputs: &Inputs,
    request: &Request,
    outcome: &Outcome,
    run: Run,
    under: Option<&str>,
    outputs: Vec<Written>,
) -> Manifest {
    let record = |chosen: &Chosen, proved: &Proved| ResultRecord {
        method: chosen.method.clone(),
        budget: proved.selection.budget(),
        dir: under.map(|under| format!("{under}{}", files::directory(&chosen.method, &proved.selection))),
        nested: chosen.nested,
        distance: proved.certified.as_ref().map(|certified| certified.distance().interval()),
        best: proved.certified.as_ref().and_then(|c| Some(BestRecord { lower: c.best()?.lower() })),
        excess: proved.certified.as_ref().and_then(Certified::excess),
        energy: proved.beside.and_then(|beside| beside.energy),
        chamfer: proved.beside.map(|beside| beside.chamfer),
        held_out: proved.held_out,
        groups: inputs.groups().map_or_else(Vec::new, |groups| coverage(groups, request, proved)),
        status: proved.status(),
        notes: proved.selection.notes.clone(),
        seconds: chosen.seconds,
        cpu_seconds: chosen.cpu_seconds,
        certify_seconds: proved.seconds,
    };
    let results: Vec<ResultRecord> = (outcome.chosen.iter())
        .flat_map(|chosen| chosen.selections.iter().map(move |proved| record(chosen, proved)))
        .collect();
    let status = results.iter().map(|result| result.status).find(|status| !status.is_success());
    Manifest {
        schema: manifest::SCHEMA,
        provenance: provenance(inputs, request, outcome.inputs.clone()),
        groups: named_groups(inputs),
        parameters: parameters(request, outcome.objective, run.on_bad_row),
        threads: rayon::current_num_threads(),
        status: status.or_else(|| results.first().map(|result| result.status)).unwrap_or(Status::Uncertified),
        results,
        notes: order::notes(inputs, request, &outcome.chosen),
        outputs,
        scan_seconds: outcome.scan_seconds,
        best_seconds: outcome.best_seconds,
        cross_fit_seconds: outcome.cross_fit_seconds,
        seconds: run.begun.elapsed().as_secs_f64(),
        peak_memory_bytes: memory::peak(),
    }
}

/// The labels of the queries with their numbers of queries.
pub(crate) fn named_groups(inputs: &Inputs) -> Vec<(String, usize)> {
    inputs.groups().map_or_else(Vec::new, |groups| groups.names.iter().cloned().zip(groups.counts()).collect())
}

/// Lines by row number.
type Copies = HashMap<usize, Box<[u8]>>;

/// The original bytes of all chosen examples, by row number.
pub(crate) fn copies<'a>(
    inputs: &Inputs,
    chosen: impl Iterator<Item = &'a [usize]>,
    watch: &dyn Watch,
) -> Result<Option<Copies>, Error> {
    let Some(examples) = inputs.examples() else { return Ok(None) };
    let wanted: Vec<usize> = chosen.flatten().map(|&row| inputs.original_row(row)).collect();
    Ok(Some(examples.copy(&wanted, watch)?))
}

/// Writes the files of one selection after the other.
pub(crate) struct SelectionWriter<'a> {
    inputs: &'a Inputs,
    facts: Facts,
    copies: Option<&'a Copies>,
}

impl<'a> SelectionWriter<'a> {
    /// For selections from these inputs, whose `records` certificates bind themselves to.
    pub(crate) fn new(inputs: &'a Inputs, records: &[InputRecord], copies: Option<&'a Copies>) -> Self {
        let facts = certify::facts(records, inputs.dropped());
        Self { inputs, facts, copies }
    }

    /// Writes the files of one selection, which `method` made, into the directory `dir` of the result.
    pub(crate) fn write(
        &self,
        staging: &mut ResultDirectory,
        dir: &str,
        method: &str,
        proved: &Proved,
    ) -> Result<(), Error> {
        self.inputs.guarded(&Quiet, |_| self.write_files(staging, dir, method, proved))
    }

    fn write_files(
        &self,
        staging: &mut ResultDirectory,
        dir: &str,
        method: &str,
        proved: &Proved,
    ) -> Result<(), Error> {
        let (inputs, selection) = (self.inputs, &proved.selection);
        let rows: Vec<usize> = selection.rows.iter().map(|&row| inputs.original_row(row)).collect();
        staging.file(&format!("{dir}/indices.npy"), |out| files::indices(&rows, out))?;
        staging.file(&format!("{dir}/selection.jsonl"), |out| {
            for (rank, (&index, &(query, cost))) in rows.iter().zip(&proved.nearest).enumerate() {
                let id = inputs.examples().and_then(|examples| examples.id(index));
                let line = Line {
                    rank,
                    index,
                    id: id.map_or_else(|| Cow::Owned(index.to_string()), Cow::Borrowed),
                    score: selection.scores[rank],
                    nearest_query: inputs.original_query(query),
                    cost,
                };
                serde_json::to_writer(&mut *out, &line)?;
                out.write_all(b"\n")?;
            }
            Ok(())
        })?;
        if let Some(copies) = self.copies {
            staging.file(&format!("{dir}/selected.jsonl"), |out| {
                rows.iter().try_for_each(|row| out.write_all(&copies[row]))
            })?;
        }
        if let Some(certified) = &proved.certified {
            let certificate = certified.certificate(&self.facts, Some(method))?;
            staging.file(&format!("{dir}/{CERTIFICATE}"), |out| out.write_all(&certificate.to_json()))?;
        }
        Ok(())
    }
}
