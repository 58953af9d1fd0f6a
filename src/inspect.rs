//! What is in a file of vectors, and what selecting from it would take. Reports bad rows; does not refuse them.
//!
//! Limit: one pass for the numbers at memory speed plus one hash per row, one pass for SHA-256; and the search for
//! near-duplicates ([`kantor_solvers::density::near`]).

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};

use kantor_solvers::density::near::near_duplicates;
use kantor_solvers::{Watch, draw};
use kantor_theory::Rows;
use kantor_theory::geometry::SQUARED_NORM_RANGE;
use rayon::prelude::*;
use serde::Serialize;

use crate::probe;
use crate::source::memory::reserve;
use crate::source::validate::{Values, by_block};
use crate::source::{Allowance, DataError, Format, Made, OpenOptions, Representation, name};
use crate::view::escape::Text;

/// How many rows of a kind are listed.
const LISTED: usize = 5;

/// What a file of vectors holds.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// The file.
    #[serde(serialize_with = "name::serialize")]
    pub path: PathBuf,
    /// Its format.
    pub format: Format,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// The type in which numbers are stored.
    pub dtype: &'static str,
    /// NaN and infinite values in all.
    pub non_finite_values: u64,
    /// Rows that hold such a value.
    pub non_finite_rows: Found,
    /// Rows of zeros: they have no direction, so cosine costs refuse them.
    pub zero_rows: Found,
    /// Rows equal to an earlier one, bit for bit.
    pub duplicate_rows: Duplicates,
    /// Rows whose direction is nearly that of an earlier one; `None` if it was not looked for.
    pub near_duplicates: Option<NearDuplicateReport>,
    /// Euclidean norms of the rows without non-finite values; `None` if there are none.
    pub norms: Option<Quantiles>,
    /// How its rows were made, if `kantor embed` made them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made: Option<Made>,
    /// What `select` would take.
    pub estimate: Estimate,
}

/// Rows of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    /// How many.
    pub count: usize,
    /// The first few.
    pub first: Vec<usize>,
}

/// Rows equal to an earlier row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Duplicates {
    /// How many.
    pub count: usize,
    /// The first few, as (first row with these numbers, the row).
    pub first: Vec<(usize, usize)>,
}

/// Which rows count as near-duplicates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearOptions {
    /// The least cosine of two near-duplicates, between 0 and 1.
    pub cosine: f64,
    /// Rows that are compared, each with each; where there are more, this many are drawn. Below 2 nothing is compared.
    pub rows: usize,
}

impl Default for NearOptions {
    fn default() -> Self {
        Self { cosine: 0.999, rows: 50_000 }
    }
}

/// Rows near an earlier row, rows equal to it included. Rows of zeros and rows that are not finite are left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NearDuplicateReport {
    /// The least cosine that counts.
    pub cosine: f64,
    /// Rows that were compared, each with each.
    pub rows_compared: usize,
    /// Whether they were drawn (ChaCha8, seed 0) from more: then all numbers here speak of the sample alone.
    pub sampled: bool,
    /// Pairs of near-duplicates.
    pub pairs: u64,
    /// Rows near an earlier one.
    pub count: usize,
    /// The first few, as (earliest such row, the row).
    pub first: Vec<(usize, usize)>,
}

/// Quantiles by nearest rank.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quantiles {
    /// Smallest.
    pub min: f64,
    /// 1 %.
    pub p01: f64,
    /// 50 %.
    pub median: f64,
    /// 99 %.
    pub p99: f64,
    /// Largest.
    pub max: f64,
}

/// A rough forecast for `select` with this file as the pool.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// Queries assumed, M.
    pub queries: usize,
    /// Budget assumed, k.
    pub budget: usize,
    /// Threads assumed.
    pub threads: usize,
    /// Floating-point operations of the pass over all pairs, 2NMd.
    pub flops: f64,
    /// Memory beyond the mapped file, in bytes.
    pub memory: u64,
    /// Seconds.
    pub seconds: f64,
}

impl Estimate {
    /// Queries assumed.
    pub const QUERIES: usize = 100;
    /// Budget assumed.
    pub const BUDGET: usize = 10_000;
    /// Operations per second and thread of the pair pass in `f32`: rough, a 2023 server core.
    pub const FLOPS_PER_THREAD: f64 = 50e9;
    /// Bytes per second at which a file that is in memory is read and converted: rough, for the whole machine.
    pub const BYTES_PER_SECOND: f64 = 4e9;
    /// Rows of a block of the pair pass.
    const BLOCK: u64 = 1024;

    /// The model: one pass over all pairs; each thread holds one block of rows and of similarities in `f32`; each
    /// query keeps its k closest rows at 12 bytes (at most).
    pub fn new(rows: usize, columns: usize, bytes: u64, threads: usize) -> Self {
        let (n, d, m) = (rows as f64, columns as f64, Self::QUERIES as f64);
        let flops = 2.0 * n * m * d;
        let blocks = threads as u64 * Self::BLOCK * (columns + Self::QUERIES) as u64 * 4;
        let lists = (Self::QUERIES * Self::BUDGET.min(rows)) as u64 * 12;
        let queries = (Self::QUERIES * columns) as u64 * 8;
        let seconds = flops / (threads as f64 * Self::FLOPS_PER_THREAD) + bytes as f64 / Self::BYTES_PER_SECOND;
        let (queries, memory) = (Self::QUERIES, blocks + lists + queries);
        Self { queries, budget: Self::BUDGET.min(rows), threads, flops, memory, seconds }
    }
}

