//! Rules for a choice, read from files and from the rows themselves. What rows are worth by themselves is read with them (`quality`).

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use kantor_solvers::Watch;
use kantor_theory::constraints::ColumnRecord;
use kantor_theory::cost::Family;
use kantor_theory::{Column, Cost, Rows};

use super::likeness::{clusters, near_rows, unlike_all_queries};
use super::quality::QualitySpec;
use super::{Error, Inputs};
use crate::certify::column_record;
use crate::constraints::{Amount, Quota, Rules};
use crate::represent::TextRows;
use crate::source::cells::{ValueFile, file_of, meant, split};
use crate::source::column::{ColumnKind, ReadColumn};
use crate::source::kind::table_of;
use crate::source::name::readable;
use crate::source::tokenizer::Tokenizer;
use crate::source::{Allowance, OpenOptions, Representation};

/// Which rules, and where what they speak of is read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RuleSpec {
    /// Limits on the number of rows with a label.
    pub quotas: Vec<Quota>,
    /// Columns by name, each in a `FILE` or a `FILE:FIELD` of JSON lines; all others are fields of the pool's examples.
    pub columns: Vec<(String, PathBuf)>,
    /// How long rows are.
    pub tokens: Option<Tokens>,
    /// At most so many tokens in all.
    pub max_tokens_total: Option<u64>,
    /// Whether budgets are in tokens.
    pub in_tokens: bool,
    /// Of rows that are much the same, one may be chosen, or [`RuleSpec::dedup_keep`].
    pub dedup: Option<Dedup>,
    /// How many of them, if not one.
    pub dedup_keep: Option<NonZeroU32>,
    /// Lists of rows to include.
    pub include: Vec<PathBuf>,
    /// Lists of rows to exclude.
    pub exclude: Vec<PathBuf>,
    /// Files of rows, such as a test set: pool rows near one of these are excluded.
    pub exclude_near: Vec<PathBuf>,
    /// The cosine from which rows are near.
    pub near_cosine: f64,
    /// Rows are excluded whose largest similarity to a query is less than this.
    pub min_similarity: Option<f64>,
    /// What rows are worth by themselves.
    pub quality: Option<QualitySpec>,
}

/// How long a row is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tokens {
    /// The number in this column.
    Column(String),
    /// The number of words of the text in this field of the pool's examples: what white space separates.
    Words(String),
    /// The number of tokens of the text in a field of the pool's examples, by the file of a tokenizer.
    Tokenizer(PathBuf, String),
}

impl Tokens {
    fn file(&self) -> Option<&Path> {
        match self {
            Tokens::Tokenizer(file, _) => Some(file),
            Tokens::Column(_) | Tokens::Words(_) => None,
        }
    }
}

/// Which rows are much the same.
#[derive(Debug, Clone, PartialEq)]
pub enum Dedup {
    /// Those that are equal, number by number.
    Exact,
    /// Those that chains of pairs connect whose cosine is at least this.
    Cosine(f64),
    /// Those with the same label in this column.
    Column(String),
}

/// The name of the column of near-duplicate clusters.
const CLUSTERS: &str = "near-duplicates";

/// The name of the column of equal rows.
const EQUAL: &str = "equal-rows";

/// The name of the column of numbers of words.
const WORDS: &str = "words";

/// The name of the column of numbers of a tokenizer's tokens.
const TOKENS: &str = "tokens";

/// Rules that were read.
#[derive(Debug, Default)]
pub(super) struct ReadRules {
    pub(super) rules: Rules,
    /// The files of columns and the lists of rows, with their roles.
    pub(super) files: Vec<(&'static str, ValueFile)>,
    /// The file of a tokenizer.
    pub(super) tokenizer: Option<ValueFile>,
    /// Files of rows that were looked at, for their records.
    pub(super) near: Vec<Representation>,
    /// Doubts that lists of rows are of this pool.
    pub(super) doubts: Vec<String>,
}

impl RuleSpec {
    /// Whether there are no rules.
    pub fn is_none(&self) -> bool {
        *self == Self { near_cosine: self.near_cosine, ..Self::default() }
    }

