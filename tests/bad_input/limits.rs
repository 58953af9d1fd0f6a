//! Files that would take more memory than allowed, or are no files that could be read as a whole.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use kantor::source::list::read_list;
use kantor::source::whole::{self, Whole};
use kantor::source::{Allowance, DataError, FaultKind, JsonlRows, Labels, OpenOptions, Representation};
use kantor_solvers::Quiet;

use crate::support::*;

fn open_within(paths: &[PathBuf], bytes: u64) -> Result<Representation, DataError> {
    Representation::open_within(paths, &OpenOptions::default(), &Allowance::new(bytes))
}

#[test]
fn what_an_archive_unpacks_to_is_refused_before_it_is_taken() {
    let files = Files::new();
    let table = npy_f32(1024, &vec![0.0; 1 << 20]);
    let bomb = files.put("x.npz", zip(&[("x.npy", &table)], true));
    assert!(std::fs::metadata(&bomb).unwrap().len() < 40_000);
    let error = says(
        open_within(std::slice::from_ref(&bomb), 1 << 20),
        &["x.npz", "takes 4194433 bytes", "but 1048576 may be taken", "--max-memory", "np.save"],
    );
    assert_eq!(error.kind(), FaultKind::Resource);
    // Shards count together.
    assert_eq!(open_within(std::slice::from_ref(&bomb), 5 << 20).unwrap().memory(), table.len() as u64);
    says(open_within(&[bomb.clone(), bomb], 5 << 20), &["takes 4194433 bytes"]);
    // What is used in place takes nothing.
    let stored = files.put("y.npz", zip(&[("x.npy", &table)], false));
    assert_eq!(open_within(&[stored], 0).unwrap().memory(), 0);
}

#[test]
fn two_members_of_one_name_are_refused() {
    let (a, b) = (npy_f32(2, &[1.0; 4]), npy_f32(2, &[2.0; 6]));
    for deflate in [false, true] {
        let mut bytes = zip(&[("x.npy", &a), ("y.npy", &b)], deflate);
        let places: Vec<usize> = (0..bytes.len() - 5).filter(|&at| bytes[at..].starts_with(b"y.npy")).collect();
        assert_eq!(places.len(), 2);
        places.iter().for_each(|&at| bytes[at] = b'x');
        let files = Files::new();
        let error = says(open(&files.put("x.npz", bytes)), &["several members of the name `x.npy`", "np.savez"]);
        assert_eq!(error.kind(), FaultKind::BadInput);
    }
}

#[test]
fn files_read_as_a_whole_have_a_longest_length_by_kind() {
    let files = Files::new();
    for (kind, most) in [
        (Whole::Settings, 1u64 << 20),
        (Whole::Record, 1 << 30),
        (Whole::Results, 256 << 20),
        (Whole::Certificate, 4 << 30),
        (Whole::List, 4 << 30),
    ] {
        // Without a byte of it on disk.
        let path = files.path("long");
        File::create(&path).unwrap().set_len(most + 1).unwrap();
        let words = [format!("has {} bytes", most + 1), format!("at most {most}")];
        let error = says(whole::read(&path, kind), &[&words[0], &words[1], "is it the right file?"]);
        assert_eq!(error.kind(), FaultKind::Resource);
        if kind == Whole::List {
            says(read_list(&path, 9), &[&words[0], &words[1]]);
        }
    }
    let mut file = File::create(files.path("settings")).unwrap();
    file.write_all(b"cost = \"cosine\"\n").unwrap();
    assert_eq!(whole::read_text(&files.path("settings"), Whole::Settings).unwrap(), "cost = \"cosine\"\n");
    says(whole::read_text(&files.put("latin", b"a = \"\xe9\"\n"), Whole::Settings), &["latin", "not UTF-8", "byte 5"]);
}

#[cfg(unix)]
#[test]
fn pipes_devices_and_directories_are_refused_by_every_reader() {
    let files = Files::new();
    let pipe = files.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let directory = files.path("");
    for (path, what) in [
        (pipe.as_path(), "is not a regular file"),
        (Path::new("/dev/zero"), "is not a regular file"),
        (directory.as_path(), "is a directory"),
    ] {
        let path = path.to_owned();
        let kinds = [Whole::Settings, Whole::Certificate, Whole::Record, Whole::Results, Whole::List];
        for kind in kinds {
            assert_eq!(says(whole::read(&path, kind), &[what, "give a file on disk"]).kind(), FaultKind::BadInput);
        }
        says(read_list(&path, 9), &[what]);
        says(open(&path), &[what]);
        says(JsonlRows::scan(std::slice::from_ref(&path), None, &Quiet), &[what]);
        says(Labels::read(&path, 2, &Quiet), &[what]);
    }
}
