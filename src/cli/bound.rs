//! `kantor bound`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kantor_theory::generalization::{Assumption, Kind, LossObjective};
use kantor_theory::{Interval, Rows};
use serde_json::{Value, json};

use super::progress::Progress;
use crate::bound::{BoundTerms, GradientTerms, Line, Losses, Report, Says, Subject, UnseenQueries, bounds};
use crate::output::MANIFEST;
use crate::pipeline::{InputSpec, Inputs, QUERY};
use crate::probe;
use crate::problem::Goal;
use crate::record::Manifest;
use crate::source::list::read_list;
use crate::source::name::readable;
use crate::source::{Allowance, DataError, FileDigests, InputRecord, OnBadRow, OpenOptions, Representation, overlap};
use crate::view::escape::Text;
use crate::view::table;

use crate::view::terminal::tell;

use super::args::{InputArguments, RunArguments};
use super::caching::CacheArguments;
use super::count::repeats;
use super::failure::Failure;
use super::output::{doubt, doubt_list, say};
use super::signals;

/// What the distance of a subset implies for losses, with which assumptions, and when it implies nothing.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    input: InputArguments,
    /// Rows of the subset: selection.jsonl or indices.npy of a selection, or text with one row number a line
    #[arg(long, value_name = "FILE")]
    subset: PathBuf,
    /// Queries that had no part in the selection
    #[arg(long, value_name = "FILE")]
    heldout_query: Option<PathBuf>,
    #[command(flatten)]
    losses: LossArguments,
    #[command(flatten)]
    constants: ConstantArguments,
    #[command(flatten)]
    gradients: GradientArguments,
    /// Entropy ε in units of the metric, for what entropic transport proves [default: 0.05 of the mean distance]
    #[arg(long, value_name = "E", value_parser = positive)]
    epsilon: Option<f64>,
    /// Random half-splits of the queries
    #[arg(long, help_heading = "Resampling", value_name = "COUNT", default_value_t = 10, value_parser = repeats)]
    splits: usize,
    /// Random subsets of the same size
    #[arg(long, help_heading = "Resampling", value_name = "COUNT", default_value_t = 19, value_parser = repeats)]
    references: usize,
    /// Seed of splits and subsets
    #[arg(long, help_heading = "Resampling", default_value_t = 0)]
    seed: u64,
    /// Print every bound with its assumptions, not only what they come to
    #[arg(long, help_heading = "Running")]
    all: bool,
    #[command(flatten)]
    cache: CacheArguments,
    #[command(flatten)]
    run: RunArguments,
}

/// Losses of one trained model.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Losses of one trained model")]
struct LossArguments {
    /// One loss per subset row, in its order, or one per pool row
    #[arg(long, value_name = "FILE")]
    losses: Option<PathBuf>,
    /// One loss per query, dropped ones included
    #[arg(long, value_name = "FILE")]
    query_losses: Option<PathBuf>,
    /// One loss per held-out query, dropped ones included
    #[arg(long, value_name = "FILE", requires = "heldout_query")]
    heldout_losses: Option<PathBuf>,
}

/// What is known in advance.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Constants; none is invented")]
struct ConstantArguments {
    /// Lipschitz constant of the loss in the metric
    #[arg(long, value_name = "L", value_parser = not_negative)]
    lipschitz: Option<f64>,
    /// Losses lie in [0, B]
    #[arg(long, value_name = "B", value_parser = positive)]
    range: Option<f64>,
    /// Diameter of the space, fixed in advance; known for directions
    #[arg(long, value_name = "D", value_parser = positive)]
    diameter: Option<f64>,
    /// Probability with which a statement about fresh queries may fail
    #[arg(long, default_value_t = 0.05, value_parser = probability)]
    delta: f64,
    /// The loss is (1 − p^α)/α of the right answer's probability p; 0 is −ln p. Sets B = 1/α
    #[arg(long, value_name = "A", value_parser = not_negative)]
    alpha: Option<f64>,
    /// Lipschitz constant of row ↦ logits, from which L follows with --alpha
    #[arg(long, value_name = "X", value_parser = not_negative, requires = "alpha", conflicts_with = "lipschitz")]
    logit_lipschitz: Option<f64>,
}

/// Rows that are gradients.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Gradients")]
struct GradientArguments {
    /// The rows are raw gradients of the loss
    #[arg(long)]
    gradients: bool,
    /// How far training moved the parameters
    #[arg(long, value_name = "X", value_parser = not_negative, requires = "gradients")]
    step: Option<f64>,
    /// Smoothness β of the loss in the parameters
    #[arg(long, value_name = "X", value_parser = not_negative, requires = "gradients")]
    smoothness: Option<f64>,
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|x: &f64| x.is_finite()).ok_or_else(|| "give a finite number".to_owned())
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(text).and_then(|x| if x >= 0.0 { Ok(x) } else { Err("must not be negative".to_owned()) })
}

