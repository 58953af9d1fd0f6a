//! Reading a table gives the numbers that were written, for every format, type, order, alignment and split.

use std::path::PathBuf;

use half::{bf16, f16};
use kantor::source::{OpenOptions, Representation};
use kantor_solvers::Quiet;
use kantor_theory::Rows;
use npyz::WriterBuilder as _;
use proptest::prelude::*;

use crate::support::*;

/// A stored type: numpy's and safetensors' names, and how a number is rounded to it and laid out.
struct Type {
    numpy: &'static str,
    tensors: &'static str,
    write: fn(f64, bool) -> (f64, Vec<u8>),
}

macro_rules! laid_out {
    ($value:expr, $big:expr) => {{
        let value = $value;
        if $big { value.to_be_bytes().to_vec() } else { value.to_le_bytes().to_vec() }
    }};
}

const TYPES: [Type; 8] = [
    Type { numpy: "f2", tensors: "F16", write: |x, big| (f16::from_f64(x).to_f64(), laid_out!(f16::from_f64(x), big)) },
    Type {
        numpy: "",
        tensors: "BF16",
        write: |x, big| (bf16::from_f64(x).to_f64(), laid_out!(bf16::from_f64(x), big)),
    },
    Type { numpy: "f4", tensors: "F32", write: |x, big| (f64::from(x as f32), laid_out!(x as f32, big)) },
    Type { numpy: "f8", tensors: "F64", write: |x, big| (x, laid_out!(x, big)) },
    Type { numpy: "i1", tensors: "I8", write: |x, big| (f64::from(x as i8), laid_out!(x as i8, big)) },
    Type { numpy: "u2", tensors: "U16", write: |x, big| (f64::from(x as u16), laid_out!(x as u16, big)) },
    Type { numpy: "i4", tensors: "I32", write: |x, big| (f64::from(x as i32), laid_out!(x as i32, big)) },
    Type { numpy: "i8", tensors: "I64", write: |x, big| ((x as i64) as f64, laid_out!(x as i64, big)) },
];

#[derive(Debug, Clone)]
struct Plan {
    kind: usize,
    container: usize,
    version: u8,
    fortran: bool,
    big: bool,
    padding: usize,
}

fn plan() -> impl Strategy<Value = Plan> {
    (0..TYPES.len(), 0..4usize, 1..4u8, any::<bool>(), any::<bool>(), 0..8usize).prop_map(
        |(kind, container, version, fortran, big, padding)| Plan { kind, container, version, fortran, big, padding },
    )
}

