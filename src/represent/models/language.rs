//! Causal language models as they are opened: a folder, or one GGUF file.

use std::ffi::OsStr;
use std::path::Path;

use kantor_solvers::Watch;

use super::causal::{Causal, Shape};
use super::folder::Folder;
use super::gguf::Gguf;
use super::less::Less;
use super::tensors::Tensors;
use super::tokens::Tokens;
use super::weights::Files;
use super::{claim_working, llama, longest};
use crate::represent::encoder::EncoderOptions;
use crate::source::DataError;
use crate::source::memory::Allowance;

/// A language model and what reads text for it.
pub(super) struct Language {
    pub(super) model: Causal,
    pub(super) tokens: Tokens,
    pub(super) longest: usize,
    pub(super) digest: String,
}

/// Tokens of a text that causal models are given, unless another number is asked for: as RDS+ was published.
const LONGEST: usize = 2048;

/// Whether this is the name of a model in one file.
pub(super) fn is_one_file(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case(OsStr::new("gguf")))
}

/// What `make` makes of the model in a folder, which it may differentiate, and of its tensors.
pub(super) fn of_folder<T>(
    mut folder: Folder,
    options: &EncoderOptions,
    differentiates: bool,
    allowance: &Allowance,
    watch: &dyn Watch,
    make: impl FnOnce(Language, &dyn Tensors) -> Result<T, DataError>,
) -> Result<T, DataError> {
    let shape = llama::shape(&mut folder)?;
    let longest = longest(&folder.path, options, shape.positions, Some(LONGEST))?;
    let tokens = Tokens::read(&mut folder, longest, shape.vocabulary)?;
    claim_working(&folder.path, working(&shape, longest, differentiates), allowance)?;
    let files = Files::open(&mut folder, "", watch)?;
    let weights = files.weights(&folder, "embed_tokens.weight", allowance)?;
    let model = Causal::read(shape, longest, &weights)?;
    let made = make(Language { model, tokens, longest, digest: folder.digest() }, &weights)?;
    files.check()?;
    Ok(made)
}

/// The same of the model in a file.
pub(super) fn of_file<T>(
    path: &Path,
    options: &EncoderOptions,
    differentiates: bool,
    allowance: &Allowance,
    watch: &dyn Watch,
    make: impl FnOnce(Language, &dyn Tensors) -> Result<T, DataError>,
) -> Result<T, DataError> {
    let file = Gguf::open(path, allowance, watch)?;
    let shape = file.shape()?;
    let longest = longest(path, options, shape.positions, Some(LONGEST))?;
    let tokens = Tokens::of_tokenizer(file.tokenizer()?, longest, shape.vocabulary)
        .map_err(|fault| DataError::malformed(path, fault, "take another file of the model"))?;
    claim_working(path, working(&shape, longest, differentiates), allowance)?;
    let model = Causal::read(shape, longest, &file)?;
    let made = make(Language { model, tokens, longest, digest: file.sha256.clone() }, &file)?;
    file.check()?;
    Ok(made)
}

/// Bytes that work on a text of so many tokens takes, about.
fn working(shape: &Shape, longest: usize, differentiates: bool) -> u64 {
    if differentiates { Less::working(shape, longest) } else { shape.working(longest) }
}
