//! What the examples' text says: length in tokens, and source.
//!
//! A token is a run of letters and digits, or any other single mark: no model's vocabulary, but a measure of length that needs
//! none.

use std::borrow::Cow;
use std::collections::HashMap;

use kantor_solvers::Watch;

use crate::represent::each_word;
use crate::source::memory::Claim;
use crate::source::text::Fields;
use crate::source::{Allowance, DataError, JsonlRows};

/// Letters of a source's name that tell it from others.
const NAME: usize = 200;

/// Upper ends of the bins of lengths in tokens; the last bin is open.
pub(super) const BINS: [u64; 8] = [32, 64, 128, 256, 512, 1024, 2048, 4096];

/// Sources that are told apart; rarer ones are counted together.
const SOURCES: usize = 100;

/// Bytes held for a line, and for a source beside its name, which is held twice while sources are ranked.
const LINE: u64 = 32;
const SOURCE: u64 = 160;

const SOURCES_HELD: &str = "the sources that its lines name";
const SOURCES_REMEDY: &str = "allow more with --max-memory, or leave out the field `source`";

/// What is known of every line of the pool's text.
pub(super) struct Texts {
    /// Tokens by row of the files; `None` if no line has text.
    tokens: Option<Vec<u32>>,
    /// Place in `sources` by row of the files; empty if no line names its source.
    source: Vec<usize>,
    /// Names of the sources, the commonest first, with their numbers of kept rows.
    pub(super) sources: Vec<(String, usize)>,
}

impl Texts {
    /// Reads all lines once; `kept` are the rows that take part, and `said` gives the text of a line.
    pub(super) fn read(
        examples: &JsonlRows,
        kept: impl Iterator<Item = usize>,
        said: impl Fn(&[u8]) -> Option<String>,
        watch: &dyn Watch,
    ) -> Result<Self, DataError> {
        let allowance = Allowance::new(examples.left());
        let mut claim = Claim::new(&allowance, &examples.files()[0].path);
        claim.add(examples.len() as u64 * LINE, SOURCES_HELD, SOURCES_REMEDY)?;
        let (mut tokens, mut any, mut named) = (Vec::with_capacity(examples.len()), false, Vec::new());
        let mut places: HashMap<Option<String>, usize> = HashMap::new();
        examples.visit(watch, |_, line| {
            let text = said(line);
            any |= text.is_some();
            tokens.push(text.map_or(0, |text| count(&text)));
            let name = |text: Cow<'_, str>| text.chars().take(NAME).collect::<String>();
            let source = Fields::of(line).source().map(name);
            let next = places.len();
            let bytes = SOURCE + source.as_ref().map_or(0, |name| 2 * name.len() as u64);
            let place = *places.entry(source).or_insert(next);
            if place == next {
                claim.add(bytes, SOURCES_HELD, SOURCES_REMEDY)?;
            }
            named.push(place);
            Ok(())
        })?;
        let (source, sources) = ranked(places, named, kept);
        Ok(Self { tokens: any.then_some(tokens), source, sources })
    }

    /// Tokens of these rows in all, and their numbers by [`BINS`].
    pub(super) fn lengths(&self, rows: &[usize]) -> Option<(u64, Vec<usize>)> {
        let tokens = self.tokens.as_ref()?;
        let (mut sum, mut bins) = (0, vec![0; BINS.len()]);
        for &row in rows {
            let length = u64::from(tokens[row]);
            sum += length;
            bins[BINS.iter().position(|&end| length <= end).unwrap_or(BINS.len() - 1)] += 1;
        }
        Some((sum, bins))
    }

    /// Numbers of these rows by source.
    pub(super) fn by_source(&self, rows: &[usize]) -> Vec<usize> {
        let mut counts = vec![0; self.sources.len()];
        if !self.source.is_empty() {
            rows.iter().for_each(|&row| counts[self.source[row]] += 1);
        }
        counts
    }
}

/// The sources by rank instead of by first appearance, ties by name; nothing if no line names one.
fn ranked(
    places: HashMap<Option<String>, usize>,
    named: Vec<usize>,
    kept: impl Iterator<Item = usize>,
) -> (Vec<usize>, Vec<(String, usize)>) {
    if places.keys().all(Option::is_none) {
        return (Vec::new(), Vec::new());
    }
    let mut counts = vec![0; places.len()];
    kept.for_each(|row| counts[named[row]] += 1);
    let mut order: Vec<(String, usize)> =
        places.into_iter().map(|(name, place)| (name.unwrap_or_else(|| "(no source)".to_owned()), place)).collect();
    order.sort_by(|a, b| counts[b.1].cmp(&counts[a.1]).then_with(|| a.0.cmp(&b.0)));
    let mut rank = vec![0; order.len()];
    let mut sources: Vec<(String, usize)> = Vec::new();
    for (name, place) in order {
        if sources.len() == SOURCES {
            sources[SOURCES - 1].0 = "(others)".to_owned();
            sources[SOURCES - 1].1 += counts[place];
        } else {
            sources.push((name, counts[place]));
        }
        rank[place] = sources.len() - 1;
    }
    (named.into_iter().map(|place| rank[place]).collect(), sources)
}

/// Tokens of a text.
fn count(text: &str) -> u32 {
    let mut count = 0;
    each_word(text, |_| count += 1);
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_marks_are_tokens() {
        assert_eq!(count("Don't add_up 3.14, größer!"), 12);
        assert_eq!(count(" \n\t"), 0);
    }

    #[test]
    fn sources_come_commonest_first() {
        let places = HashMap::from([(Some("b".to_owned()), 0), (None, 1), (Some("a".to_owned()), 2)]);
        let (of, sources) = ranked(places, vec![0, 1, 2, 2, 1, 1], 0..6);
        let named: Vec<(&str, usize)> = sources.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        assert_eq!(named, [("(no source)", 3), ("a", 2), ("b", 1)]);
        assert_eq!(of, [2, 0, 1, 1, 0, 0]);
    }
}
