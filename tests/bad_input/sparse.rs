//! Sparse matrices that are not what they claim.

use kantor::source::{FaultKind, Format, OpenOptions, Representation};
use kantor_theory::Rows;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::damage::{CASES, damaged};
use crate::support::*;

const PARTS: [&str; 5] = ["indices.npy", "indptr.npy", "format.npy", "shape.npy", "data.npy"];

/// The arrays of [[1, 0, 2], [0, 3, 0]] as SciPy writes them.
fn parts() -> [Vec<u8>; 5] {
    let places = |numbers: &[i32]| {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        npy("<i4", &format!("({},)", numbers.len()), &bytes)
    };
    let shape: Vec<u8> = [2i64, 3].iter().flat_map(|number| number.to_le_bytes()).collect();
    let data: Vec<u8> = [1f32, 2.0, 3.0].iter().flat_map(|number| number.to_le_bytes()).collect();
    let (indices, starts) = (places(&[0, 2, 1]), places(&[0, 2, 3]));
    [indices, starts, npy("|S3", "()", b"csr"), npy("<i8", "(2,)", &shape), npy("<f4", "(3,)", &data)]
}

fn archive(parts: &[Vec<u8>; 5]) -> Vec<u8> {
    let members: Vec<(&str, &[u8])> = PARTS.into_iter().zip(parts.iter().map(|part| &part[..])).collect();
    zip(&members, true)
}

/// The archive with a word of four bytes of an array set, counted from the end.
fn set(part: usize, word: usize, number: i32) -> Vec<u8> {
    let mut parts = parts();
    let at = parts[part].len() - 4 * word;
    parts[part][at..at + 4].copy_from_slice(&number.to_le_bytes());
    archive(&parts)
}

#[test]
fn places_outside_the_matrix_are_refused() {
    let files = Files::new();
    let rows = open(&files.put("x.npz", archive(&parts()))).unwrap();
    let mut out = [0.0; 6];
    rows.read(0, 0..3, &mut out);
    assert_eq!((out, rows.files()[0].format), ([1.0, 0.0, 2.0, 0.0, 3.0, 0.0], Format::Csr));
    for (bytes, said) in [
        (set(0, 1, 3), "number 2 stands in column 3 of 3"),
        (set(0, 1, -1), "number 2 stands in column -1 of 3"),
        (set(0, 2, 0), "names a column twice"),
        (set(1, 1, 2), "do not end where `indptr` says"),
        (set(1, 1, 4), "row 2 ends outside its numbers"),
        (set(1, 2, 4), "row 1 ends outside its numbers"),
        (set(1, 2, -1), "row 1 ends outside its numbers"),
        (set(1, 3, 1), "do not end where `indptr` says"),
        (set(3, 4, 3), "3 rows with 3 numbers do not end"),
        (set(3, 3, 1), "do not end"),
        (set(3, 1, 1), "columns, and at most 1048576 are read"),
        (set(3, 1, -1), "negative length"),
    ] {
        let error = says(open(&files.put("x.npz", bytes)), &["x.npz", said]);
        assert_eq!(error.kind(), FaultKind::BadInput, "{error}");
    }
    let members: Vec<(&str, &[u8])> = vec![("format.npy", &[0]), ("shape.npy", &[0]), ("data.npy", &[0])];
    says(open(&files.put("x.npz", zip(&members, false))), &["x.npz"]);
    let all = parts();
    let members: Vec<(&str, &[u8])> =
        PARTS.into_iter().zip(&all).skip(1).map(|(name, part)| (name, &part[..])).collect();
    says(open(&files.put("x.npz", zip(&members, false))), &["the array `indices` is missing", "save_npz"]);
}

/// The archive is whole: only an array is damaged.
#[test]
fn damaged_arrays_never_panic() {
    let (files, mut rng) = (Files::new(), ChaCha8Rng::seed_from_u64(10));
    let options = OpenOptions { cast: true, ..OpenOptions::default() };
    let mut read = 0;
    for case in 0..CASES {
        let mut parts = parts();
        parts[case % 5] = damaged(&parts[case % 5], &mut rng);
        let Ok(rows) = Representation::open(&[files.put("x", archive(&parts))], &options) else { continue };
        let mut row = vec![0.0; rows.dim()];
        (0..rows.len()).for_each(|at| rows.read_row(at, &mut row));
        rows.value_digests(&kantor_solvers::Quiet).unwrap();
        read += 1;
    }
    assert!(read > 0 && read < CASES, "{read} of {CASES} damaged matrices were read");
}

#[test]
fn what_is_unpacked_counts() {
    let files = Files::new();
    let file = files.put("x.npz", archive(&parts()));
    let within = |bytes| {
        let allowance = kantor::source::Allowance::new(bytes);
        Representation::open_within(std::slice::from_ref(&file), &OpenOptions::default(), &allowance)
    };
    let error = says(within(64), &["decompressed array", "--max-memory"]);
    assert_eq!(error.kind(), FaultKind::Resource);
    let rows = within(1 << 12).unwrap();
    assert!(rows.memory() > 0 && rows.memory() < 1 << 12, "{}", rows.memory());
}
