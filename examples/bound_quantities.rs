//! What a subset's distance implies for a loss: every bound that the inputs allow, what it assumes, and where it is
//! vacuous. A subset by half of the queries is looked at, so that the other half can speak of queries it did not see.

use std::path::Path;

use kantor::bound::{BoundTerms, Losses, Says, Subject, UnseenQueries, bounds};
use kantor::pipeline::{InputSpec, Inputs};
use kantor::solvers::folds::folds;
use kantor::solvers::scan;
use kantor::solvers::{Quiet, Settings, Task, registry};
use kantor::theory::{Cost, PickedRows, Power, Rows};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
    let spec = InputSpec {
        pool: vec![data.join("pool.embed.npy")],
        query: Some(data.join("query_gsm8k.embed.npy")),
        ..InputSpec::default()
    };
    let inputs = Inputs::open(&spec, Cost::Angular, &Quiet)?;
    let (pool, queries) = inputs.points().ok_or("no rows")?;
    let halves = folds(queries.len(), 2, 0);
    let [seen, unseen] = [0, 1].map(|half| PickedRows::new(queries, halves[half].clone()));

    let geometry = inputs.geometry_with(&seen, Cost::Angular)?;
    let task = Task {
        geometry: &geometry,
        power: Power::One,
        seed: 0,
        block: 512,
        memory: u64::MAX,
        constraints: None,
        watch: &Quiet,
    };
    let selector = (registry::selector("round-robin").ok_or("no such method")?.build)(&Settings::default());
    let scanned = scan::scan(&task, selector.needs(&task, 500))?;
    let selection = selector.select(&task, &scanned, &[500])?.remove(0);

    let subject = Subject {
        pool,
        query: &seen,
        query_numbers: &halves[0],
        subset: &selection.rows,
        held_out: Some(UnseenQueries { rows: &unseen, numbers: &halves[1], shared: 0 }),
        cost: Cost::Angular,
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
