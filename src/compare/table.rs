//! A comparison as tables for people, of about 110 columns.

use std::fmt;

use kantor_theory::{Cost, Interval};

use super::record::{Comparison, Row, SolverRow};
use crate::report::escape::Text;
use crate::report::table;

impl fmt::Display for Comparison {
    /// Its results, a table per cost, and those of the solvers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().fmt(f)
    }
}

impl Comparison {
    /// Its results, a table per cost, and those of the solvers.
    pub fn text(&self) -> Text {
        let mut text = Text::default();
        for (at, &cost) in self.costs.iter().enumerate() {
            if at > 0 {
                text.push("");
            }
            if self.costs.len() > 1 {
                text.push(format_args!("cost {cost}"));
            }
            text.append(self.results_under(cost));
        }
        if !self.solvers.is_empty() {
            text.push("");
            text.append(self.solver_table());
        }
        text
    }

    fn results_under(&self, cost: Cost) -> Text {
        let distance = table::distance_name(self.objective());
        let (folds, random) = (self.parameters.cross_fit.is_some(), !self.references.is_empty());
        let groups = !self.groups.is_empty();
        let mut header = vec!["method", "budget", distance, "above best", "energy", "chamfer"];
        header.extend(["held-out", "its energy"].into_iter().filter(|_| folds));
        header.extend(["closer random"].into_iter().filter(|_| random));
        header.extend(["worst group"].into_iter().filter(|_| groups));
        header.extend(["time", "status"]);
        let cells = |row: &Row| {
            let value = |interval: Option<Interval>| interval.map_or_else(|| "–".to_owned(), table::value);
            let mut cells = vec![
                row.method.clone(),
                row.budget.to_string(),
                table::interval(row.distance),
                row.excess.map_or_else(|| "–".to_owned(), |excess| format!("≤ {}", table::percent_up(excess))),
                value(row.energy),
                value(Some(row.chamfer)),
            ];
            if let Some(held) = row.held_out.filter(|_| folds) {
                cells.extend([value(Some(held.held_out.distance)), value(held.held_out.energy)]);
            }
            cells.extend(row.against_random.map(|place| format!("{:.0} %", 100.0 * place.percentile)));
            cells.extend(table::worst_group(&self.groups, &row.groups));
            cells.extend([format!("{:.2} s", row.seconds), row.status.to_string()]);
            cells
        };
        table::plain(&header, self.results.iter().filter(|row| row.cost == cost).map(cells))
    }

    fn solver_table(&self) -> Text {
        let header = ["method", "budget", "solver", "ε", "distance", "iterations", "residual", "time", "CPU", "status"];
        let cells = |row: &SolverRow| {
            let method =
                if self.costs.len() > 1 { format!("{}, {}", row.method, row.cost) } else { row.method.clone() };
            vec![
                method,
                row.budget.to_string(),
                row.solver.clone(),
                row.epsilon.to_string(),
                table::interval(row.distance),
                row.iterations.to_string(),
                row.residual.map_or_else(|| "–".to_owned(), |residual| format!("{residual:.1e}")),
                format!("{:.3} s", row.seconds),
                format!("{:.3} s", row.cpu_seconds),
                row.status.to_string(),
            ]
        };
        table::plain(&header, self.solvers.iter().map(cells))
    }
}
