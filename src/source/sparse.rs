//! Sparse rows: `.npz` archives as `scipy.sparse.save_npz` writes them, in the format CSR.
//!
//! Only the numbers that are stored are held; blocks of rows are made dense where they are read. So all that is decided and
//! proved of such rows is decided and proved of the same rows in a dense file, digests of values included.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytemuck::Pod;
use sprs::{CsMatI, CsStructureI};

use super::archive::Archive;
use super::error::DataError;
use super::memory::{Allowance, Claim};
use super::npy;
use super::npz::{Array, UNPACKED};
use super::number::Number;
use super::open::{Format, Found};
use super::shard::{Bytes, Layout, Order};

/// Most columns that are read: as many as hashing of features makes by default. A file says how many there are without
/// holding anything of them, and every row is made dense when it is read.
const MAX_COLUMNS: usize = 1 << 20;

/// Longest name of a format.
const NAME: u64 = 64;

const PLACES: &str = "where the numbers of the sparse matrix stand";
const PLACES_REMEDY: &str = "allow more with --max-memory";
const REPAIR: &str = "repair it: x = scipy.sparse.csr_array(x); x.sum_duplicates(); scipy.sparse.save_npz('x.npz', x)";

/// Where the numbers of a sparse matrix stand: by row, the columns of each ascending.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    rows: Vec<usize>,
    columns: Vec<u32>,
}

impl Pattern {
    /// Numbers that are stored.
    pub(super) fn stored(&self) -> usize {
        self.columns.len()
    }

    /// What it takes of memory.
    pub(super) fn bytes(&self) -> u64 {
        (size_of_val(&self.rows[..]) + size_of_val(&self.columns[..])) as u64
    }

    /// Where the first of a row's numbers in these columns is stored, and the columns of all of them.
    pub(super) fn row(&self, row: usize, columns: &Range<usize>) -> (usize, &[u32]) {
        let start = self.rows[row];
        let all = &self.columns[start..self.rows[row + 1]];
        let before = |end: usize| all.partition_point(|&column| (column as usize) < end);
        let (from, to) = (before(columns.start), before(columns.end));
        (start + from, &all[from..to])
    }
}

/// Whether these are the arrays of a sparse matrix.
pub(super) fn is_sparse(arrays: &[Array]) -> bool {
    ["format", "shape", "data"].iter().all(|name| arrays.iter().any(|array| array.name == *name))
}

