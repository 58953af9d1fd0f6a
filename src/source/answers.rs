//! Which part of a line's text answers: what a model that is trained on the line learns to say.
//!
//! Fields answer by their names, messages by their roles. A line that only has a text answers with all of it, as nobody says what was
//! asked.

use std::borrow::Cow;
use std::ops::Range;

use super::json::Json;
use super::text::{all_text, texts_of_item};

/// Fields that answer.
pub(crate) const ANSWERS: [&str; 5] = ["output", "response", "completion", "answer", "targets"];

/// Fields that are a text alone.
pub(crate) const TEXTS: [&str; 2] = ["text", "content"];

/// The role of messages that answer.
const ASSISTANT: &str = "assistant";

/// The usual word for a speaker of a conversation.
pub(crate) fn role_of(speaker: &str) -> &str {
    match speaker {
        "human" => "user",
        "gpt" | "chatgpt" | "bot" | "model" => ASSISTANT,
        other => other,
    }
}

/// A text, and where in it answers stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Marked {
    pub(crate) text: String,
    /// Bytes of the text, in order.
    pub(crate) answers: Vec<Range<usize>>,
    /// Whether something of it asks.
    asks: bool,
    /// Whether something of it is a text that nobody asked for.
    is_alone: bool,
}

impl Marked {
    /// Adds what stands between fields: it goes on with what was said before.
    pub(crate) fn join(&mut self, between: &str) {
        let start = self.text.len();
        self.text.push_str(between);
        if let Some(last) = self.answers.last_mut().filter(|last| last.end == start) {
            last.end = self.text.len();
        }
    }

    /// Adds all texts of a field of this name, a line each, the first after `lead`.
    pub(crate) fn add(&mut self, name: &str, value: Json<'_>, lead: &str) {
        if !value.raw().starts_with('[') {
            return self.add_item(name, value, all_text(value), lead);
        }
        let mut lead = lead;
        for item in value.items() {
            let before = self.text.len();
            self.add_item(name, item, texts_of_item(item), lead);
            if self.text.len() > before {
                lead = "\n";
            }
        }
    }

    fn add_item(&mut self, name: &str, item: Json<'_>, texts: Vec<Cow<'_, str>>, lead: &str) {
        let role = ["role", "from"].iter().find_map(|key| item.get(key)?.text());
        let answers = role.as_ref().map_or_else(|| ANSWERS.contains(&name), |role| role_of(role) == ASSISTANT);
        let is_alone = role.is_none() && TEXTS.contains(&name);
        self.asks |= !(answers || is_alone || texts.is_empty());
        self.is_alone |= is_alone && !texts.is_empty();
        for (at, text) in texts.iter().enumerate() {
            self.text.push_str(if at == 0 { lead } else { "\n" });
            self.push(text, answers);
        }
    }

    /// Adds a text of a field of this name.
    pub(crate) fn say(&mut self, name: &str, text: &str) {
        let answers = ANSWERS.contains(&name);
        self.asks |= !(answers || text.is_empty() || TEXTS.contains(&name));
        self.is_alone |= !text.is_empty() && TEXTS.contains(&name);
        self.push(text, answers);
    }

    fn push(&mut self, text: &str, answers: bool) {
        let start = self.text.len();
        self.text.push_str(text);
        if answers && !text.is_empty() {
            self.answers.push(start..self.text.len());
        }
    }

    /// The text once all is said.
    pub(crate) fn finish(mut self) -> Self {
        if self.is_alone && !self.asks && self.answers.is_empty() && !self.text.is_empty() {
            self.answers.push(0..self.text.len());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::Marked;

    /// What a template writes answers nothing where its fields are empty.
    #[test]
    fn words_of_a_template_alone_are_no_answer() {
        let said = |name: &str, text: &str| {
            let mut marked = Marked::default();
            marked.join("Be kind.\n");
            marked.say(name, text);
            marked.finish().answers.first().cloned()
        };
        assert_eq!([said("response", ""), said("text", ""), said("prompt", "")], [None, None, None]);
        assert_eq!(said("response", "so"), Some(9..11));
        // A text that nobody asked for answers as a whole.
        assert_eq!(said("text", "so"), Some(0..11));
        assert_eq!(said("prompt", "so"), None);
    }
}
