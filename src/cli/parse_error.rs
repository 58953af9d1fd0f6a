//! Words that the parser of the command line refuses, in its own words. They repeat what was typed, which may come from
//! a file or a script.

use clap::Error;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::constraints::flags;
use crate::view::escape::{OneLine, Text};

/// What is said where a flag of limits is given to a command without.
const LIMITS: &str = "  tip: limits and quality are for `select`, `compare`, `batch` and `distance --subset`; a bound below every subset, as `bound` \
                      gives, is one below those that keep limits too";

/// The whole message.
pub(super) fn text(error: Error) -> Text {
    let limits = error.kind() == ErrorKind::UnknownArgument
        && flag(&error).is_some_and(|flag| flags().iter().any(|of| of == flag));
    let message = in_one_line(error).render().to_string();
    let mut text: Text = message.trim_end().lines().collect();
    if limits {
        text.push("");
        text.push(LIMITS);
    }
    text
}

/// What is wrong in one sentence, with what may have been meant, and nothing of the command line.
pub(super) fn sentence(error: Error) -> String {
    let error = in_one_line(error);
    let meant = [ContextKind::SuggestedArg, ContextKind::SuggestedValue].into_iter().find_map(|kind| {
        match error.get(kind)? {
            ContextValue::String(name) => Some(name.clone()),
            ContextValue::Strings(names) => names.first().cloned(),
            _ => None,
        }
    });
    // The first paragraph says what is wrong; the others speak of the command line.
    let text = error.render().to_string();
    let fault = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    let fault = fault.split_whitespace().collect::<Vec<_>>().join(" ");
    meant.map_or(fault.clone(), |name| format!("{fault}; did you mean `{name}`?"))
}

/// The flag that the message is about, without its dashes and value.
pub(super) fn flag(error: &Error) -> Option<&str> {
    match (error.kind(), error.get(ContextKind::InvalidArg)?) {
        (ErrorKind::MissingRequiredArgument, _) => None,
        (_, ContextValue::String(argument)) => argument.strip_prefix("--")?.split([' ', '=', '[']).next(),
        _ => None,
    }
}

/// The same message, but nothing that was typed ends a line. What value parsers say must not repeat the value: the
/// message does.
fn in_one_line(mut error: Error) -> Error {
    let one_line = |text: &String| OneLine(text).to_string();
    let plain = |text: &StyledStr| StyledStr::from(OneLine(text).to_string());
    let escaped = |value: &ContextValue| match value {
        ContextValue::String(text) => Some(ContextValue::String(one_line(text))),
        ContextValue::Strings(texts) => Some(ContextValue::Strings(texts.iter().map(one_line).collect())),
        ContextValue::StyledStr(text) => Some(ContextValue::StyledStr(plain(text))),
        ContextValue::StyledStrs(texts) => Some(ContextValue::StyledStrs(texts.iter().map(plain).collect())),
        _ => None,
    };
    // The usage is of several lines, and nobody typed it.
    let typed = error.context().filter(|(kind, _)| *kind != ContextKind::Usage);
    let contexts: Vec<_> = typed.filter_map(|(kind, value)| Some((kind, escaped(value)?))).collect();
    for (kind, value) in contexts {
        error.insert(kind, value);
    }
    error
}
