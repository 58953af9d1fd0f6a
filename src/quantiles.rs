//! Quantiles of a method's order: the whole pool is ordered, the order is cut into bins, and some rows of each bin are
//! written like a selection, with their certified distance. Models trained on them say whether distance predicts loss
//! (the quantile experiment of arXiv 2602.14696).

use std::ops::Range;
use std::time::Instant;

use kantor_solvers::registry::SELECTORS;
use kantor_solvers::{Selection, Watch};
use kantor_theory::{Interval, Objective, Status};
use serde::Serialize;

use crate::data::OnBadRow;
use crate::output::{MANIFEST, ResultDirectory, Written};
use crate::report::manifest::{Parameters, Provenance};
use crate::report::memory;
use crate::select::{Error, Inputs, Prepared, Proved, Request, SelectionWriter, copies, parameters, provenance};

/// Version of the format of the manifest.
pub const SCHEMA: &str = "kantor/quantiles-manifest/1";

/// How to cut the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Cut {
    /// Number of bins.
    pub bins: usize,
    /// Rows to take of each, the first in the order.
    pub take: usize,
    /// Cut this bin once more, into as many, and take these instead.
    pub focus_bin: Option<usize>,
}

/// A bin and the rows taken of it.
#[derive(Debug, Clone)]
pub struct Bin {
    /// Which, the nearest first.
    pub bin: usize,
    /// Its places in the order.
    pub ranks: Range<usize>,
    /// Its first rows, and what was proved of them.
    pub proved: Proved,
}

/// What one bin was found to be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BinRecord {
    /// Which, the nearest first.
    pub bin: usize,
    /// Where its files are, relative to the manifest.
    pub dir: String,
    /// Its first place in the order, from 0.
    pub first_rank: usize,
    /// Its last place in the order.
    pub last_rank: usize,
    /// How many rows were taken of it.
    pub rows: usize,
    /// Proved to hold the distance of these rows; `null` if nothing was proved.
    pub distance: Option<Interval>,
    /// Proved to hold their energy distance; `null` if it was left out.
    pub energy: Option<Interval>,
    /// Proved to hold the mean cost of a query and its closest of these rows; `null` if nothing was proved.
    pub chamfer: Option<Interval>,
    /// How it ended.
    pub status: Status,
    /// Wall-clock seconds of the proof.
    pub seconds: f64,
}

/// The record of a result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// What it was made from, and by what.
    #[serde(flatten)]
    pub provenance: Provenance,
    /// How the order was cut.
    pub cut: Cut,
    /// How it was made; the budget is the whole pool.
    pub parameters: Parameters,
    /// The bins.
    pub results: Vec<BinRecord>,
    /// Every other file of this result.
    pub outputs: Vec<Written>,
    /// Wall-clock seconds of ordering the pool.
    pub order_seconds: f64,
    /// Wall-clock seconds from start to just before the manifest was written.
    pub seconds: f64,
    /// Largest resident memory so far, where the system tells.
    pub peak_memory_bytes: Option<u64>,
    /// The worst status of all bins.
    pub status: Status,
}

/// Cuts places of the order into bins of equal size; if that does not come out even, the first bins hold one more.
pub fn bins(ranks: Range<usize>, count: usize) -> impl Iterator<Item = Range<usize>> {
    let (size, larger) = (ranks.len() / count, ranks.len() % count);
    (0..count).map(move |bin| {
        let first = ranks.start + bin * size + bin.min(larger);
        first..first + size + usize::from(bin < larger)
    })
}

impl Cut {
    /// The bins of an order of `rows` rows.
    ///
    /// # Errors
    /// If there is no bin to cut or take from.
    fn apply(self, rows: usize) -> Result<Vec<Range<usize>>, Error> {
        let Self { bins: count, take, focus_bin } = self;
        let refuse = |what: String| Err(Error::Request(what));
        if count == 0 || take == 0 {
            return refuse("--bins and --take must be at least 1".to_owned());
        }
        let whole = match focus_bin {
            None => 0..rows,
            Some(bin) => match bins(0..rows, count).nth(bin) {
                Some(ranks) => ranks,
                None => return refuse(format!("--focus-bin {bin} is not one of the bins 0 to {}", count - 1)),
            },
        };
        let smallest = whole.len() / count;
        if smallest < take {
            let less = if smallest > 0 { format!("take at most {smallest}, or ") } else { String::new() };
            let of = if focus_bin.is_some() { "focus bin" } else { "pool" };
            return refuse(format!(
                "{count} bins of the {} rows of the {of} hold {smallest} rows, but --take asks for {take} of each: {less}cut into fewer bins",
                whole.len()
            ));
        }
        Ok(bins(whole, count).collect())
    }
}

