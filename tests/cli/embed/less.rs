//! `kantor warmup`, and `kantor embed --less`: rows of gradients.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::language::Language;
use super::made::read;
use crate::support::{kantor, printed_json};

/// Numbers to which gradients are projected here.
const DIM: usize = 64;

/// A directory with a model and text with answers.
fn work(kind: &'static str) -> TempDir {
    let work = tempfile::tempdir().unwrap();
    Language::new(kind, 31).write(&work.path().join("model"));
    let words = ["a", "b", "c", "ab", "d", "x"];
    let line = |at: usize| {
        let word = |by: usize| words[(at * by + at / 7) % words.len()];
        json!({"prompt": format!("{} {}", word(1), word(5)), "response": format!("{}{} {}", word(3), word(2), word(7))})
    };
    let lines: String = (0..40).map(|at| line(at).to_string() + "\n").collect();
    fs::write(work.path().join("pool.jsonl"), lines).unwrap();
    let chat = |at: usize| {
        let said = |role: &str, at: usize| json!({"role": role, "content": words[at % words.len()].repeat(3)});
        json!({"messages": [said("user", at), said("assistant", at + 1), said("user", at + 2), said("assistant", at + 3)]})
    };
    let lines: String = (0..6).map(|at| chat(at).to_string() + "\n").collect();
    fs::write(work.path().join("query.jsonl"), lines).unwrap();
    work
}

fn run(work: &Path, words: &str) -> assert_cmd::assert::Assert {
    kantor().current_dir(work).args(words.split_whitespace()).assert()
}

const WARMUP: &str =
    "warmup pool.jsonl --model model --share 0.5 --epochs 2 --batch 4 --learning-rate 1e-2 --rank 2 --alpha 4";
const LESS: &str = "--model model --less steps --less-dim 64";

fn rows(work: &Path, file: &str) -> (Vec<Vec<f32>>, Value) {
    read(&work.join(file))
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = |folder: &Path| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let files = entries(folder).into_iter().flat_map(|path| if path.is_dir() { entries(&path) } else { vec![path] });
    files.map(|path| (path.strip_prefix(folder).unwrap().display().to_string(), fs::read(&path).unwrap())).collect()
}

#[test]
fn from_text_and_a_model_to_a_choice() {
    for kind in ["llama", "qwen3"] {
        let work = work(kind);
        let at = work.path();
        run(at, &format!("{WARMUP} -o steps")).success().stdout(contains("2 checkpoints of 20 rows\nepoch-1: loss "));
        let said: Value = serde_json::from_slice(&fs::read(at.join("steps/manifest.json")).unwrap()).unwrap();
        let (first, last) = (&said["checkpoints"][0], &said["checkpoints"][1]);
        assert_eq!((&first["step"], &last["step"]), (&5.into(), &10.into()));
        assert!(last["loss"].as_f64().unwrap() < first["loss"].as_f64().unwrap(), "{said}");
        run(at, &format!("embed pool.jsonl {LESS} --role pool -o pool.safetensors")).success();
        run(at, &format!("embed query.jsonl {LESS} --role query -o query.safetensors")).success();
        let (pool, of_pool) = rows(at, "pool.safetensors");
        let (query, of_query) = rows(at, "query.safetensors");
        assert_eq!((pool.len(), pool[0].len(), query.len()), (40, 2 * DIM, 6));
        // A part of each row for each checkpoint, whose square is its share of the learning rates.
        let rates = [first, last].map(|passed| passed["learning_rate"].as_f64().unwrap());
        for row in pool.iter().chain(&query) {
            for (part, rate) in row.chunks(DIM).zip(rates) {
                let square: f64 = part.iter().map(|&x| f64::from(x).powi(2)).sum();
                assert!((square - rate / (rates[0] + rates[1])).abs() < 1e-6, "{square} {rates:?}");
            }
        }
        assert_eq!((&of_pool["represent"], &of_pool["less"]["role"]), (&"less".into(), &"pool".into()));
        assert_eq!(of_pool["less"]["checkpoints"], of_query["less"]["checkpoints"]);
        assert_eq!(of_pool["less"]["projection"], json!({"kind": "block-count-sketch", "seed": 0, "dim": DIM}));
        let select = "select --pool pool.safetensors --query query.safetensors --pool-jsonl pool.jsonl -k 5";
        run(at, &format!("{select} -o out")).success();
        run(at, "inspect pool.safetensors").success().stdout(contains("less.role \"pool\""));
    }
}