    /// The files that are read, with their roles.
    pub(super) fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let named = self.columns.iter().map(|(_, named)| named.as_path());
        let columns =
            named.chain(self.quality.iter().filter_map(QualitySpec::file)).map(|path| ("column", file_of(path)));
        let columns = columns.chain(self.tokens.iter().filter_map(|tokens| Some(("tokenizer", tokens.file()?))));
        let lists = [("include", &self.include), ("exclude", &self.exclude), ("exclude-near", &self.exclude_near)];
        columns
            .chain(lists.into_iter().flat_map(|(role, paths)| paths.iter().map(move |path| (role, table_of(path).0))))
    }

    /// The same rules, with files as `place` says where they are.
    #[cfg(feature = "cli")]
    #[must_use]
    pub(crate) fn placed(mut self, place: impl Fn(&Path) -> PathBuf) -> Self {
        let columns = self.columns.iter_mut().map(|(_, named)| named);
        let tokenizer = self.tokens.iter_mut().filter_map(|tokens| match tokens {
            Tokens::Tokenizer(file, _) => Some(file),
            Tokens::Column(_) | Tokens::Words(_) => None,
        });
        let columns = columns.chain(tokenizer);
        let lists = [&mut self.include, &mut self.exclude, &mut self.exclude_near];
        columns.chain(lists.into_iter().flatten()).for_each(|path| *path = place(path));
        self.quality = self.quality.map(|quality| quality.placed(place));
        self
    }

    /// The rules in words that tell any two apart, but for what is in files and where these are.
    pub(crate) fn in_words(&self) -> Vec<String> {
        let Self { quotas, columns, tokens, max_tokens_total, in_tokens, dedup, dedup_keep, .. } = self;
        let Self { near_cosine, min_similarity, .. } = self;
        let mut words: Vec<String> = quotas.iter().map(|quota| format!("quota {quota}")).collect();
        let field = |named: &Path| split(named).1.unwrap_or_default();
        words.extend(columns.iter().map(|(name, named)| format!("column {name}={}", field(named))));
        words.extend(tokens.iter().map(|tokens| match tokens {
            Tokens::Tokenizer(_, field) => format!("tokens of {field}"),
            tokens => format!("tokens {tokens:?}"),
        }));
        words.extend(max_tokens_total.map(|most| format!("max-tokens-total {most}")));
        words.extend(in_tokens.then(|| "budgets in tokens".to_owned()));
        words.extend(dedup.iter().map(|dedup| format!("dedup {dedup:?}")));
        words.extend(dedup_keep.map(|rows| format!("dedup-keep {rows}")));
        words.extend((!self.exclude_near.is_empty()).then(|| format!("cosine {near_cosine}")));
        words.extend(min_similarity.map(|least| format!("min-similarity {least}")));
        words.extend(self.quality.iter().map(QualitySpec::in_words));
        words
    }

    /// Whether the numbers of pool rows are looked at.
    pub(super) fn reads_rows(&self) -> bool {
        let near = !self.exclude_near.is_empty() || self.min_similarity.is_some();
        near || matches!(self.dedup, Some(Dedup::Exact | Dedup::Cosine(_)))
    }

