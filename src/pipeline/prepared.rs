//! [`Prepared`]: the work that all methods of a request share, done once. It is one pass over the pool, and the bounds for
//! all subsets of the sizes asked for.
//!
//! With a [`Prepared`], methods choose one after the other, by any seed, for some or all of the budgets; what they choose is
//! certified here too.

use std::time::Instant;

use kantor_solvers::registry::{SELECTORS, selector};
use kantor_solvers::relax::budgeted::{self, Budgeted};
use kantor_solvers::relax::herding;
use kantor_solvers::relax::tsds;
use kantor_solvers::scan::{list_bytes, scan};
use kantor_solvers::select::{Balanced, Constrained};
use kantor_solvers::{Optimum, PoolScan, ScanRequest, SelectError, Selection, Selector, Settings, Task, Watch};
use kantor_theory::{BestBound, Objective};

use crate::certify::{self, Certified, Nearest, Terms};
use crate::constraints::{LimitUse, Rules, uses};
use crate::label::{self, Labelled};
use crate::probe;
use crate::problem::{Goal, Problem};
use crate::suggest::did_you_mean;

use super::combinations;
use super::feasible::FeasibleSets;
use super::{Aggregate, Beside, Chosen, Error, Outcome, ProvedSelection, Request, TokensUsed, crossfit};

/// Bytes kept per chosen row: its number, its score, its closest query, and the cost to that query.
const CHOSEN_ROW: u64 = 32;

/// The selector of the registry that has this name, with these settings.
///
/// # Errors
/// If there is none; the message lists those there are.
pub fn method(name: &str, settings: &Settings) -> Result<Box<dyn Selector>, Error> {
    let known = || SELECTORS.iter().map(|entry| entry.name);
    let entry = selector(name).ok_or_else(|| Error::UnknownMethod {
        name: name.to_owned(),
        meant: did_you_mean(name, known()),
        known: known().collect::<Vec<_>>().join(", "),
    })?;
    Ok((entry.build)(settings))
}

impl Request {
    /// The selector of that name: one of the caller's, else one of the registry.
    ///
    /// # Errors
    /// If there is none; the message lists those there are.
    pub fn selector(&self, name: &str) -> Result<Box<dyn Selector>, Error> {
        match self.own.iter().find(|own| own.name() == name) {
            Some(own) => Ok(Box::new(own.clone())),
            None => method(name, &self.settings),
        }
    }
}

/// The selector of that name, balanced over groups of queries if the request asks for that, and obeying constraints if there
/// are some.
fn selector_of(name: &str, request: &Request, constrained: bool) -> Result<Box<dyn Selector>, Error> {
    let mut selector = request.selector(name)?;
    if let Some(labels) = &request.balance {
        selector = Box::new(Balanced::new(selector, labels));
    }
    Ok(if constrained { Box::new(Constrained::new(selector)) } else { selector })
}

/// A request whose shared work is done.
pub struct Prepared<'a> {
    problem: &'a Problem<'a>,
    request: &'a Request,
    /// Without constraints, which depend on the budget.
    task: Task<'a>,
    sets: FeasibleSets,
    objective: Objective,
    scanned: PoolScan,
    optimum: Optimum,
    bests: Vec<BestBound>,
    scan_seconds: f64,
    best_seconds: f64,
}

