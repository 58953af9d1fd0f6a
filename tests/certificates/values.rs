//! Certificates bound to the values of rows: whatever shards, formats and orders hold the same rows, they verify; any
//! other value, number type or order of rows is noticed.

use std::path::PathBuf;

use half::{bf16, f16};
use kantor::certify::{facts_for, facts_of};
use kantor::prelude::*;
use kantor::source::OnBadRow;
use kantor::theory::{Certificate, Verdict, sequential};
use kantor::verify::verify;
use ndarray::{Array2, ShapeBuilder};
use tempfile::TempDir;

use crate::support::{Kind, facts, npy, npz, numbers, safetensors};

const DIM: usize = 4;
const ROWS: usize = 20;

struct Files(TempDir);

impl Files {
    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn spec(&self, pool: Vec<PathBuf>, query: &[f64]) -> InputSpec {
        InputSpec { pool, query: vec![self.put("q.npy", &npy(Kind::F64, DIM, query))], ..InputSpec::default() }
    }
}

/// Five rows, the best ones.
fn asked() -> (Goal, Request) {
    let methods = vec!["optimal".into()];
    (Goal { budgets: vec![5], ..Goal::default() }, Request { methods, ..Request::default() })
}

/// The certificate of five rows.
fn certificate(spec: &InputSpec) -> Certificate {
    let (goal, request) = asked();
    let inputs = Inputs::open(spec, goal.cost, &Quiet).unwrap();
    let outcome = select(&inputs, &goal, &request, &Quiet).unwrap();
    let certified = outcome.chosen[0].selections[0].certified.as_ref().unwrap();
    let certificate = certified.certificate(&facts(&inputs), Some("optimal")).unwrap();
    Certificate::parse(&certificate.to_json()).unwrap()
}

fn verdict(certificate: &Certificate, spec: &InputSpec) -> Verdict {
    verify(certificate, &InputSpec { on_bad_row: OnBadRow::Error, ..spec.clone() }, &[], &sequential, &Quiet).unwrap()
}

#[test]
fn the_same_rows_verify_from_any_shards_formats_and_orders() {
    let files = Files(tempfile::tempdir().unwrap());
    let (pool, query, others) = (numbers(1, ROWS * DIM), numbers(2, 3 * DIM), numbers(3, ROWS * DIM));
    let rows = |from: usize, to: usize| &pool[from * DIM..to * DIM];
    let held = |kind, name: &str, from, to| files.put(name, &npy(kind, DIM, rows(from, to)));
    let splits = [
        vec![held(Kind::F64, "whole.npy", 0, ROWS)],
        vec![held(Kind::Fortran, "fortran.npy", 0, ROWS)],
        vec![held(Kind::BigEndian, "big.npy", 0, ROWS)],
        vec![files.put("x.npz", &npz(DIM, &[("x", rows(0, ROWS))]))],
        vec![files.put("x.safetensors", &safetensors(DIM, &[("others", &others), ("x", rows(0, ROWS))]))],
        vec![
            held(Kind::Fortran, "0.npy", 0, 1),
            files.put("1.npz", &npz(DIM, &[("x", rows(1, 8)), ("y", &others)])),
            held(Kind::BigEndian, "2.npy", 8, 9),
            files.put("3.safetensors", &safetensors(DIM, &[("only", rows(9, 17))])),
            held(Kind::F64, "4.npy", 17, ROWS),
        ],
        vec![held(Kind::BigEndian, "a.npy", 0, 13), held(Kind::Fortran, "b.npy", 13, ROWS)],
    ];
    // One of the files holds tables of several names.
    let named = |at: usize| InputSpec {
        tensor: [4, 5].contains(&at).then(|| "x".to_owned()),
        tensor_is_hint: true,
        ..files.spec(splits[at].clone(), &query)
    };
    for made in 0..splits.len() {
        let certificate = certificate(&named(made));
        assert_eq!(certificate.inputs.len(), splits[made].len() + 1);
        for given in 0..splits.len() {
            let verdict = verdict(&certificate, &named(given));
            assert_eq!(verdict.name(), "verified", "made from {made}, checked with {given}: {verdict:?}");
        }
        // The certificate itself says which table is meant, to files that have one of that name.
        if made == 4 {
            let given = InputSpec { tensor: None, tensor_is_hint: false, ..named(5) };
            assert_eq!(verdict(&certificate, &given).name(), "verified");
        }
        let with = |pool: Vec<PathBuf>| verdict(&certificate, &files.spec(pool, &query));
        let mut changed = pool.clone();
        changed[19 * DIM + 1] = changed[19 * DIM + 1].next_up();
        let swapped = [rows(13, ROWS), rows(0, 13)].concat();
        let single = files.put("single.npy", &npy(Kind::F32, DIM, &pool));
        for other in [
            vec![files.put("changed.npy", &npy(Kind::F64, DIM, &changed))],
            vec![files.put("swapped.npy", &npy(Kind::F64, DIM, &swapped))],
            vec![held(Kind::F64, "short.npy", 0, ROWS - 1)],
            vec![splits[0][0].clone(), splits[5][4].clone()],
            vec![splits[6][1].clone(), splits[6][0].clone()],
            vec![single],
        ] {
            let verdict = with(other.clone());
            assert_eq!(verdict.name(), "cannot-check", "{other:?}");
            let reason = verdict.reason().unwrap();
            assert!(reason.contains(".npy") || reason.contains("not make up the rows"), "{reason}");
        }
        // The same numbers in rows of another length.
        let wide = InputSpec {
            pool: vec![files.put("wide.npy", &npy(Kind::F64, 2 * DIM, &pool))],
            query: vec![files.put("wide.q.npy", &npy(Kind::F64, 2 * DIM, &query[..2 * DIM]))],
            ..InputSpec::default()
        };
        assert_eq!(verdict(&certificate, &wide).name(), "cannot-check");
    }
}

