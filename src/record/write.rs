//! Writes what was selected from files: the files of every selection, and the manifest last.

use kantor_solvers::{Quiet, Watch};
use kantor_theory::{Column, Facts};
use serde_json::{Map, Value};

use crate::certify;
use crate::output::{MANIFEST, ResultDirectory};
use crate::pipeline::{Error, Inputs, Outcome, ProvedSelection};
use crate::source::InputRecord;

use super::Origin;
use super::files::{SelectionFiles, Texts};
use super::formats::{Copies, Records};
use super::manifest::{Manifest, Run, directory};
use super::prices::query_texts;

/// Writes the result into the target, all at once, and returns its manifest.
///
/// # Errors
/// If the target may not be written, an input changed meanwhile, or the system refuses; then the target is as it was.
pub fn write(
    staging: ResultDirectory,
    inputs: &Inputs,
    outcome: &Outcome,
    run: Run,
    watch: &dyn Watch,
) -> Result<Manifest, Error> {
    write_copied(staging, inputs, outcome, run, &Copies::default(), watch)
}

/// As [`write()`], with the records of chosen rows in these formats.
///
/// # Errors
/// As [`write()`], or if a record cannot be written so.
pub fn write_copied(
    staging: ResultDirectory,
    inputs: &Inputs,
    outcome: &Outcome,
    run: Run,
    copies: &Copies,
    watch: &dyn Watch,
) -> Result<Manifest, Error> {
    copies.check(inputs)?;
    let texts = texts(inputs, outcome, copies.clone(), watch)?;
    write_with(staging, inputs, outcome, run, &texts)
}

/// As [`write()`], with the text of rows at hand.
pub(crate) fn write_with(
    mut staging: ResultDirectory,
    inputs: &Inputs,
    outcome: &Outcome,
    run: Run,
    texts: &Texts,
) -> Result<Manifest, Error> {
    write_columns(&mut staging, inputs)?;
    write_selections(&mut staging, inputs, outcome, "", texts)?;
    inputs.check_unchanged()?;
    let outputs = staging.written().to_vec();
    let mut manifest = Manifest::of(Origin(Some(inputs)), outcome, run, |c, p| Some(directory("", c, p)), outputs);
    if let Some(card) = texts.copies.card.filter(|_| texts.pool.is_some() || texts.taken.is_some()) {
        for result in &manifest.results {
            let path = format!("{}/{CARD}", result.dir.as_deref().unwrap_or_default());
            staging.file(&path, |out| out.write_all(card(&manifest, result).as_bytes()))?;
        }
        manifest.outputs = staging.written().to_vec();
    }
    finish(staging, &manifest)?;
    Ok(manifest)
}

/// The card beside chosen records.
const CARD: &str = "README.md";

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

/// The columns of which constraints and quality speak, one JSON object a row.
pub(crate) const COLUMNS: &str = "columns.jsonl";

/// Writes these columns, so that certificates can be checked with nothing but the rows.
///
/// # Errors
/// If the system refuses.
pub(crate) fn write_columns(staging: &mut ResultDirectory, inputs: &Inputs) -> Result<(), Error> {
    let columns: Vec<(&str, &Column)> =
        inputs.rules().spoken_of().map(|(record, column)| (record.name.as_str(), column)).collect();
    if columns.is_empty() {
        return Ok(());
    }
    let value = |column: &Column, row: usize| match column.number(row) {
        Some(number) => Value::from(number),
        None => Value::from(column.label(row)),
    };
    staging.file(COLUMNS, |out| {
        (0..inputs.original_pool_len()).try_for_each(|row| {
            let line: Map<String, Value> =
                columns.iter().map(|(name, column)| ((*name).to_owned(), value(column, row))).collect();
            serde_json::to_writer(&mut *out, &line)?;
            out.write_all(b"\n")
        })
    })?;
    Ok(())
}

/// Writes the files of every selection, in directories whose names begin with `under`.
///
/// # Errors
/// If a certificate contradicts itself, or the system refuses.
pub(crate) fn write_selections(
    staging: &mut ResultDirectory,
    inputs: &Inputs,
    outcome: &Outcome,
    under: &str,
    texts: &Texts,
) -> Result<(), Error> {
    let writer = SelectionWriter::new(inputs, &outcome.inputs, texts);
    let mut selections = outcome.selections();
    selections.try_for_each(|(chosen, proved)| {
        writer.write(staging, &directory(under, chosen, proved), &chosen.method, proved)
    })
}

/// The rows of every selection.
pub(crate) fn rows(outcome: &Outcome) -> impl Iterator<Item = &[usize]> {
    outcome.selections().map(|(_, proved)| &proved.selection.rows[..])
}

/// What the files of these selections show of the text of rows: all chosen examples as they are, and how queries begin.
pub(crate) fn texts(inputs: &Inputs, outcome: &Outcome, copies: Copies, watch: &dyn Watch) -> Result<Texts, Error> {
    let wanted = || rows(outcome).flatten().map(|&row| inputs.original_row(row)).collect::<Vec<usize>>();
    let (lines, columns) = copies.need(inputs);
    let records = |needed: bool| inputs.examples().filter(|_| needed);
    let pool = records(lines).map(|examples| examples.copy(&wanted(), watch)).transpose()?;
    let taken = records(columns).map(|examples| examples.take(&wanted(), watch)).transpose()?;
    Ok(Texts { pool, taken, queries: query_texts(inputs, outcome, watch)?, copies })
}

/// What each chosen row weighs of a total of 1: its length if tokens are the budget, else the same as the others.
fn weights(inputs: &Inputs, proved: &ProvedSelection) -> Vec<f64> {
    let rows = &proved.selection.rows;
    let lengths = proved.tokens.and_then(|_| inputs.rules().length_column());
    let length = |&row: &usize| lengths.and_then(|(_, column)| column.number(inputs.original_row(row))).unwrap_or(1.0);
    let lengths: Vec<f64> = rows.iter().map(length).collect();
    let total: f64 = lengths.iter().sum();
    lengths.into_iter().map(|length| length / total).collect()
}

/// Writes the files of one selection after the other.
pub(crate) struct SelectionWriter<'a> {
    inputs: &'a Inputs,
    facts: Facts,
    texts: &'a Texts,
}

impl<'a> SelectionWriter<'a> {
    /// For selections from these inputs, whose `records` certificates bind themselves to.
    pub(crate) fn new(inputs: &'a Inputs, records: &[InputRecord], texts: &'a Texts) -> Self {
        Self { inputs, facts: certify::facts(records, inputs.dropped()), texts }
    }

    /// Writes the files of one selection, which `method` made, into the directory `dir` of the result.
    pub(crate) fn write(
        &self,
        staging: &mut ResultDirectory,
        dir: &str,
        method: &str,
        proved: &ProvedSelection,
    ) -> Result<(), Error> {
        let origin = Origin(Some(self.inputs));
        let Texts { pool, taken, copies, .. } = self.texts;
        let records = Records {
            copies,
            lines: pool.as_ref(),
            taken: taken.as_ref(),
            weights: weights(self.inputs, proved),
            inputs: self.inputs,
        };
        let mut work =
            || SelectionFiles::of(origin, &self.facts, method, proved, self.texts)?.write(staging, dir, Some(&records));
        self.inputs.guarded(&Quiet, |_| work())
    }
}