#[test]
fn rows_and_checkpoints_are_the_same_for_any_threads_and_company() {
    let work = work("llama");
    let at = work.path();
    for (threads, name) in [(1, "steps"), (3, "other")] {
        run(at, &format!("{WARMUP} --threads {threads} -o {name}")).success();
    }
    let checkpoints = |name: &str| {
        let files = files(&at.join(name)).into_iter();
        files.filter(|(name, _)| name != "manifest.json").collect::<BTreeMap<_, _>>()
    };
    assert_eq!(checkpoints("steps").len(), 10);
    assert!(checkpoints("steps") == checkpoints("other"));
    run(at, &format!("{WARMUP} --seed 1 -o seeded")).success();
    assert!(checkpoints("steps") != checkpoints("seeded"));
    for threads in [1, 4] {
        run(at, &format!("embed pool.jsonl {LESS} --role pool --threads {threads} -o {threads}.safetensors")).success();
    }
    assert_eq!(fs::read(at.join("1.safetensors")).unwrap(), fs::read(at.join("4.safetensors")).unwrap());
    let (all, _) = rows(at, "1.safetensors");
    run(at, &format!("embed pool.jsonl {LESS} --role pool --shard 2/4 -o part.safetensors")).success();
    assert!(rows(at, "part.safetensors").0 == all[20..30]);
}

#[test]
fn rows_that_do_not_belong_together_are_refused() {
    let work = work("llama");
    let at = work.path();
    run(at, &format!("{WARMUP} -o steps")).success();
    let embed = |more: &str, out: &str| run(at, &format!("embed query.jsonl --model model {more} -o {out}")).success();
    embed("--less steps --less-dim 64 --role pool", "pool.safetensors");
    embed("--less steps --less-dim 64 --role query", "query.safetensors");
    embed("--less steps --less-dim 64 --role query --seed 4", "seed.safetensors");
    embed("--less steps/epoch-2 --less-dim 128 --role query", "one.safetensors");
    embed("", "rds.safetensors");
    let select = |pool: &str, query: &str| {
        run(at, &format!("select --pool {pool}.safetensors --query {query}.safetensors -k 2 -o out"))
    };
    select("query", "pool").code(3).stderr(contains("made for the query").and(contains("--role")));
    select("pool", "pool").code(3).stderr(contains("made for the pool, and is the query"));
    select("pool", "seed").code(3).stderr(contains("less.projection.seed 4"));
    select("pool", "one").code(3).stderr(contains("less.checkpoints"));
    select("pool", "rds").code(3).stderr(contains("represent \"rds\""));
    select("pool", "query").success();
}

#[test]
fn texts_without_an_answer_are_named_or_rows_of_zeros() {
    let work = work("llama");
    let at = work.path();
    run(at, &format!("{WARMUP} -o steps")).success();
    let lines = [
        r#"{"prompt": "ab", "response": "c"}"#,
        r#"{"prompt": "a b c d a b c d", "response": "c"}"#,
        r#"{"prompt": "ab", "response": ""}"#,
        r#"{"text": "ab c d"}"#,
    ];
    fs::write(at.join("few.jsonl"), lines.join("\n")).unwrap();
    let embed = format!("embed few.jsonl {LESS} --role pool --max-length 6");
    run(at, &format!("{embed} -o few.safetensors"))
        .code(3)
        .stderr(contains("few.jsonl:2").and(contains("no token of its answer is left")).and(contains("--max-length")));
    run(at, &format!("{embed} --on-bad-row drop -o few.safetensors"))
        .success()
        .stdout(contains("1 texts were cut at 6 tokens").and(contains("2 have no answer that was read")));
    let (rows, said) = rows(at, "few.safetensors");
    assert_eq!((&said["less"]["dropped"], &said["cut"]), (&2.into(), &1.into()));
    let zeros: Vec<bool> = rows.iter().map(|row| row.iter().all(|&x| x == 0.0)).collect();
    assert_eq!(zeros, [false, true, true, false]);
    // Others name them, or leave them out.
    run(at, &format!("embed query.jsonl {LESS} --role query --max-length 6 -o query.safetensors")).success();
    let select = "select --pool few.safetensors --query query.safetensors -k 2 -o out";
    run(at, select).code(3).stderr(contains("row 1"));
    run(at, &format!("{select} --on-bad-row drop")).success();
    // Training names or leaves them out too.
    let warmup = "warmup few.jsonl --model model --share 1 --rank 2 --max-length 6 -o few";
    run(at, warmup).code(3).stderr(contains("few.jsonl:2"));
    run(at, &format!("{warmup} --on-bad-row drop")).success().stdout(contains("2 without an answer were left out"));
}

