//! Rows of the pool that a file names: as a subset, to include or to exclude.

#[cfg(feature = "cli")]
use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::Path;

use kantor_solvers::Watch;
use kantor_theory::certificate::{Content, Role};
use kantor_theory::{Certificate, Rows};

use crate::output::CERTIFICATE;
use crate::source::DataError;
use crate::source::cells::ValueFile;
use crate::source::list::{read_named_rows, read_rows};
use crate::source::name::readable;
use crate::source::whole::{self, Whole};

use super::Inputs;

/// Names of the lists of row numbers that a selection holds.
const NUMBERS: [&str; 2] = ["indices.npy", "selection.jsonl"];

/// What the names of its chosen rows begin with.
const CHOSEN: &str = "selected.";

/// Bytes of a certificate that is worth reading for this.
const LARGEST: u64 = 16 << 20;

/// Bytes of a pool that are worth a digest for this: some seconds of one processor.
const LOOKED_THROUGH: u64 = 4 << 30;

impl Inputs {
    /// The rows of a subset that a file names by number or by id, as they are counted here.
    ///
    /// # Errors
    /// If the file is no list of rows, one of them was left out of the pool, or it is a selection from another pool: then
    /// its numbers mean other rows here; or if `watch` asks to stop.
    pub fn subset_rows(&self, list: &Path, watch: &dyn Watch) -> Result<Vec<usize>, DataError> {
        let found = read_rows(list, self.original_pool_len(), |row| self.id(row), watch);
        self.check_origin(list, found.as_ref().ok())?;
        self.kept_rows(&found?, list)
    }

    /// What the rows of such a file weigh, in its order, and by which column: their lengths, if the certificate beside says that they
    /// were chosen for a budget in tokens.
    ///
    /// # Errors
    /// As [`Inputs::subset_rows`].
    #[cfg(feature = "cli")]
    pub(crate) fn subset_lengths(
        &self,
        list: &Path,
        watch: &dyn Watch,
    ) -> Result<Option<(String, Vec<f64>)>, DataError> {
        let rows = read_rows(list, self.original_pool_len(), |row| self.id(row), watch)?;
        let Some(Certificate { problem, subset, .. }) = certificate_beside(list, Some(&rows)) else { return Ok(None) };
        let (Some(tokens), Some(weights)) = (problem.tokens, problem.weights.subset) else { return Ok(None) };
        let of: HashMap<usize, f64> = subset.into_iter().zip(weights).collect();
        Ok(Some((tokens.column.name, rows.iter().filter_map(|row| of.get(row).copied()).collect())))
    }

    /// The rows, as stored, that a file names by number or by id, with a record of the file.
    ///
    /// # Errors
    /// If the file is no such list, or a selection from another pool.
    pub(super) fn named_rows(&self, list: &Path, watch: &dyn Watch) -> Result<(Vec<usize>, ValueFile), DataError> {
        let found = read_named_rows(list, self.original_pool_len(), |row| self.id(row), watch);
        self.check_origin(list, found.as_ref().ok().map(|(rows, _)| rows))?;
        found
    }

    /// That the row numbers of such a file may mean other rows here: it was chosen from rows of this shape and type with other values,
    /// as the certificate beside it says. Of rows that have ids, these are compared.
    ///
    /// # Errors
    /// If a file was cut meanwhile, or `watch` asks to stop.
    pub(crate) fn doubt_of_numbers(&self, list: &Path, watch: &dyn Watch) -> Result<Option<String>, DataError> {
        let has_numbers = list.file_name().and_then(OsStr::to_str).is_some_and(|name| NUMBERS.contains(&name));
        let Some((pool, _)) = self.points().filter(|(pool, _)| has_numbers && pool.value_bytes() <= LOOKED_THROUGH)
        else {
            return Ok(None);
        };
        if self.id(0).is_some() && list.ends_with(NUMBERS[1]) {
            return Ok(None);
        }
        let Some(certificate) = certificate_beside(list, None) else { return Ok(None) };
        for input in certificate.inputs.iter().filter(|input| input.role == Role::Pool && input.dim == pool.dim()) {
            let Content::Values { blake3, .. } = &input.content else { continue };
            let (dtype, found) = pool.values_of(input.range(pool.original_len()), watch)?;
            if dtype == input.dtype && found != *blake3 {
                return Ok(Some(format!(
                    "{} was chosen from a pool with other values, as {CERTIFICATE} beside it says: its row numbers mean the same rows only \
                     if these are in the same order",
                    readable(list)
                )));
            }
        }
        Ok(None)
    }

    fn id(&self, row: usize) -> Option<&str> {
        self.examples()?.id(row)
    }

    /// Fails if the list is a selection from a pool of another size. `rows` is what it names, if that can be read.
    fn check_origin(&self, list: &Path, rows: Option<&Vec<usize>>) -> Result<(), DataError> {
        let here = self.original_pool_len();
        match chosen_from(list, rows) {
            Some(there) if there != here => {
                let fault = format!(
                    "was chosen from a pool of {there} rows, as {CERTIFICATE} beside it says, and this one has {here}"
                );
                Err(DataError::malformed(list, fault, "give the pool that it was chosen from"))
            }
            _ => Ok(()),
        }
    }
}

/// The certificate of these rows that lies beside the list.
fn certificate_beside(list: &Path, rows: Option<&Vec<usize>>) -> Option<Certificate> {
    let beside = list.with_file_name(CERTIFICATE);
    let length = beside.symlink_metadata().ok()?.len();
    let name = list.file_name()?.to_str()?;
    if !(NUMBERS.contains(&name) || name.starts_with(CHOSEN)) || length > LARGEST {
        return None;
    }
    let certificate = Certificate::parse(&whole::read(&beside, Whole::Certificate).ok()?).ok()?;
    let sorted = |rows: &[usize]| {
        let mut rows = rows.to_vec();
        rows.sort_unstable();
        rows
    };
    rows.is_none_or(|rows| sorted(rows) == sorted(&certificate.subset)).then_some(certificate)
}

/// Rows of the pool from which a selection was made, as the certificate of these rows says that lies beside the list.
fn chosen_from(list: &Path, rows: Option<&Vec<usize>>) -> Option<usize> {
    let certificate = certificate_beside(list, rows)?;
    let of = |role: Role| certificate.inputs.iter().filter(move |input| input.role == role);
    match of(Role::Similarity).next() {
        Some(matrix) => Some(matrix.dim),
        None => Some(of(Role::Pool).fold(0, |sum, input| sum.saturating_add(input.rows))),
    }
}
