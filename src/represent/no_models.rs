//! Sentence encoders where the program is built without them (the feature `models`): none is ever made.

use std::convert::Infallible;
use std::path::Path;

use kantor_solvers::Watch;

use super::encoder::{EncoderOptions, Made, Unmade};
use crate::source::{Allowance, DataError};

/// As where there are models.
pub(crate) const VERSION: u32 = 0;

/// A sentence encoder.
pub(crate) struct Encoder(Infallible);

impl Encoder {
    /// Fails: no models are read.
    pub(crate) fn open(path: &Path, _: &EncoderOptions, _: &Allowance, _: &dyn Watch) -> Result<Self, DataError> {
        let fault = "is a model, which this program was built without";
        Err(DataError::malformed(path, fault, "build it with `--features models`"))
    }

    pub(crate) fn name(&self) -> &'static str {
        match self.0 {}
    }

    pub(crate) fn dim(&self) -> usize {
        match self.0 {}
    }

    pub(crate) fn longest(&self) -> usize {
        match self.0 {}
    }

    pub(crate) fn prompt(&self) -> &str {
        match self.0 {}
    }

    pub(crate) fn digest(&self) -> &str {
        match self.0 {}
    }

    pub(crate) fn row(&self, _: &str, _: &str) -> Result<Made, Unmade> {
        match self.0 {}
    }
}
