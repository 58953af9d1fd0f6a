//! Rows that no cost can measure, rows in two sets, and matrices with holes.

use kantor::source::{FaultKind, OnBadRow, OpenOptions, Representation, overlap};
use kantor_solvers::{Quiet, Stopped, Watch};
use kantor_theory::cost::Family;
use kantor_theory::{Cost, Rows};

use crate::support::*;

fn shards(files: &Files, parts: &[(&str, &[f32])]) -> Representation {
    let paths: Vec<_> = parts.iter().map(|(name, values)| files.put(name, npy_f32(2, values))).collect();
    Representation::open(&paths, &OpenOptions::default()).unwrap()
}

#[test]
fn nan_in_embeddings() {
    let files = Files::new();
    let mut rows = shards(&files, &[("a.npy", &[1.0; 4]), ("b.npy", &[1.0, 1.0, 0.0, f32::NAN, f32::INFINITY, 1.0])]);
    let error = says(
        rows.validate(Family::Angle, OnBadRow::Error, &Quiet),
        &["b.npy", "row 1 ", "not finite", "NaN in column 1", "2 bad rows", "3, 4", "--on-bad-row drop"],
    );
    assert_eq!(error.kind(), FaultKind::BadInput);
    let error = rows.validate(Family::Distance, OnBadRow::Error, &Quiet).unwrap_err();
    assert!(error.to_string().contains("2 bad rows"), "{error}");
}

#[test]
fn zero_row_under_cosine() {
    let files = Files::new();
    let mut rows = shards(&files, &[("a.npy", &[1.0, 0.0, 0.0, -0.0, 2.0, 1.0])]);
    says(
        rows.validate(Family::Angle, OnBadRow::Error, &Quiet),
        &["a.npy", "row 1 is zero", "1 bad row in all", "repair it", "--on-bad-row drop"],
    );
    assert!(rows.validate(Family::Distance, OnBadRow::Error, &Quiet).unwrap().is_empty());
    assert!(rows.validate(Family::Given, OnBadRow::Error, &Quiet).unwrap().is_empty());
}

#[test]
fn squared_norms_that_overflow_or_vanish() {
    let files = Files::new();
    let table = |value: f64| {
        let data: Vec<u8> = [1.0, value].iter().flat_map(|x| x.to_le_bytes()).collect();
        open(&files.put("x.npy", npy("<f8", "(2, 1)", &data))).unwrap()
    };
    let large = "too large, its squared norm overflows: rescale";
    says(table(1e100).validate(Family::Angle, OnBadRow::Error, &Quiet), &["x.npy", "row 1", large]);
    says(table(-1e200).validate(Family::Distance, OnBadRow::Error, &Quiet), &["row 1", large]);
    says(table(1e-100).validate(Family::Angle, OnBadRow::Error, &Quiet), &["row 1", "too small to normalise"]);
    assert!(table(1e-300).validate(Family::Distance, OnBadRow::Error, &Quiet).unwrap().is_empty());
    assert!(table(1e200).validate(Family::Given, OnBadRow::Error, &Quiet).unwrap().is_empty());
    // Subnormal halves and the largest floats are ordinary rows.
    let halves = open(&files.put("h.npy", npy("<f2", "(1, 2)", &[1, 0, 0, 0])));
    assert!(halves.unwrap().validate(Family::Angle, OnBadRow::Error, &Quiet).unwrap().is_empty());
    let floats = open(&files.put("f.npy", npy_f32(2, &[f32::MAX, f32::MAX])));
    assert!(floats.unwrap().validate(Family::Angle, OnBadRow::Error, &Quiet).unwrap().is_empty());
}

