//! Members of a zip archive, read where they lie: nothing is extracted to disk. What a member claims to be is compared with
//! the archive before memory is taken; a stored (uncompressed) member is used in place, after its checksum has been verified.

use std::collections::HashSet;
use std::io::{self, Cursor, Read};
use std::path::{Component, Path};
use std::sync::Arc;

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::error::DataError;
use super::memory::{Allowance, Claim};
use super::shard::Bytes;

/// First bytes of a zip archive.
pub(crate) const MAGIC: &[u8] = b"PK\x03\x04";

/// How to write such a file again.
const REWRITE: &str = "write it again with np.savez (or torch.save)";

/// No deflate stream expands by more than this.
const MAX_RATIO: u64 = 1032;

/// An archive whose members have distinct names.
pub(crate) struct Archive<'a> {
    file: &'a Path,
    bytes: &'a [u8],
    zip: ZipArchive<Cursor<&'a [u8]>>,
}

/// What an archive says of a member.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) index: usize,
    pub(crate) name: String,
    pub(crate) size: u64,
}

impl<'a> Archive<'a> {
    pub(crate) fn open(file: &'a Path, bytes: &'a [u8]) -> Result<Self, DataError> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|error| damaged(file, &error))?;
        if let Some(name) = repeated(bytes, zip.central_directory_start()) {
            let fault = format!("holds several members of the name `{name}`");
            return Err(DataError::malformed(file, fault, format!("{REWRITE}, each member under its own name")));
        }
        Ok(Self { file, bytes, zip })
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.zip.file_names()
    }

    pub(crate) fn len(&self) -> usize {
        self.zip.len()
    }

    /// Looks at a member: it must be a file within the archive that its bytes can hold.
    pub(crate) fn member(&mut self, index: usize) -> Result<Member, DataError> {
        let content = self.zip.by_index(index).map_err(|error| damaged(self.file, &error))?;
        let name = content.name().to_owned();
        let refuse =
            |fault: &str| Err(DataError::malformed(self.file, format!("the member `{name}` {fault}"), REWRITE));
        if content.is_symlink() || name.contains('\\') || Path::new(&name).components().any(is_step) {
            return refuse("is a link or leads outside the archive");
        }
        if !matches!(content.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
            return refuse("is compressed in a way that is not read");
        }
        let (size, packed) = (content.size(), content.compressed_size());
        if size > packed.saturating_mul(MAX_RATIO) {
            return refuse(&format!("claims {size} bytes, which {packed} compressed bytes cannot hold"));
        }
        Ok(Member { index, name, size })
    }

    /// How a member begins: at most so many bytes.
    pub(crate) fn begin(&mut self, member: &Member, most: usize) -> Result<Vec<u8>, DataError> {
        let mut begin = Vec::new();
        let content = self.zip.by_index(member.index).map_err(|error| damaged(self.file, &error))?;
        let read = content.take(member.size.min(most as u64)).read_to_end(&mut begin);
        read.map_err(|error| damaged(self.file, &error.into()))?;
        Ok(begin)
    }

    /// The bytes of a member and where they begin among those: in the file, or in memory of which the claim is for the caller to
    /// keep.
    pub(crate) fn content<'b>(
        &mut self,
        member: &Member,
        allowance: &'b Allowance,
        (what, remedy): (&'static str, &'static str),
    ) -> Result<Content<'b>, DataError>
    where
        'a: 'b,
    {
        let (file, size) = (self.file, member.size);
        let mut content = self.zip.by_index(member.index).map_err(|error| damaged(file, &error))?;
        if content.compression() == CompressionMethod::Stored {
            let start = content.data_start().unwrap_or(u64::MAX);
            let fits = start.checked_add(size).is_some_and(|end| end <= self.bytes.len() as u64);
            let verified = io::copy(&mut content, &mut io::sink()).map_err(|error| damaged(file, &error.into()))?;
            if !fits || verified != size {
                return Err(cut(file, size, verified));
            }
            let (claim, start, size) = (Claim::new(allowance, file), start as usize, size as usize);
            return Ok(Content { bytes: Bytes::Mapped, start, size, claim });
        }
        let (mut memory, mut claim) = (Vec::new(), Claim::new(allowance, file));
        // One byte more, which tells that there is more than was said.
        claim.room(&mut memory, size as usize + 1, what, remedy)?;
        let read = (&mut content).take(size + 1).read_to_end(&mut memory);
        read.map_err(|error| damaged(file, &error.into()))?;
        if memory.len() as u64 != size {
            return Err(cut(file, size, memory.len() as u64));
        }
        Ok(Content { bytes: Bytes::Memory(Arc::new(memory)), start: 0, size: size as usize, claim })
    }

    /// The bytes of the whole archive.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// What a member holds.
pub(crate) struct Content<'a> {
    pub(crate) bytes: Bytes,
    /// Where it begins among the bytes.
    pub(crate) start: usize,
    /// How long it is.
    size: usize,
    pub(crate) claim: Claim<'a>,
}

impl Content<'_> {
    /// Its bytes, of an archive with these.
    pub(crate) fn slice<'b>(&'b self, archive: &'b [u8]) -> &'b [u8] {
        let bytes = match &self.bytes {
            Bytes::Mapped => archive,
            Bytes::Memory(bytes) => bytes,
        };
        bytes.get(self.start..self.start + self.size).unwrap_or_default()
    }
}

/// The name of a member that the central directory lists more than once. (The reader of archives keeps the last one
/// silently.)
fn repeated(bytes: &[u8], start: u64) -> Option<String> {
    const SIGNATURE: &[u8] = b"PK\x01\x02";
    const FIXED: usize = 46;
    let mut entries = bytes.get(usize::try_from(start).ok()?..)?;
    let mut names = HashSet::new();
    while entries.starts_with(SIGNATURE) && entries.len() >= FIXED {
        let length = |at: usize| usize::from(u16::from_le_bytes([entries[at], entries[at + 1]]));
        let (name, more, comment) = (length(28), length(30), length(32));
        let name = entries.get(FIXED..FIXED + name)?;
        if !names.insert(name) {
            return Some(String::from_utf8_lossy(name).into_owned());
        }
        entries = entries.get(FIXED + name.len() + more + comment..)?;
    }
    None
}

/// Whether a part of a name leads somewhere instead of naming something.
fn is_step(part: Component<'_>) -> bool {
    !matches!(part, Component::Normal(_))
}

fn damaged(file: &Path, error: &ZipError) -> DataError {
    DataError::malformed(file, format!("the zip archive is damaged: {error}"), REWRITE)
}

fn cut(file: &Path, expected: u64, actual: u64) -> DataError {
    DataError::Size { file: file.to_owned(), what: "the zip member".into(), expected, actual }
}
