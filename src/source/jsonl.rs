//! Rows of text, one JSON object per line: checked in one streaming pass, copied byte for byte in another.
//!
//! Limit: the JSON scan (or the decompressor) of one core per file; memory is one line plus the ids.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use kantor_solvers::Watch;
use rayon::prelude::*;

use super::error::DataError;
use super::file::Identity;
use super::format::{Columnar, Expected};
use super::ids::{ID, IDS_REMEDY, Id, Ids, object_id};
use super::json::Json;
use super::lines::Lines;
use super::memory::{Allowance, Claim};
use super::open::Format;
use super::pace::Pace;
use super::table::separator;

/// Checked rows of text, in the order of the vectors.
#[derive(Debug)]
pub struct JsonlRows {
    files: Vec<JsonlFile>,
    /// First row of each file, and the number of rows of all.
    starts: Vec<usize>,
    /// By file, if every row of all files has one.
    ids: Option<Vec<Ids>>,
    with_id: usize,
    /// Rows with an id that is no text and no whole number.
    other_ids: usize,
    /// Bytes that may still be taken after the scan.
    left: u64,
}

/// One file of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonlFile {
    /// The file as it was named.
    pub path: PathBuf,
    /// Its size on disk.
    pub bytes: u64,
    /// Rows in it.
    pub rows: usize,
    /// SHA-256 of the file as stored (compressed or not), in hexadecimal.
    pub digest: String,
    pub(crate) columnar: Option<Columnar>,
    identity: Identity,
}

impl JsonlFile {
    /// Fails if it is no longer the file that was scanned.
    #[cfg(feature = "parquet")]
    pub(super) fn check(&self) -> Result<(), DataError> {
        self.identity.check(&self.path)
    }

    /// Its format.
    pub fn format(&self) -> Format {
        match self.columnar {
            Some(Columnar::Parquet) => Format::Parquet,
            Some(Columnar::Arrow { .. }) => Format::Arrow,
            None if separator(&self.path).is_some() => Format::Csv,
            None => Format::Jsonl,
        }
    }
}

const CHOSEN_REMEDY: &str = "allow more with --max-memory, or choose fewer rows at a time";

impl JsonlRows {
    /// Reads all files once, in parallel: `.jsonl`, gzip (any number of members) or zstd (any number of frames),
    /// told by content.
    ///
    /// Every line must be one JSON object in UTF-8, as Python's `json.dumps` writes it: `NaN`, infinities, halves of
    /// surrogate pairs, numbers of any size and any depth of nesting are copied like all else. If every row has a field `id` (a string or an integer), these
    /// are the ids and must differ; otherwise rows are called by their number. Advances `watch` by bytes on disk.
    ///
    /// # Errors
    /// If a file cannot be read or unpacked, a line is not an object, an id occurs twice, the number of rows is not
    /// `expected_rows`, or `watch` asks to stop.
    pub fn scan(paths: &[PathBuf], expected_rows: Option<usize>, watch: &dyn Watch) -> Result<Self, DataError> {
        Self::scan_within(paths, expected_rows, &Allowance::unlimited(), watch)
    }

    /// As [`JsonlRows::scan`]; what decompression and ids take counts towards `allowance`.
    ///
    /// # Errors
    /// As [`JsonlRows::scan`], or if that is too much.
    pub fn scan_within(
        paths: &[PathBuf],
        expected_rows: Option<usize>,
        allowance: &Allowance,
        watch: &dyn Watch,
    ) -> Result<Self, DataError> {
        let read = Self::scan_unnamed(paths, expected_rows, allowance, watch)?;
        read.check_ids(allowance)?;
        Ok(read)
    }

    /// As [`JsonlRows::scan_within`], of files that may use the same ids: rows are then called by their number.
    ///
    /// # Errors
    /// As [`JsonlRows::scan_within`], but for ids of several files.
    pub(crate) fn scan_apart(paths: &[PathBuf], allowance: &Allowance, watch: &dyn Watch) -> Result<Self, DataError> {
        let mut read = Self::scan_unnamed(paths, None, allowance, watch)?;
        match read.check_ids(allowance) {
            Err(DataError::DuplicateId { file, other, .. }) if file != other => read.ids = None,
            checked => checked?,
        }
        Ok(read)
    }