#[test]
fn checkpoints_that_cannot_be_used_are_refused() {
    let work = work("llama");
    let at = work.path();
    run(at, &format!("{WARMUP} -o steps")).success();
    let embed = |folder: &str| {
        run(at, &format!("embed query.jsonl --model model --less {folder} --role query -o rows.safetensors"))
    };
    let whole = files(&at.join("steps/epoch-1"));
    let edited = |name: &str, from: &str, to: &str| {
        let text = String::from_utf8(whole[name].clone()).unwrap();
        assert!(text.contains(from), "{text}");
        text.replace(from, to).into_bytes()
    };
    type Case<'a> = (&'a str, Option<Vec<u8>>, &'a str);
    let cases: [Case<'_>; 12] = [
        (
            "adapter_config.json",
            Some(edited("adapter_config.json", "\"use_dora\": false", "\"use_dora\": true")),
            "use_dora = true",
        ),
        ("adapter_config.json", Some(edited("adapter_config.json", "\"q_proj\"", "\"lm_head\"")), "a target `lm_head`"),
        ("adapter_config.json", Some(edited("adapter_config.json", "\"r\": 2", "\"r\": 3")), "of shape [2, 12]"),
        (
            "adapter_config.json",
            Some(edited("adapter_config.json", "\"q_proj\",", "")),
            "has 16 tensors, where adapter_config.json asks for 12",
        ),
        ("adapter_config.json", Some(b"{".to_vec()), "cannot be read"),
        ("adapter_model.safetensors", None, "is not there"),
        ("exp_avg.safetensors", None, "is not there"),
        ("exp_avg_sq.safetensors", Some(vec![255; 40]), "give checkpoints as"),
        ("checkpoint.json", None, "say the mean learning rate"),
        ("checkpoint.json", Some(br#"{"learning_rate": 0}"#.to_vec()), "has learning_rate = 0e0"),
        ("checkpoint.json", Some(br#"{"learning_rate": 1, "model": "ab"}"#.to_vec()), "trained beside the model ab"),
        ("exp_avg_sq.safetensors", Some(whole["exp_avg.safetensors"].clone()), "mean of squares below zero"),
    ];
    for (name, content, word) in cases {
        let folder = at.join("spoilt");
        fs::create_dir_all(&folder).unwrap();
        for (name, bytes) in &whole {
            fs::write(folder.join(name), bytes).unwrap();
        }
        match content {
            Some(bytes) => fs::write(folder.join(name), bytes).unwrap(),
            None => fs::remove_file(folder.join(name)).unwrap(),
        }
        embed("spoilt").code(3).stderr(contains(word).and(contains("spoilt/")));
    }
    fs::create_dir(at.join("empty")).unwrap();
    embed("empty").code(3).stderr(contains("has no checkpoint in it"));
    // What another training wrote says no more than its learning rate.
    fs::remove_dir_all(at.join("spoilt")).unwrap();
    fs::create_dir(at.join("spoilt")).unwrap();
    whole.iter().for_each(|(name, bytes)| fs::write(at.join("spoilt").join(name), bytes).unwrap());
    fs::write(at.join("spoilt/checkpoint.json"), r#"{"learning_rate": 2e-5}"#).unwrap();
    embed("spoilt").success();
}

/// Whatever byte of a checkpoint is changed: rows, or an error that names the file.
#[test]
fn damaged_checkpoints_never_panic() {
    let work = work("llama");
    let at = work.path();
    run(at, &format!("{WARMUP} -o steps")).success();
    let folder = at.join("steps/epoch-1");
    for (name, whole) in files(&folder) {
        let end = if name.ends_with("json") { whole.len() } else { whole.len().min(1200) };
        for (place, cut) in (0..end).step_by(41).flat_map(|place| [(place, false), (place, true)]) {
            let mut bytes = whole.clone();
            if cut {
                bytes.truncate(place)
            } else {
                bytes[place] = bytes[place].wrapping_add(0x81)
            }
            fs::write(folder.join(&name), bytes).unwrap();
            let done = run(
                at,
                "embed query.jsonl --model model --less steps/epoch-1 --role pool --less-dim 8 -o rows.safetensors",
            );
            let output = done.get_output();
            match output.status.code() {
                Some(0) => fs::remove_file(at.join("rows.safetensors")).unwrap(),
                Some(3 | 5) => {
                    let said = String::from_utf8_lossy(&output.stderr);
                    assert!(said.contains("epoch-1") || said.contains("query.jsonl"), "{said}");
                }
                _ => panic!("{name} {place} {output:?}"),
            }
        }
        fs::write(folder.join(&name), whole).unwrap();
    }
}

#[test]
fn flags_that_say_nothing_sensible_are_refused() {
    let work = work("llama");
    let at = work.path();
    for (more, word) in [
        ("--share 0", "share of 0"),
        ("--share 1.5", "share of 1.5"),
        ("--epochs 0", "0 epochs"),
        ("--learning-rate 0", "learning rate of 0e0"),
    ] {
        run(at, &format!("warmup pool.jsonl --model model -o steps {more}")).code(2).stderr(contains(word));
    }
    run(at, "warmup pool.jsonl --model model -o steps --targets q_proj,head")
        .code(3)
        .stderr(contains("a target `head`: known are q_proj"));
    run(at, "embed pool.jsonl --model model --less steps -o rows.safetensors").code(2).stderr(contains("--role"));
    run(at, "embed pool.jsonl --model model --role pool -o rows.safetensors").code(2).stderr(contains("--less"));
    assert_eq!(fs::read_dir(at).unwrap().count(), 3);
}

/// One model in both layouts: adapters are laid out for the folder.
#[test]
fn adapters_fit_a_model_in_one_file_too() {
    let work = work("llama");
    let at = work.path();
    run(at, &format!("{WARMUP} -o steps")).success();
    fs::write(at.join("one.gguf"), Language::new("llama", 31).gguf()).unwrap();
    // The digest of the model is another one.
    for epoch in ["epoch-1", "epoch-2"] {
        fs::write(at.join("steps").join(epoch).join("checkpoint.json"), r#"{"learning_rate": 1e-3}"#).unwrap();
    }
    run(at, &format!("embed query.jsonl {LESS} --role pool -o folder.safetensors")).success();
    run(
        at,
        &format!("embed query.jsonl {LESS} --role pool --model one.gguf -o file.safetensors").replacen(
            "--model model ",
            "",
            1,
        ),
    )
    .success();
    let (folder, file) = (rows(at, "folder.safetensors").0, rows(at, "file.safetensors").0);
    for (a, b) in folder.iter().flatten().zip(file.iter().flatten()) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
}

#[test]
fn the_manifest_of_a_warm_up_says_what_it_was() {
    let work = work("qwen2");
    let mut command = kantor();
    command.current_dir(work.path()).args(WARMUP.split_whitespace()).args(["-o", "steps", "--json", "--seed", "5"]);
    let said = printed_json(&mut command);
    assert_eq!(said["schema"], "kantor/warmup/1");
    assert_eq!(said["adapter"], json!({"rank": 2, "alpha": 4.0, "targets": ["q_proj", "k_proj", "v_proj", "o_proj"]}));
    let training = json!({"share": 0.5, "epochs": 2, "learning_rate": 1e-2, "batch": 4, "seed": 5});
    assert_eq!((&said["training"], &said["rows"]), (&training, &20.into()));
    assert_eq!(said["outputs"].as_array().unwrap().len(), 10);
    // It is a result of kantor, which --force may replace.
    let again = format!("{WARMUP} -o steps");
    run(work.path(), &again).code(2).stderr(contains("--force"));
    run(work.path(), &format!("{again} --force")).success();
}
