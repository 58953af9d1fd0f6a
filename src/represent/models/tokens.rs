//! Text as the tokens of a model, cut at the most that it reads.

use std::ops::Range;

use tokenizers::{PostProcessor, Tokenizer, TruncationDirection};

use super::folder::{Folder, HOW};
use crate::source::DataError;
use crate::source::answers::Marked;
use crate::source::guard::guarded;
use crate::source::whole::Whole;

const NAME: &str = "tokenizer.json";

pub(super) struct Tokens {
    tokenizer: Tokenizer,
    /// Tokens of a text that are read, beside those that mark its ends.
    room: usize,
}

/// The tokens of a text, those that mark its ends included.
pub(super) struct Tokenized {
    pub(super) ids: Vec<u32>,
    /// Whether tokens were left out at the end.
    pub(super) is_cut: bool,
    /// The tokens that have a part in one of the ranges that were asked for.
    pub(super) within: Vec<usize>,
}

impl Tokens {
    /// Of a model that knows tokens below `vocabulary`. What the file says of cutting and padding is not heeded.
    pub(super) fn read(folder: &mut Folder, longest: usize, vocabulary: usize) -> Result<Self, DataError> {
        let bytes = folder.read(NAME, Whole::Tokenizer)?;
        let read = || {
            let tokenizer = Tokenizer::from_bytes(&bytes).map_err(|error| format!("is no tokenizer: {error}"))?;
            Self::of_tokenizer(tokenizer, longest, vocabulary)
        };
        let found = guarded(|panic| format!("is no tokenizer: {panic}"), read);
        found.map_err(|fault| folder.bad(NAME, fault, HOW))
    }

    /// The same of a tokenizer, or what is wrong with it.
    pub(super) fn of_tokenizer(mut tokenizer: Tokenizer, longest: usize, vocabulary: usize) -> Result<Self, String> {
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|error| error.to_string())?;
        let words = tokenizer.get_vocab(true);
        if let Some((word, id)) = words.iter().filter(|word| *word.1 as usize >= vocabulary).min_by_key(|word| word.1) {
            return Err(format!("has the token {word:?} as number {id}, and the model has {vocabulary}"));
        }
        let ends = tokenizer.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
        Ok(Self { tokenizer, room: longest.saturating_sub(ends) })
    }

    /// The tokens of a text, and which of them have a part in these ranges of its bytes.
    ///
    /// # Errors
    /// What the tokenizer says.
    pub(super) fn of(&self, text: &str, ranges: &[Range<usize>]) -> Result<Tokenized, String> {
        guarded(str::to_owned, || self.cut(text, ranges))
    }

    fn cut(&self, text: &str, ranges: &[Range<usize>]) -> Result<Tokenized, String> {
        let failed = |error: tokenizers::Error| error.to_string();
        let found = match ranges {
            [] => self.tokenizer.encode_fast(text, false),
            _ => self.tokenizer.encode(text, false),
        };
        let mut found = found.map_err(failed)?;
        // What is cut off does not count as left over in every tokenizer, so it is cut off here.
        let is_cut = found.len() > self.room;
        found.truncate(self.room, 0, TruncationDirection::Right);
        // Before the marks are added: with them, some tokenizers take white space off the places of tokens a second time.
        let is_within =
            |&(start, end): &(usize, usize)| ranges.iter().any(|range| start < range.end && range.start < end);
        let within: Vec<bool> = found.get_offsets().iter().map(is_within).collect();
        let found = self.tokenizer.post_process(found, None, true).map_err(failed)?;
        let of_text = found.get_special_tokens_mask().iter().enumerate().filter(|(_, special)| **special == 0);
        let within = of_text.zip(within).filter(|(_, is_within)| *is_within).map(|((at, _), _)| at).collect();
        Ok(Tokenized { ids: found.get_ids().to_vec(), is_cut, within })
    }

    /// The tokens of a text after a prompt, and which of them belong to its answers. The first of all follows nothing, so it is none.
    ///
    /// # Errors
    /// What the tokenizer says.
    pub(super) fn answering(&self, prompt: &str, text: &Marked) -> Result<Tokenized, String> {
        let ranges: Vec<_> =
            text.answers.iter().map(|range| prompt.len() + range.start..prompt.len() + range.end).collect();
        let mut found = self.of(&format!("{prompt}{}", text.text), &ranges)?;
        found.within.retain(|&at| at > 0);
        Ok(found)
    }
}
