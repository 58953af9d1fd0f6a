//! Query rows that are in the pool under another number type.

use half::{bf16, f16};
use kantor::pipeline::{Error, ForbidOverlap, InputSpec, Inputs};
use kantor::source::{Representation, overlap};
use kantor_solvers::Quiet;
use kantor_solvers::density::near::near_queries;
use kantor_theory::{Cost, Element, Rows};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::*;

const DIM: usize = 96;

/// Numbers as an embedding has them, some of them tiny.
fn numbers(rows: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..rows * DIM).map(|i| (rng.random::<f64>() - 0.5) * if i % 11 == 3 { 1e-6 } else { 0.2 }).collect()
}

/// The numbers as a file of this type.
fn stored(files: &Files, name: &str, element: Element, values: &[f64]) -> Representation {
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|&x| match element {
            Element::F16 => f16::from_f64(x).to_le_bytes().to_vec(),
            Element::BF16 => bf16::from_f64(x).to_le_bytes().to_vec(),
            Element::F32 => (x as f32).to_le_bytes().to_vec(),
            Element::F64 => x.to_le_bytes().to_vec(),
        })
        .collect();
    let (dtype, shape) = (element.name().to_uppercase(), format!("[{},{DIM}]", values.len() / DIM));
    open(&files.put(name, safetensors(&[("x", &dtype, &shape, &bytes)]))).unwrap()
}

#[test]
fn rows_in_both_are_found_whatever_the_two_types() {
    let files = Files::new();
    let pool = numbers(3000, 1);
    let queries: Vec<f64> = [&pool[70 * DIM..75 * DIM], &numbers(20, 2), &pool[2999 * DIM..]].concat();
    let expected = [(0, 70), (1, 71), (2, 72), (3, 73), (4, 74), (25, 2999)];
    for of_pool in Element::ALL {
        let pool = stored(&files, "pool", of_pool, &pool);
        for of_query in Element::ALL {
            let query = stored(&files, "query", of_query, &queries);
            assert_eq!(overlap(&pool, &query, &Quiet).unwrap(), expected, "{of_pool:?} and {of_query:?}");
        }
    }
}

#[test]
fn rows_that_differ_in_one_number_are_not_the_same() {
    let files = Files::new();
    let pool = numbers(50, 3);
    // By more than the coarser type rounds away.
    let other: Vec<f64> = pool.iter().enumerate().map(|(i, x)| if i % DIM == 40 { x + 0.01 } else { *x }).collect();
    for of_pool in Element::ALL {
        for of_query in Element::ALL {
            let (pool, query) = (stored(&files, "pool", of_pool, &pool), stored(&files, "query", of_query, &other));
            assert_eq!(overlap(&pool, &query, &Quiet).unwrap(), [], "{of_pool:?} and {of_query:?}");
        }
    }
    // Of one type, every bit counts; of zeros, the sign does not.
    let pool = stored(&files, "pool", Element::F32, &[vec![0.0; DIM], vec![1.0; DIM]].concat());
    let mut next = vec![1.0; DIM];
    next[DIM - 1] = 1.0 + f64::from(f32::EPSILON);
    let query = stored(&files, "query", Element::F32, &[vec![-0.0; DIM], next].concat());
    assert_eq!(overlap(&pool, &query, &Quiet).unwrap(), [(0, 0)]);
}

#[test]
fn shards_of_several_types_are_each_compared_by_their_own() {
    let files = Files::new();
    let values = numbers(40, 4);
    stored(&files, "a", Element::F16, &values[..20 * DIM]);
    stored(&files, "b", Element::F32, &values[20 * DIM..]);
    let query = stored(&files, "q", Element::F32, &values);
    let pool = Representation::open(&[files.path("a"), files.path("b")], &Default::default()).unwrap();
    assert_eq!((pool.element(), pool.element_of(0), pool.element_of(20)), (Element::F32, Element::F16, Element::F32));
    let every: Vec<(usize, usize)> = (0..40).map(|row| (row, row)).collect();
    assert_eq!(overlap(&pool, &query, &Quiet).unwrap(), every);
}

#[test]
fn rows_that_agree_in_their_first_columns_are_told_apart_by_others() {
    let files = Files::new();
    let mut values = numbers(500, 5);
    values.chunks_exact_mut(DIM).for_each(|row| row[..24].fill(0.0));
    let (pool, query) = (&values[..450 * DIM], &values[440 * DIM..]);
    let (pool, query) = (stored(&files, "p", Element::F16, pool), stored(&files, "q", Element::F32, query));
    let found = overlap(&pool, &query, &Quiet).unwrap();
    assert_eq!(found, (0..10).map(|row| (row, 440 + row)).collect::<Vec<_>>());
}

#[test]
fn near_rows_are_those_of_at_least_the_cosine() {
    let files = Files::new();
    let pool = numbers(5000, 6);
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let queries: Vec<f64> = (0..30 * DIM)
        .map(|i| pool[100 * DIM * (i / DIM) + i % DIM] * 3.0 + 0.02 * (i / DIM) as f64 * (rng.random::<f64>() - 0.5))
        .collect();
    let (pool, query) = (stored(&files, "p", Element::F16, &pool), stored(&files, "q", Element::F32, &queries));
    let row = |rows: &dyn Rows, row: usize| {
        let mut numbers = vec![0.0; DIM];
        rows.read_row(row, &mut numbers);
        numbers
    };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let cosine = |a: &[f64], b: &[f64]| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    for least in [0.9, 0.99, 0.9999] {
        let of = |query_row: &[f64]| (0..pool.len()).find(|&i| cosine(query_row, &row(&pool, i)) >= least);
        let expected: Vec<(usize, usize)> = (0..30).filter_map(|j| Some((j, of(&row(&query, j))?))).collect();
        assert!(!expected.is_empty() && expected.len() < 30, "{least} tells nothing");
        assert_eq!(near_queries(&pool, &query, least, &Quiet).unwrap(), expected);
    }
    let zeros = stored(&files, "z", Element::F32, &[vec![0.0; DIM], vec![f64::NAN; DIM]].concat());
    assert_eq!(near_queries(&zeros, &query, 0.1, &Quiet).unwrap(), []);
    assert_eq!(near_queries(&pool, &zeros, 0.1, &Quiet).unwrap(), []);
}

#[test]
fn forbidden_overlap_names_the_rows() {
    let files = Files::new();
    let pool = numbers(20, 8);
    let near: Vec<f64> = pool[3 * DIM..5 * DIM].iter().map(|x| x * 2.0).collect();
    stored(&files, "pool", Element::F16, &pool);
    stored(&files, "same", Element::F32, &pool[17 * DIM..18 * DIM]);
    stored(&files, "near", Element::F32, &near);
    let open = |query: &str, forbid_overlap| {
        let query = vec![files.path(query)];
        let spec = InputSpec { pool: vec![files.path("pool")], query, forbid_overlap, ..InputSpec::default() };
        Inputs::open(&spec, Cost::Cosine, &Quiet)
    };
    assert_eq!(open("same", ForbidOverlap::No).unwrap().overlap(), 1);
    for forbidden in [ForbidOverlap::Equal, ForbidOverlap::Near(0.9)] {
        match open("same", forbidden).err() {
            Some(Error::Overlap { count: 1, query: 0, row: 17, .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(open("near", ForbidOverlap::Equal).unwrap().overlap(), 0);
    let error = open("near", ForbidOverlap::Near(0.999)).err().unwrap().to_string();
    for part in ["2 query rows", "cosine of at least 0.999", "query row 0: pool row 3", "--forbid-overlap"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}
