//! The bytes of a file, unpacked while they are read and hashed as they are stored.
//!
//! gzip: any number of members. Zero bytes between or after them are padding, which `gzip` passes over too; anything else
//! is refused, for it may be a damaged member, whose rows would be missing without a word.
//!
//! zstd: any number of frames. The window that a frame asks for is compared with the memory allowed before the decoder
//! takes it; 2 GiB are the most that the format's own implementation takes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;
use sha2::{Digest, Sha256};
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::error::DataError;
use super::format::{GZIP, is_zstd};
use super::memory::{Allowance, Claim};

/// Bytes of the longest header of a zstd frame.
const HEADER: usize = 18;

/// Logarithm of the largest window of a frame.
const WINDOW_LOG: u32 = 31;

const WINDOW: &str = "the window of its zstd data";

const WINDOW_REMEDY: &str = "allow more with --max-memory, or compress the file again with a smaller window (zstd -19)";

/// The content of a file, whatever it is packed in.
pub(crate) struct Unpacked<'a>(Packing<'a>);

enum Packing<'a> {
    Plain(Hashing),
    Gzip(Members),
    Zstd(Box<Frames<'a>>),
}

impl<'a> Unpacked<'a> {
    /// The content of a file that begins with these bytes.
    pub(crate) fn new(file: File, begin: &[u8], path: &'a Path, allowance: &'a Allowance) -> io::Result<Self> {
        let hashing = Hashing { file, hash: Sha256::new(), bytes: 0 };
        Ok(Self(match begin {
            begin if begin.starts_with(GZIP) => Packing::Gzip(Members::new(hashing)),
            begin if is_zstd(begin) => Packing::Zstd(Box::new(Frames::new(hashing, path, allowance)?)),
            _ => Packing::Plain(hashing),
        }))
    }

    /// Whether the stored bytes are others than those that are read.
    pub(crate) fn is_packed(&self) -> bool {
        !matches!(self.0, Packing::Plain(_))
    }

    /// Bytes of the file read so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        match &self.0 {
            Packing::Plain(file) => file.bytes,
            Packing::Gzip(Members::Inside(member)) => member.get_ref().get_ref().bytes,
            Packing::Gzip(Members::Ended(file)) => file.as_ref().map_or(0, |file| file.get_ref().bytes),
            Packing::Zstd(frames) => frames.file.get_ref().bytes,
        }
    }

    /// SHA-256 of the file as it is stored.
    pub(crate) fn digest(self) -> io::Result<Sha256> {
        let mut file = match self.0 {
            Packing::Plain(file) => file,
            Packing::Gzip(Members::Inside(member)) => member.into_inner().into_inner(),
            Packing::Gzip(Members::Ended(Some(file))) => file.into_inner(),
            Packing::Gzip(Members::Ended(None)) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Packing::Zstd(frames) => frames.file.into_inner(),
        };
        // What the decoder did not need still belongs to the file.
        io::copy(&mut file, &mut io::sink())?;
        Ok(file.hash)
    }
}

impl Read for Unpacked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Packing::Plain(file) => file.read(buffer),
            Packing::Gzip(members) => members.read(buffer),
            Packing::Zstd(frames) => frames.read(buffer),
        }
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

/// The members of a gzip file, one after the other.
enum Members {
    Inside(Box<GzDecoder<BufReader<Hashing>>>),
    /// `None` after an error in between.
    Ended(Option<BufReader<Hashing>>),
}

impl Members {
    fn new(file: Hashing) -> Self {
        Members::Inside(Box::new(GzDecoder::new(BufReader::new(file))))
    }

    /// Goes on to the next member, if there is one.
    fn advance(&mut self) -> io::Result<()> {
        let mut file = match std::mem::replace(self, Members::Ended(None)) {
            Members::Inside(member) => member.into_inner(),
            ended => {
                *self = ended;
                return Ok(());
            }
        };
        loop {
            let bytes = file.fill_buf()?;
            let (zeros, length) = (bytes.iter().take_while(|byte| **byte == 0).count(), bytes.len());
            if length > zeros && bytes[zeros] != GZIP[0] {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "what follows is neither gzip data nor zeros"));
            }
            file.consume(zeros);
            if length > zeros {
                *self = Members::Inside(Box::new(GzDecoder::new(file)));
                return Ok(());
            }
            if length == 0 {
                *self = Members::Ended(Some(file));
                return Ok(());
            }
        }
    }
}

impl Read for Members {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Members::Inside(member) = self {
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            self.advance()?;
        }
        Ok(0)
    }
}

