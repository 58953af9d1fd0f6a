//! The tables of a comparison.

use kantor_theory::{Cost, Status};

use super::numbers::{count, excess_percent, interval, mebibytes, seconds, solver_name, value};
use super::table::{Body, Cell, Table};
use crate::decimal::{difference, magnitude};
use crate::pipeline::Behind;
use crate::record::columns::{self, COLUMNS, Column, Shown};
use crate::record::{Comparison, RandomReference, SelectionRecord};
use crate::source::name::readable;
use crate::view::table::bound;
use crate::view::unseen::behind;

/// Methods under budgets.
pub(super) fn results(found: &Comparison, cost: Cost) -> Table {
    let shown = COLUMNS.iter().filter_map(|column| Some((column.page?, column)));
    let (headings, columns): (Vec<_>, Vec<&Column>) = shown.unzip();
    let of = found.context();
    let bodies = found.budgets().iter().map(|budget| {
        let here = |row: &&SelectionRecord| row.cost == Some(cost) && row.budget == *budget;
        let rows = || found.results.iter().filter(here);
        let closest = rows().filter_map(|row| row.distance?.upper).fold(f64::INFINITY, f64::min);
        let cells = |found| columns.iter().map(|column| cell((column.cell)(&Shown { of, found }), closest)).collect();
        let mut heading = format!("{} {}", count(*budget as u64), found.parameters.unit());
        if let Some(best) = rows().filter_map(|row| Some(row.best?.lower())).reduce(f64::max) {
            heading.push_str(&format!(" · best possible ≥ {}", bound(best, true)));
        }
        if let Some(RandomReference { mean, range: (low, high), distances, .. }) =
            found.references.iter().find(|reference| reference.cost == cost && reference.budget == *budget)
        {
            let less = if found.parameters.counts_quality() { ", less quality," } else { "" };
            heading.push_str(&format!(
                " · random{less} {} ({} to {}, {} seeds)",
                magnitude(*mean),
                magnitude(*low),
                magnitude(*high),
                distances.len()
            ));
        }
        Body { heading: Some(heading), rows: rows().map(cells).collect() }
    });
    let caption =
        "Methods at each budget. Distances are proved intervals. Compare them within one budget, never across.";
    Table::new(caption, &headings, bodies.collect())
}

/// A value as the page writes it; the interval of the closest method stands out.
fn cell(value: Option<columns::Cell<'_>>, closest: f64) -> Cell {
    use columns::Cell as Kind;
    let exact = match &value {
        Some(Kind::Interval(around) | Kind::Value(around)) => {
            let end = |end: Option<f64>| end.map_or_else(|| "unknown".to_owned(), |x| x.to_string());
            Some((format!("{} to {}", end(around.lower), end(around.upper)), around.upper.or(around.lower)))
        }
        Some(Kind::Number(x) | Kind::Gap(x) | Kind::Excess(x) | Kind::Share(x) | Kind::Seconds(x)) => {
            Some((x.to_string(), Some(*x)))
        }
        Some(Kind::Count(number) | Kind::Bytes(number)) => Some((number.to_string(), Some(*number as f64))),
        _ => None,
    };
    let cell = shown(value, closest);
    match exact {
        Some((exact, Some(sort))) => cell.exactly(exact, sort),
        _ => cell,
    }
}

fn shown(value: Option<columns::Cell<'_>>, closest: f64) -> Cell {
    use columns::Cell as Kind;
    let text = match value {
        None => String::new(),
        Some(Kind::Interval(around)) => {
            return Cell::marked(interval(around), around.lower.is_some_and(|lower| lower <= closest));
        }
        Some(Kind::Status(ended)) => return status(ended),
        Some(Kind::Word(word)) => word.to_owned(),
        Some(Kind::Text(text)) => text,
        Some(Kind::Count(number)) => count(number),
        Some(Kind::Value(around)) => self::value(around),
        Some(Kind::Number(number)) => format!("{number:.3}"),
        Some(Kind::Gap(gap)) => bound(gap, false),
        Some(Kind::Excess(share)) => excess_percent(share),
        Some(Kind::Share(share)) => format!("{:.1}", 100.0 * share),
        Some(Kind::Seconds(time)) => seconds(time),
        Some(Kind::Bytes(bytes)) => mebibytes(bytes),
    };
    text.into()
}

