//! Files as text that can be compared line by line.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{masks, pages};

/// Numbers on a line.
const ACROSS: usize = 16;

/// What a file says, masked.
pub(crate) fn as_text(path: &Path) -> String {
    let bytes = fs::read(path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("npy") => array(&bytes),
        Some("safetensors") => tensors(&bytes),
        Some("html" | "svg") => pages::digests(&String::from_utf8(bytes).unwrap()),
        Some("csv") => masks::table(&String::from_utf8(bytes).unwrap()),
        _ => {
            let text = String::from_utf8(bytes).unwrap();
            if name == "manifest.json" {
                check_outputs(path, &text);
            }
            masks::json(name, &text)
        }
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lengths and digests of a manifest's outputs are masked, for they change with what is masked in these files; here they
/// are compared with the files themselves.
fn check_outputs(path: &Path, text: &str) {
    let manifest: Value = serde_json::from_str(text).unwrap();
    for output in manifest["outputs"].as_array().into_iter().flatten() {
        let bytes = fs::read(path.with_file_name(output["path"].as_str().unwrap())).unwrap();
        assert_eq!(output["bytes"], bytes.len(), "{}: length of {}", path.display(), output["path"]);
        assert_eq!(output["sha256"], digest(&bytes), "{}: digest of {}", path.display(), output["path"]);
    }
}

fn lines<T: ToString>(numbers: impl Iterator<Item = T>) -> String {
    let words: Vec<String> = numbers.map(|number| number.to_string()).collect();
    words.chunks(ACROSS).map(|line| line.join(" ") + "\n").collect()
}

fn integers(data: &[u8]) -> String {
    lines(data.chunks_exact(8).map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap())))
}

/// A `.npy` file of version 1: its header and its numbers.
fn array(bytes: &[u8]) -> String {
    assert_eq!(bytes[..8], *b"\x93NUMPY\x01\x00");
    let end = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..end]).unwrap().trim_end();
    assert!(header.contains("'<i8'"), "a type that this test does not read: {header}");
    format!("{header}\n{}", integers(&bytes[end..]))
}

fn tensors(bytes: &[u8]) -> String {
    let (_, metadata) = SafeTensors::read_metadata(bytes).unwrap();
    let mut about: Vec<_> = metadata.metadata().iter().flatten().collect();
    about.sort();
    let mut text = format!("{about:?}\n");
    let file = SafeTensors::deserialize(bytes).unwrap();
    let mut names = file.names();
    names.sort();
    for name in names {
        let tensor = file.tensor(name).unwrap();
        writeln!(text, "{name}: {:?} {:?}", tensor.dtype(), tensor.shape()).unwrap();
        text += &match tensor.dtype() {
            Dtype::I64 => integers(tensor.data()),
            Dtype::F64 => {
                let floats = tensor.data().chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap()));
                lines(floats.map(|x| format!("{x:?}")))
            }
            other => panic!("a type that this test does not read: {other:?}"),
        };
    }
    text
}
