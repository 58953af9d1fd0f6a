//! Files of columns as pyarrow, polars and HuggingFace datasets write them (`make.py` and `more.py` in `tests/data/tables`): read exactly, or refused with
//! the file, the row and the column; damaged ones are errors.

use std::path::{Path, PathBuf};

use kantor::source::{Allowance, DataError, FaultKind, JsonlRows, OnBadRow, OpenOptions, Representation, files_named};
use kantor_solvers::Quiet;
use kantor_theory::Rows;
use kantor_theory::cost::Family;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::support::*;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tables").join(name)
}

/// What `make.py` and `more.py` say of their files.
fn expected(what: &str) -> Vec<(String, Value)> {
    let stored = |name: &str, folder: &'static str| {
        let mut all: Value = serde_json::from_slice(&std::fs::read(data(name)).unwrap()).unwrap();
        let of: serde_json::Map<_, _> = serde_json::from_value(all[what].take()).unwrap_or_default();
        let folder = if what == "lines" { "" } else { folder };
        of.into_iter().map(move |(name, value)| (format!("{folder}{name}"), value))
    };
    stored("expected.json", "").chain(stored("more.json", "more/")).collect()
}

fn lines(rows: &JsonlRows) -> Vec<Value> {
    let mut found = Vec::new();
    rows.visit(&Quiet, |_, line| {
        found.push(serde_json::from_slice(line).unwrap());
        Ok(())
    })
    .unwrap();
    found
}

fn vectors(named: &Path, cast: bool) -> Result<Representation, DataError> {
    let mut rows = Representation::open(&files_named(named)?, &OpenOptions { cast, ..OpenOptions::default() })?;
    rows.validate(Family::Distance, OnBadRow::Error, &Quiet)?;
    Ok(rows)
}

/// Of two streams one after the other, the rows of the second were left out without a word.
#[test]
fn what_follows_the_end_of_a_stream_is_an_error() {
    let (files, stream) = (Files::new(), std::fs::read(data("stream-None.arrow")).unwrap());
    let both = files.put("both.arrow", [&stream[..], &stream].concat());
    says(JsonlRows::scan(&[both], None, &Quiet), &["both.arrow", "after its end stand more bytes"]);
    let padded = files.put("padded.arrow", [&stream[..], &[0; 64]].concat());
    assert_eq!(JsonlRows::scan(&[padded], None, &Quiet).unwrap().len(), 7);
}

#[test]
fn records_are_read_as_python_reads_them() {
    let (all, mut read) = (expected("lines"), 0);
    for (name, key) in expected("records") {
        let wanted = &all.iter().find(|(of, _)| *of == key).unwrap().1;
        let files = files_named(&data(&name)).unwrap();
        let rows = JsonlRows::scan(&files, None, &Quiet).unwrap_or_else(|error| panic!("{name}: {error}"));
        let found = lines(&rows);
        assert_eq!(rows.len(), found.len(), "{name}");
        for (row, (found, wanted)) in found.iter().zip(wanted.as_array().unwrap()).enumerate() {
            assert_eq!(found, wanted, "{name}: row {row}");
        }
        if key == "rows" {
            assert_eq!((rows.len(), rows.id(6)), (7, Some("r6")), "{name}");
        }
        // Some rows, copied; and one field alone.
        let copied = rows.copy(&[rows.len() - 1, 1], &Quiet).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&copied[&1]).unwrap(), wanted[1], "{name}");
        let mut fields = Vec::new();
        let only = |line: &[u8]| serde_json::from_slice::<Value>(line).unwrap();
        rows.visit_fields(&["response", "text"], &Quiet, |_, line| {
            fields.push(only(line));
            Ok(())
        })
        .unwrap();
        let key = if key == "rows" { "response" } else { "text" };
        assert!(
            fields
                .iter()
                .zip(&found)
                .all(|(a, b)| a[key] == b[key] && a.as_object().unwrap().len() == b.as_object().unwrap().len())
        );
        read += 1;
    }
    assert!(read > 100, "{read} files");
}

#[test]
fn vectors_are_read_bit_by_bit() {
    let mut read = 0;
    for (name, wanted) in expected("vectors") {
        let table = vectors(&data(&name), true).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (rows, dim) = (wanted["rows"].as_u64().unwrap() as usize, wanted["dim"].as_u64().unwrap() as usize);
        assert_eq!((table.len(), table.dim()), (rows, dim), "{name}");
        assert!(table.files().iter().all(|file| file.dtype == wanted["dtype"]), "{name}");
        let mut numbers = vec![0.0; rows * dim];
        table.read(0, 0..dim, &mut numbers);
        let hex: String = numbers.iter().flat_map(|x| x.to_le_bytes()).map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, wanted["f64"].as_str().unwrap(), "{name}");
        read += 1;
    }
    assert!(read > 40, "{read} columns");
}

