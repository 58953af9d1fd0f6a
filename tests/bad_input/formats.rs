//! Formats that are not read where they were given are named, with what to do.

use std::path::PathBuf;

use kantor::source::list::read_list;
use kantor::source::whole::{self, Whole};
use kantor::source::{DataError, FaultKind, JsonlRows, Labels};
use kantor_solvers::Quiet;

use crate::support::*;

const PARQUET: &[u8] = b"PAR1\x15\x04\x15\x00\x15\x00";
const ARROW: &[u8] = b"ARROW1\0\0\xff\xff\xff\xff";
const STREAM: &[u8] = b"\xff\xff\xff\xff\x78\x02\0\0\x10\0\0\0\0\0\x0a\0";
const LEGACY_PT: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n\0\0";
const UTF16: &[u8] = b"\xff\xfe{\0\"\0a\0";

/// Whether these bytes are of a format that is not read here: files of columns are, where the program is built with them.
fn is_foreign(bytes: &[u8]) -> bool {
    !(cfg!(feature = "parquet") && [PARQUET, ARROW, STREAM].contains(&bytes))
}

fn torch() -> Vec<u8> {
    zip(&[("x/data.pkl", b"\x80\x02."), ("x/data/0", &[0; 8])], false)
}

fn tar() -> Vec<u8> {
    let mut bytes = vec![0; 1024];
    bytes[..10].copy_from_slice(b"rows.jsonl");
    bytes[257..262].copy_from_slice(b"ustar");
    bytes
}

/// Puts the bytes into a file and asserts that reading refuses them with these words, and that the file's name is in it.
fn refused<T: std::fmt::Debug>(bytes: &[u8], read: impl Fn(&PathBuf) -> Result<T, DataError>, parts: &[&str]) {
    let files = Files::new();
    let error = says(read(&files.put("given", bytes)), &[&["given: is "], parts].concat());
    assert_eq!(error.kind(), FaultKind::BadInput, "{error}");
}

#[test]
fn other_formats_in_the_place_of_vectors() {
    let rows = |path: &PathBuf| open(path);
    for (bytes, name, remedy) in [
        (PARQUET, "a Parquet file", "read_parquet('FILE')"),
        (ARROW, "an Arrow file", "read_feather('FILE')"),
        (STREAM, "an Arrow stream (as HuggingFace datasets keeps)", "Dataset.from_file('FILE')"),
        (LEGACY_PT, "a PyTorch file of the format before version 1.6", "weights_only=True"),
        (HDF5, "an HDF5 file", "h5py.File('FILE')"),
        (b"SQLite format 3\0\x10\0", "an SQLite database", "np.save"),
        (UTF16, "text in UTF-16", "iconv"),
        (&tar(), "a tar archive", "unpack it"),
        (&gzip(&npy_f32(2, &[1.0; 4])), "gzip-compressed", "unpack it"),
    ] {
        if is_foreign(bytes) {
            refused(bytes, rows, &[name, remedy]);
        }
    }
}

#[test]
#[cfg(not(feature = "parquet"))]
fn files_of_columns_name_the_feature_and_the_conversion() {
    let lines = |path: &PathBuf| JsonlRows::scan(std::slice::from_ref(path), None, &Quiet);
    for (bytes, way) in [(PARQUET, "read_parquet"), (ARROW, "read_feather"), (STREAM, "Dataset.from_file")] {
        let said = ["which this program was built without", "--features parquet", "to_json('rows.jsonl'", way];
        refused(bytes, open, &[&said[..], &["np.save('x.npy'"]].concat());
        refused(bytes, lines, &said);
    }
    let files = Files::new();
    says(open(&files.put("given", torch())), &["given: the PyTorch file takes more values", "weights_only=True"]);
}

#[test]
fn text_in_the_place_of_vectors_is_not_sent_in_a_circle() {
    let rows = |path: &PathBuf| open(path);
    let model = ["kantor makes rows", "embedding model", "SentenceTransformer", "give x.npy here", "--pool-jsonl"];
    let json = [&["text (JSON), not vectors", "json.loads(l)"][..], &model].concat();
    let plain = [&["text, not vectors", "splitlines()"][..], &model].concat();
    refused(b"{\"text\": \"a\"}\n", rows, &json);
    refused("  [\"größe\"]".as_bytes(), rows, &json);
    refused(b"How many eggs?\nThree.\n", rows, &plain);
    refused(
        &gzip(b"{\"text\": \"a\"}\n"),
        rows,
        &[&["gzip-compressed, and unpacked text (JSON)"], &json[1..]].concat(),
    );
    refused(&zstd(b"How many eggs?"), rows, &[&["zstd-compressed, and unpacked text"], &plain[1..]].concat());
    refused(b"0.5,1.5\n2.5,3.5\n", rows, &["text (numbers), not vectors", "np.loadtxt('FILE'"]);
    refused(b"a,b\n0.5,1.5\n", rows, &["text (numbers), not vectors", "skiprows=1"]);
}