/// Looks at a whole file. Advances `watch` by rows, then by bytes.
///
/// ```
/// use kantor::{inspect::inspect, prelude::Quiet, source::OpenOptions};
/// let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/query_gsm8k.embed.npy");
/// let found = inspect(&path, &OpenOptions::default(), &Quiet)?;
/// assert_eq!((found.rows, found.columns), (100, 384));
/// # Ok::<_, kantor::source::DataError>(())
/// ```
///
/// # Errors
/// If the file cannot be read or is not a table, changes meanwhile, or `watch` asks to stop. Bad rows are no error.
pub fn inspect(path: &Path, options: &OpenOptions, watch: &dyn Watch) -> Result<Inspection, DataError> {
    inspect_near(path, options, NearOptions::default(), watch)
}

/// As [`inspect`], saying which rows count as near-duplicates.
///
/// # Errors
/// As [`inspect`].
pub fn inspect_near(
    path: &Path,
    options: &OpenOptions,
    near: NearOptions,
    watch: &dyn Watch,
) -> Result<Inspection, DataError> {
    let allowance = Allowance::new(probe::available_memory().unwrap_or(u64::MAX));
    let table = Representation::open_within(&[path.to_owned()], options, &allowance)?;
    watch.begin("inspect", table.len() as u64);
    let blocks = by_block(&table, watch, |block| {
        let mut facts = Vec::with_capacity(block.rows.len());
        for (offset, squared) in block.squared_norms().into_iter().enumerate() {
            let span = offset * table.dim()..(offset + 1) * table.dim();
            facts.push(match block.values {
                Values::F32(values) => RowFacts::of(&values[span], squared),
                Values::F64(values) => RowFacts::of(&values[span], squared),
            });
        }
        facts
    })?;
    let mut facts = Vec::new();
    reserve(&mut facts, table.len(), path, "what is known of every row")?;
    blocks.into_iter().for_each(|block| facts.extend(block));
    let near_duplicates = near_rows(&table, &facts, near, watch)?;
    let sha256 = table.digests(watch)?.remove(0);
    let threads = rayon::current_num_threads();
    let (file, columns) = (&table.files()[0], table.dim());
    let inspection = Inspection {
        path: file.path.clone(),
        format: file.format,
        bytes: file.bytes,
        sha256,
        rows: table.len(),
        columns,
        dtype: file.dtype,
        non_finite_values: facts.iter().map(|row| u64::from(row.non_finite)).sum(),
        non_finite_rows: found(&facts, |row| row.non_finite > 0),
        zero_rows: found(&facts, |row| row.zero),
        duplicate_rows: duplicates(&table, &facts),
        near_duplicates,
        norms: quantiles(facts.iter().filter(|row| row.non_finite == 0).map(|row| row.squared.sqrt()).collect()),
        made: table.made().next().map(|(_, made)| made),
        estimate: Estimate::new(table.len(), columns, file.bytes, threads),
    };
    table.check_unchanged()?;
    Ok(inspection)
}

/// What one row tells.
#[derive(Debug, Clone, Copy)]
struct RowFacts {
    squared: f64,
    hash: u64,
    non_finite: u32,
    zero: bool,
}

impl RowFacts {
    fn of<T: bytemuck::Pod + Into<f64>>(row: &[T], squared: f64) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(bytemuck::cast_slice(row));
        let count = |bad: fn(f64) -> bool| row.iter().filter(|&&x| bad(x.into())).count();
        let non_finite = if squared.is_finite() { 0 } else { count(|x| !x.is_finite()) as u32 };
        let zero = squared == 0.0 && count(|x| x != 0.0) == 0;
        Self { squared, hash: hasher.finish(), non_finite, zero }
    }
}

fn found(facts: &[RowFacts], is: impl Fn(&RowFacts) -> bool) -> Found {
    let rows = || facts.iter().enumerate().filter(|(_, row)| is(row)).map(|(i, _)| i);
    Found { count: rows().count(), first: rows().take(LISTED).collect() }
}

/// Rows equal to an earlier one: candidates by hash, then compared in full.
fn duplicates(table: &dyn Rows, facts: &[RowFacts]) -> Duplicates {
    let mut order: Vec<(u64, usize)> = facts.iter().enumerate().map(|(row, facts)| (facts.hash, row)).collect();
    order.par_sort_unstable();
    let mut pairs: Vec<(usize, usize)> = order
        .chunk_by(|a, b| a.0 == b.0)
        .filter(|group| group.len() > 1)
        .par_bridge()
        .flat_map_iter(|group| {
            let (mut seen, mut row) = (HashMap::<Vec<u64>, usize>::new(), vec![0.0; table.dim()]);
            let mut pairs = Vec::new();
            for &(_, i) in group {
                table.read_row(i, &mut row);
                let bits = row.iter().map(|x| x.to_bits()).collect();
                let first = *seen.entry(bits).or_insert(i);
                if first != i {
                    pairs.push((i, first));
                }
            }
            pairs
        })
        .collect();
    pairs.par_sort_unstable();
    Duplicates { count: pairs.len(), first: pairs.iter().take(LISTED).map(|&(row, first)| (first, row)).collect() }
}

