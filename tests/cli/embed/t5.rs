//! Encoders of T5 with random weights, beside rows that transformers made by them (`tests/data/models/t5/make.py`).

use std::fs;
use std::path::{Path, PathBuf};

use predicates::str::contains;
use serde_json::{Value, json};

use crate::support::{json as read_json, kantor};

const KINDS: [&str; 2] = ["relu", "gated-gelu"];

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models/t5")
}

fn embed(work: &Path, model: &Path, more: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = kantor();
    command.current_dir(work).args(["embed", "text.jsonl", "-o", "rows.safetensors", "--model"]).arg(model).args(more);
    command.assert()
}

fn rows(file: &Path) -> Vec<Vec<f64>> {
    let bytes = fs::read(file).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let dim = header["rows"]["shape"][1].as_u64().unwrap() as usize;
    let numbers = bytes[8 + length..].chunks(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap())));
    numbers.collect::<Vec<_>>().chunks(dim).map(<[f64]>::to_vec).collect()
}

#[test]
fn rows_are_those_of_transformers() {
    let expected = read_json(&data().join("expected.json"));
    for kind in KINDS {
        let work = tempfile::tempdir().unwrap();
        let line = |text: &Value| format!("{}\n", json!({"text": text}));
        let texts = expected["texts"].as_array().unwrap();
        fs::write(work.path().join("text.jsonl"), texts.iter().map(line).collect::<String>()).unwrap();
        embed(work.path(), &data().join(kind), &[]).success();
        let made = rows(&work.path().join("rows.safetensors"));
        let stored = expected["rows"][kind].as_array().unwrap();
        assert_eq!((made.len(), made[0].len()), (stored.len(), 5));
        for (made, stored) in made.iter().zip(stored) {
            let stored = stored.as_array().unwrap().iter().map(|x| x.as_f64().unwrap());
            assert!(made.iter().zip(stored).all(|(a, b)| (a - b).abs() <= 2e-5), "{kind} {made:?}");
        }
        fs::remove_file(work.path().join("rows.safetensors")).unwrap();
        // Of the last text less is read, to its end mark.
        embed(work.path(), &data().join(kind), &["--max-length", "12"])
            .success()
            .stdout(contains("1 texts were cut at 12"));
        assert_ne!(rows(&work.path().join("rows.safetensors"))[3], made[3]);
    }
}

#[test]
fn encoders_that_are_not_read_are_refused() {
    let cases = [
        (
            "config.json",
            "\"feed_forward_proj\": \"relu\"",
            "\"feed_forward_proj\": \"gated-silu\"",
            "units `gated-silu`",
        ),
        ("config.json", "num_buckets\": 8", "num_buckets\": 2", "2 buckets"),
        ("config.json", "max_distance\": 20", "max_distance\": 2", "distances up to 2"),
        ("config.json", "\"num_layers\": 2", "\"num_layers\": 3", "has no tensor `encoder.block.2"),
        ("config.json", "\"d_kv\": 3", "\"d_kv\": 4", "of shape [6, 8], where the settings ask for [8, 8]"),
        ("config.json", "\"vocab_size\": 12", "\"vocab_size\": 11", "as number 11, and the model has 11"),
    ];
    for (name, from, to, fault) in cases {
        let work = tempfile::tempdir().unwrap();
        fs::write(work.path().join("text.jsonl"), "{\"text\": \"add\"}\n").unwrap();
        let model = work.path().join("model");
        for part in ["", "1_Pooling", "2_Dense"] {
            fs::create_dir_all(model.join(part)).unwrap();
            for file in fs::read_dir(data().join("relu").join(part)).unwrap().map(|file| file.unwrap()) {
                if file.file_type().unwrap().is_file() {
                    fs::copy(file.path(), model.join(part).join(file.file_name())).unwrap();
                }
            }
        }
        let text = fs::read_to_string(model.join(name)).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(model.join(name), text.replace(from, to)).unwrap();
        embed(work.path(), &model, &[]).code(3).stderr(contains(fault));
    }
}
