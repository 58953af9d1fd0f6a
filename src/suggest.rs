//! What somebody may have meant who wrote a name that does not exist.

use strsim::{jaro_winkler, osa_distance};

/// Names less alike than this are not suggested.
const ALIKE: f64 = 0.8;

/// Bytes of a word that may still be a slip for a name.
const LONGEST: usize = 64;

/// The known name that is most like `word`, if any is.
pub(crate) fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let word = word.to_lowercase();
    // One letter more, less, changed or swapped is a slip even in a short word.
    let is_slip = |name: &str| word.len() > 2 && osa_distance(&word, name) == 1;
    let alike = |name: &'a str| (if is_slip(name) { 1.0 } else { jaro_winkler(&word, name) }, name);
    let best = known.into_iter().map(alike).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|best| best.0 >= ALIKE).map(|best| best.1)
}

/// `; did you mean` and the name, or nothing.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    closest(word, known).map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_mistakes_are_understood_and_other_words_are_not() {
        let known = ["optimal", "random", "mean-similarity", "round-robin", "knn-uniform", "knn-kde", "knn-tv", "uot"];
        for (word, meant) in [
            ("round-robbin", Some("round-robin")),
            ("round_robin", Some("round-robin")),
            ("Optimal", Some("optimal")),
            ("optmal", Some("optimal")),
            ("knn-uniforn", Some("knn-uniform")),
            ("uto", Some("uot")),
            ("sinkhorn", None),
            ("best", None),
            ("", None),
        ] {
            assert_eq!(closest(word, known), meant, "{word}");
        }
    }
}
