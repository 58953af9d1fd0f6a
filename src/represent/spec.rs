//! How rows are made of text: what is asked for, and the names by which certificates and records call such rows.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use kantor_theory::json;
use serde::{Deserialize, Serialize};

use super::encoder::{EncoderOptions, StoredAs};
use super::ngrams::DIM;
use super::template::Template;

/// How rows are made of text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextSpec {
    /// What of a line is read; its [usual fields](crate::source::text::FIELDS) if nothing is said.
    pub template: Option<Template>,
    /// By what.
    pub by: By,
}

/// What makes rows of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// Its hashed words and pairs of words.
    Ngrams {
        /// Numbers in a row.
        dim: usize,
    },
    /// A model.
    Model(ModelSpec),
}

impl Default for By {
    fn default() -> Self {
        Self::Ngrams { dim: DIM }
    }
}

/// A model that makes rows of text, and how it is to read them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelSpec {
    /// Its folder or file.
    pub path: PathBuf,
    /// The kind of rows that it must make; whatever it makes if left out.
    pub kind: Option<ModelKind>,
    /// How it reads texts.
    pub options: EncoderOptions,
    /// What every query begins with; the same as other texts if left out.
    pub query_prompt: Option<String>,
    /// How numbers are stored.
    pub element: StoredAs,
    /// The digest that it must have.
    pub sha256: Option<String>,
    /// [Files](super::files_of_model) that decide what it is, as they were found.
    pub files: Vec<PathBuf>,
}

/// A kind of rows that models make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// Rows of a sentence encoder.
    Embed,
    /// Weighted means of the hidden states of a causal language model (RDS+).
    Rds,
}

impl ModelKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Embed, Self::Rds];

    /// What rows of it are called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Embed => "embed",
            Self::Rds => "rds",
        }
    }
}

/// Which texts: those of queries may begin otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Of a pool, or compared with one.
    Pool,
    /// Of queries.
    Query,
}

/// What the name of a table begins with that was made of text by its words.
const NGRAMS: &str = "ngrams";

/// Numbers that a row may have which is made without a model.
pub const DIMS: RangeInclusive<usize> = 8..=1 << 16;

/// What the name of a table says that a model made of text, after its kind.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    /// SHA-256 of the model.
    model: String,
    max_length: usize,
    prompt: String,
    dtype: StoredAs,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl TextSpec {
    /// By words, in rows of so many numbers.
    pub fn ngrams(template: Option<Template>, dim: usize) -> Self {
        Self { template, by: By::Ngrams { dim } }
    }

    /// By a model at this place.
    pub fn by_model(path: PathBuf) -> Self {
        Self { template: None, by: By::Model(ModelSpec { path, ..ModelSpec::default() }) }
    }

    /// The model, if one makes the rows.
    pub fn model(&self) -> Option<&ModelSpec> {
        match &self.by {
            By::Ngrams { .. } => None,
            By::Model(model) => Some(model),
        }
    }

    /// The same, of a model.
    pub fn model_mut(&mut self) -> Option<&mut ModelSpec> {
        match &mut self.by {
            By::Ngrams { .. } => None,
            By::Model(model) => Some(model),
        }
    }

    /// All that is asked for but the content of the model, with the number of columns where that is among it.
    pub(crate) fn asked(&self) -> (String, usize) {
        match &self.by {
            By::Ngrams { dim } => (ngrams_name(self.template.as_ref()), *dim),
            By::Model(ModelSpec { kind, options, query_prompt, element, .. }) => {
                let template = self.template.as_ref().map(ToString::to_string);
                let all = (kind, options.max_length, &options.prompt, query_prompt, element, template);
                (serde_json::to_string(&all).unwrap_or_default(), 0)
            }
        }
    }

    /// How rows of pool and queries were made whose tables are called so; the place of a model is not known.
    pub(crate) fn named(pool: &str, query: &str, dim: usize) -> Option<Self> {
        let text = |said: Option<&str>| said.map(str::parse::<Template>).transpose().ok();
        if let Some(rest) = pool.strip_prefix(NGRAMS) {
            let template = match rest.strip_prefix(':') {
                None if !rest.is_empty() => return None,
                said => text(said)?,
            };
            return DIMS.contains(&dim).then(|| Self::ngrams(template, dim));
        }
        let (kind, said) = named_by_model(pool)?;
        let of_queries = named_by_model(query).map(|(_, said)| said.prompt);
        let options = EncoderOptions { max_length: Some(said.max_length), prompt: Some(said.prompt), less: None };
        let model = ModelSpec {
            kind: Some(kind),
            options,
            query_prompt: of_queries,
            element: said.dtype,
            sha256: Some(said.model),
            ..ModelSpec::default()
        };
        Some(Self { template: text(said.text.as_deref())?, by: By::Model(model) })
    }
}

