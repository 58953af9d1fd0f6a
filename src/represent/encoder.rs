//! What is asked of a sentence encoder, and what it makes of a text.

/// How a sentence encoder reads texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncoderOptions {
    /// Tokens of a text that are read; as many as its folder says if left out.
    pub max_length: Option<usize>,
    /// What every text begins with; what its folder says by default if left out.
    pub prompt: Option<String>,
}

/// Why an encoder makes no row of a text, and what to do.
pub(crate) type Unmade = (String, &'static str);

/// What an encoder makes of a text.
pub(crate) struct Made {
    pub(crate) row: Vec<f32>,
    /// Whether the text was longer than what is read.
    pub(crate) is_cut: bool,
}
