use std::fs;
use std::path::Path;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::language::Language;
use super::tiny::{MAPPED, Tiny};
use crate::support::{kantor, printed_json};

const TEXTS: [&str; 4] = ["add two numbers", "Add  TWO numbers and three numbers", "three", "zebras"];
const WORDS: [&[&str]; 4] =
    [&["add", "two", "numbers"], &["add", "two", "numbers", "and", "three", "numbers"], &["three"], &["zebras"]];

/// A directory with a model and some text.
fn work(tiny: &Tiny, texts: &[&str]) -> TempDir {
    let work = tempfile::tempdir().unwrap();
    tiny.write(&work.path().join("model"));
    let lines = texts.iter().map(|text| serde_json::json!({"text": text}).to_string() + "\n").collect::<String>();
    fs::write(work.path().join("text.jsonl"), lines).unwrap();
    work
}

fn embed(work: &Path, out: &str, more: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = kantor();
    command.current_dir(work).args(["embed", "text.jsonl", "--model", "model", "-o", out]).args(more);
    command.assert()
}

/// The numbers of a file of rows, and what it says of itself.
pub(super) fn read(file: &Path) -> (Vec<Vec<f32>>, Value) {
    let bytes = fs::read(file).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let (rows, dim) = (&header["rows"]["shape"][0], header["rows"]["shape"][1].as_u64().unwrap() as usize);
    let data = &bytes[8 + length..];
    let numbers: Vec<f32> = match header["rows"]["dtype"].as_str() {
        Some("F32") => data.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect(),
        _ => data.chunks(2).map(|b| half::f16::from_le_bytes(b.try_into().unwrap()).to_f32()).collect(),
    };
    let numbers: Vec<Vec<f32>> = numbers.chunks(dim).map(<[f32]>::to_vec).collect();
    assert_eq!(numbers.len() as u64, rows.as_u64().unwrap());
    (numbers, serde_json::from_str(header["__metadata__"]["kantor"].as_str().unwrap()).unwrap())
}

fn near(made: &[f32], expected: &[f64], within: f64) -> bool {
    made.len() == expected.len() && made.iter().zip(expected).all(|(a, b)| (f64::from(*a) - b).abs() <= within)
}

#[test]
fn rows_are_those_of_the_formulas() {
    for (first, mapped, unit) in [(false, false, true), (true, false, false), (false, true, true), (true, true, false)]
    {
        let tiny = Tiny { first, mapped, unit, ..Tiny::new(7) };
        let work = work(&tiny, &TEXTS);
        embed(work.path(), "rows.safetensors", &[]).success().stdout(contains("4 rows of"));
        let (rows, said) = read(&work.path().join("rows.safetensors"));
        for (row, words) in rows.iter().zip(WORDS) {
            assert!(near(row, &tiny.row(words), 2e-5), "{first} {mapped} {unit} {words:?}");
        }
        assert_eq!(rows[0].len() == MAPPED, mapped);
        assert_eq!((&said["cut"], &said["model"]["max_length"]), (&0.into(), &10.into()));
        // A folder of two files is what ran, and nothing else stays.
        assert_eq!(fs::read_dir(work.path()).unwrap().count(), 3);
    }
}

#[test]
fn a_row_is_the_same_whatever_its_company() {
    let tiny = Tiny::new(3);
    let many: Vec<&str> = TEXTS.iter().copied().cycle().take(600).collect();
    let work = work(&tiny, &many);
    for (out, more) in [("a.safetensors", ["--threads", "1"]), ("b.safetensors", ["--threads", "4"])] {
        embed(work.path(), out, &more).success();
    }
    let [a, b] = ["a.safetensors", "b.safetensors"].map(|name| fs::read(work.path().join(name)).unwrap());
    assert_eq!(a, b);
    let (rows, _) = read(&work.path().join("a.safetensors"));
    assert!(rows.iter().zip(rows.iter().cycle().skip(4)).take(596).all(|(a, b)| a == b));
    // Shards in order are the whole.
    let mut joined = Vec::new();
    for shard in ["1/3", "2/3", "3/3"] {
        embed(work.path(), &format!("s{}.safetensors", &shard[..1]), &["--shard", shard]).success();
        joined.extend(read(&work.path().join(format!("s{}.safetensors", &shard[..1]))).0);
    }
    assert_eq!(joined, rows);
}