#[test]
fn shards_of_two_number_types_are_ranges_of_two_number_types() {
    let files = Files(tempfile::tempdir().unwrap());
    let query = numbers(2, 3 * DIM);
    // Numbers that both types hold.
    let pool: Vec<f64> = numbers(1, ROWS * DIM).iter().map(|&x| f64::from(x as f32)).collect();
    let held = |kind, name: &str, from: usize, to: usize| files.put(name, &npy(kind, DIM, &pool[from * DIM..to * DIM]));
    let made = files.spec(vec![held(Kind::F32, "a.npy", 0, 8), held(Kind::Fortran, "b.npy", 8, ROWS)], &query);
    let certificate = certificate(&made);
    assert_eq!(certificate.inputs.iter().map(|input| &input.dtype[..]).collect::<Vec<_>>(), ["f32", "f64", "f64"]);
    let with = |pool| verdict(&certificate, &files.spec(pool, &query)).name();
    let first = [held(Kind::F32, "c.npy", 0, 3), held(Kind::F32, "d.npy", 3, 8)];
    let second = [held(Kind::BigEndian, "e.npy", 8, 15), held(Kind::F64, "f.npy", 15, ROWS)];
    assert_eq!(with([first.clone(), second].concat()), "verified");
    assert_eq!(with(vec![held(Kind::F64, "g.npy", 0, ROWS)]), "cannot-check");
    assert_eq!(with(vec![held(Kind::F32, "h.npy", 0, 9), held(Kind::F64, "i.npy", 9, ROWS)]), "cannot-check");
    assert_eq!(with(vec![first[0].clone(), held(Kind::F64, "j.npy", 3, ROWS)]), "cannot-check");
}

#[test]
fn dropped_rows_are_digested_and_left_out_wherever_they_lie() {
    let files = Files(tempfile::tempdir().unwrap());
    let (mut pool, query) = (numbers(1, ROWS * DIM), numbers(2, 3 * DIM));
    pool[7 * DIM..8 * DIM].fill(0.0);
    pool[8 * DIM] = f64::from_bits(0x7ff0_dead_beef_0001);
    let held = |kind, name: &str, from: usize, to: usize| files.put(name, &npy(kind, DIM, &pool[from * DIM..to * DIM]));
    let whole = files.spec(vec![held(Kind::F64, "a.npy", 0, ROWS)], &query);
    let certificate = certificate(&InputSpec { on_bad_row: OnBadRow::Drop, ..whole.clone() });
    assert_eq!(certificate.dropped.pool, [7, 8]);
    let shards = vec![held(Kind::Fortran, "b.npy", 0, 8), held(Kind::BigEndian, "c.npy", 8, ROWS)];
    assert_eq!(verdict(&certificate, &whole).name(), "verified");
    assert_eq!(verdict(&certificate, &files.spec(shards, &query)).name(), "verified");
    // Another number that is none, in a row that is left out.
    pool[8 * DIM] = f64::NAN;
    let other = files.put("d.npy", &npy(Kind::F64, DIM, &pool));
    assert_eq!(verdict(&certificate, &files.spec(vec![other], &query)).name(), "cannot-check");
}

#[test]
fn integers_are_digested_as_they_are_stored() {
    let files = Files(tempfile::tempdir().unwrap());
    let query = numbers(2, 3 * DIM);
    let pool: Vec<i16> = numbers(1, ROWS * DIM).iter().map(|x| (300.0 * x) as i16).collect();
    let stored = |descr: &str, fortran: bool, bytes: Vec<u8>| {
        let order = if fortran { "True" } else { "False" };
        let mut header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({ROWS}, {DIM}), }}");
        header.push_str(&" ".repeat(63 - (10 + header.len()) % 64));
        [&b"\x93NUMPY\x01\x00"[..], &(header.len() as u16 + 1).to_le_bytes(), header.as_bytes(), b"\n", &bytes].concat()
    };
    let columns = (0..DIM).flat_map(|column| pool.iter().skip(column).step_by(DIM));
    let ways = [
        stored("<i2", false, pool.iter().flat_map(|x| x.to_le_bytes()).collect()),
        stored(">i2", false, pool.iter().flat_map(|x| x.to_be_bytes()).collect()),
        stored("<i2", true, columns.clone().flat_map(|x| x.to_le_bytes()).collect()),
        stored(">i2", true, columns.flat_map(|x| x.to_be_bytes()).collect()),
    ];
    let cast = |name: &str, bytes: &[u8]| InputSpec { cast: true, ..files.spec(vec![files.put(name, bytes)], &query) };
    let specs: Vec<_> = ways.iter().enumerate().map(|(at, way)| cast(&format!("{at}.npy"), way)).collect();
    let certificate = certificate(&specs[0]);
    assert_eq!(certificate.inputs[0].dtype, "i16");
    for spec in &specs {
        assert_eq!(verdict(&certificate, spec).name(), "verified");
    }
    let same: Vec<f64> = pool.iter().map(|&x| f64::from(x)).collect();
    assert_eq!(verdict(&certificate, &cast("f64.npy", &npy(Kind::F64, DIM, &same))).name(), "cannot-check");
}

