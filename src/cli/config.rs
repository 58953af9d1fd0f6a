//! `--config F.toml`: the same names as the flags, in a file. Flags given on the command line win.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Arg, Command};

use crate::source::name::{readable, split_once};
use crate::source::whole::{self, Whole};

use super::failure::Failure;
use crate::suggest::did_you_mean;

/// The command line and what was added to it.
pub(super) struct Expanded {
    pub(super) words: Vec<OsString>,
    pub(super) config: Option<Config>,
}

/// A file of settings, and which of them count.
pub(super) struct Config {
    path: PathBuf,
    added: BTreeSet<String>,
}

impl Config {
    /// Where a flag was given that the command line does not give, in words.
    pub(super) fn place_of(&self, flag: &str) -> Option<String> {
        self.added.contains(flag).then(|| format!("kantor: `{flag}` is set in {}", self.path.display()))
    }
}

/// The command line with the settings of its `--config` file added to it, except those it gives itself.
pub(super) fn expand(words: Vec<OsString>, program: &Command) -> Result<Expanded, Failure> {
    let Some(path) = value_of(&words, "--config") else { return Ok(Expanded { words, config: None }) };
    let table = read(&path)?;
    // An unknown command is for the parser to refuse.
    let Some(command) = words.get(1).and_then(|name| program.find_subcommand(name)) else {
        return Ok(Expanded { words, config: None });
    };
    check_keys(&path, &table, command)?;
    let given: BTreeSet<String> = words.iter().flat_map(|word| flag_names(word, command)).collect();
    let (mut words, mut added) = (words, BTreeSet::new());
    for (name, value) in table {
        // Budgets give way to those of the other unit as well.
        let of_other_unit = match name.as_str() {
            "budget" => given.contains("token-budget"),
            "token-budget" => given.contains("budget") || given.contains("k"),
            _ => false,
        };
        let flag = command.get_arguments().find(|flag| flag.get_long() == Some(&name));
        let short = flag.and_then(Arg::get_short).map(String::from);
        if !of_other_unit && !given.contains(&name) && !short.is_some_and(|short| given.contains(&short)) {
            push(&mut words, &path, command, &name, &value)?;
            added.insert(name);
        }
    }
    Ok(Expanded { words, config: Some(Config { path, added }) })
}

/// The names of the flags of a command that users are told of.
pub(super) fn flags(command: &Command) -> impl Iterator<Item = &str> {
    command.get_arguments().filter(|argument| !argument.is_hide_set()).filter_map(|argument| argument.get_long())
}

fn check_keys(path: &Path, table: &toml::Table, command: &Command) -> Result<(), Failure> {
    // One file cannot name another.
    let is_flag =
        |key: &str| key != "config" && command.get_arguments().any(|argument| argument.get_long() == Some(key));
    match table.keys().find(|key| !is_flag(key)) {
        None => Ok(()),
        Some(key) => {
            let known: Vec<&str> = flags(command).filter(|flag| is_flag(flag)).collect();
            let meant = did_you_mean(key, known.iter().copied());
            let (path, known) = (path.display(), known.join(", "));
            Err(Failure::Usage(format!("{path}: unknown key `{key}`{meant} (known: {known})")))
        }
    }
}

/// The names in a flag word: `--cost=cosine` and `--cost` give `cost`, `-ofoo` and `-o` give `o`, `-qofoo` gives `q` and `o`.
fn flag_names(word: &OsString, command: &Command) -> Vec<String> {
    // A value need not be text.
    let word = split_once(word, b'=', false).map_or(word.as_os_str(), |(flag, _)| flag).to_string_lossy();
    match word.strip_prefix("--") {
        Some(long) => vec![long.to_owned()],
        None => {
            let mut names = Vec::new();
            for letter in word.strip_prefix('-').unwrap_or_default().chars() {
                names.push(letter.to_string());
                // What follows a flag with a value is the value.
                let flag = command.get_arguments().find(|flag| flag.get_short() == Some(letter));
                if flag.is_none_or(|flag| flag.get_action().takes_values()) {
                    break;
                }
            }
            names
        }
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
    let text = whole::read_text(path, Whole::Settings)?;
    text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = 1 + before.matches('\n').count();
        Failure::BadInput(format!("{}:{line}: this is not TOML: {}", readable(path), error.message()))
    })
}

/// Adds a value as the words that say it on the command line of `command`.
pub(super) fn push(
    words: &mut Vec<OsString>,
    path: &Path,
    command: &Command,
    name: &str,
    value: &toml::Value,
) -> Result<(), Failure> {
    let flag = command.get_arguments().find(|argument| argument.get_long() == Some(name));
    let optional = |flag: &Arg| flag.get_num_args().is_some_and(|count| count.min_values() == 0);
    let is_switch = flag.is_none_or(|flag| !flag.get_action().takes_values() || optional(flag));
    let refuse = |what: &str| {
        let remedy =
            if is_switch { "text, a number, true, false or a list" } else { "its value: text, a number or a list" };
        Err(Failure::Usage(format!("{}: `{name}` is {what}: give {remedy}", readable(path))))
    };
    let mut add = |text: String| words.push(format!("--{name}={text}").into());
    match value {
        toml::Value::Boolean(value) if !is_switch => return refuse(if *value { "true" } else { "false" }),
        toml::Value::Boolean(true) => words.push(format!("--{name}").into()),
        toml::Value::Boolean(false) => {}
        toml::Value::String(text) => add(text.clone()),
        toml::Value::Integer(number) => add(number.to_string()),
        toml::Value::Float(number) => add(number.to_string()),
        toml::Value::Array(items) if items.is_empty() => return refuse("an empty list"),
        toml::Value::Array(items) => {
            for item in items {
                push(words, path, command, name, item)?;
            }
        }
        toml::Value::Table(_) => return refuse("a table"),
        toml::Value::Datetime(_) => return refuse("a date"),
    }
    Ok(())
}
