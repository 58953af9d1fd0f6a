//! The tables.

use super::bootstrap::Estimate;
use super::signs::Claim;
use super::study::{Cell, DISTANCES, ENERGY, Entry, Equal, Halves, Pool, Queries, W};

fn interval(estimate: Estimate) -> String {
    format!("{:.3} [{:.3}, {:.3}]", estimate.value, estimate.low, estimate.high)
}

/// What the losses are of, and what they are not.
pub(crate) fn heading(pool: &Pool, queries: &[Queries]) {
    println!("{} candidates; vocabulary of {} words for all models (those that the whole", pool.len(), pool.words());
    println!("pool has at least twice; all others are one unknown word, which is predicted as well).");
    println!("Loss: nats per token of a word trigram model (interpolated modified Kneser–Ney) on the query texts.");
    println!("Brackets: 95 % bootstrap intervals over queries. Cost: 1 − cos.");
    for queries in queries {
        println!(
            "  {}: {} queries of {} task(s), {:.1} % unknown words; trained on the whole pool {}",
            queries.name,
            queries.len(),
            queries.subtasks,
            100.0 * queries.unknown(),
            interval(pool.loss_of_all(queries))
        );
    }
}

/// One budget: a line per selector, best loss first.
pub(crate) fn cell(cell: &Cell<'_>) {
    let cut = cell.entries.first().map_or(0.0, |entry| entry.tokens.tokens);
    println!("\n{}, k = {}, W of every subset ≥ {:.4}", cell.queries.name, cell.budget, cell.best);
    println!(
        "{:<16} {:>8} {:>7} {:>7} {:>7} {:>7} {:>7}  {:<22} at {cut:.0} tokens",
        "method", "tokens", DISTANCES[0], DISTANCES[1], DISTANCES[2], DISTANCES[3], DISTANCES[4], "loss at equal k",
    );
    let mut entries: Vec<_> = cell.entries.iter().map(|entry| (cell.queries.loss(&entry.rows.nats), entry)).collect();
    entries.sort_by(|a, b| a.0.value.total_cmp(&b.0.value));
    for (loss, entry) in entries {
        print!("{:<16} {:>8.0}", entry.method, entry.rows.tokens);
        entry.rows.distances.iter().for_each(|distance| print!(" {distance:>7.4}"));
        println!("  {:<22} {}", interval(loss), interval(cell.queries.loss(&entry.tokens.nats)));
    }
}

/// What else can make a selector look good: more text, and text of the queries' own source.
pub(crate) fn confounders(pool: &Pool, cells: &[Cell<'_>]) {
    println!("\nconfounders");
    for cell in cells {
        let tokens = |entry: &&Entry| entry.rows.tokens as u64;
        let (Some(short), Some(long), Some(optimal)) =
            (cell.entries.iter().min_by_key(tokens), cell.entries.iter().max_by_key(tokens), cell.entry("optimal"))
        else {
            continue;
        };
        let (source, share) = &optimal.source;
        println!(
            "{}, k = {}: {} has {:.0} % more tokens than {}; {:.0} % of the optimal subset is {source}, as is {:.0} % of the pool",
            cell.queries.name,
            cell.budget,
            long.method,
            100.0 * (long.rows.tokens / short.rows.tokens - 1.0),
            short.method,
            100.0 * share,
            100.0 * pool.share(source)
        );
    }
    println!("Losses of a trigram model, which learns words and phrases, are not accuracies of large language models.");
}

/// Rank correlations over selectors.
pub(crate) fn correlations(cells: &[Cell<'_>]) {
    for (equal, words) in [(Equal::Rows, "k"), (Equal::Tokens, "tokens")] {
        println!("\nrank correlation of distance and loss over selectors, at equal {words}");
        print!("{:<12} {:>6}", "queries", "k");
        DISTANCES.iter().for_each(|name| print!("  {name:<20}"));
        println!();
        for cell in cells {
            print!("{:<12} {:>6}", cell.queries.name, cell.budget);
            for distance in 0..DISTANCES.len() {
                let Estimate { value, low, high } = cell.correlation(distance, equal);
                print!("  {:<20}", format!("{value:+.2} [{low:+.2}, {high:+.2}]"));
            }
            println!();
        }
    }
}

/// Selections by half of the queries.
pub(crate) fn held_out(halves: &Halves<'_>) {
    let Halves { queries, budget, entries } = halves;
    println!("\n{}, k = {budget}, chosen by half of the queries: on those, and on the others", queries.name);
    println!("{:<16} {:>7} {:>7}  {:>7} {:>7}  loss of the others", "method", "W", "others", "energy", "others");
    for one in entries {
        println!(
            "{:<16} {:>7.4} {:>7.4}  {:>7.4} {:>7.4}  {}",
            one.method,
            one.seen[W],
            one.held[W],
            one.seen[ENERGY],
            one.held[ENERGY],
            interval(queries.loss(&one.nats))
        );
    }
}

/// What was claimed and what is found.
pub(crate) fn claims(claims: &[Claim]) {
    println!("\nsigns: what was found on such data before, and here (in brackets: least and largest)");
    for claim in claims {
        println!("{} {}\n    here: {} → {}", claim.fact, claim.said, claim.measured, claim.verdict());
    }
}
