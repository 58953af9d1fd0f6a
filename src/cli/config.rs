//! `--config F.toml`: the same names as the flags, in a file. Flags given on the command line win.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::data::name::{readable, split_once};
use crate::data::whole::{self, Whole};

use super::failure::Failure;

/// The command line with the settings of its `--config` file added to it, except those it gives itself.
pub(super) fn expand(words: Vec<OsString>) -> Result<Vec<OsString>, Failure> {
    let Some(path) = value_of(&words, "--config") else { return Ok(words) };
    let given: BTreeSet<String> = words.iter().filter_map(flag_name).collect();
    let mut expanded = words;
    for (name, value) in read(&path)? {
        let short = if name == "out" { "o" } else { &name };
        if !given.contains(&name) && !given.contains(short) {
            push(&mut expanded, &path, &name, &value)?;
        }
    }
    Ok(expanded)
}

/// The name of a flag word: `--cost=cosine` and `--cost` give `cost`, `-ofoo` and `-o` give `o`.
fn flag_name(word: &OsString) -> Option<String> {
    // A value need not be text.
    let word = split_once(word, b'=', false).map_or(word.as_os_str(), |(flag, _)| flag).to_string_lossy();
    match word.strip_prefix("--") {
        Some(long) => Some(long.to_owned()),
        None => word.strip_prefix('-').and_then(|short| short.chars().next()).map(String::from),
    }
}

fn value_of(words: &[OsString], flag: &str) -> Option<PathBuf> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == flag {
            return words.next().map(PathBuf::from);
        }
        if let Some((_, value)) = split_once(word, b'=', false).filter(|(name, _)| *name == flag) {
            return Some(PathBuf::from(value));
        }
    }
    None
}

/// The table in a file.
pub(super) fn read(path: &Path) -> Result<toml::Table, Failure> {
    whole::read_text(path, Whole::Settings)?
        .parse()
        .map_err(|error| Failure::BadInput(format!("{}: {error}", readable(path))))
}

/// Adds a value as the words that say it on the command line.
pub(super) fn push(words: &mut Vec<OsString>, path: &Path, name: &str, value: &toml::Value) -> Result<(), Failure> {
    let refuse = |what: &str| {
        Err(Failure::Usage(format!(
            "{}: `{name}` is {what}: give text, a number, true, false or a list",
            readable(path)
        )))
    };
    let mut add = |text: String| words.push(format!("--{name}={text}").into());
    match value {
        toml::Value::Boolean(true) => words.push(format!("--{name}").into()),
        toml::Value::Boolean(false) => {}
        toml::Value::String(text) => add(text.clone()),
        toml::Value::Integer(number) => add(number.to_string()),
        toml::Value::Float(number) => add(number.to_string()),
        toml::Value::Array(items) => {
            for item in items {
                push(words, path, name, item)?;
            }
        }
        toml::Value::Table(_) => return refuse("a table"),
        toml::Value::Datetime(_) => return refuse("a date"),
    }
    Ok(())
}
