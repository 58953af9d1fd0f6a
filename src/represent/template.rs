//! What of a line of JSON is its text.

use std::fmt;
use std::str::FromStr;

use crate::source::answers::Marked;
use crate::source::json::Json;
use crate::source::text::{FIELDS, Fields};
use crate::suggest::did_you_mean;

/// Text with fields of a line in it, such as `{prompt}\n{response}`. `{a.b}` is field b of the object a; `{{` and `}}` are braces;
/// `\n` and `\t` are a line break and a tab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    written: String,
    parts: Vec<Part>,
}

/// Fields of a template: each may be as long as a line.
const MOST: usize = 32;

/// Names in the path of a field.
const DEEPEST: usize = 8;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Field(Vec<String>),
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl FromStr for Template {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        let (mut parts, mut literal, mut rest) = (Vec::new(), String::new(), written);
        while let Some(c) = rest.chars().next() {
            let (taken, said) = match rest.get(..2) {
                Some("{{") => (2, '{'),
                Some("}}") => (2, '}'),
                Some(r"\n") => (2, '\n'),
                Some(r"\t") => (2, '\t'),
                _ if c == '{' => {
                    let end = rest.find('}').ok_or("a `{` has no `}`: write {{ for a brace")?;
                    let path: Vec<String> = rest[1..end].split('.').map(|name| name.trim().to_owned()).collect();
                    if path.iter().any(String::is_empty) {
                        return Err(format!("`{}` names no field: write {{prompt}}, or {{a.b}}", &rest[..=end]));
                    }
                    if path.len() > DEEPEST {
                        return Err(format!("`{}` has more than {DEEPEST} names", &rest[..=end]));
                    }
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                    parts.push(Part::Field(path));
                    rest = &rest[end + 1..];
                    continue;
                }
                _ if c == '}' => return Err("a `}` has no `{`: write }} for a brace".to_owned()),
                _ => (c.len_utf8(), c),
            };
            literal.push(said);
            rest = &rest[taken..];
        }
        parts.push(Part::Literal(literal));
        if parts.iter().filter(|part| matches!(part, Part::Field(_))).count() > MOST {
            return Err(format!("it names more than {MOST} fields"));
        }
        if !parts.iter().any(|part| matches!(part, Part::Field(_))) {
            return Err("it names no field: write, for example, {prompt}\\n{response}".to_owned());
        }
        Ok(Self { written: written.to_owned(), parts })
    }
}

impl Template {
    /// The fields at the top level that it may mean: `a`, `a.b` and `a.b.c` by `{a.b.c}`.
    pub(super) fn top_fields(&self) -> Vec<String> {
        let paths = self.parts.iter().filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Field(path) => Some(path),
        });
        paths.flat_map(|path| (1..=path.len()).map(|count| path[..count].join("."))).collect()
    }

    fn fields(&self) -> Vec<String> {
        let field = |part: &Part| match part {
            Part::Literal(_) => None,
            Part::Field(path) => Some(path.join(".")),
        };
        self.parts.iter().filter_map(field).collect()
    }

    /// How many fields it names.
    pub(super) fn field_count(&self) -> usize {
        self.parts.iter().filter(|part| matches!(part, Part::Field(_))).count()
    }

    /// The text of a line, in which a field that it lacks stands for nothing; or that it has none of the fields. What follows an answer
    /// up to the next field, such as a mark of its end, belongs to it.
    pub(super) fn fill(&self, line: &[u8]) -> Result<Marked, String> {
        let line = std::str::from_utf8(line).unwrap_or_default();
        let object = Json::new(line.trim_matches([' ', '\t', '\r', '\n']));
        let (mut text, mut found) = (Marked::default(), false);
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.join(literal),
                Part::Field(path) => {
                    if let Some(value) = object.ok().and_then(|object| at(object, path)) {
                        found = true;
                        said(path.last().map_or("", |name| name), value, &mut text);
                    }
                }
            }
        }
        if found { Ok(text.finish()) } else { Err(lacks(&self.fields(), line)) }
    }
}