#[test]
fn what_is_no_vector_is_said_with_its_row_and_column() {
    for (name, words) in expected("bad") {
        let error = vectors(&data(&name), false).err().unwrap_or_else(|| panic!("{name} was read")).to_string();
        for word in words.as_array().unwrap() {
            assert!(error.contains(word.as_str().unwrap()), "{name}: {word} is missing in: {error}");
        }
        assert!(error.contains(name.split(':').next().unwrap()), "{error}");
    }
    // The second of two files: its row, and that of all.
    let paths = ["vectors.arrow:fixed_f32", "bad-null-row.parquet:embedding"].map(data);
    says(
        Representation::open(&paths, &OpenOptions::default()),
        &["bad-null-row.parquet: row 2 (row 8 of all files)", "`embedding` is null"],
    );
    says(vectors(&data("bad-nan.parquet:embedding"), false), &["row 1", "NaN in column 1 of `embedding`"]);
}

#[test]
fn datasets_are_directories_whose_state_lists_their_files() {
    says(files_named(&data("splits")), &["the splits `train`, `test`", "name one of them", "splits/train"]);
    let files = Files::new();
    std::fs::create_dir(files.path("set")).unwrap();
    let state = |text: &str| {
        files.put("set/state.json", text);
        files_named(&files.path("set"))
    };
    let named =
        state(r#"{"_data_files": [{"filename": "b.arrow"}, {"filename": "a.arrow"}], "_split": null}"#).unwrap();
    assert_eq!(named, [files.path("set/b.arrow"), files.path("set/a.arrow")]);
    says(state(r#"{"_data_files": []}"#), &["the dataset has no files"]);
    says(state(r#"{"_data_files": [{"filename": "../a.arrow"}]}"#), &["`../a.arrow`, which is not beside it"]);
    says(state(r#"{"_data_files": [{"filename": "a"}], "_indices_files": [{"filename": "i"}]}"#), &["flatten_indices"]);
    says(state("{"), &["does not describe a dataset"]);
}

#[test]
fn shards_of_several_sets_or_not_all_of_one_are_refused() {
    let files = Files::new();
    let put = |name: &str| std::fs::copy(data("snappy.parquet"), files.path(name)).unwrap();
    put("train-00000-of-00002.parquet");
    says(files_named(&files.path("")), &["has 1 of 2 shards `train-…-of-…`"]);
    put("train-00001-of-00002.parquet");
    assert_eq!(files_named(&files.path("")).unwrap().len(), 2);
    put("test-00000-of-00001.parquet");
    says(files_named(&files.path("")), &["several sets, `test` and `train`", "DIR/test-*"]);
    assert_eq!(files_named(&files.path("train-*")).unwrap().len(), 2);
    let named = files_named(&files.path("train-*:embedding")).unwrap();
    assert!(named[1].to_str().unwrap().ends_with("train-00001-of-00002.parquet:embedding"), "{named:?}");
}

#[test]
fn what_a_file_claims_of_its_sizes_is_checked_before_memory_is_taken() {
    let scan = |path: &PathBuf, bytes: u64| {
        let rows = JsonlRows::scan_within(std::slice::from_ref(path), None, &Allowance::new(bytes), &Quiet)?;
        rows.visit(&Quiet, |_, _| Ok(()))
    };
    says(
        scan(&data("forged-page.parquet"), u64::MAX),
        &["claims 2147483647 bytes, more than its 15 can hold", "`text`"],
    );
    let files = Files::new();
    let mut stream = std::fs::read(data("stream-lz4.arrow")).unwrap();
    let frame = stream.windows(4).position(|bytes| bytes == [0x04, 0x22, 0x4d, 0x18]).unwrap();
    stream[frame - 8..frame].copy_from_slice(&(1u64 << 40).to_le_bytes());
    says(scan(&files.put("x", &stream), u64::MAX), &["claims 1099511627776 bytes, more than its"]);
    // Files cut anywhere, and memory that does not do.
    for name in ["zstd.parquet", "file-zstd.arrow"] {
        let whole = std::fs::read(data(name)).unwrap();
        says(scan(&files.put("cut", &whole[..whole.len() - 3]), u64::MAX), &["cut off"]);
        let error = says(scan(&data(name), 1 << 10), &["may be taken", "--max-memory"]);
        assert_eq!(error.kind(), FaultKind::Resource);
    }
    let stream = std::fs::read(data("stream-None.arrow")).unwrap();
    says(scan(&files.put("cut", &stream[..stream.len() - 9]), u64::MAX), &["cut off"]);
}

#[test]
fn damaged_files_of_columns_never_panic() {
    let files = Files::new();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let (mut read, mut refused) = (0, 0);
    let names = [
        ("snappy.parquet", "embedding"),
        ("pages.parquet", "embedding"),
        ("delta.parquet", "embedding"),
        ("dictionary.parquet", "embedding"),
        ("typed.parquet", "f32"),
        ("file-lz4.arrow", "embedding"),
        ("deltas.arrow", "embedding"),
        ("views.arrow", "view"),
        ("vectors.arrow", "view_f16"),
    ];
    for (name, column) in names {
        let whole = std::fs::read(data(name)).unwrap();
        for _ in 0..60 {
            let mut bytes = whole.clone();
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..bytes.len());
                bytes[at] = if rng.random_range(0..2) == 0 {
                    rng.next_u32() as u8
                } else {
                    bytes[at] ^ (1 << rng.random_range(0..8))
                };
            }
            if rng.random_range(0..8) == 0 {
                bytes.truncate(rng.random_range(1..bytes.len()));
            }
            let path = files.put("x", &bytes);
            let scanned = JsonlRows::scan(std::slice::from_ref(&path), None, &Quiet);
            match scanned.and_then(|rows| rows.visit(&Quiet, |_, _| Ok(()))) {
                Ok(()) => read += 1,
                Err(_) => refused += 1,
            }
            let _ = vectors(&files.path(&format!("x:{column}")), true);
        }
    }
    assert!(read > 50 && refused > 50, "{read} were read and {refused} refused: the damage tests nothing");
}

#[test]
fn taken_rows_keep_their_columns_and_types() {
    let all = expected("lines");
    let wanted = &all.iter().find(|(name, _)| name == "rows").unwrap().1;
    let (files, order, weights) = (Files::new(), [3, 5, 1], [0.5, 0.25, 0.25]);
    for name in
        ["snappy.parquet", "empty-groups.parquet", "deltas.arrow", "dataset", "large.parquet", "dictionary.parquet"]
    {
        let rows = JsonlRows::scan(&files_named(&data(name)).unwrap(), None, &Quiet).unwrap();
        let taken = rows.take(&[5, 1, 0, 3], &Quiet).unwrap();
        for (file, bytes) in [
            ("x.parquet", taken.parquet(&order, &weights).unwrap()),
            ("x.arrow", taken.stream(&order, &weights).unwrap()),
        ] {
            let path = files.put(file, bytes);
            let found = lines(&JsonlRows::scan(std::slice::from_ref(&path), None, &Quiet).unwrap());
            for (rank, &row) in order.iter().enumerate() {
                let mut line = wanted[row].clone();
                line["kantor_rank"] = rank.into();
                line["kantor_weight"] = weights[rank].into();
                assert_eq!(found[rank], line, "{name}: {file}");
            }
            assert_eq!(found.len(), 3);
            let dtype = |path: &Path| {
                Representation::open(
                    &files_named(
                        &path.with_file_name(format!("{}:embedding", path.file_name().unwrap().to_str().unwrap())),
                    )
                    .unwrap(),
                    &OpenOptions::default(),
                )
                .unwrap()
                .files()[0]
                    .dtype
            };
            assert_eq!(dtype(&path), dtype(&data(name)), "{name}: {file}");
            // Chosen rows are not ranked twice.
            let again = JsonlRows::scan(&[path], None, &Quiet).unwrap().take(&[0], &Quiet).unwrap();
            says(again.parquet(&[0], &[1.0]), &["has a column `kantor_rank` already"]);
        }
    }
    let typed = JsonlRows::scan(&[data("typed.parquet")], None, &Quiet).unwrap().take(&[1], &Quiet).unwrap();
    assert!(typed.parquet(&[1], &[1.0]).is_ok());
    says(typed.stream(&[1], &[1.0]), &["the column `map`", "--format parquet"]);
    let mixed = JsonlRows::scan(&[data("snappy.parquet"), data("typed.parquet")], None, &Quiet).unwrap();
    says(mixed.take(&[1, 8], &Quiet), &["typed.parquet: has other columns"]);
    let text = files.put("rows.jsonl", "{\"a\": 1}\n");
    says(JsonlRows::scan(&[text], None, &Quiet).unwrap().take(&[0], &Quiet), &["lines of text, not columns"]);
}
