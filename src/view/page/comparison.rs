//! The report of a comparison.

use std::collections::BTreeMap;

use kantor_theory::{Cost, Objective, Power};
use serde::Serialize;

use super::figures::{self, Figures};
use super::numbers::{count, mebibytes, seconds};
use super::render::{self, Gallery};
use super::table::Table;
use super::{Page, PageError, tables, with_figures};
use crate::cut::cut;
use crate::decimal::magnitude;
use crate::record::{Comparison, NearestExamples, Prices, QueryRows, SelectionRecord};
use crate::view::prices::uses;
use crate::view::remarks::{Kind, by_kind};

/// Letters of a text that are shown.
const LETTERS: usize = 1500;

/// What the template shows.
#[derive(Debug, Serialize)]
struct Report<'a> {
    title: String,
    command: String,
    /// Name and value.
    facts: Vec<(&'static str, String)>,
    inputs: Table,
    warnings: Vec<Remarks<'a>>,
    sections: Vec<Section>,
    nearest: Vec<Nearest<'a>>,
    /// What the script reads.
    data: String,
}

/// What the script reads.
#[derive(Debug, Serialize)]
struct Data<'a> {
    /// Numbers of figures, by their names.
    csv: BTreeMap<&'a str, &'a str>,
    queries: &'a [QueryRows],
    texts: &'a BTreeMap<usize, String>,
}

/// All warnings of a kind.
#[derive(Debug, Serialize)]
struct Remarks<'a> {
    kind: &'a str,
    line: String,
    all: Vec<&'a str>,
}

impl<'a> From<Kind<'a>> for Remarks<'a> {
    fn from(Kind { name, line, all }: Kind<'a>) -> Self {
        Self { kind: name, line, all }
    }
}

/// One cost.
#[derive(Debug, Serialize)]
struct Section {
    cost: &'static str,
    results: Table,
    solvers: Option<Table>,
    figures: Gallery,
    tasks: Option<Table>,
    groups: Option<Table>,
    sources: Option<Table>,
    prices: Vec<Priced>,
    unseen: Vec<String>,
    heldout: Table,
}

/// What limits, queries and new rows are worth at one budget.
#[derive(Debug, Serialize)]
struct Priced {
    heading: String,
    tables: Vec<Table>,
}

/// A query and its closest rows.
#[derive(Debug, Serialize)]
struct Nearest<'a> {
    query: usize,
    text: Option<String>,
    examples: Vec<Example<'a>>,
}

#[derive(Debug, Serialize)]
struct Example<'a> {
    row: String,
    id: &'a str,
    cost: String,
    text: String,
    chosen_by: String,
}

/// The report as a page and the figures in it.
///
/// # Errors
/// If a figure cannot be drawn or the template not be filled, neither of which the numbers can cause.
pub fn comparison(found: &Comparison) -> Result<Page, PageError> {
    let mut sections = Vec::new();
    let mut drawn = Vec::new();
    for &cost in &found.costs {
        let Figures { shown, folded } = figures::of_cost(found, cost)?;
        let gallery = Figures { shown, folded };
        sections.push(section(found, cost, Gallery::from(&gallery)));
        drawn.extend(gallery.shown.into_iter().chain(gallery.folded));
    }
    let report = Report {
        title: format!(
            "{} at {} for {} queries",
            plural(found.methods().len(), "method"),
            plural(found.budgets().len(), "budget"),
            count(found.query_rows as u64)
        ),
        command: found.command.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
        facts: facts(found),
        inputs: tables::inputs(found),
        warnings: by_kind(&found.warnings).into_iter().map(Remarks::from).collect(),
        sections,
        nearest: found.nearest.iter().map(nearest).collect(),
        data: render::island(&Data {
            csv: drawn.iter().map(|figure| (figure.name.as_str(), figure.csv.as_str())).collect(),
            queries: &found.queries,
            texts: &found.row_texts,
        })?,
    };
    Ok(with_figures(render::render("comparison.html", &report)?, drawn))
}

