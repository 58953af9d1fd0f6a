//! The file of rows: safetensors with one tensor, and the record in its metadata.

use std::io::Write;

use serde_json::json;

use super::kept::{Copied, Kept};
use super::record::EmbedRecord;
use crate::output::OutputFile;
use crate::pipeline::Error;
use crate::source::DataError;
use crate::source::made::KEY;

/// The name of the tensor.
const TENSOR: &str = "rows";

/// Writes all rows and makes the file visible; then what was kept goes.
pub(super) fn write(mut out: OutputFile, record: &EmbedRecord, mut kept: Kept) -> Result<(), Error> {
    let said = serde_json::to_string(record).unwrap_or_default();
    let bytes = record.rows * record.dim * record.element.bytes();
    let tensor = json!({
        "dtype": record.element.name(),
        "shape": [record.rows, record.dim],
        "data_offsets": [0, bytes],
    });
    let mut header = json!({"__metadata__": {KEY: said}, TENSOR: tensor}).to_string().into_bytes();
    // Numbers begin at a multiple of eight.
    header.resize(header.len().next_multiple_of(8), b' ');
    let begun = out.write_all(&(header.len() as u64).to_le_bytes()).and_then(|()| out.write_all(&header));
    begun.map_err(|error| out.failed(error))?;
    match kept.copy(&mut out) {
        Ok(()) => {}
        Err(Copied::Write(error)) => return Err(out.failed(error).into()),
        Err(Copied::Read(error)) => return Err(DataError::io(kept.path(), "read the rows that it keeps")(error).into()),
    }
    out.commit()?;
    kept.remove();
    Ok(())
}
