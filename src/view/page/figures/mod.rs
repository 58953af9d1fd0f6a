//! The figures of the pages, one kind per file: each says what it shows, how to read it, and what a person who does not
//! see it should know.

mod axis;
mod canvas;
mod chart;
mod correlations;
mod coverage;
mod distance;
mod excess;
mod groups;
mod heat;
mod heldout;
mod learning;
mod legend;
mod lengths;
mod map;
mod marks;
mod outcomes;
mod overlap;
mod palette;
mod panels;
mod quantiles;
mod ranks;
mod solvers;
mod sources;
mod time;

use std::io;

use kantor_theory::{Cost, Interval};
use plotters::drawing::DrawingAreaErrorKind;

use super::PageError;
use crate::record::{Comparison, Examined, RandomReference, SelectionRecord};
use chart::Series;
use palette::Look;

pub(super) use canvas::STYLE;
pub(super) use correlations::correlations;
pub(super) use learning::learning;
pub(super) use outcomes::outcomes;
pub(super) use quantiles::quantiles;
pub(super) use ranks::ranks;

/// Why plotters cannot draw.
type Fault = DrawingAreaErrorKind<io::Error>;

/// A finished figure.
#[derive(Debug, Clone)]
pub(super) struct Figure {
    /// Name of its file without the ending; its id on the page.
    pub(super) name: String,
    /// What it shows, whatever the budget.
    pub(super) kind: String,
    /// The budget that it is of, if there are others of its kind.
    pub(super) budget: Option<usize>,
    /// How to read it, in a sentence.
    pub(super) caption: String,
    /// Its numbers.
    pub(super) csv: String,
    /// For the page.
    pub(super) inline: String,
    /// By itself.
    pub(super) alone: String,
}

impl Figure {
    fn new(name: String, title: &str, description: &str, caption: &str, drawing: &canvas::Drawing) -> Self {
        let (inline, alone) = drawing.finish(&name, title, description);
        let caption = caption.replace(" %", "\u{a0}%");
        Self { kind: name.clone(), budget: None, csv: drawing.csv(), name, caption, inline, alone }
    }
}

/// Figures that matter most, and those that are folded away.
#[derive(Debug, Clone, Default)]
pub(super) struct Figures {
    pub(super) shown: Vec<Figure>,
    pub(super) folded: Vec<Figure>,
}

/// All figures of one cost that the comparison has numbers for.
pub(super) fn of_cost(found: &Comparison, cost: Cost) -> Result<Figures, PageError> {
    let view = View::of(found, cost);
    let mut figures = Figures::default();
    for figure in [distance::figure(&view), excess::figure(&view), time::figure(&view), solvers::figure(&view)] {
        figures.shown.extend(figure?);
    }
    type OfBudget = fn(&View<'_>) -> Result<Option<Figure>, PageError>;
    let of_budget: [OfBudget; 7] = [
        heldout::figure,
        coverage::figure,
        groups::figure,
        sources::figure,
        lengths::figure,
        map::figure,
        overlap::figure,
    ];
    for (kind, figure) in of_budget.into_iter().enumerate() {
        for &at in &view.budgets {
            let Some(drawn) = figure(&View { at, budgets: view.budgets.clone(), ..view })? else { continue };
            let budget = Some(at).filter(|_| view.budgets.len() > 1);
            let drawn = Figure { kind: format!("{}-{kind}", cost.name()), budget, ..drawn };
            if at == view.at { figures.shown.push(drawn) } else { figures.folded.push(drawn) }
        }
    }
    Ok(figures)
}

/// What figures of one cost look at.
struct View<'a> {
    found: &'a Comparison,
    cost: Cost,
    /// Ascending.
    budgets: Vec<usize>,
    /// The budget that figures of one budget show.
    at: usize,
}

impl<'a> View<'a> {
    fn of(found: &'a Comparison, cost: Cost) -> Self {
        let mut budgets = found.budgets().to_vec();
        budgets.sort_unstable();
        budgets.dedup();
        let at = budgets.last().copied().unwrap_or(0);
        Self { found, cost, budgets, at }
    }

