//! Which of several tables of a file is meant.

use std::path::Path;

use super::error::DataError;
use super::npy;
use crate::suggest::did_you_mean;

/// The tables of a file: what they are called together, and name and shape of each.
pub(super) struct Named<'a> {
    pub(super) file: &'a Path,
    pub(super) noun: &'static str,
    pub(super) tables: Vec<(&'a str, Vec<i128>)>,
}

impl Named<'_> {
    /// The place of the table called `name`; without a name, of the only one with two dimensions, or of the only one. None if there
    /// are no tables.
    ///
    /// # Errors
    /// If there is none of this name, or several could be meant.
    pub(super) fn choose(&self, name: Option<&str>) -> Result<Option<usize>, DataError> {
        let Self { noun, tables, .. } = self;
        let Some(name) = name else {
            let flat: Vec<usize> = (0..tables.len()).filter(|&at| tables[at].1.len() == 2).collect();
            return match (&flat[..], tables.len()) {
                (&[one], _) => Ok(Some(one)),
                ([], count @ (0 | 1)) => Ok(count.checked_sub(1)),
                ([], _) => Err(self.listed(format!("no {noun} is 2-d"))),
                (many, _) => Err(self.listed(format!("{} {noun}s are 2-d", many.len()))),
            };
        };
        let at = tables.iter().position(|(known, _)| *known == name);
        at.map(Some).ok_or_else(|| {
            let meant = did_you_mean(name, tables.iter().map(|(known, _)| *known));
            self.listed(format!("there is no {noun} `{name}`{meant}"))
        })
    }

    /// An error that shows all tables.
    pub(super) fn listed(&self, fault: String) -> DataError {
        let shown = self.tables.iter().map(|(name, shape)| ((*name).to_owned(), npy::shape_text(shape)));
        DataError::tensor(self.file, fault, shown)
    }
}