impl<'a> Prepared<'a> {
    /// Checks the request and does the shared work.
    ///
    /// # Errors
    /// If the request makes no sense here, a row of the pool cannot be measured, it needs too much memory, or `watch` asks
    /// to stop.
    pub fn new(problem: &'a Problem<'a>, request: &'a Request, watch: &'a dyn Watch) -> Result<Self, Error> {
        let (geometry, goal) = (problem.geometry(), problem.goal());
        let (pool, budgets) = (geometry.pool_len(), &goal.budgets);
        if request.methods.is_empty() || budgets.is_empty() {
            return Err(Error::Request("give at least one --method and one --budget".to_owned()));
        }
        let in_tokens = problem.rules().is_some_and(Rules::are_in_tokens);
        if in_tokens && budgets.contains(&0) {
            return Err(Error::Request("--token-budget 0: ask for at least one token".to_owned()));
        }
        if let Some(&budget) = budgets.iter().find(|&&budget| budget == 0 || budget > pool && !in_tokens) {
            return Err(SelectError::Budget { budget, pool }.into());
        }
        let objective = goal.objective.objective(geometry, &request.settings.read())?;
        combinations::check(problem, request, objective)?;
        let memory = request.memory;
        let sets = FeasibleSets::of(problem, memory, watch)?;
        let task = Task { objective, ..problem.task(request.seed, memory, watch) };
        task.check_weights()?;
        task.check_tasks()?;
        let rows: Vec<usize> = budgets.iter().map(|&budget| sets.rows(budget)).collect();
        let largest = rows.iter().copied().max().unwrap_or(0);
        let transport = request.certify && objective == Objective::W;
        let mut needs = if transport { budgeted::needs(&task, largest) } else { ScanRequest::default() };
        for name in &request.methods {
            let selector = selector_of(name, request, sets.are_constrained())?;
            for (task, budgets) in sets.parts(&task, budgets) {
                selector.supports(&task)?;
                needs = needs.union(selector.needs(&task, budgets.iter().copied().max().unwrap_or(0)));
            }
        }
        let certified = if request.certify { largest } else { 0 };
        let chosen = rows.iter().fold(0, |sum: u64, &budget| sum.saturating_add(budget as u64));
        let held = chosen.saturating_mul(request.methods.len() as u64 * CHOSEN_ROW);
        let is_constrained = sets.are_constrained() || task.quality.is_some();
        let needed = bytes(&task, needs, objective, (certified, is_constrained), budgets.len()).saturating_add(held);
        if needed > memory {
            return Err(Error::Memory { needed, allowed: memory });
        }
        let begun = Instant::now();
        let scanned = scan(&task, needs)?;
        geometry.check_rows(scanned.suspects.iter().copied())?;
        let scan_seconds = begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        let (bests, optimum) = if request.certify {
            let label = format!("every subset, {}", label::budgets(budgets));
            let watch = Labelled::new(watch, label);
            let task = Task { watch: &watch, ..task };
            bests(&task, &sets, objective, &scanned, budgets).map_err(of_every_subset)?
        } else {
            Default::default()
        };
        let best_seconds = begun.elapsed().as_secs_f64();
        Ok(Self { problem, request, task, sets, objective, scanned, optimum, bests, scan_seconds, best_seconds })
    }

    /// What a method of the request chooses by this seed for some budgets of the request, certified if that was asked
    /// for.
    ///
    /// # Errors
    /// If the method cannot work on these inputs, or the observer asks to stop.
    pub fn choose(&self, name: &str, budgets: &[usize], seed: u64) -> Result<Chosen, Error> {
        let watch = Labelled::new(self.task.watch, format!("{name}, {}", label::budgets(budgets)));
        watch.begin("choosing", 0);
        let task = Task { seed, watch: &watch, ..self.task };
        let selector = selector_of(name, self.request, self.sets.are_constrained())?;
        let (begun, cpu_begun) = (Instant::now(), probe::cpu_seconds());
        let mut found = Vec::with_capacity(budgets.len());
        for (task, budgets) in self.sets.parts(&task, budgets) {
            // The search for the bounds may have solved this selector's own problem.
            let known = selector.of_optimum(&task, &self.optimum, budgets);
            let is_optimum = known.is_some();
            let selections = known.map_or_else(|| selector.select(&task, &self.scanned, budgets), Ok)?;
            let of = budgets.iter().zip(selections);
            found.extend(of.map(|(&budget, selection)| (is_optimum, budget, selection)));
        }
        let (seconds, cpu_seconds) = (begun.elapsed().as_secs_f64(), probe::cpu_seconds() - cpu_begun);
        let prove = |(is_optimum, budget, selection): (bool, usize, Selection)| {
            let optimum = self.optimum.of_transport(budget).filter(|_| is_optimum);
            self.prove(name, optimum, budget, selection)
        };
        let selections = found.into_iter().map(prove).collect::<Result<_, _>>()?;
        let (method, nested, peak_memory) = (selector.name().to_owned(), selector.nested(), probe::peak_memory());
        let minimises = self.sets.are_constrained().then(|| selector.minimises(self.objective));
        Ok(Chosen { method, nested, minimises, selections, seconds, cpu_seconds, peak_memory })
    }

    /// What was proved of every subset of a budget of the request, if distances are to be certified.
    pub fn best(&self, budget: usize) -> Option<&BestBound> {
        let at = self.problem.goal().budgets.iter().position(|of| *of == budget)?;
        self.bests.get(at)
    }

    /// These choices as the outcome of the request; the input files are not described.
    pub fn outcome(&self, chosen: Vec<Chosen>) -> Outcome {
        let Self { objective, scan_seconds, best_seconds, .. } = *self;
        let (pool_rows, query_rows) = (self.task.geometry.pool_len(), self.task.geometry.query_len());
        Outcome {
            goal: self.problem.goal().clone(),
            in_tokens: self.sets.are_in_tokens(),
            constraints: self.problem.rules().map_or_else(Vec::new, Rules::in_words),
            quality: self.problem.rules().and_then(Rules::valued),
            weighted: self.problem.query_weights().is_some(),
            tasks: Vec::new(),
            aggregate: if self.problem.tasks().is_empty() { Aggregate::Mixture } else { Aggregate::Worst },
            request: self.request.clone(),
            inputs: Vec::new(),
            pool_rows,
            query_rows,
            objective,
            chosen,
            scan_seconds,
            best_seconds,
            random: Vec::new(),
            unseen: Vec::new(),
            splits_groups: false,
            cross_fit_seconds: 0.0,
        }
    }