    /// The lines, whose ids may be the same.
    fn scan_unnamed(
        paths: &[PathBuf],
        expected_rows: Option<usize>,
        allowance: &Allowance,
        watch: &dyn Watch,
    ) -> Result<Self, DataError> {
        let Some(last) = paths.last() else {
            return Err(DataError::NoFiles("JSONL"));
        };
        let total = paths.iter().filter_map(|path| Some(std::fs::metadata(path).ok()?.len())).sum();
        watch.begin("read rows", total);
        let scanned = paths.par_iter().map(|path| scan_file(path, allowance, watch)).collect::<Vec<_>>();
        let (mut files, mut starts, mut ids, mut with_id, mut other_ids) = (Vec::new(), vec![0], Vec::new(), 0, 0);
        for file in scanned {
            let (file, found, [count, others]) = file?;
            starts.push(starts[starts.len() - 1] + file.rows);
            with_id += count;
            other_ids += others;
            ids.push(found);
            files.push(file);
        }
        let rows = starts[files.len()];
        if expected_rows.is_some_and(|expected| expected != rows) {
            let expected = expected_rows.unwrap_or_default();
            return Err(DataError::RowCount { file: last.clone(), lines: rows, rows: expected });
        }
        if rows == 0 {
            return Err(DataError::Empty { file: last.clone(), fault: "there is no row" });
        }
        let complete = with_id == rows;
        Ok(Self { files, starts, ids: complete.then_some(ids), with_id, other_ids, left: allowance.left() })
    }

    /// Bytes that may still be taken after the scan.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// What reading once more may take: what unpacking text takes was allowed when the files were scanned, but other columns than ids
    /// were not looked at then.
    fn again(&self) -> Allowance {
        match self.files.iter().any(|file| file.columnar.is_some()) {
            true => Allowance::new(self.left),
            false => Allowance::unlimited(),
        }
    }

    /// Whether all files have columns.
    pub fn have_columns(&self) -> bool {
        self.files.iter().all(|file| file.columnar.is_some())
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.starts[self.files.len()]
    }

    /// Whether there are no rows (never true of scanned files).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The files, in order.
    pub fn files(&self) -> &[JsonlFile] {
        &self.files
    }

    /// The id of a row, if every row has one; otherwise rows go by their number.
    pub fn id(&self, row: usize) -> Option<&str> {
        self.ids.as_ref().map(|ids| {
            let file = self.file_of(row);
            ids[file].get(row - self.starts[file])
        })
    }

    /// How many rows have an id. Ids are used only if all have.
    pub fn rows_with_id(&self) -> usize {
        self.with_id
    }

    /// How many rows have an `id` that is no text and no whole number, and cannot name them.
    pub(crate) fn rows_with_other_id(&self) -> usize {
        self.other_ids
    }

