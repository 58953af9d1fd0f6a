//! What the bounds come to, in three sentences: how far the rows are, what that says of losses on these queries, and what of other
//! queries of the task.

use kantor_theory::generalization::Kind;

use super::line::{CRITICAL, DISTANCE, EVERY, FROM_HELD_OUT, FROM_SAME, GAP, SHARE_CLOSER};
use super::{Line, Report, Says};
use crate::view::table::{bound, interval};

impl Report {
    /// Three sentences on `rows` rows and `queries` queries.
    pub fn sentences(&self, rows: usize, queries: usize) -> [String; 3] {
        [self.how_far(rows, queries), self.of_losses(), self.of_other_queries()]
    }

    fn find(&self, name: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.quantity == name)
    }

    /// The value of a line, rounded to the safe side.
    fn value(&self, name: &str) -> Option<String> {
        let found = self.find(name)?.bound()?;
        Some(bound(found.value(), found.is_lower()))
    }

    fn how_far(&self, rows: usize, queries: usize) -> String {
        let (cost, metric) = (self.cost.name(), self.metric.name());
        let mut text =
            format!("The {rows} rows are at distance {} ({cost}) from the {queries} queries", interval(self.by_cost));
        if let Some(distance) = self.value(DISTANCE).filter(|_| cost != metric) {
            text.push_str(&format!(", which is W₁ ≤ {distance} in {metric}, the metric behind that cost"));
        }
        if let Some(share) = self.find(SHARE_CLOSER).and_then(Line::bound) {
            text.push_str(&format!(
                "; of {} random subsets {:.0} % are closer",
                self.references,
                100.0 * share.value()
            ));
        }
        if let Some(every) = self.value(EVERY) {
            text.push_str(&format!(", and no {rows} rows of the pool are closer than {every} ({metric})"));
        }
        text + "."
    }

    fn of_losses(&self) -> String {
        let differ = "So the mean losses of one model on the rows and on these queries differ by at most";
        match self.find(GAP).map(|line| &line.says) {
            Some(Says::Informative(found) | Says::Value(found)) => {
                format!("{differ} {}, if its loss is L-Lipschitz with the constant given.", bound(found.value(), false))
            }
            Some(Says::Vacuous(_, why)) => {
                format!("Of losses with the constant given that says nothing: {why}.")
            }
            _ => match self.lines.iter().find(|line| line.quantity.starts_with(CRITICAL)).and_then(Line::bound) {
                Some(critical) => {
                    let of_range = if self.range.is_some() { "" } else { " times its range" };
                    format!(
                        "{differ} L·W₁, which says something of a loss that changes by less than {}{of_range} per unit of that distance; \
                         whether one does is not known (--lipschitz).",
                        bound(critical.value(), critical.is_lower())
                    )
                }
                None => "Of losses on these queries nothing is proved.".to_owned(),
            },
        }
    }

    fn of_other_queries(&self) -> String {
        let held_out = self.find(FROM_HELD_OUT).filter(|line| line.bound().is_some());
        let line = held_out.or_else(|| self.find(FROM_SAME));
        let Some((line, found)) = line.and_then(|line| Some((line, line.bound()?))) else {
            let refused = self.find(FROM_HELD_OUT).and_then(Line::why);
            let why = refused.unwrap_or("give --heldout-query");
            return format!("Of other queries of the task nothing is proved: {why}.");
        };
        let (value, likely) = (
            bound(found.value(), false),
            match found.kind() {
                Kind::HighProbability(delta) => format!(" with probability ≥ {}", ((1.0 - delta) * 1e6).floor() / 1e6),
                _ => String::new(),
            },
        );
        let by = if held_out.is_some() { "by the held-out queries" } else { "by these queries alone" };
        let statement =
            format!("the law of the queries is{likely} at W₁ ≤ {value} from the rows, if they are independent draws");
        match &line.says {
            Says::Vacuous(_, why) => format!(
                "Of other queries of the task {by} nothing follows ({statement}; but {why}){}.",
                if held_out.is_some() { "" } else { ": queries held out would say more (--heldout-query)" }
            ),
            _ => format!("Of other queries of the task, {by}: {statement}."),
        }
    }
}
