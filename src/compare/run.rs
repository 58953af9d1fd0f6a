//! Runs a comparison: one selection run per cost, which shares its pass between methods and budgets, and what is said
//! beside it.

use std::time::Instant;

use kantor_solvers::Watch;
use kantor_theory::{Cost, Rows};

use super::solvers::{Solvers, solve};
use super::text::{BINS, Texts};
use super::{map, near, nearest, overlap, queries, unseen, warnings};
use crate::label::Labelled;
use crate::pipeline::{Error, Inputs, Outcome, ProvedSelection, Request as Selecting, every_method, notes};
use crate::probe;
use crate::problem::Goal;
use crate::record::{
    AgainstRandom, Best, COMPARISON_SCHEMA, Comparison, Copies, Examined, Origin, Overlap, Parameters, Prices,
    SelectionRecord, closest, directory, query_texts, rows,
};
use crate::source::OnBadRow;

/// What to compare, from inputs already open.
#[derive(Clone)]
pub struct CompareRequest {
    /// What is asked under each of the costs; its own cost is not read.
    pub goal: Goal,
    /// Methods and settings; distances are always certified. The method `all` stands for all that take these inputs under
    /// these costs.
    pub selecting: Selecting,
    /// Costs, at least one.
    pub costs: Vec<Cost>,
    /// Random subsets of every budget that selections are compared with; 0 for none.
    pub random_seeds: usize,
    /// Solvers to run on every selection.
    pub solvers: Option<Solvers>,
    /// Whether to write what `select` writes of every selection, but for cards, and how chosen records.
    pub write_selections: Option<Copies>,
    /// What was done with rows that cannot be measured.
    pub on_bad_row: OnBadRow,
    /// The words of the command line, for the record.
    pub command: Vec<String>,
    /// When the run began.
    pub begun: Instant,
}

impl CompareRequest {
    /// How the directories of selections under this cost begin: with its name, if there are several.
    pub(super) fn under(&self, cost: Cost) -> String {
        if self.costs.len() > 1 { format!("{cost}/") } else { String::new() }
    }
}

/// A comparison and the selections that it is about.
pub struct Compared {
    /// What was found.
    pub comparison: Comparison,
    /// The selections, by cost.
    pub(super) outcomes: Vec<Outcome>,
}

/// Compares.
///
/// ```
/// use kantor::compare::{CompareRequest, compare};
/// use kantor::prelude::*;
/// use kantor::source::OnBadRow;
/// let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
/// let (pool, query) = (vec![data.join("pool.embed.npy")], vec![data.join("query_gsm8k.embed.npy")]);
/// let inputs = Inputs::open(&InputSpec { pool, query, ..InputSpec::default() }, Cost::Cosine, &Quiet)?;
/// let methods = ["round-robin", "random"].map(str::to_owned).to_vec();
/// let request = CompareRequest {
///     goal: Goal { budgets: vec![20], ..Goal::default() },
///     selecting: Request { methods, ..Request::default() },
///     costs: vec![Cost::Cosine],
///     random_seeds: 3,
///     solvers: None,
///     write_selections: None,
///     on_bad_row: OnBadRow::Error,
///     command: Vec::new(),
///     begun: std::time::Instant::now(),
/// };
/// let comparison = compare(&inputs, &request, &Quiet)?.comparison;
/// assert!(comparison.results[0].distance.map(|d| d.upper) < comparison.results[1].distance.map(|d| d.upper));
/// # Ok::<_, kantor::pipeline::Error>(())
/// ```
///
/// # Errors
/// If the request makes no sense for these inputs, a method or solver cannot work on them, or `watch` asks to stop.
pub fn compare(inputs: &Inputs, request: &CompareRequest, watch: &dyn Watch) -> Result<Compared, Error> {
    inputs.guarded(watch, |watch| compare_all(inputs, request, watch))
}

