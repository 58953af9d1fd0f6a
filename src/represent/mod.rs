//! Text as rows of numbers.
//!
//! What a line says is its usual fields or a [`Template`]; its words (`ngrams`) or a model make a row of it. Words are weighted by how
//! common they are in the pool, so the pool's text is read before any row is made.

mod by_model;
mod by_words;
mod cache;
mod encoder;
#[cfg(feature = "models")]
mod models;
#[cfg(not(feature = "models"))]
#[path = "no_models.rs"]
mod models;
mod ngrams;
mod reading;
mod spec;
mod template;
mod words;

use std::path::PathBuf;

use kantor_solvers::Watch;

use crate::source::name::readable;
use crate::source::separator;
use crate::source::{Allowance, DataError, InputRecord, JsonlRows, Representation};

pub(crate) use by_model::{BLOCK, Encoded, Encoding};
use by_model::{ByModel, Known};
use by_words::ByWords;
pub use cache::Cache;
pub use encoder::{
    CheckpointRecord, EncoderOptions, GradientRole, LessOptions, LessRecord, LoraSettings, ProjectionRecord, StoredAs,
};
pub(crate) use models::Encoder as ModelEncoder;
pub(crate) use models::{Example, Failed, Trainer};
pub use ngrams::DIM;
pub(crate) use reading::Reading;
#[cfg(feature = "cli")]
pub(crate) use spec::files_within;
pub(crate) use spec::weighted_by_pool;
pub use spec::{By, DIMS, ModelKind, ModelSpec, Side, TextSpec, files_of_model};
pub use template::Template;
pub(crate) use words::each_word;

/// Makes rows of the text of one pool and of others that go with it.
pub struct TextRows {
    reading: Reading,
    cache: Option<Cache>,
    maker: Maker,
}

enum Maker {
    Words(ByWords),
    Model(Box<ByModel>),
}

impl TextRows {
    /// By this specification; rows are looked for in a cache first, if there is one, and kept there.
    ///
    /// # Errors
    /// If a model is asked for and cannot be read.
    pub fn open(
        spec: &TextSpec,
        cache: Option<Cache>,
        allowance: &Allowance,
        watch: &dyn Watch,
    ) -> Result<Self, DataError> {
        let maker = match &spec.by {
            By::Ngrams { dim } => Maker::Words(ByWords::new(*dim)),
            By::Model(model) => Maker::Model(Box::new(ByModel::open(model, allowance, watch)?)),
        };
        Ok(Self { reading: Reading::new(spec.template.clone()), cache, maker })
    }

    /// A row for each of these lines, beside those of the pool, which is always the same.
    ///
    /// # Errors
    /// If a line lacks a field that is to be read or its text has no row, a file changed, more memory is needed than is allowed, or
    /// the watch asks to stop.
    pub fn rows(
        &self,
        pool: &JsonlRows,
        (lines, side): (&JsonlRows, Side),
        allowance: &Allowance,
        watch: &dyn Watch,
    ) -> Result<Representation, DataError> {
        let (reading, cache) = (&self.reading, self.cache.as_ref());
        match &self.maker {
            Maker::Words(words) => words.encoder(reading, pool, cache, (allowance, watch)).rows(lines),
            Maker::Model(model) => model.rows(reading, (lines, side), cache, allowance, watch),
        }
    }

    /// Gives a model back and what it takes; how text was read is known after that, too.
    pub(crate) fn finish(self, allowance: &Allowance) -> ReadText {
        let model = match self.maker {
            Maker::Words(_) => None,
            Maker::Model(model) => Some(model.finish(allowance)),
        };
        ReadText { reading: self.reading, cache: self.cache, model }
    }
}

/// How text was read that rows were made of, and by what.
#[derive(Debug)]
pub(crate) struct ReadText {
    reading: Reading,
    cache: Option<Cache>,
    model: Option<Known>,
}

impl ReadText {
    /// The text of a line, if it has what is read.
    pub(crate) fn said(&self, line: &[u8]) -> Option<String> {
        self.reading.text(line).ok().map(|said| said.text)
    }

    /// The cache, if there is one.
    pub(crate) fn cache(&self) -> Option<&Cache> {
        self.cache.as_ref()
    }

    /// What rows of `dim` numbers are that were made so.
    pub(crate) fn in_words(&self, dim: usize) -> String {
        match &self.model {
            None => format!(
                "rows are made of text: its words and pairs of words, hashed to {dim} numbers (ngrams); rows of an embedding model \
                 find closer examples"
            ),
            Some(Known { spec, kind, .. }) => {
                format!("rows are made of text by the model {}: {dim} numbers ({kind})", readable(&spec.path))
            }
        }
    }

    /// That texts were cut, if some were.
    pub(crate) fn doubt(&self) -> Option<String> {
        let Known { cut: cut @ 1.., max_length, .. } = self.model.as_ref()? else { return None };
        let texts = if *cut == 1 { "1 text is longer".to_owned() } else { format!("{cut} texts are longer") };
        Some(format!("{texts} than the {max_length} tokens that the model reads (--max-length): the rest was cut off"))
    }

    /// The files that decide what the model is.
    pub(crate) fn model_files(&self) -> &[PathBuf] {
        self.model.as_ref().map_or(&[], |known| &known.spec.files)
    }

    /// What manifests say of the model.
    pub(crate) fn model_record(&self) -> Option<InputRecord> {
        let Known { spec, kind, sha256, .. } = self.model.as_ref()?;
        let bytes = spec.files.iter().filter_map(|path| Some(std::fs::metadata(path).ok()?.len())).sum();
        Some(InputRecord {
            role: MODEL.into(),
            path: spec.path.clone(),
            format: (*kind).into(),
            tensor: None,
            rows: 0,
            columns: None,
            dtype: None,
            bytes,
            sha256: sha256.clone(),
            blake3: None,
            cached: false,
        })
    }
}

/// The role of a model among the inputs.
pub(crate) const MODEL: &str = "model";

/// What decides of files of text which lines they have.
fn described(lines: &JsonlRows) -> Vec<(&str, Option<u8>)> {
    lines.files().iter().map(|file| (&*file.digest, separator(&file.path))).collect()
}
