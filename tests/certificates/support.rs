//! Makes inputs, asks for certificates and has them checked.

use std::io::Write;
use std::path::{Path, PathBuf};

use kantor::certify;
use kantor::prelude::*;
use kantor::solvers::registry::SELECTORS;
use kantor::source::OnBadRow;
use kantor::theory::certificate::{Content, SCHEMA_1};
use kantor::theory::{Certificate, Facts, Geometry, Proved, Verdict, sequential, verify};
use tempfile::TempDir;

/// How numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    F16,
    F32,
    F64,
    /// Double precision, column by column.
    Fortran,
    /// Double precision, the most significant byte first.
    BigEndian,
}

/// A `.npy` file of rows.
pub(crate) fn npy(kind: Kind, dim: usize, values: &[f64]) -> Vec<u8> {
    let rows = values.len() / dim;
    let (descr, fortran) = match kind {
        Kind::F16 => ("<f2", "False"),
        Kind::F32 => ("<f4", "False"),
        Kind::F64 => ("<f8", "False"),
        Kind::Fortran => ("<f8", "True"),
        Kind::BigEndian => (">f8", "False"),
    };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': ({rows}, {dim}), }}");
    header.push_str(&" ".repeat(63 - (10 + header.len()) % 64));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    match kind {
        Kind::F16 => bytes.extend(values.iter().flat_map(|&x| half::f16::from_f64(x).to_le_bytes())),
        Kind::F32 => bytes.extend(values.iter().flat_map(|&x| (x as f32).to_le_bytes())),
        Kind::F64 => bytes.extend(values.iter().flat_map(|&x| x.to_le_bytes())),
        Kind::BigEndian => bytes.extend(values.iter().flat_map(|&x| x.to_be_bytes())),
        Kind::Fortran => {
            let columns = (0..dim).flat_map(|column| values.iter().skip(column).step_by(dim));
            bytes.extend(columns.flat_map(|&x| x.to_le_bytes()));
        }
    }
    bytes
}

