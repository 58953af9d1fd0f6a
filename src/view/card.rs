//! The card of chosen records: a `README.md` beside them, as hubs of data sets show it, with what was asked, what is proved, and how
//! to check that.
//!
//! Names of files, fields, labels and tasks are from outside: in the header they are strings of JSON, which YAML reads, elsewhere
//! they are escaped for Markdown.

use std::fmt::Write;

use kantor_theory::{Objective, Power};
use serde_json::{Value, json};

use super::escape::{OneLine, Printable};
use super::table::{bound, percent_up};
use crate::output::CERTIFICATE;
use crate::record::columns::distance_name;
use crate::record::{Manifest, SelectionRecord};
use crate::source::InputRecord;
use crate::source::name::readable;

/// The card of a selection. The manifest has the files that were written so far.
pub(crate) fn card(manifest: &Manifest, result: &SelectionRecord) -> String {
    let mut text = header(manifest, result);
    let (parameters, rows) = (&manifest.parameters, rows(result));
    let (pool, queries) = (manifest.pool_rows, manifest.query_rows);
    let budget = match result.in_tokens {
        Some(tokens) => format!("{} tokens of at most {}", tokens.used, result.budget),
        None => format!("{rows} rows"),
    };
    // Writing to a string cannot fail.
    let mut add = |line: &str| _ = write!(text, "{line}\n\n");
    add(&format!("# {rows} records chosen of {pool} for {queries} queries"));
    add(&format!(
        "kantor {} chose these records: those of a pool whose distribution is close to that of the queries. Asked for: {budget} by the \
         method {}, cost {}, seed {}.",
        manifest.kantor,
        markdown(&result.method),
        parameters.cost,
        manifest.seed
    ));
    let asked = parameters.constraints.iter().cloned().chain(parameters.query_weights_in_words(&manifest.inputs));
    let asked = asked.chain(parameters.aggregate_in_words()).chain(parameters.quality_in_words());
    let asked: String = asked.map(|words| format!("- {}\n", markdown(&words))).collect();
    if !asked.is_empty() {
        add(&format!("Under these conditions:\n\n{}", asked.trim_end()));
    }
    add("## What is proved");
    add(&proved(manifest, result));
    if result.distance.is_some() {
        add("## How to check it");
        add(&format!(
            "The certificate beside this file holds the proof. This command, in this folder, recomputes it from the vectors, and believes \
             neither the method nor this page. It names files as the run did that chose: write them as they lie from here:\n\n````sh\n{}\n````",
            command(&manifest.inputs)
        ));
        add(
            "Names of files prove nothing: the same rows verify from other files, in other shards and formats, and a changed value never \
             does.",
        );
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

fn rows(result: &SelectionRecord) -> usize {
    result.in_tokens.map_or(result.budget, |tokens| tokens.rows)
}

/// What programs read.
fn header(manifest: &Manifest, result: &SelectionRecord) -> String {
    let (parameters, rows) = (&manifest.parameters, rows(result));
    let within = format!("{}/selected.", result.dir.as_deref().unwrap_or_default());
    let files = manifest.outputs.iter().filter_map(|output| output.path.strip_prefix(&within));
    let configs = files.filter_map(|end| {
        let name = match end {
            "jsonl" => "default",
            "parquet" => end,
            _ => end.strip_suffix(".jsonl")?,
        };
        Some(json!({"config_name": name, "data_files": format!("selected.{end}")}))
    });
    let configs: Vec<Value> = configs.collect();
    let size = match rows {
        0..1_000 => "n<1K",
        1_000..10_000 => "1K<n<10K",
        10_000..100_000 => "10K<n<100K",
        100_000..1_000_000 => "100K<n<1M",
        _ => "n>1M",
    };
    let found = json!({
        "version": manifest.kantor,
        "method": result.method,
        "budget": result.budget,
        "unit": if result.in_tokens.is_some() { "tokens" } else { "rows" },
        "rows": rows,
        "pool_rows": manifest.pool_rows,
        "query_rows": manifest.query_rows,
        "cost": parameters.cost,
        "p": parameters.p,
        "objective": parameters.objective.name(),
        "seed": manifest.seed,
        "constraints": parameters.constraints,
        "tasks": parameters.tasks,
        "status": result.status,
        "distance": result.distance,
        "best": result.best.map(|best| best.lower()),
        "excess": result.excess,
        "quality": result.quality,
    });
    let mut text = String::from("---\ntags: [\"kantor\", \"data-selection\"]\n");
    for (key, value) in [("size_categories", json!([size])), ("configs", json!(configs)), ("kantor", found)] {
        let empty = value.as_array().is_some_and(Vec::is_empty);
        if !empty {
            let _ = writeln!(text, "{key}: {}", value.shown());
        }
    }
    text + "---\n\n"
}

/// The certified numbers and what they say.
fn proved(manifest: &Manifest, result: &SelectionRecord) -> String {
    let parameters = &manifest.parameters;
    let Some(distance) = result.distance else {
        return format!("Nothing: no proof was asked for (status `{}`).", result.status);
    };
    let unit = if result.in_tokens.is_some() { "so many tokens" } else { "that size" };
    let which = if parameters.constraints.is_empty() { "" } else { " that obeys the conditions" };
    let about = match (parameters.objective, parameters.p) {
        (Objective::W, Power::Two) => "2-Wasserstein distance",
        (Objective::W, Power::One) => "Wasserstein distance",
        (other, _) => distance_name(other),
    };
    let between = |interval: kantor_theory::Interval| {
        let lower = interval.lower.map_or_else(|| "−∞".to_owned(), |lower| bound(lower, true));
        let upper = interval.upper.map_or_else(|| "∞".to_owned(), |upper| bound(upper, false));
        format!("between {lower} and {upper}")
    };
    let mut lines = vec![format!(
        "The {about} ({}) between these records and the queries lies {}: {}the smaller, the closer.",
        parameters.cost,
        between(distance),
        if parameters.objective == Objective::W {
            "what it costs to carry the weight of the queries to the records; "
        } else {
            ""
        }
    )];
    if let Some(best) = result.best {
        lines.push(format!("No choice of {unit}{which} is closer than {}.", bound(best.lower(), true)));
    }
    if let Some(excess) = result.excess {
        lines.push(format!("So this choice is at most {} above the best possible.", percent_up(excess)));
    }
    if let Some((quality, less)) = result.quality.and_then(|quality| Some((quality, quality.less_quality?))) {
        lines.push(format!("Less quality, as it was asked, that is {}.", between(less)));
        if let Some(best) = quality.best {
            lines.push(format!("For no choice of {unit}{which} is that less than {}.", bound(best, true)));
        }
    }
    lines.push("It says nothing of the loss of a model that is trained on them.".to_owned());
    lines.iter().map(|line| format!("- {line}\n")).collect::<String>().trim_end().to_owned()
}

/// How to check the certificate, for a shell in the folder of the card.
fn command(inputs: &[InputRecord]) -> String {
    let mut words = format!("kantor verify {CERTIFICATE}");
    for flag in ["pool", "query", "similarity", "model"] {
        for input in inputs.iter().filter(|input| input.role == flag) {
            let _ = write!(words, " \\\n    --{flag} {}", quoted(&readable(&input.path)));
        }
    }
    let whole = |input: &InputRecord| input.dtype.as_deref().is_some_and(|dtype| dtype.starts_with(['i', 'u']));
    if inputs.iter().any(whole) {
        words += " \\\n    --cast";
    }
    words
}

/// A word of a command, on one line.
fn quoted(word: &str) -> String {
    let word = OneLine(word).to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=,@%".contains(c);
    if word.chars().all(plain) { word } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// Text that Markdown shows as it is.
fn markdown(text: &str) -> String {
    let mut shown = String::new();
    for letter in OneLine(text).to_string().chars() {
        match letter {
            '<' => shown.push_str("&lt;"),
            '&' => shown.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '+' | '!' | '|' | '~' | '$' | '>' => {
                shown.extend(['\\', letter]);
            }
            _ => shown.push(letter),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_stays_text() {
        assert_eq!(markdown("a`b`<script>\n# [x](y)"), r"a\`b\`&lt;script\>\\n\# \[x\]\(y\)");
        assert_eq!(quoted("a/b.npy"), "a/b.npy");
        assert_eq!(quoted("it's `x`\n$y"), r"'it'\''s `x`\n$y'");
    }
}
