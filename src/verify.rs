//! Checks a certificate against files that hold its rows.
//!
//! What the certificate says of its input decides how the files are opened and which ranges of rows are digested, never
//! what is found in them: which rows are bad, what the digests are and which tensor was read is found out here, and
//! compared.

use kantor_solvers::Watch;
use kantor_theory::bounds::Executor;
use kantor_theory::certificate::{Content, Input, SCHEMA_1};
use kantor_theory::{Certificate, Facts, Rows, Verdict, checker};

use crate::certify;
use crate::pipeline::{Error, InputSpec, Inputs};
use crate::problem::Goal;
use crate::source::name::readable;
use crate::source::{DataError, OnBadRow};

/// Checks `certificate` against these files. A tensor that they do not name is the one that the certificate names (which
/// is but a hint where rows are known by value), and rows that cannot be measured are left out if the certificate leaves
/// any out.
///
/// # Errors
/// If a file cannot be read or is no table, or changes meanwhile. Files that the certificate does not speak of are no
/// error but a verdict.
pub fn verify(
    certificate: &Certificate,
    files: &InputSpec,
    executor: Executor<'_>,
    watch: &dyn Watch,
) -> Result<Verdict, Error> {
    let drops = !certificate.dropped.pool.is_empty() || !certificate.dropped.query.is_empty();
    let named = files.tensor.is_none() && certificate.inputs.iter().any(|input| input.tensor.is_some());
    let files = InputSpec {
        tensor: files.tensor.clone().or_else(|| only_tensor(certificate)),
        tensor_is_hint: files.tensor_is_hint || named && certificate.schema != SCHEMA_1,
        on_bad_row: if drops { OnBadRow::Drop } else { OnBadRow::Error },
        ..files.clone()
    };
    let cost = certificate.problem.cost;
    let inputs = match Inputs::open(&files, cost, watch) {
        Ok(inputs) => inputs,
        Err(error) => return other_input(error, named),
    };
    // Before its ranges are gone through.
    if let Err(rejection) = checker::check_statement(certificate) {
        return Ok(Verdict::Rejected(rejection));
    }
    let verdict = inputs.guarded(watch, |watch| {
        let facts = facts(&inputs, certificate, watch)?;
        match inputs.problem(Goal { cost, power: certificate.problem.p, ..Goal::default() }) {
            Ok(problem) => Ok(checker::verify(certificate, &facts, problem.geometry(), executor)),
            Err(error @ Error::Data(_)) => other_input(error, named),
            Err(error) => Ok(Verdict::CannotCheck(error.to_string())),
        }
    })?;
    inputs.check_unchanged()?;
    Ok(verdict)
}

/// What the files hold in the ranges of a certificate; of version 1, which files they are.
fn facts(inputs: &Inputs, certificate: &Certificate, watch: &dyn Watch) -> Result<Facts, Error> {
    if certificate.schema == SCHEMA_1 {
        return Ok(certify::file_facts(&inputs.records(false, watch)?, inputs.dropped()));
    }
    let tables = inputs.tables();
    watch.begin("digest", tables.iter().map(|(_, table)| table.value_bytes()).sum());
    let mut found = Vec::new();
    for claim in &certificate.inputs {
        let Some((role, table)) = tables.iter().find(|(role, _)| *role == claim.role.name()) else { continue };
        let rows = claim.range(table.original_len());
        let (start, dim) = (rows.start, table.dim());
        let (dtype, blake3) = table.values_of(rows.clone(), watch)?;
        let files: Vec<_> = table.files_of(rows.clone()).map(|file| readable(&file.path)).collect();
        let name = match &files[..] {
            [] => (*role).to_owned(),
            [file] => file.to_string(),
            [first, .., last] => format!("{first} … {last}"),
        };
        let content = Content::Values { start, blake3 };
        found.push(Input { role: claim.role, name: Some(name), tensor: None, rows: rows.len(), dim, dtype, content });
    }
    Ok(Facts { inputs: found, dropped: certify::dropped_rows(inputs.dropped()) })
}

/// The name of the tensors that the certificate speaks of, if all have one name. If not, every file that it was made
/// from held but one to choose from.
fn only_tensor(certificate: &Certificate) -> Option<String> {
    let mut names = certificate.inputs.iter().filter_map(|input| input.tensor.as_ref());
    let first = names.next()?;
    names.all(|name| name == first).then(|| first.clone())
}

/// What to make of input that cannot be used. If the files are tables, but not those that the certificate was made from,
/// that is a verdict: those hold rows and entries that can be measured and, if it is the one who names a tensor, that
/// tensor.
fn other_input(error: Error, tensor_named: bool) -> Result<Verdict, Error> {
    use DataError::{BadEntry, BadRows, LargeCost, NegativeCost, Tensor};
    match error {
        Error::Data(BadRows { .. } | BadEntry { .. } | LargeCost { .. } | NegativeCost { .. }) => {}
        Error::Data(Tensor { .. }) if tensor_named => {}
        error => return Err(error),
    }
    Ok(Verdict::CannotCheck(format!("this is not the input that the certificate speaks of: {error}")))
}
