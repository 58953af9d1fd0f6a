//! Rows of text: what is refused, and that what is accepted is copied byte for byte.

use std::path::PathBuf;

use kantor::source::{Allowance, DataError, FaultKind, JsonlRows};
use kantor_solvers::Quiet;

use crate::support::*;

fn scan(paths: &[PathBuf]) -> Result<JsonlRows, DataError> {
    JsonlRows::scan(paths, None, &Quiet)
}

fn refused(bytes: impl AsRef<[u8]>, parts: &[&str]) {
    let files = Files::new();
    for (name, bytes) in [
        ("rows.jsonl", bytes.as_ref().to_vec()),
        ("rows.jsonl.gz", gzip(bytes.as_ref())),
        ("rows.jsonl.zst", zstd(bytes.as_ref())),
    ] {
        let error = says(scan(&[files.put(name, bytes)]), &[&[name], parts].concat());
        assert_eq!(error.kind(), FaultKind::BadInput, "{error}");
    }
}

#[test]
fn bad_utf8() {
    refused(b"{\"a\": 1}\n{\"a\": \"x\xff\"}\n", &[":2:", "0xff at column 9", "not UTF-8", "iconv"]);
}

#[test]
fn bad_json() {
    refused("{\"a\": 1}\n{\"a\": 1,}\n", &[":2:", "bad JSON", "`{\"a\": 1,}`", "one object"]);
    refused("{\"a\": 1} {}\n", &[":1:", "bad JSON"]);
    refused("{\"a\": 1}\n[1, 2]\n", &[":2:", "not a JSON object: `[1, 2]`", "one object"]);
    refused("{\"a\": \"1\n2\"}\n", &[":1:", "bad JSON"]);
    refused("\u{feff}{\"a\": 1}\n", &[":1:", "byte-order mark", "three bytes"]);
    refused("{\"id\": 1, \"id\": 2}\n", &[":1:", "`id` occurs twice"]);
    refused(format!("{{\"a\": {}", "[".repeat(300_000)), &[":1:", "bad JSON"]);
}

