//! Standard output, where data goes and nothing else; and what is said of all inputs on standard error.

use std::path::Path;

use kantor_solvers::Watch;
use serde_json::{Value, json};

use crate::output::MANIFEST;
use crate::pipeline::Inputs;
use crate::record::SelectionRecord;
use crate::source::name::readable;
use crate::view::escape::Printable;
use crate::view::remarks::Kind;
use crate::view::terminal::{print, tell};

use super::args::RunArguments;
use super::failure::Failure;

/// Prints lines, as [`print`] does.
pub(super) fn say(what: impl Printable) -> Result<(), Failure> {
    print(what).map_err(|error| Failure::io(Path::new("standard output"), &error))
}

/// Where a result goes, and whether an older one is there, which `--force` lets go.
pub(super) struct Place<'a> {
    out: &'a Path,
    older: bool,
}

impl<'a> Place<'a> {
    /// To be called before the result is written.
    pub(super) fn new(out: &'a Path) -> Self {
        Self { out, older: out.join(MANIFEST).exists() }
    }

    /// Says that the result is there.
    pub(super) fn say_written(&self, seconds: f64) -> Result<(), Failure> {
        let older = if self.older { ", in the place of an older result" } else { "" };
        say(format_args!("written to {} in {seconds:.1} s{older}", readable(self.out)))
    }
}

/// A selection of the result in `out` as JSON, with the way to its files from here.
pub(super) fn placed(result: &SelectionRecord, out: &Path) -> Value {
    let mut object = json!(result);
    object["dir"] = json!(result.dir.as_ref().map(|dir| readable(&out.join(dir)).into_owned()));
    object
}

/// Says what readers of a result with a manifest should know of its inputs.
pub(super) fn warn(inputs: &Inputs, run: &RunArguments) {
    warn_of_rows(inputs, ", listed in the manifest", run);
}

/// Says what readers of a result should know of its inputs, and where dropped rows are `listed`.
pub(super) fn warn_of_rows(inputs: &Inputs, listed: &str, run: &RunArguments) {
    doubt(inputs, run);
    let overlap = inputs.overlap_in_words().map(|rows| format!("{rows}; --forbid-overlap makes this an error"));
    let dropped = inputs.dropped_in_words().map(|rows| format!("{rows}{listed}"));
    for text in overlap.into_iter().chain(dropped).filter(|_| !run.quiet) {
        tell(format_args!("kantor: warning: {text}"));
    }
}

/// Says what readers of a result should know, a line for each kind, and where the rest is (in the file `full`); with
/// `--verbose` everything.
pub(super) fn tell_by_kind(prefix: &str, kinds: &[Kind<'_>], full: &Path, run: &RunArguments) {
    for Kind { name, line, all } in kinds.iter().filter(|_| !run.quiet) {
        if run.verbose && !all.is_empty() {
            all.iter().for_each(|text| tell(format_args!("{prefix} {name}: {text}")));
        } else {
            tell(format_args!("{prefix} {name}: {line}"));
        }
    }
    if !run.quiet && !run.verbose && kinds.iter().any(|kind| !kind.all.is_empty()) {
        tell(format_args!("{prefix} in full: {}, or with --verbose", readable(full)));
    }
}

/// Says what is unusual of the inputs of any command.
pub(super) fn doubt(inputs: &Inputs, run: &RunArguments) {
    if let Some(text) = inputs.text_in_words().filter(|_| !run.quiet) {
        tell(format_args!("kantor: note: {text}"));
    }
    let cached = inputs.cache().into_iter().flat_map(|cache| [cache.uses(), cache.faults()].concat());
    for text in cached.filter(|_| !run.quiet) {
        tell(format_args!("kantor: note: {text}"));
    }
    for doubt in inputs.doubts().iter().filter(|_| !run.quiet) {
        tell(format_args!("kantor: warning: {doubt}"));
    }
}

/// Warns of a list of rows that may be of another pool.
pub(super) fn doubt_list(inputs: &Inputs, list: &Path, run: &RunArguments, watch: &dyn Watch) -> Result<(), Failure> {
    if let Some(doubt) = inputs.doubt_of_numbers(list, watch)?.filter(|_| !run.quiet) {
        tell(format_args!("kantor: warning: {doubt}"));
    }
    Ok(())
}
