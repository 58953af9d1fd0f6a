//! `.npz`: what a member claims is held against the archive.

use kantor::source::{FaultKind, Format, OpenOptions, Representation};
use kantor_theory::Rows;

use crate::support::*;

fn refused(bytes: &[u8], parts: &[&str]) {
    let files = Files::new();
    let error = says(open(&files.put("x.npz", bytes)), &[&["x.npz"], parts].concat());
    assert_eq!(error.kind(), FaultKind::BadInput, "{error}");
}

#[test]
fn one_table_among_other_arrays_is_found() {
    let files = Files::new();
    let (table, ids) = (npy_f32(2, &[1.0, 2.0, 3.0, 4.0]), npy("<i8", "(2,)", &[0; 16]));
    for deflate in [false, true] {
        let archive = zip(&[("ids.npy", &ids), ("x.npy", &table)], deflate);
        let rows = open(&files.put("x.npz", archive)).unwrap();
        let mut out = [0.0; 4];
        rows.read(0, 0..2, &mut out);
        assert_eq!((out, rows.files()[0].format), ([1.0, 2.0, 3.0, 4.0], Format::Npz));
        assert_eq!(rows.memory(), if deflate { table.len() as u64 } else { 0 });
    }
}

#[test]
fn several_tables_must_be_named() {
    let files = Files::new();
    let (a, b) = (npy_f32(2, &[1.0; 4]), npy_f32(2, &[1.0; 6]));
    let path = files.put("x.npz", zip(&[("a.npy", &a), ("b.npy", &b)], true));
    let error = says(open(&path), &["2 arrays are 2-d", "`a` (2, 2)", "`b` (3, 2)", "--tensor"]);
    assert_eq!(error.kind(), FaultKind::Usage);
    let options = OpenOptions { tensor: Some("b".into()), ..OpenOptions::default() };
    assert_eq!(Representation::open(&[path], &options).unwrap().len(), 3);
}

#[test]
fn members_outside_the_archive_are_refused() {
    let table = npy_f32(2, &[1.0; 4]);
    refused(&zip(&[("../x.npy", &table)], true), &["`../x.npy`", "outside the archive", "np.savez"]);
    refused(&zip(&[("/etc/x.npy", &table)], true), &["`/etc/x.npy`"]);
    refused(&zip(&[("x.npy", &table), ("run.sh", b"#!")], true), &["`run.sh` is not an .npy array"]);
}

#[test]
fn declared_size_is_capped_by_the_actual_one() {
    let table = npy_f32(2, &[1.0; 4]);
    let archive = zip(&[("x.npy", &table)], true);
    // The uncompressed size stands at offset 22 of the local and 24 of the central header.
    let central = archive.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let local_claims = |size: u32| {
        let mut lie = archive.clone();
        lie[central + 24..central + 28].copy_from_slice(&size.to_le_bytes());
        lie[22..26].copy_from_slice(&size.to_le_bytes());
        lie
    };
    refused(&local_claims(4_000_000_000), &["claims 4000000000 bytes", "compressed bytes cannot hold"]);
    refused(&local_claims(table.len() as u32 + 8), &["extra bytes", "expected 16 bytes, found 24"]);
    refused(&local_claims(table.len() as u32 - 8), &["truncated", "expected 16 bytes, found 8"]);
}

#[test]
fn damaged_archives() {
    let table = npy_f32(2, &[1.0; 4]);
    for deflate in [false, true] {
        let mut archive = zip(&[("x.npy", &table)], deflate);
        refused(&archive[..archive.len() - 10], &["zip archive is damaged"]);
        let data = archive.windows(6).position(|w| w == b"\x93NUMPY").unwrap_or(40) + 140;
        if !deflate {
            archive[data] ^= 1;
            refused(&archive, &["zip archive is damaged", "write it again"]);
        }
    }
    refused(&zip(&[], true), &["damaged zip archive"]);
    refused(&zip(&[("x.npy", b"not numpy")], true), &["not a .npy file"]);
}

#[test]
fn no_member_is_a_table() {
    let files = Files::new();
    let ids = npy("<f4", "(2,)", &[0; 8]);
    refused(&zip(&[("a.npy", &ids)], true), &["shape (2,)", "reshape"]);
    let path = files.put("x.npz", zip(&[("a.npy", &ids), ("b.npy", &ids)], true));
    says(open(&path), &["no array is 2-d", "`a` (2,)"]);
}
