//! Rows that a model makes of pool and queries on the way to a selection: those that `embed` writes.

use std::fs;
use std::path::{Path, PathBuf};

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use serde_json::{Value, json};

use super::language::Language;
use super::tiny::Tiny;
use crate::support::{json as read_json, kantor, printed_json};

const WORDS: [&str; 6] = ["add", "two", "numbers", "and", "three", "query"];
const LETTERS: [&str; 6] = ["a", "b ", "c", "ab", "d\n", "x"];

/// 40 lines of a pool, three queries, and a model.
struct Work(tempfile::TempDir);

impl Work {
    fn new(words: [&str; 6], write_model: impl Fn(&Path)) -> Self {
        let work = Self(tempfile::tempdir().unwrap());
        let word = |at: usize| words[at % 6];
        let text = |row: usize| (0..2 + row % 4).map(|at| word(row * (at + 1) + at * at)).collect::<Vec<_>>().join(" ");
        let lines = |rows: std::ops::Range<usize>| -> String {
            rows.map(|row| json!({"id": format!("r{row}"), "text": text(row), "kind": row % 2}).to_string() + "\n")
                .collect()
        };
        fs::write(work.at("pool.jsonl"), lines(0..40)).unwrap();
        fs::write(work.at("query.jsonl"), lines(50..53)).unwrap();
        write_model(&work.at("model"));
        work
    }

    fn encoder() -> Self {
        Self::new(WORDS, |folder| Tiny::new(7).write(folder))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, words: &[&str]) -> assert_cmd::assert::Assert {
        let mut command = kantor();
        command.current_dir(self.0.path()).args(words).assert()
    }

    /// `select` into `out`, of which kantor keeps no rows unless `more` says so.
    fn select(&self, out: &str, pool: &str, query: &str, more: &[&str]) -> String {
        let words = ["select", "--pool", pool, "--query", query, "-k", "6", "--method", "optimal", "-o", out];
        let cache = if more.contains(&"--cache") { &[][..] } else { &["--no-cache"] };
        let said = self.run(&[&words[..], cache, more].concat()).success();
        String::from_utf8(said.get_output().stderr.clone()).unwrap()
    }

    fn of_text(&self, out: &str, more: &[&str]) -> String {
        self.select(out, "pool.jsonl", "query.jsonl", &[&["--model", "model"], more].concat())
    }

    fn certificate(&self, out: &str) -> Value {
        read_json(&self.at(out).join("optimal/k6/certificate.json"))
    }

    /// The certificate without the names of files and tables, which prove nothing.
    fn proof(&self, out: &str) -> Value {
        let mut certificate = self.certificate(out);
        for input in certificate["inputs"].as_array_mut().unwrap() {
            let input = input.as_object_mut().unwrap();
            assert!(input.remove("name").is_some());
            input.remove("tensor");
        }
        certificate
    }

    /// Whether rows of pool and queries were read from the cache.
    fn cached(&self, out: &str) -> [bool; 2] {
        let manifest = read_json(&self.at(out).join("manifest.json"));
        [0, 1].map(|at| manifest["inputs"][at]["cached"] == true)
    }

    fn verify(&self, out: &str, more: &[&str]) -> assert_cmd::assert::Assert {
        let certificate = format!("{out}/optimal/k6/certificate.json");
        self.run(&[&["verify", &certificate], more].concat())
    }
}

