//! The headers of Parquet's pages: what they say of sizes, before a page is unpacked.
//!
//! A header says how long its page is unpacked, and that much is taken before a byte of it was looked at. So no page may claim more
//! than its bytes can hold by the rules of the compression, nor more than the memory allowed.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};

use parquet::basic::Compression;
use parquet::file::metadata::ColumnChunkMetaData;

/// Most values of a header that lie in each other.
const DEPTH: usize = 16;

/// The largest page of a column's chunk, unpacked; or what is wrong with one.
pub(super) fn largest(file: &File, chunk: &ColumnChunkMetaData) -> Result<u64, String> {
    let (start, mut left) = chunk.byte_range();
    let codec = chunk.compression();
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(start)).map_err(|error| error.to_string())?;
    let (mut at, mut largest) = (start, 0);
    while left > 0 {
        let mut header = Header { reader: &mut reader, read: 0 };
        let (unpacked, packed) = header.sizes().map_err(|fault| format!("the page at byte {at} {fault}"))?;
        let length = header.read.checked_add(packed).filter(|length| *length <= left);
        let length = length.ok_or_else(|| format!("the page at byte {at} is longer than its column"))?;
        if unpacked > most(codec, packed) {
            return Err(format!("the page at byte {at} claims {unpacked} bytes, more than its {packed} can hold"));
        }
        largest = largest.max(unpacked);
        (at, left) = (at + length, left - length);
        reader.seek_relative(packed as i64).map_err(|error| error.to_string())?;
    }
    Ok(largest)
}

/// Bytes that so many bytes can stand for.
fn most(codec: Compression, packed: u64) -> u64 {
    let (ratio, more) = match codec {
        Compression::UNCOMPRESSED => (1, 0),
        // A copy of 64 bytes is written in three.
        Compression::SNAPPY => (22, 64),
        // A byte makes a match 255 bytes longer.
        Compression::LZ4 | Compression::LZ4_RAW => (256, 256),
        // Two bits stand for 258 bytes.
        Compression::GZIP(_) => (1040, 1040),
        // Four bytes are a block of 128 KiB.
        _ => (1 << 15, 1 << 17),
    };
    packed.saturating_mul(ratio) + more
}

/// A header while it is read: the compact protocol of Thrift.
struct Header<'a, 'f> {
    reader: &'a mut BufReader<&'f File>,
    read: u64,
}

impl Header<'_, '_> {
    /// Bytes of the page unpacked and as stored, its fields 2 and 3.
    fn sizes(&mut self) -> Result<(u64, u64), String> {
        let (mut unpacked, mut packed, mut field) = (None, None, 0);
        loop {
            let byte = self.byte()?;
            let kind = byte & 15;
            if kind == 0 {
                break;
            }
            field = if byte >> 4 == 0 { self.integer()? } else { field + i64::from(byte >> 4) };
            match (field, kind) {
                (2, 5) => unpacked = Some(self.integer()?),
                (3, 5) => packed = Some(self.integer()?),
                _ => self.skip(kind, true, DEPTH)?,
            }
        }
        let size = |size: Option<i64>| {
            size.and_then(|size| u64::try_from(size).ok()).ok_or("has no size, or a negative one".to_owned())
        };
        Ok((size(unpacked)?, size(packed)?))
    }

    /// Passes over a value; in a field a truth value is in the kind itself.
    fn skip(&mut self, kind: u8, in_field: bool, depth: usize) -> Result<(), String> {
        let depth = depth.checked_sub(1).ok_or("has too many values in each other")?;
        match kind {
            1 | 2 if in_field => Ok(()),
            1..=3 => self.byte().map(drop),
            4..=6 => self.varint().map(drop),
            7 => self.pass(8),
            8 => {
                let length = self.varint()?;
                self.pass(length)
            }
            9 | 10 => {
                let byte = self.byte()?;
                let count = if byte >> 4 == 15 { self.varint()? } else { u64::from(byte >> 4) };
                (0..count).try_for_each(|_| self.skip(byte & 15, false, depth))
            }
            11 => {
                let count = self.varint()?;
                let kinds = if count == 0 { 0 } else { self.byte()? };
                (0..count).try_for_each(|_| {
                    self.skip(kinds >> 4, false, depth)?;
                    self.skip(kinds & 15, false, depth)
                })
            }
            12 => loop {
                let byte = self.byte()?;
                if byte & 15 == 0 {
                    return Ok(());
                }
                if byte >> 4 == 0 {
                    self.varint()?;
                }
                self.skip(byte & 15, true, depth)?;
            },
            _ => Err(format!("has a value of kind {kind}, of which there is none")),
        }
    }

    /// A number with its sign in the lowest bit.
    fn integer(&mut self) -> Result<i64, String> {
        let bits = self.varint()?;
        Ok((bits >> 1) as i64 ^ -((bits & 1) as i64))
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Ok(number);
            }
        }
        Err("has a number without an end".to_owned())
    }

    fn byte(&mut self) -> Result<u8, String> {
        let mut byte = [0];
        self.reader.read_exact(&mut byte).map_err(cut_off)?;
        self.read += 1;
        Ok(byte[0])
    }

    fn pass(&mut self, count: u64) -> Result<(), String> {
        let mut left = count;
        while left > 0 {
            let here = self.reader.fill_buf().map_err(cut_off)?.len();
            if here == 0 {
                return Err(cut_off(ErrorKind::UnexpectedEof.into()));
            }
            let passed = left.min(here as u64);
            self.reader.consume(passed as usize);
            left -= passed;
        }
        self.read = self.read.saturating_add(count);
        Ok(())
    }
}

fn cut_off(error: std::io::Error) -> String {
    match error.kind() {
        ErrorKind::UnexpectedEof => "is cut off".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}
