//! Compressed text: what `gzip` and `zstd` accept is read, and a file takes no more memory than is allowed.

use std::io::Write;

use kantor::source::{Allowance, DataError, FaultKind, JsonlRows, Labels};
use kantor_solvers::Quiet;

use crate::support::*;

fn scan(bytes: impl AsRef<[u8]>, allowance: u64) -> Result<JsonlRows, DataError> {
    let files = Files::new();
    let path = files.put("rows.jsonl.packed", bytes);
    let rows = JsonlRows::scan_within(std::slice::from_ref(&path), None, &Allowance::new(allowance), &Quiet)?;
    let every: Vec<usize> = (0..rows.len()).collect();
    assert_eq!(rows.copy(&every, &Quiet)?.len(), rows.len());
    Ok(rows)
}

/// zstd data whose window is said to have this logarithm.
fn wide(log: u32, bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(log).unwrap();
    encoder.include_contentsize(false).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn zero_bytes_after_or_between_members_of_gzip_are_padding() {
    let (a, b) = (gzip(b"{\"a\": 1}\n"), gzip(b"{\"a\": 2}\n"));
    for zeros in [1, 7, 512, 40_000] {
        let padding = vec![0; zeros];
        assert_eq!(scan([&a[..], &padding].concat(), 1 << 30).unwrap().len(), 1);
        assert_eq!(scan([&a[..], &b, &padding].concat(), 1 << 30).unwrap().len(), 2);
        assert_eq!(scan([&a[..], &padding, &b].concat(), 1 << 30).unwrap().len(), 2);
    }
    let files = Files::new();
    let labels = files.put("labels.gz", [gzip(b"x\ny\n"), vec![0; 100]].concat());
    assert_eq!(Labels::read(&labels, 2, &Quiet).unwrap().names, ["x", "y"]);
}

/// What is packed twice was called bytes that are not UTF-8, to be converted by iconv.
#[test]
fn data_that_are_packed_twice_are_named() {
    let files = Files::new();
    let twice = files.put("twice.jsonl.gz", gzip(&gzip(b"{\"text\": \"a\"}\n")));
    says(
        JsonlRows::scan(&[twice], None, &Quiet),
        &["twice.jsonl.gz:1", "packed data within the packed data", "gunzip"],
    );
}

#[test]
fn anything_else_after_gzip_data_is_refused_for_it_may_be_rows() {
    let a = gzip(b"{\"a\": 1}\n");
    for tail in [&b"junk"[..], b"\0\0\0junk", b"\x1f", b"\x1f\x8bjunk", &a[..a.len() - 4]] {
        let error = says(scan([&a[..], tail].concat(), 1 << 30), &["rows.jsonl.packed", "damaged or cut off here"]);
        assert_eq!(error.kind(), FaultKind::BadInput);
    }
    says(scan([&a[..], b"junk"].concat(), 1 << 30), &["neither gzip data nor zeros"]);
}

#[test]
fn a_window_of_zstd_is_taken_if_the_memory_is_allowed() {
    let text = "{\"a\": 1}\n".repeat(1000);
    let (far, near) = (wide(28, text.as_bytes()), wide(20, text.as_bytes()));
    assert_eq!(scan(&far, 1 << 30).unwrap().len(), 1000);
    let error = says(
        scan(&far, 100 << 20),
        &["rows.jsonl.packed", "window", "takes 268435456 bytes", "but 104857600 may be taken", "--max-memory"],
    );
    assert_eq!(error.kind(), FaultKind::Resource);
    // Frames follow one another; the widest counts, and what is no frame of data is passed over.
    let skipped = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    let frames = [&near[..], &skipped, &zstd(b""), &far, &near].concat();
    assert_eq!(scan(&frames, (256 << 20) + (1 << 20)).unwrap().len(), 3000);
    says(scan(&frames, 100 << 20), &["takes 268435456 bytes"]);
    // A frame that only claims a window of 3.5 TiB.
    let mut hostile = far.clone();
    assert_eq!(hostile[4] & 0x20, 0, "a frame with a window");
    hostile[5] = 0xff;
    let error = says(scan(&hostile, u64::MAX), &["window", "4123168604160 bytes", "2147483648"]);
    assert_eq!(error.kind(), FaultKind::Resource);
    says(scan(&far[..far.len() - 3], 1 << 30), &["damaged or cut off here"]);
}

#[test]
fn a_line_and_the_ids_of_rows_count_towards_the_memory_allowed() {
    let line = format!("{{\"a\": \"{}\"}}\n", "x".repeat(20 << 20));
    assert_eq!(scan(gzip(line.as_bytes()), 64 << 20).unwrap().len(), 1);
    let error = says(scan(gzip(line.as_bytes()), 8 << 20), &["a single line", "may be taken"]);
    assert_eq!(error.kind(), FaultKind::Resource);
    let ids: String = (0..100_000).map(|i| format!("{{\"id\": {i}}}\n")).collect();
    assert_eq!(scan(gzip(ids.as_bytes()), 8 << 20).unwrap().len(), 100_000);
    says(scan(gzip(ids.as_bytes()), 1 << 20), &["the ids of the rows", "--max-memory", "leave out the field `id`"]);
    // Where not all rows have one they take nothing, and there is room for the rows that are copied.
    assert_eq!(scan(gzip(format!("{{}}\n{ids}").as_bytes()), 2 << 20).unwrap().len(), 100_001);
    says(scan(gzip(ids.as_bytes()), 2 << 20), &["looking for repeated ids", "--max-memory"]);
}
