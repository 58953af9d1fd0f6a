//! What the examples' text says: length in tokens, source, and how it begins.
//!
//! The text of a line are its fields of [`FIELDS`] that it has, in that order, a line each; of a list of messages the
//! content of each. If it has none of them it has no text. A token is a run of letters and digits, or any other single
//! mark: no model's vocabulary, but a measure of length that needs none.

use std::borrow::Cow;
use std::collections::HashMap;

use kantor_solvers::Watch;

use crate::source::json::Json;
use crate::source::{DataError, JsonlRows};

/// Fields that hold text, what is asked before what is answered.
pub const FIELDS: [&str; 16] = [
    "system",
    "instruction",
    "prompt",
    "question",
    "input",
    "inputs",
    "context",
    "text",
    "content",
    "messages",
    "conversations",
    "response",
    "output",
    "answer",
    "targets",
    "completion",
];

/// The field that names where a line comes from.
const SOURCE: &str = "source";

/// Letters of a source's name that tell it from others.
const NAME: usize = 200;

/// Upper ends of the bins of lengths in tokens; the last bin is open.
pub(super) const BINS: [u64; 8] = [32, 64, 128, 256, 512, 1024, 2048, 4096];

/// Sources that are told apart; rarer ones are counted together.
const SOURCES: usize = 100;

/// How deep in lists and messages text is looked for.
const DEPTH: usize = 16;

/// Characters of a text that are shown.
const SHOWN: usize = 280;

/// What is known of every line of the pool's text.
pub(super) struct Texts {
    /// Tokens by row of the files; `None` if no line has text.
    tokens: Option<Vec<u32>>,
    /// Place in `sources` by row of the files; empty if no line names its source.
    source: Vec<usize>,
    /// Names of the sources, the commonest first, with their numbers of kept rows.
    pub(super) sources: Vec<(String, usize)>,
}

impl Texts {
    /// Reads all lines once; `kept` are the rows that take part.
    pub(super) fn read(
        examples: &JsonlRows,
        kept: impl Iterator<Item = usize>,
        watch: &dyn Watch,
    ) -> Result<Self, DataError> {
        let (mut tokens, mut any, mut named) = (Vec::with_capacity(examples.len()), false, Vec::new());
        let mut places: HashMap<Option<String>, usize> = HashMap::new();
        examples.visit(watch, |_, line| {
            let fields = Fields::of(line);
            let text = fields.text();
            any |= text.is_some();
            tokens.push(text.map_or(0, |text| count(&text)));
            let name = |text: Cow<'_, str>| text.chars().take(NAME).collect::<String>();
            let source = fields.get(SOURCE).and_then(Json::text).map(name);
            let next = places.len();
            named.push(*places.entry(source).or_insert(next));
        })?;
        let (source, sources) = ranked(places, named, kept);
        Ok(Self { tokens: any.then_some(tokens), source, sources })
    }

    /// Tokens of these rows in all, and their numbers by [`BINS`].
    pub(super) fn lengths(&self, rows: &[usize]) -> Option<(u64, Vec<usize>)> {
        let tokens = self.tokens.as_ref()?;
        let (mut sum, mut bins) = (0, vec![0; BINS.len()]);
        for &row in rows {
            let length = u64::from(tokens[row]);
            sum += length;
            bins[BINS.iter().position(|&end| length <= end).unwrap_or(BINS.len() - 1)] += 1;
        }
        Some((sum, bins))
    }

    /// Numbers of these rows by source.
    pub(super) fn by_source(&self, rows: &[usize]) -> Vec<usize> {
        let mut counts = vec![0; self.sources.len()];
        if !self.source.is_empty() {
            rows.iter().for_each(|&row| counts[self.source[row]] += 1);
        }
        counts
    }
}

/// The sources by rank instead of by first appearance, ties by name; nothing if no line names one.
fn ranked(
    places: HashMap<Option<String>, usize>,
    named: Vec<usize>,
    kept: impl Iterator<Item = usize>,
) -> (Vec<usize>, Vec<(String, usize)>) {
    if places.keys().all(Option::is_none) {
        return (Vec::new(), Vec::new());
    }
    let mut counts = vec![0; places.len()];
    kept.for_each(|row| counts[named[row]] += 1);
    let mut order: Vec<(String, usize)> =
        places.into_iter().map(|(name, place)| (name.unwrap_or_else(|| "(no source)".to_owned()), place)).collect();
    order.sort_by(|a, b| counts[b.1].cmp(&counts[a.1]).then_with(|| a.0.cmp(&b.0)));
    let mut rank = vec![0; order.len()];
    let mut sources: Vec<(String, usize)> = Vec::new();
    for (name, place) in order {
        if sources.len() == SOURCES {
            sources[SOURCES - 1].0 = "(others)".to_owned();
            sources[SOURCES - 1].1 += counts[place];
        } else {
            sources.push((name, counts[place]));
        }
        rank[place] = sources.len() - 1;
    }
    (named.into_iter().map(|place| rank[place]).collect(), sources)
}

