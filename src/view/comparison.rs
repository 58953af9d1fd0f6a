//! A comparison as tables for people, of about 110 columns.

use std::fmt;

use kantor_theory::Cost;

use crate::record::columns::SOLVES;
use crate::record::{Comparison, SolverRow, closest};
use crate::view::escape::Text;
use crate::view::table;
use crate::view::unseen;
use crate::view::verdict::verdict;

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
        text.append(table::terms(&self.parameters, &self.inputs));
        if !self.parameters.constraints.is_empty() {
            text.push(format_args!("limits {SOLVES}"));
        }
        if self.costs.len() == 1 {
            let closest = closest(&self.results).into_iter().map(|at| &self.results[at]);
            text.append(table::tasks(&self.parameters, closest));
        }
        if !self.solvers.is_empty() {
            text.push("");
            text.append(self.solver_table());
        }
        text
    }

    fn results_under(&self, cost: Cost) -> Text {
        let results = self.results.iter().filter(|row| row.cost == Some(cost));
        let mut text = table::selections(|column| column.compare, self.context(), results.clone());
        text.append(verdict(results, &self.references, cost));
        text.append(unseen::text(&self.unseen, cost));
        text
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
