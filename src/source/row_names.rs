//! Lists that name rows: by their ids, or by their numbers, a line each.

use std::borrow::Cow;
use std::path::Path;

use kantor_solvers::Watch;
use kantor_theory::json;
use serde::Deserialize;

use super::error::DataError;
use super::format::{Expected, refuse_foreign, unmarked};
use super::npy;
use super::pace::Pace;

/// Whether a list is one of ids, not of row numbers.
pub(super) fn holds_ids(path: &Path, bytes: &[u8], watch: &dyn Watch) -> Result<bool, DataError> {
    if bytes.starts_with(npy::MAGIC) {
        return Ok(false);
    }
    refuse_foreign(path, bytes, Expected::List)?;
    let json = unmarked(bytes).starts_with(b"{");
    let (mut ids, mut named) = (json, false);
    each_name(path, bytes, watch, |line, name| {
        if name.is_none() && named {
            let fault = "has a rank, as the lines of a selection do, but those before it have ids without one";
            let remedy = "give the lines of selection.jsonl as they are, or take the ranks out of a list of ids";
            return Err(DataError::Line { file: path.to_owned(), line, fault: fault.to_owned(), remedy });
        }
        named = true;
        // A selection has row numbers in every line; a text of ids has a line that is no number.
        ids = name.is_some_and(|name| json || name.parse::<f64>().is_err());
        Ok(ids == json)
    })?;
    Ok(ids)
}

/// Calls `take` with the number of every line that is not empty and the id or number in it, or nothing for a line of a selection, until
/// it says that this is enough.
pub(super) fn each_name(
    path: &Path,
    bytes: &[u8],
    watch: &dyn Watch,
    mut take: impl FnMut(usize, Option<Cow<'_, str>>) -> Result<bool, DataError>,
) -> Result<(), DataError> {
    let refuse = |line: usize, fault: &str| DataError::Line {
        file: path.to_owned(),
        line,
        fault: fault.to_owned(),
        remedy: "give one id or row number a line, or JSON lines with a field `id`",
    };
    let json = unmarked(bytes).starts_with(b"{");
    let mut pace = Pace::default();
    for (at, line) in unmarked(bytes).split(|&byte| byte == b'\n').enumerate() {
        if pace.due(line.len()).is_some() {
            watch.advance(0)?;
        }
        let text = std::str::from_utf8(line).map_err(|_| refuse(at + 1, "the line is not UTF-8"))?.trim();
        if text.is_empty() {
            continue;
        }
        let name = if json {
            let named: Named = json::from_slice(text.as_bytes()).map_err(|_| refuse(at + 1, "the line is not JSON"))?;
            match (named.rank, named.id) {
                (Some(_), _) => None,
                (None, Some(Id::Text(id))) => Some(id.into()),
                (None, Some(Id::Number(id))) => Some(id.to_string().into()),
                (None, None) => return Err(refuse(at + 1, "there is no field `id`")),
            }
        } else {
            Some(text.into())
        };
        if !take(at + 1, name)? {
            break;
        }
    }
    Ok(())
}

/// A line that names a row by its id; with a rank it is one of `selection.jsonl`, which has row numbers too.
#[derive(Deserialize)]
struct Named {
    rank: Option<u64>,
    id: Option<Id>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Text(String),
    Number(i64),
}
