//! Lists of numbers, one per row: chosen rows, weights. A 1-d `.npy` array, or text with one number a line; chosen rows
//! also as `selection.jsonl`.

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::error::DataError;
use super::npy;
use super::shard::{Bytes, Shard};
use super::source::Source;

const FORMATS: &str = "give a 1-d .npy array or text with one number a line";

const SELECTIONS: &str =
    "give the selection.jsonl or the indices.npy of a selection, or text with one row number a line";

/// Reads the numbers, integers exactly.
///
/// # Errors
/// If the file cannot be read or is no list of numbers.
pub fn read_list(path: &Path) -> Result<Vec<f64>, DataError> {
    numbers(path, Arc::new(Source::open(path)?))
}

fn numbers(path: &Path, source: Arc<Source>) -> Result<Vec<f64>, DataError> {
    let bytes = source.bytes();
    if !bytes.starts_with(npy::MAGIC) {
        return parse_text(path, bytes);
    }
    let total = source.identity.bytes;
    let header = npy::parse(path, &bytes[..bytes.len().min(npy::MAX_PREFIX)], total)?;
    let layout = header.list_layout(path, total)?;
    let span = header.length..header.length + layout.rows * layout.number.size();
    let shard = Shard { source, tensor: None, bytes: Bytes::Mapped, span, layout };
    shard.check_exact()?;
    let mut numbers = vec![0.0; shard.layout.rows];
    shard.read(0, 0..1, &mut numbers);
    Ok(numbers)
}

/// Reads row numbers: distinct, below `rows`; of `selection.jsonl` the field `index`.
///
/// # Errors
/// If the file is no list of such numbers; the message names the place and the value.
pub fn read_rows(path: &Path, rows: usize) -> Result<Vec<usize>, DataError> {
    let source = Arc::new(Source::open(path)?);
    let numbers = match source.bytes().first() {
        Some(b'{') => parse_selection(path, source.bytes())?,
        _ => numbers(path, source)?,
    };
    let mut seen = vec![false; rows];
    let mut list = Vec::with_capacity(numbers.len());
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

/// Reads weights: finite, not negative, not all zero; `expected` of them.
///
/// # Errors
/// If the file is no such list; the message names the place and the value.
pub fn read_weights(path: &Path, expected: usize) -> Result<Vec<f64>, DataError> {
    let weights = read_list(path)?;
    if weights.len() != expected {
        let fault = format!("holds {} weights for {expected} rows", weights.len());
        return Err(DataError::malformed(path, fault, "give one weight per row"));
    }
    let bad = weights.iter().position(|w| !w.is_finite() || *w < 0.0);
    if let Some(place) = bad {
        let fault = format!("weight {place} is {}", weights[place]);
        return Err(DataError::malformed(path, fault, "weights must be finite and not negative"));
    }
    if weights.iter().all(|&w| w == 0.0) {
        return Err(DataError::malformed(path, "all weights are zero", "give at least one row a positive weight"));
    }
    Ok(weights)
}

/// A line of `selection.jsonl`, as far as it is read. Other files of examples may have one of the fields.
#[derive(Deserialize)]
struct Chosen {
    #[serde(rename = "rank")]
    _rank: u64,
    index: u64,
}

fn parse_selection(path: &Path, bytes: &[u8]) -> Result<Vec<f64>, DataError> {
    let lines = bytes.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty());
    let index = |(at, line): (usize, &[u8])| match serde_json::from_slice::<Chosen>(line) {
        // Exact for all that can be a row number.
        Ok(chosen) => Ok(chosen.index as f64),
        Err(error) => {
            let fault = format!("is no line of a selection: {error}");
            Err(DataError::Line { file: path.to_owned(), line: at + 1, fault, remedy: SELECTIONS })
        }
    };
    lines.map(index).collect()
}

fn parse_text(path: &Path, bytes: &[u8]) -> Result<Vec<f64>, DataError> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| DataError::malformed(path, "is neither .npy nor text", FORMATS))?;
    let mut numbers = Vec::new();
    for (line, word) in text.lines().enumerate() {
        match word.trim().parse::<f64>() {
            Ok(number) => numbers.push(number),
            Err(_) => {
                let fault = format!("line {} is not a number", line + 1);
                return Err(DataError::malformed(path, fault, FORMATS));
            }
        }
    }
    if numbers.is_empty() {
        return Err(DataError::Empty { file: path.to_owned(), fault: "the list is empty" });
    }
    Ok(numbers)
}
