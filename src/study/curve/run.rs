//! Draws the parts, chooses by them, and measures.

use kantor_solvers::draw::without_replacement;
use kantor_solvers::folds::{kept_together, nested, split};
use kantor_solvers::{SelectError, Watch};
use kantor_theory::{Interval, Objective, PickedRows};

use super::{Axis, Curve, LearningCurves, LeftOut, Point};
use crate::constraints::Rules;
use crate::label::Labelled;
use crate::pipeline::{Behind, Error, Inputs, Means, Request, choose_and_measure, every_method, middle, unlike_anew};
use crate::problem::{Goal, Problem};
use crate::statistics::mean;

/// Choices are made by one part in each of these many, the largest first.
const DIVISORS: [usize; 4] = [1, 2, 4, 8];

/// Fewer queries say nothing of a task, and are no point of a curve.
pub const LEAST: usize = 4;

/// First stream of the generator that draws parts of the pool.
const POOL: u64 = 1 << 42;

/// A size: one part in so many of the queries that are not kept out, and of the pool.
#[derive(Clone, Copy, PartialEq)]
struct Size {
    queries: usize,
    pool: usize,
}

impl Size {
    /// All sizes, that of everything first, so that what fails whatever the size is not put down to one.
    fn all() -> Vec<Size> {
        let of_queries = DIVISORS.map(|queries| Size { queries, pool: 1 });
        let of_pool = DIVISORS[1..].iter().map(|&pool| Size { queries: 1, pool });
        of_queries.into_iter().chain(of_pool).collect()
    }

    fn is_whole(self) -> bool {
        (self.queries, self.pool) == (1, 1)
    }

    fn label(self) -> String {
        match self {
            Size { queries: 1, pool: 1 } => "all".to_owned(),
            Size { queries, pool: 1 } => format!("1/{queries} of the queries"),
            Size { pool, .. } => format!("1/{pool} of the pool"),
        }
    }
}

/// What was measured at a size.
struct Tried {
    size: Size,
    /// Of each draw.
    queries: Vec<usize>,
    pool_rows: usize,
    /// By method and budget, for each part that is kept out: distances to its queries, and to those that chose.
    found: Vec<Vec<Vec<[Means; 2]>>>,
    /// Why nothing was chosen.
    refused: Option<String>,
}

/// Learning curves of files; as [`learning_curves`].
///
/// # Errors
/// As there; or if a file changes meanwhile.
pub fn learning_curves_of(
    inputs: &Inputs,
    goal: &Goal,
    request: &Request,
    folds: usize,
    watch: &dyn Watch,
) -> Result<LearningCurves, Error> {
    inputs.guarded(watch, |watch| {
        let problems = [inputs.problem(goal.clone())?];
        let (methods, _) = every_method(&problems, request, watch);
        let request = inputs.within(&Request { methods, ..request.clone() });
        learning_curves(&problems[0], &request, folds, watch).map_err(|error| inputs.named(error, goal.cost))
    })
}

