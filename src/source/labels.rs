//! Labels of queries: the groups that a query set is made of.
//!
//! Text with one label a line, or JSON lines with a field (`task` unless another is named as `FILE:FIELD`); plain or
//! compressed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::error::DataError;
use super::file::Identity;
use super::format::Expected;
use super::json::{Fault, Json};
use super::lines::Lines;
use super::memory::{Allowance, Claim};
use super::name::split_once;
use kantor_solvers::Watch;

/// The field of JSON lines that holds the label if none is named.
const FIELD: &str = "task";

/// Bytes of a label: it stands in tables, pages and manifests.
const LONGEST: usize = 1000;

/// The label of every query.
#[derive(Debug, Clone)]
pub struct Labels {
    /// The labels in order of first appearance.
    pub names: Vec<String>,
    /// For every query the place of its label in `names`.
    pub of: Vec<usize>,
    /// The file.
    pub file: LabelFile,
}

/// Where labels came from.
#[derive(Debug, Clone)]
pub struct LabelFile {
    /// The file as it was named, without the field.
    pub path: PathBuf,
    /// `jsonl` or `text`.
    pub format: &'static str,
    /// Lines in it.
    pub rows: usize,
    /// Its size on disk.
    pub bytes: u64,
    /// SHA-256 of the file as stored, in hexadecimal.
    pub sha256: String,
    identity: Identity,
}

impl Labels {
    /// Reads one label for each of `queries` queries.
    ///
    /// # Errors
    /// If the file cannot be read, a line has no label, or there are more or fewer lines than queries.
    pub fn read(named: &Path, queries: usize, watch: &dyn Watch) -> Result<Self, DataError> {
        Self::read_within(named, queries, &Allowance::unlimited(), watch)
    }

    /// As [`Labels::read`]; what decompression takes counts towards `allowance`.
    ///
    /// # Errors
    /// As [`Labels::read`], or if that is too much.
    pub fn read_within(
        named: &Path,
        queries: usize,
        allowance: &Allowance,
        watch: &dyn Watch,
    ) -> Result<Self, DataError> {
        let (path, field) = split(named);
        watch.begin("read labels", queries as u64);
        let mut lines = Lines::open(&path, Expected::Labels, allowance)?;
        let mut labels = Parsed::default();
        Claim::new(allowance, &path).room(&mut labels.of, queries, "the labels", "allow more with --max-memory")?;
        let parsed = labels.parse(&mut lines, queries, &path, &field);
        lines.explained(parsed)?;
        let (identity, sha256) = lines.finish()?;
        watch.advance(queries as u64)?;
        let Parsed { names, of, json } = labels;
        let format = if json { "jsonl" } else { "text" };
        let file = LabelFile { path, format, rows: queries, bytes: identity.bytes, sha256, identity };
        Ok(Self { names, of, file })
    }

    /// The same without the queries that were dropped; `originals` are those that are left.
    pub(crate) fn kept(&mut self, originals: impl Iterator<Item = usize>) {
        self.of = originals.map(|query| self.of[query]).collect();
    }

    /// How many queries each label has.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.names.len()];
        self.of.iter().for_each(|&label| counts[label] += 1);
        counts
    }

    /// Fails if the file was written anew since it was read.
    pub(crate) fn check_content(&self) -> Result<(), DataError> {
        self.file.identity.check_content(&self.file.path)
    }

    /// Fails if the file is no longer the one that was read.
    ///
    /// # Errors
    /// Names the file.
    pub fn check_unchanged(&self) -> Result<(), DataError> {
        self.file.identity.check(&self.file.path)
    }
}

/// Labels, while they are read.
#[derive(Default)]
struct Parsed {
    names: Vec<String>,
    of: Vec<usize>,
    json: bool,
}

impl Parsed {
    fn parse(&mut self, lines: &mut Lines<'_>, queries: usize, path: &Path, field: &str) -> Result<(), DataError> {
        let refuse = |line, fault: String, remedy| Err(DataError::Line { file: path.to_owned(), line, fault, remedy });
        let mut places = HashMap::new();
        while let Some(line) = lines.next_line()? {
            let number = self.of.len() + 1;
            if number > queries {
                let fault = format!("there is a label here, but there are {queries} queries");
                return refuse(number, fault, "give one line per query, in the same order");
            }
            let Ok(text) = std::str::from_utf8(line) else {
                return refuse(number, "the line is not UTF-8".to_owned(), "convert the file with iconv -t utf-8");
            };
            let text = text.trim();
            self.json = if number == 1 { text.starts_with('{') } else { self.json };
            let label = match self.json {
                true => match label(text, field) {
                    Ok(label) => label,
                    Err(fault) => return refuse(number, fault, "name the field that holds the labels as FILE:FIELD"),
                },
                false => text.to_owned(),
            };
            if label.is_empty() {
                return refuse(number, "the label is empty".to_owned(), "give every query a label");
            }
            if label.len() > LONGEST {
                let fault = format!("the label has {} bytes, which are more than {LONGEST}", label.len());
                return refuse(number, fault, "name the field that holds the labels as FILE:FIELD");
            }
            let place = *places.entry(label.clone()).or_insert_with(|| {
                self.names.push(label);
                self.names.len() - 1
            });
            self.of.push(place);
        }
        if self.of.len() < queries {
            let fault = format!("the file ends before this line, but there are {queries} queries");
            return refuse(self.of.len() + 1, fault, "give one line per query, in the same order");
        }
        Ok(())
    }
}

/// The file and the field: what is named, if there is such a file; else what comes before and after the last colon.
fn split(named: &Path) -> (PathBuf, String) {
    match split_once(named.as_os_str(), b':', true).and_then(|(path, field)| Some((path, field.to_str()?))) {
        Some((path, field)) if !named.exists() => (path.into(), field.to_owned()),
        _ => (named.to_owned(), FIELD.to_owned()),
    }
}

/// The field of a JSON object as a label, or what is wrong with the line.
fn label(line: &str, field: &str) -> Result<String, String> {
    let fault = |fault: Fault| format!("bad JSON: {} is expected at column {}", fault.expected, fault.at + 1);
    let Some(value) = Json::new(line).map_err(fault)?.get(field) else {
        return Err(format!("there is no field `{field}`"));
    };
    match value.text() {
        Some(label) => Ok(label.trim().to_owned()),
        None if value.is_number() || matches!(value.raw(), "true" | "false") => Ok(value.raw().to_owned()),
        None => Err(format!("the field `{field}` is neither text nor a number")),
    }
}
