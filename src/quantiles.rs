//! Quantiles of a method's order: the whole pool is ordered, the order is cut into bins, and some rows of each bin are
//! written like a selection, with their certified distance. Models trained on them say whether distance predicts loss
//! (the quantile experiment of arXiv 2602.14696).

use std::ops::Range;
use std::time::Instant;

use kantor_solvers::registry::SELECTORS;
use kantor_solvers::{Selection, Watch};

use crate::output::ResultDirectory;
use crate::pipeline::{Chosen, Error, Inputs, Outcome, Prepared, Request};
use crate::problem::{Goal, Problem};
use crate::record::{Copies, Cut, Manifest, Origin, RankRange, Run, SelectionWriter, finish, texts};
use crate::source::OnBadRow;

/// Version of the format of the manifest.
pub const SCHEMA: &str = "kantor/quantiles-manifest/1";

/// The bins of an order, each with its first rows.
#[derive(Debug, Clone)]
pub struct Bins {
    /// One selection for each bin, the nearest first.
    pub outcome: Outcome,
    /// Places of the order by bin.
    pub ranks: Vec<Range<usize>>,
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

/// Orders the pool by the one method of `request`, cuts the order, and certifies rows of every bin if that was asked for. The
/// budgets of the goal are not read.
///
/// ```
/// use kantor::prelude::*;
/// use kantor::quantiles::quantiles;
/// use kantor::record::Cut;
/// let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
/// let (pool, query) = (vec![data.join("pool.embed.npy")], vec![data.join("query_gsm8k.embed.npy")]);
/// let inputs = Inputs::open(&InputSpec { pool, query, ..InputSpec::default() }, Cost::Cosine, &Quiet)?;
/// let request = Request { methods: vec!["doubly-greedy".into()], certify: false, ..Request::default() };
/// let problem = inputs.problem(Goal::default())?;
/// let found = quantiles(problem, &request, Cut { bins: 5, take: 10, focus_bin: None }, &Quiet)?;
/// assert_eq!((found.ranks.len(), found.ranks[0].clone()), (5, 0..1001));
/// # Ok::<_, kantor::pipeline::Error>(())
/// ```
///
/// # Errors
/// If the method orders nothing or not the whole pool, the cut makes no sense for it, or `watch` asks to stop.
pub fn quantiles(problem: Problem<'_>, request: &Request, cut: Cut, watch: &dyn Watch) -> Result<Bins, Error> {
    let rows = problem.geometry().pool_len();
    let problem = problem.with_budgets(vec![rows]);
    let ranks = cut.apply(rows)?;
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
    let whole = Request { certify: false, cross_fit: None, ..request.clone() };
    let begun = Instant::now();
    let prepared = Prepared::new(&problem, &whole, watch)?;
    let mut order = prepared.choose(name, &[rows], request.seed)?;
    let seconds = begun.elapsed().as_secs_f64();
    let whole_order = order.selections.pop().map(|proved| proved.selection);
    let Some(whole_order) = whole_order.filter(|order| order.rows.len() == rows) else {
        return Err(Error::Request(format!("method `{name}` does not order the whole pool, so it has no quantiles")));
    };
    let bin = |(bin, ranks): (usize, &Range<usize>)| {
        let taken = ranks.start..ranks.start + cut.take;
        let selection = Selection {
            rows: whole_order.rows[taken.clone()].to_vec(),
            scores: whole_order.scores[taken].to_vec(),
            status: whole_order.status,
            notes: whole_order.notes.clone(),
        };
        match request.certify {
            true => prepared.certify(&format!("bin {bin}"), None, cut.take, selection),
            false => Ok(prepared.unproved(cut.take, selection)),
        }
    };
    let selections = ranks.iter().enumerate().map(bin).collect::<Result<_, _>>()?;
    let outcome = prepared.outcome(vec![Chosen { selections, seconds, ..order }]);
    let request = Request { certify: request.certify, ..outcome.request };
    Ok(Bins { outcome: Outcome { request, ..outcome }, ranks })
}

/// Orders the pool, cuts it, and writes the bins into `staging`'s target, all at once.
///
/// # Errors
/// As [`quantiles`]; or if an input changed meanwhile, or the system refuses. Then the target is as it was.
pub fn run(
    mut staging: ResultDirectory,
    inputs: &Inputs,
    goal: &Goal,
    request: &Request,
    cut: Cut,
    on_bad_row: OnBadRow,
    watch: &dyn Watch,
) -> Result<Manifest, Error> {
    let begun = Instant::now();
    let Bins { mut outcome, ranks } = inputs.guarded(watch, |watch| {
        let found = quantiles(inputs.problem(goal.clone())?, &inputs.within(request), cut, watch);
        found.map_err(|error| inputs.named(error, goal.cost))
    })?;
    outcome.inputs = inputs.records(request.certify, watch)?;
    let texts = texts(inputs, &outcome, Copies::default(), watch)?;
    let writer = SelectionWriter::new(inputs, &outcome.inputs, &texts);
    let digits = (cut.bins - 1).to_string().len().max(2);
    let dir = |bin: usize| format!("bin{bin:0digits$}");
    for (bin, (chosen, proved)) in outcome.selections().enumerate() {
        writer.write(&mut staging, &dir(bin), &chosen.method, proved)?;
    }
    inputs.check_unchanged()?;
    let run = Run { begun, on_bad_row };
    let made = Manifest::of(Origin(Some(inputs)), &outcome, run, |_, _| None, staging.written().to_vec());
    let order_seconds = outcome.chosen.first().map(|order| order.seconds);
    // Budgets are not what bins are about, and notes are about budgets.
    let mut manifest = Manifest { schema: SCHEMA.into(), cut: Some(cut), notes: Vec::new(), order_seconds, ..made };
    for (bin, (result, ranks)) in manifest.results.iter_mut().zip(ranks).enumerate() {
        (result.bin, result.dir, result.seconds) = (Some(bin), Some(dir(bin)), result.certify_seconds);
        result.ranks = Some(RankRange { first_rank: ranks.start, last_rank: ranks.end - 1, rows: result.budget });
    }
    finish(staging, &manifest)?;
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
