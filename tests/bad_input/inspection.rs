//! `inspect` reports what is wrong with a file that could be read.

use kantor::inspect::{Duplicates, Found, NearOptions, inspect, inspect_near};
use kantor::source::{Format, OpenOptions};
use kantor_solvers::Quiet;

use crate::support::*;

#[test]
fn bad_and_duplicate_rows_are_reported_not_refused() {
    let files = Files::new();
    let mut values: Vec<f32> = (0..1000).flat_map(|i| [i as f32 + 1.0, 0.0, 0.0]).collect();
    let mut set = |row: usize, with: [f32; 3]| values[row * 3..row * 3 + 3].copy_from_slice(&with);
    set(3, [f32::NAN, f32::INFINITY, 0.0]);
    set(10, [0.0; 3]);
    set(500, [0.0; 3]);
    set(900, [0.0, 0.0, -0.0]);
    set(700, [21.0, 0.0, 0.0]);
    set(999, [21.0, 0.0, 0.0]);
    let path = files.put("x.npy", npy_f32(3, &values));
    let seen = inspect(&path, &OpenOptions::default(), &Quiet).unwrap();
    assert_eq!((seen.rows, seen.columns, seen.dtype, seen.format), (1000, 3, "f32", Format::Npy));
    assert_eq!(seen.non_finite_values, 2);
    assert_eq!(seen.non_finite_rows, Found { count: 1, first: vec![3] });
    assert_eq!(seen.zero_rows, Found { count: 3, first: vec![10, 500, 900] });
    assert_eq!(seen.duplicate_rows, Duplicates { count: 3, first: vec![(10, 500), (20, 700), (20, 999)] });
    let norms = seen.norms.unwrap();
    assert_eq!((norms.min, norms.max), (0.0, 999.0));
    assert!((norms.median - 500.0).abs() <= 5.0 && (norms.p01 - 10.0).abs() <= 5.0 && (norms.p99 - 990.0).abs() <= 5.0);
    assert_eq!(seen.estimate.flops, 2.0 * 1000.0 * 100.0 * 3.0);
    assert_eq!(seen.estimate.budget, 1000);
    let text = seen.to_string();
    for part in ["1000 rows × 3 columns, f32", "1 row: 3 (2 values)", "3 rows: 10, 500, 900", "500 = 10", &seen.sha256]
    {
        assert!(text.contains(part), "`{part}` is missing in:\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 120));
    let json = serde_json::to_value(&seen).unwrap();
    assert_eq!(json["zero_rows"]["count"], 3);
    assert_eq!(json["format"], "npy");
}

#[test]
fn near_duplicates_are_counted_or_sampled() {
    let files = Files::new();
    // Directions half a degree apart on a quarter circle, a row of zeros, one that is not finite, and a longer copy.
    let turn = |i: i32| (f64::from(i) * 0.5).to_radians();
    let mut values: Vec<f32> = (0..180).flat_map(|i| [turn(i).cos() as f32, turn(i).sin() as f32]).collect();
    values.extend([0.0, 0.0, f32::NAN, 1.0, 5.0, 0.0]);
    let path = files.put("x.npy", npy_f32(2, &values));
    let look = |cosine, rows| {
        let options = NearOptions { cosine, rows };
        inspect_near(&path, &OpenOptions::default(), options, &Quiet).unwrap()
    };
    // cos 0.75° lies between one step and two.
    let near = look(0.75f64.to_radians().cos(), 1000).near_duplicates.unwrap();
    assert_eq!((near.rows_compared, near.sampled, near.pairs, near.count), (181, false, 181, 180));
    assert_eq!(near.first, vec![(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]);
    let sample = look(0.75f64.to_radians().cos(), 20);
    assert!(sample.to_string().contains("among 20 rows drawn from all"), "{sample}");
    let near = sample.near_duplicates.unwrap();
    assert!(near.rows_compared == 20 && near.sampled && near.pairs < 20);
    assert_eq!(look(0.9, 0).near_duplicates, None);
}

#[test]
fn a_file_of_bad_rows_only() {
    let files = Files::new();
    let seen = inspect(&files.put("x.npy", npy_f32(2, &[f32::NAN; 8])), &OpenOptions::default(), &Quiet).unwrap();
    assert_eq!((seen.non_finite_rows.count, seen.duplicate_rows.count, seen.norms), (4, 3, None));
    assert!(seen.to_string().contains("no row is finite"));
}

#[test]
fn wide_rows_and_one_row() {
    let files = Files::new();
    let seen =
        inspect(&files.put("x.npy", npy_f32(100_000, &[0.5; 100_000])), &OpenOptions::default(), &Quiet).unwrap();
    assert_eq!((seen.rows, seen.columns, seen.duplicate_rows.count), (1, 100_000, 0));
}
