//! Text as the tokens of a model, cut at the most that it reads.

use tokenizers::{Tokenizer, TruncationParams};

use super::folder::{Folder, HOW};
use crate::source::DataError;
use crate::source::whole::Whole;

const NAME: &str = "tokenizer.json";

pub(super) struct Tokens {
    tokenizer: Tokenizer,
}

/// The tokens of a text, those that mark its ends included.
pub(super) struct Tokenized {
    pub(super) ids: Vec<u32>,
    /// Whether tokens were left out at the end.
    pub(super) is_cut: bool,
}

impl Tokens {
    /// Of a model that knows tokens below `vocabulary`. What the file says of cutting and padding is not heeded.
    pub(super) fn read(folder: &mut Folder, longest: usize, vocabulary: usize) -> Result<Self, DataError> {
        let bytes = folder.read(NAME, Whole::Tokenizer)?;
        let refuse = |error: tokenizers::Error| folder.bad(NAME, format!("is no tokenizer: {error}"), HOW);
        let mut tokenizer = Tokenizer::from_bytes(&bytes).map_err(refuse)?;
        tokenizer.with_padding(None);
        let cut = TruncationParams { max_length: longest, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(cut)).map_err(refuse)?;
        let words = tokenizer.get_vocab(true);
        if let Some((word, id)) = words.iter().filter(|word| *word.1 as usize >= vocabulary).min_by_key(|word| word.1) {
            let fault = format!("has the token {word:?} as number {id}, and the model has {vocabulary}");
            return Err(folder.bad(NAME, fault, "take tokenizer and weights of one model"));
        }
        Ok(Self { tokenizer })
    }

    /// The tokens of a text.
    ///
    /// # Errors
    /// What the tokenizer says.
    pub(super) fn of(&self, text: &str) -> Result<Tokenized, String> {
        let found = self.tokenizer.encode_fast(text, true).map_err(|error| error.to_string())?;
        Ok(Tokenized { ids: found.get_ids().to_vec(), is_cut: !found.get_overflowing().is_empty() })
    }
}
