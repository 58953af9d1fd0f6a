//! Gradients beside those that torch makes of the same models (`tests/data/models/less/make.py`), and beside finite differences.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor, Var};
use serde_json::Value;

use super::Less;
use super::checkpoint::Checkpoint;
use super::gradient::Differentiable;
use super::lora::{Lora, tensors};
use super::sketch::Sketch;
use crate::represent::encoder::{CheckpointRecord, GradientRole, LessOptions, LoraSettings};
use crate::represent::models::causal::{Causal, Shape};
use crate::represent::models::tensors::Tensors;
use crate::represent::models::tokens::Tokens;
use crate::source::DataError;
use crate::source::answers::Marked;

const TOKENS: [u32; 8] = [3, 1, 4, 1, 5, 9, 2, 6];
const ANSWERS: [usize; 4] = [3, 4, 6, 7];

/// Numbers by integer hashes of the names of tensors and the places in them.
fn hashed(name: &str, count: usize) -> Vec<f32> {
    let byte = |seed: u64, byte: u8| (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, byte);
    let number = |at: usize| {
        let x = seed.wrapping_add((at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ x >> 31) >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..count).map(number).collect()
}

/// Weights by hashes.
struct Hashed;

impl Tensors for Hashed {
    fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor, DataError> {
        let around = if name.contains("norm") { 1.0 } else { 0.0 };
        let numbers: Vec<f32> = hashed(name, shape.iter().product()).iter().map(|x| around + x).collect();
        Ok(Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap())
    }

    fn failed(&self, error: &candle_core::Error) -> DataError {
        panic!("{error}")
    }
}

fn shape(kind: &str) -> Shape {
    Shape {
        vocabulary: 11,
        width: 8,
        layers: 2,
        heads: 4,
        key_heads: 2,
        head: 4,
        wide: 12,
        positions: 16,
        theta: 100.0,
        eps: 1e-5,
        has_bias: kind == "qwen2",
        has_head_norms: kind == "qwen3",
        is_interleaved: false,
        is_tied: matches!(kind, "mistral" | "qwen3"),
    }
}

fn settings() -> LoraSettings {
    let targets = super::lora::TARGETS.map(str::to_owned).to_vec();
    LoraSettings { rank: 2, alpha: 3.0, targets }
}

/// An adapter whose numbers are hashes, each moved by `step` times another hash.
fn adapter(shape: &Shape, step: f32) -> Lora {
    let made = tensors(&settings(), shape).into_iter().map(|(name, of)| {
        let count = of[0] * of[1];
        let numbers = hashed(&name, count).into_iter().zip(hashed(&format!("{name} moved"), count));
        let numbers: Vec<f32> = numbers.map(|(x, by)| x + step * by).collect();
        Var::from_vec(numbers, (of[0], of[1]), &Device::Cpu).unwrap()
    });
    Lora::of(settings(), shape, made.collect())
}

fn model(shape: Shape) -> Differentiable {
    Differentiable::new(Causal::read(shape, 16, &Hashed).unwrap(), &Hashed).unwrap()
}

fn gradient(model: &Differentiable, step: f32) -> (f64, Vec<f64>) {
    let made = model.gradient(&adapter(model.shape(), step), &TOKENS, &ANSWERS).unwrap();
    let numbers = made.by.iter().flat_map(|by| by.flatten_all().unwrap().to_vec1::<f32>().unwrap());
    (made.loss, numbers.map(f64::from).collect())
}

#[test]
fn gradients_are_those_of_torch() {
    let expected = include_str!("../../../../tests/data/models/less/expected.json");
    let expected: BTreeMap<String, Value> = kantor_theory::json::from_slice(expected.as_bytes()).unwrap();
    assert_eq!(expected.len(), 4);
    for (kind, expected) in expected {
        let (loss, made) = gradient(&model(shape(&kind)), 0.0);
        assert!((loss - expected["loss"].as_f64().unwrap()).abs() < 1e-5, "{kind} {loss}");
        let expected: Vec<f64> = expected["gradient"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        assert_eq!(made.len(), expected.len());
        let largest = expected.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        for (at, (made, expected)) in made.iter().zip(&expected).enumerate() {
            assert!((made - expected).abs() <= 2e-6 + 2e-5 * largest, "{kind} {at}: {made} {expected}");
        }
    }
}

/// Of f32 losses: within a part in a thousand.
#[test]
fn gradients_are_the_slopes_of_the_loss() {
    for kind in ["llama", "qwen2", "qwen3"] {
        let model = model(shape(kind));
        let (_, by) = gradient(&model, 0.0);
        let moved = tensors(&settings(), model.shape()).into_iter();
        let moved = moved.flat_map(|(name, of)| hashed(&format!("{name} moved"), of[0] * of[1]));
        let slope: f64 = by.iter().zip(moved).map(|(by, moved)| by * f64::from(moved)).sum();
        let step = 4e-3_f32;
        let found = (gradient(&model, step).0 - gradient(&model, -step).0) / (2.0 * f64::from(step));
        assert!((slope - found).abs() <= 1e-3 * slope.abs().max(0.1), "{kind}: {slope} {found}");
    }
}

/// Half of a head beside the other half, as `save_pretrained` has it, or number beside number, as GGUF has it: one model.
#[test]
fn both_orders_of_heads_have_the_same_gradients() {
    struct Tangled(Shape);
    impl Tensors for Tangled {
        fn get(&self, name: &str, of: &[usize]) -> Result<Tensor, DataError> {
            let plain = Hashed.get(name, of)?;
            if !(name.contains("q_proj") || name.contains("k_proj")) {
                return Ok(plain);
            }
            let (head, half) = (self.0.head, self.0.head / 2);
            let place = |at: usize| (at / head * head + at % head / 2 + at % 2 * half) as u32;
            let places = Tensor::from_iter((0..of[0]).map(place), &Device::Cpu).unwrap();
            Ok(plain.index_select(&places, 0).unwrap())
        }

        fn failed(&self, error: &candle_core::Error) -> DataError {
            panic!("{error}")
        }
    }
    let tangled = Shape { is_interleaved: true, ..shape("llama") };
    let weights = Tangled(tangled.clone());
    let tangled = Differentiable::new(Causal::read(tangled, 16, &weights).unwrap(), &weights).unwrap();
    assert_eq!(gradient(&tangled, 0.0), gradient(&model(shape("llama")), 0.0));
}

/// Layers of long texts are computed again.
#[test]
fn layers_that_are_computed_again_have_the_same_gradients() {
    for kind in ["llama", "qwen3"] {
        let (kept, mut again) = (model(shape(kind)), model(shape(kind)));
        again.kept = 0;
        assert_eq!(gradient(&kept, 0.0), gradient(&again, 0.0));
    }
}

/// ⟨pool row, query row⟩ = Σ η cos(Adam's direction, gradient) / Σ η, by the formulas in `f64`: a projection to no fewer numbers than there
/// are only changes their order and signs.
#[test]
fn scores_of_less_are_inner_products_of_rows() {
    let numbers = super::lora::numbers(&settings(), &shape("llama"));
    let rates = [2e-5, 1e-5, 0.5e-5];
    let checkpoint = |at: usize| {
        let lora = adapter(&shape("llama"), 0.1 * at as f32);
        let moments = |what: &str, of: fn(f32) -> f32| -> Vec<Vec<f32>> {
            let lengths = lora.vars().map(|var| var.elem_count()).enumerate();
            let numbers =
                |(of_var, count)| hashed(&format!("{what} {at} {of_var}"), count).into_iter().map(of).collect();
            lengths.map(numbers).collect()
        };
        let moments = [moments("first", |x| 1e-3 * x), moments("second", |x| 1e-4 * (x + 0.5))];
        Checkpoint { lora, moments, record: CheckpointRecord { sha256: String::new(), learning_rate: rates[at] } }
    };
    let less = |role: GradientRole| Less {
        model: model(shape("llama")),
        checkpoints: (0..3).map(checkpoint).collect(),
        sketch: Sketch { dim: numbers, seed: 7 },
        options: LessOptions { checkpoints: "".into(), role, dim: numbers, seed: 7, drop: false },
    };
    let (pool, query) = (less(GradientRole::Pool), less(GradientRole::Query));
    let other = ([7, 2, 2, 10, 4], [2, 3, 4]);
    let pool_row = pool.row(&TOKENS, &ANSWERS).unwrap();
    let query_row = query.row(&other.0, &other.1).unwrap();
    let product = |u: &[f64], v: &[f64]| -> f64 { u.iter().zip(v).map(|(a, b)| a * b).sum() };
    let wide = |row: &[f32]| row.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    let mut score = 0.0;
    for (at, rate) in rates.iter().enumerate() {
        let checkpoint = checkpoint(at);
        let flat = |tokens: &[u32], answers: &[usize]| -> Vec<f64> {
            let made = pool.model.gradient(&checkpoint.lora, tokens, answers).unwrap();
            made.by.iter().flat_map(|by| by.flatten_all().unwrap().to_vec1::<f32>().unwrap()).map(f64::from).collect()
        };
        let [first, second] = checkpoint.moments.clone().map(|moments| moments.concat());
        let moments = first.iter().zip(&second).map(|(&m, &v)| (f64::from(m), f64::from(v)));
        let ours: Vec<f64> = flat(&TOKENS, &ANSWERS)
            .iter()
            .zip(moments)
            .map(|(g, (m, v))| (0.9 * m + 0.1 * g) / (0.999 * v + 0.001 * g * g + 1e-8).sqrt())
            .collect();
        let theirs = flat(&other.0, &other.1);
        score += rate * product(&ours, &theirs) / (product(&ours, &ours) * product(&theirs, &theirs)).sqrt();
    }
    let expected = score / rates.iter().sum::<f64>();
    let (u, v) = (wide(&pool_row), wide(&query_row));
    assert!((product(&u, &v) - expected).abs() < 1e-6, "{} {expected}", product(&u, &v));
    assert!((product(&u, &u) - 1.0).abs() < 1e-6 && (product(&v, &v) - 1.0).abs() < 1e-6);
    assert!(expected.abs() > 0.01, "{expected}");
}

/// `ByteLevel` takes white space off the places of tokens each time that a text is finished: a last token of one letter then stood
/// nowhere, and was no part of the answer.
#[test]
fn a_last_token_of_one_letter_is_part_of_the_answer() {
    let level = |kind: &str| {
        format!(
            r#""{kind}": {{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}}"#
        )
    };
    let file = format!(
        r#"{{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null, {}, {}, "decoder": null,
        "model": {{"type": "BPE", "vocab": {{"a": 0, "B": 1, "Ġ": 2, "ĠB": 3}}, "merges": [["Ġ", "B"]]}}}}"#,
        level("pre_tokenizer"),
        level("post_processor")
    );
    let tokens = Tokens::of_tokenizer(file.parse().unwrap(), 10, 4).unwrap();
    let mut text = Marked::default();
    text.say("prompt", "a");
    text.join(" ");
    text.say("response", "B");
    let found = tokens.answering("a ", &text.finish()).unwrap();
    assert_eq!((&found.ids[..], &found.within[..]), (&[0, 2, 0, 3][..], &[3][..]));
}
