//! Files of columns: the same rows are chosen, and the same values certified, as of lines of JSON and tables of vectors.

use std::path::{Path, PathBuf};

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

use crate::support::{kantor, write_npy};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tables").join(name)
}

#[cfg(not(feature = "parquet"))]
#[test]
fn a_program_without_columns_names_the_feature_and_the_conversion() {
    let directory = tempfile::tempdir().unwrap();
    write_npy(&directory.path().join("x.npy"), 2, &[1.0, 0.0]);
    let said = || {
        contains("snappy.parquet: is a Parquet file, which this program was built without")
            .and(contains("--features parquet"))
            .and(contains("read_parquet('FILE').to_json('rows.jsonl'"))
    };
    let select = |pool: PathBuf, query: &str, more: &[&std::ffi::OsStr]| {
        let mut command = kantor();
        command.current_dir(directory.path()).arg("select").arg("--pool").arg(pool).args(["--query", query]);
        command.args(["--budget", "1", "-o", "out"]).args(more).assert().code(3)
    };
    select(data("snappy.parquet"), "x.npy", &[]).stderr(said());
    select("x.npy".into(), "x.npy", &["--pool-jsonl".as_ref(), data("snappy.parquet").as_os_str()]).stderr(said());
    // A dataset of HuggingFace, too.
    select(data("dataset"), "x.npy", &[]).stderr(contains("an Arrow stream").and(contains("--features parquet")));
}

#[cfg(feature = "parquet")]
mod read {
    use std::fs;

    use serde_json::Value;

    use super::*;
    use crate::support::{indices, json as read_json, printed_json};