fn status(status: Status) -> Cell {
    Cell::marked(status.name().replace('_', " "), !status.is_success())
}

/// Seen and unseen queries.
pub(super) fn heldout(found: &Comparison, cost: Cost) -> Table {
    let columns = [
        ("method|", "how the rows were chosen"),
        ("seen", "mean distance over the folds to the queries of the choice"),
        ("unseen", "mean distance over the folds to queries that took no part"),
        ("behind on seen", "difference from the closest on seen queries with half of its 95 % interval"),
        ("behind on unseen", "the same on unseen ones"),
    ];
    let bodies = found.unseen.iter().filter(|unseen| unseen.cost == cost).map(|unseen| Body {
        heading: Some(format!("{} {}", count(unseen.budget as u64), found.parameters.unit())),
        rows: (unseen.methods.iter())
            .map(|of| {
                let number = |x: f64| Cell::from(difference(x)).exactly(x.to_string(), x);
                let behind = |of: Behind| Cell::from(behind(of)).exactly(of.mean.to_string(), of.mean);
                let method = of.method.clone().into();
                vec![method, number(of.seen), number(of.unseen), behind(of.behind_seen), behind(of.behind_unseen)]
            })
            .collect(),
    });
    Table::new(
        "Distances to queries by which was chosen and to others, in the mean over folds",
        &columns,
        bodies.collect(),
    )
}

/// Solvers on the selections.
pub(super) fn solvers(found: &Comparison, cost: Cost) -> Table {
    let columns = [
        ("method|", "which selection"),
        ("rows", "its size"),
        ("solver|", "name and regularisation"),
        ("distance", "proved to hold the plain transport distance, from this solver's output alone"),
        ("value", "of the solved problem"),
        ("iterations", ""),
        ("residual", "largest error of the marginals"),
        ("seconds", "wall-clock"),
        ("CPU s", "processor seconds"),
        ("status|", "how it ended"),
    ];
    let rows = found.solvers.iter().filter(|row| row.cost == cost).map(|row| {
        vec![
            row.method.clone().into(),
            count(row.budget as u64).into(),
            solver_name(row).into(),
            interval(row.distance).into(),
            row.value.map(|value| format!("{value:.6}")).unwrap_or_default().into(),
            count(row.iterations as u64).into(),
            row.residual.map(|residual| format!("{residual:.1e}")).unwrap_or_default().into(),
            seconds(row.seconds).into(),
            seconds(row.cpu_seconds).into(),
            status(row.status),
        ]
    });
    Table::new("Transport solvers on the same selections", &columns, vec![Body { heading: None, rows: rows.collect() }])
}

/// The selections of a cost at the largest budget.
fn at_largest(found: &Comparison, cost: Cost) -> Vec<&SelectionRecord> {
    let largest = found.budgets().iter().copied().max().unwrap_or(0);
    found.results.iter().filter(|row| row.cost == Some(cost) && row.budget == largest).collect()
}

/// Lines of the tables of groups and sources; `results.json` has all.
const LINES: usize = 150;

/// What each group of queries gets: cost and rows under every method, at every budget, or at the largest one if there
/// are many groups.
pub(super) fn groups(found: &Comparison, cost: Cost) -> Table {
    let largest = found.budgets().iter().max();
    let budgets = found.budgets().iter().filter(|budget| found.groups.len() <= LINES / 3 || Some(*budget) == largest);
    let bodies = budgets.map(|budget| {
        let rows: Vec<&SelectionRecord> = found
            .results
            .iter()
            .filter(|row| row.cost == Some(cost) && row.budget == *budget && !row.groups.is_empty())
            .collect();
        let groups = found.groups.iter().take(LINES).enumerate().filter(|_| !rows.is_empty()).map(
            |(group, (label, queries))| {
                let mut cells: Vec<Cell> = vec![label.clone().into(), count(*queries as u64).into()];
                cells.extend(found.methods().iter().map(|method| {
                    let row = rows.iter().find(|row| row.method == *method);
                    let coverage = row.and_then(|row| row.groups.get(group));
                    coverage
                        .and_then(|got| Some(format!("{} · {}", magnitude(got.cost?), count(got.rows as u64))))
                        .unwrap_or_default()
                        .into()
                }));
                cells
            },
        );
        let heading = format!("{} {}", count(*budget as u64), found.parameters.unit());
        Body { heading: Some(heading), rows: groups.collect() }
    });
    let bodies = bodies.filter(|body| !body.rows.is_empty()).collect();
    let mut columns = vec![("group|", "label of the queries"), ("queries", "how many queries have it")];
    columns.extend(found.methods().iter().map(|method| (method.as_str(), "mean cost · rows")));
    let caption = "Groups of queries: mean cost to the closest chosen row, and the number of chosen rows whose closest query \
                   is in the group, or which were chosen for it where methods balance over groups";
    Table::new(caption, &columns, bodies)
}

