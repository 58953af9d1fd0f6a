//! True certificates of distances less quality, and what a forger would touch in them.

use std::path::Path;

use kantor::certify::{Certified, Terms, best_among, column_record, distance_among};
use kantor::pipeline::Inputs;
use kantor::solvers::Quiet;
use kantor::theory::constraints::ColumnRecord;
use kantor::theory::statement::{VALUED, VALUED_IN_TOKENS};
use kantor::theory::{BestEvidence, Column, Quality, Witness};
use serde_json::json;

use super::bases::Base;
use super::forge::{Forge, set};
use super::quotas;
use crate::support::{facts, goal};

/// What every pool row is worth, of either sign; far less than the distances, which stay positive without it.
const SCORES: [f64; 10] = [0.5, -0.25, 1.0, 0.125, -1.0, 0.75, 0.375, 2.0, -0.0, 0.1];

const WEIGHT: f64 = 0.015625;

/// The name of the column.
pub(super) const NAME: &str = "score";

pub(super) fn column() -> Column {
    Column::scores(SCORES.to_vec()).unwrap()
}

/// The certificate of the same rows with quality, from the same evidence.
pub(super) fn valued(plain: &Base, directory: &Path) -> Base {
    let file = directory.join("scores.txt");
    std::fs::write(&file, SCORES.map(|x| format!("{x}\n")).concat()).unwrap();
    let mut columns = plain.columns.clone();
    columns.push((NAME.to_owned(), file.clone()));
    let record = ColumnRecord { origin: Some(file.display().to_string()), ..column_record(NAME, &column()) };
    let certificate = &plain.certificate;
    let problem = &certificate.problem;
    let inputs = Inputs::open(&plain.spec, problem.cost, &Quiet).unwrap();
    let whole = inputs.problem(goal(problem.cost)).unwrap();
    let at = |rows: &[usize]| inputs.kept_rows(rows, Path::new("rows")).unwrap();
    let data: Vec<Column> = problem.columns().map(|of| quotas::column(&of.name)).collect();
    let dropped = &certificate.dropped.pool;
    let set = problem.feasible(&data, SCORES.len(), dropped).unwrap();
    let set = set.valued(Quality { weight: WEIGHT, column: record }, &column(), dropped).unwrap();
    let (weights, tasks) = (problem.weights.clone(), problem.tasks.clone());
    let terms = Terms { power: problem.p, weights, objective: problem.objective, tasks };
    let distance = distance_among(whole.geometry(), &terms, &at(&certificate.subset), &set).unwrap();
    let evidence = match (&certificate.evidence.best_potentials, &certificate.evidence.witness) {
        (Some(g), _) if problem.tasks.is_empty() => BestEvidence::Potentials(g.clone()),
        (Some(g), _) => BestEvidence::Tasks { shares: certificate.evidence.task_shares.clone(), potentials: g.clone() },
        (None, Some(Witness { rows, weights })) => Witness { rows: at(rows), weights: weights.clone() }.into(),
        (None, None) => panic!("{} has no bound", plain.name),
    };
    let prices = &certificate.evidence.prices;
    let best = best_among(whole.geometry(), &terms, problem.budget, evidence, &set, prices).unwrap();
    let certified = Certified::new(distance, Some(best)).unwrap();
    let mut certificate = certified.certificate(&facts(&inputs), Some("by-hand")).unwrap();
    certificate.inputs.iter_mut().for_each(|input| input.name = Some("rows".to_owned()));
    let name = match plain.name {
        "cosine" => "cosine-quality",
        "euclidean-2" => "euclidean-2-quality",
        "energy" => "energy-quality",
        "query-weighted" => "query-weighted-quality",
        "dropping" => "dropping-quality",
        "costs" => "costs-quality",
        "worst" => "worst-quality",
        "worst-tokens" => "worst-tokens-quality",
        "cosine-quotas" => "cosine-quotas-quality",
        "cosine-tokens" => "cosine-tokens-quality",
        "cosine-quotas-tokens" => "cosine-quotas-tokens-quality",
        "energy-quotas-tokens" => "energy-quotas-tokens-quality",
        _ => "mmd-quality",
    };
    Base { name, spec: plain.spec.clone(), certificate, columns, remake: None, in_python: plain.in_python }
}

/// All that is tried of quality, on certificates with it and without.
pub(super) fn all(forge: &mut Forge) {
    let place = "/problem/quality";
    if forge.good["problem"].get("quality").is_none() {
        let quality = json!({"weight": 0.5, "column": {"name": NAME, "blake3": "0".repeat(64)}});
        forge.forge("a quality that nothing speaks of", |tree| set(tree, place, quality));
        forge.remark("no quality, in words", |tree| set(tree, place, json!(null)));
        return;
    }
    for weight in [0.0, -0.0, -WEIGHT, 0.5 * WEIGHT, 1.01 * WEIGHT, 1e308, f64::MAX, 5e-324] {
        forge.put(&format!("{place}/weight"), json!(weight));
    }
    for weight in [json!(null), json!("0.5"), json!([0.5]), json!(true)] {
        forge.put(&format!("{place}/weight"), weight);
    }
    let digest = forge.good.pointer("/problem/quality/column/blake3").unwrap().as_str().unwrap().to_owned();
    let flipped = format!("{}{}", &digest[..63], if digest.ends_with('0') { "1" } else { "0" });
    let mut other = SCORES;
    other[2] = 1.25;
    let changed = column_record(NAME, &Column::scores(other.to_vec()).unwrap()).blake3;
    for other in ["", &digest.to_uppercase(), &flipped, &changed] {
        forge.put("/problem/quality/column/blake3", json!(other));
    }
    for name in ["", "Score", "source"] {
        forge.put("/problem/quality/column/name", json!(name));
    }
    for origin in [json!("no-such-file"), json!(null)] {
        forge.remark("a quality read elsewhere", |tree| set(tree, "/problem/quality/column/origin", origin));
    }
    forge.put("/problem/quality/column/origin", json!(1));
    forge.put(place, json!({"weight": WEIGHT}));
    forge.put(place, json!([]));
    forge.forge("a quality with something more", |tree| set(tree, "/problem/quality/mean", json!(1.0)));
    let (words, others) = match forge.good["problem"].get("tokens") {
        None => (VALUED, VALUED_IN_TOKENS),
        Some(_) => (VALUED_IN_TOKENS, VALUED),
    };
    for (what, other) in [("does not speak", ""), ("has another mean", others)] {
        forge.forge(&format!("a quality of which the convention {what}"), |tree| {
            let convention = tree["problem"]["convention"].as_str()?.strip_suffix(words)?.to_owned() + other;
            set(tree, "/problem/convention", json!(convention))
        });
    }
    forge.forge("claims less quality for the distance itself", |tree| {
        tree["problem"].as_object_mut()?.remove("quality");
        let convention = tree["problem"]["convention"].as_str()?.strip_suffix(words)?.to_owned();
        set(tree, "/problem/convention", json!(convention))
    });
    forge.forge("other tasks than those whose quality it is", |tree| {
        let queries = tree["problem"]["queries"].as_u64()?;
        set(tree, "/problem/tasks", json!([1, queries - 1]))
    });
}