#[test]
fn long_texts_are_cut_and_counted_and_prompts_stand_before_them() {
    let tiny = Tiny::new(5);
    let work = work(&tiny, &TEXTS);
    embed(work.path(), "cut.safetensors", &["--max-length", "5"])
        .success()
        .stdout(contains("1 texts were cut at 5 tokens"));
    let (rows, said) = read(&work.path().join("cut.safetensors"));
    assert!(near(&rows[1], &tiny.row(&WORDS[1][..3]), 2e-5));
    assert_eq!(said["cut"], 1);
    embed(work.path(), "prompt.safetensors", &["--prompt", "query: ", "--dtype", "f16"]).success();
    let (rows, said) = read(&work.path().join("prompt.safetensors"));
    assert!(near(&rows[2], &tiny.row(&["query", ":", "three"]), 1e-3));
    assert_eq!(said["model"]["prompt"], "query: ");
    embed(work.path(), "long.safetensors", &["--max-length", "25"]).code(3).stderr(contains("3 to 24 tokens, not 25"));
}

#[test]
fn rows_go_into_the_other_commands() {
    let tiny = Tiny::new(9);
    let work = work(&tiny, &TEXTS);
    embed(work.path(), "rows.safetensors", &[]).success();
    let mut select = kantor();
    select.current_dir(work.path()).args(["select", "--pool", "rows.safetensors", "--query", "rows.safetensors"]);
    select.args(["--pool-jsonl", "text.jsonl", "-k", "2", "-o", "out"]).assert().success();
    let mut inspect = kantor();
    inspect.current_dir(work.path()).args(["inspect", "rows.safetensors", "--json"]);
    assert_eq!(printed_json(&mut inspect)["files"][0]["rows"], 4);
}

#[test]
fn what_a_run_had_finished_is_gone_on_with() {
    let tiny = Tiny::new(11);
    let many: Vec<String> = (0..1100).map(|at| format!("add {} numbers", WORDS[at % 4].join(" "))).collect();
    let work = work(&tiny, &many.iter().map(String::as_str).collect::<Vec<_>>());
    let at = |name: &str| work.path().join(name);
    embed(work.path(), "whole.safetensors", &[]).success();
    // A text that has no field ends the run in its third block.
    let text = fs::read_to_string(at("text.jsonl")).unwrap();
    let (kept, out) = (at("rows.safetensors.unfinished"), at("rows.safetensors"));
    let broken = |lines: &str| fs::write(at("text.jsonl"), lines).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    broken(&[&lines[..1090], &["{\"none\": 1}"], &lines[1091..]].concat().join("\n"));
    embed(work.path(), "rows.safetensors", &[]).code(3).stderr(contains("text.jsonl:1091"));
    let (finished, is_there) = (fs::read(&kept).unwrap(), out.exists());
    assert!(!is_there && finished.len() > 1024 * 4 * 12);
    // Other text: not gone on with, unless it is to begin anew.
    broken(&text);
    embed(work.path(), "rows.safetensors", &[]).code(2).stderr(contains("keeps rows of other text"));
    assert_eq!(fs::read(&kept).unwrap(), finished);
    embed(work.path(), "rows.safetensors", &["--force"]).success();
    assert!(!kept.exists());
    assert_eq!(fs::read(&out).unwrap(), fs::read(at("whole.safetensors")).unwrap());
}

