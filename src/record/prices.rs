//! `prices.json`: what the proof of a bound for all subsets says of other problems, in words and in the unit of the distance
//! (T16, `theory/notes/T16.md`).

use std::borrow::Cow;
use std::collections::HashMap;

use kantor_solvers::Watch;
use kantor_theory::constraints::Limit;
use kantor_theory::{
    BestBound, Constraints, Cost, Interval, LimitEnd, Objective, Power, PricedEnd, Sensitivity, TokenBudget,
};
use serde::{Deserialize, Serialize};

use crate::constraints::{LISTED, limit_in_words};
use crate::pipeline::{Error, Inputs, Outcome, ProvedSelection};
use crate::source::text::beginning;

use super::files::null_as_nan;
use super::selection::{Best, SelectionRecord};
use super::{Origin, Parameters};

/// What rounding may do to a distance, as a share.
const SLACK: f64 = 1e-9;

/// Version of its format.
pub const PRICES_SCHEMA: &str = "kantor/prices/1";

/// What a bound for all subsets and a selection say of problems with other limits, queries or rows.
///
/// Every number `closer_by_at_most` is proved: in the changed problem no subset that may be chosen is closer to the queries than
/// the selection by more. `null` stands where nothing is proved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// [`PRICES_SCHEMA`].
    pub schema: Cow<'static, str>,
    /// Pairwise cost.
    pub cost: Cost,
    /// Power p of the distance.
    pub p: Power,
    /// Which distance.
    pub objective: Objective,
    /// Who made the selection.
    pub method: String,
    /// Its number of rows, or the budget in tokens if these are counted.
    pub budget: usize,
    /// Ends of a budget in tokens; absent if rows are the budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<TokenPrices>,
    /// The weight of quality, if that counts: every distance here is then to its power and less weight times mean quality, and
    /// nothing is said of new rows, of which the quality is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality_weight: Option<f64>,
    /// Its distance is at most this.
    pub distance_upper: f64,
    /// That of every subset that may be chosen is at least this.
    pub best_lower: f64,
    /// If nothing is changed.
    pub closer_by_at_most: Option<f64>,
    /// What each of several tasks counts, if the distance is that to the worst of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskPrice>,
    /// Ends of limits that have a price, in the order of the limits, the dearest labels first.
    pub limits: Vec<LimitPrice>,
    /// Rows that must be chosen.
    #[serde(default, skip_serializing_if = "FixedRows::are_none")]
    pub included: FixedRows,
    /// Rows that must not be chosen.
    #[serde(default, skip_serializing_if = "FixedRows::are_none")]
    pub excluded: FixedRows,
    /// The dearest queries.
    pub queries: Vec<QueryPrice>,
    /// Rows that are added to the pool, wherever they lie; none where tokens are the budget.
    pub new_rows: Vec<NewRows>,
    /// Rows of so many tokens in all that are added, where tokens are the budget.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new_tokens: Vec<NewTokens>,
}

/// What the ends of a budget in tokens are worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenPrices {
    /// The column that counts them.
    pub column: String,
    /// A choice has at least so many tokens.
    pub least: f64,
    /// If it may have one less.
    pub closer_by_at_most_with_one_less: Option<f64>,
    /// A choice has at most so many tokens.
    pub most: f64,
    /// If it may have one more.
    pub closer_by_at_most_with_one_more: Option<f64>,
}

impl Prices {
    /// Whether they are of this selection, by what both say of it, and claim no more than the bounds say by themselves.
    pub(super) fn are_of(&self, selection: &SelectionRecord, parameters: &Parameters) -> bool {
        let best = selection.best.map(Best::lower).or(selection.quality.and_then(|quality| quality.best));
        let same = (&self.method, self.budget) == (&selection.method, selection.budget);
        let bounds = (Some(self.distance_upper), Some(self.best_lower)) == (selection.upper(), best);
        let cost = selection.cost.unwrap_or(parameters.cost);
        let terms = (self.cost, self.p, self.objective) == (cost, parameters.p, parameters.objective);
        let limited = |of: &LimitPrice| selection.limits.iter().any(|limit| limit.column == of.column);
        self.schema == PRICES_SCHEMA && same && bounds && terms && self.limits.iter().all(limited) && self.are_modest()
    }

