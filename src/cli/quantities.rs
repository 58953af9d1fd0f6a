//! Messages of the lower crates name quantities in backticks; on the command line they are the flags that set them.

use kantor_solvers::registry::settings;

/// Quantities beside the settings of methods.
const QUANTITIES: [&str; 9] =
    ["balance-groups", "cost", "max-memory", "objective", "p", "pool", "query", "seed", "similarity"];

/// The text with `--name` in the place of every quantity.
pub(super) fn with_flags(text: &str) -> String {
    QUANTITIES
        .into_iter()
        .chain(settings().iter().map(|setting| &setting.name[..]))
        .fold(text.to_owned(), |text, name| text.replace(&format!("`{name}`"), &format!("--{name}")))
}
