//! `kantor verify`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::{OsStringValueParser, TypedValueParser};
use kantor_theory::certificate::{Content, Input, Role};
use kantor_theory::constraints::ColumnRecord;
use kantor_theory::{Certificate, Executor, Objective, Power, Quality, Statement, TokenBudget, Verdict, sequential};
use serde_json::json;

use super::columns::{among, named_column};
use super::progress::{Detail, Progress};
use super::queries::unnamed;
use crate::certify;
use crate::constraints::in_words;
use crate::pipeline::{IDLE_TENSOR, InputSpec};
use crate::record::COLUMNS;
use crate::record::columns::distance_name;
use crate::represent::TextSpec;
use crate::source::cells::file_of;
use crate::source::whole::{self, Whole};
use crate::verify::{NamedColumn, verify};
use crate::view::escape::{OneLine, Text};
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
    /// Query rows, in any files that hold them; the files that the certificate names if left out. Names of tasks prove nothing
    #[arg(long, value_name = "[NAME=]FILE")]
    query: Vec<PathBuf>,
    /// The matrix, if the certificate was made from one; the file that it names if left out
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pool", "query"])]
    similarity: Option<PathBuf>,
    /// The file of a column that constraints or quality speak of, and the field of JSON lines: that of the column's name if left
    /// out; if there is no such flag, columns.jsonl of the certificate's result, else where it says that it was read from
    #[arg(long = "column", value_name = "NAME=FILE[:FIELD]", value_parser = OsStringValueParser::new().try_map(named_column))]
    columns: Vec<NamedColumn>,
    /// Folder or file of the model, if one made the rows of text: it must be the one that the certificate names by its digest
    #[arg(long, value_name = "DIR|FILE")]
    model: Option<PathBuf>,
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

