//! File names as text.
//!
//! Systems allow names that are not UTF-8, and a record of a run must say which file it was. So a name is written as it
//! is if it is UTF-8; else every byte that is not part of a character becomes `\xNN`, and every backslash two, so that the
//! name can be read and got back.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::Path;

use serde::Serializer;

/// The name as text, without loss.
pub fn readable<N: AsRef<OsStr> + ?Sized>(name: &N) -> Cow<'_, str> {
    let name = name.as_ref();
    if let Some(text) = name.to_str() {
        return Cow::Borrowed(text);
    }
    let mut text = String::new();
    for chunk in name.as_encoded_bytes().utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', r"\\"));
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!(r"\x{byte:02x}")));
    }
    Cow::Owned(text)
}

/// Writes a path as [`readable`] text: for serde's `serialize_with`.
pub(crate) fn serialize<S: Serializer>(path: impl AsRef<Path>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&readable(path.as_ref()))
}

/// What comes before and after the first `mark` of a word of the command line, or the last one; `mark` is ASCII.
pub(crate) fn split_once(word: &OsStr, mark: u8, last: bool) -> Option<(&OsStr, &OsStr)> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let bytes = word.as_bytes();
        let mut places = bytes.iter().enumerate().filter(|(_, byte)| **byte == mark).map(|(at, _)| at);
        let at = if last { places.next_back() } else { places.next() }?;
        Some((OsStr::from_bytes(&bytes[..at]), OsStr::from_bytes(&bytes[at + 1..])))
    }
    #[cfg(not(unix))]
    {
        let (text, mark) = (word.to_str()?, char::from(mark));
        let (before, after) = if last { text.rsplit_once(mark) } else { text.split_once(mark) }?;
        Some((before.as_ref(), after.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_text_stay_as_they_are() {
        for name in ["a/b.npy", r"back\slash\xff", "größe\n"] {
            assert_eq!(readable(name), name);
        }
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_not_text_are_escaped_without_loss() {
        use std::os::unix::ffi::OsStrExt;
        let named = |bytes: &[u8]| readable(OsStr::from_bytes(bytes)).into_owned();
        assert_eq!(named(b"a\xff\xfe/\xc3\xa9.npy"), r"a\xff\xfe/é.npy");
        assert_eq!(named(b"\\xff\xff"), r"\\xff\xff");
    }

    #[test]
    fn words_are_split_at_the_first_or_the_last_mark() {
        let word = OsStr::new("a:b:c");
        assert_eq!(split_once(word, b':', false), Some((OsStr::new("a"), OsStr::new("b:c"))));
        assert_eq!(split_once(word, b':', true), Some((OsStr::new("a:b"), OsStr::new("c"))));
        assert_eq!(split_once(word, b'=', true), None);
    }
}