#[test]
fn dropped_rows_are_recorded_and_hidden() {
    let files = Files::new();
    let nan = f32::NAN;
    let mut rows =
        shards(&files, &[("a.npy", &[nan, 0.0, 1.0, 1.0, 0.0, 0.0]), ("b.npy", &[2.0, 2.0, nan, nan, 3.0, 3.0])]);
    let dropped = rows.validate(Family::Angle, OnBadRow::Drop, &Quiet).unwrap();
    let faults: Vec<_> = dropped.iter().map(|row| (row.row, &*row.fault)).collect();
    assert_eq!(faults.iter().map(|fault| fault.0).collect::<Vec<_>>(), [0, 2, 4]);
    assert!(faults[1].1.contains("zero"));
    assert_eq!((rows.len(), rows.original_len()), (3, 6));
    let mut out = [0.0; 6];
    rows.read(0, 0..2, &mut out);
    assert_eq!(out, [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
    let mut out = [0.0; 2];
    rows.read_f32(2, &mut out);
    assert_eq!(out, [3.0, 3.0]);
    assert_eq!([0, 1, 2].map(|row| rows.original_row(row)), [1, 3, 5]);
    assert!(rows.validate(Family::Angle, OnBadRow::Error, &Quiet).unwrap().is_empty());
    let mut hopeless = shards(&files, &[("c.npy", &[nan, 0.0])]);
    says(hopeless.validate(Family::Angle, OnBadRow::Drop, &Quiet), &["c.npy", "every row is bad"]);
}

#[test]
fn message_after_dropping_names_the_original_row() {
    let files = Files::new();
    let mut rows = shards(&files, &[("a.npy", &[f32::NAN, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0])]);
    rows.validate(Family::Given, OnBadRow::Drop, &Quiet).unwrap();
    assert_eq!(rows.len(), 3);
    says(rows.validate(Family::Angle, OnBadRow::Error, &Quiet), &["row 2 is zero", "1 bad row in all"]);
}

#[test]
fn many_bad_rows_are_counted_and_the_first_listed() {
    let files = Files::new();
    let values: Vec<f32> = (0..20_000).map(|i| if i % 20 == 7 { f32::NAN } else { 1.0 }).collect();
    let mut rows = shards(&files, &[("a.npy", &values)]);
    says(
        rows.validate(Family::Angle, OnBadRow::Error, &Quiet),
        &["row 3 ", "1000 bad rows", "3, 13, 23, 33, 43, …", "them with --on-bad-row drop"],
    );
}

#[test]
fn non_finite_entry_of_a_similarity_matrix() {
    let files = Files::new();
    let mut values = vec![0.5f32; 3 * 70_000];
    let matrix = |values: &[f32]| open(&files.put("s.npy", npy_f32(70_000, values))).unwrap();
    matrix(&values).validate_matrix(Cost::Cosine, &Quiet).unwrap();
    values[70_000 + 60_000] = f32::NEG_INFINITY;
    values[2 * 70_000 + 3] = f32::NAN;
    for cost in [Cost::Cosine, Cost::Precomputed] {
        says(
            matrix(&values).validate_matrix(cost, &Quiet),
            &["s.npy", "query row 1, pool column 60000 is -inf", "2 such entries", "compute the matrix again"],
        );
    }
}

#[test]
fn entry_of_a_similarity_matrix_that_is_no_cosine() {
    let files = Files::new();
    let mut values = vec![0.5f32; 3 * 70_000];
    // What rounding leaves of the cosine of a row with its copy.
    values[5] = 1.0f32.next_up();
    (values[2 * 70_000 + 60_000], values[2 * 70_000 + 60_001]) = (1.25, -3.0);
    let matrix = open(&files.put("s.npy", npy_f32(70_000, &values))).unwrap();
    for cost in [Cost::Cosine, Cost::HalfCosine, Cost::Angular] {
        says(
            matrix.validate_matrix(cost, &Quiet),
            &["s.npy", "query row 2, pool column 60000 is 1.25", "2 such entries", "--cost precomputed", "normalise"],
        );
    }
    matrix.validate_matrix(Cost::Precomputed, &Quiet).unwrap();
}

#[test]
fn empty_set_one_point_and_identical_sets() {
    let files = Files::new();
    says(open(&files.put("e.npy", npy("<f4", "(0, 2)", &[]))), &["e.npy", "no rows"]);
    let mut one = shards(&files, &[("one.npy", &[1.0, 2.0])]);
    assert!(one.validate(Family::Angle, OnBadRow::Error, &Quiet).unwrap().is_empty());
    let same = shards(&files, &[("same.npy", &[1.0, 2.0])]);
    assert_eq!(overlap(&one, &same, &Quiet).unwrap(), [(0, 0)]);
}

#[test]
fn query_rows_present_in_the_pool() {
    let files = Files::new();
    let dim = 12;
    let row = |seed: usize| (0..dim).map(move |c| if c < 9 { 1.0 } else { (seed * 31 + c) as f32 });
    let pool: Vec<f32> = (0..3000).flat_map(|i| row(i % 2500)).collect();
    let pool = open(&files.put("p.npy", npy_f32(dim, &pool))).unwrap();
    let query: Vec<f64> = [7, 9999, 400, 7].into_iter().flat_map(row).map(f64::from).collect();
    let data: Vec<u8> = query.iter().flat_map(|x| x.to_le_bytes()).collect();
    let query = open(&files.put("q.npy", npy("<f8", "(4, 12)", &data))).unwrap();
    assert_eq!(overlap(&pool, &query, &Quiet).unwrap(), [(0, 7), (2, 400), (3, 7)]);
}

#[test]
fn a_wish_to_stop_is_heard() {
    struct Impatient;
    impl Watch for Impatient {
        fn begin(&self, _: &str, _: u64) {}
        fn advance(&self, _: u64) -> Result<(), Stopped> {
            Err(Stopped)
        }
    }
    let files = Files::new();
    let mut rows = shards(&files, &[("a.npy", &[1.0; 8])]);
    let kinds = [
        rows.digests(&Impatient).unwrap_err().kind(),
        rows.validate_matrix(Cost::Cosine, &Impatient).unwrap_err().kind(),
        rows.validate(Family::Angle, OnBadRow::Drop, &Impatient).unwrap_err().kind(),
    ];
    assert_eq!(kinds, [FaultKind::Interrupted; 3]);
    assert!(overlap(&rows, &rows, &Impatient).is_err());
}

#[test]
fn a_file_of_bad_rows_is_no_table_to_drop_them_from() {
    let files = Files::new();
    let mut values = vec![0u8; 2 * 1_000_003];
    values[..2].copy_from_slice(&half::f16::ONE.to_le_bytes());
    let rows =
        |bytes: &[u8]| npy_with_header(1, &npy_header("<f2", false, &format!("({}, 1)", bytes.len() / 2)), bytes);
    let dropped = |name: &str, bytes: &[u8]| {
        let mut table = open(&files.put(name, rows(bytes))).unwrap();
        table.validate(Family::Angle, OnBadRow::Drop, &Quiet)
    };
    let error = says(dropped("many.npy", &values), &["many.npy", "1000002 rows cannot be measured", "without them"]);
    assert_eq!(error.kind(), FaultKind::BadInput);
    assert_eq!(dropped("few.npy", &values[..2 * 1_000_001]).unwrap().len(), 1_000_000);
}
