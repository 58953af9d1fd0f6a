//! Messages of the lower crates name quantities in backticks; on the command line they are the flags that set them.

use kantor_solvers::Settings;

/// Quantities beside the settings of methods.
const QUANTITIES: [&str; 9] =
    ["balance-groups", "cost", "max-memory", "objective", "p", "pool", "query", "seed", "similarity"];

/// The text with `--name` in the place of every quantity.
pub(super) fn with_flags(text: &str) -> String {
    let settings = serde_json::to_value(Settings::default()).unwrap_or_default();
    let settings = settings.as_object().into_iter().flat_map(|map| map.keys().map(String::as_str));
    QUANTITIES
        .into_iter()
        .chain(settings)
        .fold(text.to_owned(), |text, name| text.replace(&format!("`{name}`"), &format!("--{name}")))
}