/// The matrix.
pub(super) fn table(
    file: &Path,
    archive: &mut Archive<'_>,
    arrays: &[Array],
    cast: bool,
    allowance: &Allowance,
) -> Result<Found, DataError> {
    let bad = |fault: String| DataError::malformed(file, format!("in the sparse matrix, {fault}"), REPAIR);
    let array = |name: &str| {
        arrays.iter().find(|array| array.name == name).ok_or_else(|| bad(format!("the array `{name}` is missing")))
    };
    let format = format(archive, array("format")?)?;
    if format != "csr" {
        let remedy = "save it by rows: python -c \"import scipy.sparse as s; \
                      s.save_npz('x.npz', s.csr_array(s.load_npz('FILE')))\"";
        return Err(DataError::malformed(
            file,
            format!("is a sparse matrix of format {format:?}, and csr is read"),
            remedy,
        ));
    }
    let (mut shape, mut claim) = (Vec::new(), Claim::new(allowance, file));
    integers(file, archive, array("shape")?, allowance, |length| {
        // More than two lengths are refused below, however many.
        if shape.len() < 3 {
            shape.push(length);
        }
        Ok(())
    })?;
    let shape: Vec<i128> = shape.into_iter().map(i128::from).collect();
    let (rows, dim) = npy::table_shape(file, &shape)?;
    if dim > MAX_COLUMNS {
        let fault = format!("is a sparse matrix of {dim} columns, and at most {MAX_COLUMNS} are read");
        let remedy = "make rows of fewer numbers, for example with sklearn's HashingVectorizer(n_features=2**18)";
        return Err(DataError::malformed(file, fault, remedy));
    }
    let numbers = array("data")?;
    if numbers.header.shape() == [0] {
        let fault = "the sparse matrix stores no numbers, so all its rows are zeros";
        return Err(DataError::Empty { file: file.to_owned(), fault });
    }
    let stored = numbers.header.list_layout(file, numbers.member.size, cast)?;

    let (mut starts, mut columns) = (Vec::<usize>::new(), Vec::<u32>::new());
    integers(file, archive, array("indptr")?, allowance, |start| {
        let ascends = usize::try_from(start).ok().filter(|start| starts.last().copied().unwrap_or(0) <= *start);
        let start = ascends.filter(|&start| start <= stored.rows);
        let start = start.ok_or_else(|| bad(format!("row {} ends outside its numbers", starts.len())))?;
        claim.room(&mut starts, 1, PLACES, PLACES_REMEDY)?;
        starts.push(start);
        Ok(())
    })?;
    if starts.len() != rows + 1 || starts[0] != 0 || starts[rows] != stored.rows {
        let fault = format!("{rows} rows with {} numbers do not end where `indptr` says", stored.rows);
        return Err(bad(fault));
    }
    integers(file, archive, array("indices")?, allowance, |column| {
        let inside = u32::try_from(column).ok().filter(|&column| (column as usize) < dim);
        let column =
            inside.ok_or_else(|| bad(format!("number {} stands in column {column} of {dim}", columns.len())))?;
        claim.room(&mut columns, 1, PLACES, PLACES_REMEDY)?;
        columns.push(column);
        Ok(())
    })?;
    if columns.len() != stored.rows {
        return Err(bad(format!("{} numbers have {} columns", stored.rows, columns.len())));
    }

    let content = archive.content(&numbers.member, allowance, UNPACKED)?;
    let (number, start) = (stored.number, content.start + numbers.header.length);
    let sorted = |row: &[usize]| columns[row[0]..row[1]].is_sorted_by(|a, b| a < b);
    let (pattern, bytes, start) = if starts.windows(2).all(sorted) {
        // That is what all reading relies on.
        let checked = CsStructureI::try_new((rows, dim), starts, columns, vec![(); stored.rows]);
        let (rows, columns, _) = checked.map_err(|(.., fault)| bad(fault.to_string()))?.into_raw_storage();
        content.claim.keep();
        (Pattern { rows, columns }, content.bytes, start)
    } else {
        let here = content.slice(archive.bytes()).get(numbers.header.length..).unwrap_or_default();
        claim.add(
            2 * here.len() as u64,
            "the numbers of the sparse matrix in the order of their columns",
            PLACES_REMEDY,
        )?;
        let parts = ((rows, dim), starts, columns);
        let sorted = match number.size() {
            1 => in_order::<u8>(parts, here),
            2 => in_order::<u16>(parts, here),
            4 => in_order::<u32>(parts, here),
            _ => in_order::<u64>(parts, here),
        };
        // Columns are inside and rows in order, as was seen above: no other fault is left.
        let (pattern, bytes) = sorted.ok_or_else(|| bad("a row names a column twice".to_owned()))?;
        (pattern, Bytes::Memory(Arc::new(bytes)), 0)
    };
    claim.keep();
    let order = Order::Sparse(Arc::new(pattern));
    let layout = Layout { rows, dim, number, big_endian: stored.big_endian, order };
    Ok(Found { format: Format::Csr, tensor: None, bytes, start, layout })
}

/// The matrix with the columns of each row in order, unless one has a column twice; its numbers are words of their size.
fn in_order<W: Pod>(
    (shape, rows, columns): ((usize, usize), Vec<usize>, Vec<u32>),
    numbers: &[u8],
) -> Option<(Pattern, Vec<u8>)> {
    let words: Vec<W> = numbers.chunks_exact(size_of::<W>()).map(bytemuck::pod_read_unaligned).collect();
    let sorted = CsMatI::new_from_unsorted(shape, rows, columns, words).ok()?;
    let (rows, columns, words) = sorted.into_raw_storage();
    Some((Pattern { rows, columns }, bytemuck::cast_slice(&words).to_vec()))
}

/// What the array that names the format says.
fn format(archive: &mut Archive<'_>, array: &Array) -> Result<String, DataError> {
    let all = archive.begin(&array.member, (array.header.length as u64 + NAME) as usize)?;
    let name = all.get(array.header.length..).unwrap_or_default();
    let letters = name.iter().filter(|byte| **byte != 0).map(|&byte| char::from(byte));
    Ok(letters.collect())
}

/// Hands over the whole numbers of a list.
fn integers(
    file: &Path,
    archive: &mut Archive<'_>,
    array: &Array,
    allowance: &Allowance,
    mut take: impl FnMut(i64) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let layout = array.header.list_layout(file, array.member.size, true)?;
    let content = archive.content(&array.member, allowance, UNPACKED)?;
    let bytes = content.slice(archive.bytes()).get(array.header.length..).unwrap_or_default();
    let word = |bytes: &[u8]| -> i64 {
        let mut word = [0; 8];
        let count = bytes.len();
        word[..count].copy_from_slice(bytes);
        if layout.big_endian {
            word[..count].reverse();
        }
        let shift = 64 - 8 * count as u32;
        // The sign is that of the highest stored bit.
        i64::from_le_bytes(word) << shift >> shift
    };
    match layout.number {
        Number::I32 | Number::I64 => bytes.chunks_exact(layout.number.size()).try_for_each(|bytes| take(word(bytes))),
        other => {
            let fault = format!("in the sparse matrix, `{}` has numbers of type {}", array.name, other.name());
            Err(DataError::malformed(file, fault, REPAIR))
        }
    }
}