fn positive(text: &str) -> Result<f64, String> {
    number(text).and_then(|x| if x > 0.0 { Ok(x) } else { Err("must be above 0".to_owned()) })
}

fn probability(text: &str) -> Result<f64, String> {
    number(text).and_then(|x| if x > 0.0 && x < 1.0 { Ok(x) } else { Err("must lie between 0 and 1".to_owned()) })
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    arguments.run.apply()?;
    let progress = Progress::new(arguments.run.detail(), signals::stop_flag());
    let (input, constants) = (&arguments.input, &arguments.constants);
    let spec = InputSpec { cache: arguments.cache.folder(), ..input.spec(&arguments.run)? };
    let inputs = Inputs::open(&spec, input.cost, &progress)?;
    doubt(&inputs, &arguments.run);
    let Some((pool, query)) = inputs.points() else {
        let why = "bounds need distances between all rows: give --pool and --query, not --similarity";
        return Err(Failure::Usage(why.to_owned()));
    };
    let subset = inputs.subset_rows(&arguments.subset, &progress)?;
    doubt_list(&inputs, &arguments.subset, &arguments.run, &progress)?;
    if inputs.subset_lengths(&arguments.subset, &progress)?.is_some() && !arguments.run.quiet {
        tell(
            "kantor: warning: the rows were chosen for a budget in tokens, and these bounds weigh all rows alike: `kantor distance` \
             weighs them by their tokens",
        );
    }
    let held_out = arguments.heldout_query.as_deref().map(|path| open_held_out(arguments, path, pool, &progress));
    let held_out = held_out.transpose()?;
    if let Some(rows) = &held_out {
        inputs.check_alike(rows, QUERY)?;
    }
    let shared = match (&held_out, &arguments.heldout_query) {
        (Some(rows), Some(_)) if took_part(&arguments.subset, rows, &progress)? => rows.len(),
        (Some(rows), _) => overlap(query, rows, &progress).map_err(DataError::from)?.len(),
        _ => 0,
    };
    let losses = read_losses(arguments, &inputs, &subset, query, held_out.as_ref())?;
    let numbers = |rows: &Representation| (0..rows.len()).map(|row| rows.original_row(row)).collect::<Vec<_>>();
    let (query_numbers, held_out_numbers) = (numbers(query), held_out.as_ref().map_or_else(Vec::new, numbers));
    let subset_numbers: Vec<usize> = subset.iter().map(|&row| inputs.original_row(row)).collect();
    let terms = BoundTerms {
        lipschitz: constants.lipschitz,
        range: constants.range,
        diameter: constants.diameter,
        delta: constants.delta,
        objective: constants.alpha.and_then(LossObjective::new),
        logit_lipschitz: constants.logit_lipschitz,
        epsilon: arguments.epsilon,
        gradients: (arguments.gradients.gradients)
            .then_some(GradientTerms { step: arguments.gradients.step, smoothness: arguments.gradients.smoothness }),
        seed: arguments.seed,
        splits: arguments.splits,
        references: arguments.references,
        memory: arguments.run.max_memory.or_else(probe::available_memory).unwrap_or(u64::MAX),
    };
    let found = inputs.guarded(&progress, |watch| {
        let subject = Subject {
            problem: &inputs.problem(Goal { cost: input.cost, ..Goal::default() })?,
            query_numbers: &query_numbers,
            subset: &subset,
            subset_numbers: &subset_numbers,
            held_out: held_out.as_ref().map(|rows| UnseenQueries { rows, numbers: &held_out_numbers, shared }),
            losses: &losses,
        };
        bounds(&subject, &terms, watch)
    });
    let report = found.or_else(|error| {
        held_out.as_ref().map_or(Ok(()), Representation::check_content)?;
        Err(error)
    })?;
    drop(progress);
    inputs.check_unchanged()?;
    held_out.as_ref().map_or(Ok(()), Representation::check_unchanged)?;
    if arguments.run.json {
        let results: Vec<Value> = report.lines.iter().map(Line::to_json).collect();
        say(json!({
            "schema": "kantor/bound/1",
            "cost": report.cost,
            "distance": report.by_cost,
            "sentences": report.sentences(subset.len(), query.len()),
            "metric": report.metric.name(),
            "diameter": report.diameter,
            "subset": subset.len(),
            "queries": query.len(),
            "results": results,
        }))?;
    } else {
        for sentence in report.sentences(subset.len(), query.len()) {
            say(table::paragraph(&sentence, 0, WIDTH))?;
        }
        if arguments.all {
            say("")?;
            print(&report, subset.len(), query.len())?;
        } else {
            say("every bound, with what it assumes and where it says nothing: --all")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Letters of a line of the sentences.
const WIDTH: usize = 110;

fn open_held_out(
    arguments: &Arguments,
    path: &Path,
    pool: &Representation,
    progress: &Progress,
) -> Result<Representation, Failure> {
    let input = &arguments.input;
    let files = &input.files;
    let options = OpenOptions { tensor: files.tensor.clone(), cast: files.cast, ..OpenOptions::default() };
    let allowance = Allowance::new(arguments.run.max_memory.or_else(probe::available_memory).unwrap_or(u64::MAX));
    let mut rows = Representation::open_within(&[path.to_owned()], &options, &allowance)?;
    rows.check_same_dim(pool)?;
    let on_bad = if files.on_bad_row == "drop" { OnBadRow::Drop } else { OnBadRow::Error };
    rows.validate(input.cost.family(), on_bad, progress)?;
    Ok(rows)
}

/// Whether the subset lies in a result of `kantor select` that was chosen for this very file of queries, or for the same
/// rows in another file.
fn took_part(subset: &Path, held_out: &Representation, progress: &Progress) -> Result<bool, Failure> {
    let path = subset.ancestors().skip(1).take(3).map(|dir| dir.join(MANIFEST)).find(|path| path.is_file());
    let Some(path) = path else { return Ok(false) };
    let manifest = match Manifest::read(&path) {
        Ok(Some(manifest)) => manifest,
        // Other programs have manifests too.
        Ok(None) => return Ok(false),
        Err(DataError::Malformed { file, fault, .. }) => {
            let remedy =
                "whether the held-out queries took part cannot be told: select again, or copy the subset elsewhere";
            return Err(DataError::Malformed { file, fault, remedy: remedy.to_owned() }.into());
        }
        Err(error) => return Err(error.into()),
    };
    let digests = held_out.digests_with_values(progress)?;
    let same = |record: &InputRecord, held_out: &FileDigests| {
        record.sha256 == held_out.sha256 || record.blake3.as_ref() == Some(&held_out.blake3)
    };
    // Queries, and rows that kept others out.
    let mut rows = manifest.inputs.iter().filter(|record| matches!(&*record.role, "query" | "exclude-near"));
    Ok(rows.any(|record| digests.iter().any(|held_out| same(record, held_out))))
}

fn read_losses(
    arguments: &Arguments,
    inputs: &Inputs,
    subset: &[usize],
    queries: &Representation,
    held_out: Option<&Representation>,
) -> Result<Losses, Failure> {
    let read = |path: &Option<PathBuf>, expected: &[usize], what: &str| -> Result<Option<Vec<f64>>, Failure> {
        let Some(path) = path else { return Ok(None) };
        let losses = read_list(path, expected.iter().copied().max().unwrap_or_default())?;
        if !expected.contains(&losses.len()) {
            let counts: Vec<String> = expected.iter().map(usize::to_string).collect();
            let (found, counts) = (losses.len(), counts.join(" or "));
            let message = format!("{}: holds {found} losses, not {counts}; give one per {what}", readable(path));
            return Err(Failure::BadInput(message));
        }
        match losses.iter().position(|loss| !loss.is_finite()) {
            Some(at) => {
                let message = format!("{}: loss {at} is {}; losses must be finite", readable(path), losses[at]);
                Err(Failure::BadInput(message))
            }
            None => Ok(Some(losses)),
        }
    };
    let given = &arguments.losses;
    let pool = inputs.original_pool_len();
    let of_subset = read(&given.losses, &[subset.len(), pool], "subset row or one per pool row")?;
    let of_rows = |path: &Option<PathBuf>, rows: Option<&Representation>, what: &str| -> Result<_, Failure> {
        let all = read(path, &[rows.map_or(0, Representation::original_len)], what)?;
        let kept = |all: Vec<f64>| rows.map(|rows| (0..rows.len()).map(|row| all[rows.original_row(row)]).collect());
        Ok(all.and_then(kept))
    };
    if let (Some(path), Some(_)) = (&given.losses, &of_subset)
        && subset.len() == pool
        && !subset.is_sorted()
    {
        return Err(Failure::BadInput(format!(
            "{}: holds {pool} losses, which are one per subset row as well as one per pool row, but the subset is in \
             another order than the pool: give a subset in the order of the pool, then both are the same",
            readable(path)
        )));
    }
    let of_subset = of_subset.map(|losses| match losses.len() {
        all if all == pool => subset.iter().map(|&row| losses[inputs.original_row(row)]).collect(),
        _ => losses,
    });
    Ok(Losses {
        subset: of_subset,
        query: of_rows(&given.query_losses, Some(queries), "query, dropped ones included")?,
        held_out: of_rows(&given.heldout_losses, held_out, "held-out query, dropped ones included")?,
    })
}

fn print(report: &Report, rows: usize, queries: usize) -> Result<(), Failure> {
    let diameter = report.diameter.map_or_else(|| "not known".to_owned(), |d| d.to_string());
    let metric = report.metric.name();
    say(format_args!("{rows} rows, {queries} queries; metric: {metric}, diameter {diameter}"))?;
    let printed: Vec<&Line> = report.lines.iter().filter(|line| line.bound().is_some()).collect();
    let used: BTreeSet<Assumption> = printed.iter().flat_map(|line| line.assumptions()).collect();
    let letters: Vec<(Assumption, String)> = used.into_iter().zip('a'..='z').map(|(a, c)| (a, c.to_string())).collect();
    let mut reasons: Vec<&str> = Vec::new();
    for why in printed.iter().filter_map(|line| line.why()) {
        if !reasons.contains(&why) {
            reasons.push(why);
        }
    }
    let mut rows = Vec::new();
    for lines in printed.chunk_by(|a, b| a.part == b.part) {
        rows.extend(lines.first().map(|line| vec![line.part.to_uppercase()]));
        rows.extend(lines.iter().map(|line| row(line, &letters, &reasons)));
    }
    say(table::plain(&["", "value", "kind", "says", "assuming", "note"], rows))?;
    list("assuming", letters.iter().map(|(assumption, letter)| (letter.clone(), assumption.words())))?;
    list("vacuous because", (1..).zip(reasons).map(|(number, why)| (number.to_string(), why)))?;
    let missing = report.lines.iter().filter(|line| line.bound().is_none());
    let missing: Vec<(String, String)> = missing
        .map(|line| {
            let word = if matches!(line.says, Says::Refused(_)) { "assumption fails: " } else { "" };
            (format!("{} ({})", line.quantity, line.theorem()), format!("{word}{}", line.why().unwrap_or_default()))
        })
        .collect();
    list("no number", missing.iter().map(|(quantity, why)| (quantity.clone(), why.as_str())))
}

/// A list under a heading, if there is anything to list.
fn list<'a>(heading: &str, entries: impl Iterator<Item = (String, &'a str)>) -> Result<(), Failure> {
    let rows: Vec<Vec<String>> = entries.map(|(name, words)| vec![name, words.to_owned()]).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let mut text: Text = ["", heading].into_iter().collect();
    text.append(table::wrapped(rows));
    say(text)
}

fn row(line: &Line, letters: &[(Assumption, String)], reasons: &[&str]) -> Vec<String> {
    let (value, kind) = line.bound().map_or_else(Default::default, |bound| {
        let sign = match (bound.kind().is_proved(), bound.is_lower()) {
            (true, true) => '≥',
            (true, false) => '≤',
            (false, _) => '≈',
        };
        let kind = match bound.kind() {
            // The difference from 1 may be too small for a double.
            Kind::HighProbability(delta) if delta < 1e-6 => format!("w.p. ≥ 1 − {delta:e}"),
            Kind::HighProbability(delta) => format!("w.p. ≥ {}", ((1.0 - delta) * 1e6).floor() / 1e6),
            kind => kind.name().to_owned(),
        };
        let value = bound.value();
        let shown = match bound.kind().is_proved() {
            true => table::bound(value, bound.is_lower()),
            false if (1e3..1e6).contains(&value) => format!("{value:.0}"),
            false => table::value(Interval { lower: Some(value), upper: Some(value) }),
        };
        (format!("{sign} {shown}"), kind)
    });
    let says = match &line.says {
        Says::Informative(_) => "informative".to_owned(),
        Says::Vacuous(_, why) => {
            let number =
                reasons.iter().position(|reason| reason == why).map_or_else(String::new, |at| (at + 1).to_string());
            format!("VACUOUS {number}")
        }
        _ => "–".to_owned(),
    };
    let assumed = line.assumptions();
    let marks: String =
        letters.iter().filter(|(a, _)| assumed.contains(a)).map(|(_, letter)| letter.as_str()).collect();
    vec![format!("  {}", line.quantity), value, kind, says, marks, line.theorem().id().to_owned()]
}
