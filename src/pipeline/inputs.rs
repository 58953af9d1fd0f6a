//! The inputs of a selection: opened, checked, and known by digest.

use std::path::{Path, PathBuf};

use kantor_solvers::{Quiet, Watch};
use kantor_theory::cost::Family;
use kantor_theory::{Cost, GeometryError, Rows};

use crate::constraints::Rules;
use crate::probe;
use crate::problem::{Goal, Problem};
use crate::represent::{ReadText, TextRows};
use crate::source::{Allowance, DataError, DroppedRecord, JsonlRows, Labels, OnBadRow, Representation, pairs};

use super::forbid::{ForbidOverlap, shared};
use super::rules::ReadRules;
use super::tasks::{Aggregate, ReadWeights};
use super::{Error, InputSpec, Request, alike};

/// Opened and checked inputs.
pub struct Inputs {
    tables: Tables,
    examples: Option<JsonlRows>,
    query_examples: Option<JsonlRows>,
    groups: Option<Labels>,
    pub(super) weights: ReadWeights,
    pub(super) tasks: Vec<String>,
    pub(super) aggregate: Aggregate,
    dropped: Vec<DroppedRecord>,
    overlap: usize,
    pub(super) idle_tensor: bool,
    /// Whether rows of other models are compared all the same.
    pub(super) mixed_models: bool,
    /// How rows were made of text, if pool and queries are that.
    pub(super) read_text: Option<ReadText>,
    pub(super) rules: ReadRules,
    taken: u64,
}

enum Tables {
    Points { pool: Representation, query: Representation },
    Matrix(Representation),
}

impl Inputs {
    /// Opens the files, checks every row for use under `cost`, and counts query rows that are also in the pool.
    ///
    /// # Errors
    /// If a file cannot be read, holds rows that cannot be measured, or does not fit the others.
    pub fn open(spec: &InputSpec, cost: Cost, watch: &dyn Watch) -> Result<Self, Error> {
        Self::open_as(spec, cost, false, watch)
    }

    /// As [`Inputs::open`], but where the pass of [`select`](super::select) will see what is wrong with a pool row,
    /// the check is left to it: a pool larger than the caches is then read once less.
    ///
    /// # Errors
    /// As [`Inputs::open`], but for such rows.
    pub fn open_to_select(spec: &InputSpec, cost: Cost, watch: &dyn Watch) -> Result<Self, Error> {
        Self::open_as(spec, cost, cost.family() == Family::Angle && spec.on_bad_row == OnBadRow::Error, watch)
    }