#[test]
fn rows_made_on_the_way_are_those_of_embed_and_verify_makes_them_again() {
    let language = |kind| Work::new(LETTERS, move |folder: &Path| Language::new(kind, 21).write(folder));
    let file = || {
        Work::new(LETTERS, |path| fs::write(path.with_extension("gguf"), Language::new("llama", 21).gguf()).unwrap())
    };
    type Case<'a> = (Work, &'a str, &'a str, [&'a str; 2], &'a [&'a str]);
    let cases: [Case<'_>; 4] = [
        (Work::encoder(), "embed", "model", ["two ", "query: "], &["--dtype", "f16", "--max-length", "5"]),
        (Work::encoder(), "embed", "model", ["", ""], &["--text", "{text} {kind}"]),
        (language("qwen3"), "rds", "model", ["d", "ab"], &["--max-length", "9"]),
        (file(), "rds", "model.gguf", ["", "x"], &[]),
    ];
    for (work, kind, model, [prompt, query_prompt], more) in cases {
        let embed = |text: &str, rows: &str, prompt: &str| {
            let words = ["embed", text, "--model", model, "-o", rows, "--prompt", prompt];
            work.run(&[&words[..], more].concat()).success();
        };
        embed("pool.jsonl", "pool.safetensors", prompt);
        embed("query.jsonl", "query.safetensors", query_prompt);
        work.select("vectors", "pool.safetensors", "query.safetensors", &[]);
        let prompts = ["--represent", kind, "--model", model, "--prompt", prompt, "--query-prompt", query_prompt];
        let of_text = [&prompts[..], more].concat();
        work.select("text", "pool.jsonl", "query.jsonl", &of_text);
        let chosen = |out: &str| {
            let text = fs::read_to_string(work.at(out).join("optimal/k6/selection.jsonl")).unwrap();
            // Vectors have no ids but their numbers.
            text.replace("\"id\":\"r", "\"id\":\"")
        };
        assert_eq!(chosen("vectors"), chosen("text"), "{kind}");
        assert_eq!(work.proof("vectors"), work.proof("text"), "{kind}");
        // The certificate says how rows were made, and of queries the prompt may be another one.
        let certificate = work.certificate("text");
        let named = |at: usize| certificate["inputs"][at]["tensor"].as_str().unwrap().to_owned();
        let said = |at: usize| -> Value {
            serde_json::from_str(named(at).strip_prefix(&format!("{kind}:")).unwrap()).unwrap()
        };
        let manifest = read_json(&work.at("text/manifest.json"));
        let record = manifest["inputs"].as_array().unwrap().iter().find(|input| input["role"] == "model").unwrap();
        assert_eq!((&said(0)["model"], &said(0)["prompt"]), (&record["sha256"], &json!(prompt)));
        assert_eq!((&said(1)["model"], &said(1)["prompt"]), (&record["sha256"], &json!(query_prompt)));
        assert_eq!((&record["path"], &record["format"]), (&json!(model), &json!(kind)));
        // By the model, by rows that it made before, and not without either.
        work.verify("text", &["--model", model]).success();
        work.verify("text", &["--model", model, "--threads", "3", "--pool", "pool.jsonl", "--query", "query.jsonl"])
            .success();
        work.verify("text", &["--pool", "pool.safetensors", "--query", "query.safetensors"]).success();
        let sha256 = record["sha256"].as_str().unwrap();
        work.verify("text", &[])
            .code(1)
            .stdout(contains("--model").and(contains(sha256)).and(contains("cannot-check")));
        let none = work.verify("vectors", &["--model", model, "--pool", "pool.jsonl", "--query", "query.jsonl"]);
        none.code(1).stdout(contains("speaks of no rows that a model made"));
        // Another text, and another model.
        let text = fs::read_to_string(work.at("query.jsonl")).unwrap();
        fs::write(work.at("other.jsonl"), text.replacen(' ', "", 1)).unwrap();
        let other = ["--model", model, "--pool", "pool.jsonl", "--query"];
        work.verify("text", &[&other[..], &["query.jsonl"]].concat()).success();
        let edited = text.replacen("\"text\":\"", "\"text\":\"x ", 1);
        fs::write(work.at("other.jsonl"), edited).unwrap();
        work.verify("text", &[&other[..], &["other.jsonl"]].concat()).code(1);
        Tiny::new(8).write(&work.at("another"));
        let refused = work.verify("text", &["--model", "another"]).code(1);
        refused.stdout(contains("another: this is the model").and(contains(sha256)).and(contains("--model")));
    }
}