/// The field that a path leads to. A name may have dots itself, as columns of tables do: the longest one comes first.
fn at<'a>(value: Json<'a>, path: &[String]) -> Option<Json<'a>> {
    if path.is_empty() {
        return Some(value);
    }
    (1..=path.len()).rev().find_map(|count| at(value.get(&path[..count].join("."))?, &path[count..]))
}

/// The text of a line by its usual fields, or that it has none of them.
pub(super) fn usual(line: &[u8]) -> Result<Marked, String> {
    let fields = Fields::of(line);
    match fields.marked() {
        said if said.text.is_empty() && !fields.may_say() => {
            Err(lacks(&FIELDS, std::str::from_utf8(line).unwrap_or_default()))
        }
        said => Ok(said),
    }
}

/// Adds what a value says: a text as it is, nothing for null, numbers as they are written, all texts of lists and messages.
fn said(name: &str, value: Json<'_>, text: &mut Marked) {
    match value.text() {
        Some(said) => text.say(name, &said),
        None if value.raw() == "null" => {}
        None if value.raw().starts_with(['{', '[']) => text.add(name, value, ""),
        None => text.say(name, value.raw()),
    }
}

/// Fields of a line that a message names.
const LISTED: usize = 12;

fn lacks(fields: &[impl AsRef<str>], line: &str) -> String {
    let keys = Json::fields_of(line.trim()).flatten().filter_map(|(key, _)| key.text());
    let names: Vec<String> = keys.map(|key| key.chars().take(40).collect()).take(LISTED).collect();
    let fields: Vec<&str> = fields.iter().map(AsRef::as_ref).collect();
    // One that is named; of the usual ones none is more likely than another.
    let meant = match fields[..] {
        [field] => did_you_mean(field, names.iter().map(String::as_str)),
        _ => String::new(),
    };
    format!("the line has no text in `{}` (its fields: {}){meant}", fields.join("`, `"), names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(template: &str, line: &str) -> Result<String, String> {
        Ok(template.parse::<Template>()?.fill(line.as_bytes())?.text)
    }

    #[test]
    fn fields_stand_in_the_text() {
        let line =
            r#"{"a": "x\ty", "b": {"c": 3, "d": null}, "m": [{"role": "user", "content": "hi"}, {"content": "ho"}]}"#;
        assert_eq!(fill(r"Q: {a}\n{b.c}{{{b.d}}}", line).as_deref(), Ok("Q: x\ty\n3{}"));
        assert_eq!(fill("{m}", line).as_deref(), Ok("hi\nho"));
        // Columns of tables have names with dots.
        let dots = r#"{"a.b": "x", "a": {"b": "y", "c.d": {"e": "z"}}}"#;
        assert_eq!(fill("{a.b} {a.c.d.e}", dots).as_deref(), Ok("x z"));
    }

    #[test]
    fn what_follows_an_answer_belongs_to_it() {
        let answers = |template: &str, line: &str| {
            let said = template.parse::<Template>().and_then(|template| template.fill(line.as_bytes()));
            said.map(|said| said.answers.iter().map(|range| said.text[range.clone()].to_owned()).collect::<Vec<_>>())
        };
        let one = |text: &str| Ok(vec![text.to_owned()]);
        let line = r#"{"prompt": "a", "response": "b", "text": "t", "m": {"answer": 3}}"#;
        assert_eq!(answers("<u>{prompt}</u><s>{response}</s>\\n{prompt}!", line), one("b</s>\n"));
        assert_eq!(answers("{prompt}: {m.answer}.", line), one("3."));
        assert_eq!((answers("<{text}>", line), answers("{prompt}{text}", line)), (one("<t>"), Ok(vec![])));
        let chat = r#"{"m": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}"#;
        assert_eq!(answers("{m}.", chat), one("b."));
    }

    #[test]
    fn what_cannot_be_filled_is_said() {
        let missing = fill("{q}", r#"{"a": 1, "b": 2}"#);
        assert!(missing.as_ref().is_err_and(|said| said.contains("`q`") && said.contains("a, b")), "{missing:?}");
        for (template, word) in [("{a", "no `}`"), ("a}", "no `{`"), ("{}", "names no field"), ("a", "names no field")]
        {
            let refused = template.parse::<Template>();
            assert!(refused.as_ref().is_err_and(|said| said.contains(word)), "{template}: {refused:?}");
        }
    }
}
