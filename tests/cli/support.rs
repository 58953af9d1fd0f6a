//! Runs the program and makes its inputs.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use npyz::WriterBuilder;
use serde_json::Value;

/// The program.
pub(crate) fn kantor() -> Command {
    assert_cmd::cargo::cargo_bin_cmd!("kantor")
}

/// Copies the program to where another user may run it. A process does so of its own: what this one writes is also open in
/// every process that another test has begun and that has not become its program yet, and a file that is open for writing
/// cannot be run.
pub(crate) fn copy_program(to: &Path) {
    let copied = std::process::Command::new("cp").arg(assert_cmd::cargo::cargo_bin!("kantor")).arg(to).status();
    assert!(copied.unwrap().success());
}

/// A file of the bundled example data.
pub(crate) fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data").join(name)
}

/// `kantor select` on the bundled data into `out`, with more words.
pub(crate) fn select_example(out: &Path, more: &[&str]) -> Command {
    let mut command = kantor();
    command.arg("select").arg("--pool").arg(example("pool.embed.npy"));
    command.arg("--query").arg(example("query_gsm8k.embed.npy")).arg("-o").arg(out).args(more);
    command
}

/// Writes rows as an f32 `.npy` file.
pub(crate) fn write_npy(path: &Path, dim: usize, values: &[f32]) {
    let file = fs::File::create(path).unwrap();
    let shape = [(values.len() / dim) as u64, dim as u64];
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd().unwrap();
    writer.extend(values.iter().copied()).unwrap();
    writer.finish().unwrap();
}

/// The indices that a selection wrote.
pub(crate) fn indices(path: &Path) -> Vec<i64> {
    npyz::NpyFile::new(&fs::read(path).unwrap()[..]).unwrap().into_vec().unwrap()
}

/// A JSON file.
pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// What the command printed on standard output, which must be one JSON object.
pub(crate) fn printed_json(command: &mut Command) -> Value {
    serde_json::from_slice(&command.assert().success().get_output().stdout).unwrap()
}