fn section(found: &Comparison, cost: Cost, figures: Gallery) -> Section {
    let some = |table: Table| (!table.is_empty()).then_some(table);
    Section {
        cost: cost.name(),
        results: tables::results(found, cost),
        solvers: some(tables::solvers(found, cost)),
        figures,
        tasks: some(tables::tasks(found, cost)),
        groups: some(tables::groups(found, cost)),
        sources: some(tables::sources(found, cost)),
        prices: found.prices.iter().filter(|prices| prices.cost == cost).map(|prices| priced(found, prices)).collect(),
        unseen: (found.unseen.iter().filter(|unseen| unseen.cost == cost))
            .map(|unseen| format!("{} {}: {}", count(unseen.budget as u64), found.parameters.unit(), unseen.sentence()))
            .collect(),
        heldout: tables::heldout(found, cost),
    }
}

fn priced(found: &Comparison, prices: &Prices) -> Priced {
    let of = |row: &&SelectionRecord| {
        (row.cost, &row.method, row.budget) == (Some(prices.cost), &prices.method, prices.budget)
    };
    let uses = found.results.iter().find(of).and_then(uses);
    let tables = uses.into_iter().chain(prices.listings()).map(Table::from).collect();
    Priced { heading: prices.in_words(), tables }
}

fn facts(found: &Comparison) -> Vec<(&'static str, String)> {
    let parameters = &found.parameters;
    let list = |words: Vec<String>| words.join(", ");
    let mut facts = vec![
        ("Methods", list(found.methods().to_vec())),
        ("Budgets", list(found.budgets().iter().map(|budget| count(*budget as u64)).collect())),
        ("Cost", list(found.costs.iter().map(|cost| cost.name().to_owned()).collect())),
        ("Certified", certified(found)),
        ("Pool", format!("{} rows", count(found.pool_rows as u64))),
        ("Queries", format!("{} rows", count(found.query_rows as u64))),
    ];
    if let Some(words) = parameters.query_weights_in_words(&found.inputs) {
        facts.push(("What queries count, in choices, distances and bounds", words));
    }
    if let Some(words) = parameters.aggregate_in_words() {
        facts.push(("Distances and bounds are those of", words));
    }
    if !parameters.constraints.is_empty() {
        facts.push(("Constraints, in choices, bounds and random draws", parameters.constraints.join("; ")));
    }
    facts.extend(parameters.quality_in_words().map(|words| ("Quality", words)));
    facts.extend(found.dimension.map(|dimension| ("Numbers per row", count(dimension as u64))));
    facts.extend(parameters.cross_fit.map(|folds| {
        ("Held out", {
            let weighted = if found.inputs.iter().any(|input| input.role == "query-weights") {
                ", which count the same whatever their queries weigh"
            } else {
                ""
            };
            format!("by {folds} folds of the queries{weighted}")
        })
    }));
    facts.push(("Seed", found.seed.to_string()));
    if found.random_seeds > 0 {
        facts.push(("Random reference", plural(found.random_seeds, "seed")));
    }
    facts.push(("Took", format!("{} s, {} s of processors", seconds(found.seconds), seconds(found.cpu_seconds))));
    facts.extend(found.peak_memory_bytes.map(|bytes| ("Peak memory", format!("{} MiB", mebibytes(bytes)))));
    facts
}

/// Which distance.
fn certified(found: &Comparison) -> String {
    let name = figures::distance_name(found);
    if found.objective() == Objective::W {
        format!("{name}, p = {}", if found.power() == Power::One { 1 } else { 2 })
    } else {
        name.to_owned()
    }
}

fn nearest(found: &NearestExamples) -> Nearest<'_> {
    let examples = found.examples.iter().map(|example| Example {
        row: count(example.row as u64),
        id: &example.id,
        cost: magnitude(example.cost),
        text: cut(&example.text, LETTERS),
        chosen_by: example.chosen_by.join(", "),
    });
    Nearest {
        query: found.query,
        text: found.text.as_deref().map(|text| cut(text, LETTERS)),
        examples: examples.collect(),
    }
}

fn plural(number: usize, word: &str) -> String {
    format!("{} {word}{}", count(number as u64), if number == 1 { "" } else { "s" })
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "-_./=,:@%+".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
