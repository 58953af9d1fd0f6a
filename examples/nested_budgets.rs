//! The best subsets of growing budgets, from one solve: each contains the one before where the number of queries divides
//! both, so that examples chosen once need never be given back.

use std::path::Path;

use kantor::pipeline::ProvedSelection;
use kantor::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
    let spec = InputSpec {
        pool: vec![data.join("pool.embed.npy")],
        query: vec![data.join("query_humaneval.embed.npy")],
        ..InputSpec::default()
    };
    // 100 queries: 1250 is no multiple, and the best subset of that size is NP-hard to find.
    let goal = Goal { budgets: vec![100, 200, 500, 1000, 1250, 2000, 4000], ..Goal::default() };
    let request = Request { methods: vec!["optimal".to_owned()], ..Request::default() };
    let inputs = Inputs::open(&spec, goal.cost, &Quiet)?;
    let outcome = select(&inputs, &goal, &request, &Quiet)?;

    println!("budget  distance   above best possible  status     from the rows before: kept  first");
    let mut before: &[usize] = &[];
    for ProvedSelection { selection, certified, .. } in &outcome.chosen[0].selections {
        let certified = certified.as_ref().ok_or("not certified")?;
        let rows = &selection.rows;
        let kept = before.iter().filter(|row| rows.contains(row)).count();
        println!(
            "{:>6}  {:.6}   {:>17}  {:<10} {:>12} of {:<5} {:>6}",
            rows.len(),
            certified.distance().interval().upper.unwrap_or(f64::NAN),
            certified.excess().map_or("–".to_owned(), |excess| format!("≤ {:.5} %", 100.0 * excess)),
            certified.status().name(),
            kept,
            before.len(),
            if rows.starts_with(before) { "yes" } else { "no" },
        );
        // A budget that is no multiple stands aside: the chain goes on from the one before.
        if rows.len().is_multiple_of(inputs.queries().len()) {
            before = rows;
        }
    }
    println!("`first`: the rows before are the first of the larger subset, in the same order.");
    Ok(())
}
