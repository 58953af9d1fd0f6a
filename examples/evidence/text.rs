//! Text as numbers: words, and one vocabulary for all models.

use std::collections::HashMap;
use std::error::Error;
use std::path::PathBuf;

use kantor::solvers::Quiet;
use kantor::source::JsonlRows;
use serde::Deserialize;

use super::trigram::{FIRST, LARGEST, UNKNOWN};

/// A line of the data: what is asked, what is answered, and where it comes from.
#[derive(Debug, Deserialize)]
pub(crate) struct Example {
    prompt: String,
    response: String,
    /// Where a candidate comes from.
    pub(crate) source: Option<String>,
    /// The task of a query.
    pub(crate) task: Option<String>,
}

impl Example {
    /// Prompt and response, in lower case.
    fn text(&self) -> String {
        format!("{}\n{}", self.prompt, self.response).to_lowercase()
    }
}

/// The lines of a `.jsonl` or `.jsonl.gz` file.
pub(crate) fn read(path: PathBuf) -> Result<Vec<Example>, Box<dyn Error>> {
    let rows = JsonlRows::scan(&[path], None, &Quiet)?;
    let all: Vec<usize> = (0..rows.len()).collect();
    let lines = rows.copy(&all, &Quiet)?;
    Ok(all.iter().map(|row| serde_json::from_slice(&lines[row])).collect::<Result<_, _>>()?)
}

/// Runs of letters, digits and underscores; line ends; and every other character that is no space, alone.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() && c != '\n');
        let letters = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let length = if letters > 0 { letters } else { rest.chars().next()?.len_utf8() };
        let (word, after) = rest.split_at(length);
        rest = after;
        Some(word)
    })
}

/// The words that occur at least twice in the pool, whatever is selected of it; all others are one unknown word.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    numbers: HashMap<String, u32>,
}

impl Vocabulary {
    /// Of all candidates.
    pub(crate) fn of(pool: &[Example]) -> Result<Self, Box<dyn Error>> {
        let mut counts: HashMap<String, u32> = HashMap::new();
        for example in pool {
            for word in words(&example.text()) {
                match counts.get_mut(word) {
                    Some(count) => *count += 1,
                    None => drop(counts.insert(word.to_owned(), 1)),
                }
            }
        }
        let mut known: Vec<String> = counts.into_iter().filter(|(_, count)| *count > 1).map(|(word, _)| word).collect();
        known.sort_unstable();
        if known.len() + FIRST as usize > LARGEST {
            return Err(format!("{} different words are too many", known.len()).into());
        }
        Ok(Self { numbers: known.into_iter().zip(FIRST..).collect() })
    }

    /// Number of words, the special ones included.
    pub(crate) fn len(&self) -> usize {
        self.numbers.len() + FIRST as usize
    }

    /// The texts as numbers.
    pub(crate) fn encode(&self, examples: &[Example]) -> Vec<Vec<u32>> {
        let number = |word: &str| self.numbers.get(word).copied().unwrap_or(UNKNOWN);
        examples.iter().map(|example| words(&example.text()).map(number).collect()).collect()
    }
}
