//! Checks a certificate against files that hold its rows.
//!
//! What the certificate says of its input decides how the files are opened and which ranges of rows are digested, never
//! what is found in them: which rows are bad, what the digests are and which tensor was read is found out here, and
//! compared.

use std::path::PathBuf;

use kantor_solvers::Watch;
use kantor_theory::bounds::Executor;
use kantor_theory::certificate::{Content, Input, Role, SCHEMA_1};
use kantor_theory::constraints::{ColumnRecord, Constraints, Counted};
use kantor_theory::{Certificate, Column, Facts, Rows, Verdict, checker};

use crate::certify;
use crate::pipeline::{Error, InputSpec, Inputs};
use crate::problem::Goal;
use crate::represent::{ModelKind, ModelSpec, TextSpec};
use crate::source::column::{ColumnKind, ReadColumn};
use crate::source::name::readable;
use crate::source::{Allowance, DataError, OnBadRow};

/// A column of constraints or quality by its name, and the file that it is in: `FILE`, or `FILE:FIELD` for JSON lines.
pub type NamedColumn = (String, PathBuf);

/// Checks `certificate` against these files; a column that is not among `columns` is looked for where the certificate says
/// that it was read from. Of several files of one column that counts which has the values meant. A tensor that they do not name is the one that the certificate names (which
/// is but a hint where rows are known by value), and rows that cannot be measured are left out if the certificate leaves
/// any out.
///
/// # Errors
/// If a file cannot be read or is no table, or changes meanwhile. Files that the certificate does not speak of are no
/// error but a verdict.
pub fn verify(
    certificate: &Certificate,
    files: &InputSpec,
    columns: &[NamedColumn],
    executor: Executor<'_>,
    watch: &dyn Watch,
) -> Result<Verdict, Error> {
    let drops = !certificate.dropped.pool.is_empty() || !certificate.dropped.query.is_empty();
    let named = files.tensor.is_none() && certificate.inputs.iter().any(|input| input.tensor.is_some());
    let text = match text_of(certificate, files) {
        Ok(text) => text,
        Err(reason) => return Ok(Verdict::CannotCheck(reason)),
    };
    let files = InputSpec {
        tensor: files.tensor.clone().or_else(|| only_tensor(certificate)),
        text,
        // Rows are made again.
        cache: None,
        // What was proved of rows is true whoever made them.
        mixed_models: true,
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
    let columns = match read_columns(certificate, columns, &inputs, files.memory, watch)? {
        Ok(columns) => columns,
        Err(reason) => return Ok(Verdict::CannotCheck(reason)),
    };
    let verdict = inputs.guarded(watch, |watch| {
        let mut facts = facts(&inputs, certificate, watch)?;
        for (name, ReadColumn { column, .. }) in &columns {
            facts.column_records.push(certify::column_record(name, column));
            facts.columns.push(column.clone());
        }
        match inputs.problem(Goal { cost, power: certificate.problem.p, ..Goal::default() }) {
            Ok(problem) => Ok(checker::verify(certificate, &facts, problem.geometry(), executor)),
            Err(error @ Error::Data(_)) => other_input(error, named),
            Err(error) => Ok(Verdict::CannotCheck(error.to_string())),
        }
    })?;
    inputs.check_unchanged()?;
    columns.iter().try_for_each(|(_, column)| column.check_unchanged())?;
    Ok(verdict)
}

/// Columns with their names; or why one of them is not known.
type Columns<'a> = Result<Vec<(&'a str, ReadColumn)>, String>;

