//! A small language model of the Llama family with random weights, as a folder and as one file, and its rows by plain loops in `f64`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

const WIDTH: usize = 12;
const HEADS: usize = 6;
const KEY_HEADS: usize = 2;
const HEAD: usize = 4;
const WIDE: usize = 20;
const LAYERS: usize = 2;
const POSITIONS: usize = 32;
const THETA: f64 = 100.0;
const EPS: f64 = 1e-5;

/// Bytes as byte-level tokenizers write them, all of them printable here, and one pair.
const WORDS: [&str; 9] = ["a", "b", "c", "Ġ", "ab", "<s>", "Ċ", "d", "x"];

pub(super) struct Language {
    kind: &'static str,
    weights: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl Language {
    /// Of the kind `llama`, `qwen2` (with biases) or `qwen3` (with norms of heads).
    pub(super) fn new(kind: &'static str, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut weights = BTreeMap::new();
        let mut put = |name: String, shape: &[usize], around: f32| {
            let numbers = (0..shape.iter().product()).map(|_| around + rng.random_range(-0.5_f32..0.5)).collect();
            weights.insert(format!("model.{name}"), (shape.to_vec(), numbers));
        };
        put("embed_tokens.weight".to_owned(), &[WORDS.len(), WIDTH], 0.0);
        put("norm.weight".to_owned(), &[WIDTH], 1.0);
        for layer in 0..LAYERS {
            let mut put =
                |name: &str, shape: &[usize], around: f32| put(format!("layers.{layer}.{name}"), shape, around);
            put("input_layernorm.weight", &[WIDTH], 1.0);
            put("post_attention_layernorm.weight", &[WIDTH], 1.0);
            for (name, heads) in [("q", HEADS), ("k", KEY_HEADS), ("v", KEY_HEADS)] {
                put(&format!("self_attn.{name}_proj.weight"), &[heads * HEAD, WIDTH], 0.0);
                if kind == "qwen2" {
                    put(&format!("self_attn.{name}_proj.bias"), &[heads * HEAD], 0.0);
                }
                if kind == "qwen3" && name != "v" {
                    put(&format!("self_attn.{name}_norm.weight"), &[HEAD], 1.0);
                }
            }
            put("self_attn.o_proj.weight", &[WIDTH, HEADS * HEAD], 0.0);
            put("mlp.gate_proj.weight", &[WIDE, WIDTH], 0.0);
            put("mlp.up_proj.weight", &[WIDE, WIDTH], 0.0);
            put("mlp.down_proj.weight", &[WIDTH, WIDE], 0.0);
        }
        Self { kind, weights }
    }

    /// Writes the folder, as transformers lays it out.
    pub(super) fn write(&self, folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        let put = |name: &str, value: Value| fs::write(folder.join(name), value.to_string()).unwrap();
        put(
            "config.json",
            json!({
                "model_type": self.kind, "vocab_size": WORDS.len(), "hidden_size": WIDTH, "intermediate_size": WIDE,
                "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": KEY_HEADS, "head_dim": HEAD,
                "max_position_embeddings": POSITIONS, "rms_norm_eps": EPS, "hidden_act": "silu", "rope_theta": THETA,
                "rope_scaling": null, "sliding_window": null, "tie_word_embeddings": true,
            }),
        );
        let words: BTreeMap<&str, usize> = WORDS.iter().enumerate().map(|(at, &word)| (word, at)).collect();
        put(
            "tokenizer.json",
            json!({
                "version": "1.0", "truncation": null, "padding": null,
                "added_tokens": [{"id": 5, "content": "<s>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false}],
                "normalizer": null,
                "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
                "post_processor": null, "decoder": null,
                "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
                          "fuse_unk": false, "byte_fallback": false, "vocab": words, "merges": ["a b"]},
            }),
        );
        let (mut header, mut bytes) = (serde_json::Map::new(), Vec::new());
        for (name, (shape, numbers)) in &self.weights {
            let start = bytes.len();
            numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
            header.insert(name.clone(), json!({"dtype": "F32", "shape": shape, "data_offsets": [start, bytes.len()]}));
        }
        let mut header = Value::Object(header).to_string().into_bytes();
        header.resize(header.len().next_multiple_of(8), b' ');
        fs::write(
            folder.join("model.safetensors"),
            [&(header.len() as u64).to_le_bytes(), &header[..], &bytes].concat(),
        )
        .unwrap();
    }

    /// The same in one file, as llama.cpp converts it: numbers that turn together stand side by side.
    pub(super) fn gguf(&self) -> Vec<u8> {
        let mut file = Gguf::default();
        let sizes = [
            ("block_count", LAYERS),
            ("context_length", POSITIONS),
            ("embedding_length", WIDTH),
            ("feed_forward_length", WIDE),
            ("attention.head_count", HEADS),
            ("attention.head_count_kv", KEY_HEADS),
            ("attention.key_length", HEAD),
        ];
        file.text("general.architecture", "llama");
        sizes.iter().for_each(|(name, size)| file.number(&format!("llama.{name}"), 4, &(*size as u32).to_le_bytes()));
        file.number("llama.rope.freq_base", 6, &(THETA as f32).to_le_bytes());
        file.number("llama.attention.layer_norm_rms_epsilon", 6, &(EPS as f32).to_le_bytes());
        file.text("tokenizer.ggml.model", "gpt2");
        file.text("tokenizer.ggml.pre", "smollm");
        file.texts("tokenizer.ggml.tokens", &WORDS);
        file.texts("tokenizer.ggml.merges", &["a b"]);
        // Control tokens are of kind 3.
        let kinds = WORDS.map(|word| if word == "<s>" { 3_i32 } else { 1 });
        let kinds: Vec<u8> = kinds.iter().flat_map(|kind| kind.to_le_bytes()).collect();
        let list = [&5_u32.to_le_bytes()[..], &(WORDS.len() as u64).to_le_bytes(), &kinds].concat();
        file.number("tokenizer.ggml.token_type", 9, &list);
        for (name, (shape, numbers)) in &self.weights {
            let name = name.strip_prefix("model.").unwrap();
            let renamed = [
                ("embed_tokens", "token_embd"),
                ("layers.", "blk."),
                ("input_layernorm", "attn_norm"),
                ("post_attention_layernorm", "ffn_norm"),
                ("self_attn.o_proj", "attn_output"),
                ("self_attn.", "attn_"),
                ("mlp.", "ffn_"),
                ("_proj", ""),
            ];
            let mut new = if name == "norm.weight" { "output_norm.weight".to_owned() } else { name.to_owned() };
            renamed.iter().for_each(|(from, to)| new = new.replace(from, to));
            let numbers = if new.contains("attn_q.") || new.contains("attn_k.") {
                // Of each head, number i and number i + half stand side by side.
                let rows: Vec<&[f32]> = numbers.chunks(WIDTH).collect();
                let place = |at: usize| at / HEAD * HEAD + at % HEAD / 2 + at % 2 * (HEAD / 2);
                (0..rows.len()).flat_map(|at| rows[place(at)].to_vec()).collect()
            } else {
                numbers.clone()
            };
            file.tensor(&new, shape, &numbers);
        }
        file.bytes()
    }

    fn at(&self, name: &str) -> Vec<f64> {
        self.weights[&format!("model.{name}")].1.iter().map(|&number| f64::from(number)).collect()
    }

    fn linear(&self, name: &str, row: &[f64]) -> Vec<f64> {
        let weight = self.at(&format!("{name}.weight"));
        let bias = format!("{name}.bias");
        let mut made: Vec<f64> =
            weight.chunks(row.len()).map(|line| line.iter().zip(row).map(|(w, x)| w * x).sum()).collect();
        if self.weights.contains_key(&format!("model.{bias}")) {
            made.iter_mut().zip(self.at(&bias)).for_each(|(x, b)| *x += b);
        }
        made
    }

    fn norm(&self, name: &str, row: &[f64]) -> Vec<f64> {
        let length = (row.iter().map(|x| x * x).sum::<f64>() / row.len() as f64 + EPS).sqrt();
        row.iter().zip(self.at(&format!("{name}.weight"))).map(|(x, w)| x / length * w).collect()
    }

    /// One head, turned by its place.
    fn head(&self, layer: usize, name: &str, row: &[f64], head: usize, place: usize) -> Vec<f64> {
        let own = &row[head * HEAD..(head + 1) * HEAD];
        let own = match self.kind {
            "qwen3" => self.norm(&format!("layers.{layer}.self_attn.{name}_norm"), own),
            _ => own.to_vec(),
        };
        let half = HEAD / 2;
        let turned = |at: usize| {
            let angle = place as f64 / THETA.powf(2.0 * (at % half) as f64 / HEAD as f64);
            let (sin, cos) = angle.sin_cos();
            if at < half { own[at] * cos - own[at + half] * sin } else { own[at] * cos + own[at - half] * sin }
        };
        (0..HEAD).map(turned).collect()
    }

    /// The row of these tokens.
    pub(super) fn row(&self, tokens: &[&str]) -> Vec<f64> {
        let embeddings = self.at("embed_tokens.weight");
        let id = |word: &&str| WORDS.iter().position(|known| known == word).unwrap();
        let mut states: Vec<Vec<f64>> =
            tokens.iter().map(|word| embeddings[id(word) * WIDTH..(id(word) + 1) * WIDTH].to_vec()).collect();
        for layer in 0..LAYERS {
            let name = |part: &str| format!("layers.{layer}.{part}");
            let normed: Vec<_> = states.iter().map(|state| self.norm(&name("input_layernorm"), state)).collect();
            let made = |part: &str| normed.iter().map(|row| self.linear(&name(part), row)).collect::<Vec<_>>();
            let (query, key, value) = (made("self_attn.q_proj"), made("self_attn.k_proj"), made("self_attn.v_proj"));
            let attended = |at: usize| -> Vec<f64> {
                let of_head = |head: usize| {
                    let group = head / (HEADS / KEY_HEADS);
                    let own = self.head(layer, "q", &query[at], head, at);
                    let score = |other: usize| {
                        let theirs = self.head(layer, "k", &key[other], group, other);
                        (own.iter().zip(theirs).map(|(a, b)| a * b).sum::<f64>() / (HEAD as f64).sqrt()).exp()
                    };
                    let scores: Vec<f64> = (0..=at).map(score).collect();
                    let sum: f64 = scores.iter().sum();
                    let mixed =
                        |j: usize| scores.iter().zip(&value).map(|(s, v)| s * v[group * HEAD + j]).sum::<f64>() / sum;
                    (0..HEAD).map(mixed).collect::<Vec<_>>()
                };
                self.linear(&name("self_attn.o_proj"), &(0..HEADS).flat_map(of_head).collect::<Vec<_>>())
            };
            let more: Vec<Vec<f64>> = (0..states.len()).map(attended).collect();
            states.iter_mut().flatten().zip(more.iter().flatten()).for_each(|(x, y)| *x += y);
            for state in &mut states {
                let normed = self.norm(&name("post_attention_layernorm"), state);
                let (gate, up) =
                    (self.linear(&name("mlp.gate_proj"), &normed), self.linear(&name("mlp.up_proj"), &normed));
                let wide: Vec<f64> = gate.iter().zip(up).map(|(g, u)| g / (1.0 + (-g).exp()) * u).collect();
                state.iter_mut().zip(self.linear(&name("mlp.down_proj"), &wide)).for_each(|(x, y)| *x += y);
            }
        }
        let mut row = [0.0; WIDTH];
        for (place, state) in states.iter().enumerate() {
            row.iter_mut().zip(self.norm("norm", state)).for_each(|(x, y)| *x += (place as f64 + 1.0) * y);
        }
        let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        row.iter().map(|x| x / length).collect()
    }
}

/// A file of the third version of the format.
#[derive(Default)]
struct Gguf {
    pairs: (u64, Vec<u8>),
    tensors: (u64, Vec<u8>),
    data: Vec<u8>,
}

impl Gguf {
    fn string(out: &mut Vec<u8>, text: &str) {
        out.extend_from_slice(&(text.len() as u64).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    }

    fn number(&mut self, key: &str, kind: u32, value: &[u8]) {
        self.pairs.0 += 1;
        Self::string(&mut self.pairs.1, key);
        self.pairs.1.extend_from_slice(&kind.to_le_bytes());
        self.pairs.1.extend_from_slice(value);
    }

    fn text(&mut self, key: &str, value: &str) {
        let mut text = Vec::new();
        Self::string(&mut text, value);
        self.number(key, 8, &text);
    }

    fn texts(&mut self, key: &str, values: &[&str]) {
        let mut texts = [&8_u32.to_le_bytes()[..], &(values.len() as u64).to_le_bytes()].concat();
        values.iter().for_each(|value| Self::string(&mut texts, value));
        self.number(key, 9, &texts);
    }

    fn tensor(&mut self, name: &str, shape: &[usize], numbers: &[f32]) {
        self.tensors.0 += 1;
        Self::string(&mut self.tensors.1, name);
        self.tensors.1.extend_from_slice(&(shape.len() as u32).to_le_bytes());
        shape.iter().rev().for_each(|&n| self.tensors.1.extend_from_slice(&(n as u64).to_le_bytes()));
        self.tensors.1.extend_from_slice(&0_u32.to_le_bytes());
        self.tensors.1.extend_from_slice(&(self.data.len() as u64).to_le_bytes());
        numbers.iter().for_each(|number| self.data.extend_from_slice(&number.to_le_bytes()));
        self.data.resize(self.data.len().next_multiple_of(32), 0);
    }

    fn bytes(self) -> Vec<u8> {
        let mut all =
            [&b"GGUF"[..], &3_u32.to_le_bytes(), &self.tensors.0.to_le_bytes(), &self.pairs.0.to_le_bytes()].concat();
        all.extend(self.pairs.1);
        all.extend(self.tensors.1);
        all.resize(all.len().next_multiple_of(32), 0);
        all.extend(self.data);
        all
    }
}
