//! What rows are, in the words of certificates: of files as their records tell, of rows in memory by a pass over them.

use std::ops::Range;

use half::{bf16, f16};
use kantor_theory::certificate::{Content, Dropped, Input, Role};
use kantor_theory::constraints::{Column, ColumnRecord};
use kantor_theory::{Certificate, Element, Facts, Rejection, Rows, checker};
use rayon::prelude::*;

use crate::problem::Problem;
use crate::source::name::readable;
use crate::source::{DroppedRecord, InputRecord};

/// Numbers that one task makes bytes of.
const STEP: usize = 1 << 17;

/// The facts of files that a certificate binds itself to: one range for each file, of records with digests of values.
pub fn facts(records: &[InputRecord], dropped: &[DroppedRecord]) -> Facts {
    let mut next = (None, 0);
    let content = |role: Role, record: &InputRecord| {
        let start = if next.0 == Some(role) { next.1 } else { 0 };
        next = (Some(role), start + record.rows);
        Some(Content::Values { start, blake3: record.blake3.clone()? })
    };
    facts_by(records, dropped, content)
}

/// The same of the files themselves, which certificates of version 1 speak of.
pub(crate) fn file_facts(records: &[InputRecord], dropped: &[DroppedRecord]) -> Facts {
    facts_by(records, dropped, |_, record| Some(Content::File { sha256: record.sha256.clone() }))
}

fn facts_by(
    records: &[InputRecord],
    dropped: &[DroppedRecord],
    mut content: impl FnMut(Role, &InputRecord) -> Option<Content>,
) -> Facts {
    let input = |record: &InputRecord| {
        let role = Role::named(&record.role)?;
        Some(Input {
            role,
            name: Some(readable(&record.path).into_owned()),
            tensor: record.tensor.clone(),
            rows: record.rows,
            dim: record.columns?,
            dtype: record.dtype.clone()?.into_owned(),
            content: content(role, record)?,
        })
    };
    Facts { inputs: records.iter().filter_map(input).collect(), dropped: dropped_rows(dropped), ..Facts::default() }
}

/// What identifies a column of constraints: the digest of its values.
pub fn column_record(name: &str, column: &Column) -> ColumnRecord {
    let mut values = blake3::Hasher::new();
    column.encode(|bytes| _ = values.update(bytes));
    ColumnRecord { name: name.to_owned(), blake3: values.finalize().to_string(), origin: None }
}

/// The rows of the two sides that were left out.
pub(crate) fn dropped_rows(dropped: &[DroppedRecord]) -> Dropped {
    let rows = |side: &str| dropped.iter().filter(|record| record.role == side).map(|record| record.row.row).collect();
    Dropped { pool: rows("pool"), query: rows("query") }
}

/// The facts of the rows of a problem, none of them left out, that a certificate binds itself to: those of the same rows in files,
/// but for names. One range for all rows that are stored in one number type.
///
/// ```
/// use kantor::prelude::*;
/// use kantor::certify::{facts_for, facts_of};
/// use kantor::theory::{sequential, verify};
/// let (pool, query) = (ndarray::array![[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], ndarray::array![[0.9, 0.1]]);
/// let (pool, query) = (ArrayRows::new(pool.view()), ArrayRows::new(query.view()));
/// let problem = Problem::new(&pool, &query, Goal { budgets: vec![1], ..Goal::default() })?;
/// let outcome = choose(&problem, &Request::default(), &Quiet)?;
/// let certified = outcome.chosen[0].selections[0].certified.as_ref().ok_or("nothing was certified")?;
///
/// let certificate = certified.certificate(&facts_of(&problem), Some("round-robin"))?;
/// let verdict = verify(&certificate, &facts_for(&certificate, &problem)?, problem.geometry(), &sequential);
/// assert_eq!(verdict.name(), "verified");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub fn facts_of(problem: &Problem<'_>) -> Facts {
    let inputs = problem.tables().into_iter().flat_map(|(role, rows)| {
        let runs = runs(rows, 0..rows.len()).into_iter();
        runs.map(move |(range, _)| described(role, rows, range))
    });
    Facts { inputs: inputs.collect(), ..Facts::default() }
}

/// What [`verify`](kantor_theory::verify) must know to check a certificate against the rows of a problem.
///
/// # Errors
/// If the certificate breaks a rule that needs no rows.
pub fn facts_for(certificate: &Certificate, problem: &Problem<'_>) -> Result<Facts, Rejection> {
    checker::check_statement(certificate)?;
    let tables = problem.tables();
    let found = |claim: &Input| {
        let (role, rows) = tables.iter().find(|(role, _)| *role == claim.role)?;
        Some(described(*role, *rows, claim.range(rows.len())))
    };
    let inputs = certificate.inputs.iter().filter_map(found).collect();
    Ok(Facts { inputs, ..Facts::default() })
}

/// Some rows of a table in memory. The number type is empty if it is not the same for all of them.
fn described(role: Role, rows: &dyn Rows, range: Range<usize>) -> Input {
    let mut values = blake3::Hasher::new();
    let runs = runs(rows, range.clone());
    for (run, element) in &runs {
        digest(rows, run.clone(), *element, &mut values);
    }
    let dtype = match &runs[..] {
        [(_, element)] => element.name().to_owned(),
        _ => String::new(),
    };
    let content = Content::Values { start: range.start, blake3: values.finalize().to_string() };
    Input { role, name: None, tensor: None, rows: range.len(), dim: rows.dim(), dtype, content }
}

/// The longest ranges of rows that are stored in one number type.
fn runs(rows: &dyn Rows, range: Range<usize>) -> Vec<(Range<usize>, Element)> {
    let mut runs: Vec<(Range<usize>, Element)> = Vec::new();
    for row in range {
        let element = rows.element_of(row);
        match runs.last_mut() {
            Some((run, same)) if *same == element => run.end = row + 1,
            _ => runs.push((row..row + 1, element)),
        }
    }
    runs
}

/// Adds rows that are stored as `element`, several blocks at a time.
fn digest(rows: &dyn Rows, range: Range<usize>, element: Element, values: &mut blake3::Hasher) {
    let dim = rows.dim();
    // Several whole rows, or a part of one.
    let (lines, width) = ((STEP / dim.max(1)).max(1), dim.clamp(1, STEP));
    let parts = |first: usize| (0..dim).step_by(width).map(move |from| (first, from..(from + width).min(dim)));
    let blocks: Vec<_> = range.clone().step_by(lines).flat_map(parts).collect();
    let bytes = |(first, columns): &(usize, Range<usize>)| {
        let mut numbers = vec![0.0; columns.len() * lines.min(range.end - first)];
        rows.read(*first, columns.clone(), &mut numbers);
        stored(&numbers, element)
    };
    for blocks in blocks.chunks(rayon::current_num_threads()) {
        let blocks: Vec<Vec<u8>> = blocks.par_iter().map(bytes).collect();
        blocks.iter().for_each(|bytes| _ = values.update(bytes));
    }
}

/// Numbers that are exact in a type, as this type has them, the least significant byte first.
fn stored(numbers: &[f64], element: Element) -> Vec<u8> {
    match element {
        Element::F16 => numbers.iter().flat_map(|&x| f16::from_f64(x).to_le_bytes()).collect(),
        Element::BF16 => numbers.iter().flat_map(|&x| bf16::from_f64(x).to_le_bytes()).collect(),
        Element::F32 => numbers.iter().flat_map(|&x| (x as f32).to_le_bytes()).collect(),
        Element::F64 => numbers.iter().flat_map(|&x| x.to_le_bytes()).collect(),
    }
}
