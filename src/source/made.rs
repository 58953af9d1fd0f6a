//! What a file of rows says of itself: the record that `kantor embed` leaves in its metadata.

use std::collections::BTreeMap;

use kantor_theory::json;
use serde::Serialize;
use serde_json::{Map, Value};

/// The key of the record in the metadata of a file.
pub(crate) const KEY: &str = "kantor";

/// How the layout of such a record begins.
const SCHEMA: &str = "kantor/embed/";

/// What rows of one model may differ in, and still be compared: where they are from, how they are stored, what stands before the texts,
/// and what they are for. Models are known by their content.
const FREE: [&str; 14] = [
    "schema",
    "version",
    "text",
    "template",
    "first",
    "rows",
    "dim",
    "element",
    "cut",
    "model.path",
    "model.prompt",
    ROLE,
    "less.path",
    "less.dropped",
];

/// What rows are for, where those of pool and query are made differently.
const ROLE: &str = "less.role";

/// Letters of a value that a message shows: a digest is one of 64.
const SHOWN: usize = 80;

/// The record of a file of rows. Whatever it says is kept, so that what later versions add is compared too.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Made(Map<String, Value>);

impl Made {
    /// Reads the record, if it is one.
    pub(crate) fn read(said: &str) -> Option<Self> {
        let record: Map<String, Value> = json::from_slice(said.as_bytes()).ok()?;
        let is_known = record.get("schema").and_then(Value::as_str).is_some_and(|schema| schema.starts_with(SCHEMA));
        is_known.then_some(Self(record))
    }

    /// By what and how, in one line.
    pub(crate) fn by(&self) -> String {
        let is_how =
            |name: &str| name.starts_with("model.") || !FREE.contains(&name) || name == "template" || name == ROLE;
        in_words(flat(&self.0).iter().filter(|(name, _)| is_how(name)))
    }

    /// The files of text that they were made of, a line each.
    pub(crate) fn of(&self) -> Vec<String> {
        let files = self.0.get("text").and_then(Value::as_array).into_iter().flatten();
        files.filter_map(Value::as_object).map(|file| in_words(flat(file).iter())).collect()
    }

    /// The place of its first row in the text, if both are of the same text.
    pub(crate) fn first_of(&self, other: &Self) -> Option<u64> {
        // By content: parts may have been made of copies.
        let text = |made: &Self| -> Option<Vec<Value>> {
            made.0.get("text")?.as_array()?.iter().map(|file| file.get("sha256").cloned()).collect()
        };
        let first = self.0.get("first")?.as_u64()?;
        (text(self).is_some() && text(self) == text(other)).then_some(first)
    }

    /// What the rows are for, if only that: `pool` or `query`.
    pub(crate) fn role(&self) -> Option<&str> {
        self.0.get("less")?.get("role")?.as_str()
    }

    /// The settings in which rows of both differ although they should not, as each has them; none if their rows can be compared.
    pub(crate) fn differences(&self, other: &Self) -> Option<(String, String)> {
        let (ours, theirs) = (flat(&self.0), flat(&other.0));
        let is_other = |name: &&String| !FREE.contains(&&name[..]) && ours.get(*name) != theirs.get(*name);
        let mut names: Vec<&String> = ours.keys().chain(theirs.keys()).filter(is_other).collect();
        names.sort_unstable();
        names.dedup();
        let missing = Value::Null;
        let said = |all: &BTreeMap<String, Value>| {
            let path = all.get_key_value("model.path");
            let of = |name: &&String| ((*name).clone(), all.get(*name).unwrap_or(&missing).clone());
            let all: Vec<(String, Value)> = path
                .map(|(name, value)| (name.clone(), value.clone()))
                .into_iter()
                .chain(names.iter().map(of))
                .collect();
            in_words(all.iter().map(|(name, value)| (name, value)))
        };
        (!names.is_empty()).then(|| (said(&ours), said(&theirs)))
    }
}

/// All values by their names, those of objects as `a.b`.
fn flat(record: &Map<String, Value>) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for (name, value) in record {
        match value {
            Value::Object(within) => {
                all.extend(flat(within).into_iter().map(|(of, value)| (format!("{name}.{of}"), value)))
            }
            value => _ = all.insert(name.clone(), value.clone()),
        }
    }
    all
}

fn in_words<'a>(values: impl Iterator<Item = (&'a String, &'a Value)>) -> String {
    let short = |text: String| {
        if text.chars().count() > SHOWN { text.chars().take(SHOWN).chain(['…']).collect() } else { text }
    };
    values
        .map(|(name, value)| format!("{} {}", short(name.clone()), short(value.to_string())))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::Made;

    fn made(more: &str) -> Made {
        let said =
            format!(r#"{{"schema": "kantor/embed/1", "model": {{"path": "m", "sha256": "ab", "prompt": "q"}}{more}}}"#);
        Made::read(&said).unwrap_or_else(|| panic!("{said}"))
    }

    /// A setting that only one of two records has is one in which they differ: later versions say more.
    #[test]
    fn unknown_settings_count() {
        assert_eq!(made("").differences(&made(r#", "rows": 3, "template": "{a}""#)), None);
        let differences = made("").differences(&made(r#", "projection": {"seed": 4}"#));
        let expected = ("model.path \"m\", projection.seed null", "model.path \"m\", projection.seed 4");
        assert_eq!(differences, Some((expected.0.to_owned(), expected.1.to_owned())));
    }

    #[test]
    fn what_others_wrote_is_no_record() {
        for other in ["", "{}", "[]", r#"{"schema": "other/1"}"#, r#"{"schema": 3}"#] {
            assert!(Made::read(other).is_none(), "{other}");
        }
    }
}
