//! What a subset's distance implies for a loss: every bound that the inputs allow, what it assumes, and where it is
//! vacuous. A subset by half of the queries is looked at, so that the other half can speak of queries it did not see.

use std::path::Path;

use kantor::bound::{BoundTerms, Losses, Says, Subject, UnseenQueries, bounds};
use kantor::prelude::*;
use kantor::solvers::folds::folds;
use kantor::theory::PickedRows;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
    let spec = InputSpec {
        pool: vec![data.join("pool.embed.npy")],
        query: vec![data.join("query_gsm8k.embed.npy")],
        ..InputSpec::default()
    };
    let inputs = Inputs::open(&spec, Cost::Angular, &Quiet)?;
    let problem = inputs.problem(Goal { cost: Cost::Angular, budgets: vec![500], ..Goal::default() })?;
    let halves = folds(problem.queries().len(), 2, 0);
    let [seen, unseen] = [0, 1].map(|half| PickedRows::new(problem.queries(), halves[half].clone()));

    let problem = problem.with_queries(&seen)?;
    let outcome = choose(&problem, &Request { certify: false, ..Request::default() }, &Quiet)?;
    let selection = &outcome.chosen[0].selections[0].selection;

    let subject = Subject {
        problem: &problem,
        query_numbers: &halves[0],
        subset: &selection.rows,
        subset_numbers: &selection.rows,
        held_out: Some(UnseenQueries { rows: &unseen, numbers: &halves[1], shared: 0 }),
        losses: &Losses::default(),
    };
    // A loss in [0, 1] that moves by at most 2 when a row turns by half a circle: both are claims of whoever gives them.
    let terms = BoundTerms { lipschitz: Some(2.0), range: Some(1.0), references: 9, ..BoundTerms::default() };
    let report = bounds(&subject, &terms, &Quiet)?;
    println!("500 rows for 50 queries, in the metric {}", report.metric.name());
    for line in &report.lines {
        let Some(bound) = line.bound() else { continue };
        let side = if bound.is_lower() { "≥" } else { "≤" };
        let verdict = match &line.says {
            Says::Vacuous(_, why) => format!("  VACUOUS: {why}"),
            _ => String::new(),
        };
        println!(
            "{:<5} {} {side} {:.4} ({}){verdict}",
            line.theorem().id(),
            line.quantity,
            bound.value(),
            bound.kind()
        );
    }
    let missing = report.lines.iter().filter(|line| line.bound().is_none());
    println!("without a number, for want of inputs or because an assumption fails: {}", missing.count());
    Ok(())
}
