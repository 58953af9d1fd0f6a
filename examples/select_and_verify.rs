//! Chooses 500 training examples for GSM8K through the library, from files to a written result, and checks the
//! certificate as somebody would who has nothing but it and the input files.

use std::path::Path;
use std::time::Instant;

use kantor::certify;
use kantor::output::ResultDirectory;
use kantor::prelude::*;
use kantor::record::{Run, write};
use kantor::theory::Certificate;
use kantor::verify::verify;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let begun = Instant::now();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
    let spec = InputSpec {
        pool: vec![data.join("pool.embed.npy")],
        query: vec![data.join("query_gsm8k.embed.npy")],
        pool_jsonl: vec![data.join("pool.jsonl.gz")],
        ..InputSpec::default()
    };
    let goal = Goal { budgets: vec![500], ..Goal::default() };

    let inputs = Inputs::open(&spec, goal.cost, &Quiet)?;
    let outcome = select(&inputs, &goal, &Request::default(), &Quiet)?;
    let first = &outcome.chosen[0].selections[0];
    println!("{} rows, the first five are {:?}", first.selection.budget(), &first.selection.rows[..5]);

    let target = std::env::temp_dir().join(format!("kantor-example-{}", std::process::id()));
    let staging = ResultDirectory::begin(&target, false, &inputs.paths())?;
    let manifest = write(staging, &inputs, &outcome, Run { begun, on_bad_row: spec.on_bad_row }, &Quiet)?;
    println!("{} files in {}", manifest.outputs.len() + 1, target.display());
    let bytes = std::fs::read(target.join("round-robin/k500/certificate.json"))?;
    std::fs::remove_dir_all(target)?;

    // The checker believes no solver: it computes every cost again from the files and rounds outwards.
    let certificate = Certificate::parse(&bytes)?;
    let verdict = verify(&certificate, &spec, &[], &certify::in_parallel, &Quiet)?;
    let proved = verdict.proved().ok_or("nothing is proved")?;
    let (lower, upper) = (proved.distance.lower.unwrap_or(f64::NAN), proved.distance.upper.unwrap_or(f64::NAN));
    println!("{}: the distance lies in [{lower:.6}, {upper:.6}]", verdict.name());
    if let (Some(best), Some(excess)) = (proved.best, proved.excess()) {
        println!("no 500 rows are closer than {best:.6}: these are at most {:.2} % above the best", 100.0 * excess);
    }

    // The same claim about other queries.
    let other = InputSpec { query: vec![data.join("query_humaneval.embed.npy")], ..spec };
    let verdict = verify(&certificate, &other, &[], &certify::in_parallel, &Quiet)?;
    println!("against other queries: {}: {}", verdict.name(), verdict.reason().unwrap_or_default());
    Ok(())
}
