//! Lists of numbers, one per row: chosen rows, weights. A 1-d `.npy` array, or text with one number a line; chosen rows
//! also as `selection.jsonl`.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use kantor_solvers::Watch;
use kantor_theory::json;
use serde::Deserialize;
use serde_json::Value;

use super::cells::ValueFile;
use super::error::DataError;
use super::file::Source;
use super::format::{Expected, refuse_foreign, unmarked};
use super::memory::reserve;
use super::npy;
use super::row_names::{each_name, holds_ids};
use super::shard::{Bytes, Shard};
use super::whole::Whole;

/// What is held of a list.
const NUMBERS: &str = "the list";

const SELECTIONS: &str =
    "give the selection.jsonl or the indices.npy of a selection, or text with one row number a line";

/// Reads at most `most` numbers, integers exactly.
///
/// # Errors
/// If the file cannot be read, is no list of numbers or one of more than that, or changes while it is read.
pub fn read_list(path: &Path, most: usize) -> Result<Vec<f64>, DataError> {
    // The list is kept, and the file is not looked at again.
    list_of(path, most).map(|(numbers, _)| numbers)
}

/// As [`read_list`], with the file that was read.
fn list_of(path: &Path, most: usize) -> Result<(Vec<f64>, Arc<Source>), DataError> {
    let source = Arc::new(Source::open(path)?);
    Whole::List.check(path, source.identity.bytes)?;
    let numbers = numbers(path, &source, most);
    source.check_unchanged().and(numbers).map(|numbers| (numbers, source))
}

fn numbers(path: &Path, source: &Arc<Source>, most: usize) -> Result<Vec<f64>, DataError> {
    let (bytes, total) = (source.bytes(), source.identity.bytes);
    refuse_foreign(path, bytes, Expected::List)?;
    if !bytes.starts_with(npy::MAGIC) {
        return parse_text(path, bytes, most);
    }
    let header = npy::parse(path, &bytes[..bytes.len().min(npy::MAX_PREFIX)], total)?;
    let layout = header.list_layout(path, total, true)?;
    if layout.rows > most {
        return Err(too_many(path, layout.rows, most));
    }
    let span = header.length..header.length + layout.rows * layout.number.size();
    let shard = Shard { source: source.clone(), tensor: None, bytes: Bytes::Mapped, span, layout };
    shard.check_exact()?;
    let mut numbers = Vec::new();
    reserve(&mut numbers, shard.layout.rows, path, NUMBERS)?;
    numbers.resize(shard.layout.rows, 0.0);
    shard.read(0, 0..1, &mut numbers);
    Ok(numbers)
}

/// Reads row numbers: distinct, below `rows`; of `selection.jsonl` the field `index`. `id` gives the id of a row, if rows
/// have ids: a line of a selection that has another is of another pool, and the list may be one of ids, as
/// [`read_named_rows`] reads them.
///
/// # Errors
/// If the file is no list of such numbers; the message names the place and the value; or if `watch` asks to stop.
pub fn read_rows<'a>(
    path: &Path,
    rows: usize,
    id: impl Fn(usize) -> Option<&'a str>,
    watch: &dyn Watch,
) -> Result<Vec<usize>, DataError> {
    let source = Arc::new(Source::open(path)?);
    Whole::List.check(path, source.identity.bytes)?;
    let listed = match id(0) {
        Some(_) => named_rows(path, &source, rows, (id, Repeats::Refused), watch),
        None => rows_of(path, &source, rows, id),
    };
    // The list is kept, and the file is not looked at again.
    source.check_unchanged().and(listed)
}

/// What becomes of a row whose id a list names again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeats {
    /// It is listed once.
    Merged,
    /// That is an error.
    Refused,
}

fn rows_of<'a>(
    path: &Path,
    source: &Arc<Source>,
    rows: usize,
    id: impl Fn(usize) -> Option<&'a str>,
) -> Result<Vec<usize>, DataError> {
    let numbers = match unmarked(source.bytes()).first() {
        Some(b'{') => parse_selection(path, source.bytes(), rows, id),
        _ => numbers(path, source, rows),
    }?;
    let (mut seen, mut list) = (Vec::new(), Vec::new());
    reserve(&mut seen, rows, path, NUMBERS)?;
    seen.resize(rows, false);
    reserve(&mut list, numbers.len(), path, NUMBERS)?;
    for (place, &number) in numbers.iter().enumerate() {
        let refuse = |fault: String| {
            let fault = format!("entry {place} is {number}, {fault}");
            Err(DataError::malformed(path, fault, "give distinct row numbers of the pool, counted from 0"))
        };
        if number < 0.0 || number.fract() != 0.0 || number >= rows as f64 {
            return refuse(format!("not a row of a pool of {rows}"));
        }
        let row = number as usize;
        if std::mem::replace(&mut seen[row], true) {
            return refuse("which was named before".to_owned());
        }
        list.push(row);
    }
    Ok(list)
}