    /// Whether nothing is closer by less in a changed problem than what the bounds leave open in this one.
    fn are_modest(&self) -> bool {
        let open = self.distance_upper - self.best_lower;
        let least = open - SLACK * self.distance_upper.abs();
        let fixed = [&self.included, &self.excluded];
        let rows = fixed
            .iter()
            .flat_map(|of| of.dearest.iter().map(|row| row.closer_by_at_most).chain([of.closer_by_at_most]));
        let rows = rows.chain(self.new_rows.iter().map(|of| of.closer_by_at_most));
        let rows = rows.chain(self.new_tokens.iter().map(|of| of.closer_by_at_most));
        let ends = |of: &TokenPrices| [of.closer_by_at_most_with_one_less, of.closer_by_at_most_with_one_more];
        let rows = rows.chain(self.tokens.iter().flat_map(ends));
        let rows = rows.chain(self.queries.iter().map(|of| of.copy_closer_by_at_most));
        // A price is taken off the same bound; rows have bounds of their own.
        let mut limits = self.limits.iter().filter_map(|of| of.closer_by_at_most);
        let bounds = self.closer_by_at_most.is_some_and(|closer| closer >= open) && limits.all(|closer| closer >= open);
        bounds && rows.flatten().all(|closer| closer >= least)
    }
}

/// One of several tasks, of which the worst counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskPrice {
    /// Its name.
    pub task: String,
    /// The selection is at most so far from it.
    #[serde(deserialize_with = "null_as_nan")]
    pub distance_upper: f64,
    /// What the bound (with p = 2 its square) falls by at most for each unit by which the task may be farther than the others:
    /// zero if it takes no part in the bound, near 1 if it alone does.
    pub price: f64,
}

/// An end of a limit; or of a limit on every label, the same end for some labels together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitPrice {
    /// In words.
    pub limit: String,
    /// The column that it is on.
    pub column: String,
    /// Which label, of a limit on every one; `null` for several.
    pub label: Option<String>,
    /// For how many labels it stands, or 1.
    pub labels: usize,
    /// Which end.
    pub end: LimitEnd,
    /// What the bound falls by for each unit: that of the distance, or of its square if p = 2 or the distance is of a kernel, less
    /// quality if that counts.
    pub price: f64,
    /// If it is relaxed by one row, or one unit of what is added up; several labels, each of them.
    pub closer_by_at_most: Option<f64>,
}

/// Rows that constraints fix and that are worth something.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedRows {
    /// How many.
    pub rows: usize,
    /// If the constraints fix none of them, nor those that are worth nothing.
    pub closer_by_at_most: Option<f64>,
    /// The dearest.
    pub dearest: Vec<RowPrice>,
}

impl FixedRows {
    fn are_none(&self) -> bool {
        self.rows == 0
    }
}

/// A row that constraints fix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowPrice {
    /// Row number in the pool.
    pub row: usize,
    /// The example's id, if examples have ids; else the row number.
    pub id: String,
    /// If the constraints do not fix it.
    pub closer_by_at_most: Option<f64>,
}

/// A query that is expensive to be close to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryPrice {
    /// Row number.
    pub query: usize,
    /// Its task, if there are several of which the worst counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// How far its potential is above the mean (that of its task, times the price of the task): by how much the bound (with p = 2 its
    /// square) rises with the weight of the query. Bounds nothing itself. Under the distance of a kernel the same of its square, where
    /// the value of a row that equals the query stands for its potential.
    pub above_mean: f64,
    /// If a row that equals the query is added to the pool; under the distance of a kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_closer_by_at_most: Option<f64>,
    /// The closest chosen row.
    pub nearest_row: usize,
    /// Its id, as [`RowPrice::id`].
    pub nearest_id: String,
    /// The cost between the two.
    #[serde(deserialize_with = "null_as_nan")]
    pub cost: f64,
    /// How its text begins, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Rows that are added.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRows {
    /// How many.
    pub rows: usize,
    /// Wherever they lie.
    pub closer_by_at_most: Option<f64>,
}