/// A matrix of more columns than are digested at a time.
#[test]
fn long_lines_are_digested_in_parts() {
    let files = Files(tempfile::tempdir().unwrap());
    let columns = (1 << 17) + 3;
    let values: Vec<f64> = (0..2 * columns).map(|at| 1.0 / (at as f64 + 2.0)).collect();
    let spec = |name: &str, kind| InputSpec {
        similarity: Some(files.put(name, &npy(kind, columns, &values))),
        ..InputSpec::default()
    };
    let plain = spec("a.npy", Kind::F64);
    let certificate = certificate(&plain);
    for spec in [plain, spec("b.npy", Kind::Fortran), spec("c.npy", Kind::BigEndian)] {
        assert_eq!(verdict(&certificate, &spec).name(), "verified");
    }
    let matrix = Array2::from_shape_vec((2, columns), values).unwrap();
    let rows = ArrayRows::new(matrix.view());
    let problem = Problem::from_matrix(&rows, Goal::default()).unwrap();
    assert_eq!(facts_of(&problem).inputs[0].content, certificate.inputs[0].content);
}

/// What is written of rows in memory, and of the same rows in files; names aside.
fn made_of<T: kantor::Scalar>(pool: &Array2<T>, query: &Array2<T>, files: &InputSpec) {
    let (pool, query) = (ArrayRows::new(pool.view()), ArrayRows::new(query.view()));
    let (goal, request) = asked();
    let problem = Problem::new(&pool, &query, goal).unwrap();
    let outcome = choose(&problem, &request, &Quiet).unwrap();
    let certified = outcome.chosen[0].selections[0].certified.as_ref().unwrap();
    let made = certified.certificate(&facts_of(&problem), Some("optimal")).unwrap();
    let mut of_files = certificate(files);
    let check = |certificate: &Certificate| {
        let facts = facts_for(certificate, &problem).unwrap();
        kantor::theory::verify(certificate, &facts, problem.geometry(), &sequential)
    };
    assert_eq!(check(&made).name(), "verified");
    assert_eq!(check(&of_files).name(), "verified");
    assert_eq!(verdict(&made, files).name(), "verified");
    of_files.inputs.iter_mut().for_each(|input| (input.name, input.tensor) = (None, None));
    assert_eq!(of_files.to_json(), made.to_json(), "{}", T::ELEMENT.name());
}

#[test]
fn certificates_of_rows_in_memory_are_those_of_files_but_for_names() {
    let files = Files(tempfile::tempdir().unwrap());
    let (pool, query) = (numbers(5, ROWS * DIM), numbers(6, 3 * DIM));
    let fortran = |values: &[f64]| {
        let standard = Array2::from_shape_vec((values.len() / DIM, DIM), values.to_vec()).unwrap();
        let mut fortran = Array2::zeros((values.len() / DIM, DIM).f());
        fortran.assign(&standard);
        fortran
    };
    let (p, q) = (fortran(&pool), fortran(&query));
    let spec = |kind| InputSpec {
        pool: vec![files.put("p.npy", &npy(kind, DIM, &pool))],
        query: vec![files.put("q.npy", &npy(kind, DIM, &query))],
        ..InputSpec::default()
    };
    made_of(&p, &q, &spec(Kind::BigEndian));
    made_of(&p.mapv(|x| x as f32), &q.mapv(|x| x as f32), &spec(Kind::F32));
    made_of(&p.mapv(f16::from_f64), &q.mapv(f16::from_f64), &spec(Kind::F16));
    // numpy has no bfloat16.
    let brain = |name: &str, values: &[f64]| {
        use safetensors::tensor::{Dtype, TensorView, serialize};
        let bytes: Vec<u8> = values.iter().flat_map(|&x| bf16::from_f64(x).to_le_bytes()).collect();
        let view = TensorView::new(Dtype::BF16, vec![values.len() / DIM, DIM], &bytes).unwrap();
        files.put(name, &serialize([("x", view)], None).unwrap())
    };
    let (pool, query) = (brain("p.safetensors", &pool), brain("q.safetensors", &query));
    let spec = InputSpec { pool: vec![pool], query: vec![query], ..InputSpec::default() };
    made_of(&p.mapv(bf16::from_f64), &q.mapv(bf16::from_f64), &spec);
}