/// A numpy archive of tables of doubles.
pub(crate) fn npz(dim: usize, tensors: &[(&str, &[f64])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, values) in tensors {
        archive.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(&npy(Kind::F64, dim, values)).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// A safetensors file of tables of doubles.
pub(crate) fn safetensors(dim: usize, tensors: &[(&str, &[f64])]) -> Vec<u8> {
    use safetensors::tensor::{Dtype, TensorView, serialize};
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|(_, values)| values.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
    let views = tensors.iter().zip(&bytes).map(|((name, values), bytes)| {
        (*name, TensorView::new(Dtype::F64, vec![values.len() / dim, dim], bytes).unwrap())
    });
    serialize(views, None).unwrap()
}

/// Files of one instance; they vanish with it.
pub(crate) struct Instance {
    _dir: TempDir,
    pub(crate) spec: InputSpec,
}

impl Instance {
    /// Pool shards and queries.
    pub(crate) fn points(kind: Kind, dim: usize, shards: &[&[f64]], query: &[f64]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut spec = InputSpec { query: vec![dir.path().join("query.npy")], ..InputSpec::default() };
        std::fs::write(&spec.query[0], npy(kind, dim, query)).unwrap();
        for (index, shard) in shards.iter().enumerate() {
            let path = dir.path().join(format!("pool{index}.npy"));
            std::fs::write(&path, npy(kind, dim, shard)).unwrap();
            spec.pool.push(path);
        }
        Self { _dir: dir, spec }
    }

    /// A matrix of one row per query.
    pub(crate) fn matrix(kind: Kind, pool: usize, values: &[f64]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("matrix.npy");
        std::fs::write(&path, npy(kind, pool, values)).unwrap();
        Self { _dir: dir, spec: InputSpec { similarity: Some(path), ..InputSpec::default() } }
    }

    /// The same files, without rows that cannot be measured.
    pub(crate) fn dropping(mut self) -> Self {
        self.spec.on_bad_row = OnBadRow::Drop;
        self
    }

    pub(crate) fn open(&self, cost: Cost) -> Inputs {
        Inputs::open(&self.spec, cost, &Quiet).unwrap()
    }
}

/// What the checker needs to know of open inputs.
pub(crate) fn facts(inputs: &Inputs) -> Facts {
    certify::facts(&inputs.records(true, &Quiet).unwrap(), inputs.dropped())
}

/// The certificate as version 1 has it, with digests of the files instead of their values.
pub(crate) fn version_1(certificate: &Certificate, inputs: &Inputs) -> Certificate {
    let mut old = certificate.clone();
    old.schema = SCHEMA_1.to_owned();
    for (input, record) in old.inputs.iter_mut().zip(inputs.records(false, &Quiet).unwrap()) {
        input.content = Content::File { sha256: record.sha256 };
    }
    old
}

/// What is asked under this cost, but for budgets.
pub(crate) fn goal(cost: Cost) -> Goal {
    Goal { cost, ..Goal::default() }
}

/// All methods that work on these inputs.
pub(crate) fn methods(inputs: &Inputs, cost: Cost) -> Vec<String> {
    let matrix = inputs.problem(goal(cost)).unwrap().pool().is_none();
    // Densities and kernel distances need the rows themselves.
    let needs_rows = ["knn-kde", "kde-ratio", "energy", "mmd", "auto"];
    SELECTORS
        .iter()
        .filter(|entry| !(matrix && needs_rows.contains(&entry.name)))
        .map(|entry| entry.name.to_owned())
        .collect()
}

/// Has the checker read and check what is written of a selection.
pub(crate) fn written(certificate: &Certificate, facts: &Facts, geometry: &Geometry<'_>) -> (Verdict, Vec<u8>) {
    let bytes = certificate.to_json();
    let read = Certificate::parse(&bytes).unwrap();
    assert_eq!(&read, certificate, "what is written reads back as it was");
    (verify(&read, facts, geometry, &sequential), bytes)
}

/// Selects with all methods and asserts of every certificate all that must hold of any.
///
pub(crate) fn check(instance: &Instance, cost: Cost, power: Power, budgets: &[usize]) -> Checked {
    let inputs = instance.open(cost);
    let goal = Goal { power, budgets: budgets.to_vec(), ..goal(cost) };
    let problem = inputs.problem(goal.clone()).unwrap();
    let facts = facts(&inputs);
    let mut checked = Checked::default();
    let mut best: Vec<Option<u64>> = vec![None; budgets.len()];
    for method in methods(&inputs, cost) {
        // One at a time: the bound for all subsets must not depend on what else is asked for.
        let request = Request { methods: vec![method.clone()], ..Request::default() };
        let outcome = select(&inputs, &goal, &request, &Quiet);
        let outcome = outcome.unwrap_or_else(|error| panic!("{method} {cost} {power:?}: {error}"));
        for (index, proved) in outcome.chosen[0].selections.iter().enumerate() {
            let budget = budgets[index];
            let place = format!("{method} {cost} {power:?} k = {budget}");
            let certified = proved.certified.as_ref().unwrap();
            let certificate = certified.certificate(&facts, Some(&method)).unwrap();
            let verdict = written(&certificate, &facts, problem.geometry()).0;
            let interval = certified.distance().interval();
            let (lower, upper) = (interval.lower.unwrap(), interval.upper.unwrap());
            let below = certified.best().unwrap().lower();
            let claim = Proved { distance: interval, best: Some(below) };
            assert_eq!(verdict, Verdict::Verified(claim), "{place}: not what was claimed");
            assert!(lower <= upper && below <= upper, "{place}: {below} {lower} {upper}");
            assert_eq!(*best[index].get_or_insert(below.to_bits()), below.to_bits(), "{place}: another bound");
            if let Some(excess) = certified.excess() {
                assert!(excess >= 0.0 && (method != "optimal" || excess.is_finite()), "{place}: {excess}");
            }
            let closed = upper - below <= 1e-9 * below.abs();
            assert_eq!(certified.status() == Status::Optimal, closed, "{place}: {}", certified.status());
            if method == "optimal" {
                checked.optimal.push((budget, closed, below, upper));
            }
            checked.certificates += 1;
        }
    }
    checked
}

#[derive(Default)]
pub(crate) struct Checked {
    pub(crate) certificates: usize,
    /// Budget, whether the interval closed, and its ends.
    pub(crate) optimal: Vec<(usize, bool, f64, f64)>,
}

/// Numbers in [−1, 1) that look random and are always the same.
pub(crate) fn numbers(seed: u64, count: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..20).for_each(|_| _ = next());
    (0..count).map(|_| next()).collect()
}

/// Every k-subset of 0..n.
pub(crate) fn subsets(n: usize, k: usize) -> impl Iterator<Item = Vec<usize>> {
    let chosen = move |bits: u32| (0..n).filter(|i| bits >> i & 1 == 1).collect();
    (0u32..1 << n).filter(move |bits| bits.count_ones() as usize == k).map(chosen)
}

/// A file of the stored numbers of the tests.
pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden").join(name)
}

/// A file of the bundled example data.
pub(crate) fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data").join(name)
}
