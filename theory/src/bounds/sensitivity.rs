//! How much the best possible distance can fall if a limit is relaxed, or rows are added to the pool (T16, `notes/T16.md`).
//!
//! With potentials g, prices y and σ fixed, the bound of T15 is linear in the ends of the limits, and a row that is added raises
//! the sum in it by at most max(0, v(z) − σ − Σ_r y_r A_rz). So the evidence of one bound proves others, without another search.
//!
//! Where tokens are the budget, the sum is the fewest tokens times the mean σ + max(B/min, B/max), which rises by no more than B does
//! (`notes/T17.md`).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::bounds::{BestBound, BestEvidence, tasks};
use crate::constraints::{Counted, Limit, Price};
use crate::cost_bounds::Power;
use crate::rejection::Rejection;
use crate::rounding::{ExactSum, add_down, add_up, div_up, mul_down, mul_up, sqrt_down, sub_down};
use crate::statement::{Objective, Statement, total};

/// Which end of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitEnd {
    /// At least so much.
    Min,
    /// At most so much.
    Max,
}

/// An end of a limit that has a price.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PricedEnd<'a> {
    /// Index into [`Constraints::limits`](crate::Constraints::limits).
    pub limit: usize,
    /// Which label, for a limit on every one.
    pub label: Option<&'a str>,
    /// Which end.
    pub end: LimitEnd,
    /// A number ≥ the sum of the prices that the bound is proved by, with the sign that makes it positive.
    pub price: f64,
}

/// A row that is not in the pool.
#[derive(Debug, Clone, Copy)]
pub struct NewRow<'a> {
    /// For every query a number ≤ its cost to the row, to the power of the distance.
    pub costs: &'a [f64],
    /// Of every column that limits speak of: the label of the row there, if it has one and the column is of labels.
    pub labels: &'a [Option<&'a str>],
    /// Of every such column: the number of the row there, if the column is of numbers; not negative. Where tokens are the budget, last
    /// the length of the row.
    pub numbers: &'a [f64],
}

/// What a bound for all subsets and a subset in hand say of problems with other limits or more rows. What a new row is
/// worth by its costs is known of transport only, to the worst of several tasks too.
///
/// Every number is proved, and is relative to the subset in hand: none of the changed problem's subsets is closer by more, or has
/// a lower distance less quality by more where rows are worth something by themselves.
///
/// ```
/// use kantor_theory::constraints::{Column, ColumnRecord, Constraints, Counted, FeasibleSet, Limit, Price};
/// use kantor_theory::{Cost, DenseRows, Geometry, LimitEnd, Power, Sensitivity, Statement};
/// use kantor_theory::{constrained_best_bound, sequential};
/// let pool = DenseRows::from_f64(1, vec![0.0, 0.1, 3.0]).ok_or("no rows")?;
/// let query = DenseRows::from_f64(1, vec![0.0]).ok_or("no rows")?;
/// let geometry = Geometry::new(&pool, &query, Cost::Euclidean)?;
/// // Two rows, at most one of them from the web: the best are at distance (0 + 3)/2.
/// let source = Column::labels([Some("web"), Some("web"), Some("books")]);
/// let constraints = Constraints {
///     columns: vec![ColumnRecord { name: "source".into(), ..ColumnRecord::default() }],
///     limits: vec![Limit { column: 0, of: Counted::Label("web".into()), min: None, max: Some(1.0) }],
///     ..Constraints::default()
/// };
/// let feasible = FeasibleSet::new(&constraints, &[source], 3, &[])?;
/// let statement = Statement::new(&geometry, Power::One, 2).constrained(constraints);
/// let prices = [Price { limit: 0, label: None, price: 2.9 }];
/// let bound = constrained_best_bound(&geometry, &statement, vec![3.0], &feasible, &prices, &sequential)?;
/// // Two rows from the web are at distance (0 + 0.1)/2: closer by 1.45.
/// let fall = Sensitivity::new(&bound, 1.5)?.relaxed(0, None, LimitEnd::Max, 1.0).ok_or("no bound")?;
/// assert!(fall >= 1.45 && fall < 1.45 + 1e-9);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Sensitivity<'a> {
    best: &'a BestBound,
    upper: f64,
}

impl<'a> Sensitivity<'a> {
    /// Of a bound under W or the distance of a kernel, and the distance of a subset that obeys the same constraints (less its
    /// quality, if there is one), which is at most `upper`.
    ///
    /// # Errors
    /// If the bound is under another objective, or `upper` is below it or not finite.
    pub fn new(best: &'a BestBound, upper: f64) -> Result<Self, Rejection> {
        if matches!(best.objective(), Objective::Tsds { .. }) {
            return Err(Rejection::new("objective", "what limits and rows are worth is known of distances only"));
        }
        if !(upper >= best.lower() && upper.is_finite()) {
            let place = format!("the distance {upper} of a subset is not at least that of every one, {}", best.lower());
            return Err(Rejection::new("upper", place));
        }
        Ok(Self { best, upper })
    }

