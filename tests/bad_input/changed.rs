//! Files that others change while they are read.

use std::fs::File;
use std::path::Path;
use std::time::SystemTime;

use kantor::data::list::{read_list, read_weights};
use kantor::data::{Digests, Kind, Labels, OnBadRow};
use kantor::select::{InputSpec, Inputs};
use kantor_solvers::{Quiet, Stopped, Watch};
use kantor_theory::cost::Family;
use kantor_theory::{Cost, Rows};

use crate::support::*;

/// Rows that take many pages.
fn many_rows(files: &Files, name: &str) -> std::path::PathBuf {
    let values: Vec<f32> = (0..64 * 4096).map(|i| 1.0 + (i % 17) as f32).collect();
    files.put(name, npy_f32(64, &values))
}

fn set_length(path: &Path, bytes: u64) {
    File::options().write(true).open(path).unwrap().set_len(bytes).unwrap();
}

/// Writes one number anew and gives the file its time of modification back.
fn overwrite(path: &Path) {
    use std::io::{Seek, SeekFrom, Write};
    let modified: SystemTime = std::fs::metadata(path).unwrap().modified().unwrap();
    let mut file = File::options().write(true).open(path).unwrap();
    file.seek(SeekFrom::End(-4)).unwrap();
    file.write_all(&7f32.to_le_bytes()).unwrap();
    file.set_modified(modified).unwrap();
    assert_eq!(std::fs::metadata(path).unwrap().modified().unwrap(), modified);
}

#[cfg(unix)]
#[test]
fn a_table_that_is_cut_while_it_is_mapped_is_an_error_and_no_signal() {
    kantor::data::outlive_cuts().unwrap();
    let files = Files::new();
    let path = many_rows(&files, "pool.npy");
    let mut table = open(&path).unwrap();
    let (mut first, mut last) = ([0.0; 64], [0.0; 64]);
    table.read_row(4095, &mut last);
    set_length(&path, 8192);
    // Pages that were there when they were mapped are lost all the same.
    table.read_row(0, &mut first);
    table.read_row(4095, &mut last);
    assert_eq!((first[0], last), (1.0, [0.0; 64]));
    for refused in [
        says(table.check_unchanged(), &["pool.npy", "changed while it was read", "run again when it is complete"]),
        // Not that the lost rows are zero.
        says(table.validate(Family::Angle, OnBadRow::Error, &Quiet), &["pool.npy", "changed while it was read"]),
        says(table.validate(Family::Angle, OnBadRow::Drop, &Quiet), &["pool.npy", "changed while it was read"]),
        says(table.digests(&Quiet), &["pool.npy", "it was cut, or its disk failed"]),
    ] {
        assert_eq!(refused.kind(), Kind::Io);
    }
    // The old length does not bring the rows back.
    set_length(&path, 128 + 4 * 64 * 4096);
    says(table.check_unchanged(), &["pool.npy", "changed while it was read"]);
    assert_eq!(open(&path).unwrap().len(), 4096);
}

#[cfg(unix)]
#[test]
fn work_on_a_file_that_is_cut_is_asked_to_stop_and_says_why() {
    kantor::data::outlive_cuts().unwrap();
    let files = Files::new();
    let (pool, query) = (many_rows(&files, "pool.npy"), many_rows(&files, "query.npy"));
    let spec = InputSpec { pool: vec![pool.clone()], query: Some(query), ..InputSpec::default() };
    let inputs = Inputs::open(&spec, Cost::Cosine, &Quiet).unwrap();
    let worked = inputs.guarded(&Quiet, |watch| {
        watch.advance(1)?;
        set_length(&pool, 8192);
        let mut row = [0.0; 64];
        inputs.points().unwrap().0.read_row(4095, &mut row);
        assert_eq!(watch.advance(1), Err(Stopped));
        Ok::<_, kantor::select::Error>("a result that is worth nothing")
    });
    assert!(worked.unwrap_err().to_string().contains("changed while it was read"));
    // A defect that the zeros bring to light is not what is wrong.
    let worked = inputs.guarded(&Quiet, |_| -> Result<(), kantor::select::Error> { panic!("no such row") });
    assert!(worked.unwrap_err().to_string().contains("changed while it was read"));
}

#[test]
fn work_that_fails_on_files_that_stay_fails_for_its_own_reason() {
    let files = Files::new();
    let path = many_rows(&files, "pool.npy");
    let spec = InputSpec { pool: vec![path.clone()], query: Some(path.clone()), ..InputSpec::default() };
    let inputs = Inputs::open(&spec, Cost::Cosine, &Quiet).unwrap();
    let fail = |watch: &dyn Watch| {
        inputs
            .guarded(watch, |_| Err::<(), _>(kantor::select::Error::Request("too few".into())))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(fail(&Quiet), "too few");
    overwrite(&path);
    assert!(fail(&Quiet).contains("changed while it was read"));
}

#[cfg(unix)]
#[test]
fn a_change_in_place_is_seen_though_the_time_of_modification_is_set_back() {
    let files = Files::new();
    let path = many_rows(&files, "pool.npy");
    let table = open(&path).unwrap();
    let mut digests = Digests::default();
    digests.add(&path, &Quiet).unwrap();
    table.check_unchanged().unwrap();
    overwrite(&path);
    says(table.check_unchanged(), &["pool.npy", "changed while it was read", "its status changed"]);
    says(digests.check_unchanged(&path), &["pool.npy", "its status changed"]);

    let text = files.put("rows.jsonl", "{\"a\": 1}\n{\"a\": 2}   \n");
    let rows = kantor::data::JsonlRows::scan(std::slice::from_ref(&text), None, &Quiet).unwrap();
    let labels = files.put("labels.txt", "a\nb   \n");
    let groups = Labels::read(&labels, 2, &Quiet).unwrap();
    overwrite(&text);
    overwrite(&labels);
    says(rows.check_unchanged(), &["rows.jsonl", "its status changed"]);
    says(rows.copy(&[0], &Quiet), &["rows.jsonl", "its status changed"]);
    says(groups.check_unchanged(), &["labels.txt", "its status changed"]);
}

#[test]
fn lists_are_read_once_and_kept() {
    let files = Files::new();
    let path = files.put("w.txt", "1\n2\n");
    assert_eq!(read_weights(&path, 2).unwrap(), [1.0, 2.0]);
    let path = files.put("w.npy", npy("<f4", "(2,)", &[0; 8]));
    assert_eq!(read_list(&path).unwrap(), [0.0, 0.0]);
}
