//! Rules for a choice, read from files and from the rows themselves.

use std::path::{Path, PathBuf};

use kantor_solvers::scan::scan;
use kantor_solvers::{ScanRequest, Watch};
use kantor_theory::constraints::ColumnRecord;
use kantor_theory::cost::Family;
use kantor_theory::{Column, Cost};

use super::{Error, Inputs};
use crate::certify::column_record;
use crate::constraints::{Amount, Quota, Rules, duplicates};
use crate::problem::{Goal, Problem};
use crate::source::cells::{ValueFile, file_of, split};
use crate::source::column::{ColumnKind, ReadColumn};
use crate::source::kind::holds_text;
use crate::source::name::readable;
use crate::source::{Allowance, JsonlRows, OnBadRow, OpenOptions, Representation};

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
    /// Of rows that are much the same, one may be chosen.
    pub dedup: Option<Dedup>,
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
}

/// How long a row is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tokens {
    /// The number in this column.
    Column(String),
    /// The number of words of the text in this field of the pool's examples: what white space separates.
    Words(String),
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

/// Rules that were read.
#[derive(Debug, Default)]
pub(super) struct ReadRules {
    pub(super) rules: Rules,
    /// The files of columns and the lists of rows, with their roles.
    pub(super) files: Vec<(&'static str, ValueFile)>,
    /// Files of rows that were looked at, for their records.
    pub(super) near: Vec<Representation>,
}

impl RuleSpec {
    /// Whether there are no rules.
    pub fn is_none(&self) -> bool {
        *self == Self { near_cosine: self.near_cosine, ..Self::default() }
    }

    /// The files that are read, with their roles.
    pub(super) fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let columns = self.columns.iter().map(|(_, named)| ("column", file_of(named)));
        let lists = [("include", &self.include), ("exclude", &self.exclude), ("exclude-near", &self.exclude_near)];
        columns.chain(lists.into_iter().flat_map(|(role, paths)| paths.iter().map(move |path| (role, path.as_path()))))
    }

    /// The same rules, with files as `place` says where they are.
    #[cfg(feature = "cli")]
    #[must_use]
    pub(crate) fn placed(mut self, place: impl Fn(&Path) -> PathBuf) -> Self {
        let columns = self.columns.iter_mut().map(|(_, named)| named);
        let lists = [&mut self.include, &mut self.exclude, &mut self.exclude_near];
        columns.chain(lists.into_iter().flatten()).for_each(|path| *path = place(path));
        self
    }

