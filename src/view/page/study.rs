//! The pages of a study: published tables, and a user's own results.

use std::collections::BTreeMap;

use serde::Serialize;

use super::figures::{self, Figure};
use super::numbers::{count, signed};
use super::render::{self, Drawn};
use super::table::{Body, Cell, Table};
use super::{Page, PageError, with_figures};
use crate::study::{BudgetResult, Correlation, Joined, Published, TrainingOutcome};

/// One pool and model.
#[derive(Debug, Serialize)]
struct Experiment {
    name: String,
    figures: Vec<Drawn>,
    budgets: Option<Table>,
}

#[derive(Debug, Serialize)]
struct Tables {
    title: String,
    figures: Vec<Drawn>,
    correlations: Table,
    experiments: Vec<Experiment>,
}

#[derive(Debug, Serialize)]
struct Own {
    title: String,
    mean: Option<String>,
    correlations: usize,
    interval: Option<String>,
    figures: Vec<Drawn>,
    cells: Table,
    without_distance: Vec<String>,
}

/// The page of published tables.
///
/// # Errors
/// As [`comparison`](super::comparison).
pub fn published(found: &Published) -> Result<Page, PageError> {
    let mut all: Vec<Figure> = Vec::new();
    for outcome in TrainingOutcome::ALL {
        all.extend(figures::correlations(found, outcome)?);
    }
    let top = all.iter().map(Drawn::from).collect();
    type Lines<'a> = (Vec<&'a Correlation>, Vec<&'a BudgetResult>);
    let mut by_model: BTreeMap<(&str, &str), Lines<'_>> = BTreeMap::new();
    for line in &found.correlations {
        by_model.entry((line.pool, &line.model)).or_default().0.push(line);
    }
    for line in &found.budgets {
        by_model.entry((line.pool, &line.model)).or_default().1.push(line);
    }
    let mut experiments = Vec::new();
    for ((pool, model), (correlations, budgets)) in &by_model {
        let mut own: Vec<Figure> = Vec::new();
        for outcome in TrainingOutcome::ALL {
            let lines: Vec<_> = correlations.iter().copied().filter(|line| line.outcome == outcome).collect();
            own.extend(figures::quantiles(&lines)?);
        }
        for outcome in TrainingOutcome::ALL {
            let lines: Vec<_> = budgets.iter().copied().filter(|line| line.outcome == outcome).collect();
            own.extend(figures::ranks(&lines)?);
        }
        experiments.push(Experiment {
            name: format!("{model} on the {pool} pool"),
            figures: own.iter().map(Drawn::from).collect(),
            budgets: Some(budget_table(budgets)).filter(|table| !table.is_empty()),
        });
        all.append(&mut own);
    }
    let title = "Does distance predict what training gives? Published tables".to_owned();
    let page = Tables { title, figures: top, correlations: correlation_table(found), experiments };
    Ok(with_figures(render::render("published.html", &page)?, all))
}

fn correlation_table(found: &Published) -> Table {
    let columns = [
        ("task|", ""),
        ("representation|", "of the rows"),
        ("quantiles", "that have a value"),
        ("quantile ~ loss", "Spearman correlation of distance quantile and query loss"),
        ("quantile ~ score", "Spearman correlation of distance quantile and task score"),
    ];
    type Both = (usize, [Option<f64>; 2]);
    type Rows<'a> = BTreeMap<(&'a str, &'a str), Both>;
    let mut bodies: BTreeMap<(&str, &str), Rows<'_>> = BTreeMap::new();
    for line in &found.correlations {
        let rows = bodies.entry((line.pool, &line.model)).or_default();
        let row = rows.entry((&line.task, &line.representation)).or_default();
        row.0 = line.bins;
        row.1[usize::from(line.outcome == TrainingOutcome::Metric)] = line.spearman;
    }
    let text = |value: Option<f64>| Cell::from(value.map(signed).unwrap_or_default());
    let bodies = bodies.into_iter().map(|((pool, model), rows)| Body {
        heading: Some(format!("{model} on the {pool} pool")),
        rows: (rows.into_iter())
            .map(|((task, representation), (bins, [loss, metric]))| {
                let name = |name: &str| Cell::from(name.to_owned());
                vec![name(task), name(representation), count(bins as u64).into(), text(loss), text(metric)]
            })
            .collect(),
    });
    let caption = "Spearman correlations of distance quantile and outcome";
    Table::new(caption, &columns, bodies.collect())
}

