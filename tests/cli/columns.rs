//! `kantor verify` of certificates under constraints: the files of their columns, and what it says of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use assert_cmd::assert::Assert;
use kantor::certify::{Certified, Terms, best_among, column_record, distance_among, facts};
use kantor::pipeline::{InputSpec, Inputs};
use kantor::problem::Goal;
use kantor::solvers::Quiet;
use kantor::source::OnBadRow;
use kantor::theory::constraints::{ColumnRecord, Counted, Limit};
use kantor::theory::{Column, Constraints, Cost, FeasibleSet, Price};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

use crate::support::{kantor, printed_json, write_npy};

const SOURCES: [Option<&str>; 5] = [Some("web"), Some("7"), None, Some("web"), Some("\u{1b}[2Jb")];
const TOKENS: [f64; 5] = [10.0, 2.5, 0.0, 30.0, 4.0];

/// A certificate with its rows and columns, in a folder.
struct Written {
    directory: tempfile::TempDir,
}

impl Written {
    /// Rows 1 and 3 of five, of which the third is dropped: at most one row from the web, at most 35 tokens, at most one row
    /// of each source; row 1 kept, row 4 excluded. The certificate says that the columns are in `rows.jsonl` and `tokens.txt`.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        write_npy(&at("pool.npy"), 2, &[1.0, 0.0, 0.8, 0.6, f32::NAN, 0.0, 0.0, 1.0, 1.0, 0.1]);
        write_npy(&at("query.npy"), 2, &[1.0, 0.2]);
        let line = |source: &Option<&str>| match source {
            Some("7") => "{\"source\": 7}\n".to_owned(),
            Some(source) => format!("{}\n", serde_json::json!({"source": source})),
            None => "{\"source\": null}\n".to_owned(),
        };
        fs::write(at("rows.jsonl"), SOURCES.iter().map(line).collect::<String>()).unwrap();
        fs::write(at("tokens.txt"), TOKENS.map(|x| format!("{x}\n")).concat()).unwrap();
        let data = [Column::labels(SOURCES), Column::numbers(TOKENS.to_vec()).unwrap()];
        let record = |name: &str, origin: &str, column: &Column| ColumnRecord {
            origin: Some(origin.to_owned()),
            ..column_record(name, column)
        };
        let limit = |column, of, max| Limit { column, of, min: None, max: Some(max) };
        let constraints = Constraints {
            columns: vec![record("source", "rows.jsonl:source", &data[0]), record("tokens", "tokens.txt", &data[1])],
            limits: vec![
                limit(0, Counted::Label("web".to_owned()), 1.0),
                limit(1, Counted::Sum, 35.0),
                limit(0, Counted::Each, 1.0),
            ],
            include: vec![1],
            exclude: vec![4],
        };
        let spec = InputSpec {
            pool: vec![at("pool.npy")],
            query: vec![at("query.npy")],
            on_bad_row: OnBadRow::Drop,
            ..InputSpec::default()
        };
        let inputs = Inputs::open(&spec, Cost::Cosine, &Quiet).unwrap();
        let problem = inputs.problem(Goal { cost: Cost::Cosine, ..Goal::default() }).unwrap();
        let geometry = problem.geometry();
        let set = FeasibleSet::new(&constraints, &data, 5, &[2]).unwrap();
        let distance = distance_among(geometry, &Terms::default(), &[1, 2], &set).unwrap();
        let prices = [Price { limit: 0, label: None, price: 0.25 }];
        let best = best_among(geometry, &Terms::default(), 2, vec![0.5], &set, &prices).unwrap();
        let facts = facts(&inputs.records(true, &Quiet).unwrap(), inputs.dropped());
        let certificate = Certified::new(distance, Some(best)).unwrap().certificate(&facts, None).unwrap();
        fs::write(at("c.json"), certificate.to_json()).unwrap();
        Self { directory }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn verify(&self, words: &[&str]) -> Assert {
        let mut run = kantor();
        run.current_dir(self.directory.path()).arg("verify").arg("c.json").args(words).assert()
    }
}

