//! Files of PyTorch that nobody meant well: nothing is run, and nothing is taken on a word.

use std::path::PathBuf;

use kantor::source::{DataError, FaultKind, OpenOptions, Representation};
use kantor_theory::Rows;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::damage::{CASES, damaged, use_table};
use crate::support::*;

/// Pickles a tensor of `f32` numbers as PyTorch does.
fn tensor(count: i32, offset: i32, shape: &[i32], strides: &[i32]) -> Vec<u8> {
    let int = |number: i32| [&b"J"[..], &number.to_le_bytes()].concat();
    let text = |text: &str| [&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
    let tuple = |items: Vec<Vec<u8>>| [&b"("[..], &items.concat(), b"t"].concat();
    let ints = |numbers: &[i32]| tuple(numbers.iter().map(|&number| int(number)).collect());
    let storage = tuple(vec![text("storage"), b"ctorch\nFloatStorage\n".to_vec(), text("0"), text("cpu"), int(count)]);
    let arguments =
        [[&storage[..], b"Q"].concat(), int(offset), ints(shape), ints(strides), b"\x89".to_vec(), b"}".to_vec()];
    [&b"ctorch._utils\n_rebuild_tensor_v2\n"[..], &tuple(arguments.to_vec()), b"R"].concat()
}

fn numbers(count: usize) -> Vec<u8> {
    (0..count).flat_map(|i| (i as f32).to_le_bytes()).collect()
}

fn archive(pickle: &[u8], numbers: &[u8], more: &[(&str, &[u8])]) -> Vec<u8> {
    let members = [&[("x/data.pkl", pickle), ("x/byteorder", b"little"), ("x/data/0", numbers)], more].concat();
    zip(&members, false)
}

fn pickle(body: &[u8]) -> Vec<u8> {
    [&b"\x80\x02"[..], body, b"."].concat()
}

fn refused(bytes: &[u8], parts: &[&str]) {
    let files = Files::new();
    let error = says(open(&files.put("x.pt", bytes)), &[&["x.pt"], parts].concat());
    assert_eq!(error.kind(), FaultKind::BadInput, "{error}");
}

#[test]
fn what_a_pickle_asks_for_beside_tensors_is_refused_by_its_name() {
    for (body, said) in [
        (&b"cos\nsystem\n(X\x02\0\0\0lstR"[..], "asks for `os.system`"),
        (b"cbuiltins\neval\n)R", "asks for `builtins.eval`"),
        (b"\x8c\x05posix\x8c\x06system\x93", "asks for `posix.system`"),
        (b"ctorch\nload\n)R", "asks for `torch.load`"),
        (b"(S'x'\nios\nsystem\n", "instruction 0x53"),
        (b"(K\x01ios\nsystem\n", "instruction 0x69 (INST)"),
        (b"ccollections\nOrderedDict\n)\x81", "instruction 0x81 (NEWOBJ)"),
        (b"\x82\x01", "instruction 0x82 (EXT1)"),
        (b"ccollections\nOrderedDict\n(K\x01tR", "calls OrderedDict with 1 arguments"),
        (b"K\x01)R", "calls what is no function"),
        (b"K\x01K\x02b", "no dictionary"),
        (b"K\x01Q", "no storage"),
        (b"K\x01K\x02a", "no list"),
        (b"h\x05", "value 5, which it did not keep"),
        (b"]r\xff\xff\xff\xff", "number 4294967295 before number 0"),
        (b"X\xff\xff\xff\xff", "ends before"),
        (b"K\x01(t\x86\x86", "more values than it has made"),
        (b"(K\x01\x86", "more values than it has made"),
        (b"\x8a\x09\x01\x01\x01\x01\x01\x01\x01\x01\x01", "a whole number of 9 bytes"),
        (b"X\x01\0\0\0\xff", "not UTF-8"),
    ] {
        refused(&archive(&pickle(body), &numbers(4), &[]), &[said, "none is ever run", "weights_only=True"]);
    }
    refused(&archive(b"\x80\x02]", &numbers(4), &[]), &["ends before its last instruction"]);
    refused(&archive(b"\x80\x07N.", &numbers(4), &[]), &["version 7"]);
}

/// A tensor is checked against the numbers that are there, whatever it claims.
#[test]
fn views_outside_their_numbers_are_refused() {
    let of = |count: i32, offset: i32, shape: &[i32], strides: &[i32]| {
        archive(&pickle(&tensor(count, offset, shape, strides)), &numbers(12), &[])
    };
    let files = Files::new();
    assert_eq!(open(&files.put("good", of(12, 1, &[3, 3], &[4, 1]))).unwrap().len(), 3);
    for (bytes, said) in [
        (of(12, 2, &[3, 3], &[4, 1]), "reaches outside its storage of 12 numbers"),
        (of(12, -1, &[3, 3], &[4, 1]), "reaches outside"),
        (of(12, i32::MAX, &[3, 3], &[4, 1]), "reaches outside"),
        (of(12, 0, &[i32::MAX, i32::MAX], &[i32::MAX, i32::MAX]), "reaches outside"),
        (of(12, 0, &[i32::MAX, 1], &[0, 1]), "repeats its numbers"),
        (of(12, 0, &[3, 3], &[-4, 1]), "repeats its numbers"),
        (of(12, 0, &[6, 4], &[1, 1]), "uses some of them twice"),
        (of(12, 0, &[-3, 3], &[4, 1]), "negative length"),
        (of(12, 0, &[3, 4], &[4]), "2 lengths and 1 strides"),
        (of(13, 0, &[3, 4], &[4, 1]), "expected 52 bytes, found 48"),
        (of(-1, 0, &[3, 4], &[4, 1]), "storage `x/data/0` of -1 numbers"),
    ] {
        refused(&bytes, &[said]);
    }
}

#[test]
fn archives_that_are_no_tensors_are_refused() {
    let good = pickle(&tensor(12, 0, &[3, 4], &[4, 1]));
    let data = numbers(12);
    let with = |more: &[(&str, &[u8])]| archive(&good, &data, more);
    refused(&with(&[("x/constants.pkl", b"")]), &["TorchScript"]);
    refused(&with(&[("y/data.pkl", b"")]), &["several pickles"]);
    refused(&with(&[("../data", b"")]), &["leads outside the archive"]);
    let big = zip(&[("x/data.pkl", &good), ("x/byteorder", b"big"), ("x/data/0", &data)], false);
    refused(&big, &["big-endian order"]);
    refused(&zip(&[("x/data.pkl", &good)], false), &["`x/data/0`, which is missing"]);
    let mut changed = with(&[]);
    let at = changed.windows(8).position(|bytes| bytes == &data[8..16]).unwrap();
    changed[at] ^= 1;
    refused(&changed, &["zip archive is damaged"]);
}

/// A pickle grows in memory: what it takes is claimed first.
#[test]
fn memory_is_claimed_before_it_is_taken() {
    let files = Files::new();
    let within = |path: PathBuf, bytes: u64| -> Result<Representation, DataError> {
        Representation::open_within(&[path], &OpenOptions::default(), &kantor::source::Allowance::new(bytes))
    };
    let many = pickle(&[&b"("[..], &b"N".repeat(1 << 20), b"t"].concat());
    let error = says(within(files.put("many", archive(&many, &numbers(4), &[])), 8 << 20), &["pickle", "--max-memory"]);
    assert_eq!(error.kind(), FaultKind::Resource);
    // A row that is used again and again by two bytes each time.
    let row = tensor(1 << 12, 0, &[1 << 12], &[1]);
    let rows = pickle(&[&b"]("[..], &row, b"q\0", &b"h\0".repeat(1 << 16), b"e"].concat());
    let rows = archive(&rows, &numbers(1 << 12), &[]);
    says(within(files.put("again", &rows), 1 << 30), &["repeats its rows"]);
    says(within(files.put("again", &rows), 64 << 10), &["memory"]);
}

/// The archive is whole and its checksums are right: only the pickle is damaged.
#[test]
fn damaged_pickles_never_panic() {
    let (files, mut rng) = (Files::new(), ChaCha8Rng::seed_from_u64(9));
    let list = [&b"]("[..], &tensor(120, 0, &[6], &[1]), &tensor(120, 6, &[2, 6], &[6, 1]), b"e"].concat();
    for whole in [pickle(&tensor(120, 1, &[16, 6], &[7, 1])), pickle(&list)] {
        let read = |pickle: &[u8]| use_table(&files.put("x", archive(pickle, &numbers(120), &[])));
        assert!(read(&whole));
        let count = (0..CASES).filter(|_| read(&damaged(&whole, &mut rng))).count();
        assert!(count > 0 && count < CASES, "{count} of {CASES} damaged pickles were read");
    }
}

/// Tensors in a dictionary within another were passed over, and the one that was left was read without a word.
#[test]
fn dictionaries_within_others_are_looked_at() {
    let refused = |bytes: &[u8], parts: &[&str]| {
        let files = Files::new();
        says(open(&files.put("x.pt", bytes)), parts);
    };
    let text = |text: &str| [&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
    let dict = |items: &[(&str, Vec<u8>)]| {
        let items: Vec<u8> = items.iter().flat_map(|(key, value)| [text(key), value.clone()].concat()).collect();
        [&b"}("[..], &items, b"u"].concat()
    };
    let inner = dict(&[("embeddings", tensor(6, 0, &[2, 3], &[3, 1]))]);
    let both = dict(&[("train", inner), ("whitening", tensor(6, 0, &[3, 2], &[2, 1]))]);
    refused(
        &archive(&pickle(&both), &numbers(6), &[]),
        &["2 tensors are 2-d", "train.embeddings", "whitening", "--tensor"],
    );
    // One that is in itself is looked at once.
    let itself = [&b"}q\x00("[..], &text("me"), b"h\x00", &text("x"), &tensor(6, 0, &[6], &[1]), b"u"].concat();
    let two = [&b"}q\x00("[..], &text("me"), b"h\x00", &text("x"), &inner_two(), b"u"].concat();
    refused(&archive(&pickle(&itself), &numbers(6), &[]), &["x.pt"]);
    refused(&archive(&pickle(&two), &numbers(6), &[]), &["x.a", "x.b"]);
}

/// A dictionary of two tables.
fn inner_two() -> Vec<u8> {
    let text = |text: &str| [&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
    let table = tensor(6, 0, &[2, 3], &[3, 1]);
    [&b"}("[..], &text("a"), &table, &text("b"), &table, b"u"].concat()
}

/// The numbers of a negated view were read with the wrong sign, and proved so.
#[test]
fn negated_views_are_refused() {
    let plain = tensor(6, 0, &[2, 3], &[3, 1]);
    // Before the end of its arguments stand what `requires_grad` says and its hooks: marks come after them.
    let marked = |marks: &[u8]| [&plain[..plain.len() - 2], marks, b"tR"].concat();
    let negated = marked(b"}(X\x03\0\0\0neg\x88u");
    refused(&archive(&pickle(&negated), &numbers(6), &[]), &["negated", "x.resolve_neg()"]);
    let files = Files::new();
    assert!(open(&files.put("x.pt", archive(&pickle(&marked(b"}")), &numbers(6), &[]))).is_ok());
}