/// Orders the pool by the one method of `request`, cuts the order, and certifies rows of every bin if that was asked for.
///
/// Returns the seconds that the order took too.
///
/// # Errors
/// If the method orders nothing or not the whole pool, the cut makes no sense for it, or `watch` asks to stop.
pub fn quantiles(
    inputs: &Inputs,
    request: &Request,
    cut: Cut,
    watch: &dyn Watch,
) -> Result<(Vec<Bin>, Objective, f64), Error> {
    let geometry = inputs.geometry(request.cost)?;
    let rows = geometry.pool_len();
    let ranges = cut.apply(rows)?;
    let [name] = &request.methods[..] else {
        return Err(Error::Request("give one --method".to_owned()));
    };
    if !request.selector(name)?.nested() {
        let nested = SELECTORS.iter().filter(|entry| (entry.build)(&request.settings).nested());
        let names: Vec<&str> = nested.map(|entry| entry.name).collect();
        return Err(Error::Request(format!(
            "method `{name}` makes no order of which every budget is a prefix, so it has no quantiles: take one of {}",
            names.join(", ")
        )));
    }
    // Bounds for all subsets say nothing of bins: the order is made without proof.
    let whole = Request { budgets: vec![rows], certify: false, cross_fit: None, ..inputs.within(request) };
    let begun = Instant::now();
    let prepared = Prepared::new(&geometry, &whole, watch).map_err(|error| inputs.named(error, request.cost))?;
    let order = prepared.choose(name, &whole.budgets, request.seed)?;
    let seconds = begun.elapsed().as_secs_f64();
    let objective = prepared.objective();
    let order = order.selections.into_iter().next().map(|proved| proved.selection);
    let Some(order) = order.filter(|order| order.rows.len() == rows) else {
        return Err(Error::Request(format!("method `{name}` does not order the whole pool, so it has no quantiles")));
    };
    let bin = |(bin, ranks): (usize, Range<usize>)| {
        let taken = ranks.start..ranks.start + cut.take;
        let selection = Selection {
            rows: order.rows[taken.clone()].to_vec(),
            scores: order.scores[taken].to_vec(),
            status: order.status,
            notes: order.notes.clone(),
        };
        let proved = if request.certify {
            prepared.certify(&format!("bin {bin}"), selection)?
        } else {
            prepared.leave(selection)
        };
        Ok(Bin { bin, ranks, proved })
    };
    let found = ranges.into_iter().enumerate().map(bin).collect::<Result<_, Error>>()?;
    Ok((found, objective, seconds))
}

/// Orders the pool, cuts it, and writes the bins into `staging`'s target, all at once.
///
/// # Errors
/// As [`quantiles`]; or if an input changed meanwhile, or the system refuses. Then the target is as it was.
pub fn run(
    mut staging: ResultDirectory,
    inputs: &Inputs,
    request: &Request,
    cut: Cut,
    on_bad_row: OnBadRow,
    watch: &dyn Watch,
) -> Result<Manifest, Error> {
    let begun = Instant::now();
    let (found, objective, order_seconds) = inputs.guarded(watch, |watch| quantiles(inputs, request, cut, watch))?;
    let records = inputs.records(request.certify, watch)?;
    let copies = copies(inputs, found.iter().map(|bin| &bin.proved.selection.rows[..]), watch)?;
    let writer = SelectionWriter::new(inputs, &records, copies.as_ref());
    let digits = (cut.bins - 1).to_string().len().max(2);
    let mut results = Vec::new();
    for Bin { bin, ranks, proved } in &found {
        let dir = format!("bin{bin:0digits$}");
        writer.write(&mut staging, &dir, &request.methods[0], proved)?;
        results.push(BinRecord {
            bin: *bin,
            dir,
            first_rank: ranks.start,
            last_rank: ranks.end - 1,
            rows: proved.selection.budget(),
            distance: proved.certified.as_ref().map(|certified| certified.distance().interval()),
            energy: proved.beside.and_then(|beside| beside.energy),
            chamfer: proved.beside.map(|beside| beside.chamfer),
            status: proved.status(),
            seconds: proved.seconds,
        });
    }
    inputs.check_unchanged()?;
    let bad = results.iter().map(|result| result.status).find(|status| !status.is_success());
    let manifest = Manifest {
        schema: SCHEMA,
        provenance: provenance(inputs, request, records),
        cut,
        parameters: Parameters { budgets: vec![inputs.pool_len()], ..parameters(request, objective, on_bad_row) },
        status: bad.or_else(|| results.first().map(|result| result.status)).unwrap_or(Status::Uncertified),
        results,
        outputs: staging.written().to_vec(),
        order_seconds,
        seconds: begun.elapsed().as_secs_f64(),
        peak_memory_bytes: memory::peak(),
    };
    staging.file(MANIFEST, |out| {
        serde_json::to_writer_pretty(&mut *out, &manifest)?;
        out.write_all(b"\n")
    })?;
    staging.commit()?;
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_part_the_order_and_differ_by_one_at_most() {
        for (start, rows) in [(0, 10), (3, 23), (500, 501), (0, 5005)] {
            for count in 1..=10 {
                let cut: Vec<Range<usize>> = bins(start..start + rows, count).collect();
                assert_eq!((cut.len(), cut[0].start, cut[count - 1].end), (count, start, start + rows));
                assert!(cut.windows(2).all(|pair| pair[0].end == pair[1].start && pair[0].len() >= pair[1].len()));
                assert!(cut[0].len() - cut[count - 1].len() <= 1);
            }
        }
    }
}