fn near_rows(
    table: &dyn Rows,
    facts: &[RowFacts],
    options: NearOptions,
    watch: &dyn Watch,
) -> Result<Option<NearDuplicateReport>, DataError> {
    let (least, most) = SQUARED_NORM_RANGE;
    let measurable = |row: &RowFacts| row.non_finite == 0 && (least..=most).contains(&row.squared);
    let mut rows: Vec<usize> = (0..facts.len()).filter(|&row| measurable(&facts[row])).collect();
    if options.rows < 2 {
        return Ok(None);
    }
    let sampled = rows.len() > options.rows;
    if sampled {
        rows = draw::sample(0, rows.len(), options.rows).into_iter().map(|at| rows[at]).collect();
    }
    let found = near_duplicates(table, &rows, options.cosine, watch)?;
    Ok(Some(NearDuplicateReport {
        cosine: options.cosine,
        rows_compared: rows.len(),
        sampled,
        pairs: found.pairs,
        count: found.rows.len(),
        first: found.rows.into_iter().take(LISTED).collect(),
    }))
}

fn quantiles(mut norms: Vec<f64>) -> Option<Quantiles> {
    norms.par_sort_unstable_by(f64::total_cmp);
    let last = norms.len().checked_sub(1)?;
    let at = |q: f64| norms[(q * last as f64).round() as usize];
    Some(Quantiles { min: norms[0], p01: at(0.01), median: at(0.5), p99: at(0.99), max: norms[last] })
}

impl Inspection {
    /// For people, with an empty line at the end.
    pub fn text(&self) -> Text {
        let mut text = Text::default();
        text.push(name::readable(&self.path));
        text.push(format_args!("  format      {}, {}", self.format.name(), size(self.bytes)));
        text.push(format_args!("  shape       {} rows × {} columns, {}", self.rows, self.columns, self.dtype));
        let values = match self.non_finite_values {
            0 => String::new(),
            1 => " (1 value)".into(),
            n => format!(" ({n} values)"),
        };
        text.push(format_args!("  non-finite  {}{values}", self.non_finite_rows));
        text.push(format_args!("  zero        {}", self.zero_rows));
        text.push(format_args!("  duplicate   {}", self.duplicate_rows));
        if let Some(near) = &self.near_duplicates {
            text.push(format_args!("  near        {near}"));
        }
        match &self.norms {
            Some(q) => text.push(format_args!(
                "  norms       min {:.6}  1% {:.6}  50% {:.6}  99% {:.6}  max {:.6}",
                q.min, q.p01, q.median, q.p99, q.max
            )),
            None => text.push("  norms       no row is finite"),
        }
        text.push(format_args!("  sha256      {}", self.sha256));
        if let Some(made) = &self.made {
            text.push(format_args!("  made by     {}", made.by()));
            made.of().iter().for_each(|file| text.push(format_args!("  made of     {file}")));
        }
        let Estimate { queries, budget, threads, memory, seconds, .. } = self.estimate;
        let threads = if threads == 1 { "1 thread".into() } else { format!("{threads} threads") };
        let memory = size(memory);
        text.push(format_args!(
            "  select      about {seconds:.2} s and {memory} beyond the file for {queries} queries, budget {budget}, {threads} (rough)"
        ));
        text.push("");
        text
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().fmt(f)
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<String> = self.first.iter().map(usize::to_string).collect();
        listed(f, self.count, &rows)
    }
}

impl fmt::Display for Duplicates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<String> = self.first.iter().map(|(first, row)| format!("{row} = {first}")).collect();
        listed(f, self.count, &rows)
    }
}

impl fmt::Display for NearDuplicateReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<String> = self.first.iter().map(|(first, row)| format!("{row} ~ {first}")).collect();
        listed(f, self.count, &rows)?;
        write!(f, " ({} pairs with cosine ≥ {}", self.pairs, self.cosine)?;
        if self.sampled { write!(f, ", among {} rows drawn from all)", self.rows_compared) } else { f.write_str(")") }
    }
}

fn listed(f: &mut fmt::Formatter<'_>, count: usize, rows: &[String]) -> fmt::Result {
    match count {
        0 => f.write_str("none"),
        1 => write!(f, "1 row: {}", rows.join(", ")),
        _ => write!(f, "{count} rows: {}{}", rows.join(", "), if count > rows.len() { ", …" } else { "" }),
    }
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    match bytes as f64 {
        n if n < 1e3 => format!("{bytes} B"),
        n if n < 1e6 => format!("{:.1} kB", n / 1e3),
        n if n < 1e9 => format!("{:.1} MB", n / 1e6),
        n => format!("{:.1} GB", n / 1e9),
    }
}
