//! `.npy` and safetensors headers that lie, and types that are not numbers.

use std::path::PathBuf;

use kantor::source::{FaultKind, OpenOptions, Representation};
use kantor_theory::{Element, Rows};

use crate::support::*;

fn refused(bytes: impl AsRef<[u8]>, parts: &[&str]) {
    refused_as("table.npy", bytes, parts);
}

fn refused_as(name: &str, bytes: impl AsRef<[u8]>, parts: &[&str]) {
    let files = Files::new();
    let error = says(open(&files.put(name, bytes)), &[&[name], parts].concat());
    assert_eq!(error.kind(), FaultKind::BadInput, "{error}");
}

#[test]
fn dimensions_differ() {
    let files = Files::new();
    let a = files.put("a.npy", npy_f32(3, &[1.0; 6]));
    let b = files.put("b.npy", npy_f32(2, &[1.0; 6]));
    let both = Representation::open(&[a.clone(), b.clone()], &OpenOptions::default());
    says(both, &["b.npy", "2 columns", "a.npy have 3", "same model"]);
    let (a, b) = (open(&a).unwrap(), open(&b).unwrap());
    says(a.check_same_dim(&b), &["a.npy", "3 columns", "b.npy have 2"]);
    a.check_same_dim(&a).unwrap();
}

#[test]
fn ndim_is_not_two() {
    refused(npy("<f4", "(6,)", &[0; 24]), &["shape (6,)", "a.reshape(1, -1)"]);
    refused(npy("<f4", "()", &[0; 4]), &["shape ()", "np.stack"]);
    refused(npy("<f4", "(1, 2, 3)", &[0; 24]), &["shape (1, 2, 3)", "a.reshape(len(a), -1)"]);
    let vector = safetensors(&[("x", "F32", "[6]", &[0; 24])]);
    refused_as("x.safetensors", vector, &["shape (6,)", "a.reshape(1, -1)"]);
}