/// Chooses by nested random parts (halves, quarters, eighths) of the queries and of the pool, and measures the choices on queries that were kept
/// out. The queries are split into `folds` parts, each of which is kept out once; groups of queries stay together. Every draw is by the seed of
/// the request; all methods and budgets share one pass over the pool for each draw.
///
/// ```
/// use kantor::prelude::*;
/// use kantor::study::{Axis, learning_curves};
/// let row = |i: usize| [(0.1 * i as f64).cos(), (0.1 * i as f64).sin()];
/// let pool = DenseRows::from_f64(2, (0..60).flat_map(row).collect()).ok_or("rows of two numbers")?;
/// let query = DenseRows::from_f64(2, (0..20).map(|i| 3 * i).flat_map(row).collect()).ok_or("rows of two numbers")?;
/// let problem = Problem::new(&pool, &query, Goal { budgets: vec![5], ..Goal::default() })?;
/// let found = learning_curves(&problem, &Request::default(), 5, &Quiet)?;
/// assert_eq!(found.curves[0].axis, Axis::Queries);
/// println!("{}", found.curves[0].sentence());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If there are too few queries or groups, the request makes no sense for the problem, a method cannot choose by all that is not kept out, or
/// `watch` asks to stop.
pub fn learning_curves(
    problem: &Problem<'_>,
    request: &Request,
    folds: usize,
    watch: &dyn Watch,
) -> Result<LearningCurves, Error> {
    let (parts, m, n) = (problem.parts(), problem.geometry().query_len(), problem.geometry().pool_len());
    let groups = groups(problem, &parts, folds)?;
    let objective = problem.goal().objective.objective(problem.geometry(), &request.settings.read())?;
    let splits = split(&parts, groups.as_deref(), folds, request.seed);
    let others: Vec<Vec<usize>> =
        splits.iter().map(|fold| (0..m).filter(|query| fold.binary_search(query).is_err()).collect()).collect();
    if let Some(left) = others.iter().map(Vec::len).min().filter(|left| *left < 2 * LEAST) {
        return Err(Error::Request(format!(
            "{m} queries leave only {left} to choose by when one part in {folds} of them is kept out, and a learning curve takes at least {}: \
             give more queries, or keep out less with more --folds",
            2 * LEAST
        )));
    }
    let budgets = problem.goal().budgets.len();
    let mut tried: Vec<Tried> = Size::all()
        .into_iter()
        .map(|size| Tried {
            size,
            queries: Vec::new(),
            pool_rows: n.div_ceil(size.pool),
            found: vec![vec![Vec::with_capacity(folds); budgets]; request.methods.len()],
            refused: None,
        })
        .collect();
    for (place, (fold, others)) in splits.iter().zip(&others).enumerate() {
        let seen = nested(&parts, groups.as_deref(), others, &DIVISORS, request.seed, place);
        let order = without_replacement(request.seed, POOL + place as u64, n, n);
        for tried in tried.iter_mut().filter(|tried| tried.refused.is_none()) {
            let label = format!("{}, part {} of {folds} kept out", tried.size.label(), place + 1);
            let watch = &Labelled::new(watch, label);
            let at = DIVISORS.iter().position(|divisor| *divisor == tried.size.queries).unwrap_or(0);
            let mut pool = order[..tried.pool_rows].to_vec();
            pool.sort_unstable();
            match one(problem, request, objective, [fold, &seen[at]], &pool, tried, watch) {
                // Whatever is wrong with everything is wrong with parts as well.
                Err(error) if tried.size.is_whole() || !is_of_size(&error) => return Err(error),
                Err(error) => tried.refused = Some(error.to_string()),
                Ok(()) => tried.queries.push(seen[at].len()),
            }
        }
    }
    doubt_sizes(&mut tried);
    let curves: Vec<Curve> = Axis::ALL.into_iter().flat_map(|axis| curves(axis, &tried, problem, request)).collect();
    let left_out = tried.iter().filter_map(|tried| {
        let (axis, divisor) = match tried.size {
            Size { queries, pool: 1 } => (Axis::Queries, queries),
            Size { pool, .. } => (Axis::Pool, pool),
        };
        Some(LeftOut { axis, divisor, why: tried.refused.clone()? })
    });
    let left_out: Vec<LeftOut> = left_out.collect();
    if curves.is_empty() {
        let why = left_out.first().map_or_else(String::new, LeftOut::sentence);
        return Err(Error::Request(format!("there is no part by which rows can be chosen: {why}")));
    }
    Ok(LearningCurves {
        cost: problem.goal().cost,
        p: problem.goal().power,
        objective,
        seed: request.seed,
        folds,
        groups: groups.and_then(|groups| groups.into_iter().max()).map(|last| last + 1),
        in_tokens: problem.rules().is_some_and(Rules::are_in_tokens),
        query_rows: m,
        pool_rows: n,
        curves,
        left_out,
    })
}

/// The groups of the queries, if there are some: enough of them for so many parts.
fn groups(problem: &Problem<'_>, parts: &[usize], folds: usize) -> Result<Option<Vec<usize>>, Error> {
    let least = parts.iter().copied().min().unwrap_or(0);
    if folds < 2 || folds > least {
        let of = if parts.len() > 1 { " of the smallest task" } else { "" };
        return Err(Error::Request(format!("--folds {folds} is not between 2 and the {least} queries{of}")));
    }
    let Some(labels) = problem.groups() else { return Ok(None) };
    kept_together(parts, Some(labels), folds).map(Some).ok_or_else(|| {
        let fault = format!("there are fewer groups of queries than --folds {folds}, so they cannot be kept together");
        Error::Request(format!("{fault}: ask for fewer, or leave out --query-groups"))
    })
}

/// Whether parts of another size may do.
fn is_of_size(error: &Error) -> bool {
    match error {
        Error::Selector(error) => !matches!(error, SelectError::Stopped(_) | SelectError::Memory { .. }),
        Error::Rule(_) => true,
        _ => false,
    }
}

