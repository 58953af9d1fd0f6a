//! A set of vectors as loaded: the rows of one or more files, in order, read by block.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kantor_solvers::Watch;
use kantor_theory::{Element, Rows};

use super::error::DataError;
use super::file::Source;
use super::jsonl::JsonlRows;
use super::made::Made;
use super::memory::{Allowance, reserve};
use super::number::{Number, Target};
use super::open::{self, Format, OpenOptions};
use super::record::DroppedRow;
use super::safetensors;
use super::shard::{Bytes, Layout, Order, Shard};
use super::values::FileDigests;

/// Where some of the rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The file as it was named.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its format.
    pub format: Format,
    /// Which of its tensors it is, in a format that names them.
    pub tensor: Option<String>,
    /// Rows in it, dropped ones included.
    pub rows: usize,
    /// Columns.
    pub dim: usize,
    /// What its numbers are read as.
    pub element: Element,
    /// The type in which they are stored: as `element`, or an integer type that was cast.
    pub dtype: &'static str,
}

/// Rows of one or more files (shards), concatenated in order; n×d, never converted as a whole.
///
/// The same type serves a similarity or cost matrix: M rows (queries) of N columns (pool).
#[derive(Debug)]
pub struct Representation {
    shards: Vec<Shard>,
    files: Vec<SourceFile>,
    /// First row of each shard, and the number of rows of all.
    starts: Vec<usize>,
    dim: usize,
    element: Element,
    /// Whether the files differ in their elements.
    mixed: bool,
    /// Rows that are hidden, ascending.
    hidden: Vec<usize>,
    /// Whether they were read from a cache instead of made of text.
    cached: bool,
}

impl Representation {
    /// Opens the files and checks their headers against their sizes.
    ///
    /// Shards must agree in the number of columns; their number types may differ, then the widest is reported.
    ///
    /// # Errors
    /// If a file cannot be read, is not a table of an accepted format and type, or does not fit the others.
    pub fn open(paths: &[PathBuf], options: &OpenOptions) -> Result<Self, DataError> {
        Self::open_within(paths, options, &Allowance::unlimited())
    }

    /// As [`Representation::open`]; what must be unpacked counts towards `allowance`.
    ///
    /// # Errors
    /// As [`Representation::open`], or if that is too much.
    pub fn open_within(paths: &[PathBuf], options: &OpenOptions, allowance: &Allowance) -> Result<Self, DataError> {
        let (mut opened, mut first) = (Vec::with_capacity(paths.len()), 0);
        for path in paths {
            let (shard, format) = open::shard(path, options, first, allowance)?;
            first += shard.layout.rows;
            opened.push((shard, format));
        }
        Self::of_shards(opened)
    }

    /// Rows of so many numbers of a type, the least significant byte first, that were made of lines of text under this name.
    ///
    /// # Errors
    /// If a file cannot be opened any more.
    pub(crate) fn of_text(
        lines: &JsonlRows,
        name: &str,
        numbers: Vec<u8>,
        (dim, number): (usize, Number),
    ) -> Result<Self, DataError> {
        let numbers = Arc::new(numbers);
        let (mut start, mut shards) = (0, Vec::new());
        for file in lines.files() {
            let layout = Layout { rows: file.rows, dim, number, big_endian: false, order: Order::RowMajor };
            let span = start..start + file.rows * dim * layout.number.size();
            start = span.end;
            let (source, bytes) = (Arc::new(Source::open(&file.path)?), Bytes::Memory(numbers.clone()));
            shards.push((Shard { source, tensor: Some(name.to_owned()), bytes, span, layout }, file.format()));
        }
        Self::of_shards(shards)
    }

    /// The same, which were read from a cache instead of made of text, or not.
    pub(crate) fn cached(self, cached: bool) -> Self {
        Self { cached, ..self }
    }

    /// Whether they were read from a cache instead of made of text.
    pub(crate) fn is_cached(&self) -> bool {
        self.cached
    }