/// Reads a list of rows as [`read_rows`] does, or one of ids: text with one a line, or JSON lines with a field `id`. Text of
/// whole numbers only has row numbers. `id` gives the id of a row, if rows have ids. With a record of the file.
///
/// # Errors
/// If the file is no such list; the message names the place and the value; or if `watch` asks to stop.
pub fn read_named_rows<'a>(
    path: &Path,
    rows: usize,
    id: impl Fn(usize) -> Option<&'a str>,
    watch: &dyn Watch,
) -> Result<(Vec<usize>, ValueFile), DataError> {
    let source = Arc::new(Source::open(path)?);
    Whole::List.check(path, source.identity.bytes)?;
    let listed = source.check_unchanged().and(named_rows(path, &source, rows, (id, Repeats::Merged), watch))?;
    let file = record(&source, listed.len(), watch)?;
    Ok((listed, file))
}

/// What is recorded of a list that was read from this source, which has not changed since.
fn record(source: &Source, rows: usize, watch: &dyn Watch) -> Result<ValueFile, DataError> {
    watch.begin("digest", source.identity.bytes);
    let sha256 = source.digest(watch)?;
    source.check_unchanged()?;
    let format = match source.bytes() {
        bytes if bytes.starts_with(npy::MAGIC) => "npy",
        bytes if unmarked(bytes).starts_with(b"{") => "jsonl",
        _ => "text",
    };
    let (path, bytes, identity) = (source.path.clone(), source.identity.bytes, source.identity.clone());
    Ok(ValueFile { path, format, rows, bytes, sha256, identity })
}

fn named_rows<'a>(
    path: &Path,
    source: &Arc<Source>,
    rows: usize,
    (id, repeats): (impl Fn(usize) -> Option<&'a str>, Repeats),
    watch: &dyn Watch,
) -> Result<Vec<usize>, DataError> {
    if !holds_ids(path, source.bytes(), watch)? {
        let listed = rows_of(path, source, rows, &id)?;
        check_meant(path, &listed, source.bytes(), rows, id)?;
        return Ok(listed);
    }
    let known: HashMap<&str, usize> = (0..rows).filter_map(|row| Some((id(row)?, row))).collect();
    if known.is_empty() {
        let fault = "has ids, but the rows of the pool have none";
        return Err(DataError::malformed(
            path,
            fault,
            "give row numbers, or --pool-jsonl whose lines have a field `id`",
        ));
    }
    // A list may name a row any number of times, so what is held grows with the rows.
    let (mut seen, mut listed) = (Vec::new(), Vec::new());
    reserve(&mut seen, rows, path, NUMBERS)?;
    seen.resize(rows, false);
    let mut entries = 0usize..;
    each_name(path, source.bytes(), watch, |line, name| {
        let (id, entry) = (name.unwrap_or_default(), entries.next().unwrap_or_default());
        let row = *known.get(&*id).ok_or_else(|| {
            let id: String = id.chars().take(40).collect();
            let (fault, remedy) = (format!("no row of the pool has the id `{id}`"), "give ids of the pool's examples");
            DataError::Line { file: path.to_owned(), line, fault, remedy }
        })?;
        match std::mem::replace(&mut seen[row], true) {
            false => listed.push(row),
            true if repeats == Repeats::Merged => {}
            true => {
                let fault = format!("entry {entry} names row {row}, which was named before");
                return Err(DataError::malformed(path, fault, "name each row of a subset once"));
            }
        }
        Ok(true)
    })?;
    Ok(listed)
}

/// Fails if a text of row numbers may be meant as one of ids: if a number in it is the id of another row.
fn check_meant<'a>(
    path: &Path,
    listed: &[usize],
    bytes: &[u8],
    rows: usize,
    id: impl Fn(usize) -> Option<&'a str>,
) -> Result<(), DataError> {
    if bytes.starts_with(npy::MAGIC) || unmarked(bytes).starts_with(b"{") {
        return Ok(());
    }
    let listed: HashSet<usize> = listed.iter().copied().collect();
    let number = |row: usize| id(row)?.parse::<usize>().ok().filter(|number| *number != row && listed.contains(number));
    match (0..rows).find_map(|row| Some((row, number(row)?))) {
        None => Ok(()),
        Some((row, number)) => {
            let fault = format!("has {number}, which is the number of one row and the id of another (row {row})");
            let remedy = "for ids give JSON lines such as {\"id\": \"3\"}, for row numbers an indices.npy";
            Err(DataError::malformed(path, fault, remedy))
        }
    }
}

/// Reads a weight for each of `expected` rows, and takes those of the rows `kept`: finite, not negative, with a sum that is a
/// normal number.
///
/// # Errors
/// If the file is no such list; the message names the place and the value.
pub fn read_weights(
    path: &Path,
    expected: usize,
    kept: impl IntoIterator<Item = usize>,
) -> Result<Vec<f64>, DataError> {
    weights_of(path, read_list(path, expected)?, expected, kept)
}

