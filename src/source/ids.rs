//! The ids of rows: the field `id` of their lines.

use std::borrow::Cow;

use super::error::DataError;
use super::format::{Expected, GZIP, is_zstd};
use super::json::Json;
use super::memory::Claim;

/// The field that names a row.
pub(super) const ID: &str = "id";
const IDS: &str = "the ids of the rows";
pub(super) const IDS_REMEDY: &str = "allow more with --max-memory, or leave out the field `id`";

/// One text per row of a file.
#[derive(Debug, Default)]
pub(super) struct Ids {
    /// UTF-8.
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Ids {
    pub(super) fn push(&mut self, id: &str, claim: &mut Claim<'_>) -> Result<(), DataError> {
        claim.room(&mut self.text, id.len(), IDS, IDS_REMEDY)?;
        claim.room(&mut self.ends, 1, IDS, IDS_REMEDY)?;
        self.text.extend_from_slice(id.as_bytes());
        self.ends.push(self.text.len());
        Ok(())
    }

    pub(super) fn get(&self, row: usize) -> &str {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        std::str::from_utf8(&self.text[start..self.ends[row]]).unwrap_or_default()
    }
}

/// The field `id` of a line.
pub(super) enum Id<'a> {
    /// It names the row.
    Of(Cow<'a, str>),
    /// It is no text and no whole number, so it cannot.
    Other,
    /// There is none, or it is empty.
    None,
}

/// The id in a line, or what is wrong with the line and what to do.
pub(super) fn object_id(line: &[u8]) -> Result<Id<'_>, (String, &'static str)> {
    let text = std::str::from_utf8(line).map_err(|error| {
        let at = error.valid_up_to();
        if line.starts_with(GZIP) || is_zstd(line) {
            let fault = "there is packed data within the packed data".to_owned();
            return (fault, "unpack the file once with gunzip or unzstd");
        }
        (
            format!("the byte 0x{:02x} at column {} is not UTF-8", line[at], at + 1),
            "convert the file with iconv -t utf-8",
        )
    })?;
    let trimmed = text.trim_matches([' ', '\t', '\r', '\n']);
    if trimmed.is_empty() {
        return Err(("the line is blank".into(), "delete it: every line stands for one vector"));
    }
    let begin: String = trimmed.chars().take(40).collect();
    if trimmed.starts_with('\u{feff}') {
        return Err(("the file begins with a byte-order mark".into(), "remove its first three bytes"));
    }
    if !trimmed.starts_with('{') {
        let fault = format!("the line is not a JSON object: `{begin}`");
        return Err((fault, "write one object {…} per line, as json.dumps does; of one array: jq -c '.[]' FILE"));
    }
    let bad = |fault: String| (format!("bad JSON: {fault}, in `{begin}`"), Expected::Lines.remedy());
    let mut id = None;
    for field in Json::fields_of(trimmed) {
        let (key, value) = field.map_err(|fault| {
            let column = 1 + line.len() - text.trim_start_matches([' ', '\t', '\r', '\n']).len() + fault.at;
            bad(format!("{} is expected at column {column}", fault.expected))
        })?;
        if key.text().is_some_and(|key| key == ID) && id.replace(value).is_some() {
            return Err(bad("the field `id` occurs twice".to_owned()));
        }
    }
    Ok(match id.map(|id| (id.text(), id)) {
        Some((Some(text), _)) if !text.is_empty() => Id::Of(text),
        Some((None, id)) if id.is_integer() => Id::Of(Cow::Borrowed(id.raw())),
        Some((None, id)) if id.raw() != "null" => Id::Other,
        _ => Id::None,
    })
}