/// As a run that was killed leaves them: blocks to a point, and a part of the next one.
#[test]
fn blocks_that_were_not_written_to_their_end_are_made_again() {
    let tiny = Tiny::new(13);
    let many: Vec<String> = (0..1100).map(|at| format!("add {} numbers", WORDS[at % 4].join(" "))).collect();
    let work = work(&tiny, &many.iter().map(String::as_str).collect::<Vec<_>>());
    let at = |name: &str| work.path().join(name);
    embed(work.path(), "whole.safetensors", &[]).success();
    let whole = fs::read(at("whole.safetensors")).unwrap();
    let (kept, out) = (at("rows.safetensors.unfinished"), at("rows.safetensors"));
    // All blocks, as they are just before the end: a directory in which the target cannot be made shows them.
    let full = all_blocks(&work, &kept);
    let first = full.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    let block = 512 * (12 * 4 + 1) + 32;
    for (length, taken) in
        [(first, 0), (first + block - 1, 0), (first + block, 512), (first + 2 * block + 7, 1024), (full.len(), 1100)]
    {
        fs::write(&kept, &full[..length]).unwrap();
        let said = printed(&work, &["--json"]);
        assert_eq!(said["rows_taken_over"], taken, "{length}");
        assert_eq!(fs::read(&out).unwrap(), whole);
        assert!(!kept.exists());
        fs::remove_file(&out).unwrap();
    }
    // A block that was changed is none.
    let mut changed = full.clone();
    changed[first + block + 5] ^= 1;
    fs::write(&kept, changed).unwrap();
    assert_eq!(printed(&work, &["--json"])["rows_taken_over"], 512);
    assert_eq!(fs::read(&out).unwrap(), whole);
    fs::remove_file(&out).unwrap();
    // What kantor did not write stays, an empty file too.
    fs::write(&kept, "").unwrap();
    embed(work.path(), "rows.safetensors", &["--force"]).code(2).stderr(contains("in the way and empty"));
    assert!(kept.exists());
    fs::write(&kept, "notes").unwrap();
    embed(work.path(), "rows.safetensors", &["--force"]).code(2).stderr(contains("not written by kantor"));
    assert_eq!(fs::read_to_string(&kept).unwrap(), "notes");
    fs::remove_file(&kept).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(at("text.jsonl"), &kept).unwrap();
        embed(work.path(), "rows.safetensors", &["--force"]).code(2).stderr(contains("no regular file"));
        assert!(fs::read_to_string(at("text.jsonl")).unwrap().starts_with('{'));
    }
}

/// Of runs that begin together one writes the rows, whichever was the first to make the file of finished blocks.
#[test]
fn of_runs_for_one_file_one_wins() {
    let work = work(&Tiny::new(19), &TEXTS);
    let program = kantor().get_program().to_owned();
    for round in 0..20 {
        let out = format!("rows{round}.safetensors");
        let begin = || {
            let words = ["embed", "text.jsonl", "--model", "model", "-o", &out, "--threads", "1", "--quiet"];
            let mut command = std::process::Command::new(&program);
            command.current_dir(work.path()).args(words).stderr(std::process::Stdio::null()).spawn().unwrap()
        };
        let runs = [begin(), begin(), begin()];
        let codes = runs.map(|mut run| run.wait().unwrap().code().unwrap());
        assert_eq!(codes.iter().filter(|&&code| code == 0).count(), 1, "{codes:?}");
        assert!(!work.path().join(out + ".unfinished").exists());
    }
}

