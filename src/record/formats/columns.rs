//! The chosen records with their columns and types: a Parquet file, or a directory that HuggingFace's `load_from_disk` reads. Both get
//! the columns `kantor_rank` and `kantor_weight`.

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::output::ResultDirectory;
use crate::pipeline::Error;
use crate::source::Taken;

/// Writes the Parquet file.
pub(super) fn parquet(
    taken: &Taken,
    rows: &[usize],
    weights: &[f64],
    staging: &mut ResultDirectory,
    path: &str,
) -> Result<(), Error> {
    let bytes = taken.parquet(rows, weights)?;
    Ok(staging.file(path, |out| out.write_all(&bytes))?)
}

/// Writes the files of the directory.
pub(super) fn dataset(
    taken: &Taken,
    rows: &[usize],
    weights: &[f64],
    staging: &mut ResultDirectory,
    directory: &str,
) -> Result<(), Error> {
    const DATA: &str = "data-00000-of-00001.arrow";
    let bytes = taken.stream(rows, weights)?;
    // Datasets of one fingerprint share what is cached of them.
    let fingerprint: String = Sha256::digest(&bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let state = json!({
        "_data_files": [{"filename": DATA}],
        "_fingerprint": fingerprint,
        "_format_columns": null,
        "_format_kwargs": {},
        "_format_type": null,
        "_output_all_columns": false,
        "_split": null,
    });
    let info = json!({"citation": "", "description": "", "homepage": "", "license": ""});
    staging.file(&format!("{directory}/{DATA}"), |out| out.write_all(&bytes))?;
    for (name, object) in [("state.json", state), ("dataset_info.json", info)] {
        staging.file(&format!("{directory}/{name}"), |out| {
            serde_json::to_writer_pretty(&mut *out, &object)?;
            out.write_all(b"\n")
        })?;
    }
    Ok(())
}