    /// The rows of these tables, of which there is at least one.
    fn of_shards(opened: Vec<(Shard, Format)>) -> Result<Self, DataError> {
        let Some((first, _)) = opened.first() else {
            return Err(DataError::NoFiles("vector"));
        };
        let dim = first.layout.dim;
        let (mut shards, mut files, mut starts) = (Vec::new(), Vec::<SourceFile>::new(), vec![0]);
        let mut element = first.layout.number.element();
        let first_path = first.source.path.clone();
        for (shard, format) in opened {
            let layout = &shard.layout;
            if layout.dim != dim {
                let (file, other) = (shard.source.path.clone(), first_path);
                return Err(DataError::Dimensions { file, dim: layout.dim, other, other_dim: dim });
            }
            element = element.widest(layout.number.element());
            starts.push(starts[starts.len() - 1] + layout.rows);
            files.push(SourceFile {
                path: shard.source.path.clone(),
                bytes: shard.source.identity.bytes,
                format,
                tensor: shard.tensor.clone(),
                rows: layout.rows,
                dim,
                element: layout.number.element(),
                dtype: layout.number.name(),
            });
            shards.push(shard);
        }
        let mixed = files.iter().any(|file| file.element != element);
        Ok(Self { shards, files, starts, dim, element, mixed, hidden: Vec::new(), cached: false })
    }

    /// The files, in order.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The row of the files, dropped ones counted, that is row `kept` here.
    pub fn original_row(&self, kept: usize) -> usize {
        // hidden[t] − t kept rows precede the t-th hidden row, and that number never decreases.
        let (mut low, mut high) = (0, self.hidden.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.hidden[middle] - middle <= kept { low = middle + 1 } else { high = middle }
        }
        kept + low
    }

    /// Rows of the files, dropped ones included.
    pub fn original_len(&self) -> usize {
        self.starts[self.shards.len()]
    }

    /// Bytes held in memory beside the mapped files: tables that had to be decompressed, or were made of text.
    pub fn memory(&self) -> u64 {
        // Tables that were made together lie together, one after the other.
        let mut held: Vec<&Arc<Vec<u8>>> = self.shards.iter().filter_map(Shard::held).collect();
        held.dedup_by(|a, b| Arc::ptr_eq(a, b));
        let patterns = self.shards.iter().map(|shard| match &shard.layout.order {
            Order::Sparse(pattern) => pattern.bytes(),
            _ => 0,
        });
        held.iter().map(|bytes| bytes.len() as u64).chain(patterns).sum()
    }

    /// The files that say how their rows were made, and what they say.
    pub(crate) fn made(&self) -> impl Iterator<Item = (&SourceFile, Made)> {
        let files = self.files.iter().zip(&self.shards).filter(|(file, _)| file.format == Format::Safetensors);
        files.filter_map(|(file, shard)| Some((file, safetensors::made(shard.source.bytes())?)))
    }

    /// SHA-256 of each file, in hexadecimal. Advances `watch` by bytes.
    ///
    /// # Errors
    /// If a file was cut meanwhile, or `watch` asks to stop.
    pub fn digests(&self, watch: &dyn Watch) -> Result<Vec<String>, DataError> {
        self.by_shard(watch, |shard| shard.source.digest(watch))
    }

    /// Digests of each file and of the values of its rows. Advances `watch` by bytes.
    ///
    /// # Errors
    /// As [`Representation::digests`].
    pub fn digests_with_values(&self, watch: &dyn Watch) -> Result<Vec<FileDigests>, DataError> {
        self.by_shard(watch, |shard| shard.digests(watch))
    }

    /// BLAKE3 of the values of the rows of each file, in hexadecimal.
    ///
    /// # Errors
    /// As [`Representation::digests`].
    pub fn value_digests(&self, watch: &dyn Watch) -> Result<Vec<String>, DataError> {
        self.by_shard(watch, |shard| shard.value_digest(watch))
    }