    /// Reads what the rules speak of.
    ///
    /// # Errors
    /// If a column is missing, a file cannot be used, or rules do not go with these inputs.
    pub(super) fn read(
        &self,
        inputs: &Inputs,
        cost: Cost,
        (options, text_rows): (&OpenOptions, Option<&TextRows>),
        allowance: &Allowance,
        watch: &dyn Watch,
    ) -> Result<ReadRules, Error> {
        self.check_columns()?;
        let mut read = ReadRules::default();
        let kept = self.dedup_keep.map_or(1, |rows| rows.get().into());
        let few = Quota { column: String::new(), label: None, min: None, max: Some(Amount::Rows(kept)) };
        let mut quotas = self.quotas.clone();
        match &self.dedup {
            None => {}
            Some(Dedup::Column(column)) => quotas.push(Quota { column: column.clone(), ..few }),
            Some(Dedup::Exact | Dedup::Cosine(_)) => {
                let cosine = if let Some(Dedup::Cosine(cosine)) = self.dedup { Some(cosine) } else { None };
                let name = if cosine.is_some() { CLUSTERS } else { EQUAL };
                read.compute(self, name, clusters(cosine, inputs, allowance, watch)?)?;
                if let Some(cosine) = cosine {
                    read.add(|rules| rules.remark(format!("{name}: clusters by a cosine of at least {cosine}")));
                }
                quotas.push(Quota { column: name.to_owned(), ..few });
            }
        }
        for quota in quotas {
            if !read.knows(&quota.column) {
                read.column(self, &quota.column, ColumnKind::Labels, inputs, allowance, watch)?;
            }
            read.add(|rules| rules.quota(quota));
        }
        match (&self.tokens, self.max_tokens_total.is_some() || self.in_tokens) {
            (Some(tokens), true) => {
                let name = match tokens {
                    Tokens::Column(name) if read.knows(name) => {
                        let fault =
                            format!("column `{name}` has labels for a quota, and cannot have numbers of tokens");
                        return Err(Error::Request(fault));
                    }
                    Tokens::Column(name) => {
                        read.column(self, name, ColumnKind::Numbers, inputs, allowance, watch)?;
                        name.clone()
                    }
                    Tokens::Words(field) => {
                        let Some(examples) = inputs.examples() else { return Err(no_examples(field)) };
                        read.compute(self, WORDS, examples.words(field, watch)?)?;
                        read.add(|rules| rules.remark(format!("{WORDS}: those of `{field}`")));
                        WORDS.to_owned()
                    }
                    Tokens::Tokenizer(path, field) => {
                        let Some(examples) = inputs.examples() else { return Err(no_examples(field)) };
                        let tokenizer = Tokenizer::read(path)?;
                        let column = examples.counted(field, watch, |text| tokenizer.count(text))?;
                        read.compute(self, TOKENS, column)?;
                        read.tokenizer = Some(tokenizer.file);
                        read.add(|rules| rules.remark(format!("{TOKENS}: those of `{field}` by {}", readable(path))));
                        TOKENS.to_owned()
                    }
                };
                if let Some(most) = self.max_tokens_total {
                    read.add(|rules| rules.sum(&name, None, Some(most as f64)));
                }
                if self.in_tokens {
                    read.add(|rules| rules.budget_in_tokens(&name));
                }
            }
            (None, true) => {
                let fault = "a limit on tokens needs their numbers: name the field that holds them with --tokens FIELD, or \
                             --tokens words:FIELD to count the words of a text";
                return Err(Error::Request(fault.to_owned()));
            }
            (Some(_), false) => {
                let fault = "--tokens is read for --token-budget and --max-tokens-total only: give one of these too";
                return Err(Error::Request(fault.to_owned()));
            }
            (None, false) => {}
        }
        for path in &self.include {
            let (rows, file) = inputs.named_rows(path, watch)?;
            read.files.push(("include", file));
            inputs.kept_rows(&rows, path)?;
            read.doubts.extend(inputs.doubt_of_numbers(path, watch)?);
            read.add(|rules| rules.include(rows));
        }
        for path in &self.exclude {
            let (rows, file) = inputs.named_rows(path, watch)?;
            read.files.push(("exclude", file));
            read.doubts.extend(inputs.doubt_of_numbers(path, watch)?);
            read.exclude(rows, format!("by {}", readable(path)));
        }
        for path in &self.exclude_near {
            let (far, rows) = near_rows(path, self.near_cosine, inputs, (options, text_rows), allowance, watch)?;
            read.near.push(far);
            read.exclude(rows, format!("with a cosine of at least {} to {}", self.near_cosine, readable(path)));
        }
        if let Some(least) = self.min_similarity {
            if inputs.points().is_none() && cost.family() == Family::Given {
                let fault = "--min-similarity needs rows or similarities: a matrix of costs has no cosines";
                return Err(Error::Request(fault.to_owned()));
            }
            let pool = inputs.points().map(|(pool, _)| pool as &dyn Rows);
            let rows = unlike_all_queries(least, pool, inputs.queries(), watch)?;
            let rows: Vec<usize> = rows.into_iter().map(|row| inputs.original_row(row)).collect();
            let remark = format!("excluded with no cosine to a query of {least}: {}", rows.len());
            read.add(|rules| rules.exclude_unlike(least, rows).remark(remark));
        }
        if let Some(quality) = &self.quality {
            read.quality(self, quality, inputs, allowance, watch)?;
        }
        match self.columns.iter().find(|(name, _)| !read.knows(name) && !self.is_quality(name)) {
            Some((name, _)) => {
                Err(Error::Request(format!("nothing speaks of --column {name}: leave it out, or use it")))
            }
            None => {
                read.add(Rules::with_shares_of_tokens);
                Ok(read)
            }
        }
    }

    fn is_quality(&self, name: &str) -> bool {
        self.quality.as_ref().is_some_and(|quality| quality.is_named(name))
    }

