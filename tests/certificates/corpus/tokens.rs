//! True certificates of budgets in tokens, and changes of what they say of these.

use std::path::Path;

use kantor::certify::{Certified, Terms, best_among, column_record, distance_among};
use kantor::pipeline::Inputs;
use kantor::solvers::Quiet;
use kantor::theory::constraints::ColumnRecord;
use kantor::theory::statement::TOKENS;
use kantor::theory::{BestEvidence, Column, FeasibleSet, TokenBudget, Witness};
use serde_json::{Value, json};

use super::bases::Base;
use super::forge::{Forge, set};
use super::quotas::{column, files};
use crate::support::{facts, goal};

/// The rows that are chosen; they have 26 tokens.
const SUBSET: [usize; 3] = [5, 0, 8];

/// A certificate of other rows for a budget in tokens, from the evidence of the one for rows and under its constraints.
pub(super) fn in_tokens(free: &Base, directory: &Path) -> Base {
    let (_, file) = files(directory).remove(1);
    let mut columns = free.columns.clone();
    columns.push(("lengths".to_owned(), file));
    let [.., (name, file)] = &columns[..] else { panic!("{} has no columns", free.name) };
    let lengths = column(name);
    let record = ColumnRecord { origin: Some(file.display().to_string()), ..column_record(name, &lengths) };
    let budget = TokenBudget { column: record, min: 24.0, max: 30.0 };
    let problem = &free.certificate.problem;
    let inputs = Inputs::open(&free.spec, problem.cost, &Quiet).unwrap();
    let whole = inputs.problem(goal(problem.cost)).unwrap();
    let at = |rows: &[usize]| inputs.kept_rows(rows, Path::new("rows")).unwrap();
    let dropped = &free.certificate.dropped.pool;
    let data: Vec<Column> = free.columns.iter().map(|(name, _)| column(name)).collect();
    let set = FeasibleSet::new(&problem.constraints, &data, 10, dropped).unwrap();
    let set = set.in_tokens(&budget, &lengths, 10, dropped).unwrap();
    let (weights, tasks) = (problem.weights.clone(), problem.tasks.clone());
    let terms = Terms { power: problem.p, weights, objective: problem.objective, tasks };
    let distance = distance_among(whole.geometry(), &terms, &at(&SUBSET), &set).unwrap();
    let evidence = match (&free.certificate.evidence.best_potentials, &free.certificate.evidence.witness) {
        (Some(g), _) if problem.tasks.is_empty() => BestEvidence::Potentials(g.clone()),
        (Some(g), _) => {
            BestEvidence::Tasks { shares: free.certificate.evidence.task_shares.clone(), potentials: g.clone() }
        }
        (None, Some(Witness { rows, weights })) => Witness { rows: at(rows), weights: weights.clone() }.into(),
        (None, None) => panic!("{} has no bound", free.name),
    };
    let prices = &free.certificate.evidence.prices;
    let best = best_among(whole.geometry(), &terms, SUBSET.len(), evidence, &set, prices).unwrap();
    assert!(best.lower() > 0.0, "{}", free.name);
    let certified = Certified::new(distance, Some(best)).unwrap();
    let mut certificate = certified.certificate(&facts(&inputs), Some("by-hand")).unwrap();
    certificate.inputs.iter_mut().for_each(|input| input.name = Some("rows".to_owned()));
    let name = match free.name {
        "cosine" => "cosine-tokens",
        "energy" => "energy-tokens",
        "dropping" => "dropping-tokens",
        "cosine-quotas" => "cosine-quotas-tokens",
        "energy-quotas" => "energy-quotas-tokens",
        "worst" => "worst-tokens",
        _ => "costs-tokens",
    };
    Base { name, spec: free.spec.clone(), certificate, columns, remake: None, in_python: free.in_python }
}

/// What is changed, of certificates of such budgets.
pub(super) fn all(forge: &mut Forge) {
    if forge.good["problem"].get("tokens").is_none() {
        return;
    }
    let place = |key: &str| format!("/problem/tokens/{key}");
    // The subset has 26.
    for min in [26.5, 1e308, 0.0, -1.0, 1e-320] {
        forge.put(&place("min"), json!(min));
    }
    forge.put(&place("min"), json!("24"));
    for max in [25.5, 23.0, 0.0, -30.0] {
        forge.put(&place("max"), json!(max));
    }
    forge.remark("fewer subsets: at least 25 tokens", |tree| set(tree, &place("min"), json!(25.0)));
    forge.remark("fewer subsets: at most 27 tokens", |tree| set(tree, &place("max"), json!(27.0)));
    let digest = forge.good.pointer(&place("column/blake3")).unwrap().as_str().unwrap().to_owned();
    for other in [String::new(), digest.to_uppercase(), format!("{}0", &digest[..63]), format!("{}1", &digest[..63])] {
        if other != digest {
            forge.put(&place("column/blake3"), json!(other));
        }
    }
    forge.put(&place("column/name"), json!("source"));
    forge.put(&place("column"), Value::Null);
    for origin in ["no-such-file", "/dev/zero"] {
        forge.remark(&format!("lengths read from {origin}"), |tree| set(tree, &place("column/origin"), json!(origin)));
    }
    for weights in
        [Value::Null, json!([1.0, 1.0, 1.0]), json!([18.0, 24.0, 10.0]), json!([9.0, 12.0]), json!([12.0, 9.0, 5.0])]
    {
        forge.put("/problem/weights/subset", weights);
    }
    for budget in [0, 2, 4] {
        forge.put("/problem/budget", json!(budget));
    }
    forge.forge("other rows of as many tokens", |tree| set(tree, "/subset", json!([5, 0, 4])));
    forge.forge("rows for tokens", |tree| {
        tree["problem"].as_object_mut()?.remove("tokens");
        Some(())
    });
    forge.forge("a convention that speaks of rows", |tree| {
        let convention = tree["problem"]["convention"].as_str()?.replace(TOKENS, "best = whatever");
        set(tree, "/problem/convention", json!(convention))
    });
}