/// Blocks of the changed text were kept under the digest of the first one, and taken over when that came back.
#[test]
fn rows_of_a_text_that_is_changed_meanwhile_are_not_kept() {
    let tiny = Tiny::new(17);
    let many = vec!["a b c add two numbers"; 40_000];
    let work = work(&tiny, &many);
    let at = |name: &str| work.path().join(name);
    let (text, kept) = (fs::read_to_string(at("text.jsonl")).unwrap(), at("rows.safetensors.unfinished"));
    embed(work.path(), "whole.safetensors", &["--threads", "2"]).success();
    let mut run = std::process::Command::new(kantor().get_program())
        .current_dir(work.path())
        .args(["embed", "text.jsonl", "--model", "model", "-o", "rows.safetensors", "--threads", "1", "--quiet"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let begun = std::time::Instant::now();
    while fs::metadata(&kept).map_or(0, |kept| kept.len()) < 20_000 {
        assert!(begun.elapsed().as_secs() < 60 && run.try_wait().unwrap().is_none(), "no block was kept");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    // In place, so that what is mapped changes too.
    fs::write(at("text.jsonl"), text.replace("a b c", "c b a")).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(4));
    fs::write(at("text.jsonl"), text).unwrap();
    let taken = printed(&work, &["--json"])["rows_taken_over"].as_u64().unwrap();
    assert!((512..40_000).contains(&taken), "{taken}");
    assert_eq!(fs::read(at("rows.safetensors")).unwrap(), fs::read(at("whole.safetensors")).unwrap());
}

fn printed(work: &TempDir, more: &[&str]) -> Value {
    let mut command = kantor();
    command
        .current_dir(work.path())
        .args(["embed", "text.jsonl", "--model", "model", "-o", "rows.safetensors"])
        .args(more);
    printed_json(&mut command)
}

/// What is kept when all blocks are finished and the target cannot be taken.
fn all_blocks(work: &TempDir, kept: &Path) -> Vec<u8> {
    let made = |from: &Path| {
        let (rows, said) = read(from);
        let mut record = said;
        record["cut"] = Value::Null;
        (rows, record)
    };
    let (rows, record) = made(&work.path().join("whole.safetensors"));
    // The line is written with keys in the order of the record, which the metadata has too.
    let bytes = fs::read(work.path().join("whole.safetensors")).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let line = header["__metadata__"]["kantor"].as_str().unwrap().replace("\"cut\":0", "\"cut\":null");
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), record);
    let mut all = line.into_bytes();
    all.push(b'\n');
    for (at, block) in rows.chunks(512).enumerate() {
        let row = |row: &Vec<f32>| row.iter().flat_map(|x| x.to_le_bytes()).chain([0]).collect::<Vec<u8>>();
        let content: Vec<u8> = block.iter().flat_map(row).collect();
        let mut hash = blake3::Hasher::new();
        hash.update(&(512 * at as u64).to_le_bytes());
        hash.update(&content);
        all.extend(content);
        all.extend(hash.finalize().as_bytes());
    }
    assert!(!kept.exists());
    all
}

#[test]
fn rows_of_language_models_are_weighted_means_of_their_hidden_states() {
    let texts = ["ab c\nd", "a", "ab abc <s>x d cab"];
    let tokens: [&[&str]; 3] =
        [&["ab", "Ġ", "c", "Ċ", "d"], &["a"], &["ab", "Ġ", "ab", "c", "Ġ", "<s>", "x", "Ġ", "d", "Ġ", "c", "ab"]];
    for (kind, seed) in [("llama", 21), ("mistral", 22), ("qwen2", 23), ("qwen3", 24)] {
        let language = Language::new(kind, seed);
        let work = work(&Tiny::new(1), &texts);
        fs::remove_dir_all(work.path().join("model")).unwrap();
        language.write(&work.path().join("model"));
        embed(work.path(), "rows.safetensors", &[]).success();
        let (rows, said) = read(&work.path().join("rows.safetensors"));
        for (row, tokens) in rows.iter().zip(tokens) {
            assert!(near(row, &language.row(tokens), 2e-5), "{kind} {tokens:?}");
        }
        assert_eq!((&said["represent"], &said["model"]["max_length"]), (&"rds".into(), &32.into()));
        embed(work.path(), "cut.safetensors", &["--max-length", "4", "--prompt", "d"]).success();
        let (rows, said) = read(&work.path().join("cut.safetensors"));
        assert!(near(&rows[2], &language.row(&["d", "ab", "Ġ", "ab"]), 2e-5));
        assert_eq!(said["cut"], 2);
        if kind == "llama" {
            fs::write(work.path().join("one.gguf"), language.gguf()).unwrap();
            embed_by(work.path(), "one.gguf", "one.safetensors").success();
            let (rows, _) = read(&work.path().join("one.safetensors"));
            for (row, tokens) in rows.iter().zip(tokens) {
                assert!(near(row, &language.row(tokens), 2e-5), "one file {tokens:?}");
            }
        }
    }
}

