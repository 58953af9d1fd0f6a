//! Causal language models in one file, GGUF: sizes, weights (packed or not), and the tokenizer.

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::quantized::tokenizer::TokenizerFromGguf;
use candle_core::{DType, Device, Tensor};
use kantor_solvers::Watch;
use tokenizers::Tokenizer;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use super::causal::Shape;
use super::tensors::{HEAD, Tensors};
use crate::source::memory::{Allowance, Claim};
use crate::source::{DataError, Source};

/// How files begin.
const MAGIC: &[u8] = b"GGUF";

/// The kind of model that is read.
const LLAMA: &str = "llama";

/// Ways of splitting text into words that are converted as they are meant.
const SPLIT_BY: [&str; 7] = ["default", "gpt-2", "smollm", "qwen2", "llama3", "smaug-bpe", "lfm2"];

const HOW: &str = "give a .gguf file of a model of the Llama family, or its folder as save_pretrained writes it";

pub(super) struct Gguf {
    source: Source,
    content: Content,
    pub(super) sha256: String,
}

impl Gguf {
    pub(super) fn open(path: &Path, allowance: &Allowance, watch: &dyn Watch) -> Result<Self, DataError> {
        let source = Source::open(path)?;
        watch.begin("read the model", source.identity.bytes);
        let sha256 = source.digest(watch)?;
        let bytes = source.bytes();
        let bad = |fault: String| DataError::malformed(path, fault, HOW);
        if !bytes.starts_with(MAGIC) {
            return Err(bad("is no GGUF file".to_owned()));
        }
        if has_no_alignment(bytes) {
            return Err(bad("says that numbers begin at multiples of 0".to_owned()));
        }
        let mut reader =
            Metered { inner: Cursor::new(bytes), claim: Claim::new(allowance, path), owed: 0, refused: None };
        let content = match Content::read(&mut reader) {
            Ok(content) => content,
            Err(error) => return Err(reader.refused.unwrap_or_else(|| bad(format!("cannot be read: {error}")))),
        };
        reader.claim.keep();
        let numbers = |shape: &[usize]| shape.iter().try_fold(1usize, |all, &n| all.checked_mul(n));
        let counts = content.tensor_infos.values().map(|info| numbers(info.shape.dims()).unwrap_or(usize::MAX));
        let all = counts.fold(0usize, usize::saturating_add) as u64;
        let mut claim = Claim::new(allowance, path);
        claim.add(
            all.saturating_mul(4),
            "the weights of the model",
            "allow more with --max-memory, or take a smaller model",
        )?;
        claim.keep();
        Ok(Self { source, content, sha256 })
    }

    fn bad(&self, fault: impl Into<String>) -> DataError {
        DataError::malformed(&self.source.path, fault.into(), HOW)
    }

    fn value(&self, key: &str) -> Result<&Value, DataError> {
        self.content.metadata.get(key).ok_or_else(|| self.bad(format!("does not say `{key}`")))
    }

    fn size(&self, key: &str) -> Result<usize, DataError> {
        let size = self.value(key)?.to_u32().ok().filter(|size| (1..=super::folder::LARGEST as u32).contains(size));
        size.map(|size| size as usize).ok_or_else(|| self.bad(format!("says nothing sensible of `{key}`")))
    }

    /// The model.
    pub(super) fn shape(&self) -> Result<Shape, DataError> {
        let kind = self.value("general.architecture")?.to_string().map_err(|error| self.bad(error.to_string()))?;
        if kind != LLAMA {
            return Err(self.bad(format!("is of a model of type `{kind}`, not {LLAMA}")));
        }
        let of = |name: &str| self.size(&format!("{LLAMA}.{name}"));
        let real = |name: &str| {
            let value =
                self.value(&format!("{LLAMA}.{name}"))?.to_f32().ok().filter(|value| value.is_finite() && *value > 0.0);
            value.ok_or_else(|| self.bad(format!("says nothing sensible of `{LLAMA}.{name}`")))
        };
        let (width, heads) = (of("embedding_length")?, of("attention.head_count")?);
        let key_heads = of("attention.head_count_kv").unwrap_or(heads);
        let head = of("attention.key_length").unwrap_or(width / heads);
        let scaled = self.content.metadata.keys().find(|key| key.contains(".rope.scaling."));
        if let Some(key) = scaled {
            return Err(self.bad(format!("scales its positions (`{key}`)")));
        }
        if head == 0 || !head.is_multiple_of(2) || !heads.is_multiple_of(key_heads) {
            return Err(self.bad(format!("has {heads} heads, {key_heads} of keys, of {head} numbers")));
        }
        let vocabulary = self.content.tensor_infos.get("token_embd.weight").and_then(|info| info.shape.dims().first());
        Ok(Shape {
            vocabulary: *vocabulary.ok_or_else(|| self.bad("has no `token_embd.weight`"))?,
            width,
            layers: of("block_count")?,
            heads,
            key_heads,
            head,
            wide: of("feed_forward_length")?,
            positions: of("context_length")?,
            theta: real("rope.freq_base").map_or(1e4, f64::from),
            eps: real("attention.layer_norm_rms_epsilon")?,
            has_bias: false,
            has_head_norms: false,
            is_interleaved: true,
            is_tied: !self.content.tensor_infos.contains_key("output.weight"),
        })
    }