    /// What `request` asks for: methods of the whole request, by any seed, for some budgets. Not measured fold by fold.
    pub(super) fn choose_all(&self, request: &Request, budgets: &[usize]) -> Result<Outcome, Error> {
        let chosen = request.methods.iter().map(|name| self.choose(name, budgets, request.seed));
        let goal = Goal { budgets: budgets.to_vec(), ..self.problem.goal().clone() };
        Ok(Outcome { goal, request: request.clone(), ..self.outcome(chosen.collect::<Result<_, _>>()?) })
    }

    /// As [`choose`](super::choose), for what [`Prepared::choose_all`] takes.
    pub(crate) fn part(&self, request: &Request, budgets: &[usize]) -> Result<Outcome, Error> {
        crossfit::measure(self.problem, self.choose_all(request, budgets)?, self.task.watch)
    }

    fn prove(
        &self,
        name: &str,
        found: Option<&Budgeted>,
        budget: usize,
        selection: Selection,
    ) -> Result<ProvedSelection, Error> {
        if !self.request.certify {
            self.task.watch.advance(0)?;
            return Ok(self.unproved(budget, selection));
        }
        let label = format!("{name}, {}", label::budgets(&[budget]));
        self.certify(&label, found, budget, selection)
    }

    /// A selection for this budget without a proof.
    pub(crate) fn unproved(&self, budget: usize, selection: Selection) -> ProvedSelection {
        self.described(budget, selection, None)
    }

    /// The same, with what limits are worth by the proof of this bound.
    fn described(&self, budget: usize, selection: Selection, best: Option<&BestBound>) -> ProvedSelection {
        let Nearest { of_rows: nearest, of_queries: nearest_rows } =
            certify::nearest(self.task.geometry, &selection.rows);
        ProvedSelection {
            budget,
            tokens: self.tokens(budget, &selection),
            limits: self.uses(budget, &selection, best),
            mean_quality: self.sets.mean_quality(budget, &selection.rows),
            selection,
            certified: None,
            nearest,
            nearest_rows,
            beside: None,
            held_out: None,
            seconds: 0.0,
        }
    }

    /// Certifies the distance of a selection for this budget, whether or not the request asks for that. Progress goes by the name `label`. If
    /// the selection is an optimum that was `found` already, its evidence is used and nothing is solved.
    pub(crate) fn certify(
        &self,
        label: &str,
        found: Option<&Budgeted>,
        budget: usize,
        selection: Selection,
    ) -> Result<ProvedSelection, Error> {
        let begun = Instant::now();
        let Task { geometry, watch, .. } = self.task;
        let watch = &Labelled::new(watch, label);
        watch.begin("certifying", 0);
        watch.advance(0)?;
        let set = self.sets.at(budget);
        let terms = Terms::of(&self.task, self.objective).of_rows(set, &selection.rows);
        // A selector of the caller's may answer for the optimum with rows of its own.
        let found = found.filter(|found| set.is_none() && found.rows == selection.rows);
        let found = found.map(|found| certify::found_distance(geometry, &terms, found)).transpose()?.flatten();
        let distance = match found {
            Some(distance) => distance,
            None => {
                // The cache holds closeness of other rows: those that the search for the best subset looked at.
                geometry.clear_cache();
                match set {
                    None => certify::distance(geometry, &terms, &selection.rows)?,
                    Some(set) => certify::distance_among(geometry, &terms, &selection.rows, set)?,
                }
            }
        };
        let best = self.best(budget).cloned();
        let beside = Some(Beside::of(geometry, &terms, distance.plain(), self.request.energy, &selection.rows, watch)?);
        let described = self.described(budget, selection, best.as_ref());
        let certified = Some(Certified::new(distance, best)?);
        Ok(ProvedSelection { certified, beside, seconds: begun.elapsed().as_secs_f64(), ..described })
    }

    /// What a selection uses of a budget in tokens.
    fn tokens(&self, budget: usize, selection: &Selection) -> Option<TokensUsed> {
        let (asked, lengths) = self.sets.at(budget)?.tokens()?;
        let used = selection.rows.iter().map(|&row| lengths[row] as u64).sum();
        Some(TokensUsed { rows: selection.rows.len(), used, least: asked.min as u64 })
    }