    /// What the axis of budgets counts.
    fn budget_label(&self) -> &'static str {
        if self.found.parameters.budgets_in_tokens { "budget (tokens chosen)" } else { "budget (rows chosen)" }
    }

    /// The name of a figure's file.
    fn name(&self, kind: &str) -> String {
        if self.found.costs.len() > 1 { format!("{kind}-{}", self.cost.name()) } else { kind.to_owned() }
    }

    /// The name of the file of a figure of one budget, which the largest budget has to itself.
    fn name_at(&self, kind: &str) -> String {
        let name = self.name(kind);
        if self.budgets.last() == Some(&self.at) { name } else { format!("{name}-k{}", self.at) }
    }

    /// The random reference at these budgets; none where it is of distances less quality, which figures do not show.
    fn references(&self) -> impl Iterator<Item = &'a RandomReference> {
        let (cost, budgets) = (self.cost, &self.budgets);
        let shown = !self.found.parameters.counts_quality();
        let here =
            move |reference: &&RandomReference| shown && reference.cost == cost && budgets.contains(&reference.budget);
        self.found.references.iter().filter(here)
    }

    fn largest(&self) -> usize {
        self.at
    }

    /// The largest budget with its unit: `500 rows`.
    fn largest_budget(&self) -> String {
        format!("{} {}", super::numbers::count(self.largest() as u64), self.found.parameters.unit())
    }

    /// The rows of a method, by budget.
    fn rows(&self, method: &str) -> impl Iterator<Item = &'a SelectionRecord> {
        let cost = self.cost;
        self.budgets.iter().filter_map(move |budget| {
            let rows = &self.found.results;
            rows.iter().find(|row| row.cost == Some(cost) && row.budget == *budget && row.method == method)
        })
    }

    /// The row of each method that has one at the largest budget, with the method's place.
    fn at_largest(&self) -> Vec<(usize, &'a SelectionRecord)> {
        let found: &'a Comparison = self.found;
        let methods = found.methods().iter().enumerate();
        let rows = methods
            .filter_map(|(place, method)| Some((place, self.rows(method).find(|row| row.budget == self.largest())?)));
        rows.collect()
    }

    /// As [`View::at_largest`], with what was found out besides.
    fn examined(&self) -> impl Iterator<Item = (usize, &'a SelectionRecord, &'a Examined)> {
        self.at_largest().into_iter().filter_map(|(place, row)| Some((place, row, row.examined.as_ref()?)))
    }

    /// Where a method's number at a budget goes. With one budget only, the methods are spread over its width.
    fn across(&self, place: usize, budget: usize) -> f64 {
        let methods = self.found.methods().len().max(1);
        if self.budgets.len() > 1 {
            return budget as f64;
        }
        let share = (place as f64 + 0.5) / methods as f64 - 0.5;
        budget as f64 * 10f64.powf(0.1 * share)
    }

    /// Budgets, and for a single one the ends of its axis as well, so that a band has breadth.
    fn along<T>(&self, values: impl Iterator<Item = (usize, T)>, ends: (f64, f64)) -> Vec<(f64, T)>
    where
        T: Copy,
    {
        let mut places: Vec<(f64, T)> = values.map(|(budget, value)| (budget as f64, value)).collect();
        places.sort_by(|a, b| a.0.total_cmp(&b.0));
        if let [(_, only)] = places[..] {
            return vec![(ends.0, only), (ends.1, only)];
        }
        places
    }

    /// No subset of these sizes is closer.
    fn best(&self) -> Vec<(usize, f64)> {
        let best = |budget: usize| {
            let rows = self.found.results.iter();
            let here = rows.filter(|row| row.cost == Some(self.cost) && row.budget == budget);
            here.filter_map(|row| Some(row.best?.lower())).reduce(f64::max)
        };
        self.budgets.iter().filter_map(|budget| Some((*budget, best(*budget)?))).collect()
    }

    /// One series per method.
    fn series(&self, value: impl Fn(&SelectionRecord) -> Option<f64>) -> Vec<Series> {
        let methods = self.found.methods().iter().enumerate();
        let series = methods.map(|(place, method)| Series {
            label: method.clone(),
            look: Look::of(place),
            points: (self.rows(method))
                .filter_map(|row| Some((self.across(place, row.budget), value(row).filter(|x| x.is_finite())?)))
                .collect(),
            joined: self.budgets.len() > 1,
        });
        series.filter(|series| !series.points.is_empty()).collect()
    }
}

/// The middle of an interval, or the end that is known.
fn middle(interval: Interval) -> Option<f64> {
    match (interval.lower, interval.upper) {
        (Some(lower), Some(upper)) => Some(f64::midpoint(lower, upper)),
        (lower, upper) => upper.or(lower),
    }
}

/// The name of the certified distance, for axes.
pub(super) fn distance_name(found: &Comparison) -> &'static str {
    match found.objective().name() {
        "energy" => "energy distance",
        "mmd" => "maximum mean discrepancy",
        "tsds" => "regularised transport cost",
        _ => "transport distance W",
    }
}

/// A name for a file and for an id: letters, digits and dashes.
fn slug(text: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '.' { letter } else { '-' };
    text.chars().take(80).map(plain).collect()
}