#[test]
fn rows_by_a_model_are_kept_by_all_that_they_depend_on() {
    let work = Work::encoder();
    let select = |out: &str, more: &[&str]| work.of_text(out, &[&["--cache", "cache"], more].concat());
    work.of_text("without", &[]);
    let long = ["--max-length", "5"];
    for (out, cached) in [("first", false), ("second", true)] {
        let said = select(out, &long);
        assert_eq!(work.cached(out), [cached; 2], "{said}");
        assert!(
            said.contains(if cached { "rows were read from the cache" } else { "rows are kept in the cache" }),
            "{said}"
        );
        // Half of the pool has four or five words, between two marks, and so have two queries; of rows that were kept it is known too.
        assert!(said.contains("22 texts are longer than the 5 tokens"), "{said}");
    }
    assert_eq!(work.proof("first"), work.proof("second"));
    // Rows of the pool do not depend on the prompt of queries, and all else counts.
    select("plain", &[]);
    assert_eq!(work.proof("plain"), work.proof("without"));
    select("prompted", &["--query-prompt", "query: "]);
    assert_eq!(work.cached("prompted"), [true, false]);
    for (out, more) in [("typed", ["--dtype", "f16"]), ("read", ["--text", "{text}!"]), ("before", ["--prompt", "two"])]
    {
        select(out, &more);
        assert_eq!(work.cached(out), [false; 2], "{out}");
    }
    let config = work.at("model/config.json");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("\"hidden_act\":\"gelu\"", "\"hidden_act\":\"relu\"")).unwrap();
    select("changed", &[]);
    assert_eq!(work.cached("changed"), [false; 2]);
    assert_ne!(work.proof("changed"), work.proof("plain"));
    fs::write(&config, text).unwrap();
    select("again", &[]);
    assert_eq!((work.cached("again"), work.proof("again")), ([true; 2], work.proof("plain")));
}

#[test]
fn all_that_reads_text_takes_a_model() {
    let work = Work::encoder();
    let by = ["--pool", "pool.jsonl", "--query", "query.jsonl", "--model", "model", "--no-cache"];
    work.run(&[&["distance"], &by[..]].concat()).success();
    work.run(&[&["compare", "-k", "4", "--method", "random,round-robin", "-o", "compared"], &by[..]].concat())
        .success();
    work.run(&[&["quantiles", "--bins", "4", "--take", "3", "-o", "binned"], &by[..]].concat()).success();
    work.of_text("chosen", &["--exclude-near", "query.jsonl", "--cosine", "0.999", "--quota", "kind=1:3..3"]);
    let subset = ["bound", "--subset", "chosen/optimal/k6/indices.npy"];
    work.run(&[&subset[..], &by[..]].concat()).success();
    // A settings file says the same as flags.
    fs::write(
        work.at("flags.toml"),
        "represent = 'embed'\nmodel = 'model'\nprompt = 'two '\nquery-prompt = 'query: '\n",
    )
    .unwrap();
    work.select("configured", "pool.jsonl", "query.jsonl", &["--config", "flags.toml"]);
    work.of_text("flagged", &["--prompt", "two ", "--query-prompt", "query: "]);
    assert_eq!(work.certificate("configured"), work.certificate("flagged"));
    // Rows by words are no model's.
    work.select("words", "pool.jsonl", "query.jsonl", &[]);
    work.verify("words", &["--model", "model"]).code(1).stdout(contains("leave out --model"));
    work.verify("words", &[]).success();
    // The card of a result says how to check it.
    let card = fs::read_to_string(work.at("flagged/optimal/k6/README.md")).unwrap();
    assert!(card.contains("--model model"), "{card}");
    // Files of the model are inputs: nothing is written over them.
    let over = ["distance", "--certificate", "model/config.json", "--force"];
    let before = fs::read(work.at("model/config.json")).unwrap();
    work.run(&[&over[..], &by[..]].concat()).code(2).stderr(contains("is the same file as the input"));
    assert!(fs::read(work.at("model/config.json")).unwrap() == before);
}

