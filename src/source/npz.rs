//! The one table in a `.npz` archive.
//!
//! Members are read where they lie and nothing is extracted to disk. What a member claims to be is compared with
//! the archive and with its own `.npy` header before memory is taken; a stored (uncompressed) member is used in
//! place, after its checksum has been verified.

use std::collections::HashSet;
use std::io::{self, Cursor, Read};
use std::path::{Component, Path};
use std::sync::Arc;

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::error::DataError;
use super::format::PICKLE;
use super::memory::{Allowance, Claim};
use super::npy::{self, Header};
use super::shard::{Bytes, Layout};
use crate::suggest::did_you_mean;

/// First bytes of a zip archive.
pub(crate) const MAGIC: &[u8] = b"PK\x03\x04";

const UNPACKED_REMEDY: &str =
    "allow more with --max-memory, or save it uncompressed with np.save, which is read in place";

/// No deflate stream expands by more than this.
const MAX_RATIO: u64 = 1032;

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

/// The table called `name`, or the only one, with its name.
pub(crate) fn table(
    file: &Path,
    bytes: &[u8],
    name: Option<&str>,
    cast: bool,
    allowance: &Allowance,
) -> Result<(String, Bytes, usize, Layout), DataError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| damaged(file, &error))?;
    if archive.file_names().any(|name| name == "data.pkl" || name.ends_with("/data.pkl")) {
        return Err(DataError::malformed(file, "is a PyTorch file, which holds a pickle", PICKLE));
    }
    if let Some(name) = repeated(bytes, archive.central_directory_start()) {
        let fault = format!("holds several members of the name `{name}`");
        return Err(DataError::malformed(file, fault, "write it again with np.savez, each array under its own name"));
    }
    let members = (0..archive.len()).map(|index| member(file, &mut archive, index)).collect::<Result<Vec<_>, _>>()?;
    let listed = |fault: String| {
        DataError::tensor(file, fault, members.iter().map(|member| (member.name.clone(), member.header.shape())))
    };
    let index = match name {
        Some(name) => members.iter().position(|member| member.name == name).ok_or_else(|| {
            let meant = did_you_mean(name, members.iter().map(|member| member.name.as_str()));
            listed(format!("there is no array `{name}`{meant}"))
        })?,
        None => {
            let tables: Vec<usize> = (0..members.len()).filter(|&i| members[i].header.is_table()).collect();
            match (tables.as_slice(), members.len()) {
                (&[index], _) => index,
                ([], 1) => 0,
                ([], 0) => return Err(DataError::Empty { file: file.to_owned(), fault: "the archive has no member" }),
                ([], _) => return Err(listed("no array is 2-d".into())),
                (many, _) => return Err(listed(format!("{} arrays are 2-d", many.len()))),
            }
        }
    };
    let Member { name, header, size } = &members[index];
    let layout = header.layout(file, *size, cast)?;
    let mut content = archive.by_index(index).map_err(|error| damaged(file, &error))?;
    if content.compression() == CompressionMethod::Stored {
        let start = content.data_start().unwrap_or(u64::MAX);
        let fits = start.checked_add(*size).is_some_and(|end| end <= bytes.len() as u64);
        let verified = io::copy(&mut content, &mut io::sink()).map_err(|error| damaged(file, &error.into()))?;
        if !fits || verified != *size {
            return Err(cut(file, *size, verified));
        }
        return Ok((name.clone(), Bytes::Mapped, start as usize + header.length, layout));
    }
    let (mut memory, mut claim) = (Vec::new(), Claim::new(allowance, file));
    // One byte more, which tells that there is more than was said.
    claim.room(&mut memory, *size as usize + 1, "the decompressed array", UNPACKED_REMEDY)?;
    (&mut content).take(*size + 1).read_to_end(&mut memory).map_err(|error| damaged(file, &error.into()))?;
    if memory.len() as u64 != *size {
        return Err(cut(file, *size, memory.len() as u64));
    }
    claim.keep();
    Ok((name.clone(), Bytes::Memory(Arc::new(memory)), header.length, layout))
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

struct Member {
    /// As numpy shows it, without `.npy`.
    name: String,
    header: Header,
    size: u64,
}

/// Looks at the beginning of a member.
fn member(file: &Path, archive: &mut Archive<'_>, index: usize) -> Result<Member, DataError> {
    let mut content = archive.by_index(index).map_err(|error| damaged(file, &error))?;
    let name = content.name().to_owned();
    let refuse = |fault: &str| {
        let remedy = "give an archive written by np.savez or np.savez_compressed";
        Err(DataError::malformed(file, format!("the member `{name}` {fault}"), remedy))
    };
    let Some(array) = name.strip_suffix(".npy").filter(|_| content.is_file()) else {
        return refuse("is not an .npy array");
    };
    if content.is_symlink() || name.contains('\\') || Path::new(&name).components().any(is_step) {
        return refuse("is a link or leads outside the archive");
    }
    if !matches!(content.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
        return refuse("is compressed in a way numpy does not use");
    }
    let (size, packed) = (content.size(), content.compressed_size());
    if size > packed.saturating_mul(MAX_RATIO) {
        return refuse(&format!("claims {size} bytes, which {packed} compressed bytes cannot hold"));
    }
    let mut prefix = Vec::new();
    (&mut content)
        .take(size.min(npy::MAX_PREFIX as u64))
        .read_to_end(&mut prefix)
        .map_err(|error| damaged(file, &error.into()))?;
    let header = npy::parse(file, &prefix, size)?;
    Ok(Member { name: array.to_owned(), header, size })
}

/// Whether a part of a name leads somewhere instead of naming something.
fn is_step(part: Component<'_>) -> bool {
    !matches!(part, Component::Normal(_))
}

fn damaged(file: &Path, error: &ZipError) -> DataError {
    DataError::malformed(file, format!("the zip archive is damaged: {error}"), "write it again with np.savez")
}

fn cut(file: &Path, expected: u64, actual: u64) -> DataError {
    DataError::Size { file: file.to_owned(), what: "the zip member".into(), expected, actual }
}
