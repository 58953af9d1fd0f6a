//! Lists of numbers, one per row: chosen rows, weights. A 1-d `.npy` array, or text with one number a line.

use std::path::Path;
use std::sync::Arc;

use super::error::DataError;
use super::npy;
use super::shard::{Bytes, Shard};
use super::source::Source;

const FORMATS: &str = "give a 1-d .npy array or text with one number a line";

/// Reads the numbers, integers exactly.
///
/// # Errors
/// If the file cannot be read or is no list of numbers.
pub fn read_list(path: &Path) -> Result<Vec<f64>, DataError> {
    let source = Arc::new(Source::open(path)?);
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

/// Reads row numbers: distinct, below `rows`.
///
/// # Errors
/// If the file is no list of such numbers; the message names the place and the value.
pub fn read_rows(path: &Path, rows: usize) -> Result<Vec<usize>, DataError> {
    let numbers = read_list(path)?;
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