fn compare_all(inputs: &Inputs, request: &CompareRequest, watch: &dyn Watch) -> Result<Compared, Error> {
    let texts = inputs
        .examples()
        .map(|examples| {
            let kept = (0..inputs.pool_len()).map(|row| inputs.original_row(row));
            Texts::read(examples, kept, |line| inputs.said(line), watch)
        })
        .transpose()?;
    let problem = |&cost: &Cost| Ok(inputs.problem(Goal { cost, ..request.goal.clone() })?.with_cache());
    let problems = request.costs.iter().map(problem).collect::<Result<Vec<_>, Error>>()?;
    let Some(first) = problems.first() else { return Err(Error::Request("give at least one --cost".to_owned())) };
    let (methods, left_out) = every_method(&problems, &request.selecting, watch);
    let random = request.random_seeds;
    let selecting = Selecting { certify: true, methods, random, ..request.selecting.clone() };
    let mut outcomes = Vec::with_capacity(request.costs.len());
    let (mut results, mut prices) = (Vec::new(), Vec::new());
    let (mut references, mut overlaps, mut solved, mut measured) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for problem in &problems {
        let cost = problem.goal().cost;
        let labelled = Labelled::new(watch, format!("cost {cost}"));
        let watch = if request.costs.len() > 1 { &labelled } else { watch };
        let mut outcome = unseen::choose(inputs, problem, &selecting, watch)?;
        // Said once, by the comparison.
        let drawn = std::mem::take(&mut outcome.random);
        measured.append(&mut outcome.unseen.clone());
        let subsets: Vec<&[usize]> = rows(&outcome).collect();
        for ((chosen, proved), near) in outcome.selections().zip(near::shares(inputs, &subsets, watch)?) {
            let dir = request.write_selections.is_some().then(|| directory(&request.under(cost), chosen, proved));
            let found = SelectionRecord::of(Origin(Some(inputs)), &outcome.request, chosen, proved, dir);
            let reference = drawn.iter().find(|reference| reference.budget == proved.budget);
            let against_random = reference.and_then(|drawn| found.against(drawn));
            let (examined, sources) = examine(inputs, proved, against_random, near, texts.as_ref());
            let counts_quality = outcome.quality.as_ref().is_some_and(|quality| quality.weight != 0.0);
            let best = (!counts_quality).then(|| Best::Number(proved.best().unwrap_or(0.0)));
            let cost = Some(cost);
            results.push(SelectionRecord { cost, best, examined: Some(examined), sources: Some(sources), ..found });
        }
        let texts = query_texts(inputs, &outcome, watch)?;
        let selections: Vec<_> = outcome.selections().collect();
        let of_cost = &results[results.len() - selections.len()..];
        prices.extend(closest(of_cost).into_iter().filter_map(|at| {
            let (chosen, proved) = selections[at];
            Prices::of(Origin(Some(inputs)), &chosen.method, proved, &texts)
        }));
        references.extend(drawn);
        overlaps.extend(overlapping(cost, &outcome));
        if let Some(solvers) = &request.solvers {
            solved.extend(solve(problem, &outcome, solvers, watch)?);
        }
        problem.geometry().clear_cache();
        outcomes.push(outcome);
    }
    let records = inputs.records(request.write_selections.is_some(), watch)?;
    outcomes.iter_mut().for_each(|outcome| outcome.inputs.clone_from(&records));
    let largest = request.goal.budgets.iter().enumerate().max_by_key(|(_, budget)| **budget).map_or(0, |(at, _)| at);
    let outcome = &outcomes[0];
    let chosen: Vec<(&str, &[usize])> =
        outcome.chosen.iter().map(|c| (c.method.as_str(), &c.selections[largest].selection.rows[..])).collect();
    let nearest = nearest::nearest(inputs, first, &chosen, outcome.request.memory, watch)?;
    let (queries, row_texts) = queries::queries(inputs, outcome, watch)?;
    let all: Vec<Vec<usize>> = outcomes.iter().flat_map(|outcome| rows(outcome).map(<[usize]>::to_vec)).collect();
    let map = map::map(inputs, request.costs[0], outcome.request.seed, &results, &all, watch)?;
    let tokens = |row: &SelectionRecord| row.examined.as_ref()?.tokens;
    let has_text = results.iter().any(|row| tokens(row).is_some());
    let mut comparison = Comparison {
        schema: COMPARISON_SCHEMA.into(),
        kantor: env!("CARGO_PKG_VERSION").into(),
        command: request.command.clone(),
        inputs: records,
        pool_rows: inputs.pool_len(),
        query_rows: inputs.queries().len(),
        dimension: inputs.points().map(|(pool, _)| pool.dim()),
        costs: request.costs.clone(),
        parameters: Parameters::of(outcome, request.on_bad_row),
        seed: outcome.request.seed,
        random_seeds: request.random_seeds,
        warnings: Vec::new(),
        results,
        references,
        unseen: measured,
        overlaps,
        solvers: solved,
        groups: Origin(Some(inputs)).groups(),
        sources: texts.map_or_else(Vec::new, |texts| texts.sources),
        length_bins: if has_text { BINS.to_vec() } else { Vec::new() },
        nearest,
        queries,
        row_texts,
        map,
        prices,
        seconds: request.begun.elapsed().as_secs_f64(),
        cpu_seconds: probe::cpu_seconds(),
        peak_memory_bytes: probe::peak_memory(),
    };
    let notes: Vec<_> = outcomes.iter().map(|outcome| notes(inputs.groups(), outcome)).collect();
    comparison.warnings = warnings::warnings(inputs, &comparison, &left_out, &notes);
    Ok(Compared { comparison, outcomes })
}

/// What is said of a selection besides, and its rows by source.
fn examine(
    inputs: &Inputs,
    proved: &ProvedSelection,
    against_random: Option<AgainstRandom>,
    near_duplicates: Option<f64>,
    texts: Option<&Texts>,
) -> (Examined, Vec<usize>) {
    let originals: Vec<usize> = proved.selection.rows.iter().map(|&row| inputs.original_row(row)).collect();
    let (tokens, lengths) = texts.and_then(|texts| texts.lengths(&originals)).unzip();
    let mut query_rows = vec![0; inputs.queries().len()];
    proved.nearest.iter().for_each(|(query, _)| query_rows[*query] += 1);
    let examined = Examined {
        against_random,
        tokens,
        lengths: lengths.unwrap_or_default(),
        near_duplicates,
        query_costs: proved.nearest_rows.iter().map(|(_, cost)| *cost).collect(),
        query_rows,
    };
    (examined, texts.map_or_else(Vec::new, |texts| texts.by_source(&originals)))
}

fn overlapping(cost: Cost, outcome: &Outcome) -> Vec<Overlap> {
    if outcome.chosen.len() < 2 {
        return Vec::new();
    }
    let methods: Vec<String> = outcome.chosen.iter().map(|chosen| chosen.method.clone()).collect();
    let at = |(at, &budget): (usize, &usize)| {
        let rows: Vec<&[usize]> = outcome.chosen.iter().map(|c| &c.selections[at].selection.rows[..]).collect();
        Overlap { cost, budget, methods: methods.clone(), jaccard: overlap::jaccard(&rows) }
    };
    outcome.goal.budgets.iter().enumerate().map(at).collect()
}
