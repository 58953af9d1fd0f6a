//! Does a lower distance go with a lower loss on real text?
//!
//! Every selector chooses from the pool for every query set and budget. A word trigram model is trained on what it
//! chose, once on all k rows and once on equally many tokens, and its loss on the text of the queries is printed beside
//! the distances, with bootstrap intervals over queries and the rank correlations of each distance with the loss. At
//! the end stand the claims that were made of such data, what is measured here, and whether it agrees.
//!
//! ```sh
//! cargo run --release --example evidence                  # the bundled data
//! cargo run --release --example evidence -- --data DIR    # the same layout elsewhere
//! cargo run --release --example evidence -- --halves 4    # choices by half of the queries, losses on the others
//! ```

pub(crate) mod bootstrap;
mod print;
mod run;
pub(crate) mod signs;
pub(crate) mod study;
pub(crate) mod text;
pub(crate) mod trigram;
mod unseen;

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Parser;

use study::{Cell, Halves, Pool, Queries};

/// Loss of a word trigram model against the distance of what it was trained on
#[derive(Debug, Parser)]
struct Arguments {
    /// Folder with pool.embed.npy, pool.jsonl.gz, query_NAME.embed.npy and query_NAME.jsonl; the bundled data if left out
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Budgets; by default those of 500, 1000, 2500, 5000 and 10000 that leave half of the pool
    #[arg(long, value_name = "K", value_delimiter = ',')]
    budget: Vec<usize>,
    /// Only this: choose by random halves of the queries, so many of them, and compare losses on the other halves
    #[arg(long, value_name = "HALVES", value_parser = clap::value_parser!(u64).range(2..))]
    halves: Option<u64>,
    /// With --halves: write every number to this CSV file, which must not exist
    #[arg(long, value_name = "FILE", requires = "halves")]
    csv: Option<PathBuf>,
}

/// A query set's name, by its file of embeddings.
fn query_sets(data: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut names = Vec::new();
    for file in std::fs::read_dir(data)? {
        let file = file?.file_name();
        let name = file.to_str().and_then(|name| name.strip_prefix("query_")?.strip_suffix(".embed.npy"));
        names.extend(name.map(str::to_owned));
    }
    names.sort_unstable();
    Ok(names)
}

#[allow(dead_code, reason = "a test uses the parts without it")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
    let data = arguments.data.unwrap_or(bundled);
    let pool = Pool::open(&data)?;
    let names = query_sets(&data)?;
    let queries = names.iter().map(|name| Queries::open(&data, name, &pool)).collect::<Result<Vec<_>, _>>()?;
    let mut budgets = arguments.budget;
    if budgets.is_empty() {
        budgets = [500, 1000, 2500, 5000, 10000].into_iter().filter(|k| 2 * k <= pool.len()).collect();
    }
    budgets.sort_unstable();
    if let Some(halves) = arguments.halves {
        return unseen::study(&data, &pool, &queries, &budgets, halves, arguments.csv.as_deref());
    }
    let smallest = *budgets.first().ok_or("the pool is too small: give --budget")?;
    // Two budgets are enough to see what a selection is worth for queries that it did not see.
    let mut of_halves = vec![smallest, budgets[budgets.len() / 2]];
    of_halves.dedup();

    print::heading(&pool, &queries);
    let (mut cells, mut halves): (Vec<Cell<'_>>, Vec<Halves<'_>>) = (Vec::new(), Vec::new());
    for queries in &queries {
        eprintln!("{}: {} queries", queries.name, queries.len());
        let of_set = run::cells(&data, &pool, queries, &budgets)?;
        of_set.iter().for_each(print::cell);
        cells.extend(of_set);
        halves.extend(run::held_out(&data, &pool, queries, &of_halves)?);
    }
    print::correlations(&cells);
    halves.iter().for_each(print::held_out);
    print::confounders(&pool, &cells);
    print::claims(&signs::claims(&cells, &halves));
    Ok(())
}