/// The distance to each of several tasks under every method, where the worst of them counts.
pub(super) fn tasks(found: &Comparison, cost: Cost) -> Table {
    let bodies = found.budgets().iter().map(|budget| {
        let here = |row: &&SelectionRecord| (row.cost, row.budget) == (Some(cost), *budget);
        let rows: Vec<&SelectionRecord> =
            found.results.iter().filter(here).filter(|row| !row.task_distances.is_empty()).collect();
        let names = found.parameters.tasks.iter().take(LINES).enumerate().filter(|_| !rows.is_empty());
        let lines = names.map(|(task, (name, _))| {
            let of = |row: &&SelectionRecord| {
                let text = row.task_distances.get(task).map(|distance| interval(*distance)).unwrap_or_default();
                Cell::marked(text, row.worst_task() == Some(task))
            };
            std::iter::once(Cell::from(name.clone())).chain(rows.iter().map(of)).collect()
        });
        Body { heading: Some(format!("{} rows", count(*budget as u64))), rows: lines.collect() }
    });
    let bodies = bodies.filter(|body| !body.rows.is_empty()).collect();
    let mut columns = vec![("task|", "by its name")];
    columns.extend(found.methods().iter().map(|method| (method.as_str(), "proved to hold the distance to the task")));
    Table::new("Distance to each task; bold: the worst, to which the distance of the selection is", &columns, bodies)
}

/// Chosen rows by source at the largest budget.
pub(super) fn sources(found: &Comparison, cost: Cost) -> Table {
    let all = at_largest(found, cost);
    let rows: Vec<(&SelectionRecord, &Vec<usize>)> = all
        .into_iter()
        .filter_map(|row| Some((row, row.sources.as_ref().filter(|sources| !sources.is_empty())?)))
        .collect();
    let lines = found.sources.iter().take(LINES).enumerate().map(|(source, (name, number))| {
        let mut cells: Vec<Cell> = vec![name.clone().into(), count(*number as u64).into()];
        let counts = rows.iter().map(|(_, sources)| sources.get(source).copied().unwrap_or(0));
        cells.extend(counts.map(|number| Cell::from(count(number as u64))));
        cells
    });
    let mut columns = vec![("source|", "as the examples name it"), ("pool", "rows in the pool")];
    columns.extend(rows.iter().map(|(row, _)| (row.method.as_str(), "rows chosen")));
    let largest = rows.first().map_or(0, |(row, _)| row.budget);
    let caption = format!("Chosen rows by source at {} {}", count(largest as u64), found.parameters.unit());
    Table::new(caption, &columns, vec![Body { heading: None, rows: lines.collect() }])
}

/// The input files.
pub(super) fn inputs(found: &Comparison) -> Table {
    let columns = [
        ("file|", ""),
        ("role|", "what it was used as"),
        ("rows", ""),
        ("columns", "numbers per row"),
        ("type|", "stored number type, or format"),
        ("SHA-256|", "the first digits of the digest of the file; results.json has all"),
    ];
    let rows = found.inputs.iter().map(|input| {
        vec![
            readable(&input.path).into_owned().into(),
            input.role.clone().into_owned().into(),
            count(input.rows as u64).into(),
            input.columns.map(|columns| count(columns as u64)).unwrap_or_default().into(),
            input.dtype.clone().unwrap_or(input.format.clone()).into_owned().into(),
            input.sha256.chars().take(12).collect::<String>().into(),
        ]
    });
    Table::new("Input files", &columns, vec![Body { heading: None, rows: rows.collect() }])
}
