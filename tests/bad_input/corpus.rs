//! The corpus of the fuzzer, with what must hold for any bytes.

use std::fs;
use std::path::Path;

#[path = "../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, missing_docs, clippy::expect_used)]
mod fuzz;

/// Goes through the corpus of a target; it must be there.
fn replay(target: &str, run: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries: Vec<_> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(entries.len() >= 4, "{target}");
    entries.iter().for_each(|entry| run(&fs::read(entry).unwrap()));
}

#[test]
fn nothing_in_the_corpus_panics_or_is_believed_wrongly() {
    replay("npy", fuzz::npy);
    replay("npz", fuzz::npz);
    replay("safetensors", fuzz::safetensors);
    replay("torch", fuzz::torch);
    replay("pickle", fuzz::pickle);
    replay("gradients", fuzz::gradients);
    replay("jsonl", fuzz::jsonl);
    #[cfg(feature = "parquet")]
    replay("columnar", fuzz::columnar);
    replay("certificate", fuzz::certificate);
    replay("job_file", fuzz::job_file);
}

#[test]
fn certificates_of_the_corpus_are_true_of_its_points() {
    use kantor_theory::{Certificate, Facts, Geometry, Verdict, sequential, verify};
    let (pool, query) = fuzz::points();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/certificate");
    for entry in fs::read_dir(corpus).unwrap() {
        let path = entry.unwrap().path();
        let certificate = Certificate::parse(&fs::read(&path).unwrap()).unwrap();
        let geometry = Geometry::new(&pool, &query, certificate.problem.cost).unwrap();
        let facts =
            Facts { inputs: certificate.inputs.clone(), dropped: certificate.dropped.clone(), ..Facts::default() };
        let verdict = verify(&certificate, &facts, &geometry, &sequential);
        assert!(matches!(verdict, Verdict::Verified(_)), "{}: {verdict:?}", path.display());
    }
}
