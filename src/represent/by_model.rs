//! Rows of text by a model: those of a file, or those that a run makes on its way.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use kantor_solvers::{Quiet, Watch};
use rayon::prelude::*;

use super::cache::{Cache, Key};
use super::models::{Encoder as Model, VERSION};
use super::reading::Reading;
use super::spec::{ModelSpec, Side, model_name};
use super::{EncoderOptions, StoredAs, described};
use crate::probe;
use crate::source::answers::Marked;
use crate::source::memory::Claim;
use crate::source::{Allowance, DataError, JsonlRows, Representation};

/// Rows of a block: texts that are worked on together, and what `embed` keeps at a time.
pub(crate) const BLOCK: usize = 512;

/// How a model makes rows of lines.
pub(crate) struct Encoding<'a> {
    pub(crate) model: &'a Model,
    pub(crate) reading: &'a Reading,
    /// What every text begins with.
    pub(crate) prompt: &'a str,
    pub(crate) element: StoredAs,
    /// Rows that are made together.
    pub(crate) block: usize,
}

/// The row of a text.
pub(crate) struct Encoded {
    /// Its numbers as they are stored, the least significant byte first.
    pub(crate) bytes: Vec<u8>,
    /// Whether the text was longer than what is read.
    pub(crate) is_cut: bool,
    /// Whether no answer was left of it, so that the row is zero.
    pub(crate) is_dropped: bool,
}

impl Encoding<'_> {
    /// Calls `take` with the rows of some lines, in order, as many at a time as a block has. Advances `watch` by rows.
    ///
    /// # Errors
    /// If a line has no text or its text no row, a file changed, more than `allowance` is needed, `watch` asks to stop, or that
    /// of `take`.
    pub(crate) fn each_block(
        &self,
        lines: &JsonlRows,
        rows: Range<usize>,
        allowance: &Allowance,
        watch: &dyn Watch,
        take: &mut dyn FnMut(Vec<Encoded>) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let mut block = Vec::new();
        let mut finish = |block: &mut Vec<(usize, Marked)>| {
            let made = self.block(block, lines, watch)?;
            block.clear();
            take(made)
        };
        self.reading.each_text(lines, rows, allowance, &Quiet, &mut |row, text| {
            block.push((row, text));
            if block.len() == self.block { finish(&mut block) } else { Ok(()) }
        })?;
        if block.is_empty() { Ok(()) } else { finish(&mut block) }
    }

    fn block(
        &self,
        texts: &[(usize, Marked)],
        lines: &JsonlRows,
        watch: &dyn Watch,
    ) -> Result<Vec<Encoded>, DataError> {
        let row = |(row, text): &(usize, Marked)| {
            let refuse = |fault: String, remedy| {
                let (file, line) = lines.place(*row);
                DataError::Line { file: file.to_owned(), line, fault, remedy }
            };
            watch.advance(0)?;
            let made = self.model.row(self.prompt, text).map_err(|(fault, remedy)| refuse(fault, remedy))?;
            let mut bytes = Vec::with_capacity(made.row.len() * self.element.bytes());
            if !made.row.iter().all(|&number| self.element.push(number, &mut bytes)) {
                return Err(refuse(
                    "its row has a number beyond those of f16".to_owned(),
                    "store rows with --dtype f32",
                ));
            }
            watch.advance(1)?;
            Ok(Encoded { bytes, is_cut: made.is_cut, is_dropped: made.is_dropped })
        };
        // One text at a time for each thread: long ones do not wait for each other.
        let made: Vec<_> = texts.par_iter().with_max_len(1).map(row).collect();
        made.into_iter().collect()
    }
}

/// A model that was opened to make rows on the way.
pub(super) struct ByModel {
    spec: ModelSpec,
    model: Model,
    /// What it takes of the allowance.
    bytes: u64,
    cut: AtomicUsize,
}

/// What is known of a model that made rows.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) spec: ModelSpec,
    pub(super) kind: &'static str,
    pub(super) sha256: String,
    pub(super) max_length: usize,
    /// Texts that were longer than what is read.
    pub(super) cut: usize,
}

