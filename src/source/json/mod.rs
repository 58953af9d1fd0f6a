//! JSON as people's files have it, looked at in place.
//!
//! Rows of text are copied byte for byte, so of a line no more is asked than that it is one object. What Python's
//! `json.dumps` writes beyond the standard is accepted: `NaN`, `Infinity`, `-Infinity`, halves of surrogate pairs; and so
//! are numbers that no `f64` holds and any depth of nesting, for nothing is converted and nothing recurses. Refused is what
//! `json.loads` refuses: commas too many, single quotes, comments, control characters in strings.

mod scan;

use std::borrow::Cow;

pub(crate) use scan::Fault;
use scan::{expect, space, string, value};

/// A value: its text, which is well-formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Json<'a>(&'a str);

impl<'a> Json<'a> {
    /// The fields of the object that is all of `text`, each checked when it is reached.
    pub(crate) fn fields_of(text: &'a str) -> impl Iterator<Item = Result<(Json<'a>, Json<'a>), Fault>> {
        let mut entries = Entries::new(text);
        std::iter::from_fn(move || match entries.next() {
            Some(Ok((Some(key), value))) => Some(Ok((key, value))),
            Some(Ok((None, _))) => Some(Err(Fault { expected: "an object", at: 0 })),
            Some(Err(fault)) => Some(Err(fault)),
            None => None,
        })
    }

    /// A value whose text is well-formed.
    ///
    /// # Errors
    /// If it is not.
    pub(crate) fn new(text: &'a str) -> Result<Self, Fault> {
        let start = space(text.as_bytes(), 0);
        let end = value(text.as_bytes(), start)?;
        match space(text.as_bytes(), end) {
            last if last == text.len() => Ok(Self(&text[start..end])),
            at => Err(Fault { expected: "the end of the line", at }),
        }
    }

    /// Its text.
    pub(crate) fn raw(self) -> &'a str {
        self.0
    }

    /// What a string says. A half of a surrogate pair, which stands for nothing, is left as it is written.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        Some(if inner.contains('\\') { Cow::Owned(unescaped(inner)) } else { Cow::Borrowed(inner) })
    }

    /// Whether it is a number; `NaN` and the infinities are.
    pub(crate) fn is_number(self) -> bool {
        self.0.starts_with(|c: char| c.is_ascii_digit() || "-NI".contains(c))
    }

    /// Whether it is a number without fraction and exponent.
    pub(crate) fn is_integer(self) -> bool {
        let digits = self.0.strip_prefix('-').unwrap_or(self.0);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// The field of this name, if it is an object that has one; the last of several.
    pub(crate) fn get(self, name: &str) -> Option<Json<'a>> {
        let named = |(key, value): (Option<Json<'a>>, Json<'a>)| (key?.text()? == name).then_some(value);
        Entries::new(self.0).flatten().filter_map(named).last()
    }

    /// The items of an array; nothing of another value.
    pub(crate) fn items(self) -> impl Iterator<Item = Json<'a>> {
        Entries::new(self.0).flatten().filter(|(key, _)| key.is_none()).map(|(_, item)| item)
    }
}

/// The entries of an object or an array; nothing of a scalar.
struct Entries<'a> {
    text: &'a str,
    at: usize,
    object: bool,
    /// How the last entry ends; `None` after the end.
    after: Option<After>,
}

/// What stands before the next entry.
enum After {
    Bracket,
    Entry,
}

impl<'a> Entries<'a> {
    fn new(text: &'a str) -> Self {
        let at = space(text.as_bytes(), 0);
        let open = text.as_bytes().get(at);
        let after = matches!(open, Some(b'{' | b'[')).then_some(After::Bracket);
        Self { text, at: at + 1, object: open == Some(&b'{'), after }
    }

    fn entry(&mut self) -> Result<Option<(Option<Json<'a>>, Json<'a>)>, Fault> {
        let (text, bytes) = (self.text, self.text.as_bytes());
        let Some(after) = self.after.take() else { return Ok(None) };
        let mut at = space(bytes, self.at);
        if bytes.get(at) == Some(if self.object { &b'}' } else { &b']' }) {
            return match space(bytes, at + 1) {
                end if end == text.len() => Ok(None),
                at => Err(Fault { expected: "the end of the line", at }),
            };
        }
        if matches!(after, After::Entry) {
            at = space(bytes, expect(bytes, at, b',', "`,` or the end of the object or array")?);
        }
        let mut name = None;
        if self.object {
            let end = string(bytes, at)?;
            name = Some(Json(&text[at..end]));
            at = space(bytes, expect(bytes, space(bytes, end), b':', "`:`")?);
        }
        let end = value(bytes, at)?;
        (self.at, self.after) = (end, Some(After::Entry));
        Ok(Some((name, Json(&text[at..end]))))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<(Option<Json<'a>>, Json<'a>), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.entry().transpose()
    }
}

