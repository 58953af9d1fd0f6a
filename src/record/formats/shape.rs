//! What a record is for a trainer, told by the names of its fields: messages, a question with its answer, or a text.
//!
//! Texts stay as they are written in the record, escapes included, so that nothing that JSON can say is lost.

use std::borrow::Cow;

use crate::source::answers::{ANSWERS, TEXTS, role_of};
use crate::source::json::Json;

/// Fields that hold messages.
const MESSAGES: [&str; 2] = ["messages", "conversations"];

/// Fields that ask, and those with more to the question.
const ASKS: [&str; 4] = ["instruction", "prompt", "question", "inputs"];
const CONTEXTS: [&str; 2] = ["input", "context"];

/// Fields that a message names.
const LISTED: usize = 12;

/// What a record is.
#[derive(Debug, PartialEq)]
pub(super) enum Shape<'a> {
    /// Messages, each with its role.
    Messages(Vec<Message<'a>>),
    /// A question, what belongs to it, and the answer.
    Pair { system: Option<Said<'a>>, ask: Said<'a>, context: Option<Said<'a>>, answer: Said<'a> },
    /// A text, of which nobody says what was asked.
    Text(Said<'a>),
}

/// A text within the quotes of its JSON string.
pub(super) type Said<'a> = Cow<'a, str>;

/// A message.
#[derive(Debug, PartialEq)]
pub(super) struct Message<'a> {
    /// `system`, `user`, `assistant`, or another.
    pub(super) role: Said<'a>,
    /// What is said, if that is one text.
    pub(super) content: Option<Said<'a>>,
    /// The message as it is written, if its fields have the usual names.
    pub(super) written: Option<&'a str>,
}

impl<'a> Shape<'a> {
    /// Of a line that is one JSON object; or why it is none of them.
    pub(super) fn of(line: &'a [u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(line).unwrap_or_default();
        let record =
            Json::new(text).map_err(|fault| format!("its JSON lacks {} at byte {}", fault.expected, fault.at))?;
        let fields = Fields { record };
        if let Some((name, messages)) = fields.one(&MESSAGES)? {
            return messages_in(name, messages).map(Shape::Messages);
        }
        let (ask, context) = (fields.one(&ASKS)?, fields.one(&CONTEXTS)?);
        // A record of input and output asks by its input.
        let (ask, context) = if ask.is_none() { (context, None) } else { (ask, context) };
        if let (Some((ask_name, ask)), Some((answer_name, answer))) = (ask, fields.one(&ANSWERS)?) {
            if let Some(messages) = both_messages(ask_name, ask, answer_name, answer, context.is_some())? {
                return Ok(Shape::Messages(messages));
            }
            let optional = |field: Option<(&str, Json<'a>)>| field.map(|(name, value)| said(name, value)).transpose();
            let (system, context) = (optional(fields.one(&["system"])?)?, optional(context)?);
            let (ask, answer) = (said(ask_name, ask)?, said(answer_name, answer)?);
            return Ok(Shape::Pair { system, ask, context: context.filter(|text| !text.is_empty()), answer });
        }
        match fields.one(&TEXTS)? {
            Some((name, text)) if ask.is_none() => said(name, text).map(Shape::Text),
            _ => Err(fields.none()),
        }
    }
}

/// The fields of a record.
struct Fields<'a> {
    record: Json<'a>,
}

impl<'a> Fields<'a> {
    /// The one field of these that the record has and that is not null.
    fn one(&self, names: &[&'static str]) -> Result<Option<(&'static str, Json<'a>)>, String> {
        let mut found = names.iter().filter_map(|&name| Some((name, self.record.get(name)?)));
        let mut found = found.by_ref().filter(|(_, value)| value.raw() != "null");
        match (found.next(), found.next()) {
            (Some((first, _)), Some((second, _))) => {
                Err(format!("it has both `{first}` and `{second}`, of which one should be"))
            }
            (first, _) => Ok(first),
        }
    }

    fn none(&self) -> String {
        let names = Json::fields_of(self.record.raw()).flatten().filter_map(|(name, _)| name.text());
        let names: Vec<String> = names.map(|name| name.chars().take(40).collect()).take(LISTED).collect();
        format!(
            "it has none of the known shapes (messages; prompt and response; instruction, input and output; text), but the fields {}",
            names.join(", ")
        )
    }
}

/// What a string says, as it is written.
fn said<'a>(name: &str, value: Json<'a>) -> Result<Said<'a>, String> {
    let inner = value.raw().strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.map(Cow::Borrowed).ok_or_else(|| {
        let begin: String = value.raw().chars().take(40).collect();
        format!("its field `{name}` is no text: {begin}")
    })
}

fn messages_in<'a>(name: &str, value: Json<'a>) -> Result<Vec<Message<'a>>, String> {
    let refuse = |fault: &str| Err(format!("its field `{name}` {fault}"));
    if !value.raw().starts_with('[') {
        return refuse("is no list of messages");
    }
    let mut messages = Vec::new();
    for (at, item) in value.items().enumerate() {
        let text = |key: &str| item.get(key).and_then(|value| said(key, value).ok());
        messages.push(match (text("role"), text("from"), text("value")) {
            (Some(role), ..) if item.get("content").is_some() => {
                Message { role, content: text("content"), written: Some(item.raw()) }
            }
            (None, Some(from), Some(value)) => {
                let usual = role_of(&from);
                let role = if usual == &*from { from } else { usual.to_owned().into() };
                Message { role, content: Some(value), written: None }
            }
            _ => return refuse(&format!("has message {at} without role and content")),
        });
    }
    if messages.is_empty() { refuse("has no message") } else { Ok(messages) }
}

/// The messages of a question and its answer, if both are lists of them.
fn both_messages<'a>(
    ask_name: &str,
    ask: Json<'a>,
    answer_name: &str,
    answer: Json<'a>,
    more: bool,
) -> Result<Option<Vec<Message<'a>>>, String> {
    if more || !(ask.raw().starts_with('[') && answer.raw().starts_with('[')) {
        return Ok(None);
    }
    let mut messages = messages_in(ask_name, ask)?;
    messages.extend(messages_in(answer_name, answer)?);
    Ok(Some(messages))
}
