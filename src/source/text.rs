//! The text of an example and its source, from a line of JSON.
//!
//! The text of a line are its fields of [`FIELDS`] that it has, in that order, a line each; of a list of messages the
//! content of each. If it has none of them it has no text.

use std::borrow::Cow;

use super::answers::Marked;
use super::json::Json;

/// Fields and columns that chosen records are given: their place in the order, and what they weigh of a total of 1.
pub(crate) const RANK: &str = "kantor_rank";
pub(crate) const WEIGHT: &str = "kantor_weight";

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

/// How deep in lists and messages text is looked for.
const DEPTH: usize = 16;

/// Characters of a text that are shown.
const SHOWN: usize = 280;

/// The fields of a line that are looked at.
pub(crate) struct Fields<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Fields<'a> {
    /// Of a line that was found to be an object; none of another.
    pub(crate) fn of(line: &'a [u8]) -> Self {
        let fields = Json::fields_of(std::str::from_utf8(line).unwrap_or_default());
        let looked_at = |name: &str| name == SOURCE || FIELDS.contains(&name);
        let named = fields.flatten().filter_map(|(name, value)| Some((name.text()?, value)));
        Self(named.filter(|(name, _)| looked_at(name)).collect())
    }

    /// What the line names as its source.
    pub(crate) fn source(&self) -> Option<Cow<'a, str>> {
        self.get(SOURCE)?.text()
    }

    fn get(&self, name: &str) -> Option<Json<'a>> {
        self.0.iter().rfind(|field| field.0 == name).map(|field| field.1)
    }

    /// Whether it has a field that holds text, be it empty.
    pub(crate) fn may_say(&self) -> bool {
        self.0.iter().any(|(name, _)| name != SOURCE)
    }

    /// The text of the line.
    pub(crate) fn text(&self) -> Option<String> {
        let said = self.marked();
        (!said.text.is_empty()).then_some(said.text)
    }

    /// The text of the line, if it has one, and where it answers.
    pub(crate) fn marked(&self) -> Marked {
        let mut all = Marked::default();
        for &field in &FIELDS {
            if let Some(value) = self.get(field) {
                let lead = if all.text.is_empty() { "" } else { "\n" };
                all.add(field, value, lead);
            }
        }
        all.finish()
    }
}

/// All texts in a value: itself, or those of lists and of messages.
pub(crate) fn all_text(value: Json<'_>) -> Vec<Cow<'_, str>> {
    let mut parts = Vec::new();
    collect(value, DEPTH, &mut parts);
    parts
}

/// All texts in an item of a list.
pub(super) fn texts_of_item(item: Json<'_>) -> Vec<Cow<'_, str>> {
    let mut parts = Vec::new();
    collect(item, DEPTH - 1, &mut parts);
    parts
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

/// How a text begins, on one line.
pub(crate) fn beginning(text: Option<String>) -> String {
    let text = text.unwrap_or_default();
    let (mut words, mut letters) = (String::new(), 0);
    for word in text.split_whitespace() {
        words.push_str(if words.is_empty() { "" } else { " " });
        words.push_str(word);
        letters += 1 + word.chars().count();
        // With the space before the first word, which is not there: more than is shown.
        if letters > SHOWN + 1 {
            break;
        }
    }
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

    /// What answers: fields by their names, messages by their roles, and a text of which nobody says what was asked.
    #[test]
    fn answers_are_marked_in_the_text() {
        let answers = |line: &str| {
            let said = Fields::of(line.as_bytes()).marked();
            said.answers.iter().map(|range| said.text[range.clone()].to_owned()).collect::<Vec<_>>()
        };
        let message = |role: &str, text: &str| format!(r#"{{"role": "{role}", "content": "{text}"}}"#);
        let turns = [("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")];
        let chat = turns.map(|(role, text)| message(role, text)).join(",");
        for (line, expected) in [
            (r#"{"prompt": "a", "response": "b"}"#.to_owned(), &["b"][..]),
            (r#"{"instruction": "a", "input": "b", "output": "c"}"#.to_owned(), &["c"]),
            (format!(r#"{{"messages": [{chat}]}}"#), &["b", "d"]),
            (
                r#"{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}"#.to_owned(),
                &["b"],
            ),
            (
                format!(r#"{{"prompt": [{}], "completion": [{}]}}"#, message("user", "a"), message("assistant", "b")),
                &["b"],
            ),
            (r#"{"text": "a"}"#.to_owned(), &["a"]),
            (r#"{"prompt": null, "response": null, "text": "a", "source": "s"}"#.to_owned(), &["a"]),
            (r#"{"prompt": "a", "text": "b"}"#.to_owned(), &[]),
            (format!(r#"{{"content": [{}]}}"#, message("user", "a")), &[]),
            (r#"{"prompt": "a", "response": ""}"#.to_owned(), &[]),
        ] {
            assert_eq!(answers(&line), expected, "{line}");
        }
    }

    #[test]
    fn fields_that_nobody_looks_at_are_not_kept() {
        let many: String = (0..1000).map(|field| format!("\"f{field}\": 0, ")).collect();
        let line = format!("{{{many}\"source\": \"s\", \"text\": \"t\"}}");
        let fields = Fields::of(line.as_bytes());
        assert_eq!((fields.0.len(), fields.get(SOURCE).is_some(), fields.text().as_deref()), (2, true, Some("t")));
    }
}