    /// The bytes of some rows, in one streaming pass, each ending in a newline and otherwise as stored.
    ///
    /// Rows may repeat and come in any order. Advances `watch` by rows passed.
    ///
    /// # Errors
    /// If a file changed since it was scanned or cannot be read, the rows take more than was left of what reading may take,
    /// or `watch` asks to stop.
    ///
    /// # Panics
    /// If a row is out of range.
    pub fn copy(&self, rows: &[usize], watch: &dyn Watch) -> Result<HashMap<usize, Box<[u8]>>, DataError> {
        let wanted: BTreeSet<usize> = rows.iter().copied().collect();
        assert!(wanted.last().is_none_or(|&last| last < self.len()), "row out of range");
        watch.begin("copy rows", self.len() as u64);
        let mut copied = HashMap::new();
        copied.try_reserve(wanted.len()).map_err(|_| {
            let (file, what, remedy) = (self.files[0].path.clone(), "the chosen rows", "choose fewer rows at a time");
            DataError::Memory { file, what, bytes: (wanted.len() * size_of::<(usize, Box<[u8]>)>()) as u64, remedy }
        })?;
        // What unpacking takes was allowed when the files were scanned.
        let (again, chosen) = (self.again(), Allowance::new(self.left));
        for (file, &start) in self.files.iter().zip(&self.starts) {
            let mut claim = Claim::new(&chosen, &file.path);
            let mut here = wanted.range(start..start + file.rows).peekable();
            if here.peek().is_none() {
                continue;
            }
            file.identity.check(&file.path)?;
            let mut lines = Lines::open(&file.path, Expected::Lines, &again)?;
            let (mut row, mut pace) = (start, Pace::default());
            let fewer = || DataError::Changed { file: file.path.clone(), what: "it has fewer rows" };
            while let Some(&&next) = here.peek() {
                if row < next && !lines.skip_line()? {
                    return Err(fewer());
                }
                let mut length = 0;
                if row == next {
                    let Some(line) = lines.next_line()? else { return Err(fewer()) };
                    length = line.len();
                    let mut bytes = Vec::new();
                    claim.room(&mut bytes, line.len() + 1, "the chosen rows", CHOSEN_REMEDY)?;
                    bytes.extend_from_slice(line);
                    if bytes.last() != Some(&b'\n') {
                        bytes.push(b'\n');
                    }
                    copied.insert(row, bytes.into_boxed_slice());
                    here.next();
                }
                row += 1;
                if let Some(passed) = pace.due(length) {
                    watch.advance(passed)?;
                }
            }
            claim.keep();
            file.identity.check(&file.path)?;
        }
        Ok(copied)
    }

    /// Whether the first row has a field of this name at its top level.
    ///
    /// # Errors
    /// As [`JsonlRows::copy`].
    pub(crate) fn begins_with_field(&self, name: &str, watch: &dyn Watch) -> Result<bool, DataError> {
        let first = self.copy(&[0], watch)?;
        let line = first.get(&0).map_or(&[][..], |line| line);
        let fields = Json::fields_of(std::str::from_utf8(line).unwrap_or_default());
        Ok(fields.flatten().any(|(key, _)| key.text().is_some_and(|key| key == name)))
    }

    /// Calls `look` with the number and the bytes of every row, in order, in one streaming pass. Advances `watch` by
    /// rows.
    ///
    /// # Errors
    /// If a file changed since it was scanned or cannot be read, if `watch` asks to stop, or that of `look`.
    pub fn visit(
        &self,
        watch: &dyn Watch,
        look: impl FnMut(usize, &[u8]) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        self.visit_by(None, watch, look)
    }

    /// As [`JsonlRows::visit`], for a caller who looks at these fields at the top level alone: of files of columns no others are
    /// read, and are null.
    ///
    /// # Errors
    /// As [`JsonlRows::visit`].
    pub fn visit_fields(
        &self,
        fields: &[&str],
        watch: &dyn Watch,
        look: impl FnMut(usize, &[u8]) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        self.visit_by(Some(fields), watch, look)
    }

    fn visit_by(
        &self,
        fields: Option<&[&str]>,
        watch: &dyn Watch,
        mut look: impl FnMut(usize, &[u8]) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        watch.begin("read text", self.len() as u64);
        let again = self.again();
        for (file, &start) in self.files.iter().zip(&self.starts) {
            file.identity.check(&file.path)?;
            let mut lines = Lines::open_fields(&file.path, Expected::Lines, fields, &again)?;
            let mut pace = Pace::default();
            for row in start..start + file.rows {
                let Some(line) = lines.next_line()? else {
                    return Err(DataError::Changed { file: file.path.clone(), what: "it has fewer rows" });
                };
                look(row, line)?;
                if let Some(passed) = pace.due(line.len()) {
                    watch.advance(passed)?;
                }
            }
            file.identity.check(&file.path)?;
        }
        Ok(())
    }

