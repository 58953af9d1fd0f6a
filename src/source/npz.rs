//! The one table in a `.npz` archive, or the sparse matrix that its members are together.

use std::path::Path;

use super::archive::{Archive, Member};
use super::error::DataError;
use super::memory::Allowance;
use super::named::Named;
use super::npy::{self, Header};
use super::open::{Format, Found};
use super::sparse;

/// What is unpacked, and what to do if it is too large.
pub(super) const UNPACKED: (&str, &str) = (
    "the decompressed array",
    "allow more with --max-memory, or save it uncompressed with np.save, which is read in place",
);

/// An array of the archive.
pub(crate) struct Array {
    /// As numpy shows it, without `.npy`.
    pub(crate) name: String,
    pub(crate) header: Header,
    pub(crate) member: Member,
}

/// The table called `name`, or the only one, with its name; a sparse matrix has none.
pub(crate) fn table(
    file: &Path,
    archive: &mut Archive<'_>,
    name: Option<&str>,
    cast: bool,
    allowance: &Allowance,
) -> Result<Found, DataError> {
    let arrays = (0..archive.len()).map(|index| array(file, archive, index)).collect::<Result<Vec<_>, _>>()?;
    if sparse::is_sparse(&arrays) {
        return match name {
            None => sparse::table(file, archive, &arrays, cast, allowance),
            Some(_) => Err(DataError::Unnamed { file: file.to_owned(), what: "a sparse matrix" }),
        };
    }
    let tables = arrays.iter().map(|array| (array.name.as_str(), array.header.shape().to_vec())).collect();
    let index = Named { file, noun: "array", tables }.choose(name)?;
    let index = index.ok_or_else(|| DataError::Empty { file: file.to_owned(), fault: "the archive has no member" })?;
    let Array { name, header, member } = &arrays[index];
    let layout = header.layout(file, member.size, cast)?;
    let content = archive.content(member, allowance, UNPACKED)?;
    content.claim.keep();
    let (tensor, start) = (Some(name.clone()), content.start + header.length);
    Ok(Found { format: Format::Npz, tensor, bytes: content.bytes, start, layout })
}

/// Looks at the beginning of a member.
fn array(file: &Path, archive: &mut Archive<'_>, index: usize) -> Result<Array, DataError> {
    let member = archive.member(index)?;
    let Some(name) = member.name.strip_suffix(".npy") else {
        let remedy = "give an archive written by np.savez or np.savez_compressed";
        return Err(DataError::malformed(file, format!("the member `{}` is not an .npy array", member.name), remedy));
    };
    let header = npy::parse(file, &archive.begin(&member, npy::MAX_PREFIX)?, member.size)?;
    Ok(Array { name: name.to_owned(), header, member })
}