/// Writes one shard and returns what reading it must give.
fn write(files: &Files, name: &str, plan: &Plan, dim: usize, values: &[f64]) -> (PathBuf, Vec<f64>) {
    let kind = &TYPES[plan.kind];
    let rows = values.len() / dim;
    let tensors = plan.container == 3 || kind.numpy.is_empty();
    let (big, fortran) = (plan.big && !tensors, plan.fortran && !tensors);
    let written: Vec<(f64, Vec<u8>)> = values.iter().map(|&x| (kind.write)(x, big)).collect();
    let order: Vec<usize> = match fortran {
        false => (0..values.len()).collect(),
        true => (0..dim).flat_map(|c| (0..rows).map(move |r| r * dim + c)).collect(),
    };
    let data: Vec<u8> = order.iter().flat_map(|&at| written[at].1.clone()).collect();
    let descr = format!("{}{}", if big { '>' } else { '<' }, kind.numpy);
    let npy = npy_with_header(plan.version, &npy_header(&descr, fortran, &format!("({rows}, {dim})")), &data);
    let path = match plan.container {
        _ if tensors => {
            let end = data.len();
            let kind = kind.tensors;
            let header = format!(r#"{{"x":{{"dtype":"{kind}","shape":[{rows},{dim}],"data_offsets":[0,{end}]}}}}"#);
            files.put(name, safetensors_with_header(&(header + &" ".repeat(plan.padding)), &data))
        }
        0 => files.put(name, npy),
        1 => files.put(name, zip(&[("x.npy", &npy)], false)),
        _ => files.put(name, zip(&[("x.npy", &npy)], true)),
    };
    (path, written.into_iter().map(|(x, _)| x).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Any window of rows and columns equals the same window of the numbers written, wherever shards meet.
    #[test]
    fn what_is_written_is_read(
        plans in prop::collection::vec((plan(), 1..300usize), 1..4),
        dim in 1..40usize,
        seed in any::<u64>(),
        window in prop::array::uniform4(0.0..1.0f64),
    ) {
        let files = Files::new();
        let number = |i: usize| ((i as u64).wrapping_mul(seed | 1) % 16_001) as f64 / 64.0 - 120.0;
        let (mut paths, mut expected) = (Vec::new(), Vec::new());
        for (index, (plan, rows)) in plans.iter().enumerate() {
            let values: Vec<f64> = (0..rows * dim).map(|i| number(i + 100_000 * index)).collect();
            let (path, read) = write(&files, &format!("{index}.table"), plan, dim, &values);
            paths.push(path);
            expected.extend(read);
        }
        let options = OpenOptions { cast: true, ..OpenOptions::default() };
        let table = Representation::open(&paths, &options).unwrap();
        let rows = expected.len() / dim;
        prop_assert_eq!((table.len(), table.dim()), (rows, dim));
        let between = |low: f64, high: f64, n: usize| {
            let (low, high) = ((low * n as f64) as usize, (high * (n + 1) as f64) as usize);
            low.min(high)..high.max(low)
        };
        let (r, c) = (between(window[0], window[1], rows), between(window[2], window[3], dim));
        let mut out = vec![f64::NAN; r.len() * c.len()];
        table.read(r.start, c.clone(), &mut out);
        let part: Vec<f64> = r.clone().flat_map(|i| expected[i * dim + c.start..i * dim + c.end].to_vec()).collect();
        prop_assert_eq!(out, part);
        let mut out = vec![f32::NAN; r.len() * dim];
        table.read_f32(r.start, &mut out);
        let part: Vec<f32> = expected[r.start * dim..r.end * dim].iter().map(|&x| x as f32).collect();
        prop_assert_eq!(out, part);
        prop_assert_eq!(table.digests(&Quiet).unwrap().len(), paths.len());
        table.check_unchanged().unwrap();
    }
}

#[test]
fn special_values_survive() {
    let files = Files::new();
    let halves: Vec<u16> = (0..=u16::MAX).collect();
    let data: Vec<u8> = halves.iter().flat_map(|x| x.to_le_bytes()).collect();
    let exact =
        |bits: u16, brain: bool| if brain { bf16::from_bits(bits).to_f64() } else { f16::from_bits(bits).to_f64() };
    for (brain, bytes) in
        [(false, npy("<f2", "(256, 256)", &data)), (true, safetensors(&[("x", "BF16", "[256,256]", &data)]))]
    {
        let table = open(&files.put("x", bytes)).unwrap();
        let (mut wide, mut narrow) = (vec![0.0; 65_536], vec![0.0f32; 65_536]);
        table.read(0, 0..256, &mut wide);
        table.read_f32(0, &mut narrow);
        for bits in halves.iter().copied() {
            let (x, at) = (exact(bits, brain), usize::from(bits));
            assert!(wide[at].to_bits() == x.to_bits() || (x.is_nan() && wide[at].is_nan()));
            assert!(f64::from(narrow[at]).to_bits() == x.to_bits() || (x.is_nan() && narrow[at].is_nan()));
        }
    }
}

/// Written by NumPy 2.4.6, which also gave the expected numbers (hashlib gave the digest).
#[test]
fn files_written_by_numpy_are_read() {
    let golden = |name: &str| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden").join(name);
    let pool = open(&golden("pool.npy")).unwrap();
    assert_eq!((pool.len(), pool.dim(), pool.files()[0].dtype), (2000, 64, "f32"));
    let mut last = vec![0.0; 64];
    pool.read_row(1999, &mut last);
    assert_eq!(last[63], 0.24394643306732178);
    let digest = "411aab4121602046be3c341a7894b2ee8be1a96177e4c8d843513a63bf51cda8";
    assert_eq!(pool.digests(&Quiet).unwrap(), [digest]);
    let options = OpenOptions { cast: true, ..OpenOptions::default() };
    let seen = kantor::inspect::inspect(&golden("pool.npy"), &options, &Quiet).unwrap();
    let norms = seen.norms.unwrap();
    assert!((norms.min - 0.9999999076542151).abs() < 1e-14 && (norms.max - 1.0000000877578028).abs() < 1e-14);
    says(open(&golden("round_robin_order.npy")), &["(integer)"]);
    says(open(&golden("weights_query.npy")), &["shape (20,)"]);
}

#[test]
fn indices_are_the_bytes_that_another_writer_of_npy_writes() {
    for rows in [vec![], vec![7], (0..300).rev().collect(), vec![usize::MAX >> 1]] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        kantor::record::indices(rows.iter().copied(), &mut ours).unwrap();
        let options = npyz::WriteOptions::new().default_dtype().shape(&[rows.len() as u64]);
        let mut writer = options.writer(&mut theirs).begin_nd().unwrap();
        writer.extend(rows.iter().map(|&row| row as i64)).unwrap();
        writer.finish().unwrap();
        assert_eq!(ours, theirs);
    }
}