    /// What is found of every shard, in parallel and by threads of their own: a digest is one long chain of steps, and a
    /// worker thread that took it up would be missing from the passes over the pool until its end.
    fn by_shard<T: Send>(
        &self,
        watch: &dyn Watch,
        of: impl Fn(&Shard) -> Result<T, DataError> + Sync,
    ) -> Result<Vec<T>, DataError> {
        watch.begin("digest", self.files.iter().map(|file| file.bytes).sum());
        let threads = rayon::current_num_threads().min(self.shards.len()).max(1);
        let next = AtomicUsize::new(0);
        let work = || {
            let shards = std::iter::from_fn(|| {
                let at = next.fetch_add(1, Ordering::Relaxed);
                self.shards.get(at).map(|shard| (at, of(shard)))
            });
            shards.collect::<Vec<_>>()
        };
        let mut found = std::thread::scope(|scope| {
            // Fewer threads if the system gives no more.
            let helper = |_| crate::thread::builder().spawn_scoped(scope, work).ok();
            let others: Vec<_> = (1..threads).filter_map(helper).collect();
            let mut all = work();
            for other in others {
                all.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            all
        });
        found.sort_unstable_by_key(|(at, _)| *at);
        found.into_iter().map(|(_, found)| found).collect()
    }

    /// The shards in which some rows lie, dropped ones counted, with the rows' numbers within.
    pub(crate) fn parts(&self, rows: Range<usize>) -> impl Iterator<Item = (&Shard, Range<usize>)> {
        self.within(rows).map(|(at, rows)| (&self.shards[at], rows))
    }

    /// The files in which some rows lie, dropped ones counted.
    pub(crate) fn files_of(&self, rows: Range<usize>) -> impl Iterator<Item = &SourceFile> {
        self.within(rows).map(|(at, _)| &self.files[at])
    }

    fn within(&self, rows: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
        let bounds = self.starts.windows(2).map(|bounds| (bounds[0], bounds[1])).enumerate();
        bounds.filter_map(move |(at, (start, end))| {
            let rows = rows.start.clamp(start, end) - start..rows.end.clamp(start, end) - start;
            (!rows.is_empty()).then_some((at, rows))
        })
    }

    /// Fails if a file is no longer the one that was opened (length, inode, times of modification and of change), or was
    /// cut meanwhile.
    pub fn check_unchanged(&self) -> Result<(), DataError> {
        self.shards.iter().try_for_each(|shard| shard.source.check_unchanged())
    }

    /// Fails if a file was written anew or cut since it was opened.
    pub(crate) fn check_content(&self) -> Result<(), DataError> {
        self.shards.iter().try_for_each(|shard| shard.source.check_content())
    }

    /// Whether a file was cut, so that zeros are read in the place of lost rows.
    pub(crate) fn is_cut(&self) -> bool {
        self.shards.iter().any(|shard| shard.source.is_cut())
    }

    /// Fails if rows here have not as many columns as rows there.
    pub fn check_same_dim(&self, other: &Representation) -> Result<(), DataError> {
        if self.dim == other.dim {
            return Ok(());
        }
        let (file, first) = (self.files[0].path.clone(), other.files[0].path.clone());
        Err(DataError::Dimensions { file, dim: self.dim, other: first, other_dim: other.dim })
    }

    /// The file of an original row and the row's number within it.
    pub(crate) fn locate(&self, original: usize) -> (&SourceFile, usize) {
        let shard = self.shard_of(original);
        (&self.files[shard], original - self.starts[shard])
    }

    /// Hides more rows, given by their original numbers.
    pub(crate) fn hide(&mut self, rows: &[DroppedRow]) -> Result<(), DataError> {
        reserve(&mut self.hidden, rows.len(), &self.files[0].path, "the list of bad rows")?;
        self.hidden.extend(rows.iter().map(|dropped| dropped.row));
        self.hidden.sort_unstable();
        self.hidden.dedup();
        Ok(())
    }

    fn shard_of(&self, original: usize) -> usize {
        self.starts.partition_point(|&start| start <= original) - 1
    }

    fn read_as<O: Target>(&self, first: usize, columns: Range<usize>, mut out: &mut [O]) {
        let width = columns.len();
        if width == 0 || out.is_empty() {
            return;
        }
        assert!(first + out.len() / width <= self.len(), "rows outside the table");
        let mut row = self.original_row(first);
        let mut next_hidden = self.hidden.partition_point(|&hidden| hidden < row);
        while out.len() >= width {
            while self.hidden.get(next_hidden) == Some(&row) {
                row += 1;
                next_hidden += 1;
            }
            let shard = self.shard_of(row);
            let end = self.starts[shard + 1].min(self.hidden.get(next_hidden).copied().unwrap_or(usize::MAX));
            let count = (end - row).min(out.len() / width);
            let (target, rest) = out.split_at_mut(count * width);
            self.shards[shard].read(row - self.starts[shard], columns.clone(), target);
            (out, row) = (rest, row + count);
        }
    }
}

impl Rows for Representation {
    fn len(&self) -> usize {
        self.original_len() - self.hidden.len()
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn element(&self) -> Element {
        self.element
    }

    fn element_of(&self, row: usize) -> Element {
        if self.mixed { self.files[self.shard_of(self.original_row(row))].element } else { self.element }
    }

    fn read(&self, first: usize, columns: Range<usize>, out: &mut [f64]) {
        self.read_as(first, columns, out);
    }

    fn read_f32(&self, first: usize, out: &mut [f32]) {
        self.read_as(first, 0..self.dim, out);
    }
}