    /// Fails if a file was written anew since it was scanned.
    pub(crate) fn check_content(&self) -> Result<(), DataError> {
        self.files.iter().try_for_each(|file| file.identity.check_content(&file.path))
    }

    /// Fails if a file is no longer the one that was scanned.
    pub fn check_unchanged(&self) -> Result<(), DataError> {
        self.files.iter().try_for_each(|file| file.identity.check(&file.path))
    }

    /// The file and line (from 1) of a row.
    pub fn place(&self, row: usize) -> (&Path, usize) {
        let file = self.file_of(row);
        (&self.files[file].path, row - self.starts[file] + 1)
    }

    fn file_of(&self, row: usize) -> usize {
        self.starts.partition_point(|&start| start <= row) - 1
    }

    fn check_ids(&self, allowance: &Allowance) -> Result<(), DataError> {
        if self.ids.is_none() {
            return Ok(());
        }
        let hash = |row: usize| {
            let mut hasher = DefaultHasher::new();
            self.id(row).hash(&mut hasher);
            hasher.finish()
        };
        let mut order: Vec<(u64, usize)> = Vec::new();
        let mut claim = Claim::new(allowance, &self.files[0].path);
        claim.room(&mut order, self.len(), "looking for repeated ids", IDS_REMEDY)?;
        order.par_extend((0..self.len()).into_par_iter().map(|row| (hash(row), row)));
        order.par_sort_unstable_by(|a, b| {
            a.0.cmp(&b.0).then_with(|| self.id(a.1).cmp(&self.id(b.1))).then(a.1.cmp(&b.1))
        });
        let repeated =
            order.windows(2).filter(|pair| pair[0].0 == pair[1].0 && self.id(pair[0].1) == self.id(pair[1].1));
        match repeated.map(|pair| (pair[1].1, pair[0].1)).min() {
            None => Ok(()),
            Some((row, earlier)) => {
                let ((file, line), (other, other_line)) = (self.place(row), self.place(earlier));
                let (file, other, id) =
                    (file.to_owned(), other.to_owned(), self.id(row).unwrap_or_default().to_owned());
                Err(DataError::DuplicateId { file, line, id, other, other_line })
            }
        }
    }
}

/// Checks one file: its rows, their ids if all have one, and how many have one, and one that cannot name them.
fn scan_file(path: &Path, allowance: &Allowance, watch: &dyn Watch) -> Result<(JsonlFile, Ids, [usize; 2]), DataError> {
    let mut lines = Lines::open_fields(path, Expected::Lines, Some(&[ID]), allowance)?;
    let columnar = lines.columnar();
    let (mut ids, mut with_id, mut others, mut reported, mut rows) = (Ids::default(), 0, 0, 0, 0);
    let (mut claim, mut pace) = (Claim::new(allowance, path), Pace::default());
    while let Some(line) = lines.next_line()? {
        rows += 1;
        let due = pace.due(line.len());
        let id = object_id(line).map_err(|(fault, remedy)| {
            let file = path.to_owned();
            DataError::Line { file, line: rows, fault, remedy }
        });
        // Ids count only if all rows have one.
        let counted = id.and_then(|id| match id {
            Id::Of(id) if with_id + 1 == rows => ids.push(&id, &mut claim).map(|()| [1, 0]),
            Id::Of(_) => Ok([1, 0]),
            Id::Other => Ok([0, 1]),
            Id::None => Ok([0, 0]),
        });
        let [named, other] = lines.explained(counted)?;
        with_id += named;
        others += other;
        if due.is_some() {
            let read = lines.bytes_read();
            watch.advance(read - reported)?;
            reported = read;
        }
    }
    let (identity, digest) = lines.finish()?;
    watch.advance(identity.bytes.saturating_sub(reported))?;
    if with_id == rows {
        claim.keep();
    } else {
        ids = Ids::default();
    }
    Ok((
        JsonlFile { path: path.to_owned(), bytes: identity.bytes, rows, digest, columnar, identity },
        ids,
        [with_id, others],
    ))
}