/// The columns of which a certificate speaks: those of its constraints, then that of lengths and that of quality.
fn read_columns<'a>(
    certificate: &'a Certificate,
    given: &[NamedColumn],
    inputs: &Inputs,
    memory: Option<u64>,
    watch: &dyn Watch,
) -> Result<Columns<'a>, Error> {
    let Constraints { columns, limits, .. } = &certificate.problem.constraints;
    let is_spoken_of = |name: &str| certificate.problem.columns().any(|column| column.name == name);
    if let Some((name, _)) = given.iter().find(|(name, _)| !is_spoken_of(name)) {
        return Ok(Err(format!("the certificate speaks of no column `{name}`")));
    }
    let allowance = memory.map_or_else(Allowance::unlimited, Allowance::new);
    let mut found = Vec::new();
    for (at, ColumnRecord { name, origin, blake3 }) in certificate.problem.columns().enumerate() {
        let named = given.iter().filter(|(of, _)| of == name).map(|(_, file)| file.clone());
        let mut places: Vec<PathBuf> = named.collect();
        if places.is_empty() {
            places.extend(origin.as_ref().map(PathBuf::from));
        }
        let adds_up = limits.iter().any(|limit| limit.column == at && limit.of == Counted::Sum);
        let kind = match at < columns.len() {
            true if adds_up => ColumnKind::Numbers,
            true => ColumnKind::Labels,
            false if at == columns.len() && certificate.problem.tokens.is_some() => ColumnKind::Numbers,
            false => ColumnKind::Scores,
        };
        let rows = inputs.original_pool_len();
        let read = |place: &PathBuf| ReadColumn::read(name, place, kind, rows, &allowance, watch);
        let Some(read) =
            first_meant(places.iter().map(read), |column| certify::column_record(name, column).blake3 == *blake3)
        else {
            return Ok(Err(format!("the certificate does not say where column `{name}` was read from: name its file")));
        };
        match read {
            Ok(column) => found.push((name.as_str(), column)),
            // A column of labels is none of numbers, and one of another pool has other lines.
            Err(error @ DataError::Line { .. }) => {
                let fault = format!("this is not the column `{name}` that the certificate speaks of: {error}");
                return Ok(Err(fault));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Ok(found))
}

/// The first of these that is meant; if none is, the first that could be read, else the first fault.
fn first_meant(
    places: impl Iterator<Item = Result<ReadColumn, DataError>>,
    is_meant: impl Fn(&Column) -> bool,
) -> Option<Result<ReadColumn, DataError>> {
    let mut first: Option<Result<ReadColumn, DataError>> = None;
    for read in places {
        match (&read, &first) {
            (Err(DataError::Stopped(_)), _) => return Some(read),
            (Ok(found), _) if is_meant(&found.column) => return Some(read),
            (_, None) | (Ok(_), Some(Err(_))) => first = Some(read),
            _ => {}
        }
    }
    first
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
    Ok(Facts { inputs: found, dropped: certify::dropped_rows(inputs.dropped()), ..Facts::default() })
}

/// How rows are made of text as the certificate says, if it does, by the model that `files` name; or what is wrong with that.
fn text_of(certificate: &Certificate, files: &InputSpec) -> Result<TextSpec, String> {
    let of = |role: Role| certificate.inputs.iter().find(|input| input.role == role);
    let named = of(Role::Pool).and_then(|pool| {
        let query = of(Role::Query).and_then(|query| query.tensor.as_deref());
        let name = pool.tensor.as_deref()?;
        TextSpec::named(name, query.unwrap_or(name), pool.dim)
    });
    let given = files.text.model();
    let is_by_model = named.as_ref().is_some_and(|text| text.model().is_some());
    if given.is_some() && !is_by_model {
        return Err("the certificate speaks of no rows that a model made of text: leave out --model".to_owned());
    }
    let Some(mut text) = named else { return Ok(files.text.clone()) };
    if let Some(model) = text.model_mut() {
        match given {
            Some(ModelSpec { path, files, .. }) => (model.path, model.files) = (path.clone(), files.clone()),
            // Rows that a model made may be given as vectors.
            None if !files.holds_text() => return Ok(files.text.clone()),
            None => {
                let (kind, sha256) =
                    (model.kind.map_or("", ModelKind::name), model.sha256.as_deref().unwrap_or_default());
                return Err(format!(
                    "the certificate speaks of rows that a model made of text ({kind}, SHA-256 {sha256}): give its folder or file with \
                     --model, or files of its rows as --pool and --query"
                ));
            }
        }
    }
    Ok(text)
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
    use DataError::{BadEntry, BadRows, Column, LargeCost, NegativeCost, OtherModel, Tensor};
    match &error {
        Error::Data(BadRows { .. } | BadEntry { .. } | LargeCost { .. } | NegativeCost { .. } | OtherModel { .. }) => {}
        Error::Data(Tensor { .. } | Column { .. }) if tensor_named => {}
        _ => return Err(error),
    }
    let error = if let Error::Data(error) = error { Error::Data(error.never_dropped()) } else { error };
    Ok(Verdict::CannotCheck(format!("this is not the input that the certificate speaks of: {error}")))
}
