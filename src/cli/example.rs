//! `kantor config --example`: a file for `--config` that works on the bundled data, with every flag, made from the flags' own
//! descriptions.

use std::process::ExitCode;

use clap::{Arg, Command};
use toml::Value;

use super::failure::Failure;
use super::shell::say_own;
use crate::view::table::paragraph;

/// Commands of which there is a file.
const COMMANDS: [&str; 2] = ["select", "compare"];

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print a commented file for `--config` that works on the bundled data, in a clone
    #[arg(long, required = true)]
    example: bool,
    /// Of which command
    #[arg(value_name = "COMMAND", default_value = COMMANDS[0], value_parser = COMMANDS)]
    command: String,
}

/// What the file sets.
const SET: [(&str, &str); 6] = [
    ("pool", "examples/data/pool.embed.npy"),
    ("query", "examples/data/query_gsm8k.embed.npy"),
    ("pool-jsonl", "examples/data/pool.jsonl.gz"),
    ("budget", "500"),
    ("method", "round-robin,random"),
    ("out", "out-config"),
];

/// Letters of a comment.
const WIDTH: usize = 100;

pub(super) fn run(arguments: &Arguments, program: &Command) -> Result<ExitCode, Failure> {
    let Some(command) = program.find_subcommand(&arguments.command) else {
        return Err(Failure::Usage(format!("there is no command `{}`", arguments.command)));
    };
    say_own(file(command).as_bytes())
}

fn file(command: &Command) -> String {
    let name = command.get_name();
    let mut text = format!(
        "# kantor {name} --config FILE: names are those of the flags, which win. A line without `#` is in force.\n"
    );
    let mut flags: Vec<&Arg> = command.get_arguments().filter(|flag| is_key(flag)).collect();
    // What is set comes first, the rest by its headings.
    let place = |flag: &&Arg| SET.iter().position(|(name, _)| flag.get_long() == Some(name));
    flags.sort_by_key(|flag| place(flag).unwrap_or(SET.len()));
    let mut heading = None;
    for flag in flags {
        let own = if place(&flag).is_some() { Some("What is asked") } else { flag.get_help_heading() };
        if own != heading {
            heading = own;
            text.push_str(&format!("\n# {}\n", heading.unwrap_or("Other")));
        }
        text.push('\n');
        text.push_str(&entry(flag));
    }
    text
}

/// Whether a file may set it.
fn is_key(flag: &Arg) -> bool {
    !flag.is_hide_set() && flag.get_long().is_some_and(|name| !["help", "version", "config"].contains(&name))
}

/// What a flag is for, and its line.
fn entry(flag: &Arg) -> String {
    let name = flag.get_long().unwrap_or_default();
    let mut help = flag.get_help().map(ToString::to_string).unwrap_or_default();
    let possible: Vec<String> = flag.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    if !possible.is_empty() && flag.get_action().takes_values() {
        help.push_str(&format!(" ({})", possible.join(", ")));
    }
    let mut text = String::new();
    for line in paragraph(&help, 0, WIDTH).to_string().lines() {
        text.push_str(&format!("# {line}\n"));
    }
    let defaults: Vec<String> =
        flag.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    let line = match (SET.iter().find(|(set, _)| *set == name), flag.get_action().takes_values()) {
        (Some((_, value)), _) => format!("{name} = {}", written(value)),
        (None, false) => format!("# {name} = false"),
        (None, true) if !defaults.is_empty() => format!("# {name} = {}", written(&defaults.join(","))),
        (None, true) => {
            let value = flag.get_value_names().and_then(<[_]>::first).map_or("VALUE", |name| name.as_str());
            format!("# {name} = {}", written(value))
        }
    };
    text + &line + "\n"
}

/// A value as TOML: a number as one, anything else as text.
fn written(value: &str) -> String {
    match (value.parse::<i64>(), value.parse::<f64>()) {
        (Ok(number), _) => Value::Integer(number).to_string(),
        (_, Ok(number)) if number.is_finite() => Value::Float(number).to_string(),
        _ => Value::String(value.to_owned()).to_string(),
    }
}
