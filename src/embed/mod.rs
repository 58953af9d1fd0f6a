//! Text files to files of rows, by a model.
//!
//! Rows are made block by block, each kept on disk when it is finished (`kept`), so a run that ends early loses at most one; the
//! file of rows appears whole at the end, with a record of what made it ([`EmbedRecord`]).
//!
//! Limit: the matrix products of the model, of one text a thread.

mod kept;
mod record;
mod write;

use std::path::PathBuf;

use kantor_solvers::Watch;

use crate::output::OutputFile;
use crate::pipeline::Error;
use crate::represent::{BLOCK, Encoded, EncoderOptions, Encoding, ModelEncoder, Reading, StoredAs, Template};
use crate::shard::Shard;
use crate::source::{Allowance, DataError, JsonlRows};
use kept::{CUT, DROPPED, Kept};
pub use record::{EmbedRecord, ModelRecord, TextRecord};

/// The same of gradients, which take longer.
const GRADIENTS: usize = 32;

/// What to make rows of, and how.
#[derive(Debug, Clone)]
pub struct EmbedSpec {
    /// Files of text, in order.
    pub files: Vec<PathBuf>,
    /// What of a line is its text; its [usual fields](crate::source::text::FIELDS) if nothing is said.
    pub template: Option<Template>,
    /// The folder or file of the model.
    pub model: PathBuf,
    /// How it reads texts.
    pub options: EncoderOptions,
    /// How numbers are stored.
    pub element: StoredAs,
    /// The part of the rows that is made.
    pub shard: Shard,
    /// The file of rows.
    pub out: PathBuf,
    /// Whether it may replace an older one.
    pub force: bool,
    /// Bytes that may be used.
    pub memory: u64,
}

/// What was made.
#[derive(Debug)]
pub struct Embedded {
    /// What the file says of itself.
    pub record: EmbedRecord,
    /// How many rows an earlier run had left.
    pub taken_over: usize,
}

/// Makes the rows and writes them to `spec.out`, a safetensors file with one tensor `rows`.
///
/// # Errors
/// If the text or the model cannot be used, a text has no row, more than `spec.memory` is needed, the system refuses, or `watch`
/// asks to stop; finished blocks are kept then, and the same call goes on where it ended.
pub fn embed(spec: &EmbedSpec, watch: &dyn Watch) -> Result<Embedded, Error> {
    // What is in the way at the end is so at the beginning.
    let out = OutputFile::create(&spec.out, spec.force)?;
    let allowance = Allowance::new(spec.memory);
    let lines = JsonlRows::scan_apart(&spec.files, &allowance, watch)?;
    let model = ModelEncoder::open(&spec.model, &spec.options, &allowance, watch)?;
    let rows = spec.shard.range(lines.len());
    if rows.is_empty() {
        let fault = format!("has {} rows, of which none is in this shard", lines.len());
        return Err(DataError::malformed(&spec.files[0], fault, "take fewer shards").into());
    }
    let mut record = EmbedRecord::of(spec, &lines, &model, rows.clone());
    let rows_of_block = if record.less.is_some() { GRADIENTS } else { BLOCK };
    let mut kept = Kept::open(&spec.out, &record, rows_of_block, spec.force)?;
    let taken_over = kept.rows();
    watch.begin("make rows", rows.len() as u64);
    watch.advance(taken_over as u64)?;
    let reading = Reading::new(spec.template.clone());
    let (prompt, element) = (model.prompt(), spec.element);
    let encoding = Encoding { model: &model, reading: &reading, prompt, element, block: rows_of_block };
    encoding.each_block(&lines, rows.start + taken_over..rows.end, &allowance, watch, &mut |block| {
        let mark = |is: bool, mark: u8| if is { mark } else { 0 };
        let marked = |row: Encoded| [row.bytes, vec![mark(row.is_cut, CUT) | mark(row.is_dropped, DROPPED)]].concat();
        let block: Vec<u8> = block.into_iter().flat_map(marked).collect();
        // Rows of a text that was changed meanwhile are not kept for a later run, which would take them for rows of this one.
        lines.check_unchanged()?;
        kept.push(&block)
    })?;
    lines.check_unchanged()?;
    record.cut = Some(kept.cut());
    if let Some(less) = &mut record.less {
        less.dropped = Some(kept.dropped());
    }
    write::write(out, &record, kept)?;
    Ok(Embedded { record, taken_over })
}
