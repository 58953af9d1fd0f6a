//! Tables of text: quotes that stand where none may, records of any length, and the wish to stop meanwhile.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use kantor::source::column::ColumnKind;
use kantor::source::list::read_named_rows;
use kantor::source::{Allowance, DataError, JsonlRows, ReadColumn};
use kantor_solvers::{Quiet, Stopped, Watch};

use crate::support::*;

fn scan(path: &Path, bytes: u64) -> Result<JsonlRows, DataError> {
    JsonlRows::scan_within(&[path.to_owned()], None, &Allowance::new(bytes), &Quiet)
}

/// The records of a table, as they are copied out.
fn records(name: &str, text: &str) -> Vec<String> {
    let files = Files::new();
    let rows = scan(&files.put(name, text), 1 << 30).unwrap();
    let copied = rows.copy(&Vec::from_iter(0..rows.len()), &Quiet).unwrap();
    (0..rows.len()).map(|row| String::from_utf8_lossy(&copied[&row]).trim().to_owned()).collect()
}

/// All records up to the next quote became one, and were missing without a word.
#[test]
fn records_are_not_joined_by_stray_quotes() {
    let files = Files::new();
    for (name, text, words) in [
        ("open.tsv", "text\n\"apple pie\nsum add\nred fox\n", &["line 2", "not closed"][..]),
        ("text.tsv", "text\n\"apple pie\nsum add\nblue \"sky\" day\n", &["line 4", "line 2 begins", "double a quote"]),
        ("even.csv", "text\n\"red\nblue\nsun\n\"sea\n", &["line 5", "line 2 begins"]),
        ("after.csv", "text\nsun\n\"red\" 5\n", &["line 3", "after the quote"]),
        ("within.csv", "text,n\n5\" pipe,1\n", &["line 2", "within a cell"]),
        ("space.csv", "a,b\n1, \"x,y\"\n", &["line 2", "within a cell"]),
        ("open.csv", "text\nsun\n\"sea\n", &["line 3", "not closed"]),
        ("header.csv", "te\"xt\nsun\n", &["line 1", "within a cell"]),
    ] {
        says(scan(&files.put(name, text), 1 << 30), &[&[name], words].concat());
    }
}

#[test]
fn quotes_that_may_stand_there_are_read_as_before() {
    let quoted = "\u{feff}\"text\",n\n\"a \"\"b\"\", c\",1\r\n\r\n\"two\nlines\",\"\"\n,\"\"\"\"\n";
    let expected =
        [r#"{"text": "a \"b\", c", "n": "1"}"#, r#"{"text": "two\nlines", "n": ""}"#, r#"{"text": "", "n": "\""}"#];
    assert_eq!(records("quoted.csv", quoted), expected);
    // Tabs part cells that nobody need quote.
    assert_eq!(records("bare.tsv", "text\n5\" \"pipe\"\n"), [r#"{"text": "5\" \"pipe\""}"#]);
}

/// Empty lines before a record were not counted.
#[test]
fn a_record_of_another_length_is_named_by_its_own_line() {
    let files = Files::new();
    let path = files.put("short.csv", "text,n\n\na,b\n\n\nc\n");
    says(scan(&path, 1 << 30), &["record 2", "1 cells, and the header 2", "line 6 of the file"]);
}

/// A buffer was taken for a record: short records of a long table were refused as too long.
#[test]
fn records_are_long_by_themselves_and_not_by_what_is_read_at_a_time() {
    let files = Files::new();
    let short = files
        .put("short.csv", format!("text\n{}", "fifty letters or so of text in each of the records\n".repeat(6000)));
    assert_eq!(scan(&short, 500_000).unwrap().len(), 6000);
    let long = files.put("long.csv", format!("text\nshort\n{}\n", "x".repeat(300_000)));
    says(scan(&long, 500_000), &["line 3", "more than 125000 bytes", "--max-memory"]);
}

/// A record as JSON may be six times as long as it is stored.
#[test]
fn what_a_record_takes_as_json_is_counted() {
    let files = Files::new();
    let path = files.put("control.csv", format!("text\n\"{}\"\n", "\u{1}".repeat(1_000_000)));
    assert!(matches!(scan(&path, 5_000_000), Err(DataError::Limit { .. })));
    assert_eq!(scan(&path, 20_000_000).unwrap().len(), 1);
}

/// Asks to stop when it is asked so many times.
struct After(AtomicUsize);

impl Watch for After {
    fn begin(&self, _stage: &str, _total: u64) {}

    fn advance(&self, _units: u64) -> Result<(), Stopped> {
        if self.0.fetch_sub(1, Ordering::Relaxed) <= 1 { Err(Stopped) } else { Ok(()) }
    }
}

/// Passes over lines asked by their number, or at their end alone: a few long ones took as long as they liked.
#[test]
fn a_wish_to_stop_is_heard_between_long_lines() {
    let files = Files::new();
    let after = |asked: usize| After(AtomicUsize::new(asked));
    let line = format!("{{\"x\": \"{}\", \"id\": \"a\"}}\n", "y".repeat(1 << 20));
    // Damaged behind the third line: who gets there was not asked.
    let lines = files.put("lines.jsonl", format!("{}no JSON\n", line.repeat(3)));
    let scanned = JsonlRows::scan_within(std::slice::from_ref(&lines), None, &Allowance::unlimited(), &after(2));
    assert!(matches!(scanned, Err(DataError::Stopped(_))), "{scanned:?}");
    let column = lines.with_file_name("lines.jsonl:id");
    let read = ReadColumn::read("x", &column, ColumnKind::Labels, 4, &Allowance::unlimited(), &after(2));
    assert!(matches!(read.map(|read| read.column.rows()), Err(DataError::Stopped(_))));
    let names = "x".repeat(1 << 19);
    let wide = files.put("wide.csv", format!("{names},b\n{}c\n", "1,2\n".repeat(4)));
    let scanned = JsonlRows::scan_within(&[wide], None, &Allowance::unlimited(), &after(2));
    assert!(matches!(scanned, Err(DataError::Stopped(_))), "{scanned:?}");
}

/// All lines of a list were kept, and nobody was asked, before the first was looked at.
#[test]
fn lists_of_rows_are_read_line_by_line() {
    let files = Files::new();
    let list = files.put("list.txt", "ab\n".repeat(1 << 20));
    let id = |row: usize| Some(["a", "b"][row]);
    says(read_named_rows(&list, 2, id, &Quiet), &["list.txt", ":1:", "no row of the pool has the id `ab`"]);
    let numbers = files.put("numbers.txt", "1\n".repeat(1 << 12));
    let asked = After(AtomicUsize::new(1));
    let stopped = read_named_rows(&numbers, 2, id, &asked).map(|(rows, _)| rows);
    assert!(matches!(stopped, Err(DataError::Stopped(_))), "{stopped:?}");
    says(read_named_rows(&numbers, 2, id, &Quiet).map(|(rows, _)| rows), &["more than 2 numbers for 2 rows"]);
    // A list may name a row twice; it stands where it was named first.
    let twice = files.put("twice.txt", "b\na\nb\n");
    assert_eq!(read_named_rows(&twice, 2, id, &Quiet).unwrap().0, [1, 0]);
    let selection = files.put("selection.jsonl", "{\"rank\": 0, \"index\": 1, \"id\": \"b\"}\n");
    assert_eq!(read_named_rows(&selection, 2, id, &Quiet).unwrap().0, [1]);
}