fn budget_table(lines: &[&BudgetResult]) -> Table {
    let columns = [
        ("method|", ""),
        ("tasks", "that have a value"),
        ("mean", "over tasks"),
        ("rank", "mean over tasks of the rank among the methods, 1 is best"),
        ("minus Random", "mean over tasks of the difference from Random"),
        ("p", "sign-flip test of these differences, paired by task"),
    ];
    let mut bodies: BTreeMap<(TrainingOutcome, u64), Vec<&BudgetResult>> = BTreeMap::new();
    for line in lines {
        bodies.entry((line.outcome, line.budget)).or_default().push(line);
    }
    let decimals =
        |value: Option<f64>| Cell::from(value.map(|x| format!("{x:.3}").replace('-', "−")).unwrap_or_default());
    let bodies = bodies.into_iter().map(|((outcome, budget), rows)| {
        let best = rows.iter().map(|line| line.rank).fold(f64::INFINITY, f64::min);
        let row = |line: &BudgetResult| {
            vec![
                line.method.clone().into(),
                count(line.tasks as u64).into(),
                decimals(Some(line.mean)),
                Cell::marked(format!("{:.1}", line.rank), line.rank == best),
                decimals(line.minus_random),
                decimals(line.p_value),
            ]
        };
        let word = if outcome == TrainingOutcome::Loss {
            "query loss, lower is better"
        } else {
            "task score, higher is better"
        };
        Body {
            heading: Some(format!("{} examples · {word}", count(budget))),
            rows: rows.into_iter().map(row).collect(),
        }
    });
    Table::new("Methods at each budget, the mean over tasks", &columns, bodies.collect())
}

/// The page of a user's own results.
///
/// # Errors
/// As [`comparison`](super::comparison).
pub fn joined(found: &Joined) -> Result<Page, PageError> {
    let figures = figures::outcomes(found)?;
    let columns = [
        ("method|", ""),
        ("certified distance", "middle of the proved interval, the mean over runs"),
        ("value", "what training gave, the mean over seeds"),
        ("95 %", "Student's interval of that mean over seeds"),
        ("n", "results that it is the mean of"),
    ];
    let bodies = found.cells.iter().map(|cell| {
        let mut pairs: Vec<_> = cell.pairs.iter().collect();
        pairs.sort_by(|a, b| a.distance.total_cmp(&b.distance));
        let correlation = cell.spearman.map_or_else(
            || "no rank correlation: fewer than three methods, or equal values".to_owned(),
            |value| format!("Spearman correlation {}", signed(value)),
        );
        Body {
            heading: Some(format!("{} · {} rows · {correlation}", cell.task, count(cell.budget))),
            rows: (pairs.iter())
                .map(|pair| {
                    let number = |x: f64| Cell::from(format!("{x:.4}").replace('-', "−"));
                    let interval = pair
                        .value_interval
                        .map_or_else(String::new, |[low, high]| format!("{low:.4} to {high:.4}").replace('-', "−"));
                    let n = count(pair.n as u64).into();
                    vec![pair.method.clone().into(), number(pair.distance), number(pair.value), interval.into(), n]
                })
                .collect(),
        }
    });
    let page = Own {
        title: "Does certified distance predict what training gives?".to_owned(),
        mean: found.mean_spearman.map(signed),
        correlations: found.correlations,
        interval: (found.mean_spearman_interval).map(|[low, high]| format!("{} to {}", signed(low), signed(high))),
        figures: figures.iter().map(Drawn::from).collect(),
        cells: Table::new("Methods by distance, at each task and budget", &columns, bodies.collect()),
        without_distance: (found.without_distance.iter())
            .map(|(task, method, budget)| format!("{task}, {method}, {}", count(*budget)))
            .collect(),
    };
    Ok(with_figures(render::render("joined.html", &page)?, figures))
}
