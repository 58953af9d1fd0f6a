//! Batches of Arrow's messages (IPC): those of a stream in turn, those of a file where its end says that they are.
//!
//! A message says how long its body is and how long each compressed buffer is unpacked; both are checked before memory is taken.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{RecordBatchDecoder, read_dictionary};
use arrow_ipc::{Block, CompressionType, Endianness, MessageHeader, root_as_footer, root_as_message};
use arrow_schema::{ArrowError, Schema, SchemaRef};

use super::{UNPACKED, UNPACKED_REMEDY, Wanted, damaged, guarded};
use crate::source::error::DataError;
use crate::source::file::open_filled;
use crate::source::memory::{Allowance, Claim};

/// First and last bytes of the format that is not a stream.
const MAGIC: &[u8; 6] = b"ARROW1";

/// What a message begins with.
const MARK: [u8; 4] = [0xff; 4];

/// Bytes of the description of a message, and of that at the end of a file.
const MOST: u64 = 256 << 20;

const REWRITE: &str = "write it on a machine of the usual, little-endian, kind";

/// The messages of a file.
pub(super) struct Messages<'a> {
    path: &'a Path,
    reader: BufReader<File>,
    /// Bytes of messages that were read, of all there may be.
    at: u64,
    end: u64,
    schema: SchemaRef,
    places: Vec<usize>,
    dictionaries: HashMap<i64, ArrayRef>,
    /// Where the messages of a file begin that are still to be read; those of a stream follow each other.
    blocks: Option<std::vec::IntoIter<u64>>,
    claim: Claim<'a>,
    /// Of dictionaries, which are kept.
    kept: Claim<'a>,
}

