//! A short training of low-rank maps beside a language model, on a part of a pool: the checkpoints by which LESS
//! (Xia et al., arXiv 2402.04333) makes rows of gradients.
//!
//! AdamW without decay and without dropout; a checkpoint after every pass over the part. The same checkpoints, bit by bit, for any
//! number of threads on one kind of processor.
//!
//! Limit: the matrix products of the model, of one text a thread.

mod rate;

use std::path::{Path, PathBuf};

use kantor_solvers::Watch;
use kantor_solvers::draw::{sample, without_replacement};
use serde::Serialize;

use crate::embed::{ModelRecord, TextRecord};
use crate::output::{MANIFEST, ResultDirectory, Written};
use crate::pipeline::Error;
use crate::represent::{EncoderOptions, Example, Failed, LoraSettings, Reading, Template, Trainer};
use crate::source::name::readable;
use crate::source::{Allowance, DataError, JsonlRows};
use rate::Schedule;

/// The layout of the record.
const SCHEMA: &str = "kantor/warmup/1";

/// The first stream of random numbers for the order of the rows in a pass.
const ORDERS: u64 = 1 << 32;

/// What to train, on what, and how.
#[derive(Debug, Clone)]
pub struct WarmupSpec {
    /// Files of text, in order.
    pub files: Vec<PathBuf>,
    /// What of a line is its text; its usual fields if nothing is said.
    pub template: Option<Template>,
    /// The folder or file of the model.
    pub model: PathBuf,
    /// How it reads texts.
    pub options: EncoderOptions,
    /// The maps that are trained.
    pub adapter: LoraSettings,
    /// How they are trained.
    pub training: Training,
    /// Whether rows of which no answer is left are left out, and not an error.
    pub drop: bool,
    /// The directory of the checkpoints.
    pub out: PathBuf,
    /// Whether it may replace an older one.
    pub force: bool,
    /// Files that the directory may not hold, beside those of the text.
    pub beside: Vec<PathBuf>,
    /// Bytes that may be used.
    pub memory: u64,
}

/// How an adapter is trained.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Training {
    /// The part of the rows that is trained on, in (0, 1].
    pub share: f64,
    /// Passes over these rows.
    pub epochs: usize,
    /// The largest learning rate.
    pub learning_rate: f64,
    /// Rows of a step.
    pub batch: usize,
    /// Of the part, the order and the first numbers.
    pub seed: u64,
}

/// What was trained.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WarmupRecord {
    schema: String,
    /// The version of kantor.
    pub version: String,
    /// Beside what.
    pub model: ModelRecord,
    /// The files of text.
    pub text: Vec<TextRecord>,
    /// What of a line is its text; its usual fields if nothing is said.
    pub template: Option<String>,
    /// The maps that were trained.
    pub adapter: LoraSettings,
    /// How.
    pub training: Training,
    /// Rows that were trained on.
    pub rows: usize,
    /// Rows among them whose text was longer than what is read.
    pub cut: usize,
    /// Rows that were left out for want of an answer.
    pub dropped: usize,
    /// The checkpoints, in order.
    pub checkpoints: Vec<Passed>,
    /// The files of the directory.
    pub outputs: Vec<Written>,
}

/// A pass over the rows, at whose end a checkpoint stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Passed {
    /// The folder of the checkpoint.
    pub path: String,
    /// Steps of the optimiser since the beginning.
    pub step: usize,
    /// The mean learning rate of the steps of this pass.
    pub learning_rate: f64,
    /// The mean loss of an answer's tokens over the rows of this pass, each before its step.
    pub loss: f64,
}

