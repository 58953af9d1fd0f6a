//! Long text, cut for where there is little room.

/// The first letters of a text, and a mark if that is not all of it.
pub(crate) fn cut(text: &str, letters: usize) -> String {
    match text.char_indices().nth(letters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A text of at most so many letters, of which the mark is one.
#[cfg(feature = "pages")]
pub(crate) fn cut_within(text: &str, letters: usize) -> String {
    let fits = text.chars().nth(letters).is_none();
    cut(text, if fits { letters } else { letters.saturating_sub(1) })
}

#[cfg(all(test, feature = "pages"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_ends_in_a_mark() {
        assert_eq!(["größe", "größen", ""].map(|text| cut(text, 5)), ["größe", "größe…", ""]);
        assert_eq!(["größe", "größen", ""].map(|text| cut_within(text, 5)), ["größe", "größ…", ""]);
    }
}