/// As [`read_weights`], with a record of the file.
///
/// # Errors
/// As [`read_weights`], or if `watch` asks to stop.
pub fn read_weight_file(
    path: &Path,
    expected: usize,
    kept: impl IntoIterator<Item = usize>,
    watch: &dyn Watch,
) -> Result<(Vec<f64>, ValueFile), DataError> {
    let (numbers, source) = list_of(path, expected)?;
    let weights = weights_of(path, numbers, expected, kept)?;
    Ok((weights, record(&source, expected, watch)?))
}

/// The weights of these rows among those of all, if they make a measure.
fn weights_of(
    path: &Path,
    mut weights: Vec<f64>,
    expected: usize,
    kept: impl IntoIterator<Item = usize>,
) -> Result<Vec<f64>, DataError> {
    // The zero that rounding a negative number gives is a zero.
    weights.iter_mut().for_each(|weight| *weight += 0.0);
    if weights.len() != expected {
        let fault = format!("holds {} weights for {expected} rows", weights.len());
        return Err(DataError::malformed(path, fault, "give one weight per row"));
    }
    let bad = weights.iter().position(|w| !w.is_finite() || *w < 0.0);
    if let Some(place) = bad {
        let fault = format!("weight {place} is {}", weights[place]);
        return Err(DataError::malformed(path, fault, "weights must be finite and not negative"));
    }
    let weights: Vec<f64> = kept.into_iter().map(|row| weights[row]).collect();
    if weights.iter().all(|&w| w == 0.0) {
        let of = if weights.len() < expected { " of rows that were not dropped" } else { "" };
        let fault = format!("all weights{of} are zero");
        return Err(DataError::malformed(path, fault, "give at least one of these rows a positive weight"));
    }
    let sum = weights.iter().sum::<f64>();
    if !(f64::MIN_POSITIVE..f64::MAX).contains(&sum) {
        let fault = format!("has weights that add up to {sum}, which is no normal number");
        return Err(DataError::malformed(path, fault, "multiply all weights by one number: only their ratios count"));
    }
    Ok(weights)
}

/// A line of `selection.jsonl`, as far as it is read. Other files of examples may have one of the fields.
#[derive(Deserialize)]
struct Chosen {
    #[serde(rename = "rank")]
    _rank: u64,
    index: u64,
    id: Option<Value>,
}

fn too_many(path: &Path, found: impl Display, most: usize) -> DataError {
    DataError::malformed(path, format!("holds {found} numbers for {most} rows"), "give at most one number per row")
}

/// Adds a number to a list of at most `most`.
fn add(numbers: &mut Vec<f64>, number: f64, path: &Path, most: usize) -> Result<(), DataError> {
    if numbers.len() == most {
        return Err(too_many(path, format_args!("more than {most}"), most));
    }
    reserve(numbers, 1, path, NUMBERS)?;
    numbers.push(number);
    Ok(())
}

fn parse_selection<'a>(
    path: &Path,
    bytes: &[u8],
    most: usize,
    id: impl Fn(usize) -> Option<&'a str>,
) -> Result<Vec<f64>, DataError> {
    let refuse = |line: usize, fault: String, remedy| DataError::Line { file: path.to_owned(), line, fault, remedy };
    let mut numbers = Vec::new();
    for (at, line) in unmarked(bytes).split(|&byte| byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let Chosen { index, id: there, .. } = json::from_slice(line)
            .map_err(|error| refuse(at + 1, format!("is no line of a selection: {error}"), SELECTIONS))?;
        let here = usize::try_from(index).ok().filter(|&row| row < most).and_then(&id);
        // Rows that had no id have their number for it.
        let there = there.as_ref().and_then(Value::as_str).filter(|there| *there != index.to_string());
        if let (Some(here), Some(there)) = (here, there)
            && here != there
        {
            let short = |id: &str| id.chars().take(40).collect::<String>();
            let fault = format!("row {index} had the id `{}` and has `{}` here", short(there), short(here));
            return Err(refuse(at + 1, fault, "give the pool that it was chosen from, or a list of ids"));
        }
        // Exact for all that can be a row number.
        add(&mut numbers, index as f64, path, most)?;
    }
    Ok(numbers)
}

fn parse_text(path: &Path, bytes: &[u8], most: usize) -> Result<Vec<f64>, DataError> {
    let refuse = |fault: String| DataError::malformed(path, fault, Expected::List.remedy());
    let mut numbers = Vec::new();
    let mut lines = unmarked(bytes).split(|&byte| byte == b'\n').enumerate().peekable();
    while let Some((line, word)) = lines.next() {
        if word.is_empty() && lines.peek().is_none() {
            break;
        }
        let word = std::str::from_utf8(word).map_err(|_| refuse("is neither .npy nor text".to_owned()))?.trim();
        let number = word.parse::<f64>().map_err(|_| {
            let word: String = word.chars().take(40).collect();
            refuse(format!("line {} is not a number but `{word}`", line + 1))
        })?;
        add(&mut numbers, number, path, most)?;
    }
    if numbers.is_empty() {
        return Err(DataError::Empty { file: path.to_owned(), fault: "the list is empty" });
    }
    Ok(numbers)
}