/// The fields of a line that are looked at.
struct Fields<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Fields<'a> {
    /// Of a line that was found to be an object; none of another.
    fn of(line: &'a [u8]) -> Self {
        let fields = Json::fields_of(std::str::from_utf8(line).unwrap_or_default());
        let looked_at = |name: &str| name == SOURCE || FIELDS.contains(&name);
        let named = fields.flatten().filter_map(|(name, value)| Some((name.text()?, value)));
        Self(named.filter(|(name, _)| looked_at(name)).collect())
    }

    fn get(&self, name: &str) -> Option<Json<'a>> {
        self.0.iter().rfind(|field| field.0 == name).map(|field| field.1)
    }

    /// The text of the line.
    fn text(&self) -> Option<String> {
        let mut parts = Vec::new();
        FIELDS.iter().filter_map(|field| self.get(field)).for_each(|value| collect(value, DEPTH, &mut parts));
        (!parts.is_empty()).then(|| parts.join("\n"))
    }
}

fn collect<'a>(value: Json<'a>, depth: usize, parts: &mut Vec<Cow<'a, str>>) {
    if let Some(text) = value.text() {
        parts.extend((!text.is_empty()).then_some(text));
    } else if depth > 0 {
        value.items().for_each(|item| collect(item, depth - 1, parts));
        let of_message = ["content", "value", "text"].into_iter().filter_map(|key| value.get(key));
        of_message.for_each(|value| collect(value, depth - 1, parts));
    }
}

/// Tokens of a text.
fn count(text: &str) -> u32 {
    let (mut count, mut inside) = (0, false);
    for c in text.chars() {
        let word = c.is_alphanumeric();
        count += u32::from(if word { !inside } else { !c.is_whitespace() });
        inside = word;
    }
    count
}

/// How the text of a line begins, on one line.
pub(super) fn beginning(line: &[u8]) -> String {
    let text = Fields::of(line).text().unwrap_or_default();
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", words[..end].trim_end()),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &str) -> Option<String> {
        Fields::of(line.as_bytes()).text()
    }

    #[test]
    fn runs_and_marks_are_tokens() {
        assert_eq!(count("Don't add_up 3.14, größer!"), 12);
        assert_eq!(count(" \n\t"), 0);
    }

    #[test]
    fn text_is_what_is_asked_before_what_is_answered() {
        let line = r#"{"response": "b", "id": "x", "prompt": "a", "source": "s"}"#;
        assert_eq!(text(line).as_deref(), Some("a\nb"));
        let chat = r#"{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]}"#;
        assert_eq!(text(chat).as_deref(), Some("hi\nho"));
        assert_eq!(text(r#"{"id": "x", "url": "y"}"#), None);
        let odd = r#"{"score": NaN, "weight": 1e999, "text": "a\ud800b", "input": {"value": ["c", Infinity]}}"#;
        assert_eq!(text(odd).as_deref(), Some("c\na\\ud800b"));
        assert_eq!(text(&format!(r#"{{"text": {}"deep"{}}}"#, "[".repeat(100_000), "]".repeat(100_000))), None);
    }

    #[test]
    fn fields_that_nobody_looks_at_are_not_kept() {
        let many: String = (0..1000).map(|field| format!("\"f{field}\": 0, ")).collect();
        let line = format!("{{{many}\"source\": \"s\", \"text\": \"t\"}}");
        let fields = Fields::of(line.as_bytes());
        assert_eq!((fields.0.len(), fields.get(SOURCE).is_some(), fields.text().as_deref()), (2, true, Some("t")));
    }

    #[test]
    fn sources_come_commonest_first() {
        let places = HashMap::from([(Some("b".to_owned()), 0), (None, 1), (Some("a".to_owned()), 2)]);
        let (of, sources) = ranked(places, vec![0, 1, 2, 2, 1, 1], 0..6);
        let named: Vec<(&str, usize)> = sources.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        assert_eq!(named, [("(no source)", 3), ("a", 2), ("b", 1)]);
        assert_eq!(of, [2, 0, 1, 1, 0, 0]);
    }
}