/// How queries begin, by row number in their file.
pub(crate) type QueryTexts = HashMap<usize, String>;

/// Rows of so many tokens that are added.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewTokens {
    /// How many.
    pub tokens: usize,
    /// Wherever they lie.
    pub closer_by_at_most: Option<f64>,
}

impl Prices {
    /// Of a selection; `None` if no bound for all subsets was proved, or one that says nothing of this.
    pub(crate) fn of(origin: Origin<'_>, method: &str, proved: &ProvedSelection, texts: &QueryTexts) -> Option<Self> {
        let certified = proved.certified.as_ref()?;
        let (best, upper) = (certified.best()?, certified.distance().interval().upper?);
        let sensitivity = Sensitivity::new(best, upper).ok()?;
        let statement = best.statement();
        let query = |(query, above_mean): (usize, f64)| {
            let (number, (nearest, cost)) = (origin.query(query), *proved.nearest_rows.get(query)?);
            let nearest_row = origin.row(nearest);
            let (nearest_id, text) = (origin.id(nearest_row).into_owned(), texts.get(&number).cloned());
            let task = statement.task_of(query).map(|task| origin.task(task));
            let copy_closer_by_at_most = sensitivity.copy_of_query(query);
            Some(QueryPrice {
                query: number,
                task,
                above_mean,
                copy_closer_by_at_most,
                nearest_row,
                nearest_id,
                cost,
                text,
            })
        };
        let distances = certified.distance().of_tasks();
        let tasks = sensitivity.task_prices().into_iter().zip(distances).enumerate();
        let task = |(task, (price, distance)): (usize, (f64, &Interval))| {
            let distance_upper = distance.upper.unwrap_or(f64::NAN);
            TaskPrice { task: origin.task(task), distance_upper, price }
        };
        Some(Self {
            schema: PRICES_SCHEMA.into(),
            cost: statement.cost,
            p: statement.p,
            objective: statement.objective,
            method: method.to_owned(),
            budget: proved.budget,
            tokens: statement.tokens.as_ref().map(|TokenBudget { column, min, max }| TokenPrices {
                column: column.name.clone(),
                least: *min,
                closer_by_at_most_with_one_less: sensitivity.relaxed_tokens(LimitEnd::Min, 1.0),
                most: *max,
                closer_by_at_most_with_one_more: sensitivity.relaxed_tokens(LimitEnd::Max, 1.0),
            }),
            quality_weight: statement.quality.as_ref().map(|quality| quality.weight),
            distance_upper: upper,
            best_lower: best.lower(),
            closer_by_at_most: sensitivity.unchanged(),
            tasks: tasks.map(task).collect(),
            limits: limits(&sensitivity, &statement.constraints),
            included: fixed(origin, &sensitivity, true),
            excluded: fixed(origin, &sensitivity, false),
            queries: dear(best).into_iter().filter_map(query).collect(),
            new_rows: match (&statement.quality, &statement.tokens) {
                (None, None) => {
                    let line = |rows| NewRows { rows, closer_by_at_most: sensitivity.new_rows(rows) };
                    counts(proved.budget).map(line).collect()
                }
                _ => Vec::new(),
            },
            new_tokens: match best.objective() {
                Objective::W if statement.quality.is_none() && statement.tokens.is_some() => {
                    let line = |tokens| NewTokens { tokens, closer_by_at_most: sensitivity.new_tokens(tokens as f64) };
                    counts(proved.budget).map(line).collect()
                }
                _ => Vec::new(),
            },
        })
    }
}

