//! What a folder says of a model, and of a sentence encoder in it: its layers, how their output becomes one row, and what texts begin with.
//!
//! The layout is that of HuggingFace (`config.json`, `tokenizer.json`, `model.safetensors`) with the files of sentence-transformers
//! beside them (`modules.json`, `1_Pooling`, `sentence_bert_config.json`, `config_sentence_transformers.json`), of which each may
//! be missing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kantor_theory::json;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::source::whole::{self, Whole};
use crate::source::{DataError, hexadecimal};

/// A folder that is read, and what was read of it so far.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// Digests of its files, by name.
    digests: BTreeMap<String, String>,
}

/// What `config.json` says of a BERT.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Config {
    pub(super) vocab_size: usize,
    pub(super) hidden_size: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: usize,
    pub(super) intermediate_size: usize,
    pub(super) max_position_embeddings: usize,
    pub(super) hidden_act: String,
    pub(super) layer_norm_eps: f64,
    #[serde(default = "one")]
    pub(super) type_vocab_size: usize,
    #[serde(default = "absolute")]
    position_embedding_type: String,
}

fn one() -> usize {
    1
}

fn absolute() -> String {
    ABSOLUTE.to_owned()
}

const ABSOLUTE: &str = "absolute";

/// The kind of sentence encoders whose layers are told here.
pub(super) const BERT: &str = "bert";

/// Layers, heads and numbers of a layer beyond which a file is no sentence encoder.
pub(super) const LARGEST: usize = 1 << 20;

/// How the hidden states of tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pooling {
    /// Their mean.
    Mean,
    /// That of the first token.
    First,
}

/// What is done with the hidden states after the last layer, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Pool(Pooling),
    /// A linear map, of which the weights are in this folder.
    Dense(Dense),
    /// To unit length.
    Normalize,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Dense {
    pub(super) in_features: usize,
    pub(super) out_features: usize,
    pub(super) bias: bool,
    activation_function: String,
    #[serde(skip)]
    pub(super) folder: String,
}

impl Dense {
    /// Whether tanh follows.
    pub(super) fn has_tanh(&self) -> bool {
        self.activation_function.ends_with("Tanh")
    }
}

#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

/// The switches of `1_Pooling/config.json`, under names that say what they do.
#[derive(Deserialize, Default)]
#[serde(default)]
struct PoolingConfig {
    pooling_mode_cls_token: bool,
    pooling_mode_mean_tokens: bool,
    pooling_mode_max_tokens: bool,
    pooling_mode_mean_sqrt_len_tokens: bool,
    pooling_mode_weightedmean_tokens: bool,
    pooling_mode_lasttoken: bool,
    pooling_mode: Option<String>,
    include_prompt: Option<bool>,
    word_embedding_dimension: Option<usize>,
}

/// What texts begin with, by name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Prompts {
    pub(super) prompts: BTreeMap<String, String>,
    pub(super) default_prompt_name: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Lengths {
    max_seq_length: Option<usize>,
}