/// Chooses by the second list of queries from these rows, and measures on the first.
fn one(
    problem: &Problem<'_>,
    request: &Request,
    objective: Objective,
    [held, seen]: [&[usize]; 2],
    pool: &[usize],
    tried: &mut Tried,
    watch: &dyn Watch,
) -> Result<(), Error> {
    let rows = problem.pool_part(pool.to_vec());
    let part = problem.in_pool(&*rows, pool)?;
    let sets = part.goal().budgets.iter().map(|&budget| part.feasible(budget)).collect::<Result<Vec<_>, _>>()?;
    let balance = request.balance.as_ref().map(|labels| seen.iter().map(|&query| labels[query]).collect());
    let request = Request { balance, ..request.clone() };
    let picked = [held, seen].map(|list| PickedRows::new(part.queries(), list.to_vec()));
    let (held, seen) = (part.among(&picked[0], held)?, unlike_anew(part.among(&picked[1], seen)?, watch)?);
    choose_and_measure([&held, &seen], &request, objective, &sets, watch, |method, budget, measured| {
        tried.found[method][budget].push(measured.map(|measured| measured.means));
    })
}

/// Leaves out parts that have too few queries, or as many as a larger part has.
fn doubt_sizes(tried: &mut [Tried]) {
    let total = |tried: &Tried| tried.queries.iter().sum::<usize>();
    let mut larger = tried.first().map_or(0, total);
    for tried in tried.iter_mut().filter(|tried| tried.size.queries > 1 && tried.refused.is_none()) {
        let least = tried.queries.iter().copied().min().unwrap_or(0);
        let here = total(tried);
        if least < LEAST {
            tried.refused = Some(format!("it has only {least} queries, and fewer than {LEAST} say nothing of a task"));
        } else if here >= larger {
            tried.refused = Some(
                "as groups stay together and every task keeps some, it is no smaller than a larger part".to_owned(),
            );
        } else {
            larger = here;
        }
    }
}

/// The curves along an axis, if at least two sizes were tried.
fn curves(axis: Axis, tried: &[Tried], problem: &Problem<'_>, request: &Request) -> Vec<Curve> {
    let of_axis = |tried: &&Tried| match axis {
        Axis::Queries => tried.size.pool == 1,
        Axis::Pool => tried.size.queries == 1,
    };
    // The smallest first.
    let sizes: Vec<&Tried> = tried.iter().rev().filter(of_axis).filter(|tried| tried.refused.is_none()).collect();
    if sizes.len() < 2 {
        return Vec::new();
    }
    let mut curves = Vec::new();
    for (method, name) in request.methods.iter().enumerate() {
        for (at, &budget) in problem.goal().budgets.iter().enumerate() {
            let found: Vec<(&Tried, &[[Means; 2]])> =
                sizes.iter().map(|tried| (*tried, &tried.found[method][at][..])).collect();
            curves.push(Curve { axis, method: name.clone(), budget, points: points(&found) });
        }
    }
    curves
}

/// The points of a curve, from what was measured at every size.
fn points(found: &[(&Tried, &[[Means; 2]])]) -> Vec<Point> {
    let distances =
        |of: &[[Means; 2]], side: usize| of.iter().map(|part| middle(part[side].distance)).collect::<Vec<_>>();
    let energies = |of: &[[Means; 2]]| -> Option<Vec<f64>> {
        let known: Option<Vec<Interval>> = of.iter().map(|part| part[0].energy).collect();
        Some(known?.into_iter().map(middle).collect())
    };
    let average = |values: &[f64]| mean(values.iter().copied());
    let unseen: Vec<Vec<f64>> = found.iter().map(|(_, of)| distances(of, 0)).collect();
    let energy: Vec<Option<Vec<f64>>> = found.iter().map(|(_, of)| energies(of)).collect();
    let last = unseen.len().saturating_sub(1);
    let point = |(at, (tried, of)): (usize, &(&Tried, &[[Means; 2]]))| {
        let before = at.checked_sub(1);
        Point {
            queries: mean(tried.queries.iter().map(|&count| count as f64)),
            pool_rows: tried.pool_rows,
            unseen: average(&unseen[at]),
            seen: average(&distances(of, 1)),
            energy: energy[at].as_deref().map(average),
            gain: before.map(|before| Behind::of(&unseen[before], &unseen[at])),
            energy_gain: before.and_then(|before| Some(Behind::of(energy[before].as_ref()?, energy[at].as_ref()?))),
            behind_last: Behind::of(&unseen[at], &unseen[last]),
        }
    };
    found.iter().enumerate().map(point).collect()
}