    /// A directory with the seven rows as lines (`rows.jsonl`) and some queries as text and vectors.
    fn directory() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let put = |name: &str, text: String| fs::write(directory.path().join(name), text).unwrap();
        let rows = read_json(&data("expected.json"))["lines"]["rows"].take();
        put("rows.jsonl", rows.as_array().unwrap().iter().map(|row| format!("{row}\n")).collect());
        put(
            "query.jsonl",
            "{\"prompt\": \"ask größe\", \"response\": \"six\"}\n{\"prompt\": \"four\", \"response\": \"ask\"}\n"
                .to_owned(),
        );
        write_npy(&directory.path().join("query.npy"), 3, &[1.0, 0.5, -1.0, 3.0, 0.5, -3.5]);
        let numbers: Vec<f32> = (0..7).flat_map(|i| [i as f32, 0.5, -1.0 - i as f32]).collect();
        write_npy(&directory.path().join("rows.npy"), 3, &numbers);
        directory
    }

    fn select(at: &Path, pool: &str, query: &str, out: &str, more: &[&str]) -> Vec<i64> {
        let mut command = kantor();
        command
            .current_dir(at)
            .args(["select", "--pool", pool, "--query", query, "--budget", "2", "--method", "optimal"]);
        command.args(["-o", out, "--quiet"]).args(more).assert().success();
        indices(&at.join(out).join("optimal/k2/indices.npy"))
    }

    fn digests(at: &Path, out: &str) -> Vec<Value> {
        let certificate = read_json(&at.join(out).join("optimal/k2/certificate.json"));
        certificate["inputs"].as_array().unwrap().iter().map(|input| input["blake3"].clone()).collect()
    }

    fn verify(at: &Path, out: &str, more: &[&str]) {
        let file = at.join(out).join("optimal/k2/certificate.json");
        kantor().current_dir(at).arg("verify").arg(file).args(more).assert().success().stdout(contains("verified"));
    }

    /// The column `prompt.text` was passed over for one called `prompt`, and its text was nothing.
    #[test]
    fn columns_whose_names_have_dots_are_read_by_templates() {
        let directory = directory();
        let at = directory.path();
        let rows = ["ask größe", "five", "four ask"].map(|text| format!("{{\"prompt.text\": \"{text}\"}}\n"));
        fs::write(at.join("dots.jsonl"), rows.concat()).unwrap();
        let more = ["--text", "{prompt.text}{prompt}"];
        let chosen = select(at, "dots.jsonl", "query.jsonl", "lines", &more);
        assert_eq!(select(at, data("dots.parquet").to_str().unwrap(), "query.jsonl", "columns", &more), chosen);
        assert_eq!(digests(at, "columns"), digests(at, "lines"));
    }

    #[test]
    fn columnar_text_is_that_of_lines() {
        let directory = directory();
        let at = directory.path();
        let rules = ["--quota", "source=math:1..1", "--max-tokens-total", "9", "--tokens", "tokens"];
        for (name, more) in
            [("plain", &[][..]), ("template", &["--text", r"{messages}\n{response}"]), ("rules", &rules)]
        {
            let lines = format!("lines-{name}");
            let chosen = select(at, "rows.jsonl", "query.jsonl", &lines, more);
            for pool in [
                "snappy.parquet",
                "no-schema.parquet",
                "polars-lz4.arrow",
                "dataset",
                "splits/train",
                "one-row-groups.parquet",
            ] {
                let out = format!("{name}-{}", pool.replace('/', "-"));
                let path = data(pool);
                assert_eq!(select(at, path.to_str().unwrap(), "query.jsonl", &out, more), chosen, "{out}");
                let shards = digests(at, &out).len() - 2;
                assert_eq!(digests(at, &out)[2 * shards..], digests(at, &lines)[shards..], "{out}");
                verify(at, &out, &[]);
                let other: &[&str] = &["--pool", "rows.jsonl", "--query", "query.jsonl"];
                verify(at, &out, other);
            }
            verify(at, &lines, &["--pool", data("zstd.parquet").to_str().unwrap(), "--query", "query.jsonl"]);
        }
        let certificate = read_json(&at.join("rules-snappy.parquet/optimal/k2/certificate.json"));
        let origin = certificate["problem"]["constraints"]["columns"][0]["origin"].as_str().unwrap().to_owned();
        assert!(origin.ends_with("snappy.parquet:source"), "{origin}");
        // What a line of JSON lacks is said of a row, too.
        let mut command = kantor();
        command.current_dir(at).args(["select", "--query", "query.jsonl", "--budget", "2", "-o", "none", "--pool"]);
        command.arg(data("snappy.parquet")).args(["--quality", "score", "--quality-weight", "0.1"]);
        command.assert().code(3).stderr(contains("snappy.parquet: record 3").and(contains("`score` is null")));
    }

    #[test]
    fn columnar_vectors_are_those_of_tables() {
        let directory = directory();
        let at = directory.path();
        let chosen = select(at, "rows.npy", "query.npy", "npy", &["--pool-jsonl", "rows.jsonl"]);
        let rows = |out: &str| fs::read_to_string(at.join(out).join("optimal/k2/selection.jsonl")).unwrap();
        for pool in [
            "gzip.parquet:embedding",
            "stream-lz4.arrow:embedding",
            "dataset:embedding",
            "polars-zstd.parquet:embedding",
        ] {
            let out = pool.split('.').next().unwrap();
            let path = data(pool);
            assert_eq!(select(at, path.to_str().unwrap(), "query.npy", out, &[]), chosen, "{pool}");
            // Its other columns are the records, so ids are known.
            assert_eq!(rows(out), rows("npy"), "{pool}");
            verify(at, out, &[]);
            // The dataset has doubles.
            if pool != "dataset:embedding" {
                verify(at, out, &["--pool", "rows.npy", "--query", "query.npy"]);
            }
        }
        assert_eq!(digests(at, "gzip"), digests(at, "npy"));
        let path = data("gzip.parquet");
        let path = path.to_str().unwrap();
        verify(at, "npy", &["--pool", &format!("{path}:embedding"), "--query", "query.npy"]);
        assert_eq!(select(at, path, "query.npy", "tensor", &["--tensor", "embedding"]), chosen);
        let manifest = read_json(&at.join("gzip/manifest.json"));
        let pool = &manifest["inputs"][0];
        assert_eq!(
            (&pool["format"], &pool["tensor"], &pool["dtype"]),
            (&"parquet".into(), &"embedding".into(), &"f32".into())
        );
        assert!(
            manifest["inputs"]
                .as_array()
                .unwrap()
                .iter()
                .any(|input| input["role"] == "pool-jsonl" && input["format"] == "parquet")
        );
        // Limits of memory hold for what is unpacked.
        let mut command = kantor();
        command.current_dir(at).args([
            "select",
            "--query",
            "query.npy",
            "--budget",
            "2",
            "-o",
            "none",
            "--max-memory",
            "200",
        ]);
        command.arg("--pool").arg(data("gzip.parquet:embedding")).assert().code(5).stderr(contains("--max-memory"));
        let found = printed_json(kantor().arg("inspect").arg("--json").arg(data("zstd.parquet:embedding")));
        assert_eq!((&found["files"][0]["rows"], &found["files"][0]["columns"]), (&7.into(), &3.into()));
    }

    #[test]
    fn columnar_records_are_written_as_they_are_and_as_asked() {
        let directory = directory();
        let at = directory.path();
        let files = |out: &str| {
            let names = fs::read_dir(at.join(out).join("optimal/k2")).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
            names.retain(|name| name.starts_with("selected"));
            names.sort();
            names
        };
        let pool = data("dictionary.parquet");
        let pool = pool.to_str().unwrap();
        let chosen = select(at, pool, "query.jsonl", "plain", &[]);
        assert_eq!(files("plain"), ["selected.parquet"]);
        let formats = ["--format", "parquet,hf,jsonl,ids"];
        assert_eq!(select(at, pool, "query.jsonl", "all", &formats), chosen);
        assert_eq!(files("all"), ["selected.hf", "selected.ids.txt", "selected.jsonl", "selected.parquet"]);
        let selection = at.join("all/optimal/k2");
        let lines = fs::read_to_string(selection.join("selected.jsonl")).unwrap();
        let wanted: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let ids: Vec<String> = wanted.iter().map(|line| format!("{}\n", line["id"].as_str().unwrap())).collect();
        assert_eq!(fs::read_to_string(selection.join("selected.ids.txt")).unwrap(), ids.concat());
        // What was written is read again as lines: the same, with ranks and weights.
        for (name, written) in [("parquet", "selected.parquet"), ("hf", "selected.hf")] {
            let path = selection.join(written);
            select(at, path.to_str().unwrap(), "query.jsonl", name, &["--format", "jsonl"]);
            let again = fs::read_to_string(at.join(name).join("optimal/k2/selected.jsonl")).unwrap();
            let mut again: Vec<Value> = again.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            again.sort_by_key(|line| line["kantor_rank"].as_u64());
            for (rank, (again, wanted)) in again.iter().zip(&wanted).enumerate() {
                let mut wanted = wanted.clone();
                (wanted["kantor_rank"], wanted["kantor_weight"]) = (rank.into(), 0.5.into());
                assert_eq!(again, &wanted, "{written}");
            }
        }
        let manifest = read_json(&at.join("all/manifest.json"));
        let outputs = manifest["outputs"].as_array().unwrap().iter();
        let outputs: Vec<&str> = outputs.filter_map(|output| output["path"].as_str()).collect();
        assert!(outputs.iter().any(|path| path.ends_with("selected.hf/state.json")), "{outputs:?}");
        let mut command = kantor();
        command.current_dir(at).args([
            "select",
            "--pool",
            "rows.jsonl",
            "--query",
            "query.jsonl",
            "--budget",
            "2",
            "-o",
            "none",
        ]);
        command
            .args(["--format", "parquet"])
            .assert()
            .code(2)
            .stderr(contains("--format parquet").and(contains("records are lines")));
        let mut command = kantor();
        command.current_dir(at).args([
            "select",
            "--query",
            "query.jsonl",
            "--budget",
            "1",
            "-o",
            "none",
            "--format",
            "hf",
        ]);
        command
            .arg("--pool")
            .arg(data("typed.parquet"))
            .assert()
            .code(3)
            .stderr(contains("the column `map`").and(contains("--format parquet")));
    }

    #[test]
    fn columnar_mistakes_are_said_with_what_to_name() {
        let directory = directory();
        let at = directory.path();
        let fails = |pool: &str, query: &str, code: i32| {
            let mut command = kantor();
            command.current_dir(at).args(["select", "--budget", "2", "-o", "none", "--query", query, "--pool"]);
            command.arg(data(pool)).assert().code(code)
        };
        fails("vectors.parquet", "query.npy", 2)
            .stderr(contains("several columns hold vectors").and(contains("FILE:COLUMN")));
        fails("vectors.parquet:nothing", "query.npy", 2)
            .stderr(contains("no column `nothing`").and(contains("`list_f16`")));
        fails("snappy.parquet", "query.npy", 2)
            .stderr(contains("snappy.parquet is text and query.npy is not").and(contains("FILE:COLUMN")));
        fails("splits", "query.jsonl", 3).stderr(contains("the splits `train`, `test`"));
        fails("bad-ragged.parquet:embedding", "query.npy", 3)
            .stderr(contains("bad-ragged.parquet: row 1 of the column `embedding`"));
        // A file whose footer lies about what is before it.
        fails("forged-page.parquet", "query.jsonl", 3).stderr(contains("claims 2147483647 bytes"));
    }
}