/// What a well-formed string says.
fn unescaped(inner: &str) -> String {
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (c, length) = match rest.as_bytes().get(1) {
            Some(b'b') => (Some('\u{8}'), 2),
            Some(b'f') => (Some('\u{c}'), 2),
            Some(b'n') => (Some('\n'), 2),
            Some(b'r') => (Some('\r'), 2),
            Some(b't') => (Some('\t'), 2),
            Some(b'u') => unit(rest).map_or((None, 6), |high| match (high, rest.get(6..).and_then(unit)) {
                (0xd800..0xdc00, Some(low @ 0xdc00..0xe000)) => {
                    (char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)), 12)
                }
                _ => (char::from_u32(high), 6),
            }),
            Some(&other) => (Some(char::from(other)), 2),
            None => (None, 1),
        };
        match c {
            Some(c) => out.push(c),
            None => out.push_str(&rest[..length]),
        }
        rest = &rest[length..];
    }
    out + rest
}

/// The number in `\uXXXX`.
fn unit(escape: &str) -> Option<u32> {
    u32::from_str_radix(escape.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

#[cfg(test)]
mod tests {
    // Compared with serde_json's own reading.
    #![allow(clippy::disallowed_methods)]
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_the_standard_allows_is_accepted_and_the_rest_refused_as_by_serde_json() {
        let good = [
            "0",
            "-0",
            "12.5e-3",
            "1E9",
            "true",
            "null",
            r#""""#,
            r#""a\"\\\/\b\f\n\r\té""#,
            "[]",
            "{}",
            "[ ]",
            "[1,[2],{}]",
            r#"{"a":{"b":[{}]},"c":null}"#,
            " [ 1 , 2 ] ",
            r#"{ "a" : [ ] , "b" : { } }"#,
            "[[[[]]]]",
            "\t1\r\n",
        ];
        let bad = [
            "",
            " ",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "-",
            "tru",
            "truex",
            "'a'",
            r#"""#,
            r#""\x""#,
            r#""\u12g4""#,
            "\"\t\"",
            "[",
            "]",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{a:1}"#,
            "[}",
            "{]",
            "1 2",
            "[1]]",
            "nan",
            r#"{"a":1 "b":2}"#,
            "[1}",
            r#"{"a":[1}]"#,
            "-NaN",
            "[\"a\":1]",
            "// a\n1",
        ];
        for text in good {
            assert!(Json::new(text).is_ok() && serde_json::from_str::<serde_json::Value>(text).is_ok(), "{text}");
        }
        for text in bad {
            assert!(Json::new(text).is_err() && serde_json::from_str::<serde_json::Value>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_json_dumps_writes_beyond_the_standard_is_accepted() {
        for text in ["NaN", "-Infinity", r#"{"a":[Infinity,NaN]}"#, r#""\ud800""#, "1e999", &"9".repeat(400)] {
            Json::new(text).unwrap();
        }
        let deep = "[".repeat(1 << 20) + &"]".repeat(1 << 20);
        Json::new(&deep).unwrap();
        assert_eq!(Json::new(&deep[1..]).unwrap_err().at, deep.len() - 2);
    }

    #[test]
    fn strings_say_what_their_escapes_mean() {
        let text = r#""a\n\u00e9\ud83d\ude00\ud800x\/""#;
        assert_eq!(Json::new(text).unwrap().text().unwrap(), "a\né\u{1f600}\\ud800x/");
        assert_eq!(Json::new("1").unwrap().text(), None);
    }

    #[test]
    fn fields_and_items_are_found_in_place() {
        let line = Json::new(r#" {"a": [1, "b", {"c": NaN}], "\u0061": {"d": 2}} "#).unwrap();
        assert_eq!(line.get("a").map(Json::raw), Some(r#"{"d": 2}"#));
        assert_eq!(line.get("a").and_then(|a| a.get("d")).map(Json::raw), Some("2"));
        let list = Json::new(r#"[1, "b", {"c": NaN}]"#).unwrap();
        assert_eq!(list.items().map(Json::raw).collect::<Vec<_>>(), ["1", "\"b\"", "{\"c\": NaN}"]);
        assert_eq!((line.items().count(), line.get("b"), list.get("c")), (0, None, None));
    }

    #[test]
    fn a_line_is_checked_to_its_end_by_its_fields() {
        let fault = |text| Json::fields_of(text).find_map(Result::err).map(|fault| fault.at);
        assert_eq!((fault(r#"{"a":1}"#), fault(" {} ")), (None, None));
        assert_eq!(fault(r#"{"a":1} {}"#), Some(8));
        assert_eq!(fault(r#"{"a":1,}"#), Some(7));
        assert_eq!(fault(r#"{"a":[1,2}"#), Some(9));
        assert_eq!(fault("[1]"), Some(0));
    }
}