impl ByModel {
    /// Reads the model.
    ///
    /// # Errors
    /// If it cannot be read, makes other rows than are asked for, or is not the one that is asked for.
    pub(super) fn open(spec: &ModelSpec, allowance: &Allowance, watch: &dyn Watch) -> Result<Self, DataError> {
        let before = allowance.taken();
        let another = |model: &Model| {
            let meant = spec.sha256.clone().filter(|sha256| *sha256 != model.digest())?;
            Some(DataError::OtherModel { file: spec.path.clone(), found: model.digest().to_owned(), meant })
        };
        let model = match Model::open(&spec.path, &spec.options, allowance, watch) {
            // Another model may not take the settings of the one that is meant: that it is another is then what is wrong.
            Err(error) if spec.sha256.is_some() => {
                let found = Model::open(&spec.path, &EncoderOptions::default(), allowance, watch);
                return Err(found.ok().and_then(|model| another(&model)).unwrap_or(error));
            }
            opened => opened?,
        };
        if let Some(error) = another(&model) {
            return Err(error);
        }
        if let Some(kind) = spec.kind.filter(|kind| kind.name() != model.name()) {
            let fault = format!("makes rows of the kind `{}`, not `{}`", model.name(), kind.name());
            let remedy = "give --represent embed with a sentence encoder, and rds with a causal language model";
            return Err(DataError::malformed(&spec.path, fault, remedy));
        }
        Ok(Self { spec: spec.clone(), model, bytes: allowance.taken() - before, cut: AtomicUsize::new(0) })
    }

    /// A row for each line, read from the cache or made and kept there.
    ///
    /// # Errors
    /// As [`Encoding::each_block`].
    pub(super) fn rows(
        &self,
        reading: &Reading,
        (lines, side): (&JsonlRows, Side),
        cache: Option<&Cache>,
        allowance: &Allowance,
        watch: &dyn Watch,
    ) -> Result<Representation, DataError> {
        let Self { spec, model, .. } = self;
        let prompt = match (side, &spec.query_prompt) {
            (Side::Query, Some(prompt)) => prompt,
            _ => model.prompt(),
        };
        let of_model = (model.digest(), model.longest());
        let name = model_name(model.name(), of_model, (prompt, reading.template()), spec.element);
        let bytes = lines.len().saturating_mul(model.dim() * spec.element.bytes());
        let mut claim = Claim::new(allowance, &lines.files()[0].path);
        let mut made = Vec::new();
        claim.room(&mut made, bytes.saturating_add(COUNT), "the rows that are made of its text", REMEDY)?;
        let make = |made: &mut Vec<u8>| {
            watch.begin("make rows", lines.len() as u64);
            let encoding = Encoding { model, reading, prompt, element: spec.element, block: BLOCK };
            let mut cut = 0_u64;
            encoding.each_block(lines, 0..lines.len(), allowance, watch, &mut |block| {
                for row in block {
                    made.extend_from_slice(&row.bytes);
                    cut += u64::from(row.is_cut);
                }
                Ok(())
            })?;
            made.extend_from_slice(&cut.to_le_bytes());
            Ok(())
        };
        let cached = match cache {
            Some(cache) => {
                let by = (VERSION, env!("CARGO_PKG_VERSION"), probe::processor());
                let key = Key::of(&("rows by a model", by, &name, described(lines)));
                cache.read_or(&key, bytes + COUNT, &mut made, watch, make)?
            }
            None => make(&mut made).map(|()| false)?,
        };
        claim.keep();
        let mut cut = [0; COUNT];
        cut.copy_from_slice(&made[bytes..]);
        made.truncate(bytes);
        self.cut.fetch_add(u64::from_le_bytes(cut) as usize, Ordering::Relaxed);
        Ok(Representation::of_text(lines, &name, made, (model.dim(), spec.element.number()))?.cached(cached))
    }

    /// Gives the model back: what is known of it stays.
    pub(super) fn finish(self, allowance: &Allowance) -> Known {
        allowance.give_back(self.bytes);
        Known {
            kind: self.model.name(),
            sha256: self.model.digest().to_owned(),
            max_length: self.model.longest(),
            cut: self.cut.into_inner(),
            spec: self.spec,
        }
    }
}

/// Bytes after the rows that say how many texts were cut.
const COUNT: usize = size_of::<u64>();

const REMEDY: &str = "allow more with --max-memory, or store rows with --dtype f16";