/// The frames of a zstd file, one after the other.
struct Frames<'a> {
    file: BufReader<Hashing>,
    decoder: Decoder<'static>,
    /// The first bytes of the frame, and after its end perhaps some of the next one.
    head: [u8; HEADER],
    /// Of these, those that the decoder is still to see.
    unseen: std::ops::Range<usize>,
    inside: bool,
    path: &'a Path,
    claim: Claim<'a>,
}

impl<'a> Frames<'a> {
    fn new(file: Hashing, path: &'a Path, allowance: &'a Allowance) -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
        let (head, claim) = ([0; HEADER], Claim::new(allowance, path));
        let file = BufReader::with_capacity(zstd::zstd_safe::DCtx::in_size(), file);
        Ok(Self { file, decoder, head, unseen: 0..0, inside: false, path, claim })
    }

    /// Looks at the header of the next frame; false at the end of the file.
    fn begin(&mut self) -> io::Result<bool> {
        self.head.copy_within(self.unseen.clone(), 0);
        self.unseen = 0..self.unseen.len();
        while self.unseen.end < HEADER {
            let bytes = self.file.fill_buf()?;
            let count = bytes.len().min(HEADER - self.unseen.end);
            if count == 0 {
                break;
            }
            self.head[self.unseen.end..self.unseen.end + count].copy_from_slice(&bytes[..count]);
            self.file.consume(count);
            self.unseen.end += count;
        }
        if self.unseen.is_empty() {
            return Ok(false);
        }
        let window = window(&self.head[self.unseen.clone()]).unwrap_or(0);
        if window > 1 << WINDOW_LOG {
            let (file, what, most) = (self.path.to_owned(), WINDOW, 1 << WINDOW_LOG);
            return Err(io::Error::other(DataError::TooLong { file, what, bytes: window, most }));
        }
        self.claim.raise_to(window, WINDOW, WINDOW_REMEDY).map_err(io::Error::other)?;
        self.decoder.reinit()?;
        self.inside = true;
        Ok(true)
    }
}

impl Read for Frames<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.inside && !self.begin()? {
                return Ok(0);
            }
            let stored = self.unseen.is_empty();
            let bytes = if stored { self.file.fill_buf()? } else { &self.head[self.unseen.clone()] };
            let at_end = bytes.is_empty();
            let (mut input, mut output) = (InBuffer::around(bytes), OutBuffer::around(&mut *buffer));
            let left = self.decoder.run(&mut input, &mut output)?;
            let (seen, written) = (input.pos(), output.pos());
            if stored {
                self.file.consume(seen);
            } else {
                self.unseen.start += seen;
            }
            self.inside = left > 0;
            if written > 0 {
                return Ok(written);
            }
            if at_end && self.inside {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// The window of a frame that begins with these bytes (RFC 8878, 3.1.1.1); `None` if it is no frame of data.
fn window(head: &[u8]) -> Option<u64> {
    let (magic, rest) = head.split_first_chunk::<4>()?;
    let (&descriptor, rest) = rest.split_first()?;
    if *magic != 0xfd2f_b528u32.to_le_bytes() {
        return None;
    }
    if descriptor & 0x20 == 0 {
        let byte = u64::from(*rest.first()?);
        let base = 1u64 << (10 + (byte >> 3));
        return Some(base + base / 8 * (byte & 7));
    }
    // A frame of a single segment is its own window.
    let at = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let width = 1 << (descriptor >> 6);
    let mut size = [0; 8];
    size[..width].copy_from_slice(rest.get(at..at + width)?);
    Some(u64::from_le_bytes(size) + if width == 2 { 256 } else { 0 })
}

/// The error of the data that an error of reading carries, if it does.
pub(crate) fn carried(error: io::Error) -> Result<DataError, io::Error> {
    error.downcast::<DataError>()
}

#[cfg(test)]
mod tests {
    use super::window;

    #[test]
    fn windows_are_those_of_the_format() {
        let frame = |rest: &[u8]| window(&[&[0x28, 0xb5, 0x2f, 0xfd], rest].concat());
        assert_eq!(frame(&[0x00, 0x88]), Some(128 << 20));
        assert_eq!(frame(&[0x04, 0xa9]), Some((1 << 31) + (1 << 28)));
        assert_eq!(frame(&[0x20, 7]), Some(7));
        assert_eq!(frame(&[0x61, 9, 1, 2]), Some(0x201 + 256));
        assert_eq!(frame(&[0xa0, 1, 0, 0, 1]), Some(0x0100_0001));
        assert_eq!(frame(&[0xe3, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1]), Some((1 << 56) + 1));
        assert_eq!((frame(&[0x00]), window(&[0x50, 0x2a, 0x4d, 0x18, 0, 0])), (None, None));
    }
}