#[test]
fn jobs_know_the_model_by_its_content() {
    let work = Work::encoder();
    fs::create_dir(work.at("jobs")).unwrap();
    let file = |more: &str| {
        let job = format!(
            "out = 'out'\npool = '../pool.jsonl'\nmethods = ['round-robin']\nbudgets = [3]\nrepresent = 'embed'\nmodel = '../model'\n{more}\n\
             [tasks]\na = '../query.jsonl'\n"
        );
        fs::write(work.at("jobs/jobs.toml"), job).unwrap();
    };
    let states = |words: &[&str]| {
        let mut command = kantor();
        command.current_dir(work.0.path()).args(["batch", "jobs/jobs.toml", "--no-cache", "--json"]).args(words);
        let printed = printed_json(&mut command);
        printed["jobs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|job| job["state"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    file("query-prompt = 'query: '");
    assert_eq!(states(&["--status"]), ["pending"]);
    assert_eq!(states(&[]), ["done"]);
    assert_eq!(states(&["--status"]), ["done"]);
    let certificate = "jobs/out/a/round-robin-k3-seed0/round-robin/k3/certificate.json";
    work.run(&["verify", certificate, "--model", "model"]).success();
    for more in
        ["query-prompt = 'add '", "max-length = 6\nquery-prompt = 'query: '", "dtype = 'f16'\nquery-prompt = 'query: '"]
    {
        file(more);
        assert_eq!(states(&["--status"]), ["pending"], "{more}");
    }
    file("query-prompt = 'query: '");
    // Another model in its place; notes beside it are none.
    fs::write(work.at("model/README.md"), "notes").unwrap();
    assert_eq!(states(&["--status"]), ["done"]);
    Tiny::new(8).write(&work.at("model"));
    assert_eq!(states(&["--status"]), ["pending"]);
    assert_eq!(states(&[]), ["done"]);
    work.run(&["verify", certificate, "--model", "model"]).success();
    fs::remove_dir_all(work.at("model")).unwrap();
    work.run(&["batch", "jobs/jobs.toml"]).code(1).stdout(contains("failed"));
}

#[test]
fn distances_among_rows_of_other_models_stand_in_no_list() {
    let work = Work::encoder();
    Tiny::new(8).write(&work.at("other"));
    work.of_text("first", &["--seed", "1"]);
    work.of_text("prompted", &["--prompt", "two ", "--query-prompt", ""]);
    work.select("second", "pool.jsonl", "query.jsonl", &["--model", "other"]);
    work.select("words", "pool.jsonl", "query.jsonl", &[]);
    fs::write(work.at("results.csv"), "task,method,budget,seed,value\na,optimal,6,0,1\na,optimal,6,1,2\n").unwrap();
    let study = |other: &str| {
        let runs = ["--run".to_owned(), "a=first".to_owned(), "--run".to_owned(), format!("a={other}")];
        work.run(&[&["study", "--results", "results.csv"][..], &runs.each_ref().map(String::as_str)].concat())
    };
    for other in ["second", "words"] {
        study(other).code(3).stderr(contains("representation differs").and(contains("embed:")));
    }
    // Texts of another pool: the distances are still among rows of one model.
    let said = String::from_utf8(study("prompted").get_output().stderr.clone()).unwrap();
    assert!(!said.contains("representation differs"), "{said}");
}

#[test]
fn what_does_not_go_together_is_refused() {
    let work = Work::encoder();
    Language::new("llama", 3).write(&work.at("language"));
    fs::write(work.at("rows.npy"), "").unwrap();
    let refused = |more: &[&str], code: i32, words: &[&str]| {
        let command =
            ["select", "--pool", "pool.jsonl", "--query", "query.jsonl", "-k", "2", "-o", "out", "--no-cache"];
        let said = work.run(&[&command[..], more].concat()).code(code);
        let said = String::from_utf8(said.get_output().stderr.clone()).unwrap();
        words.iter().for_each(|word| assert!(said.contains(word), "{more:?}: `{word}` is not in `{said}`"));
        assert!(!work.at("out").exists());
    };
    refused(&["--represent", "embed"], 2, &["--represent embed makes rows by a model", "--model"]);
    refused(&["--represent", "ngrams", "--model", "model"], 2, &["leave out --model"]);
    refused(&["--represent", "less"], 2, &["less", "ngrams, embed, rds"]);
    refused(&["--represent", "rds", "--model", "model"], 3, &["kind `embed`, not `rds`", "--represent"]);
    refused(&["--represent", "embed", "--model", "language"], 3, &["kind `rds`, not `embed`"]);
    refused(&["--model", "nowhere"], 4, &["nowhere", "cannot open it"]);
    refused(&["--model", "model", "--ngram-dim", "64"], 2, &["--ngram-dim"]);
    refused(&["--model", "model", "--max-length", "99"], 3, &["3 to 24 tokens, not 99"]);
    for flag in [["--prompt", "a"], ["--query-prompt", "a"], ["--max-length", "5"], ["--dtype", "f16"]] {
        refused(&flag, 2, &["--model"]);
    }
    refused(&["--model", "model", "--max-memory", "1k"], 5, &["--max-memory"]);
    // A model is for text.
    let rows = ["embed", "pool.jsonl", "--model", "model", "-o", "rows.safetensors"];
    work.run(&rows).success();
    let vectors = ["distance", "--pool", "rows.safetensors", "--query", "rows.safetensors", "--model", "model"];
    work.run(&vectors).code(2).stderr(contains("--model").and(contains("leave them out")));
}