/// How many directories above a certificate its result may begin: one for the size, the method and, in comparisons of
/// several, the cost.
const ABOVE: usize = 4;

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
            "tasks": problem.map(|of| &of.tasks).filter(|tasks| !tasks.is_empty()),
            "weighted": problem.map(|of| json!({"subset": of.weights.subset.is_some(), "query": of.weights.query.is_some()})),
            "constraints": problem.map(|of| in_words(&of.constraints)),
            "quality": problem.and_then(|of| of.quality.as_ref()).map(|of| json!({"column": of.column.name, "weight": of.weight})),
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
            let squared = problem.p == Power::Two || problem.objective.kernel().is_some();
            let less = problem.quality.as_ref().map_or_else(String::new, |Quality { weight, column }| {
                let squared = if squared { ", squared and" } else { "" };
                format!("{squared} less {weight} times the mean of `{}`,", column.name)
            });
            say(format_args!("{distance}{less} of the subset: {}", table::interval(proved.distance)))?;
            if let Some(best) = proved.best {
                let which = if constraints.is_empty() { "" } else { " that obeys them" };
                let size = if problem.tokens.is_some() { "so many tokens" } else { "that size" };
                say(format_args!("every subset of {size}{which}: at least {best}"))?;
            }
            if let Some(excess) = proved.excess().filter(|_| problem.quality.is_none()) {
                say(format_args!("the subset is at most {} above the best possible", table::percent_up(excess)))?;
            }
        }
        if let Some(reason) = verdict.reason() {
            say(&reason)?;
        }
        if let Verdict::CannotCheck(_) = verdict {
            say(spoken_of(&files, problem.into_iter().flat_map(Statement::columns)))?;
        }
    }
    Ok(match verdict {
        Verdict::Verified(_) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn check(arguments: &Arguments, certificate: &Certificate) -> Result<Verdict, Failure> {
    let of_certificate = || certificate.problem.columns().map(|column| column.name.as_str());
    let columns = arguments.columns.iter().map(|column| among(column.clone(), of_certificate()));
    let given: Vec<NamedColumn> = columns.collect();
    let named = |role: Role| {
        let of = certificate.inputs.iter().filter(move |input| input.role == role);
        of.filter_map(|input| input.name.as_ref()).map(PathBuf::from).collect::<Vec<_>>()
    };
    for (at, (name, _)) in given.iter().enumerate() {
        if given[..at].iter().any(|(other, _)| other == name) {
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
        query: match arguments.query.is_empty() {
            true if rows => named(Role::Query),
            _ => unnamed(&arguments.query),
        },
        similarity,
        tensor: arguments.tensor.clone(),
        text: arguments.model.clone().map_or_else(TextSpec::default, TextSpec::by_model),
        cast: arguments.cast,
        ..InputSpec::default()
    };
    let files = files.expanded()?;
    let names_rows = !arguments.pool.is_empty() || !arguments.query.is_empty() || arguments.similarity.is_some();
    if !names_rows && files.files().any(|(_, path)| !path.exists()) {
        tell(
            "kantor: note: files are looked for by the names in the certificate, from here: else give --pool and --query",
        );
    }
    let columns: Vec<NamedColumn> =
        given.iter().cloned().chain(looked_for(&arguments.certificate, &given, certificate)).collect();
    let is_there = |name: &str| columns.iter().any(|(of, place)| of == name && file_of(place).exists());
    let is_given = |name: &str| given.iter().any(|(of, _)| of == name);
    if certificate.problem.columns().any(|of| !is_given(&of.name) && !is_there(&of.name)) {
        tell(
            "kantor: note: columns are looked for where the certificate says that they were read from, and in the \
             columns.jsonl of its result: else give --column NAME=FILE",
        );
    }
    let progress = Progress::new(if arguments.json { Detail::Quiet } else { Detail::Normal }, signals::stop_flag());
    let executor: Executor<'_> = if arguments.threads == 1 { &sequential } else { &certify::in_parallel };
    let verdict = verify(certificate, &files, &columns, executor, &progress)?;
    if files.tensor_is_idle() {
        tell(format_args!("kantor: warning: {IDLE_TENSOR}"));
    }
    Ok(verdict)
}

/// Where columns that are not given may be: in the result which the certificate is a part of, else where they were read from.
fn looked_for(path: &Path, given: &[NamedColumn], certificate: &Certificate) -> impl Iterator<Item = NamedColumn> {
    let path = std::path::absolute(path).unwrap_or_default();
    let results = path.ancestors().skip(1).take(ABOVE).map(|above| above.join(COLUMNS));
    let results: Vec<PathBuf> = results.filter(|path| path.is_file()).collect();
    let is_given = |of: &&ColumnRecord| given.iter().any(|(name, _)| *name == of.name);
    let columns = certificate.problem.columns().filter(move |of| !is_given(of));
    columns.flat_map(move |ColumnRecord { name, origin, .. }| {
        let places = results.clone().into_iter().chain(origin.as_ref().map(PathBuf::from));
        places.map(|place| (name.clone(), place))
    })
}

/// The files that a certificate speaks of.
fn spoken_of<'a>(files: &[Input], columns: impl Iterator<Item = &'a ColumnRecord>) -> Text {
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

/// Tasks whose numbers of queries are listed.
const LISTED: usize = 12;

/// What the numbers are about: cost and power, sizes, and all that departs from equal weights and one task.
fn terms(Statement { cost, p, budget, pool, queries, weights, objective, tasks, tokens, .. }: &Statement) -> String {
    let of_one = match objective {
        Objective::W => format!("W_{}", u8::from(*p)),
        Objective::Energy => "energy distance".to_owned(),
        Objective::Mmd(kernel) => format!("discrepancy under the kernel {kernel}"),
        Objective::Tsds { diversity } => format!("TSDS's objective with diversity {diversity}"),
    };
    let measure = match &tasks[..] {
        [] => of_one,
        tasks => {
            let shown: Vec<String> = tasks.iter().take(LISTED).map(usize::to_string).collect();
            let more = if tasks.len() > LISTED { ", …" } else { "" };
            format!("the largest {of_one} to any of {} tasks of {}{more} queries", tasks.len(), shown.join(", "))
        }
    };
    let weighted = match (&weights.subset, &weights.query) {
        (None, None) => "",
        (Some(_), None) => "; the subset's rows are weighted",
        (None, Some(_)) => "; the queries are weighted",
        (Some(_), Some(_)) => "; the subset's rows and the queries are weighted",
    };
    let budget = match tokens {
        None => format!("budget {budget}"),
        Some(TokenBudget { column, min, max }) => {
            format!("budget {max} by `{}` and at least {min}, {budget}", OneLine(&column.name))
        }
    };
    format!("{measure} under cost {cost}, {budget} of {pool} rows, {queries} queries{weighted}")
}