    /// The tokenizer: as it is converted, but without a space before the first word.
    pub(super) fn tokenizer(&self) -> Result<Tokenizer, DataError> {
        const SPLITS: &str = "tokenizer.ggml.pre";
        let splits = self.content.metadata.get(SPLITS).and_then(|value| value.to_string().ok());
        if let Some(splits) = splits.filter(|splits| !SPLIT_BY.contains(&&splits[..])) {
            return Err(self.bad(format!("splits text into words by `{splits}`, which is not read")));
        }
        let mut tokenizer = Tokenizer::from_gguf(&self.content)
            .map_err(|error| self.bad(format!("has no tokenizer that is read: {error}")))?;
        if let Some(PreTokenizerWrapper::ByteLevel(found)) = tokenizer.get_pre_tokenizer() {
            let unspaced = ByteLevel::new(false, found.trim_offsets, found.use_regex);
            tokenizer.with_pre_tokenizer(Some(unspaced));
        }
        Ok(tokenizer)
    }

    /// Fails if the file was changed while it was read.
    pub(super) fn check(&self) -> Result<(), DataError> {
        self.source.check_unchanged()
    }
}

/// What a value of the metadata takes beside its text, as its reader keeps it: arrays of bytes too are lists of values.
const VALUE: u64 = 64;

/// Memory that is asked for at a time.
const STEP: u64 = 1 << 20;

/// A file whose metadata count towards the memory that is allowed: every value takes a read of its own.
struct Metered<'b, 'a> {
    inner: Cursor<&'b [u8]>,
    claim: Claim<'a>,
    owed: u64,
    refused: Option<DataError>,
}

impl Read for Metered<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.owed += VALUE + into.len() as u64;
        if self.owed >= STEP {
            let remedy = "allow more with --max-memory, or take another model";
            if let Err(error) =
                self.claim.add(std::mem::take(&mut self.owed), "what the file says of the model", remedy)
            {
                self.refused = Some(error);
                return Err(io::ErrorKind::OutOfMemory.into());
            }
        }
        self.inner.read(into)
    }
}

impl Seek for Metered<'_, '_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

/// The name in such files of what HuggingFace calls so.
fn renamed(name: &str) -> String {
    const NAMES: [(&str, &str); 9] = [
        ("input_layernorm", "attn_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("post_attention_layernorm", "ffn_norm"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
    ];
    match name {
        "embed_tokens.weight" => "token_embd.weight".to_owned(),
        "norm.weight" => "output_norm.weight".to_owned(),
        HEAD => "output.weight".to_owned(),
        _ => NAMES.iter().fold(name.replacen("layers.", "blk.", 1), |name, (from, to)| name.replacen(from, to, 1)),
    }
}

impl Tensors for Gguf {
    fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor, DataError> {
        let name = renamed(name);
        let Some(info) = self.content.tensor_infos.get(&name) else {
            return Err(self.bad(format!("has no tensor `{name}`")));
        };
        if info.shape.dims() != shape {
            return Err(
                self.bad(format!("has `{name}` of shape {:?}, where the sizes ask for {shape:?}", info.shape.dims()))
            );
        }
        let mut reader = Cursor::new(self.source.bytes());
        let read =
            self.content.tensor(&mut reader, &name, &Device::Cpu).and_then(|packed| packed.dequantize(&Device::Cpu));
        let tensor = read.and_then(|read| read.to_dtype(DType::F32)).map_err(|error| self.failed(&error))?;
        match super::weights::largest(&tensor).map_err(|error| self.failed(&error))? {
            most if most.is_finite() => Ok(tensor),
            _ => Err(self.bad(format!("has numbers in `{name}` that are not finite"))),
        }
    }

    fn failed(&self, error: &candle_core::Error) -> DataError {
        self.bad(format!("cannot be used: {error}"))
    }
}

/// Whether the file says that numbers begin at multiples of zero, by which its reader would divide.
fn has_no_alignment(bytes: &[u8]) -> bool {
    const KEY: &[u8] = b"general.alignment";
    memchr::memmem::find_iter(bytes, KEY).any(|at| {
        let Some((kind, value)) = bytes[at + KEY.len()..].split_first_chunk::<4>() else { return false };
        let length = match u32::from_le_bytes(*kind) {
            0 | 1 => 1,
            2 | 3 => 2,
            4 | 5 => 4,
            _ => return false,
        };
        value.get(..length).is_some_and(|value| value.iter().all(|&byte| byte == 0))
    })
}
