//! `kantor verify`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::{OsStringValueParser, TypedValueParser};
use kantor_theory::certificate::{Content, Input, Role};
use kantor_theory::constraints::ColumnRecord;
use kantor_theory::{Certificate, Executor, Objective, Statement, Verdict, sequential};
use serde_json::json;

use super::columns::named_column;
use super::progress::{Detail, Progress};
use crate::certify;
use crate::constraints::in_words;
use crate::pipeline::{IDLE_TENSOR, InputSpec};
use crate::record::COLUMNS;
use crate::record::columns::distance_name;
use crate::source::cells::split;
use crate::source::whole::{self, Whole};
use crate::verify::{NamedColumn, verify};
use crate::view::escape::Text;
use crate::view::table;
use crate::view::terminal::tell;

use super::failure::Failure;
use super::output::say;
use super::signals;
use super::threads;

/// Check a certificate against the files that it speaks of.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The certificate
    #[arg(value_name = "CERT")]
    certificate: PathBuf,
    /// Pool rows, as they were given when the certificate was made; the files that it names if left out
    #[arg(long, value_name = "FILE")]
    pool: Vec<PathBuf>,
    /// Query rows, in any files that hold them; the files that the certificate names if left out
    #[arg(long, value_name = "FILE")]
    query: Vec<PathBuf>,
    /// The matrix, if the certificate was made from one; the file that it names if left out
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pool", "query"])]
    similarity: Option<PathBuf>,
    /// The file of a column that the constraints speak of, and the field of JSON lines: that of the column's name if left
    /// out; where the certificate says that it was read from if there is no such flag
    #[arg(long = "column", value_name = "NAME=FILE[:FIELD]", value_parser = OsStringValueParser::new().try_map(named_column))]
    columns: Vec<NamedColumn>,
    /// Name of the tensor, where a file holds several; the one that the certificate names if left out
    #[arg(long, value_name = "NAME")]
    tensor: Option<String>,
    /// Read integers as numbers
    #[arg(long)]
    cast: bool,
    /// Worker threads; the verdict does not depend on it
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = threads::number)]
    threads: usize,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// How many directories above a certificate its result may begin.
