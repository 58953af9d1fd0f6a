//! Chooses 500 training examples for GSM8K through the library, from files to a written result.

use std::path::Path;
use std::time::Instant;

use kantor::report::staging::Staging;
use kantor::select::{InputSpec, Inputs, Request, Run, select, write};
use kantor::solvers::Quiet;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let begun = Instant::now();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
    let spec = InputSpec {
        pool: vec![data.join("pool.embed.npy")],
        query: Some(data.join("query_gsm8k.embed.npy")),
        pool_jsonl: vec![data.join("pool.jsonl.gz")],
        ..InputSpec::default()
    };
    let request = Request { budgets: vec![500], ..Request::default() };

    let inputs = Inputs::open(&spec, request.cost, &Quiet)?;
    let outcome = select(&inputs, &request, &Quiet)?;
    let first = &outcome.chosen[0].selections[0];
    println!("{} rows, the first five are {:?}", first.budget(), &first.rows[..5]);

    let target = std::env::temp_dir().join(format!("kantor-example-{}", std::process::id()));
    let staging = Staging::begin(&target, false, &inputs.paths())?;
    let manifest = write(staging, &inputs, &request, &outcome, Run { begun, on_bad_row: spec.on_bad_row }, &Quiet)?;
    println!("{} files in {}", manifest.outputs.len() + 1, target.display());
    std::fs::remove_dir_all(target)?;
    Ok(())
}