#[test]
fn what_json_dumps_writes_is_copied_byte_for_byte() {
    let deep = format!("{{\"id\": \"d\", \"a\": {}{}}}", "[".repeat(300_000), "]".repeat(300_000));
    let lines = [
        r#"{"id": "a", "score": NaN, "low": -Infinity, "high": [Infinity, {"x": NaN}]}"#,
        r#"{"id": "b", "text": "half a pair: \ud800, and \udfff\ud83d"}"#,
        r#"{"id": "c", "huge": 1e999, "tiny": -1E-999, "long": 0.1000000000000000055511151231257827021181583404541015625}"#,
        &format!(r#"{{"id": "{}", "digits": {}}}"#, "x".repeat(300), "9".repeat(400)),
        &deep,
        r#"{"score": NaN, "id": 12345678901234567890123}"#,
        r#"{"id": "\ud83d\ude00"}"#,
        r#"{"id": "\ud83d"}"#,
    ];
    let files = Files::new();
    let text = lines.join("\n");
    for (name, bytes) in [("x", text.clone().into_bytes()), ("x.gz", gzip(text.as_bytes()))] {
        let rows = scan(&[files.put(name, bytes)]).unwrap();
        let copied = rows.copy(&Vec::from_iter(0..lines.len()), &Quiet).unwrap();
        for (row, line) in lines.iter().enumerate() {
            assert_eq!(*copied[&row], *format!("{line}\n").as_bytes());
        }
        let ids: Vec<&str> = (0..8).map(|row| rows.id(row).unwrap()).collect();
        assert_eq!((ids[0], ids[2], ids[4], ids[5]), ("a", "c", "d", "12345678901234567890123"));
        assert_eq!((ids[6], ids[7]), ("\u{1f600}", "\\ud83d"));
    }
    // The label of a line is found beside what else it holds.
    let labels = files.put("labels.jsonl", "{\"score\": NaN, \"task\": \"m\"}\n{\"task\": 1e999}\n");
    assert_eq!(kantor::source::Labels::read(&labels, 2, &Quiet).unwrap().names, ["m", "1e999"]);
}

#[test]
fn what_json_loads_refuses_is_refused() {
    for line in [
        "{'a': 1}",
        "{\"a\": nan}",
        "{\"a\": 01}",
        "{\"a\": .5}",
        "{\"a\": +1}",
        "{\"a\": \"\t\"}",
        "{\"a\": \"\\x\"}",
        "{\"a\": 1,}",
        "{\"a\": [1,]}",
        "{\"a\" 1}",
        "{\"a\": None}",
        "{\"a\": True}",
        "{\"a\": 1 // one\n}",
        "{\"a\": \"\\ud8\"}",
    ] {
        refused(line, &[":1:", "bad JSON", "is expected at column", "json.dumps"]);
    }
    refused("  {\"a\": tru}\n", &["a value is expected at column 9"]);
}

#[test]
fn blank_line() {
    refused("{\"a\": 1}\n\n{\"a\": 2}\n", &[":2:", "blank", "delete it"]);
    refused("{\"a\": 1}\r\n \t\r\n", &[":2:", "blank"]);
}

#[test]
fn windows_line_ends_are_copied_verbatim() {
    let files = Files::new();
    let path = files.put("rows.jsonl", "{\"a\": 1}\r\n { \"a\" : 2 }\r\n");
    let copied = scan(&[path]).unwrap().copy(&[1, 0], &Quiet).unwrap();
    assert_eq!(&*copied[&0], b"{\"a\": 1}\r\n");
    assert_eq!(&*copied[&1], b" { \"a\" : 2 }\r\n");
}

#[test]
fn last_line_without_newline_gets_one() {
    let files = Files::new();
    let rows = scan(&[files.put("rows.jsonl", "{\"a\":1}\n{\"a\":2}")]).unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(&*rows.copy(&[1], &Quiet).unwrap()[&1], b"{\"a\":2}\n");
}

#[test]
fn missing_id_falls_back_to_row_numbers() {
    let files = Files::new();
    let rows =
        scan(&[files.put("rows.jsonl", "{\"id\": \"a\"}\n{\"text\": 1}\n{\"id\": null}\n{\"id\": \"a\"}\n")]).unwrap();
    assert_eq!((rows.len(), rows.rows_with_id(), rows.id(0)), (4, 2, None));
    let rows = scan(&[files.put("ids.jsonl", "{\"id\": \"a\\n\"}\n{\"x\": {\"id\": 3}, \"id\": -5}\n{\"id\": 12}\n")])
        .unwrap();
    assert_eq!((rows.rows_with_id(), rows.id(0), rows.id(1), rows.id(2)), (3, Some("a\n"), Some("-5"), Some("12")));
    let rows = scan(&[files.put("odd.jsonl", "{\"id\": 1.5}\n{\"id\": [1]}\n{\"id\": {\"a\": 1}}\n{\"id\": true}\n")])
        .unwrap();
    assert_eq!((rows.rows_with_id(), rows.id(0)), (0, None));
}

#[test]
fn duplicate_id() {
    let files = Files::new();
    let a = files.put("a.jsonl", "{\"id\": \"x\"}\n{\"id\": \"7\"}\n");
    let b = files.put("b.jsonl", "{\"id\": \"y\"}\n{\"id\": \"y\"}\n{\"id\": 7}\n");
    says(scan(&[a.clone(), b.clone()]), &["b.jsonl:2:", "`y`", "b.jsonl:1", "unique"]);
    let c = files.put("c.jsonl", "{\"id\": 7}\n");
    says(scan(&[a, c]), &["c.jsonl:1:", "`7`", "a.jsonl:2"]);
}

#[test]
fn rows_and_vectors_differ_in_number() {
    let files = Files::new();
    let path = files.put("rows.jsonl", "{\"a\": 1}\n{\"a\": 2}\n");
    says(
        JsonlRows::scan(std::slice::from_ref(&path), Some(3), &Quiet),
        &["rows.jsonl", "2 rows", "3 vectors", "same order"],
    );
    assert_eq!(JsonlRows::scan(&[path], Some(2), &Quiet).unwrap().len(), 2);
    says(scan(&[files.put("empty.jsonl", "")]), &["empty.jsonl", "no bytes"]);
    says(scan(&[files.put("empty.gz", gzip(b""))]), &["no row"]);
}

#[test]
fn cut_off_or_damaged_compression() {
    let files = Files::new();
    let text: String = (0..5000).map(|i| format!("{{\"id\": {i}, \"text\": \"{}\"}}\n", i * 7919 % 1009)).collect();
    for (name, whole) in [("x.gz", gzip(text.as_bytes())), ("x.zst", zstd(text.as_bytes()))] {
        let cut = files.put(name, &whole[..whole.len() / 2]);
        let error = says(scan(&[cut]), &[name, "damaged or cut off", "download the file again"]);
        assert_eq!(error.kind(), FaultKind::BadInput);
        let junk = files.put(name, [&whole[..], b"junk after the end"].concat());
        says(scan(&[junk]), &[name, "damaged"]);
    }
}

#[test]
fn shards_members_and_frames_are_read_in_order() {
    let files = Files::new();
    let line = |i: usize| format!("{{\"id\": {i}, \"t\": \"\u{e9}{}\"}}\n", "x".repeat(i % 50));
    let part = |range: std::ops::Range<usize>| range.map(line).collect::<String>().into_bytes();
    let paths = [
        files.put("a.jsonl", part(0..1000)),
        files.put("b.jsonl.gz", [gzip(&part(1000..1500)), gzip(&part(1500..2000))].concat()),
        files.put("c", [zstd(&part(2000..2500)), zstd(&part(2500..3000))].concat()),
    ];
    let rows = JsonlRows::scan(&paths, Some(3000), &Quiet).unwrap();
    assert_eq!(rows.files().iter().map(|file| file.rows).collect::<Vec<_>>(), [1000; 3]);
    let wanted = [2999, 0, 1499, 1500, 2000, 0, 999];
    let copied = rows.copy(&wanted, &Quiet).unwrap();
    for row in wanted {
        assert_eq!(&*copied[&row], line(row).as_bytes());
        assert_eq!(rows.id(row).unwrap(), row.to_string());
    }
    assert_eq!(copied.len(), 6);
    assert_eq!(rows.place(1500), (paths[1].as_path(), 501));
    // sha256sum of the stored bytes, whatever they unpack to.
    let table = files.put("same.npy", npy_f32(1, &[1.0]));
    let digest = open(&table).unwrap().digests(&Quiet).unwrap();
    assert_eq!(digest[0].len(), 64);
    assert_ne!(rows.files()[0].digest, rows.files()[1].digest);
}

#[test]
fn digest_is_that_of_the_stored_file() {
    // `printf '{}\n' | sha256sum`
    let files = Files::new();
    let rows = scan(&[files.put("x.jsonl", "{}\n")]).unwrap();
    assert_eq!(rows.files()[0].digest, "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356");
}

#[test]
fn a_file_that_changes_between_scan_and_copy() {
    let files = Files::new();
    let path = files.put("x.jsonl", "{\"a\": 1}\n{\"a\": 2}\n");
    let rows = scan(std::slice::from_ref(&path)).unwrap();
    std::fs::write(&path, "{\"a\": 1}\n").unwrap();
    let error = says(rows.copy(&[1], &Quiet), &["x.jsonl", "changed while it was read"]);
    assert_eq!(error.kind(), FaultKind::Io);
    says(rows.check_unchanged(), &["length differs"]);
}

#[test]
fn chosen_rows_count_towards_what_may_be_taken() {
    let files = Files::new();
    let line = format!("{{\"text\": \"{}\"}}\n", "x".repeat(1 << 20));
    let path = files.put("rows.jsonl", line.repeat(20));
    let rows = JsonlRows::scan_within(&[path], Some(20), &Allowance::new(8 << 20), &Quiet).unwrap();
    assert_eq!(rows.copy(&[3, 7], &Quiet).unwrap().len(), 2);
    let all: Vec<usize> = (0..20).collect();
    let error = says(rows.copy(&all, &Quiet), &["rows.jsonl", "the chosen rows", "--max-memory"]);
    assert_eq!(error.kind(), FaultKind::Resource);
}
