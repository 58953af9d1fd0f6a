//! Results in memory, as their files have them: made from an outcome, saved, and read back.

use std::collections::BTreeSet;
use std::path::{Component, Path};
use std::time::Instant;

use kantor_theory::Facts;

use crate::certify::facts_of;
use crate::output::{MANIFEST, ResultDirectory, Written};
use crate::pipeline::{Error, Outcome};
use crate::problem::Problem;
use crate::source::{DataError, OnBadRow};

use super::files::{SelectionFiles, Texts};
use super::manifest::{Manifest, Run, directory};
use super::write::finish;
use super::{Origin, SelectionRecord};

/// A result: its manifest, and the rows and certificates of its selections.
///
/// ```
/// use kantor::prelude::*;
/// # let (pool, query) = (ndarray::array![[1.0, 0.0], [0.8, 0.6]], ndarray::array![[0.9, 0.1]]);
/// # let (pool, query) = (ArrayRows::new(pool.view()), ArrayRows::new(query.view()));
/// # let problem = Problem::new(&pool, &query, Goal { budgets: vec![1], ..Goal::default() })?;
/// # let work = std::env::temp_dir().join(format!("kantor-doc-{}", std::process::id()));
/// # std::fs::create_dir(&work)?;
/// # let directory = work.join("out");
/// let saved = choose(&problem, &Request::default(), &Quiet)?.save(&problem, &directory)?;
/// let loaded = Record::load(&directory)?;
/// assert_eq!(loaded, saved);
/// for (selection, files) in loaded.selections() {
///     println!("{} {:?} {:?}", selection.method, selection.distance, files.map(|files| &files.rows));
/// }
/// # std::fs::remove_dir_all(work)?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// How it was made, and what was found.
    pub manifest: Manifest,
    /// For each of the manifest's results its rows and certificate, unless they were not written.
    pub files: Vec<Option<SelectionFiles>>,
}

impl Outcome {
    /// The outcome of this problem as a record. Rows are known by their places in memory; certificates know them by the
    /// digests of their values, and the manifest names no inputs.
    ///
    /// # Errors
    /// If the rows are from files, in which they may have other places (then [`write`](super::write) has them), or a
    /// certificate contradicts itself.
    pub fn record(&self, problem: &Problem<'_>) -> Result<Record, Error> {
        if !self.inputs.is_empty() {
            let fault = "rows of files are written with `kantor::record::write`, which knows their places in the files";
            return Err(Error::Request(fault.to_owned()));
        }
        let (origin, none) = (Origin(None), Texts::default());
        let facts = if self.request.certify { facts_of(problem) } else { Facts::default() };
        let files = self
            .selections()
            .map(|(chosen, proved)| SelectionFiles::of(origin, &facts, &chosen.method, proved, &none).map(Some));
        let files = files.collect::<Result<_, _>>()?;
        let of_chosen = self.chosen.iter().map(|chosen| chosen.seconds);
        let took = of_chosen.chain(self.selections().map(|(_, proved)| proved.seconds)).sum::<f64>()
            + self.scan_seconds
            + self.best_seconds
            + self.cross_fit_seconds;
        let run = Run { begun: Instant::now(), on_bad_row: OnBadRow::Error };
        let manifest = Manifest::of(origin, self, run, |c, p| Some(directory("", c, p)), Vec::new());
        Ok(Record { manifest: Manifest { seconds: took, ..manifest }, files })
    }

    /// Writes the outcome as `kantor select` does; see [`Record::save`].
    ///
    /// # Errors
    /// As [`Outcome::record`] and [`Record::save`].
    pub fn save(&self, problem: &Problem<'_>, directory: impl AsRef<Path>) -> Result<Record, Error> {
        self.record(problem)?.save(directory)
    }
}

impl Record {
    /// Writes rows, certificates and manifest into a new directory, whole or not at all, as `kantor select` does. Returns the
    /// record with the files that were written as the manifest's outputs.
    ///
    /// # Errors
    /// If there is something at `directory`, or the system refuses.
    pub fn save(mut self, directory: impl AsRef<Path>) -> Result<Self, Error> {
        let mut staging = ResultDirectory::begin(directory.as_ref(), false, &[])?;
        for (selection, files) in self.manifest.results.iter().zip(&self.files) {
            if let (Some(dir), Some(files)) = (&selection.dir, files) {
                files.write(&mut staging, dir, None)?;
            }
        }
        self.manifest.outputs = staging.written().to_vec();
        finish(staging, &self.manifest)?;
        Ok(self)
    }

    /// Reads the result in a directory that `select`, `compare`, `quantiles` or a job of `batch` wrote. Certificates are read, not
    /// believed: that takes [`verify`](crate::verify::verify).
    ///
    /// # Errors
    /// If there is no result of kantor, or a file that its manifest lists is missing or is not as it was written.
    pub fn load(directory: impl AsRef<Path>) -> Result<Self, DataError> {
        let directory = directory.as_ref();
        let path = directory.join(MANIFEST);
        let none = || DataError::malformed(&path, "is no manifest of kantor", "give the directory of a result");
        let manifest = Manifest::read(&path)?.ok_or_else(none)?;
        manifest.outputs.iter().try_for_each(|output| check(directory, output))?;
        let listed: BTreeSet<&str> = manifest.outputs.iter().map(|output| output.path.as_str()).collect();
        let read = |dir: &String| SelectionFiles::read(directory, dir, &listed);
        let files = manifest.results.iter().map(|selection| selection.dir.as_ref().map(read).transpose());
        let files: Vec<Option<SelectionFiles>> = files.collect::<Result<_, _>>()?;
        for (selection, files) in manifest.results.iter().zip(&files) {
            let prices = files.as_ref().and_then(|files| files.prices.as_ref());
            if prices.is_some_and(|prices| !prices.are_of(selection, &manifest.parameters)) {
                let dir = selection.dir.as_deref().unwrap_or_default();
                let path = directory.join(dir).join("prices.json");
                let fault = "is of another selection than the manifest says, or of another version";
                return Err(DataError::malformed(&path, fault, "restore the result, or make it again"));
            }
        }
        Ok(Self { files, manifest })
    }

    /// The selections with their files, where those were written.
    pub fn selections(&self) -> impl Iterator<Item = (&SelectionRecord, Option<&SelectionFiles>)> {
        self.manifest.results.iter().zip(self.files.iter().map(Option::as_ref))
    }
}

/// Fails if a file of a result is missing, leads elsewhere, or is not as it was written.
fn check(directory: &Path, output: &Written) -> Result<(), DataError> {
    let path = directory.join(&output.path);
    let refuse = |fault| Err(DataError::malformed(&path, fault, "restore the result, or make it again"));
    if !Path::new(&output.path).components().all(|part| matches!(part, Component::Normal(_))) {
        return refuse("does not lie in the result whose manifest lists it");
    }
    let data = std::fs::symlink_metadata(&path).map_err(DataError::io(&path, "read the file"))?;
    if !data.is_file() {
        return refuse("is not a file");
    }
    match output.is_content_of(&path) {
        Ok(true) => Ok(()),
        Ok(false) => refuse("was changed since it was written"),
        Err(error) => Err(DataError::io(&path, "read the file")(error)),
    }
}
