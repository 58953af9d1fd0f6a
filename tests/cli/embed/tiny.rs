//! A small BERT with random weights, as a folder, and its rows by plain loops in `f64`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

const HIDDEN: usize = 12;
const HEADS: usize = 3;
const WIDE: usize = 20;
const LAYERS: usize = 2;
const POSITIONS: usize = 24;
const EPS: f64 = 1e-12;
/// Numbers of a row after the linear map.
pub(super) const MAPPED: usize = 5;

const WORDS: [&str; 12] =
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "query", ":", "add", "two", "numbers", "and", "three", "##s"];

pub(super) struct Tiny {
    pub(super) weights: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    /// What follows the layers.
    pub(super) first: bool,
    pub(super) mapped: bool,
    pub(super) unit: bool,
}

impl Tiny {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut weights = BTreeMap::new();
        let mut put = |name: String, shape: &[usize], around: f32| {
            let numbers = (0..shape.iter().product()).map(|_| around + rng.random_range(-0.5_f32..0.5)).collect();
            weights.insert(name, (shape.to_vec(), numbers));
        };
        let norm = |put: &mut dyn FnMut(String, &[usize], f32), name: &str| {
            put(format!("{name}.LayerNorm.weight"), &[HIDDEN], 1.0);
            put(format!("{name}.LayerNorm.bias"), &[HIDDEN], 0.0);
        };
        for (name, rows) in [("word", WORDS.len()), ("position", POSITIONS), ("token_type", 2)] {
            put(format!("embeddings.{name}_embeddings.weight"), &[rows, HIDDEN], 0.0);
        }
        norm(&mut put, "embeddings");
        for layer in 0..LAYERS {
            let at = format!("encoder.layer.{layer}");
            let mut linear = |name: &str, from: usize, to: usize| {
                put(format!("{at}.{name}.weight"), &[to, from], 0.0);
                put(format!("{at}.{name}.bias"), &[to], 0.0);
            };
            for name in ["query", "key", "value"] {
                linear(&format!("attention.self.{name}"), HIDDEN, HIDDEN);
            }
            linear("attention.output.dense", HIDDEN, HIDDEN);
            linear("intermediate.dense", HIDDEN, WIDE);
            linear("output.dense", WIDE, HIDDEN);
            norm(&mut put, &format!("{at}.attention.output"));
            norm(&mut put, &format!("{at}.output"));
        }
        put("linear.weight".to_owned(), &[MAPPED, HIDDEN], 0.0);
        Self { weights, first: false, mapped: false, unit: true }
    }

    /// Writes the folder, as transformers and sentence-transformers lay it out.
    pub(super) fn write(&self, folder: &Path) {
        fs::create_dir_all(folder.join("1_Pooling")).unwrap();
        let put = |name: &str, value: Value| fs::write(folder.join(name), value.to_string()).unwrap();
        put(
            "config.json",
            json!({
                "model_type": "bert", "vocab_size": WORDS.len(), "hidden_size": HIDDEN, "num_hidden_layers": LAYERS,
                "num_attention_heads": HEADS, "intermediate_size": WIDE, "max_position_embeddings": POSITIONS,
                "hidden_act": "gelu", "layer_norm_eps": EPS, "type_vocab_size": 2, "hidden_dropout_prob": 0.1,
            }),
        );
        let mut modules = vec![("", "Transformer"), ("1_Pooling", "Pooling")];
        if self.mapped {
            fs::create_dir_all(folder.join("2_Dense")).unwrap();
            modules.push(("2_Dense", "Dense"));
            put(
                "2_Dense/config.json",
                json!({"in_features": HIDDEN, "out_features": MAPPED, "bias": false,
                       "activation_function": "torch.nn.modules.linear.Identity"}),
            );
            self.write_weights(&folder.join("2_Dense/model.safetensors"), |name| name.starts_with("linear"));
        }
        if self.unit {
            modules.push(("2_Normalize", "Normalize"));
        }
        let module = |(at, (path, kind)): (usize, &(&str, &str))| json!({"idx": at, "name": at.to_string(), "path": path, "type": format!("sentence_transformers.models.{kind}")});
        put("modules.json", modules.iter().enumerate().map(module).collect());
        put(
            "1_Pooling/config.json",
            json!({"word_embedding_dimension": HIDDEN, "pooling_mode_cls_token": self.first, "pooling_mode_mean_tokens": !self.first}),
        );
        put("sentence_bert_config.json", json!({"max_seq_length": 10, "do_lower_case": false}));
        put("config_sentence_transformers.json", json!({"prompts": {"query": "query: "}, "default_prompt_name": null}));
        let words: BTreeMap<&str, usize> = WORDS.iter().enumerate().map(|(at, &word)| (word, at)).collect();
        let special = |word: &str| json!({"id": words[word], "content": word, "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false});
        put(
            "tokenizer.json",
            json!({
                "version": "1.0",
                // As published files have them: both are to be left alone.
                "truncation": {"max_length": 4, "strategy": "LongestFirst", "stride": 0},
                "padding": {"strategy": {"Fixed": 16}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
                "added_tokens": WORDS[..4].iter().map(|word| special(word)).collect::<Vec<_>>(),
                "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
                "pre_tokenizer": {"type": "BertPreTokenizer"},
                "post_processor": {
                    "type": "TemplateProcessing",
                    "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
                    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                    "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}, "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}},
                },
                "decoder": null,
                "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": words},
            }),
        );
        self.write_weights(&folder.join("model.safetensors"), |name| !name.starts_with("linear"));
    }

    fn write_weights(&self, file: &Path, which: impl Fn(&str) -> bool) {
        let (mut header, mut bytes) = (serde_json::Map::new(), Vec::new());
        for (name, (shape, numbers)) in self.weights.iter().filter(|(name, _)| which(name)) {
            let start = bytes.len();
            numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
            header.insert(name.clone(), json!({"dtype": "F32", "shape": shape, "data_offsets": [start, bytes.len()]}));
        }
        let mut header = Value::Object(header).to_string().into_bytes();
        header.resize(header.len().next_multiple_of(8), b' ');
        fs::write(file, [&(header.len() as u64).to_le_bytes(), &header[..], &bytes].concat()).unwrap();
    }

    /// A matrix or vector of the weights.
    fn at(&self, name: &str) -> Vec<f64> {
        self.weights[name].1.iter().map(|&number| f64::from(number)).collect()
    }

    fn linear(&self, name: &str, bias: bool, rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let weight = self.at(&format!("{name}.weight"));
        let from = self.weights[&format!("{name}.weight")].0[1];
        let bias = if bias { self.at(&format!("{name}.bias")) } else { vec![0.0; weight.len() / from] };
        let one = |row: &Vec<f64>| -> Vec<f64> {
            let product =
                |(to, weights): (usize, &[f64])| bias[to] + weights.iter().zip(row).map(|(w, x)| w * x).sum::<f64>();
            weight.chunks(from).enumerate().map(product).collect()
        };
        rows.iter().map(one).collect()
    }

    fn norm(&self, name: &str, rows: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
        let (scale, shift) = (self.at(&format!("{name}.LayerNorm.weight")), self.at(&format!("{name}.LayerNorm.bias")));
        let one = |row: Vec<f64>| -> Vec<f64> {
            let mean = row.iter().sum::<f64>() / row.len() as f64;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / row.len() as f64;
            row.iter().enumerate().map(|(at, x)| (x - mean) / (variance + EPS).sqrt() * scale[at] + shift[at]).collect()
        };
        rows.into_iter().map(one).collect()
    }

    /// The row of these words between the marks of its ends.
    pub(super) fn row(&self, words: &[&str]) -> Vec<f64> {
        let ids: Vec<usize> = [&["[CLS]"], words, &["[SEP]"]]
            .concat()
            .iter()
            .map(|word| WORDS.iter().position(|known| known == word).unwrap_or(1))
            .collect();
        let (tokens, positions, kinds) = (
            self.at("embeddings.word_embeddings.weight"),
            self.at("embeddings.position_embeddings.weight"),
            self.at("embeddings.token_type_embeddings.weight"),
        );
        let sum = |(at, id): (usize, &usize)| {
            (0..HIDDEN).map(|j| tokens[id * HIDDEN + j] + positions[at * HIDDEN + j] + kinds[j]).collect()
        };
        let mut states = self.norm("embeddings", ids.iter().enumerate().map(sum).collect());
        for layer in 0..LAYERS {
            let at = format!("encoder.layer.{layer}");
            let [query, key, value] = ["query", "key", "value"]
                .map(|name| self.linear(&format!("{at}.attention.self.{name}"), true, &states));
            let size = HIDDEN / HEADS;
            let attended = |i: usize| -> Vec<f64> {
                (0..HIDDEN)
                    .map(|j| {
                        let head = j / size * size..(j / size + 1) * size;
                        let scores: Vec<f64> = key
                            .iter()
                            .map(|key| {
                                (head.clone().map(|d| query[i][d] * key[d]).sum::<f64>() / (size as f64).sqrt()).exp()
                            })
                            .collect();
                        scores.iter().zip(&value).map(|(score, value)| score * value[j]).sum::<f64>()
                            / scores.iter().sum::<f64>()
                    })
                    .collect()
            };
            let attended: Vec<_> = (0..states.len()).map(attended).collect();
            let added = |a: Vec<Vec<f64>>, b: &[Vec<f64>]| {
                a.iter().zip(b).map(|(a, b)| a.iter().zip(b).map(|(a, b)| a + b).collect()).collect()
            };
            states = self.norm(
                &format!("{at}.attention.output"),
                added(self.linear(&format!("{at}.attention.output.dense"), true, &attended), &states),
            );
            let mut wide = self.linear(&format!("{at}.intermediate.dense"), true, &states);
            wide.iter_mut().flatten().for_each(|x| *x *= 0.5 * (1.0 + libm::erf(*x / 2_f64.sqrt())));
            states = self
                .norm(&format!("{at}.output"), added(self.linear(&format!("{at}.output.dense"), true, &wide), &states));
        }
        let mut row: Vec<f64> = if self.first {
            states[0].clone()
        } else {
            (0..HIDDEN).map(|j| states.iter().map(|state| state[j]).sum::<f64>() / states.len() as f64).collect()
        };
        if self.mapped {
            row = self.linear("linear", false, &[row]).remove(0);
        }
        if self.unit {
            let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
            row.iter_mut().for_each(|x| *x /= length);
        }
        row
    }
}
