//! What a folder says of a causal language model, in `config.json`.

use serde::Deserialize;
use serde_json::Value;

use super::causal::Shape;
use super::folder::{Folder, LARGEST};
use crate::source::DataError;

/// Kinds of models that are read.
pub(super) const KINDS: [&str; 4] = ["llama", "mistral", "qwen2", "qwen3"];

const NAME: &str = "config.json";

#[derive(Deserialize)]
struct Config {
    model_type: String,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    max_position_embeddings: usize,
    rms_norm_eps: f64,
    hidden_act: String,
    rope_theta: Option<f64>,
    rope_scaling: Option<Value>,
    rope_parameters: Option<Turns>,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    sliding_window: Option<usize>,
    #[serde(default = "yes")]
    use_sliding_window: bool,
    #[serde(default)]
    tie_word_embeddings: bool,
}

fn yes() -> bool {
    true
}

/// Positions, as newer files have them.
#[derive(Deserialize)]
struct Turns {
    rope_theta: Option<f64>,
    rope_type: Option<String>,
}

/// The model of a folder.
pub(super) fn shape(folder: &mut Folder) -> Result<Shape, DataError> {
    let config: Config = folder.json(NAME)?;
    let refuse = |fault: String| {
        Err(folder.bad(NAME, fault, "models of type llama, mistral, qwen2 and qwen3 as published are read"))
    };
    let heads = config.num_attention_heads;
    let key_heads = config.num_key_value_heads.unwrap_or(heads);
    let head = config.head_dim.unwrap_or(config.hidden_size / heads.max(1));
    let sizes = [
        ("vocab_size", config.vocab_size),
        ("hidden_size", config.hidden_size),
        ("intermediate_size", config.intermediate_size),
        ("num_hidden_layers", config.num_hidden_layers),
        ("num_attention_heads", heads),
        ("num_key_value_heads", key_heads),
        ("head_dim", head),
        ("max_position_embeddings", config.max_position_embeddings),
    ];
    if let Some((name, size)) = sizes.iter().find(|(_, size)| !(1..=LARGEST).contains(size)) {
        return refuse(format!("has {name} = {size}"));
    }
    if !heads.is_multiple_of(key_heads) || !head.is_multiple_of(2) {
        return refuse(format!("has {heads} heads, {key_heads} of keys, of {head} numbers"));
    }
    let turned = config.rope_parameters.as_ref().and_then(|turns| turns.rope_type.as_deref()).unwrap_or("default");
    let scaled = config.rope_scaling.filter(|scaling| !scaling.is_null());
    if turned != "default" || scaled.is_some() {
        let how = scaled.map_or_else(|| turned.to_owned(), |scaling| scaling.to_string());
        return refuse(format!("scales its positions ({how})"));
    }
    if config.hidden_act != "silu" || config.mlp_bias {
        return refuse(format!("has units `{}`, with a bias: {}", config.hidden_act, config.mlp_bias));
    }
    let theta = config.rope_parameters.and_then(|turns| turns.rope_theta).or(config.rope_theta).unwrap_or(1e4);
    if !(theta.is_finite() && theta >= 1.0 && config.rms_norm_eps > 0.0 && config.rms_norm_eps < 1.0) {
        return refuse(format!("has rope_theta = {theta:e}, rms_norm_eps = {:e}", config.rms_norm_eps));
    }
    // Tokens further back than this are not looked at, which is not done here.
    let window = config.sliding_window.filter(|_| config.use_sliding_window).unwrap_or(usize::MAX);
    Ok(Shape {
        vocabulary: config.vocab_size,
        width: config.hidden_size,
        layers: config.num_hidden_layers,
        heads,
        key_heads,
        head,
        wide: config.intermediate_size,
        positions: config.max_position_embeddings.min(window.max(1)),
        theta,
        eps: config.rms_norm_eps as f32,
        has_bias: config.attention_bias || config.model_type == "qwen2",
        has_head_norms: config.model_type == "qwen3",
        is_interleaved: false,
        is_tied: config.tie_word_embeddings,
    })
}