fn embed_by(work: &Path, model: &str, out: &str) -> assert_cmd::assert::Assert {
    let mut command = kantor();
    command.current_dir(work).args(["embed", "text.jsonl", "--model", model, "-o", out]).assert()
}

/// A list of bytes in the metadata takes some thirty times its length once it is read.
#[test]
fn what_a_file_says_of_its_model_counts_towards_the_memory() {
    let work = work(&Tiny::new(1), &["ab c"]);
    let count = 10_000_000u64;
    let mut bytes = b"GGUF\x03\0\0\0".to_vec();
    bytes.extend([1u64.to_le_bytes(), 1u64.to_le_bytes(), 1u64.to_le_bytes()].concat());
    bytes.extend(b"a\x09\0\0\0\0\0\0\0");
    bytes.extend(count.to_le_bytes());
    bytes.resize(bytes.len() + count as usize, 0);
    fs::write(work.path().join("bytes.gguf"), bytes).unwrap();
    let run = |memory: &str| {
        let mut command = kantor();
        let words = ["embed", "text.jsonl", "--model", "bytes.gguf", "-o", "rows.safetensors", "--max-memory", memory];
        command.current_dir(work.path()).args(words).assert()
    };
    run("100M").code(5).stderr(contains("what the file says of the model").and(contains("bytes.gguf")));
    run("2G").code(3).stderr(contains("bytes.gguf"));
}

/// The crate that reads tokenizers panics at these.
#[test]
fn a_tokenizer_at_which_its_reader_panics_is_bad_input() {
    let broken: [fn(&mut Value); 4] = [
        |file| file["post_processor"]["special_tokens"] = json!({}),
        |file| file["normalizer"] = json!({"type": "Precompiled", "precompiled_charsmap": 3}),
        |file| file["normalizer"] = json!({"type": "Precompiled"}),
        |file| file["normalizer"] = json!({"type": "Precompiled", "precompiled_charsmap": "CAAAAAECAwQAAAAAQQA="}),
    ];
    for (at, spoil) in broken.into_iter().enumerate() {
        let work = work(&Tiny::new(3), &TEXTS);
        let path = work.path().join("model/tokenizer.json");
        let mut file: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        spoil(&mut file);
        fs::write(&path, file.to_string()).unwrap();
        let said = || contains("defect").not();
        embed(work.path(), "rows.safetensors", &[]).code(3).stderr(said().and(contains("tokenizer")));
        let mut command = kantor();
        command.current_dir(work.path()).args(["select", "--pool", "text.jsonl", "--query", "text.jsonl", "-o", "out"]);
        let command = command.args(["--token-budget", "9", "--tokens", "model/tokenizer.json:text", "--no-cache"]);
        // Only `embed` asks for the marks at the ends of a text.
        command.assert().code(if at == 0 { 0 } else { 3 }).stderr(said());
    }
}

/// Whatever byte of a file is changed or cut off: rows, or an error that names the file.
#[test]
fn damaged_files_of_language_models_never_panic() {
    let whole = Language::new("llama", 25).gguf();
    let work = work(&Tiny::new(1), &["ab c"]);
    let end = whole.len() - 4 * 1024;
    let mut cases: Vec<Vec<u8>> = (0..end).step_by(97).map(|cut| whole[..cut].to_vec()).collect();
    cases.extend((0..end).step_by(61).map(|at| {
        let mut changed = whole.clone();
        changed[at] = changed[at].wrapping_add(0x81);
        changed
    }));
    for bytes in cases {
        fs::write(work.path().join("bad.gguf"), bytes).unwrap();
        let assert = embed_by(work.path(), "bad.gguf", "bad.safetensors");
        let output = assert.get_output();
        match output.status.code() {
            Some(0) => fs::remove_file(work.path().join("bad.safetensors")).unwrap(),
            Some(3 | 5) => assert!(
                String::from_utf8_lossy(&output.stderr).contains(".gguf")
                    || String::from_utf8_lossy(&output.stderr).contains("text.jsonl"),
                "{output:?}"
            ),
            _ => panic!("{output:?}"),
        }
    }
}

