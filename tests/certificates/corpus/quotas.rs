//! True certificates of choices under constraints.

use std::path::{Path, PathBuf};

use kantor::certify::{Certified, Terms, best_among, column_record, distance_among};
use kantor::pipeline::Inputs;
use kantor::solvers::Quiet;
use kantor::theory::constraints::{ColumnRecord, Counted, Limit};
use kantor::theory::{BestEvidence, Column, Constraints, FeasibleSet, Price, Witness};

use super::bases::Base;
use crate::support::{facts, goal};

/// The source of every pool row; some have none.
const SOURCES: [Option<&str>; 10] = [
    Some("web"),
    Some("böoks \"2\""),
    None,
    Some("web"),
    Some("web"),
    Some("7"),
    None,
    Some("web"),
    Some("böoks \"2\""),
    Some("7"),
];

/// The length of every pool row.
const TOKENS: [f64; 10] = [12.0, 7.5, 3.0, 100.0, 0.1, 9.0, 20.0, 1e6, 5.0, 30.25];

/// The rows that are chosen: far from the queries, so that constraints which demand some of them raise the bound.
const SUBSET: [usize; 3] = [5, 0, 8];

/// A column by its name.
pub(super) fn column(name: &str) -> Column {
    match name {
        "tokens" | "lengths" => Column::numbers(TOKENS.to_vec()).unwrap(),
        _ => Column::labels(SOURCES),
    }
}

/// The files of both columns: JSON lines with other fields, and text.
pub(super) fn files(directory: &Path) -> Vec<(String, PathBuf)> {
    let line = |source: &Option<&str>| match source {
        // A number is a label too; a missing field is none, and so is null.
        Some("7") => "{\"id\": [1, {}], \"from\": 7}\n".to_owned(),
        Some(source) => format!("{}\n", serde_json::json!({"text": "…", "from": source})),
        None => ["{\"from\": null}\n", "{}\n"][directory.as_os_str().len() % 2].to_owned(),
    };
    let (sources, tokens) = (directory.join("rows.jsonl"), directory.join("tokens.txt"));
    std::fs::write(&sources, SOURCES.iter().map(line).collect::<String>()).unwrap();
    std::fs::write(&tokens, TOKENS.map(|x| format!("{x}\n")).concat()).unwrap();
    let named = |path: &PathBuf, field: &str| PathBuf::from(format!("{}{field}", path.display()));
    vec![("source".to_owned(), named(&sources, ":from")), ("tokens".to_owned(), named(&tokens, ""))]
}

/// A certificate of other rows of the same problem that obey constraints, from the evidence of the one without.
pub(super) fn constrained(free: &Base, directory: &Path) -> Base {
    let columns = files(directory);
    let named = |(name, file): &(String, PathBuf)| ColumnRecord {
        origin: Some(file.display().to_string()),
        ..column_record(name, &column(name))
    };
    let limit = |column, of, min, max| Limit { column, of, min, max };
    // Without a row that the best subset of all has.
    let mut exclude: Vec<usize> = free.certificate.subset.iter().copied().take(1).chain([3]).collect();
    exclude.retain(|row| !SUBSET.contains(row));
    exclude.sort_unstable();
    exclude.dedup();
    let tokens: f64 = SUBSET.iter().map(|&row| TOKENS[row]).sum();
    let constraints = Constraints {
        columns: columns.iter().map(named).collect(),
        limits: vec![
            limit(0, Counted::Label("web".to_owned()), None, Some(1.0)),
            limit(0, Counted::Each, None, Some(1.0)),
            limit(1, Counted::Sum, Some(1.0), Some(tokens)),
            limit(0, Counted::Label("7".to_owned()), Some(1.0), Some(2.0)),
        ],
        include: vec![5],
        exclude,
    };
    let problem = &free.certificate.problem;
    let inputs = Inputs::open(&free.spec, problem.cost, &Quiet).unwrap();
    let whole = inputs.problem(goal(problem.cost)).unwrap();
    let geometry = whole.geometry();
    let at = |rows: &[usize]| inputs.kept_rows(rows, Path::new("rows")).unwrap();
    let data: Vec<Column> = columns.iter().map(|(name, _)| column(name)).collect();
    let set = FeasibleSet::new(&constraints, &data, 10, &free.certificate.dropped.pool).unwrap();
    let (power, weights) = (problem.p, problem.weights.clone());
    let terms = Terms { power, weights, objective: problem.objective, ..Terms::default() };
    let distance = distance_among(geometry, &terms, &at(&SUBSET), &set).unwrap();
    let evidence = match (&free.certificate.evidence.best_potentials, &free.certificate.evidence.witness) {
        (Some(g), _) => BestEvidence::Potentials(g.clone()),
        (None, Some(Witness { rows, weights })) => Witness { rows: at(rows), weights: weights.clone() }.into(),
        (None, None) => panic!("{} has no bound", free.name),
    };
    let price = |limit, label: Option<&str>, price| Price { limit, label: label.map(str::to_owned), price };
    let mut prices =
        [price(0, None, 0.01), price(1, Some("böoks \"2\""), 0.02), price(2, None, 1e-4), price(3, None, -0.01)];
    let bound = |prices: &[Price]| best_among(geometry, &terms, SUBSET.len(), evidence.clone(), &set, prices).unwrap();
    // Prices that are about the best ones.
    for round in 0..6 {
        for at in 0..prices.len() {
            for factor in [2.0, 0.5, 4.0, 0.25].map(|x: f64| x.powf(0.7f64.powi(round))) {
                let mut other = prices.clone();
                other[at].price *= factor;
                if bound(&other).lower() > bound(&prices).lower() {
                    prices = other;
                }
            }
        }
    }
    let best = bound(&prices);
    let without = free.certificate.best.unwrap().lower;
    assert!(best.lower() > without + 1e-6, "{}: {} {without}", free.name, best.lower());
    let certified = Certified::new(distance, Some(best)).unwrap();
    let mut certificate = certified.certificate(&facts(&inputs), Some("by-hand")).unwrap();
    certificate.inputs.iter_mut().for_each(|input| input.name = Some("rows".to_owned()));
    let name = match free.name {
        "cosine" => "cosine-quotas",
        "energy" => "energy-quotas",
        "mmd" => "mmd-quotas",
        "tsds" => "tsds-quotas",
        "dropping" => "dropping-quotas",
        _ => "similarities-quotas",
    };
    Base { name, spec: free.spec.clone(), certificate, columns, remake: None, in_python: free.in_python }
}
