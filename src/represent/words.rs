//! The words of a text.

/// Calls `take` with the words of a text in order: runs of letters and digits in lower case, and every other mark that is not
/// white space.
pub(crate) fn each_word(text: &str, mut take: impl FnMut(&str)) {
    let mut word = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            word.push(c.to_ascii_lowercase());
        } else if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        } else {
            if !word.is_empty() {
                take(&word);
                word.clear();
            }
            if !c.is_whitespace() {
                take(c.encode_utf8(&mut [0; 4]));
            }
        }
    }
    if !word.is_empty() {
        take(&word);
    }
}

#[cfg(test)]
mod tests {
    use super::each_word;

    #[test]
    fn runs_and_marks_are_words() {
        let mut words = Vec::new();
        each_word("Don't add_up 3.14,\tGRÖSSER! Ⅷ", |word| words.push(word.to_owned()));
        assert_eq!(words, ["don", "'", "t", "add", "_", "up", "3", ".", "14", ",", "grösser", "!", "ⅷ"]);
    }
}
