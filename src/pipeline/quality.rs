//! What rows are worth by themselves, read from a file or the pool's examples.

use std::path::{Path, PathBuf};

use kantor_solvers::Watch;

use super::rules::{ReadRules, RuleSpec};
use super::{Error, Inputs};
use crate::source::Allowance;
use crate::source::cells::{file_of, split};
use crate::source::column::ColumnKind;
use crate::source::name::readable;

/// What rows are worth by themselves: a number of any sign for each, and what one unit of it weighs.
#[derive(Debug, Clone, PartialEq)]
pub struct QualitySpec {
    /// The name of a column, a file with one number a line or `FILE:FIELD` of JSON lines, or a field of the pool's examples. A
    /// bare name that is a file as well as a field is refused.
    pub from: PathBuf,
    /// Where that file is, if not where `from` says.
    pub at: Option<PathBuf>,
    /// In units of the cost to the power p, of a kernel's squared distance; not negative.
    pub weight: f64,
}

/// The name of a column that only its file has a name for.
const NAME: &str = "quality";

impl QualitySpec {
    /// Where it is read, if something other than a directory is there; what is no regular file is refused as it is read.
    pub(super) fn file(&self) -> Option<&Path> {
        let path = self.at.as_ref().unwrap_or(&self.from);
        let found = file_of(path).metadata().ok()?;
        (!found.is_dir()).then_some(path)
    }

    /// Whether it may be a field by the way it is written: a path has a directory, and a field of a file the file.
    fn may_be_field(&self) -> bool {
        let bare = self.from.parent().is_some_and(|directory| directory.as_os_str().is_empty());
        bare && self.file().is_none_or(|path| file_of(path) == path)
    }

    /// Whether it is the column of that name.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.from.as_os_str() == name
    }

    /// The same, with a file as `place` says where it is.
    #[cfg(feature = "cli")]
    pub(super) fn placed(self, place: impl Fn(&Path) -> PathBuf) -> Self {
        Self { at: Some(place(&self.from)), ..self }
    }

    /// In words that tell any two apart, but for what is in files and where these are.
    pub(super) fn in_words(&self) -> String {
        let of = match self.file() {
            Some(named) => split(named).1.unwrap_or_default(),
            None => readable(&self.from).into_owned(),
        };
        format!("quality {of}:{:e}", self.weight)
    }
}

impl ReadRules {
    /// Reads what rows are worth, after all columns of rules.
    ///
    /// # Errors
    /// If it is nowhere, or a file and a field, a row has no number that is finite, or the name of the column is that of another.
    pub(super) fn quality(
        &mut self,
        spec: &RuleSpec,
        quality: &QualitySpec,
        inputs: &Inputs,
        allowance: &Allowance,
        watch: &dyn Watch,
    ) -> Result<(), Error> {
        let QualitySpec { from, weight, .. } = quality;
        let text = readable(from);
        let named = spec.columns.iter().find(|(name, _)| from.as_os_str() == name.as_str());
        let file = named.map(|(_, path)| path.as_path()).or_else(|| quality.file());
        if let (None, Some(path), Some(examples)) = (named, file, inputs.examples().filter(|_| quality.may_be_field()))
            && examples.begins_with_field(&text, watch)?
        {
            return Err(Error::Request(format!(
                "`{text}` is a file ({}) and a field of the pool's examples: write ./{text} for the file, or rename one of both",
                readable(path)
            )));
        }
        if file.is_none() && inputs.examples().is_none() {
            return Err(Error::Request(format!(
                "there is no file `{text}`, and nothing else says what that is of each pool row: name a file with one number a line, \
                 or give --pool-jsonl with such a field"
            )));
        }
        let name = match (named, file) {
            (None, Some(path)) => split(path).1.unwrap_or_else(|| NAME.to_owned()),
            _ => text.into_owned(),
        };
        let (column, record) = self.read_column(&name, file, ColumnKind::Scores, inputs, allowance, watch)?;
        let other =
            |(of, _): &&(kantor_theory::constraints::ColumnRecord, _)| of.name == name && of.blake3 != record.blake3;
        if self.rules.all_columns().find(other).is_some() {
            let fault = format!(
                "the name `{name}` is that of another column: give quality a name of its own, as --column NAME=FILE:FIELD with \
                 --quality NAME"
            );
            return Err(Error::Request(fault));
        }
        self.add(|rules| rules.quality_of(record, column, *weight));
        Ok(())
    }
}