/// What certificates and records call rows by words; with the number of columns it says all.
pub(super) fn ngrams_name(template: Option<&Template>) -> String {
    template.map_or_else(|| NGRAMS.to_owned(), |template| format!("{NGRAMS}:{template}"))
}

/// What they call rows that a model makes, of this digest and reading so many tokens of texts after this prompt.
pub(super) fn model_name(
    kind: &str,
    (sha256, max_length): (&str, usize),
    (prompt, template): (&str, Option<&Template>),
    dtype: StoredAs,
) -> String {
    let (model, prompt, text) = (sha256.to_owned(), prompt.to_owned(), template.map(ToString::to_string));
    let said = Named { model, max_length, prompt, dtype, text };
    format!("{kind}:{}", serde_json::to_string(&said).unwrap_or_default())
}

fn named_by_model(name: &str) -> Option<(ModelKind, Named)> {
    let (kind, said) = name.split_once(':')?;
    let kind = ModelKind::ALL.into_iter().find(|known| known.name() == kind)?;
    Some((kind, json::from_slice(said.as_bytes()).ok()?))
}

/// Whether the rows of a table that is called so depend on the pool, if they were made of text.
pub(crate) fn weighted_by_pool(name: &str) -> Option<bool> {
    let by_words = name.strip_prefix(NGRAMS).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
    by_words.then_some(true).or_else(|| named_by_model(name).map(|_| false))
}

/// The files of a model that decide what it is, sorted: itself, or settings and weights of its folder and of the folders in it.
pub fn files_of_model(model: &Path) -> Vec<PathBuf> {
    const ENDINGS: [&str; 2] = ["json", "safetensors"];
    let mut files = files_within(model);
    files.retain(|path| path == model || path.extension().is_some_and(|ending| ENDINGS.iter().any(|&of| ending == of)));
    files
}

/// All files of a model, sorted: itself, or those of its folder and of the folders in it.
pub(crate) fn files_within(model: &Path) -> Vec<PathBuf> {
    if !model.is_dir() {
        return vec![model.to_owned()];
    }
    let entries = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        entries.filter_map(|entry| Some(entry.ok()?.path())).collect::<Vec<_>>()
    };
    let within = entries(model).into_iter().flat_map(|path| if path.is_dir() { entries(&path) } else { vec![path] });
    let mut files: Vec<PathBuf> = within.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name is all that a certificate says of how rows were made.
    #[test]
    fn names_say_all() {
        let template: Template = "Q: {a}\\n".parse().unwrap_or_else(|error| panic!("{error}"));
        for template in [None, Some(template)] {
            let ngrams = TextSpec::ngrams(template.clone(), 64);
            let name = ngrams_name(template.as_ref());
            assert_eq!(TextSpec::named(&name, &name, 64), Some(ngrams));
            let name = |prompt| model_name("rds", ("ab", 7), (prompt, template.as_ref()), StoredAs::F16);
            let model = ModelSpec {
                kind: Some(ModelKind::Rds),
                options: EncoderOptions { max_length: Some(7), prompt: Some("p\": ".to_owned()), less: None },
                query_prompt: Some("q".to_owned()),
                element: StoredAs::F16,
                sha256: Some("ab".to_owned()),
                ..ModelSpec::default()
            };
            let spec = TextSpec { template: template.clone(), by: By::Model(model) };
            assert_eq!(TextSpec::named(&name("p\": "), &name("q"), 3), Some(spec));
        }
        for other in ["", "rows", "ngramsx", "embed", "embed:", "embed:{}", "less:{}", "ngrams:{"] {
            assert_eq!(TextSpec::named(other, other, 64), None, "{other}");
        }
        assert_eq!(TextSpec::named("ngrams", "ngrams", 7), None);
    }
}
