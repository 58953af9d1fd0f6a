//! Files made on the spot.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use kantor::source::{DataError, OpenOptions, Representation};
use tempfile::TempDir;

/// A directory that vanishes with the test.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

/// A `.npy` file with any header text.
pub(crate) fn npy_with_header(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
    let before = if version == 1 { 10 } else { 12 };
    let padding = (64 - (before + header.len() + 1) % 64) % 64;
    let text = format!("{header}{}\n", " ".repeat(padding));
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    match version {
        1 => bytes.extend((text.len() as u16).to_le_bytes()),
        _ => bytes.extend((text.len() as u32).to_le_bytes()),
    }
    bytes.extend(text.as_bytes());
    bytes.extend(data);
    bytes
}

/// The header text numpy writes.
pub(crate) fn npy_header(descr: &str, fortran: bool, shape: &str) -> String {
    let fortran = if fortran { "True" } else { "False" };
    format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}")
}

pub(crate) fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    npy_with_header(1, &npy_header(descr, false, shape), data)
}

/// A C-order `f32` matrix.
pub(crate) fn npy_f32(dim: usize, values: &[f32]) -> Vec<u8> {
    let data: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    npy("<f4", &format!("({}, {dim})", values.len() / dim), &data)
}

/// A safetensors file with any header text.
pub(crate) fn safetensors_with_header(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// A safetensors file of tensors (name, dtype, shape, bytes).
pub(crate) fn safetensors(tensors: &[(&str, &str, &str, &[u8])]) -> Vec<u8> {
    let (mut header, mut data) = (String::new(), Vec::new());
    for (name, dtype, shape, bytes) in tensors {
        let (start, end) = (data.len(), data.len() + bytes.len());
        let comma = if header.is_empty() { "" } else { "," };
        write!(header, r#"{comma}"{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{start},{end}]}}"#)
            .unwrap();
        data.extend_from_slice(bytes);
    }
    safetensors_with_header(&format!("{{{header}}}"), &data)
}

/// A zip archive of members.
pub(crate) fn zip(members: &[(&str, &[u8])], deflate: bool) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let method = if deflate { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in members {
        archive.start_file(*name, options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

pub(crate) fn open(path: &PathBuf) -> Result<Representation, DataError> {
    Representation::open(std::slice::from_ref(path), &OpenOptions::default())
}

pub(crate) fn open_cast(path: &PathBuf) -> Result<Representation, DataError> {
    Representation::open(std::slice::from_ref(path), &OpenOptions { cast: true, ..OpenOptions::default() })
}

/// The message, which must contain all of `parts`.
pub(crate) fn says<T: std::fmt::Debug>(result: Result<T, DataError>, parts: &[&str]) -> DataError {
    let error = result.expect_err("this input must be refused");
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "`{part}` is missing in: {message}");
    }
    error
}