    /// What a selection uses of the limits that it obeys.
    fn uses(&self, budget: usize, selection: &Selection, best: Option<&BestBound>) -> Vec<LimitUse> {
        let prices = best.map_or(&[][..], BestBound::prices);
        self.sets.at(budget).map_or_else(Vec::new, |set| uses(set, &selection.rows, prices))
    }
}

/// Rewords errors of the bound for every subset: their search is that of a method which the request may not contain, so a
/// message must not name it.
fn of_every_subset(error: Error) -> Error {
    match error {
        Error::Selector(SelectError::Memory { needed, allowed, .. }) => Error::BoundMemory { needed, allowed },
        Error::Selector(SelectError::Unsupported { fault, .. }) => Error::Request(format!(
            "the bound for every subset {fault}, or do without proofs (--no-certify of `kantor select`)"
        )),
        other => other,
    }
}

/// Bytes taken beyond the input by the pass, by what it finds, and by the proof for at most `certified` rows of each budget:
/// costs, and the cache of closeness.
fn bytes(
    task: &Task<'_>,
    needs: ScanRequest,
    objective: Objective,
    (certified, is_constrained): (usize, bool),
    budgets: usize,
) -> u64 {
    let (n, m) = (task.geometry.pool_len(), task.geometry.query_len());
    let dim = task.geometry.points().map_or(0, |rows| rows.dim());
    let block = rayon::current_num_threads() * task.block.min(n) * 4 * (m + dim);
    let best = if needs.row_best { size_of::<u64>() * 2 * n } else { 0 };
    let lists = if needs.lists > 0 { list_bytes(task, needs.lists) } else { 0 };
    let proof = match objective {
        _ if certified == 0 => 0,
        Objective::W => budgeted::bytes(task, certified, is_constrained),
        Objective::Tsds { .. } => tsds::bytes(task, certified) + (2 * size_of::<f64>() * certified * m) as u64,
        _ => herding::bytes(task, certified, budgets) + (size_of::<f64>() * certified * dim) as u64,
    };
    (block + best) as u64 + lists + proof
}

/// Proves for every budget how close any subset of that size can be that may be chosen. Also returns what was solved for that.
fn bests(
    task: &Task<'_>,
    sets: &FeasibleSets,
    objective: Objective,
    scanned: &PoolScan,
    budgets: &[usize],
) -> Result<(Vec<BestBound>, Optimum), Error> {
    let (mut bounds, mut optimum) = (Vec::with_capacity(budgets.len()), Optimum::Unknown);
    for (task, budgets) in sets.parts(task, budgets) {
        let solved = solve(&task, sets, objective, scanned, budgets, &mut bounds)?;
        optimum.extend(solved);
    }
    Ok((bounds, optimum))
}

/// Solves the objective for budgets that can be worked on together, and adds the bounds for them.
fn solve(
    task: &Task<'_>,
    sets: &FeasibleSets,
    objective: Objective,
    scanned: &PoolScan,
    budgets: &[usize],
    bounds: &mut Vec<BestBound>,
) -> Result<Optimum, Error> {
    let (geometry, terms) = (task.geometry, Terms::of(task, objective));
    if let Objective::Tsds { diversity } = objective {
        for dual in tsds::duals(task, diversity, budgets)? {
            bounds.push(match sets.at(dual.budget) {
                None => certify::best_tsds(geometry, &terms, &dual)?,
                Some(set) => certify::best_among(geometry, &terms, dual.budget, dual.potentials, set, &dual.prices)?,
            });
        }
        return Ok(Optimum::Unknown);
    }
    let Some(kernel) = objective.kernel() else {
        let solved = budgeted::solve(task, scanned, budgets)?;
        let lists = solved.lists.as_ref().or(scanned.lists.as_ref());
        for found in &solved.budgets {
            bounds.push(match sets.at(found.budget) {
                None => certify::best(geometry, &terms, found, lists)?,
                Some(set) => {
                    let evidence = certify::best_evidence(found);
                    certify::best_among(geometry, &terms, found.budget, evidence, set, &found.prices)?
                }
            });
        }
        return Ok(Optimum::Transport(solved));
    };
    let solved = herding::choose(task, kernel, budgets)?;
    for chosen in &solved.budgets {
        let dual = herding::dual(task, kernel, chosen)?;
        let prices = dual.prices.clone();
        bounds.push(match sets.at(chosen.budget) {
            None => certify::best_under(geometry, &terms, chosen.budget, dual.evidence())?,
            Some(set) => certify::best_among(geometry, &terms, chosen.budget, dual.evidence(), set, &prices)?,
        });
    }
    Ok(Optimum::Kernel(solved))
}