    /// How much the best distance can be below the subset's if nothing changes.
    pub fn unchanged(&self) -> Option<f64> {
        self.fall(0.0)
    }

    /// The ends of limits that have a price, in the order of the prices.
    pub fn priced_ends(&self) -> Vec<PricedEnd<'a>> {
        let mut ends: Vec<PricedEnd<'a>> = Vec::new();
        let mut places = HashMap::new();
        for &Price { limit, ref label, price } in self.best.prices().iter().filter(|price| price.price != 0.0) {
            let (label, end) = (label.as_deref(), if price > 0.0 { LimitEnd::Max } else { LimitEnd::Min });
            match places.entry((limit, label, end)) {
                Entry::Occupied(place) => {
                    let known: &mut PricedEnd<'_> = &mut ends[*place.get()];
                    known.price = add_up(known.price, price.abs());
                }
                Entry::Vacant(place) => {
                    place.insert(ends.len());
                    ends.push(PricedEnd { limit, label, end, price: price.abs() });
                }
            }
        }
        ends
    }

    /// The same as [`Sensitivity::unchanged`] if these ends of limits are relaxed by `by` ≥ 0 each, in units of what they count.
    /// `None` if nothing is proved.
    pub fn relaxed_ends<'e>(&self, ends: impl IntoIterator<Item = &'e PricedEnd<'e>>, by: f64) -> Option<f64> {
        if by.is_nan() || by < 0.0 {
            return None;
        }
        let price = ends.into_iter().fold(0.0, |sum, end| add_up(sum, end.price));
        self.fall(if price == 0.0 { 0.0 } else { mul_up(price, by) })
    }

    /// The same for one end of a limit: for this label only, or for every one that the limit counts.
    pub fn relaxed(&self, limit: usize, label: Option<&str>, end: LimitEnd, by: f64) -> Option<f64> {
        let ends = self.priced_ends();
        let relaxed =
            |of: &&PricedEnd<'_>| (of.limit, of.end) == (limit, end) && (label.is_none() || of.label == label);
        self.relaxed_ends(ends.iter().filter(relaxed), by)
    }

    /// A number ≥ what the bound falls by for each unit of which an end at this price is relaxed: the bound of the distance, or of
    /// its square where the distance is a root. The same less the quality, where there is one.
    pub fn slope(&self, price: f64) -> f64 {
        let price = match self.best.evidence() {
            BestEvidence::Potentials(_) => price,
            BestEvidence::Tasks { shares, .. } => div_up(price, total(shares).down()),
            BestEvidence::Witness(_) | BestEvidence::Local { .. } => 2.0 * price,
        };
        div_up(price, self.best.statement().least_total())
    }

    /// For each of several tasks a number ≥ its share of the total: what the bound falls by, of the distance to the power p, for
    /// each unit by which that task may be farther than the others. Empty if there is one task.
    pub fn task_prices(&self) -> Vec<f64> {
        let BestEvidence::Tasks { shares, .. } = self.best.evidence() else { return Vec::new() };
        let part = |&share: &f64| {
            let mut one = ExactSum::default();
            one.add(share);
            one.ratio_up(&total(shares))
        };
        shares.iter().map(part).collect()
    }

    /// The same as [`Sensitivity::unchanged`] if the budget in tokens may be exceeded by `by` ≥ 0 of them (`Max`), or as many may be
    /// missing of its fewest (`Min`). `None` if nothing is proved, or tokens are not the budget.
    pub fn relaxed_tokens(&self, end: LimitEnd, by: f64) -> Option<f64> {
        let (tokens, spent) = (self.best.statement().tokens.as_ref()?, self.best.spent()?);
        if by.is_nan() || by < 0.0 {
            return None;
        }
        let (min, max) = (tokens.min, tokens.max);
        // The mean is σ + max(B/min, B/max): the one end counts where B > 0, the other where B < 0.
        let more = match end {
            LimitEnd::Min if by >= min => return None,
            LimitEnd::Min => mul_up(spent.max(0.0), div_up(by, sub_down(min, by))),
            LimitEnd::Max => {
                let share = div_up(by, add_down(max, by)).min(1.0);
                mul_up(mul_up((-spent).max(0.0), div_up(min, max)), share)
            }
        };
        self.fall(more)
    }

    /// The rows that must be chosen, if `included`, else those that must not be, as far as that is worth something; ascending.
    pub fn fixed(&self, included: bool) -> Vec<usize> {
        self.best.fixed().iter().filter(|fixed| fixed.included == included).map(|fixed| fixed.row).collect()
    }

    /// The same as [`Sensitivity::unchanged`] if these rows may but need not be chosen, of those that must or must not be.
    /// `None` if nothing is proved.
    pub fn released(&self, rows: &[usize]) -> Option<f64> {
        self.best.threshold()?;
        let fixed = self.best.fixed();
        let places = rows.iter().filter_map(|row| fixed.binary_search_by_key(row, |fixed| fixed.row).ok());
        let more = places.fold(0.0, |more, at| add_up(more, fixed[at].worth));
        if more.is_finite() { self.fall(more) } else { None }
    }

    /// The same as [`Sensitivity::unchanged`] if this row is added to the pool. `None` if nothing is proved: where rows are
    /// worth something by themselves, it is not known what this one is worth.
    ///
    /// # Errors
    /// If the row does not have one number for every query and column.
    pub fn new_row(&self, row: NewRow<'_>) -> Result<Option<f64>, Rejection> {
        let Statement { queries, constraints, .. } = self.best.statement();
        let columns = constraints.columns.len();
        let numbers = columns + usize::from(self.in_tokens());
        if (row.costs.len(), row.labels.len(), row.numbers.len()) != (*queries, columns, numbers) {
            let place = format!("a row has {queries} costs, {columns} labels and {numbers} numbers");
            return Err(Rejection::new("row", place));
        }
        if self.best.statement().quality.is_some() {
            return Ok(None);
        }
        let Some(reply) = self.value(|query, g| add_up(g, -row.costs[query])) else { return Ok(None) };
        let Some(sigma) = self.best.threshold() else { return Ok(None) };
        let value = add_up(reply, -sigma);
        let mut gain = match row.numbers.last().filter(|_| self.in_tokens()) {
            None => value,
            Some(&length) if value < 0.0 => -mul_down(length, -value),
            Some(&length) => mul_up(length, value),
        };
        for price in self.best.prices() {
            let Limit { column, of, .. } = &constraints.limits[price.limit];
            let counted = match of {
                Counted::Sum => row.numbers[*column],
                Counted::Label(label) => f64::from(row.labels[*column] == Some(label)),
                Counted::Each => {
                    f64::from(row.labels[*column].is_some() && row.labels[*column] == price.label.as_deref())
                }
            };
            if counted != 0.0 {
                let discount = match price.price {
                    price if price < 0.0 => -mul_up(counted, -price),
                    price => mul_down(counted, price),
                };
                gain = add_up(gain, -discount);
            }
        }
        Ok(self.fall(gain.max(0.0)))
    }

    /// The same if so many rows are added to the pool, wherever they lie and whatever their labels. `None` if nothing is proved:
    /// costs may be negative, rows are worth something by themselves, numbers count towards a lower end that has a price, or tokens are
    /// the budget ([`Sensitivity::new_tokens`]).
    pub fn new_rows(&self, rows: usize) -> Option<f64> {
        if self.in_tokens() {
            return None;
        }
        let gain = self.largest_gain(self.premium()?)?.max(0.0);
        self.fall(mul_up(rows as f64, gain))
    }

    /// The same if rows of so many tokens in all are added, where tokens are the budget. `None` if nothing is proved: as
    /// [`Sensitivity::new_rows`], or rows count towards a lower end that has a price.
    pub fn new_tokens(&self, tokens: f64) -> Option<f64> {
        let known = self.in_tokens() && tokens >= 0.0 && self.premium()? == 0.0;
        if known { self.fall(mul_up(tokens, self.largest_gain(0.0)?.max(0.0))) } else { None }
    }

    /// A number ≥ premium − σ + the value of any row: at most max_j g_j where costs are not negative, and what `bounds::outside` says
    /// under the distance of a kernel.
    fn largest_gain(&self, premium: f64) -> Option<f64> {
        if self.signed() {
            return None;
        }
        // Of kernels nothing is claimed where tokens are the budget.
        let outside = self.best.outside().filter(|_| !self.in_tokens());
        let value = self.value(|_, g| g).or(outside.map(|outside| outside.anywhere))?;
        Some(add_up(add_up(value, premium), -self.best.threshold()?))
    }

    fn in_tokens(&self) -> bool {
        self.best.statement().tokens.is_some()
    }

    /// How far the potential of every query is above their mean: which queries are dear. Of several tasks above that of its
    /// own, times its price. Under the distance of a kernel twice how far the value of a row that equals the query is above the mean
    /// of these. No bound of anything.
    pub fn above_mean(&self) -> Vec<f64> {
        let statement = self.best.statement();
        match self.best.evidence() {
            BestEvidence::Potentials(g) => above(statement, g, 1.0).collect(),
            BestEvidence::Tasks { potentials, .. } => {
                let tasks = tasks::spans(&statement.tasks).zip(self.task_prices());
                let of = |(span, price): (Range<usize>, f64)| {
                    above(&statement.of_task(span.clone()), &potentials[span], price).collect::<Vec<f64>>()
                };
                tasks.flat_map(of).collect()
            }
            // The square rises by twice that.
            BestEvidence::Witness(_) | BestEvidence::Local { .. } => {
                let values = self.best.outside().map_or(&[][..], |outside| &outside.queries);
                above(statement, values, 2.0).collect()
            }
        }
    }

    /// A number ≥ the value of a row to which no query's potential less its cost is above what `of` says, by the query and its
    /// potential; none under the distance of a kernel.
    fn value(&self, of: impl Fn(usize, f64) -> f64) -> Option<f64> {
        let reply = |span: Range<usize>, g: &[f64]| span.map(|j| of(j, g[j])).fold(f64::NEG_INFINITY, f64::max);
        match self.best.evidence() {
            BestEvidence::Potentials(g) => Some(reply(0..g.len(), g)),
            BestEvidence::Tasks { shares, potentials } => {
                let tasks = tasks::spans(&self.best.statement().tasks).zip(shares);
                let add = |sum, (span, &share)| add_up(sum, mul_up(share, reply(span, potentials)));
                Some(tasks.fold(0.0, add))
            }
            BestEvidence::Witness(_) | BestEvidence::Local { .. } => None,
        }
    }

    /// The same as [`Sensitivity::unchanged`] if a row that equals this query is added to the pool, whatever its labels; known under the
    /// distance of a kernel only. `None` if nothing is proved.
    pub fn copy_of_query(&self, query: usize) -> Option<f64> {
        if self.best.statement().quality.is_some() || self.in_tokens() {
            return None;
        }
        let value = add_up(*self.best.outside()?.queries.get(query)?, self.premium()?);
        self.fall(add_up(value, -self.best.threshold()?).max(0.0))
    }

    /// A number ≥ −Σ_r y_r A_rz for every row z, at least 0: what a row is worth by what lower ends count of it.
    fn premium(&self) -> Option<f64> {
        let constraints = &self.best.statement().constraints;
        let mut of: HashMap<(usize, Option<&str>), f64> = HashMap::new();
        for price in self.best.prices() {
            let Limit { column, of: counted, .. } = &constraints.limits[price.limit];
            let label = match counted {
                Counted::Label(label) => Some(label.as_str()),
                Counted::Each => price.label.as_deref(),
                Counted::Sum => None,
            };
            let sum = of.entry((*column, label)).or_insert(0.0);
            *sum = add_down(*sum, price.price);
        }
        // A row has one label of each column at most.
        let mut largest = vec![0.0f64; constraints.columns.len()];
        for ((column, label), price) in of {
            if label.is_none() && price < 0.0 {
                return None;
            }
            largest[column] = largest[column].max(-price);
        }
        Some(largest.into_iter().fold(0.0, add_up))
    }

    /// A number ≥ the subset's distance less the least distance in a problem where the sum in the bound is larger by `more`.
    fn fall(&self, more: f64) -> Option<f64> {
        let Statement { p, objective, quality, .. } = self.best.statement();
        let lower = self.best.lower();
        let squared = quality.is_none() && (*p == Power::Two || *objective != Objective::W);
        let less = sub_down(if squared { mul_down(lower, lower) } else { lower }, self.slope(more));
        // Where the bound was raised to zero, what is below zero is raised again.
        let lower = match squared {
            true => sqrt_down(less.max(0.0)),
            false if self.signed() => less,
            false => less.max(0.0),
        };
        let fall = add_up(self.upper, -lower);
        (!more.is_nan() && fall.is_finite()).then_some(fall)
    }

    /// Whether what is bounded can be negative.
    fn signed(&self) -> bool {
        let statement = self.best.statement();
        statement.signed() || statement.quality.is_some()
    }
}

/// How far potentials are above their mean by the weights of the queries, times `price`.
fn above(statement: &Statement, potentials: &[f64], price: f64) -> impl Iterator<Item = f64> {
    let mean = statement.mean_potential_down(potentials);
    potentials.iter().map(move |g| price * (g - mean))
}
