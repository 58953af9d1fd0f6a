//! `kantor methods`, `kantor solvers` and `kantor costs`: what the registries hold.

use std::process::ExitCode;

use kantor_solvers::Settings;
use kantor_solvers::registry::{SELECTORS, SOLVERS, SelectorEntry};
use kantor_theory::Cost;
use kantor_theory::generalization::selectors::SCOPE;
use serde_json::{Value, json};

use crate::view::table;

use super::failure::Failure;
use super::output::say;
use super::quantities::with_flags;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct MethodArguments {
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// Say what each method provably optimises, and how far from the best that leaves it
    #[arg(long)]
    theory: bool,
}

/// Columns of the list of methods.
const WIDTH: usize = 80;

/// What is proved of a method, in the order of the table's columns.
fn proved(entry: &SelectorEntry) -> [String; 3] {
    (entry.build)(&Settings::default())
        .guarantee()
        .map_or(["–", "–", "nothing is stated here; certify the result"], |o| [o.exactly, o.relation, o.guarantee])
        .map(with_flags)
}

/// The defaults of the settings that a method reads.
fn defaults(entry: &SelectorEntry) -> Value {
    (entry.settings)().into_iter().map(|setting| (setting.name, setting.default)).collect()
}

/// A flag with its default, if it has one: values are without the quotes that JSON puts around words. What is off until
/// it is named stands in brackets.
fn flag(name: &str, default: &Value) -> String {
    match default {
        Value::Null | Value::Bool(false) => format!("[--{name}]"),
        Value::String(word) => format!("--{name} {word}"),
        other => format!("--{name} {other}"),
    }
}

pub(super) fn methods(arguments: &MethodArguments) -> Result<ExitCode, Failure> {
    if arguments.json {
        let methods: Vec<Value> = SELECTORS
            .iter()
            .map(|entry| {
                let [exactly, relation, guarantee] = proved(entry);
                let mut method = json!({"name": entry.name, "summary": with_flags(entry.summary), "defaults": defaults(entry),
                    "guarantee": guarantee});
                if arguments.theory {
                    method["theory"] = json!({"optimises": exactly, "relation": relation, "guarantee": guarantee});
                }
                method
            })
            .collect();
        say(json!({"schema": "kantor/methods/1", "methods": methods, "scope": with_flags(SCOPE)}))?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.theory {
        for entry in SELECTORS {
            let [exactly, relation, guarantee] = proved(entry);
            say(entry.name)?;
            for (what, words) in [("optimises exactly", exactly), ("against W", relation), ("guarantee", guarantee)] {
                say(format_args!("  {what:<17}  {words}"))?;
            }
        }
        say(table::paragraph(&with_flags(SCOPE), 0, WIDTH))?;
        return Ok(ExitCode::SUCCESS);
    }
    for entry in SELECTORS {
        let flags: Vec<String> = match defaults(entry) {
            // A setting without a default is named alone.
            Value::Object(map) => map.iter().map(|(name, value)| flag(name, value)).collect(),
            _ => Vec::new(),
        };
        let [_, _, guarantee] = proved(entry);
        let parts = [("", with_flags(entry.summary)), ("guarantee: ", guarantee), ("defaults: ", flags.join(" "))];
        say(entry.name)?;
        for (title, text) in parts.into_iter().filter(|(_, text)| !text.is_empty()) {
            say(table::paragraph(&format!("{title}{text}"), 2, WIDTH))?;
        }
    }
    say(table::paragraph(&with_flags(SCOPE), 0, WIDTH))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn solvers(arguments: &Arguments) -> Result<ExitCode, Failure> {
    if arguments.json {
        let solvers: Vec<Value> = SOLVERS
            .iter()
            .map(|entry| json!({"name": entry.name, "summary": entry.summary, "problems": entry.problems}))
            .collect();
        say(json!({"schema": "kantor/solvers/1", "solvers": solvers}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = SOLVERS.iter().map(|entry| [entry.name, entry.summary, entry.problems].map(str::to_owned).to_vec());
    say(table::plain(&["solver", "what it does", "problems"], rows))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn costs(arguments: &Arguments) -> Result<ExitCode, Failure> {
    if arguments.json {
        let costs: Vec<Value> = Cost::ALL
            .iter()
            .map(|cost| json!({"name": cost.name(), "summary": with_flags(cost.summary()), "metric": cost.is_metric()}))
            .collect();
        say(json!({"schema": "kantor/costs/1", "costs": costs}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = Cost::ALL.iter().map(|cost| vec![cost.name().to_owned(), with_flags(cost.summary())]);
    say(table::plain(&["cost", "what it is"], rows))?;
    Ok(ExitCode::SUCCESS)
}
