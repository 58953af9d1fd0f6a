//! Runs a case in a folder of its own and writes down what came of it.

use std::fmt::Write;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use super::cases::Case;
use super::{files, masks};

/// Folders of the repository, under the names that the cases use.
const FOLDERS: [(&str, &str); 3] =
    [("rows", "tests/data/golden"), ("text", "examples/data"), ("published", "tests/data/published")];

/// Where lines that only prepare a case write to: not recorded.
const PREPARED: &str = "prepared";

/// The program; it calls itself `kantor`, wherever it was built, and does not know how wide a terminal is.
pub(crate) fn kantor() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kantor"));
    command.arg0("kantor").env_remove("COLUMNS").stdin(Stdio::null());
    command
}

/// Does what the case says; the text is what is recorded.
pub(crate) fn transcript(case: &Case) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scratch = tempfile::tempdir().unwrap();
    for (name, folder) in FOLDERS {
        symlink(root.join(folder), scratch.path().join(name)).unwrap();
    }
    fs::create_dir(scratch.path().join(PREPARED)).unwrap();
    let mut given: Vec<PathBuf> = FOLDERS.iter().map(|(name, _)| scratch.path().join(name)).collect();
    given.push(scratch.path().join(PREPARED));
    for input in fs::read_dir(root.join("tests/golden/inputs")).unwrap().map(Result::unwrap) {
        let copy = scratch.path().join(input.file_name());
        fs::copy(input.path(), &copy).unwrap();
        given.push(copy);
    }

    let mut text = String::new();
    for line in case.lines {
        let prepares = line.strip_prefix("~ ");
        let words = prepares.unwrap_or(line).split_whitespace();
        let output = kantor().args(words).current_dir(scratch.path()).output().unwrap();
        if prepares.is_some() {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}: kantor {line}\n{said}", case.name);
            continue;
        }
        writeln!(text, "{}", format!("$ kantor {line}").trim_end()).unwrap();
        writeln!(text, "=== exit code {}", output.status.code().unwrap()).unwrap();
        for (name, bytes) in [("standard output", output.stdout), ("standard error", output.stderr)] {
            let said = String::from_utf8(bytes).unwrap();
            for absolute in [scratch.path(), root] {
                assert!(!said.contains(absolute.to_str().unwrap()), "{}: an absolute path in {said}", case.name);
            }
            section(&mut text, name, &masks::printed(&said));
        }
    }
    for path in files_under(scratch.path(), &given) {
        let name = path.strip_prefix(scratch.path()).unwrap();
        section(&mut text, &format!("file {}", name.display()), &files::as_text(&path));
    }
    text
}

fn section(text: &mut String, name: &str, content: &str) {
    if content.is_empty() {
        writeln!(text, "=== {name}: empty").unwrap();
    } else {
        writeln!(text, "=== {name}\n{}", content.trim_end_matches('\n')).unwrap();
    }
}

/// Files under `folder` in the order of their names, without `given` ones.
fn files_under(folder: &Path, given: &[PathBuf]) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.retain(|path| !given.contains(path));
    entries.sort();
    let below = |path: PathBuf| if path.is_dir() { files_under(&path, &[]) } else { vec![path] };
    entries.into_iter().flat_map(below).collect()
}
