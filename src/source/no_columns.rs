//! Files of columns where the program is built without them (the feature `parquet`): no file is one, and what would be made of one is
//! nothing.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::path::Path;

use kantor_solvers::Watch;

use super::error::DataError;
use super::format::{Columnar, no_rows};
use super::jsonl::JsonlRows;
use super::memory::Allowance;
use super::open::Found;

/// The rows of a file.
pub(crate) struct Records<'a>(Infallible, PhantomData<&'a ()>);

impl<'a> Records<'a> {
    pub(crate) fn open(path: &'a Path, _: Columnar, _: Option<&[&str]>, _: &'a Allowance) -> Result<Self, DataError> {
        Err(no_rows(path, &[]))
    }

    pub(crate) fn next(&mut self, _: usize, _: &mut Vec<u8>) -> Result<(), DataError> {
        match self.0 {}
    }

    pub(crate) fn advance(&mut self) -> Result<bool, DataError> {
        match self.0 {}
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        match self.0 {}
    }
}

/// Some rows of files of columns, of which there are none.
#[doc(hidden)]
#[derive(Debug)]
pub struct Taken(Infallible);

impl Taken {
    /// None is ever made.
    ///
    /// # Errors
    /// Never.
    pub fn parquet(&self, _: &[usize], _: &[f64]) -> Result<Vec<u8>, DataError> {
        match self.0 {}
    }

    /// None is ever made.
    ///
    /// # Errors
    /// Never.
    pub fn stream(&self, _: &[usize], _: &[f64]) -> Result<Vec<u8>, DataError> {
        match self.0 {}
    }
}

impl JsonlRows {
    /// Fails: files of columns are not read.
    ///
    /// # Errors
    /// Names the first file.
    pub fn take(&self, _: &[usize], _: &dyn Watch) -> Result<Taken, DataError> {
        Err(no_rows(self.place(0).0, &[]))
    }
}

pub(crate) fn names_vectors(_: &Path, _: Columnar, _: Option<&str>, _: bool) -> bool {
    false
}

pub(crate) fn table(
    path: &Path,
    _: Columnar,
    _: Option<&str>,
    _: bool,
    _: usize,
    _: &Allowance,
) -> Result<Found, DataError> {
    Err(no_rows(path, &[]))
}