    fn open_as(spec: &InputSpec, cost: Cost, unchecked: bool, watch: &dyn Watch) -> Result<Self, Error> {
        let unchecked = unchecked && !spec.rules.reads_rows();
        let options = spec.options();
        let allowance = Allowance::new(spec.memory.or_else(probe::available_memory).unwrap_or(u64::MAX));
        let open = |paths: &[PathBuf]| Representation::open_within(paths, &options, &allowance);
        let text = spec.read_text(&allowance, watch)?;
        let mut dropped = Vec::new();
        let mut check = |role: &'static str, rows: &mut Representation| -> Result<(), Error> {
            let rows = rows.validate(cost.family(), spec.on_bad_row, watch)?;
            dropped.extend(rows.into_iter().map(|row| DroppedRecord { role: role.into(), row }));
            Ok(())
        };
        let (tables, overlap) = match (&spec.similarity, &spec.query[..]) {
            (Some(_), _) if spec.forbid_overlap != ForbidOverlap::No => {
                let fault = "--forbid-overlap compares rows: give --pool and --query instead of --similarity, or check the \
                             matrix for entries near 1 yourself";
                return Err(Error::Request(fault.to_owned()));
            }
            (Some(path), _) => {
                let matrix = open(std::slice::from_ref(path))?;
                matrix.validate_matrix(cost, watch).or_else(|error| matrix.check_content().and(Err(error)))?;
                (Tables::Matrix(matrix), Vec::new())
            }
            (None, [_, ..]) => {
                let (mut pool, mut query) = match &text {
                    Some(text) => text.rows(&allowance, watch)?,
                    None => (open(&spec.pool)?, open(&spec.query)?),
                };
                if !spec.mixed_models {
                    alike::check_sides(&pool, &query)?;
                }
                if !unchecked {
                    check("pool", &mut pool)?;
                }
                check("query", &mut query)?;
                query.check_same_dim(&pool)?;
                let overlap = shared(&pool, &query, spec.forbid_overlap, watch)?;
                (Tables::Points { pool, query }, overlap)
            }
            (None, []) => return Err(Error::Request("give --pool and --query, or --similarity".to_owned())),
        };
        let count = overlap.len();
        let (examples, query_examples, groups, tasks) = (None, None, None, Vec::new());
        let (weights, rules) = (ReadWeights::default(), ReadRules::default());
        let idle_tensor = spec.tensor_is_idle();
        let mut inputs = Self {
            tables,
            examples,
            query_examples,
            groups,
            weights,
            tasks,
            aggregate: spec.aggregate,
            dropped,
            overlap: count,
            idle_tensor,
            mixed_models: spec.mixed_models,
            read_text: None,
            rules,
            taken: 0,
        };
        if let (Some(&(query, row)), false) = (overlap.first(), spec.forbid_overlap == ForbidOverlap::No) {
            inputs.check_content()?;
            let (query, row) = (inputs.original_query(query), inputs.original_row(row));
            return Err(Error::Overlap { count, query, row, forbidden: spec.forbid_overlap });
        }
        let mut text_rows: Option<TextRows> = None;
        if let Some(text) = text {
            (inputs.examples, inputs.query_examples) = (Some(text.pool), Some(text.query));
            text_rows = Some(text.rows);
        }
        if !spec.pool_jsonl.is_empty() {
            inputs.examples = {
                let rows = inputs.original_pool_len();
                let lines = JsonlRows::scan_within(&spec.pool_jsonl, Some(rows), &allowance, watch)?;
                pairs::doubt(inputs.points().map_or(&[], |(pool, _)| pool.files()), lines.files())?;
                Some(lines)
            };
        }
        let rows = inputs.original_query_len();
        if !spec.query_jsonl.is_empty() {
            let texts = JsonlRows::scan_within(&spec.query_jsonl, Some(rows), &allowance, watch)?;
            inputs.check_query_texts(&texts, &spec.tasks)?;
            inputs.query_examples = Some(texts);
        }
        if let Some(path) = &spec.query_groups {
            let mut groups = Labels::read_within(path, rows, &allowance, watch)?;
            groups.kept((0..inputs.queries().len()).map(|query| inputs.original_query(query)));
            inputs.groups = Some(groups);
        } else if spec.tasks.len() > 1 {
            inputs.groups = Some(Labels::of_parts(spec.tasks.clone(), &inputs.query_counts()));
        }
        inputs.tasks = spec.tasks.clone();
        inputs.weights = spec.query_weights.read(&inputs, watch)?;
        if !spec.rules.is_none() {
            inputs.rules = spec.rules.read(&inputs, cost, (&options, text_rows.as_ref()), &allowance, watch)?;
        }
        inputs.read_text = text_rows.map(|rows| rows.finish(&allowance));
        inputs.taken = spec.memory.map_or(0, |_| allowance.taken());
        Ok(inputs)
    }

    /// The same request with the memory that is left of it after opening.
    pub(crate) fn within(&self, request: &Request) -> Request {
        Request { memory: request.memory.saturating_sub(self.taken), ..request.clone() }
    }

    /// What is wrong with rows or entries of these inputs, by file and place.
    pub(crate) fn named(&self, error: Error, cost: Cost) -> Error {
        match (&self.tables, error) {
            (Tables::Points { pool, .. }, Error::Geometry(fault @ GeometryError::BadRow { side: "pool", .. })) => {
                // The first one is known; the message counts all.
                let all = Vec::from_iter(0..pool.len());
                pool.validate_rows(cost.family(), &all).map_or_else(Error::from, |()| fault.into())
            }
            // A cost other than that for which the matrix was opened, or one that cannot be squared.
            (Tables::Matrix(matrix), Error::Geometry(GeometryError::BadEntry { query, pool, value, .. })) => {
                let fault = matrix.validate_matrix(cost, &Quiet).err();
                fault.unwrap_or_else(|| power_fault(matrix, query, pool, value)).into()
            }
            (_, error) => error,
        }
    }

    /// These inputs as a problem.
    ///
    /// # Errors
    /// If they do not go together, or an entry of a matrix of costs cannot be squared and is to be.
    pub fn problem(&self, goal: Goal) -> Result<Problem<'_>, Error> {
        let cost = goal.cost;
        let problem = match &self.tables {
            Tables::Points { pool, query } => Problem::new(pool, query, goal),
            Tables::Matrix(matrix) => Problem::from_matrix(matrix, goal),
        };
        let problem = problem.map_err(|error| self.named(error.into(), cost))?;
        let dropped = self.dropped.iter().filter(|record| record.role == "pool").map(|record| record.row.row);
        // Tasks are not draws of a law as groups of a task are.
        let groups = self.groups.as_ref().filter(|labels| labels.file.is_some()).map(|labels| labels.of.clone());
        let problem = self.aggregated(problem.weighted(self.weights.values.clone()).in_groups(groups))?;
        Ok(problem.constrained_as_stored(self.rules.rules.clone(), dropped.collect()))
    }

    /// What choices must obey.
    pub fn rules(&self) -> &Rules {
        &self.rules.rules
    }

    /// The query rows; those of the matrix if that is what was given.
    pub fn queries(&self) -> &dyn Rows {
        match &self.tables {
            Tables::Points { query, .. } => query,
            Tables::Matrix(matrix) => matrix,
        }
    }

    /// Rows of the pool that take part.
    pub fn pool_len(&self) -> usize {
        match &self.tables {
            Tables::Points { pool, .. } => pool.len(),
            Tables::Matrix(matrix) => matrix.dim(),
        }
    }

    /// Pool and query rows; none if a matrix was given.
    pub fn points(&self) -> Option<(&Representation, &Representation)> {
        match &self.tables {
            Tables::Points { pool, query } => Some((pool, query)),
            Tables::Matrix(_) => None,
        }
    }

    /// Number of the pool row in its files, over all shards, dropped rows counted.
    pub fn original_row(&self, row: usize) -> usize {
        match &self.tables {
            Tables::Points { pool, .. } => pool.original_row(row),
            Tables::Matrix(_) => row,
        }
    }

    /// Number of the query row in its file, dropped rows counted.
    pub fn original_query(&self, row: usize) -> usize {
        match &self.tables {
            Tables::Points { query, .. } => query.original_row(row),
            Tables::Matrix(_) => row,
        }
    }

    /// The rows here that are these rows of the files.
    ///
    /// # Errors
    /// If one of them was dropped; `list` is the file that named it.
    pub fn kept_rows(&self, originals: &[usize], list: &Path) -> Result<Vec<usize>, DataError> {
        let dropped: Vec<usize> = self.dropped.iter().filter(|d| d.role == "pool").map(|d| d.row.row).collect();
        let kept = |&row: &usize| match dropped.binary_search(&row) {
            Err(before) => Ok(row - before),
            Ok(_) => {
                let remedy = "take it out of the list, or mend the row: --on-bad-row error says what is wrong with it";
                Err(DataError::malformed(list, format!("row {row} was dropped as a bad row"), remedy))
            }
        };
        originals.iter().map(kept).collect()
    }

    /// The pool's examples, if given.
    pub fn examples(&self) -> Option<&JsonlRows> {
        self.examples.as_ref()
    }

    /// The queries as text, if given.
    pub fn query_examples(&self) -> Option<&JsonlRows> {
        self.query_examples.as_ref()
    }

    /// The labels of the queries, if given.
    pub fn groups(&self) -> Option<&Labels> {
        self.groups.as_ref()
    }

    /// Rows left out on request.
    pub fn dropped(&self) -> &[DroppedRecord] {
        &self.dropped
    }

    /// Query rows that are also in the pool: by value, after rounding to the coarser number type of the two, or as
    /// [`InputSpec::forbid_overlap`] says.
    pub fn overlap(&self) -> usize {
        self.overlap
    }

    /// Whether a file that is mapped was cut.
    pub(super) fn is_cut(&self) -> bool {
        match &self.tables {
            Tables::Points { pool, query } => pool.is_cut() || query.is_cut(),
            Tables::Matrix(matrix) => matrix.is_cut(),
        }
    }

    /// Fails if an input file was written anew or cut since it was opened: what is wrong with its rows is then that.
    pub(crate) fn check_content(&self) -> Result<(), DataError> {
        self.tables().into_iter().try_for_each(|(_, table)| table.check_content())?;
        self.examples.iter().chain(&self.query_examples).try_for_each(JsonlRows::check_content)?;
        self.values().try_for_each(|(_, file)| file.check_content())?;
        self.rules.near.iter().try_for_each(Representation::check_content)
    }

    /// Fails if an input file changed since it was opened.
    ///
    /// # Errors
    /// Names the file that changed.
    pub fn check_unchanged(&self) -> Result<(), Error> {
        for (_, table) in self.tables() {
            table.check_unchanged()?;
        }
        for examples in self.examples.iter().chain(&self.query_examples) {
            examples.check_unchanged()?;
        }
        self.values().try_for_each(|(_, file)| file.check_unchanged())?;
        self.rules.near.iter().try_for_each(Representation::check_unchanged)?;
        Ok(())
    }

    /// Bytes that opening took of [`InputSpec::memory`] for good; 0 if no limit was set.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    pub(crate) fn tables(&self) -> Vec<(&'static str, &Representation)> {
        match &self.tables {
            Tables::Points { pool, query } => vec![("pool", pool), ("query", query)],
            Tables::Matrix(matrix) => vec![("similarity", matrix)],
        }
    }

    /// Rows of the file of queries, dropped ones included.
    pub fn original_query_len(&self) -> usize {
        match &self.tables {
            Tables::Points { query, .. } => query.original_len(),
            Tables::Matrix(matrix) => matrix.original_len(),
        }
    }

    /// Rows of the pool's files, dropped ones included.
    pub fn original_pool_len(&self) -> usize {
        match &self.tables {
            Tables::Points { pool, .. } => pool.original_len(),
            Tables::Matrix(matrix) => matrix.dim(),
        }
    }
}

/// What is wrong with an entry of a matrix of costs that cannot be squared.
fn power_fault(matrix: &Representation, query: usize, pool: usize, value: f64) -> DataError {
    let (file, query) = matrix.locate(query);
    let file = file.path.clone();
    if value < 0.0 {
        DataError::NegativeCost { file, query, pool, value }
    } else {
        DataError::LargeCost { file, query, pool, value }
    }
}
