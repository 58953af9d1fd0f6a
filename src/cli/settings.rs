//! Flags for the settings of the methods, made from the settings' own description.

use clap::builder::{PossibleValuesParser, TypedValueParser, ValueParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, Error};
use kantor_solvers::bandwidth::{Bandwidth, UnknownBandwidth};
use kantor_solvers::bandwidths::{Bandwidths, BandwidthsError};
use kantor_solvers::registry::{SOLVERS, SolverEntry, settings};
use kantor_solvers::settings::{Setting, SettingKind, SettingValue};
use kantor_solvers::{SelectError, Settings};
use serde_json::Value;

use super::args::RunArguments;
use super::count::count;
use super::quantities::with_flags;
use crate::pipeline::Request;
use crate::problem::Goal;
use crate::suggest::closest;
use crate::view::terminal::tell;

/// The setting that has an older flag too: `--compat reference`.
const COMPAT: (&str, &str) = ("compat", "compat-reference");

/// What solvers with entropy read, by this name.
pub(super) const ENTROPY: &str = "entropy";

/// Settings of the methods; each method lists in `kantor methods` which it reads.
#[derive(Debug)]
pub(super) struct SettingsArguments(Settings);

impl SettingsArguments {
    pub(super) fn settings(&self) -> Settings {
        self.0.clone()
    }
}

impl clap::Args for SettingsArguments {
    fn augment_args(command: Command) -> Command {
        let compat = Arg::new(COMPAT.0).long(COMPAT.0).hide(true).value_name("reference").value_parser(["reference"]);
        let flags = settings().iter().map(flag).chain([compat]);
        command.args(flags.map(|flag| flag.help_heading("Method settings")))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for SettingsArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut given = Settings::default();
        for setting in settings() {
            let value = match setting.kind {
                SettingKind::Switch => {
                    let older = setting.name == COMPAT.1 && matches.contains_id(COMPAT.0);
                    Some(Value::from(older || matches.get_flag(&setting.name)))
                }
                _ => matches.get_one::<Value>(&setting.name).cloned(),
            };
            if let Some(value) = value {
                given.set(&setting.name, &value).map_err(|error| Error::raw(ErrorKind::ValueValidation, error))?;
            }
        }
        Ok(Self(given))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The flag that sets a setting.
fn flag(setting: &'static Setting) -> Arg {
    let flag = Arg::new(&setting.name).long(&setting.name).help(with_flags(&setting.help));
    let parser: ValueParser = match &setting.kind {
        SettingKind::Switch => return flag.action(ArgAction::SetTrue),
        SettingKind::Number => checked(setting, |text| text.parse::<f64>().map_err(|error| error.to_string())),
        SettingKind::Count => checked(setting, count::<usize>),
        SettingKind::Bandwidth => checked(setting, bandwidth),
        SettingKind::Bandwidths => checked(setting, bandwidths),
        SettingKind::Word(words) => PossibleValuesParser::new(words).map(Value::from).into(),
    };
    let default = match &setting.default {
        Value::String(word) => Some(word.clone()),
        // Without the fraction of a whole number.
        number => number.as_f64().map(|number| number.to_string()),
    };
    let flag = flag.value_name(&setting.value_name).value_parser(parser).conflicts_with_all(setting.excludes);
    if let Some(default) = default { flag.default_value(default) } else { flag }
}

/// Reads values that make sense for a setting.
fn checked<T: SettingValue + 'static>(setting: &'static Setting, read: fn(&str) -> Result<T, String>) -> ValueParser {
    let parser = move |text: &str| {
        let checked = setting.check(&read(text)?.to_json());
        checked.map_err(|error| match error {
            SelectError::Setting { rule, .. } => rule,
            error => error.to_string(),
        })
    };
    parser.into()
}

/// Says which settings were changed though they change nothing.
pub(super) fn tell_idle(goal: &Goal, request: &Request, run: &RunArguments) {
    for (setting, why) in request.idle_settings(goal).into_iter().filter(|_| !run.quiet) {
        tell(format_args!("kantor: warning: --{} changes nothing here, as {why}", setting.name));
    }
}

/// Says which settings were changed (flag, name, whether) though none of these solvers reads them.
pub(super) fn tell_idle_of_solvers(solvers: &[&SolverEntry], changed: &[(&str, &str, bool)], run: &RunArguments) {
    let idle = |name: &str| match name {
        ENTROPY => solvers.iter().all(|entry| !entry.entropic),
        _ => solvers.iter().all(|entry| !entry.reads.contains(&name)),
    };
    for (flag, name, _) in changed.iter().filter(|(_, name, changed)| *changed && idle(name) && !run.quiet) {
        let readers =
            SOLVERS.iter().filter(|entry| if *name == ENTROPY { entry.entropic } else { entry.reads.contains(name) });
        let readers = readers.map(|entry| entry.name).collect::<Vec<_>>().join(", ");
        tell(format_args!("kantor: warning: --{flag} changes nothing here, as only these solvers read it: {readers}"));
    }
}

/// Reads a number or the name of a rule.
fn bandwidth(text: &str) -> Result<Bandwidth, String> {
    text.parse().map_err(|error| no_bandwidth(&error))
}

/// Reads one or several of these.
pub(super) fn bandwidths(text: &str) -> Result<Bandwidths, String> {
    text.parse().map_err(|error| match error {
        BandwidthsError::Unknown(error) => no_bandwidth(&error),
        other => other.to_string(),
    })
}

fn no_bandwidth(error: &UnknownBandwidth) -> String {
    let rules = Bandwidth::RULES.map(|rule| rule.0);
    match closest(error.text(), rules) {
        Some(rule) => format!("did you mean `{rule}`?"),
        None => format!("give a number or one of {}", rules.join(", ")),
    }
}