const ABOVE: usize = 3;

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    signals::end_at_once();
    threads::start(arguments.threads)?;
    let bytes = whole::read(&arguments.certificate, Whole::Certificate)?;
    let (verdict, problem, files) = match Certificate::parse(&bytes) {
        Ok(certificate) => (check(arguments, &certificate)?, Some(certificate.problem), certificate.inputs),
        Err(rejection) => (Verdict::Rejected(rejection), None, Vec::new()),
    };
    let problem = problem.as_ref();
    let proved = verdict.proved().unwrap_or_default();
    if arguments.json {
        say(json!({
            "schema": "kantor/verify/1",
            "verdict": verdict.name(),
            "lower": proved.distance.lower,
            "upper": proved.distance.upper,
            "best": proved.best,
            "objective": problem.map(|of| of.objective.name()),
            "kernel": problem.and_then(|of| of.objective.kernel()),
            "diversity": problem.and_then(|of| of.objective.diversity()),
            "cost": problem.map(|of| of.cost),
            "p": problem.map(|of| of.p),
            "budget": problem.map(|of| of.budget),
            "pool": problem.map(|of| of.pool),
            "queries": problem.map(|of| of.queries),
            "weighted": problem.map(|of| json!({"subset": of.weights.subset.is_some(), "query": of.weights.query.is_some()})),
            "constraints": problem.map(|of| in_words(&of.constraints)),
            "reason": verdict.reason(),
        }))?;
    } else {
        say(verdict.name())?;
        if let Some(problem) = problem.filter(|_| verdict.proved().is_some()) {
            say(terms(problem))?;
            let constraints = in_words(&problem.constraints);
            if !constraints.is_empty() {
                say(format_args!("constraints: {}", constraints.join("; ")))?;
            }
            let distance = distance_name(problem.objective);
            say(format_args!("{distance} of the subset: {}", table::interval(proved.distance)))?;
            if let Some(best) = proved.best {
                let which = if constraints.is_empty() { "" } else { " that obeys them" };
                say(format_args!("every subset of that size{which}: at least {best}"))?;
            }
            if let Some(excess) = proved.excess() {
                say(format_args!("the subset is at most {} above the best possible", table::percent_up(excess)))?;
            }
        }
        if let Some(reason) = verdict.reason() {
            say(&reason)?;
        }
        if let Verdict::CannotCheck(_) = verdict {
            say(spoken_of(&files, problem.map_or(&[], |of| &of.constraints.columns)))?;
        }
    }
    Ok(match verdict {
        Verdict::Verified(_) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn check(arguments: &Arguments, certificate: &Certificate) -> Result<Verdict, Failure> {
    let named = |role: Role| {
        let of = certificate.inputs.iter().filter(move |input| input.role == role);
        of.filter_map(|input| input.name.as_ref()).map(PathBuf::from).collect::<Vec<_>>()
    };
    for (at, (name, _)) in arguments.columns.iter().enumerate() {
        if arguments.columns[..at].iter().any(|(other, _)| other == name) {
            return Err(Failure::Usage(format!("--column {name} is given twice: name one file for each column")));
        }
    }
    // A matrix stands for both.
    let rows = arguments.similarity.is_none();
    let similarity = arguments.similarity.clone().or_else(|| {
        let given = !arguments.pool.is_empty() || !arguments.query.is_empty();
        if given { None } else { named(Role::Similarity).pop() }
    });
    let files = InputSpec {
        pool: if rows && arguments.pool.is_empty() { named(Role::Pool) } else { arguments.pool.clone() },
        query: if rows && arguments.query.is_empty() { named(Role::Query) } else { arguments.query.clone() },
        similarity,
        tensor: arguments.tensor.clone(),
        cast: arguments.cast,
        ..InputSpec::default()
    };
    let files = files.expanded()?;
    let given = !arguments.pool.is_empty() || !arguments.query.is_empty() || arguments.similarity.is_some();
    if !given && files.files().any(|(_, path)| !path.exists()) {
        tell(
            "kantor: note: files are looked for by the names in the certificate, from here: else give --pool and --query",
        );
    }
    let columns: Vec<NamedColumn> = arguments.columns.iter().cloned().chain(beside(arguments, certificate)).collect();
    let mut elsewhere = certificate.problem.constraints.columns.iter().filter(|of| !is_named(&columns, &of.name));
    if elsewhere.any(|of| !is_there(of)) {
        tell(
            "kantor: note: columns are looked for where the certificate says that they were read from, and in the \
             columns.jsonl of its result: else give --column NAME=FILE",
        );
    }
    let progress = Progress::new(if arguments.json { Detail::Quiet } else { Detail::Normal }, signals::stop_flag());
    let executor: Executor<'_> = if arguments.threads == 1 { &sequential } else { &certify::in_parallel };
    let columns: Vec<NamedColumn> = arguments.columns.iter().cloned().chain(beside(arguments, certificate)).collect();
    let verdict = verify(certificate, &files, &columns, executor, &progress)?;
    if files.tensor_is_idle() {
        tell(format_args!("kantor: warning: {IDLE_TENSOR}"));
    }
    Ok(verdict)
}

/// Columns that are in the result which the certificate is a part of, where they are not given and not where they were read
/// from.
fn beside(arguments: &Arguments, certificate: &Certificate) -> impl Iterator<Item = NamedColumn> {
    let path = std::path::absolute(&arguments.certificate).unwrap_or_default();
    let mut results = path.ancestors().skip(1).take(ABOVE).map(|above| above.join(COLUMNS));
    let found = results.find(|path| path.is_file());
    let missing = |of: &&ColumnRecord| !is_named(&arguments.columns, &of.name) && !is_there(of);
    let columns = certificate.problem.constraints.columns.iter().filter(missing);
    columns.filter_map(move |of| Some((of.name.clone(), found.clone()?)))
}

fn is_named(columns: &[NamedColumn], name: &str) -> bool {
    columns.iter().any(|(of, _)| of == name)
}

/// Whether there is a file where a column was read from.
fn is_there(of: &ColumnRecord) -> bool {
    of.origin.as_ref().is_some_and(|origin| split(Path::new(origin)).0.exists())
}

/// The files that a certificate speaks of.
fn spoken_of(files: &[Input], columns: &[ColumnRecord]) -> Text {
    let mut text = Text::default();
    text.push("the certificate speaks of");
    for Input { role, name, rows, dim, content, .. } in files {
        let (at, digest, of_what) = match content {
            Content::File { sha256 } => (0, sha256, "SHA-256"),
            Content::Values { start, blake3 } => (*start, blake3, "BLAKE3 of the values"),
        };
        let name = name.as_deref().unwrap_or("(in memory)");
        let from = if at > 0 { format!(" from row {at} on") } else { String::new() };
        let digest: String = digest.chars().take(12).collect();
        text.push(format_args!("  --{} {name}: {rows} rows{from}, {dim} columns, {of_what} {digest}…", role.name()));
    }
    for ColumnRecord { name, blake3, origin } in columns {
        let origin = origin.as_deref().unwrap_or("(columns.jsonl of the result)");
        let digest: String = blake3.chars().take(12).collect();
        text.push(format_args!("  --column {name}={origin}: BLAKE3 of the values {digest}…"));
    }
    text
}

/// What the numbers are about: cost and power, sizes, and all that departs from equal weights.
fn terms(Statement { cost, p, budget, pool, queries, weights, objective, .. }: &Statement) -> String {
    let measure = match objective {
        Objective::W => format!("W_{}", u8::from(*p)),
        Objective::Energy => "energy distance".to_owned(),
        Objective::Mmd(kernel) => format!("discrepancy under the kernel {kernel}"),
        Objective::Tsds { diversity } => format!("TSDS's objective with diversity {diversity}"),
    };
    let weighted = match (&weights.subset, &weights.query) {
        (None, None) => "",
        (Some(_), None) => "; the subset's rows are weighted",
        (None, Some(_)) => "; the queries are weighted",
        (Some(_), Some(_)) => "; the subset's rows and the queries are weighted",
    };
    format!("{measure} under cost {cost}, budget {budget} of {pool} rows, {queries} queries{weighted}")
}