    /// Whether a rule reads the column of this name.
    #[cfg(feature = "cli")]
    pub(crate) fn speaks_of(&self, name: &str) -> bool {
        let in_quota = self.quotas.iter().any(|quota| quota.column == name);
        let in_tokens = matches!(&self.tokens, Some(Tokens::Column(column)) if column == name);
        in_quota
            || in_tokens
            || self.is_quality(name)
            || matches!(&self.dedup, Some(Dedup::Column(column)) if column == name)
    }

    /// Names of columns are those of one file each.
    fn check_columns(&self) -> Result<(), Error> {
        let twice =
            |(at, (name, _)): &(usize, &(String, PathBuf))| self.columns[..*at].iter().any(|(of, _)| of == name);
        match self.columns.iter().enumerate().find(twice) {
            Some((_, (name, _))) => {
                Err(Error::Request(format!("--column {name} is given twice: name one file for each column")))
            }
            None => Ok(()),
        }
    }
}

impl ReadRules {
    pub(super) fn knows(&self, name: &str) -> bool {
        self.rules.all_columns().any(|(record, _)| record.name == name)
    }

    pub(super) fn add(&mut self, more: impl FnOnce(Rules) -> Rules) {
        self.rules = more(std::mem::take(&mut self.rules));
    }

    /// Excludes rows, and says how they came to be excluded.
    fn exclude(&mut self, rows: Vec<usize>, why: String) {
        let remark = format!("excluded {why}: {}", rows.len());
        self.add(|rules| rules.exclude(rows).remark(remark));
    }

    /// Adds a column that is found from the rows or their text.
    fn compute(&mut self, spec: &RuleSpec, name: &str, column: Column) -> Result<(), Error> {
        let is_asked_for = spec.quotas.iter().any(|quota| quota.column == name);
        if self.knows(name) || is_asked_for || spec.columns.iter().any(|(of, _)| of == name) {
            let fault = format!(
                "the name `{name}` is taken by what is found here: give the other column another name, as \
                                 --column NAME=FILE:FIELD"
            );
            return Err(Error::Request(fault));
        }
        self.add(|rules| rules.column(name, column));
        Ok(())
    }

    /// Reads a column from its file, or from the pool's examples.
    fn column(
        &mut self,
        spec: &RuleSpec,
        name: &str,
        kind: ColumnKind,
        inputs: &Inputs,
        allowance: &Allowance,
        watch: &dyn Watch,
    ) -> Result<(), Error> {
        let named = spec.columns.iter().find(|(of, _)| of == name).map(|(_, path)| path.as_path());
        let (column, record) = self.read_column(name, named, kind, inputs, allowance, watch)?;
        if kind == ColumnKind::Labels && column.names().is_empty() {
            let first = inputs.examples().filter(|_| named.is_none()).map(|examples| examples.copy(&[0], watch));
            let first = first.transpose()?.and_then(|mut lines| lines.remove(&0));
            let meant = first.map_or_else(String::new, |line| meant(name, &String::from_utf8_lossy(&line)));
            return Err(Error::Request(format!(
                "no row has a label in `{name}`{meant}: give a field of the JSON lines, at their top level, or --column \
                 {name}=FILE:FIELD"
            )));
        }
        self.add(|rules| rules.column_of(record, column));
        Ok(())
    }

    /// A column of this file, or of the pool's examples, with its record.
    pub(super) fn read_column(
        &mut self,
        name: &str,
        file: Option<&Path>,
        kind: ColumnKind,
        inputs: &Inputs,
        allowance: &Allowance,
        watch: &dyn Watch,
    ) -> Result<(Column, ColumnRecord), Error> {
        let (column, origin) = match (file, inputs.examples()) {
            (Some(path), _) => {
                let read = ReadColumn::read(name, path, kind, inputs.original_pool_len(), allowance, watch)?;
                self.files.push(("column", read.file));
                (read.column, Some(read.origin))
            }
            (None, Some(examples)) => examples.column(name, kind, allowance, watch)?,
            (None, None) => return Err(no_examples(name)),
        };
        let record = ColumnRecord { origin, ..column_record(name, &column) };
        Ok((column, record))
    }
}

fn no_examples(name: &str) -> Error {
    Error::Request(format!(
        "nothing says what `{name}` is of each pool row: give --pool-jsonl with such a field, or --column {name}=FILE"
    ))
}