/// Without a flag the file is the one that the certificate names; what it says is spelled out, with nothing unseen.
#[test]
fn constraints_are_verified_and_said_in_words() {
    let written = Written::new();
    let words = "constraints: at most 1 row of `source=web`; at most 35 of `tokens` in all; at most 1 row of each `source`; \
                 1 row kept; 1 row excluded";
    let said = contains(words).and(contains("every subset of that size that obeys them: at least"));
    written.verify(&[]).code(0).stdout(said);
    let mut run = kantor();
    run.current_dir(written.directory.path()).args(["verify", "c.json", "--json"]);
    let printed = printed_json(&mut run);
    assert_eq!(printed["constraints"].as_array().unwrap().len(), 5);
    assert_eq!(
        (&printed["verdict"], &printed["constraints"][1]),
        (&"verified".into(), &"at most 35 of `tokens` in all".into())
    );
    // In other files, formats and fields.
    let text = SOURCES.map(|source| format!(" {}\r\n", source.unwrap_or(""))).concat();
    fs::write(written.at("source.txt"), text).unwrap();
    let lines = TOKENS.map(|x| format!("{{\"n\": {x:e}, \"m\": [1]}}\n")).concat();
    fs::write(written.at("n:m.jsonl"), lines).unwrap();
    fs::remove_file(written.at("rows.jsonl")).unwrap();
    written.verify(&[]).code(4).stderr(contains("rows.jsonl").and(contains("--column NAME=FILE")));
    let flags = ["--column", "source=source.txt", "--column", "tokens=n:m.jsonl:n"];
    written.verify(&flags).code(0);
    // The second checker, where Python has NumPy.
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/verify.py");
    let mut run = Process::new("python3");
    run.current_dir(written.directory.path()).arg(script).args([
        "c.json",
        "--pool",
        "pool.npy",
        "--query",
        "query.npy",
    ]);
    let Ok(output) = run.args(flags).output() else { return };
    if output.stdout.starts_with(b"{") {
        let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(printed["verdict"], "verified", "{printed}");
    }
}

/// Other values are not those of which the certificate speaks, and a file that holds none says where.
#[test]
fn other_columns_cannot_pass_for_those_that_were_measured() {
    let written = Written::new();
    let refused = |content: &str, flag: &str, reason: &str| {
        fs::write(written.at("other"), content).unwrap();
        let cannot = contains("cannot-check").and(contains(reason));
        written.verify(&["--column", flag]).code(1).stdout(cannot);
    };
    let tokens = "tokens=other";
    refused("10\n2.5\n0\n30\n4.0000000000000009\n", tokens, "column `tokens` has another digest");
    refused("10\n2.5\n0\n30\n", tokens, "other:5: the file ends before this line, but there are 5 pool rows");
    refused("10\n2.5\n0\n30\n4\n5\n", tokens, "other:6: there is a value here, but there are 5 pool rows");
    refused("10\n2.5\n\n30\n4\n", tokens, "other:3: `` is no number that is finite and not negative");
    refused("10\n2.5\n-1\n30\n4\n", tokens, "other:3: `-1` is no number");
    refused("10\n2.5\nNaN\n30\n4\n", tokens, "other:3: `NaN` is no number");
    refused("{\"tokens\": 10}\n{\"tokens\": null}\n", tokens, "other:2: the field `tokens` is null");
    refused("{\"tokens\": 10}\n{\"token\": 1}\n", tokens, "other:2: there is no field `tokens`");
    refused("{\"tokens\": 10}\n{\"tokens\": true}\n", tokens, "other:2: the field `tokens` is true, no number");
    refused("{\"tokens\": 10}\n{\"tokens\": [1]}\n", tokens, "other:2: the field `tokens` is [1], no number");
    refused("{\"tokens\": 10}\n{\"tokens\": 1,}\n", tokens, "other:2: bad JSON");
    refused("{\"source\": {}}\n", "source=other", "other:1: the field `source` is {}, neither text nor a number");
    refused("web\n7\nx\nweb\n\u{1b}[2Jb\n", "source=other", "column `source` has another digest");
    refused("", "length=other", "speaks of no column `length`");
    written.verify(&["--column", "tokens=none.txt"]).code(4).stderr(contains("none.txt"));
    written.verify(&["--column", "tokens=pool.npy"]).code(3).stderr(contains("is a numpy array (.npy), not a column"));
    for words in [&["--column", "tokens"][..], &["--column", "=x"], &["--column", "a=x", "--column", "a=y"]] {
        written.verify(words).code(2);
    }
}

/// What a certificate calls its columns and where it finds them is text from outside.
#[test]
fn names_of_columns_are_escaped() {
    let written = Written::new();
    let path = written.at("c.json");
    let text = String::from_utf8(fs::read(&path).unwrap()).unwrap();
    let painted = text
        .replace("rows.jsonl:source", "x\\u001b[2J\\nverified")
        .replace("\"name\": \"source\"", "\"name\": \"s\\u202e\"");
    assert_ne!(text, painted);
    fs::write(&path, painted).unwrap();
    fs::write(written.at("s"), "a\n".repeat(5)).unwrap();
    let column = |file: &Path| format!("s\u{202e}={}", file.display());
    let run = written.verify(&["--column", &column(Path::new("s"))]).code(1);
    let printed = String::from_utf8(run.get_output().stdout.clone()).unwrap();
    assert!(
        !printed.contains('\u{1b}') && !printed.contains('\u{202e}') && !printed.contains("\nverified"),
        "{printed}"
    );
    assert!(printed.contains("x\\u{1b}[2J\\nverified") && printed.contains("s\\u{202e}"), "{printed}");
}
