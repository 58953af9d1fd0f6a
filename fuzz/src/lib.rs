//! What must hold for any bytes whatever: no panic, and nothing believed that is false.
//!
//! `cargo fuzz run TARGET fuzz/found/TARGET fuzz/corpus/TARGET` looks for bytes for which it does not. The tests of kantor
//! go through the corpus with the same functions.

use std::io::Write;
use std::path::{Path, PathBuf};

use kantor::certify::{self, Terms};
use kantor::source::{JsonlRows, OnBadRow, OpenOptions, Representation};
use kantor_solvers::Quiet;
use kantor_theory::cost::Family;
use kantor_theory::{Certificate, Cost, DenseRows, Facts, Geometry, Rows, Verdict, sequential, verify};

/// Files of rows: read whole, checked, digested and described.
pub fn npy(data: &[u8]) {
    rows(data);
}

/// As [`npy`].
pub fn npz(data: &[u8]) {
    rows(data);
}

/// As [`npy`].
pub fn safetensors(data: &[u8]) {
    rows(data);
}

/// As [`npy`].
pub fn torch(data: &[u8]) {
    rows(data);
}

/// The pickle of a whole archive of PyTorch, whose checksums are right, with a storage of 32 numbers.
pub fn pickle(data: &[u8]) {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let numbers: Vec<u8> = (0..32u8).flat_map(|number| f32::from(number).to_le_bytes()).collect();
    for (name, bytes) in [("x/data.pkl", data), ("x/byteorder", b"little"), ("x/data/0", &numbers)] {
        archive.start_file(name, stored).expect("it is a file in memory");
        archive.write_all(bytes).expect("it is a file in memory");
    }
    rows(&archive.finish().expect("it is a file in memory").into_inner());
}

/// What a store of gradients says of 128 bytes of numbers.
pub fn gradients(data: &[u8]) {
    let store = tempfile::tempdir().expect("there is a place for temporary files");
    let path = [store.path().join("gradients.bin")];
    std::fs::write(&path[0], [0x3f; 128]).expect("there is room for a small file");
    std::fs::write(store.path().join("info.json"), data).expect("there is room for a small file");
    for tensor in [None, Some("x".to_owned())] {
        let options = OpenOptions { tensor, ..OpenOptions::default() };
        let Ok(table) = Representation::open(&path, &options) else { continue };
        let mut row = vec![0.0; table.dim()];
        (0..table.len()).for_each(|number| table.read_row(number, &mut row));
    }
}

/// Rows of text, compressed or not: whatever is accepted can be copied.
pub fn jsonl(data: &[u8]) {
    let file = file(data);
    if let Ok(rows) = JsonlRows::scan(&[PathBuf::from(file.path())], None, &Quiet) {
        let every: Vec<usize> = (0..rows.len()).collect();
        let copied = rows.copy(&every, &Quiet).expect("the file did not change");
        assert_eq!(copied.len(), rows.len());
        assert!(copied.values().all(|line| line.ends_with(b"\n")));
    }
}

/// Files of columns, as vectors and as text.
#[cfg(feature = "parquet")]
pub fn columnar(data: &[u8]) {
    rows(data);
    let file = file(data);
    if let Ok(rows) = JsonlRows::scan(&[PathBuf::from(file.path())], None, &Quiet) {
        let every: Vec<usize> = (0..rows.len()).collect();
        // Only the ids were read before.
        if let Ok(copied) = rows.copy(&every, &Quiet) {
            assert_eq!(copied.len(), rows.len());
        }
    }
}

/// Certificates about six rows and two queries: a claim that is verified is true.
pub fn certificate(data: &[u8]) {
    let Ok(certificate) = Certificate::parse(data) else { return };
    let (pool, query) = points();
    let Ok(geometry) = Geometry::new(&pool, &query, certificate.problem.cost) else { return };
    // As if the files at hand were the ones that it names.
    let facts = Facts { inputs: certificate.inputs.clone(), dropped: certificate.dropped.clone(), ..Facts::default() };
    let Verdict::Verified(_) = verify(&certificate, &facts, &geometry, &sequential) else { return };
    let terms = Terms {
        power: certificate.problem.p,
        weights: certificate.problem.weights.clone(),
        objective: certificate.problem.objective,
        tasks: certificate.problem.tasks.clone(),
    };
    let distance = |rows: &[usize]| {
        let bound = certify::distance(&geometry, &terms, rows).expect("rows that were verified can be measured");
        (bound.interval().lower.unwrap_or(f64::NEG_INFINITY), bound.interval().upper.unwrap_or(f64::INFINITY))
    };
    let (lower, upper) = distance(&certificate.subset);
    assert!(certificate.distance.lower.is_none_or(|claim| claim <= upper));
    assert!(certificate.distance.upper.is_none_or(|claim| claim >= lower));
    if let Some(best) = certificate.best {
        let subsets = (0..1u32 << pool.len()).filter(|set| set.count_ones() as usize == certificate.problem.budget);
        for set in subsets {
            let rows: Vec<usize> = (0..pool.len()).filter(|row| set >> row & 1 == 1).collect();
            assert!(best.lower <= distance(&rows).1, "{rows:?} is closer than is claimed of every subset");
        }
    }
}

/// The rows and queries of the certificates in the corpus.
pub fn points() -> (DenseRows, DenseRows) {
    let pool = [1.0, 0.0, 0.5, 0.75, 0.0, 1.0, -0.5, 0.25, 0.25, 0.5, 0.75, -0.5];
    let query = [1.0, 0.5, 0.25, 1.0];
    let rows = |values: &[f64]| DenseRows::from_f64(2, values.to_vec()).expect("two numbers a row");
    (rows(&pool), rows(&query))
}

/// Job files: understood or refused.
pub fn job_file(data: &[u8]) {
    let _ = kantor::cli::check_job_file(file(data).path());
}

fn rows(data: &[u8]) {
    let file = file(data);
    let path = [PathBuf::from(file.path())];
    for (tensor, cast) in [(None, true), (Some("x".to_owned()), false)] {
        let options = OpenOptions { tensor, cast, ..OpenOptions::default() };
        let Ok(mut table) = Representation::open(&path, &options) else { continue };
        let mut row = vec![0.0; table.dim()];
        (0..table.len().min(64)).for_each(|number| table.read_row(number, &mut row));
        let _ = table.validate_matrix(Cost::Cosine, &Quiet);
        let _ = table.validate(Family::Angle, OnBadRow::Drop, &Quiet);
        let digests = table.digests_with_values(&Quiet).expect("the file did not change");
        assert_eq!(table.value_digests(&Quiet).expect("the file did not change"), [&digests[0].blake3[..]]);
        kantor::inspect::inspect(Path::new(&path[0]), &options, &Quiet).expect("it was opened before");
    }
}

/// A file with these bytes.
fn file(data: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("there is a place for temporary files");
    file.write_all(data).expect("there is room for a small file");
    file
}