impl Folder {
    /// Looks whether this is a folder.
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        let at = std::fs::metadata(path).map_err(DataError::io(path, "open it"))?;
        if !at.is_dir() {
            return Err(DataError::malformed(path, "is no folder", HOW));
        }
        Ok(Self { path: path.to_owned(), digests: BTreeMap::new() })
    }

    /// The fault of a file in it.
    pub(super) fn bad(&self, name: &str, fault: impl Into<String>, remedy: &str) -> DataError {
        DataError::malformed(&self.path.join(name), fault.into(), remedy)
    }

    /// Whether it has a file.
    pub(super) fn has(&self, name: &str) -> bool {
        self.path.join(name).exists()
    }

    /// Notes what a file of it holds.
    pub(super) fn note(&mut self, name: &str, sha256: String) {
        self.digests.insert(name.to_owned(), sha256);
    }

    /// One digest of all that was read of it: SHA-256 of names and digests.
    pub(super) fn digest(&self) -> String {
        let mut all = Sha256::new();
        for (name, digest) in &self.digests {
            all.update(format!("{digest}  {name}\n"));
        }
        hexadecimal(all)
    }

    /// The bytes of a small file.
    pub(super) fn read(&mut self, name: &str, kind: Whole) -> Result<Vec<u8>, DataError> {
        if !self.has(name) {
            return Err(self.bad(name, "is not there", HOW));
        }
        let bytes = whole::read(&self.path.join(name), kind)?;
        self.note(name, hexadecimal(Sha256::new_with_prefix(&bytes)));
        Ok(bytes)
    }

    pub(super) fn json<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, DataError> {
        let bytes = self.read(name, Whole::ModelSettings)?;
        json::from_slice(&bytes).map_err(|error| self.bad(name, format!("cannot be read: {error}"), HOW))
    }

    fn json_if_there<T: DeserializeOwned + Default>(&mut self, name: &str) -> Result<T, DataError> {
        if self.has(name) { self.json(name) } else { Ok(T::default()) }
    }

    /// The kind of model.
    pub(super) fn kind(&mut self) -> Result<String, DataError> {
        #[derive(Deserialize)]
        struct Kind {
            model_type: String,
        }
        Ok(self.json::<Kind>("config.json")?.model_type)
    }

    /// That this kind of model is not read.
    pub(super) fn unread(&self, kind: &str) -> DataError {
        self.bad("config.json", format!("is of a model of type `{kind}`"), KINDS)
    }

    /// The layers of a BERT.
    pub(super) fn config(&mut self) -> Result<Config, DataError> {
        const NAME: &str = "config.json";
        let config: Config = self.json(NAME)?;
        let refuse = |fault: String| Err(self.bad(NAME, fault, KINDS));
        if config.position_embedding_type != ABSOLUTE {
            return refuse(format!("has positions of type `{}`, not `{ABSOLUTE}`", config.position_embedding_type));
        }
        if !["gelu", "gelu_new", "gelu_pytorch_tanh", "relu"].contains(&&config.hidden_act[..]) {
            return refuse(format!("has the activation `{}`, not gelu or relu", config.hidden_act));
        }
        let sizes = [
            ("hidden_size", config.hidden_size),
            ("intermediate_size", config.intermediate_size),
            ("num_hidden_layers", config.num_hidden_layers),
            ("num_attention_heads", config.num_attention_heads),
            ("max_position_embeddings", config.max_position_embeddings),
        ];
        if let Some((name, size)) = sizes.iter().find(|(_, size)| !(1..=LARGEST).contains(size)) {
            return refuse(format!("has {name} = {size}"));
        }
        if !config.hidden_size.is_multiple_of(config.num_attention_heads) {
            let (size, heads) = (config.hidden_size, config.num_attention_heads);
            return refuse(format!("has hidden_size = {size}, which {heads} heads do not divide"));
        }
        if !(config.layer_norm_eps > 0.0 && config.layer_norm_eps < 1.0) {
            return refuse(format!("has layer_norm_eps = {:e}", config.layer_norm_eps));
        }
        Ok(config)
    }

    /// What follows the last layer, which gives `width` numbers a token: by `modules.json`, or the mean where there is none.
    pub(super) fn steps(&mut self, width: usize) -> Result<Vec<Step>, DataError> {
        const NAME: &str = "modules.json";
        if !self.has(NAME) {
            return Ok(vec![Step::Pool(Pooling::Mean)]);
        }
        let modules: Vec<Module> = self.json(NAME)?;
        let mut steps = Vec::new();
        for (at, module) in modules.iter().enumerate() {
            let kind = module.kind.rsplit('.').next().unwrap_or_default();
            match (kind, at) {
                ("Transformer", 0) if module.path.is_empty() => {}
                ("Pooling", 1) => steps.push(Step::Pool(self.pooling(&module.path, width)?)),
                ("Dense", 2..) => steps.push(Step::Dense(self.dense(&module.path)?)),
                ("Normalize", 2..) => steps.push(Step::Normalize),
                _ => {
                    let fault = format!("has `{}` as module {at}", module.kind);
                    let remedy = "what is read is Transformer, Pooling, then Dense and Normalize";
                    return Err(self.bad(NAME, fault, remedy));
                }
            }
        }
        if !matches!(steps.first(), Some(Step::Pool(_))) {
            return Err(self.bad(NAME, "has no Pooling", HOW));
        }
        Ok(steps)
    }

    fn pooling(&mut self, folder: &str, width: usize) -> Result<Pooling, DataError> {
        let name = self.within(folder)?;
        let config: PoolingConfig = self.json(&name)?;
        let modes = [
            (config.pooling_mode_cls_token, "cls"),
            (config.pooling_mode_mean_tokens, "mean"),
            (config.pooling_mode_max_tokens, "max"),
            (config.pooling_mode_mean_sqrt_len_tokens, "mean_sqrt_len_tokens"),
            (config.pooling_mode_weightedmean_tokens, "weightedmean"),
            (config.pooling_mode_lasttoken, "lasttoken"),
        ];
        let mut on: Vec<&str> = modes.iter().filter(|mode| mode.0).map(|mode| mode.1).collect();
        on.extend(config.pooling_mode.as_deref());
        if config.include_prompt == Some(false) {
            return Err(self.bad(&name, "leaves prompts out of the mean", "models without this are read"));
        }
        if let Some(told) = config.word_embedding_dimension.filter(|told| *told != width) {
            return Err(self.bad(&name, format!("pools {told} numbers a token, and the model gives {width}"), HOW));
        }
        match on[..] {
            ["mean"] => Ok(Pooling::Mean),
            ["cls"] => Ok(Pooling::First),
            _ => Err(self.bad(&name, format!("pools by [{}]", on.join(", ")), "the mean or the first token are read")),
        }
    }

    fn dense(&mut self, folder: &str) -> Result<Dense, DataError> {
        let name = self.within(folder)?;
        let dense: Dense = self.json(&name)?;
        if !["Identity", "Tanh"].iter().any(|known| dense.activation_function.ends_with(known)) {
            let fault = format!("has the activation `{}`", dense.activation_function);
            return Err(self.bad(&name, fault, "Identity and Tanh are read"));
        }
        if [dense.in_features, dense.out_features].iter().any(|size| !(1..=LARGEST).contains(size)) {
            return Err(self.bad(&name, format!("maps {} to {} numbers", dense.in_features, dense.out_features), HOW));
        }
        Ok(Dense { folder: folder.to_owned(), ..dense })
    }

    /// The settings in a folder of this one, which does not lead out of it.
    fn within(&self, folder: &str) -> Result<String, DataError> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if folder.is_empty() || !folder.chars().all(is_name) {
            return Err(self.bad(
                "modules.json",
                format!("has a module in `{folder}`"),
                "modules are in folders of it",
            ));
        }
        Ok(format!("{folder}/config.json"))
    }

    /// Tokens of a text beyond which the model was not meant to read, if that is said.
    pub(super) fn longest(&mut self) -> Result<Option<usize>, DataError> {
        Ok(self.json_if_there::<Lengths>("sentence_bert_config.json")?.max_seq_length)
    }

    /// What texts begin with.
    pub(super) fn prompts(&mut self) -> Result<Prompts, DataError> {
        self.json_if_there("config_sentence_transformers.json")
    }
}

/// What a folder must hold.
pub(super) const HOW: &str = "give the folder of a model: config.json, tokenizer.json, model.safetensors, as \
                              save_pretrained of transformers or sentence-transformers writes it";

const KINDS: &str = "sentence encoders of type `bert` (MiniLM, BGE, E5, GTE) and `t5` (GTR), and language models of type llama, mistral, qwen2 \
                     and qwen3 are read";