#[test]
fn folders_that_are_no_models_are_refused() {
    let tiny = Tiny::new(1);
    type Spoil<'a> = &'a dyn Fn(&Path);
    let cases: [(&str, Spoil<'_>, &str); 13] = [
        ("model.safetensors", &|file| fs::write(file, "").unwrap(), "save_pretrained of transformers"),
        ("model.safetensors", &|file| fs::write(file, [255; 64]).unwrap(), "save_pretrained of transformers"),
        (
            "sentence_bert_config.json",
            &|file| fs::write(file, "{\"max_seq_length\": 1}").unwrap(),
            "says that it reads texts of 1 tokens",
        ),
        ("config.json", &|file| fs::remove_file(file).unwrap(), "config.json: is not there"),
        ("config.json", &|file| edit(file, "\"bert\"", "\"gpt2\""), "of type `gpt2`"),
        ("config.json", &|file| edit(file, "\"hidden_size\":12", "\"hidden_size\":16"), "3 heads do not divide"),
        (
            "config.json",
            &|file| edit(file, "\"max_position_embeddings\":24", "\"max_position_embeddings\":25"),
            "has `embeddings.position_embeddings.weight` of shape [24, 12]",
        ),
        (
            "config.json",
            &|file| edit(file, "\"num_hidden_layers\":2", "\"num_hidden_layers\":3"),
            "has no tensor `encoder.layer.2",
        ),
        (
            "1_Pooling/config.json",
            &|file| edit(file, "\"pooling_mode_mean_tokens\":true", "\"pooling_mode_max_tokens\":true"),
            "pools by [max]",
        ),
        (
            "1_Pooling/config.json",
            &|file| edit(file, "\"word_embedding_dimension\":12", "\"word_embedding_dimension\":15"),
            "pools 15 numbers a token, and the model gives 12",
        ),
        ("modules.json", &|file| edit(file, "1_Pooling", "../1_Pooling"), "has a module in `../1_Pooling`"),
        ("tokenizer.json", &|file| fs::write(file, "{}").unwrap(), "is no tokenizer"),
        (
            "model.safetensors",
            &|file| fs::rename(file, file.with_file_name("pytorch_model.bin")).unwrap(),
            "only pytorch_model.bin",
        ),
    ];
    for (name, spoil, fault) in cases {
        let work = work(&tiny, &TEXTS);
        spoil(&work.path().join("model").join(name));
        embed(work.path(), "rows.safetensors", &[]).code(3).stderr(contains(fault).and(contains("model")));
        assert_eq!(fs::read_dir(work.path()).unwrap().count(), 2, "{fault}");
    }
}

/// The remedy was to give every line a text, which it had.
#[test]
fn a_model_whose_numbers_overflow_is_what_is_at_fault() {
    let mut tiny = Tiny::new(1);
    let words = tiny.weights.get_mut("encoder.layer.1.output.dense.weight").unwrap();
    words.1.iter_mut().for_each(|number| *number = 3e38);
    let work = work(&tiny, &TEXTS);
    let refused = embed(work.path(), "rows.safetensors", &[]).code(3);
    refused.stderr(contains("text.jsonl:1").and(contains("not finite")).and(contains("take another model")));
}

/// With --force the weights were replaced by the rows that were made with them.
#[test]
fn rows_are_not_written_over_the_model_that_makes_them() {
    let work = work(&Tiny::new(1), &TEXTS);
    let model = work.path().join("model");
    std::os::unix::fs::symlink(model.join("tokenizer.json"), work.path().join("link")).unwrap();
    fs::hard_link(model.join("config.json"), work.path().join("other name")).unwrap();
    let names = ["model/model.safetensors", "model/modules.json", "model/1_Pooling/config.json", "link", "other name"];
    for name in names {
        let before = fs::read(work.path().join(name)).unwrap();
        embed(work.path(), name, &["--force"]).code(2).stderr(contains("is the same file as the input"));
        assert!(fs::read(work.path().join(name)).unwrap() == before, "{name}");
    }
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(file, text.replace(from, to)).unwrap();
}
