//! The tables.

use super::bootstrap::Estimate;
use super::signs::Claim;
use super::study::{Cell, DISTANCES, ENERGY, Equal, HeldOut, Pool, Queries, W};

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
    println!("Losses of small language models are not accuracies of large ones.");
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

/// Where what was chosen comes from: text of the queries' own source makes every targeted selector look good.
pub(crate) fn sources(pool: &Pool, cells: &[Cell<'_>]) {
    println!();
    for cell in cells {
        let Some(entry) = cell.entry("optimal") else { continue };
        let (source, share) = &entry.source;
        println!(
            "{}, k = {}: {:.0} % of the optimal subset is {source}, as is {:.0} % of the pool",
            cell.queries.name,
            cell.budget,
            100.0 * share,
            100.0 * pool.share(source)
        );
    }
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
pub(crate) fn held_out(queries: &Queries, budget: usize, found: &[HeldOut]) {
    println!("\n{}, k = {budget}, chosen by half of the queries: on those, and on the others", queries.name);
    println!("{:<16} {:>7} {:>7}  {:>7} {:>7}  loss of the others", "method", "W", "others", "energy", "others");
    for one in found {
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
    println!("\nsigns: what was found on such data before, and here");
    for claim in claims {
        println!("{} {}\n    here: {} → {}", claim.fact, claim.said, claim.measured, claim.verdict());
    }
}
