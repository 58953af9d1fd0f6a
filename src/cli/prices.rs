//! `kantor prices`.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use crate::output::MANIFEST;
use crate::record::{PRICES_SCHEMA, Prices, Record, SelectionRecord, closest};
use crate::source::DataError;
use crate::view::escape::Text;
use crate::view::terminal::tell;

use super::args::{name, without_repeats};
use super::count::count;
use super::failure::Failure;
use super::output::say;
use super::signals;

/// Say what limits, queries and new rows are worth, by the proofs of a result.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Directory of a result of `select`, of a job of `batch`, or of `compare --write-selections`
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// Selections by these methods; without this, the closest of every budget
    #[arg(long, value_name = "NAME[,NAME…]", value_delimiter = ',', value_parser = name)]
    method: Vec<String>,
    /// Selections of these budgets; all without this
    #[arg(long, value_name = "K[,K…]", value_delimiter = ',', value_parser = count::<usize>)]
    budget: Vec<usize>,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    signals::end_at_once();
    let record = Record::load(&arguments.out)?;
    let results = &record.manifest.results;
    check("method", &arguments.method, results, |result| &result.method)?;
    check("budget", &arguments.budget, results, |result| &result.budget)?;
    let of_each = record.files.iter().map(|files| files.as_ref()?.prices.as_ref());
    let priced: (Vec<SelectionRecord>, Vec<&Prices>) =
        results.iter().zip(of_each).filter_map(|(result, prices)| Some((result.clone(), prices?))).unzip();
    let (results, prices) = priced;
    let asked = |at: &usize| arguments.budget.is_empty() || arguments.budget.contains(&results[*at].budget);
    let places: Vec<usize> = match arguments.method.is_empty() {
        true => closest(&results).into_iter().filter(asked).collect(),
        false => {
            (0..results.len()).filter(asked).filter(|at| arguments.method.contains(&results[*at].method)).collect()
        }
    };
    if places.is_empty() {
        let remedy = "make them with proofs, under transport or a kernel; of `compare` with --write-selections";
        let file = arguments.out.join(MANIFEST);
        return Err(DataError::malformed(&file, "lists no prices of such selections", remedy).into());
    }
    let others = of_other_costs(&record);
    if !others.is_empty() {
        let files = others.join(", ");
        tell(format_args!("kantor: note: prices of the first cost are shown; those of others are in {files}"));
    }
    if arguments.json {
        let results: Vec<&Prices> = places.iter().map(|&at| prices[at]).collect();
        say(json!({"schema": PRICES_SCHEMA, "results": results}))?;
    } else {
        let mut text = Text::default();
        for (place, &at) in places.iter().enumerate() {
            if place > 0 {
                text.push("");
            }
            text.append(prices[at].text());
        }
        say(text)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prices of the result that are not of the selections in its manifest, which in a comparison of several costs are those of
/// the first.
fn of_other_costs(record: &Record) -> Vec<&str> {
    let dirs: Vec<&str> = record.manifest.results.iter().filter_map(|result| result.dir.as_deref()).collect();
    let files =
        record.manifest.outputs.iter().filter_map(|output| Some((output.path.strip_suffix("/prices.json")?, output)));
    files.filter(|(dir, _)| !dirs.contains(dir)).map(|(_, output)| output.path.as_str()).collect()
}

/// Refuses what no selection of the result has.
fn check<T: PartialEq + ToString>(
    flag: &str,
    asked: &[T],
    results: &[SelectionRecord],
    of: impl Fn(&SelectionRecord) -> &T,
) -> Result<(), Failure> {
    let Some(missing) = asked.iter().find(|asked| !results.iter().any(|result| of(result) == *asked)) else {
        return Ok(());
    };
    let known = without_repeats(results.iter().map(|result| of(result).to_string()).collect()).join(", ");
    let fault = format!("--{flag} {}: the result has no such selection (it has {known})", missing.to_string());
    Err(Failure::Usage(fault))
}
