//! Damaged files of every format: an error or a table, never a panic, never an allocation on a header's word.

use std::path::PathBuf;

use kantor::source::{JsonlRows, OnBadRow, OpenOptions, Representation};
use kantor_solvers::Quiet;
use kantor_theory::cost::Family;
use kantor_theory::{Cost, Rows};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::*;

pub(crate) const CASES: usize = 1500;

pub(crate) fn damaged(whole: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    // Headers are where claims are made: half of the flips go to the first and last bytes.
    for _ in 0..rng.random_range(1..4) {
        let at = match rng.random_range(0..4) {
            0 => rng.random_range(0..bytes.len().min(140)),
            1 => bytes.len() - 1 - rng.random_range(0..bytes.len().min(100)),
            _ => rng.random_range(0..bytes.len()),
        };
        bytes[at] = match rng.random_range(0..3) {
            0 => bytes[at] ^ (1 << rng.random_range(0..8)),
            1 => [0, 0xff, b'9', b'-', b'(', b'[', b'{', b'\''][rng.random_range(0..8)],
            _ => rng.next_u32() as u8,
        };
    }
    match rng.random_range(0..4) {
        0 => bytes.truncate(rng.random_range(0..=bytes.len())),
        1 => bytes.extend_from_slice(b"tail"),
        _ => {}
    }
    bytes
}

pub(crate) fn use_table(path: &PathBuf) -> bool {
    let options = OpenOptions { cast: true, ..OpenOptions::default() };
    let Ok(mut table) = Representation::open(std::slice::from_ref(path), &options) else {
        return false;
    };
    let on_disk = std::fs::metadata(path).unwrap().len() as usize;
    assert!(table.len() * table.dim() <= 1100 * on_disk, "more numbers than bytes can hold");
    let mut out = vec![0.0; table.len() * table.dim()];
    table.read(0, 0..table.dim(), &mut out);
    let _ = table.validate(Family::Angle, OnBadRow::Drop, &Quiet);
    let _ = table.validate_matrix(Cost::Cosine, &Quiet);
    table.digests(&Quiet).unwrap();
    kantor::inspect::inspect(path, &options, &Quiet).unwrap();
    true
}

fn try_tables(whole: &[u8]) {
    let files = Files::new();
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    assert!(use_table(&files.put("whole", whole)));
    let read = (0..CASES).filter(|_| use_table(&files.put("x", damaged(whole, &mut rng)))).count();
    assert!(read > 0 && read < CASES, "{read} of {CASES} damaged files were read: the damage tests nothing");
}

#[test]
pub(crate) fn damaged_npy_never_panics() {
    let values: Vec<f32> = (0..120).map(|i| i as f32).collect();
    try_tables(&npy_f32(6, &values));
}

#[test]
pub(crate) fn damaged_safetensors_never_panics() {
    let data: Vec<u8> = (0..120).map(|i| i as f32).flat_map(f32::to_le_bytes).collect();
    try_tables(&safetensors(&[("x", "F32", "[15,6]", &data[..360]), ("ids", "F32", "[30]", &data[360..])]));
}

#[test]
pub(crate) fn damaged_npz_never_panics() {
    let values: Vec<f32> = (0..120).map(|i| (i % 7) as f32).collect();
    // A stored member passes its checksum only if the damage misses it: names and times may change.
    try_tables(&zip(&[("x.npy", &npy_f32(6, &values))], false));
    try_tables(&zip(&[("x.npy", &npy_f32(6, &values))], true));
}

#[test]
pub(crate) fn damaged_jsonl_never_panics() {
    let text: String = (0..200).map(|i| format!("{{\"id\": {i}, \"text\": \"row {i}\"}}\n")).collect();
    let files = Files::new();
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    for whole in [text.clone().into_bytes(), gzip(text.as_bytes()), zstd(text.as_bytes())] {
        for _ in 0..CASES {
            let path = files.put("x", damaged(&whole, &mut rng));
            if let Ok(rows) = JsonlRows::scan(&[path], None, &Quiet) {
                let every: Vec<usize> = (0..rows.len()).collect();
                assert_eq!(rows.copy(&every, &Quiet).unwrap().len(), rows.len());
            }
        }
    }
}