#[test]
fn fortran_order_is_accepted() {
    let files = Files::new();
    let data: Vec<u8> = [1.0f32, 3.0, 5.0, 2.0, 4.0, 6.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let path = files.put("f.npy", npy_with_header(1, &npy_header("<f4", true, "(3, 2)"), &data));
    let mut out = [0.0; 6];
    open(&path).unwrap().read(0, 0..2, &mut out);
    assert_eq!(out, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn big_endian_is_accepted() {
    let files = Files::new();
    let data: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|x| x.to_be_bytes()).collect();
    let table = open(&files.put("b.npy", npy(">f4", "(1, 2)", &data))).unwrap();
    let mut out = [0.0; 2];
    table.read_row(0, &mut out);
    assert_eq!(out, [1.5, -2.0]);
}

#[test]
fn object_structured_complex_bool_and_others_are_refused_by_name() {
    refused(npy("|O", "(1, 1)", &[0; 8]), &["`|O (object", "never run"]);
    refused(npy("<c8", "(1, 1)", &[0; 8]), &["`<c8 (complex)`", "a.real"]);
    refused(npy("|b1", "(1, 1)", &[0; 1]), &["`|b1 (boolean)`", "astype('float32')"]);
    refused(npy("<f16", "(1, 1)", &[0; 16]), &["`<f16 (extended precision)`", "float64"]);
    refused(npy("<U3", "(1, 1)", &[0; 12]), &["`<U3`", "astype('float32')"]);
    refused(npy("<M8[ns]", "(1, 1)", &[0; 8]), &["`<M8[ns]`"]);
    refused(npy("|V2", "(1, 1)", &[0; 2]), &["`|V2 (raw bytes)`", "safetensors"]);
    let structured = "{'descr': [('a', '<f4'), ('b', '<f4', (2,))], 'fortran_order': False, 'shape': (1,), }";
    refused(npy_with_header(1, structured, &[0; 12]), &["('a', '<f4')", "(structured)", "a['name']"]);
    refused_as("b.safetensors", safetensors(&[("x", "BOOL", "[1,1]", &[0])]), &["`BOOL`", "tensor.float()"]);
}

#[test]
fn integers_need_cast() {
    let files = Files::new();
    let data: Vec<u8> = [1i64 << 53, -7].iter().flat_map(|x| x.to_le_bytes()).collect();
    let path = files.put("i.npy", npy("<i8", "(2, 1)", &data));
    says(open(&path), &["i.npy", "`<i8 (integer)`", "--cast"]);
    let table = open_cast(&path).unwrap();
    let mut out = [0.0; 2];
    table.read(0, 0..1, &mut out);
    assert_eq!((out, table.element(), table.files()[0].dtype), ([9007199254740992.0, -7.0], Element::F64, "i64"));
    let tensors = files.put("i.safetensors", safetensors(&[("x", "I32", "[1,1]", &[5, 0, 0, 0])]));
    says(open(&tensors), &["i.safetensors", "`I32 (integer)`", "--cast"]);
    assert_eq!(open_cast(&tensors).unwrap().len(), 1);
}

#[test]
fn integers_without_an_exact_f64_are_refused_even_with_cast() {
    let files = Files::new();
    let values = [0u64, 1, (1 << 53) + 1, 2, 3, u64::MAX];
    let little: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    let path = files.put("u.npy", npy("<u8", "(3, 2)", &little));
    says(open_cast(&path), &["u.npy", "row 1, column 0", "9007199254740993", "scale"]);
    let big: Vec<u8> = values.iter().flat_map(|x| x.to_be_bytes()).collect();
    let path = files.put("f.npy", npy_with_header(1, &npy_header(">u8", true, "(3, 2)"), &big));
    says(open_cast(&path), &["f.npy", "row 2, column 0", "9007199254740993"]);
    let path = files.put("s.npy", npy("<i8", "(1, 1)", &i64::MIN.to_le_bytes()));
    says(open_cast(&path), &["-9223372036854775808"]);
}

#[test]
fn truncated_npy() {
    refused(npy("<f4", "(3, 2)", &[0; 20]), &["truncated", "(3, 2)", "expected 24 bytes, found 20"]);
    let whole = npy("<f4", "(3, 2)", &[0; 24]);
    for length in [1, 5, 6, 7, 8, 9, 10, 60] {
        refused(&whole[..length], &["table.npy"]);
    }
}

#[test]
fn extra_bytes_after_the_array() {
    refused(npy("<f4", "(3, 2)", &[0; 25]), &["followed by extra bytes", "expected 24 bytes, found 25"]);
}

#[test]
fn header_claims_a_million_million_rows() {
    refused(npy("<f4", "(1000000000000, 4096)", &[0; 24]), &["truncated", "16384000000000000 bytes", "found 24"]);
    let claim = r#"{"x":{"dtype":"F32","shape":[1000000000000,4096],"data_offsets":[0,16384000000000000]}}"#;
    refused_as("x.safetensors", safetensors_with_header(claim, &[0; 24]), &["16384000000000000 bytes", "found 24"]);
    let claim = r#"{"x":{"dtype":"F32","shape":[1000000000000,4096],"data_offsets":[0,24]}}"#;
    refused_as("x.safetensors", safetensors_with_header(claim, &[0; 24]), &["header is wrong"]);
    let member = npy("<f4", "(1000000000000, 4096)", &[0; 24]);
    refused_as("x.npz", zip(&[("x.npy", &member)], true), &["truncated", "16384000000000000 bytes"]);
}

#[test]
fn header_length_of_four_gigabytes() {
    let mut bytes = b"\x93NUMPY\x02\x00".to_vec();
    bytes.extend(u32::MAX.to_le_bytes());
    bytes.extend([b' '; 100]);
    refused(&bytes, &["claims 4294967295 bytes", "at most 65536"]);
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::MAX.to_le_bytes());
    bytes.extend([b' '; 100]);
    refused(&bytes, &["claims 65535 bytes", "the file has 110 bytes"]);
}

#[test]
fn negative_overflowing_and_zero_shapes() {
    refused(npy("<f4", "(-3, 2)", &[0; 24]), &["shape (-3, 2)", "negative"]);
    refused(npy("<f4", "(-3, -2)", &[0; 24]), &["negative"]);
    refused(npy("<f4", "(9223372036854775807, 9)", &[0; 24]), &["overflows"]);
    refused(npy("<f4", "(4611686018427387904, 4)", &[0; 0]), &["overflows"]);
    refused(npy("<f4", "(340282366920938463463374607431768211455, 4)", &[0; 24]), &["is not a length"]);
    refused(npy("<f4", "(99999999999999999999999, 4)", &[0; 24]), &["overflows"]);
    refused(npy("<f4", "(0, 4)", &[]), &["no rows", "at least one"]);
    refused(npy("<f4", "(4, 0)", &[]), &["no columns"]);
    let claim = r#"{"x":{"dtype":"F32","shape":[9223372036854775807,9],"data_offsets":[0,24]}}"#;
    refused_as("x.safetensors", safetensors_with_header(claim, &[0; 24]), &["header is wrong"]);
    let claim = r#"{"x":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,18446744073709551615]}}"#;
    refused_as("x.safetensors", safetensors_with_header(claim, &[0; 24]), &["truncated"]);
}

#[test]
fn empty_files_directories_and_missing_files() {
    refused([], &["no bytes"]);
    let files = Files::new();
    says(open(&files.path("")), &["is a directory", "give a file on disk"]);
    #[cfg(unix)]
    says(open(&PathBuf::from("/dev/null")), &["/dev/null", "not a regular file"]);
    let error = says(open(&files.path("nowhere.npy")), &["nowhere.npy", "cannot open it", "check the path"]);
    assert_eq!(error.kind(), FaultKind::Io);
    let error = says(Representation::open(&[], &OpenOptions::default()), &["no vector file"]);
    assert_eq!(error.kind(), FaultKind::Usage);
}

#[test]
fn damaged_npy_headers() {
    for (header, part) in [
        ("{'descr': '<f4', 'fortran_order': False, }", "'shape' is missing"),
        ("{'descr': '<f4', 'fortran_order': 0, 'shape': (3, 2), }", "neither True nor False"),
        ("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }", "occurs twice"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), 'x': 1}", "'x' is unknown"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), } 1", "text follows"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': [3, 2], }", "`(` is expected"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': ((((3, 2", "is not a length"),
        ("{'descr': [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "does not end"),
        ("", "`{` is expected"),
    ] {
        refused(npy_with_header(1, header, &[0; 24]), &[part]);
    }
    refused(npy_with_header(4, "", &[]), &["version 4.0 is unknown"]);
    refused(npy_with_header(3, "{'\u{e9}': 1}", &[]), &["unknown"]);
    refused(npy_with_header(2, &format!("{{{}", "[".repeat(60000)), &[]), &["table.npy"]);
}

#[test]
fn safetensors_headers_that_lie() {
    let refused = |header: &str, parts: &[&str]| {
        refused_as("x.safetensors", safetensors_with_header(header, &[0; 16]), parts);
    };
    let entry = |name: &str, start: usize, end: usize| {
        format!(r#""{name}":{{"dtype":"F32","shape":[1,2],"data_offsets":[{start},{end}]}}"#)
    };
    refused(&format!("{{{},{}}}", entry("a", 0, 8), entry("b", 4, 12)), &["header is wrong", "write it again"]);
    refused(&format!("{{{}}}", entry("a", 8, 16)), &["header is wrong"]);
    refused(&format!("{{{},{}}}", entry("a", 0, 8), entry("a", 8, 16)), &["`a` occurs twice"]);
    refused(&format!("{{{}}}", entry("a", 0, 8)), &["header is wrong"]);
    refused(&format!("{{{},{}}}", entry("a", 0, 8), entry("b", 8, 24)), &["truncated", "24 bytes, found 16"]);
    refused("{]", &["header is damaged"]);
    refused("{}", &["header is wrong"]);
    let mut huge = 200_000_000u64.to_le_bytes().to_vec();
    huge.extend(b"{}");
    refused_as("x.safetensors", &huge, &["claims 200000000 bytes, but the file has 10"]);
    refused_as("x.safetensors", [0xff; 9], &["claims 18446744073709551615 bytes"]);
    refused_as("x.safetensors", [1; 3], &["x.safetensors"]);
}

#[test]
fn one_of_several_tensors_must_be_named() {
    let files = Files::new();
    let (a, b) = ([0; 8], [1; 16]);
    let tensors: [(&str, &str, &str, &[u8]); 3] =
        [("a", "F32", "[1,2]", &a), ("b", "F32", "[2,2]", &b), ("ids", "I64", "[1]", &a)];
    let path = files.put("x.safetensors", safetensors(&tensors));
    let error = says(open(&path), &["2 tensors are 2-d", "`a` (1, 2)", "`b` (2, 2)", "`ids` (1,)", "--tensor NAME"]);
    assert_eq!(error.kind(), FaultKind::Usage);
    let named = |name: &str| {
        let options = OpenOptions { tensor: Some(name.into()), ..OpenOptions::default() };
        Representation::open(std::slice::from_ref(&path), &options)
    };
    assert_eq!(named("b").unwrap().len(), 2);
    says(named("c"), &["no tensor `c`", "`a` (1, 2)"]);
    let names: Vec<String> = (0..500).map(|i| format!("t{i:03}")).collect();
    let many: Vec<(&str, &str, &str, &[u8])> = names.iter().map(|name| (&**name, "F32", "[1,2]", &a[..])).collect();
    says(open(&files.put("z.safetensors", safetensors(&many))), &["500 tensors", "`t019` (1, 2) and 480 more;"]);
    let single = files.put("y.safetensors", safetensors(&tensors[1..]));
    assert_eq!(open(&single).unwrap().len(), 2);
}

#[test]
fn misaligned_safetensors_are_read_all_the_same() {
    let files = Files::new();
    let data: Vec<u8> = [1.0f32, 2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    for padding in 0..8 {
        let header = r#"{"x":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}"#;
        let path =
            files.put("x.safetensors", safetensors_with_header(&(header.to_owned() + &" ".repeat(padding)), &data));
        let mut out = [0.0f32; 2];
        open(&path).unwrap().read_f32(0, &mut out);
        assert_eq!(out, [1.0, 2.0]);
    }
}

#[test]
fn pickles_are_not_executed() {
    refused_as("x.pkl", b"\x80\x04\x95\x00", &["Python pickle", "none is ever run", "weights_only=True", "save_file"]);
    refused_as("x.pt", b"\x80\x02\x8a\x0a", &["Python pickle", "safetensors.torch"]);
    let torch = zip(&[("x/data.pkl", b"\x80\x02."), ("x/data/0", &[0; 8])], false);
    refused_as("x.pt", &torch, &["PyTorch file", "safetensors.torch"]);
    refused_as("pytorch_model.bin", b"????????", &["safetensors.torch"]);
}

#[test]
fn other_formats_are_named() {
    for (bytes, format, remedy) in [
        (&b"\x89HDF\r\n\x1a\n"[..], "HDF5", "np.save"),
        (b"\x1f\x8b\x08\0", "gzip", "unpack it"),
        (b"\x28\xb5\x2f\xfd", "zstd", "unpack it"),
        (b"{\"text\": 1}\n", "JSON", "--pool-jsonl"),
        (b"1.0,2.0,3.0\n", "text (numbers)", "np.save"),
        (b"\x01\x02\x03\x04", "none of .npy, .npz, .safetensors and .pt", "np.save"),
    ] {
        refused(bytes, &[format, remedy]);
    }
}

#[test]
fn a_file_that_changes_during_the_run() {
    let files = Files::new();
    let path: PathBuf = files.put("x.npy", npy_f32(2, &[1.0; 4]));
    let table = open(&path).unwrap();
    table.check_unchanged().unwrap();
    let replaced = files.put("y.npy", npy_f32(2, &[2.0; 4]));
    std::fs::rename(&replaced, &path).unwrap();
    let error = says(table.check_unchanged(), &["x.npy", "changed while it was read", "another file", "run again"]);
    assert_eq!(error.kind(), FaultKind::Io);
    let table = open(&path).unwrap();
    std::fs::File::options().append(true).open(&path).unwrap().set_len(500).unwrap();
    says(table.check_unchanged(), &["length differs"]);
    let path = files.put("z.npy", npy_f32(2, &[1.0; 4]));
    let table = open(&path).unwrap();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    std::fs::File::options().append(true).open(&path).unwrap().set_modified(later).unwrap();
    says(table.check_unchanged(), &["modification time differs"]);
    std::fs::remove_file(&path).unwrap();
    says(table.check_unchanged(), &["no longer be found"]);
}

#[test]
fn an_array_is_no_tensor_of_a_safetensors_header() {
    let good = r#"{"x":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}"#;
    open(&Files::new().put("x.safetensors", safetensors_with_header(good, &[0; 16]))).unwrap();
    for header in [r#"{"x":["F32",[2,2],[0,16]]}"#, r#"{"x":[[0,16]]}"#, r#"[["x",{"dtype":"F32"}]]"#] {
        refused_as("x.safetensors", safetensors_with_header(header, &[0; 16]), &["header", "expected"]);
    }
}
