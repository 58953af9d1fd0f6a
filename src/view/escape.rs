//! Text from outside, made safe to show.
//!
//! File names, labels, ids and values of files may hold characters that nobody sees but that change what is seen: a
//! terminal obeys control characters, others reorder or hide the text around them, and a line break begins a line that
//! the program never wrote. All that people read is shown through the types of this module, which write such characters
//! as `\n`, `\t`, `\r` or `\u{202e}`, and in JSON as `\u202e`.

use std::borrow::Cow;
use std::fmt::{self, Display, Write};

use serde_json::Value;

/// Beyond control characters: what Unicode lists as default-ignorable (bidirectional marks, joiners, tags, fillers and
/// the like), separators of lines and paragraphs, marks of annotations, and what XML does not allow.
const HIDDEN: [(char, char); 19] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{fffe}', '\u{ffff}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
    ('\u{10fffe}', '\u{10ffff}'),
];

/// Whether a character is not seen itself but may change what is.
pub fn is_hidden(letter: char) -> bool {
    letter.is_control() || HIDDEN.iter().any(|&(first, last)| (first..=last).contains(&letter))
}

/// Shows a value in one line: its hidden characters, line breaks among them, are escaped.
#[derive(Debug, Clone, Copy)]
pub struct OneLine<T>(pub T);

impl<T: Display> Display for OneLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(is_hidden) {
            match part.chars().next_back().filter(|&last| is_hidden(last)) {
                Some(last) => write!(self.0, "{}{}", &part[..part.len() - last.len_utf8()], last.escape_default())?,
                None => self.0.write_str(part)?,
            }
        }
        Ok(())
    }
}

/// A document without hidden characters; its line breaks and tabs are space to those who read it, and stay.
pub fn in_lines(document: &str) -> String {
    if !document.contains(|letter| is_hidden(letter) && letter != '\n') {
        return document.to_owned();
    }
    let mut shown = String::with_capacity(document.len());
    for part in document.split_inclusive(['\n', '\t']) {
        let (line, end) = part.split_at(part.trim_end_matches(['\n', '\t']).len());
        shown.push_str(&OneLine(line).to_string());
        shown.push_str(end);
    }
    shown
}

/// Lines for people. Only the program ends a line; everything else in it is escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text(Vec<String>);

impl Text {
    /// Adds a line.
    pub fn push(&mut self, line: impl Display) {
        self.0.push(OneLine(line).to_string());
    }

    /// Adds the lines of another text.
    pub fn append(&mut self, other: Text) {
        self.0.extend(other.0);
    }
}

impl<D: Display> FromIterator<D> for Text {
    fn from_iter<I: IntoIterator<Item = D>>(lines: I) -> Self {
        Self(lines.into_iter().map(|line| OneLine(line).to_string()).collect())
    }
}

impl Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, line) in self.0.iter().enumerate() {
            write!(f, "{}{line}", if place > 0 { "\n" } else { "" })?;
        }
        Ok(())
    }
}

/// What can be printed. The type says which line breaks are the program's own: those of a [`Text`], and no others.
pub trait Printable {
    /// As it is printed, without the last line break.
    fn shown(&self) -> Cow<'_, str>;
}

impl Printable for Text {
    fn shown(&self) -> Cow<'_, str> {
        self.to_string().into()
    }
}

impl Printable for Value {
    /// One line of JSON. Outside its strings there is nothing to escape.
    fn shown(&self) -> Cow<'_, str> {
        let text = self.to_string();
        if !text.contains(is_hidden) {
            return text.into();
        }
        let mut escaped = String::with_capacity(text.len() + 16);
        for letter in text.chars() {
            if is_hidden(letter) {
                let units =
                    letter.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
                escaped.push_str(&units);
            } else {
                escaped.push(letter);
            }
        }
        escaped.into()
    }
}

impl Printable for str {
    fn shown(&self) -> Cow<'_, str> {
        if self.contains(is_hidden) { OneLine(self).to_string().into() } else { self.into() }
    }
}

impl Printable for String {
    fn shown(&self) -> Cow<'_, str> {
        self.as_str().shown()
    }
}

impl Printable for fmt::Arguments<'_> {
    fn shown(&self) -> Cow<'_, str> {
        OneLine(self).to_string().into()
    }
}

impl<T: Printable + ?Sized> Printable for &T {
    fn shown(&self) -> Cow<'_, str> {
        (**self).shown()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)]
    use serde_json::json;

    use super::*;

    /// Every kind of hidden character, and what must stay.
    const NASTY: &str = "\u{1b}[2K\r\u{7}\u{7f}\u{9b}\u{ad}\u{61c}\u{200b}\u{200f}\u{2028}\u{202e}\u{2060}\u{2066}\u{2069}\
                         \u{fe0f}\u{feff}\u{e0041}\u{e0100}";

    #[test]
    fn hidden_characters_are_escaped_and_no_others() {
        assert!(NASTY.chars().filter(|letter| !"[2K".contains(*letter)).all(is_hidden));
        let plain = "a/b.npy – “größer” 数据 é́ ≤ 1\u{a0}%\u{202f}\u{2011} 😀 C:\\x";
        assert!(!plain.contains(is_hidden));
        assert_eq!(OneLine(plain).to_string(), plain);
        assert_eq!(OneLine("a\n\u{1b}[1mb\u{202e}").to_string(), "a\\n\\u{1b}[1mb\\u{202e}");
        assert!(!OneLine(NASTY).to_string().contains(is_hidden));
    }

    #[test]
    fn only_a_text_has_several_lines() {
        let mut text = Text::default();
        text.push("a\nb");
        text.append(["c", "d\r\nverified"].into_iter().collect());
        assert_eq!(text.shown(), "a\\nb\nc\nd\\r\\nverified");
        assert_eq!("a\nb".shown(), "a\\nb");
        assert_eq!(format_args!("{}: {}", "a\nb", 1).shown(), "a\\nb: 1");
    }

    #[test]
    fn documents_keep_their_lines() {
        assert_eq!(in_lines("<p>\n\t\u{1b}a\r\u{202e}\n\n"), "<p>\n\t\\u{1b}a\\r\\u{202e}\n\n");
        assert_eq!(in_lines("<p>\n</p>"), "<p>\n</p>");
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = json!({ NASTY: [NASTY, "plain", 1.5, null] });
        let shown = value.shown();
        assert!(!shown.contains(is_hidden), "{shown}");
        assert_eq!(serde_json::from_str::<Value>(&shown).ok(), Some(value.clone()));
    }
}