#[test]
fn other_formats_in_the_place_of_rows_of_text() {
    let lines = |path: &PathBuf| JsonlRows::scan(std::slice::from_ref(path), None, &Quiet);
    let table = npy_f32(2, &[1.0; 4]);
    let tensor = safetensors(&[("x", "F32", "[1,2]", &[0; 8])]);
    for (bytes, name, remedy) in [
        (PARQUET, "a Parquet file", "to_json('rows.jsonl', orient='records', lines=True)"),
        (ARROW, "an Arrow file", "to_json('rows.jsonl'"),
        (STREAM, "an Arrow stream", "to_json('rows.jsonl')"),
        (&torch(), "a PyTorch file", "vectors go to --pool and --query"),
        (LEGACY_PT, "a PyTorch file of the format", "json.dumps"),
        (HDF5, "an HDF5 file", "json.dumps"),
        (&table, "a numpy array (.npy)", "vectors go to --pool and --query"),
        (&zip(&[("x.npy", &table)], true), "a numpy archive (.npz)", "vectors go to --pool and --query"),
        (&tensor, "a safetensors file", "vectors go to --pool and --query"),
        (&zip(&[("rows.jsonl", b"{}")], true), "a zip archive", "pack it with gzip or zstd"),
        (&tar(), "a tar archive", "unpack it"),
        (b"BZh91AY&SY\0\x01\x02", "bzip2-compressed", "unpack it"),
        (b"\xfd7zXZ\0\0\x04", "xz-compressed", "unpack it"),
        (UTF16, "text in UTF-16", "iconv -f utf-16 -t utf-8"),
    ] {
        if is_foreign(bytes) {
            refused(bytes, lines, &[name, "not a file of JSON lines", remedy]);
        }
    }
    let files = Files::new();
    says(lines(&files.put("a.json", "[\n {\"a\": 1}\n]\n")), &["not a JSON object: `[`", "jq -c '.[]'"]);
}

#[test]
fn other_formats_in_the_place_of_labels_lists_certificates_settings_records_and_results() {
    let table = npy_f32(2, &[1.0; 4]);
    let read = |kind: Whole| move |path: &PathBuf| whole::read(path, kind);
    let binaries: [(&[u8], &str); 5] = [
        (PARQUET, "a Parquet file"),
        (STREAM, "an Arrow stream"),
        (&zip(&[("x.npy", &table)], true), "a numpy archive"),
        (LEGACY_PT, "a PyTorch file of the format before version 1.6"),
        (HDF5, "an HDF5 file"),
    ];
    for (bytes, name) in binaries {
        if is_foreign(bytes) {
            refused(bytes, |path| Labels::read(path, 2, &Quiet), &[name, "not a file of labels", "one label a line"]);
        }
        refused(bytes, |path| read_list(path, 9), &[name, "not a list of numbers", "1-d .npy array"]);
        refused(bytes, read(Whole::Certificate), &[name, "not a certificate", "certificate.json"]);
        refused(bytes, read(Whole::Settings), &[name, "not a file of settings", "write TOML"]);
        refused(bytes, read(Whole::Record), &[name, "manifest.json"]);
        refused(bytes, read(Whole::Results), &[name, "not a file of results", "give CSV"]);
    }
    let packed = gzip(b"{}");
    refused(&packed, read(Whole::Certificate), &["gzip-compressed, not a certificate"]);
    refused(&packed, read(Whole::Settings), &["gzip-compressed, not a file of settings"]);
    refused(&packed, |path| read_list(path, 9), &["gzip-compressed, not a list of numbers"]);
    refused(&table, read(Whole::Certificate), &["a numpy array (.npy), not a certificate"]);
    refused(b" {\"cost\": 1}", read(Whole::Settings), &["JSON, not a file of settings"]);
    let files = Files::new();
    says(read_list(&files.put("l", "1\n[2]\n"), 9), &["line 2 is not a number but `[2]`", "one number a line"]);
    // What only begins like a format is the text that it is.
    assert_eq!(Labels::read(&files.put("labels", "PAR1\nBZh9\n"), 2, &Quiet).unwrap().names, ["PAR1", "BZh9"]);
}

/// It was told to be written as a table.
#[test]
fn a_table_of_text_is_called_one_where_vectors_are_meant() {
    let files = Files::new();
    for (name, mark) in [("x.csv", ','), ("x.tsv", '\t')] {
        let table = format!("prompt{mark}n\nsay hello{mark}1\nbye{mark}2\n");
        says(open(&files.put(name, table)), &["is a table of text, not vectors", "makes rows by itself", "read_csv"]);
    }
    says(open(&files.put("x.txt", "say hello\nbye\n")), &["is text, not vectors", "a table with a header"]);
}