/// Trains and writes the checkpoints to `spec.out`.
///
/// # Errors
/// If the text or the model cannot be used, a row has no gradient, more than `spec.memory` is needed, the system refuses, or `watch`
/// asks to stop; then nothing is written.
pub fn warmup(spec: &WarmupSpec, watch: &dyn Watch) -> Result<WarmupRecord, Error> {
    spec.training.check()?;
    let beside = spec.files.iter().chain(&spec.beside).map(PathBuf::as_path).collect::<Vec<&Path>>();
    let mut staging = ResultDirectory::begin(&spec.out, spec.force, &beside)?;
    let allowance = Allowance::new(spec.memory);
    let lines = JsonlRows::scan_apart(&spec.files, &allowance, watch)?;
    let Training { epochs, batch, seed, .. } = spec.training;
    let mut trainer = Trainer::open(&spec.model, &spec.options, &spec.adapter, seed, &allowance, watch)?;
    let rows = sample(seed, lines.len(), spec.training.rows(lines.len()));
    let (examples, dropped) = examples(spec, &lines, &rows, &trainer, &allowance, watch)?;
    if examples.is_empty() {
        let fault = "has no row with an answer among those that were drawn";
        return Err(DataError::malformed(&spec.files[0], fault, "train on a larger part of it with --share").into());
    }
    let steps = examples.len().div_ceil(batch);
    let schedule = Schedule { most: spec.training.learning_rate, steps: steps * epochs };
    watch.begin("train", (examples.len() * epochs) as u64);
    let mut checkpoints = Vec::new();
    for epoch in 0..epochs {
        let order = without_replacement(seed, ORDERS + epoch as u64, examples.len(), examples.len());
        let (mut rates, mut loss) = (0.0, 0.0);
        for (at, part) in order.chunks(batch).enumerate() {
            let rate = schedule.rate(epoch * steps + at);
            let texts: Vec<&Example> = part.iter().map(|&at| &examples[at].1).collect();
            let before = trainer.step(rate, &texts, watch).map_err(|failed| match failed {
                Failed::Stopped(stopped) => stopped,
                Failed::Example(at, fault) => {
                    let (file, line) = lines.place(examples[part[at]].0);
                    let remedy = "take another model or a lower --learning-rate, or leave the line out";
                    DataError::Line { file: file.to_owned(), line, fault, remedy }
                }
            })?;
            rates += rate / steps as f64;
            loss += before * part.len() as f64 / examples.len() as f64;
        }
        let path = format!("epoch-{}", epoch + 1);
        let files = trainer.files(rates).map_err(|fault| {
            DataError::malformed(&spec.out, format!("cannot be written: {fault}"), "ask for another adapter")
        })?;
        for (name, bytes) in files {
            staging.file(&format!("{path}/{name}"), |out| out.write_all(&bytes))?;
        }
        checkpoints.push(Passed { path, step: (epoch + 1) * steps, learning_rate: rates, loss });
    }
    lines.check_unchanged()?;
    let record = WarmupRecord {
        schema: SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        model: ModelRecord {
            path: readable(&spec.model).to_string(),
            sha256: trainer.digest().to_owned(),
            max_length: trainer.longest(),
            prompt: trainer.prompt().to_owned(),
        },
        text: TextRecord::all(&lines),
        template: spec.template.as_ref().map(ToString::to_string),
        adapter: trainer.adapter().clone(),
        training: spec.training.clone(),
        rows: examples.len(),
        cut: examples.iter().filter(|(_, example)| example.is_cut()).count(),
        dropped,
        checkpoints,
        outputs: staging.written().to_vec(),
    };
    staging.file(MANIFEST, |out| {
        serde_json::to_writer_pretty(&mut *out, &record)?;
        out.write_all(b"\n")
    })?;
    staging.commit()?;
    Ok(record)
}

/// The rows as they are trained on, with their numbers, and how many were left out.
fn examples(
    spec: &WarmupSpec,
    lines: &JsonlRows,
    rows: &[usize],
    trainer: &Trainer,
    allowance: &Allowance,
    watch: &dyn Watch,
) -> Result<(Vec<(usize, Example)>, usize), DataError> {
    let (mut examples, mut dropped) = (Vec::new(), 0);
    Reading::new(spec.template.clone()).each_text(lines, 0..lines.len(), allowance, watch, &mut |row, text| {
        if rows.binary_search(&row).is_err() {
            return Ok(());
        }
        match trainer.example(&text) {
            Ok(example) => examples.push((row, example)),
            Err((_, true)) if spec.drop => dropped += 1,
            Err(((fault, remedy), _)) => {
                let (file, line) = lines.place(row);
                return Err(DataError::Line { file: file.to_owned(), line, fault, remedy });
            }
        }
        Ok(())
    })?;
    Ok((examples, dropped))
}

impl Training {
    /// Rows of the part of so many.
    fn rows(&self, of: usize) -> usize {
        ((self.share * of as f64).ceil() as usize).clamp(1, of)
    }

    fn check(&self) -> Result<(), Error> {
        let refuse = |fault: String| Err(Error::Request(fault));
        if !(self.share > 0.0 && self.share <= 1.0) {
            return refuse(format!(
                "a share of {} of the rows cannot be trained on: it is above 0 and at most 1",
                self.share
            ));
        }
        if !(self.learning_rate > 0.0 && self.learning_rate <= 1.0) {
            return refuse(format!(
                "a learning rate of {:e} trains nothing: it is above 0 and at most 1",
                self.learning_rate
            ));
        }
        if self.epochs == 0 || self.batch == 0 {
            return refuse(format!("{} epochs of batches of {} rows train nothing", self.epochs, self.batch));
        }
        Ok(())
    }
}