impl<'a> Messages<'a> {
    pub(super) fn open(
        path: &'a Path,
        stream: bool,
        wanted: &Wanted<'_>,
        allowance: &'a Allowance,
    ) -> Result<Self, DataError> {
        let (file, identity) = open_filled(path)?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let ending = if stream { None } else { Some(ending(&mut reader, path, identity.bytes)?) };
        let (schema, blocks) = ending.unzip();
        let mut messages = Self {
            path,
            reader,
            at: 0,
            end: identity.bytes,
            schema: schema.unwrap_or_else(|| Arc::new(Schema::empty())),
            places: Vec::new(),
            dictionaries: HashMap::new(),
            blocks: blocks.map(Vec::into_iter),
            claim: Claim::new(allowance, path),
            kept: Claim::new(allowance, path),
        };
        if stream {
            messages.reader.rewind().map_err(DataError::io(path, "read it"))?;
            let Some(description) = messages.description()? else { return Err(damaged(path, "it has no schema")) };
            messages.schema = guarded(path, || {
                let message = root_as_message(&description).map_err(|error| damaged(path, error))?;
                read_schema(path, message.header_as_schema())
            })?;
        }
        messages.places = wanted.places(&messages.schema);
        Ok(messages)
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(super) fn bytes_read(&self) -> u64 {
        self.at
    }

    pub(super) fn next(&mut self) -> Result<Option<RecordBatch>, DataError> {
        let path = self.path;
        loop {
            let Some(description) = self.description()? else { return Ok(None) };
            let batch = guarded(path, || self.decoded(&description))?;
            if batch.is_some() {
                return Ok(batch);
            }
        }
    }

    /// Decodes a message; `None` of one that is no batch of rows.
    fn decoded(&mut self, description: &[u8]) -> Result<Option<RecordBatch>, DataError> {
        let path = self.path;
        let bad = |error: ArrowError| match error {
            ArrowError::IoError(_, cause) if cause.raw_os_error().is_some() => {
                DataError::Io { file: path.to_owned(), doing: "read it", cause }
            }
            error => damaged(path, error),
        };
        let message = root_as_message(description).map_err(|error| damaged(path, error))?;
        let length =
            u64::try_from(message.bodyLength()).ok().filter(|length| *length <= self.end.saturating_sub(self.at));
        let length = length.ok_or_else(|| damaged(path, "a message is cut off, or longer than the file"))?;
        let (batch, dictionary) = match message.header_type() {
            MessageHeader::RecordBatch => (message.header_as_record_batch(), None),
            MessageHeader::DictionaryBatch => {
                let dictionary = message.header_as_dictionary_batch();
                (dictionary.and_then(|dictionary| dictionary.data()), dictionary)
            }
            _ => (None, None),
        };
        let Some(batch) = batch else {
            return Err(damaged(
                path,
                format!("a message is neither rows nor a dictionary: {:?}", message.header_type()),
            ));
        };
        self.claim.raise_to(2 * length, UNPACKED, UNPACKED_REMEDY)?;
        let mut body = Vec::new();
        let taken = (&mut self.reader).take(length).read_to_end(&mut body).map_err(DataError::io(path, "read it"))?;
        if taken as u64 != length {
            return Err(damaged(path, "a message is cut off"));
        }
        self.at += length;
        let unpacked = unpacked(&batch, &body).map_err(|fault| damaged(path, fault))?;
        self.claim.raise_to(length.saturating_add(unpacked), UNPACKED, UNPACKED_REMEDY)?;
        let (body, version) = (Buffer::from_vec(body), message.version());
        if let Some(dictionary) = dictionary {
            self.kept.add(unpacked, "a dictionary of its values", UNPACKED_REMEDY)?;
            read_dictionary(&body, dictionary, &self.schema, &mut self.dictionaries, &version).map_err(bad)?;
            return Ok(None);
        }
        let decoder = RecordBatchDecoder::try_new(&body, batch, self.schema.clone(), &self.dictionaries, &version);
        let decoder = decoder.map_err(bad)?.with_projection(Some(&self.places));
        decoder.read_record_batch().map(Some).map_err(bad)
    }

    /// Fails if something follows the end of a stream: these may be rows, as of a second stream.
    fn check_end(&mut self) -> Result<(), DataError> {
        let path = self.path;
        let mut more = [0; 4096];
        loop {
            match self.reader.read(&mut more).map_err(DataError::io(path, "read it"))? {
                0 => return Ok(()),
                read if more[..read].iter().all(|byte| *byte == 0) => {}
                _ => return Err(damaged(path, "after its end stand more bytes, which may be rows")),
            }
        }
    }

    /// The description of the next message; nothing at the end.
    fn description(&mut self) -> Result<Option<Vec<u8>>, DataError> {
        let path = self.path;
        match &mut self.blocks {
            None if self.at == self.end => return Ok(None),
            None => {}
            Some(blocks) => {
                let Some(at) = blocks.next() else { return Ok(None) };
                self.reader.seek(SeekFrom::Start(at)).map_err(DataError::io(path, "read it"))?;
                self.at = at;
            }
        }
        let mut word = |reader: &mut BufReader<File>| {
            let mut bytes = [0; 4];
            self.at += 4;
            reader.read_exact(&mut bytes).map_err(|_| damaged(path, "it is cut off between two messages"))?;
            Ok::<_, DataError>(bytes)
        };
        let mut begin = word(&mut self.reader)?;
        // Before version 0.15 there was no mark.
        if begin == MARK {
            begin = word(&mut self.reader)?;
        }
        let length = u64::from(u32::from_le_bytes(begin));
        if length == 0 {
            if self.blocks.is_some() {
                return Err(damaged(path, "it lists a message that is none"));
            }
            return self.check_end().map(|()| None);
        }
        if length > MOST || length > self.end.saturating_sub(self.at) {
            return Err(damaged(path, format!("a message claims {length} bytes that are not there")));
        }
        self.claim.raise_to(2 * length, UNPACKED, UNPACKED_REMEDY)?;
        let mut description = vec![0; length as usize];
        self.reader.read_exact(&mut description).map_err(DataError::io(path, "read it"))?;
        self.at += length;
        Ok(Some(description))
    }
}

/// Bytes of the buffers of a batch, unpacked; or what is wrong with one.
fn unpacked(batch: &arrow_ipc::RecordBatch<'_>, body: &[u8]) -> Result<u64, String> {
    let ratio = batch.compression().map(|compression| match compression.codec() {
        // As of Parquet's pages.
        CompressionType::LZ4_FRAME => (256, 256),
        _ => (1 << 15, 1 << 17),
    });
    let mut sum = 0u64;
    for buffer in batch.buffers().into_iter().flatten() {
        let start = usize::try_from(buffer.offset()).ok();
        let bytes = start.zip(usize::try_from(buffer.length()).ok());
        let bytes = bytes.and_then(|(start, length)| body.get(start..start.checked_add(length)?));
        let bytes = bytes.ok_or("a buffer lies outside its message")?;
        let length = match (ratio, bytes.split_first_chunk::<8>()) {
            (Some((ratio, more)), Some((prefix, packed))) => match i64::from_le_bytes(*prefix) {
                // Not compressed.
                -1 => packed.len() as u64,
                claimed => {
                    let most = (packed.len() as u64).saturating_mul(ratio) + more;
                    u64::try_from(claimed).ok().filter(|claimed| *claimed <= most).ok_or_else(|| {
                        format!("a buffer claims {claimed} bytes, more than its {} can hold", packed.len())
                    })?
                }
            },
            _ => bytes.len() as u64,
        };
        sum = sum.saturating_add(length);
    }
    Ok(sum)
}

/// What the end of a file says: its columns, and where its dictionaries and batches of rows begin.
fn ending(reader: &mut BufReader<File>, path: &Path, bytes: u64) -> Result<(SchemaRef, Vec<u64>), DataError> {
    let cut_off = || damaged(path, "it is cut off: it does not end as Arrow files do");
    let mut end = [0; 10];
    if bytes < 26 {
        return Err(cut_off());
    }
    let io = |_| cut_off();
    reader.seek(SeekFrom::End(-10)).and_then(|_| reader.read_exact(&mut end)).map_err(io)?;
    let [a, b, c, d, magic @ ..] = end;
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    if magic != *MAGIC || length > MOST.min(bytes - 18) {
        return Err(cut_off());
    }
    let mut footer = vec![0; length as usize];
    reader.seek(SeekFrom::Start(bytes - 10 - length)).and_then(|_| reader.read_exact(&mut footer)).map_err(io)?;
    guarded(path, || {
        let footer = root_as_footer(&footer).map_err(|error| damaged(path, error))?;
        let schema = read_schema(path, footer.schema())?;
        let blocks = footer.dictionaries().into_iter().flatten().chain(footer.recordBatches().into_iter().flatten());
        let place =
            |block: &Block| u64::try_from(block.offset()).map_err(|_| damaged(path, "it lists a place before it"));
        Ok((schema, blocks.map(place).collect::<Result<_, _>>()?))
    })
}

/// The columns that a description has.
fn read_schema(path: &Path, schema: Option<arrow_ipc::Schema<'_>>) -> Result<SchemaRef, DataError> {
    let schema = schema.ok_or_else(|| damaged(path, "it has no schema"))?;
    if schema.endianness() != Endianness::Little {
        return Err(DataError::malformed(path, "has its numbers in the other byte order", REWRITE));
    }
    try_fb_to_schema(schema).map(Arc::new).map_err(|error| damaged(path, error))
}