    /// The rules in words that tell any two apart, but for what is in files and where these are.
    pub(crate) fn in_words(&self) -> Vec<String> {
        let Self { quotas, columns, tokens, max_tokens_total, dedup, near_cosine, min_similarity, .. } = self;
        let mut words: Vec<String> = quotas.iter().map(|quota| format!("quota {quota}")).collect();
        let field = |named: &Path| split(named).1.unwrap_or_default();
        words.extend(columns.iter().map(|(name, named)| format!("column {name}={}", field(named))));
        words.extend(tokens.iter().map(|tokens| format!("tokens {tokens:?}")));
        words.extend(max_tokens_total.map(|most| format!("max-tokens-total {most}")));
        words.extend(dedup.iter().map(|dedup| format!("dedup {dedup:?}")));
        words.extend((!self.exclude_near.is_empty()).then(|| format!("cosine {near_cosine}")));
        words.extend(min_similarity.map(|least| format!("min-similarity {least}")));
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
        options: &OpenOptions,
        allowance: &Allowance,
        watch: &dyn Watch,
    ) -> Result<ReadRules, Error> {
        self.check_columns()?;
        let mut read = ReadRules::default();
        let one = Quota { column: String::new(), label: None, min: None, max: Some(Amount::Rows(1)) };
        let mut quotas = self.quotas.clone();
        match &self.dedup {
            None => {}
            Some(Dedup::Column(column)) => quotas.push(Quota { column: column.clone(), ..one }),
            Some(same) => {
                let (name, column) = clusters(same, inputs, watch)?;
                read.compute(self, name, column)?;
                if let Dedup::Cosine(cosine) = same {
                    read.add(|rules| rules.remark(format!("{name}: clusters by a cosine of at least {cosine}")));
                }
                quotas.push(Quota { column: name.to_owned(), ..one });
            }
        }
        for quota in quotas {
            if !read.knows(&quota.column) {
                read.column(self, &quota.column, ColumnKind::Labels, inputs, allowance, watch)?;
            }
            read.add(|rules| rules.quota(quota));
        }
        match (&self.tokens, self.max_tokens_total) {
            (Some(tokens), Some(most)) => {
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
                };
                read.add(|rules| rules.sum(&name, None, Some(most as f64)));
            }
            (None, Some(_)) => {
                let fault = "a limit on tokens needs their numbers: name the field that holds them with --tokens FIELD, or \
                             --tokens words:FIELD to count the words of a text";
                return Err(Error::Request(fault.to_owned()));
            }
            (Some(_), None) => {
                return Err(Error::Request("--tokens is read for --max-tokens-total only: give that too".to_owned()));
            }
            (None, None) => {}
        }
        for path in &self.include {
            let (rows, file) = inputs.named_rows(path, watch)?;
            read.files.push(("include", file));
            inputs.kept_rows(&rows, path)?;
            read.add(|rules| rules.include(rows));
        }
        for path in &self.exclude {
            let (rows, file) = inputs.named_rows(path, watch)?;
            read.files.push(("exclude", file));
            read.exclude(rows, format!("by {}", readable(path)));
        }
        for path in &self.exclude_near {
            let (far, rows) = near_rows(path, self.near_cosine, inputs, options, allowance, watch)?;
            read.near.push(far);
            read.exclude(rows, format!("with a cosine of at least {} to {}", self.near_cosine, readable(path)));
        }
        if let Some(least) = self.min_similarity {
            if inputs.points().is_none() && cost.family() == Family::Given {
                let fault = "--min-similarity needs rows or similarities: a matrix of costs has no cosines";
                return Err(Error::Request(fault.to_owned()));
            }
            let rows = unlike_all_queries(least, inputs, watch)?;
            read.exclude(rows, format!("with no cosine to a query of {least}"));
        }
        match self.columns.iter().find(|(name, _)| !read.knows(name)) {
            Some((name, _)) => {
                Err(Error::Request(format!("nothing speaks of --column {name}: leave it out, or use it")))
            }
            None => Ok(read),
        }
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
    fn knows(&self, name: &str) -> bool {
        self.rules.all_columns().any(|(record, _)| record.name == name)
    }

    fn add(&mut self, more: impl FnOnce(Rules) -> Rules) {
        self.rules = more(std::mem::take(&mut self.rules));
    }

    /// Excludes rows, and says how they came to be excluded.
    fn exclude(&mut self, rows: Vec<usize>, why: String) {
        let remark = format!("excluded {why}: {}", rows.len());
        self.add(|rules| rules.exclude(rows).remark(remark));
    }

