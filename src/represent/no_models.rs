//! Models where the program is built without them (the feature `models`): none is ever made.

use std::convert::Infallible;
use std::path::Path;

use kantor_solvers::Watch;

use super::encoder::{EncoderOptions, LessRecord, LoraSettings, Made, Unmade};
use crate::source::answers::Marked;
use crate::source::{Allowance, DataError};

/// As where there are models.
pub(crate) const VERSION: u32 = 0;

/// A model.
pub(crate) struct Encoder(Infallible);

impl Encoder {
    /// Fails: no models are read.
    pub(crate) fn open(path: &Path, _: &EncoderOptions, _: &Allowance, _: &dyn Watch) -> Result<Self, DataError> {
        Err(without(path))
    }

    pub(crate) fn name(&self) -> &'static str {
        match self.0 {}
    }

    pub(crate) fn less(&self) -> Option<LessRecord> {
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

    pub(crate) fn row(&self, _: &str, _: &Marked) -> Result<Made, Unmade> {
        match self.0 {}
    }
}

/// A model that is trained.
pub(crate) struct Trainer(Infallible);

/// A text as it is trained on.
pub(crate) struct Example(Infallible);

/// Why a step was not made.
#[allow(dead_code, reason = "none is ever made")]
pub(crate) enum Failed {
    Example(usize, String),
    Stopped(DataError),
}

impl Example {
    pub(crate) fn is_cut(&self) -> bool {
        match self.0 {}
    }
}

impl Trainer {
    /// Fails: no models are read.
    pub(crate) fn open(
        path: &Path,
        _: &EncoderOptions,
        _: &LoraSettings,
        _: u64,
        _: &Allowance,
        _: &dyn Watch,
    ) -> Result<Self, DataError> {
        Err(without(path))
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

    pub(crate) fn adapter(&self) -> &LoraSettings {
        match self.0 {}
    }

    pub(crate) fn example(&self, _: &Marked) -> Result<Example, (Unmade, bool)> {
        match self.0 {}
    }

    pub(crate) fn step(&mut self, _: f64, _: &[&Example], _: &dyn Watch) -> Result<f64, Failed> {
        match self.0 {}
    }

    pub(crate) fn files(&self, _: f64) -> Result<Vec<(&'static str, Vec<u8>)>, String> {
        match self.0 {}
    }
}

fn without(path: &Path) -> DataError {
    let fault = "is a model, which this program was built without";
    DataError::malformed(path, fault, "build it with `--features models`")
}
