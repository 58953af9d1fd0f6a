//! The lines of a text file, plain or compressed, streamed; the file is hashed on the way.
//!
//! Limit: the decompressor; memory is one line and two buffers.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::error::DataError;
use super::source::{self, Identity};

/// Longest line accepted, so that a damaged or hostile file cannot fill the memory.
const MAX_LINE: u64 = 256 << 20;

/// Bytes unpacked at a time.
const BUFFER: usize = 1 << 20;

/// The lines of a file, unpacked.
pub(crate) struct Lines {
    reader: BufReader<Unpacked>,
    line: Vec<u8>,
    path: PathBuf,
    identity: Identity,
    number: usize,
}

impl Lines {
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        let (mut file, identity) = source::open(path)?;
        let mut magic = [0; 4];
        let read = file.read(&mut magic).map_err(DataError::io(path, "read it"))?;
        io::Seek::rewind(&mut file).map_err(DataError::io(path, "read it"))?;
        let hashing = Hashing { file, hash: Sha256::new(), bytes: 0 };
        let unpacked = match magic[..read] {
            [0x1f, 0x8b, ..] => Unpacked::Gzip(Box::new(MultiGzDecoder::new(hashing))),
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
                let decoder = zstd::Decoder::new(hashing);
                Unpacked::Zstd(Box::new(decoder.map_err(DataError::io(path, "start to unpack it"))?))
            }
            _ => Unpacked::Plain(hashing),
        };
        let reader = BufReader::with_capacity(BUFFER, unpacked);
        Ok(Self { reader, line: Vec::new(), path: path.to_owned(), identity, number: 0 })
    }

    /// The next line with its end, if any.
    pub(crate) fn next_line(&mut self) -> Result<Option<&[u8]>, DataError> {
        self.line.clear();
        self.number += 1;
        let read = (&mut self.reader).take(MAX_LINE).read_until(b'\n', &mut self.line);
        let read = read.map_err(|error| damaged(&self.path, self.number, self.reader.get_ref(), error))?;
        if read as u64 == MAX_LINE {
            let what = "a single line";
            let remedy = "check that it has line breaks: one JSON object per line";
            return Err(DataError::Memory { file: self.path.clone(), what, bytes: MAX_LINE, remedy });
        }
        Ok((read > 0).then_some(&self.line))
    }

    /// Bytes of the file read so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.reader.get_ref().bytes_read()
    }

    /// Identity and digest of the file, after the last line.
    pub(crate) fn finish(self) -> Result<(Identity, String), DataError> {
        let mut hashing = self.reader.into_inner().into_hashing();
        // What the decoder did not need still belongs to the file.
        io::copy(&mut hashing, &mut io::sink()).map_err(DataError::io(&self.path, "read it"))?;
        self.identity.check(&self.path)?;
        Ok((self.identity, source::hexadecimal(hashing.hash)))
    }
}

fn damaged(path: &Path, line: usize, unpacked: &Unpacked, error: io::Error) -> DataError {
    match unpacked {
        Unpacked::Gzip(_) | Unpacked::Zstd(_) if error.raw_os_error().is_none() => DataError::Line {
            file: path.to_owned(),
            line,
            fault: format!("the compressed data is damaged or cut off here: {error}"),
            remedy: "compress or download the file again",
        },
        _ => DataError::Io { file: path.to_owned(), doing: "read it", cause: error },
    }
}

/// A file that is hashed while it is read.
struct Hashing {
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.bytes += count as u64;
        Ok(count)
    }
}

/// The text of a file, whatever it is packed in.
enum Unpacked {
    Plain(Hashing),
    Gzip(Box<MultiGzDecoder<Hashing>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<Hashing>>>),
}

impl Unpacked {
    fn bytes_read(&self) -> u64 {
        match self {
            Unpacked::Plain(file) => file.bytes,
            Unpacked::Gzip(decoder) => decoder.get_ref().bytes,
            Unpacked::Zstd(decoder) => decoder.get_ref().get_ref().bytes,
        }
    }

    fn into_hashing(self) -> Hashing {
        match self {
            Unpacked::Plain(file) => file,
            Unpacked::Gzip(decoder) => decoder.into_inner(),
            Unpacked::Zstd(decoder) => decoder.finish().into_inner(),
        }
    }
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Unpacked::Plain(file) => file.read(buffer),
            Unpacked::Gzip(decoder) => decoder.read(buffer),
            Unpacked::Zstd(decoder) => decoder.read(buffer),
        }
    }
}