    /// Adds a column that is found from the rows or their text.
    fn compute(&mut self, spec: &RuleSpec, name: &str, column: Column) -> Result<(), Error> {
        if self.knows(name) || spec.columns.iter().any(|(of, _)| of == name) {
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
        let named = spec.columns.iter().find(|(of, _)| of == name);
        let (column, origin) = match (named, inputs.examples()) {
            (Some((_, path)), _) => {
                let read = ReadColumn::read(name, path, kind, inputs.original_pool_len(), allowance, watch)?;
                self.files.push(("column", read.file));
                (read.column, Some(read.origin))
            }
            (None, Some(examples)) => examples.column(name, kind, allowance, watch)?,
            (None, None) => return Err(no_examples(name)),
        };
        if kind == ColumnKind::Labels && column.names().is_empty() {
            return Err(Error::Request(format!(
                "no row has a label in `{name}`: give a field of the JSON lines, at their top level, or --column \
                 {name}=FILE:FIELD"
            )));
        }
        let record = ColumnRecord { origin, ..column_record(name, &column) };
        self.add(|rules| rules.column_of(record, column));
        Ok(())
    }
}

fn no_examples(name: &str) -> Error {
    Error::Request(format!(
        "nothing says what `{name}` is of each pool row: give --pool-jsonl with such a field, or --column {name}=FILE"
    ))
}

/// The rows that are much the same, by the number of the first of them, as stored; rows that are alone have no label.
fn clusters(same: &Dedup, inputs: &Inputs, watch: &dyn Watch) -> Result<(&'static str, Column), Error> {
    let Some((pool, _)) = inputs.points() else {
        let fault = "--dedup compares rows: give --pool and --query instead of --similarity, or name a field that tells which \
                     rows are the same";
        return Err(Error::Request(fault.to_owned()));
    };
    let (name, of) = match same {
        Dedup::Cosine(cosine) => (CLUSTERS, duplicates::near(pool, *cosine, watch)?),
        _ => (EQUAL, duplicates::equal(pool, watch)?),
    };
    let mut labels: Vec<Option<String>> = vec![None; inputs.original_pool_len()];
    for (row, first) in of.iter().enumerate() {
        labels[inputs.original_row(row)] = first.map(|first| inputs.original_row(first).to_string());
    }
    Ok((name, Column::labels(labels.iter().map(Option::as_deref))))
}

/// The rows of a file, and the pool rows (as stored) that have at least this cosine to one of them.
fn near_rows(
    path: &PathBuf,
    cosine: f64,
    inputs: &Inputs,
    options: &OpenOptions,
    allowance: &Allowance,
    watch: &dyn Watch,
) -> Result<(Representation, Vec<usize>), Error> {
    let Some((pool, _)) = inputs.points() else {
        let fault = "--exclude-near compares rows: give --pool and --query instead of --similarity";
        return Err(Error::Request(fault.to_owned()));
    };
    let file = std::slice::from_ref(path);
    let mut near = match &inputs.encoder {
        Some(encoder) if holds_text(path) => {
            let lines = JsonlRows::scan_within(file, None, allowance, watch)?;
            encoder.rows(&lines, allowance, watch)?
        }
        _ => Representation::open_within(file, options, allowance)?,
    };
    near.validate(Family::Angle, OnBadRow::Error, watch)?;
    near.check_same_dim(pool)?;
    let closeness =
        largest_similarity(&Problem::new(pool, &near, Goal { cost: Cost::Cosine, ..Goal::default() })?, inputs, watch)?;
    let rows = closeness.into_iter().filter(|(_, value)| *value >= cosine);
    let rows = rows.map(|(row, _)| inputs.original_row(row)).collect();
    Ok((near, rows))
}

/// The pool rows (as stored) whose largest similarity to a query is below this.
fn unlike_all_queries(least: f64, inputs: &Inputs, watch: &dyn Watch) -> Result<Vec<usize>, Error> {
    let goal = Goal { cost: Cost::Cosine, ..Goal::default() };
    let problem = match inputs.points() {
        Some((pool, query)) => Problem::new(pool, query, goal)?,
        None => Problem::from_matrix(inputs.queries(), goal)?,
    };
    let closeness = largest_similarity(&problem, inputs, watch)?;
    // What has no direction is like no query.
    let unlike = closeness.into_iter().filter(|(_, value)| value.is_nan() || *value < least);
    Ok(unlike.map(|(row, _)| inputs.original_row(row)).collect())
}

/// Every pool row with its largest similarity to the queries of `problem`.
fn largest_similarity(problem: &Problem<'_>, inputs: &Inputs, watch: &dyn Watch) -> Result<Vec<(usize, f64)>, Error> {
    let scanned = scan(&problem.task(0, u64::MAX, watch), ScanRequest { row_best: true, lists: 0 })?;
    Ok(scanned.row_best.map_or_else(Vec::new, |best| best.top(problem.geometry(), inputs.pool_len())))
}