fn limits(sensitivity: &Sensitivity<'_>, constraints: &Constraints) -> Vec<LimitPrice> {
    // A lower end that is not given, or zero, cannot be relaxed.
    let is_there = |end: &PricedEnd<'_>| match (end.end, &constraints.limits[end.limit]) {
        (LimitEnd::Max, limit) => limit.max.is_some(),
        (LimitEnd::Min, limit) => limit.min.is_some_and(|min| min > 0.0),
    };
    let mut ends: Vec<PricedEnd<'_>> = sensitivity.priced_ends().into_iter().filter(is_there).collect();
    let place = |of: &PricedEnd<'_>| (of.limit, of.end == LimitEnd::Max);
    ends.sort_by(|a, b| place(a).cmp(&place(b)).then(b.price.total_cmp(&a.price)));
    let line = |ends: &[PricedEnd<'_>]| {
        let (PricedEnd { limit, label, end, .. }, labels) = (ends[0], ends.len());
        let whole = &constraints.limits[limit];
        let limit = match end {
            LimitEnd::Max => Limit { min: None, ..whole.clone() },
            LimitEnd::Min => Limit { max: None, ..whole.clone() },
        };
        let label = label.filter(|_| labels == 1);
        let words = limit_in_words(constraints, &limit, label).unwrap_or_default();
        LimitPrice {
            limit: if labels > 1 { format!("{words}, {labels} others together") } else { words },
            column: constraints.columns[whole.column].name.clone(),
            label: label.map(str::to_owned),
            labels,
            end,
            price: sensitivity.slope(ends.iter().map(|end| end.price).fold(0.0, |sum, price| (sum + price).next_up())),
            closer_by_at_most: sensitivity.relaxed_ends(ends, 1.0),
        }
    };
    let mut lines = Vec::new();
    for of_limit in ends.chunk_by(|a, b| place(a) == place(b)) {
        let (listed, others) = of_limit.split_at(of_limit.len().min(LISTED));
        lines.extend(listed.chunks(1).map(line));
        lines.extend((!others.is_empty()).then(|| line(others)));
    }
    lines
}

fn fixed(origin: Origin<'_>, sensitivity: &Sensitivity<'_>, included: bool) -> FixedRows {
    let rows = sensitivity.fixed(included);
    let mut dearest: Vec<(usize, f64)> =
        rows.iter().filter_map(|row| Some((*row, sensitivity.released(&[*row])?))).collect();
    dearest.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let price = |&(row, closer): &(usize, f64)| {
        let row = origin.row(row);
        RowPrice { row, id: origin.id(row).into_owned(), closer_by_at_most: Some(closer) }
    };
    FixedRows {
        rows: rows.len(),
        closer_by_at_most: if rows.is_empty() { None } else { sensitivity.released(&rows) },
        dearest: dearest.iter().take(LISTED).map(price).collect(),
    }
}

/// 1, 10, 100 … of the rows or tokens to choose, and as many as these.
fn counts(budget: usize) -> impl Iterator<Item = usize> {
    let counts = std::iter::successors(Some(1usize), |count| count.checked_mul(10));
    counts.take_while(move |count| *count < budget).chain([budget])
}

/// The queries with the largest potentials, as the bound numbers them, and how far these are above the mean.
fn dear(best: &BestBound) -> Vec<(usize, f64)> {
    // Whatever the distance in hand is.
    let above = Sensitivity::new(best, f64::MAX).map_or_else(|_| Vec::new(), |sensitivity| sensitivity.above_mean());
    let mut order: Vec<(usize, f64)> = above.into_iter().enumerate().filter(|(_, above)| *above > 0.0).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    order.truncate(LISTED);
    order
}

/// How the dearest queries of all selections begin; nothing without their text.
pub(crate) fn query_texts(inputs: &Inputs, outcome: &Outcome, watch: &dyn Watch) -> Result<QueryTexts, Error> {
    let Some(examples) = inputs.query_examples() else { return Ok(QueryTexts::new()) };
    let bests = outcome.selections().filter_map(|(_, proved)| proved.certified.as_ref()?.best());
    let mut wanted: Vec<usize> = bests.flat_map(dear).map(|(query, _)| inputs.original_query(query)).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let lines = examples.copy(&wanted, watch)?;
    Ok(lines.into_iter().map(|(query, line)| (query, beginning(inputs.said(&line)))).collect())
}
