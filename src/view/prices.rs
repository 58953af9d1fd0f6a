//! What limits, queries and new rows are worth, and what chosen rows use of limits, for people.

use kantor_theory::{Objective, Power};

use super::escape::Text;
use super::table::{self, bound};
use crate::constraints::{LISTED, LimitUse};
use crate::decimal::{difference, magnitude};
use crate::record::columns::distance_name;
use crate::record::{FixedRows, NewRows, Prices, SelectionRecord};

/// Letters of a query's text that a table has room for.
const LETTERS: usize = 60;

/// Labels of a limit on every one that a table has room for.
const LABELS: usize = 4;

/// A table, of the terminal or of a page.
pub(crate) struct Listing {
    /// What it says.
    pub(crate) caption: String,
    /// Headings and their meanings; a heading that ends in `|` is that of a column of words.
    pub(crate) columns: Vec<(&'static str, &'static str)>,
    /// Its rows.
    pub(crate) rows: Vec<Vec<String>>,
}

impl Listing {
    /// For the terminal.
    pub(super) fn text(self) -> Text {
        let headings: Vec<&str> = self.columns.iter().map(|(heading, _)| heading.trim_end_matches('|')).collect();
        let mut text = Text::default();
        text.push(self.caption);
        text.append(table::plain(&headings, self.rows));
        text
    }
}

/// The limits that a selection obeys, and what it uses of them; `None` if there are none.
pub(crate) fn uses(of: &SelectionRecord) -> Option<Listing> {
    let mut rows: Vec<Vec<String>> = of.limits.iter().take(LISTED).map(line).collect();
    if of.limits.len() > LISTED {
        let others = &of.limits[LISTED..];
        let bind = others.iter().filter(|limit| limit.binds).count();
        rows.push(vec![format!("{} more limits", others.len()), String::new(), format!("of {bind}")]);
    }
    let columns = vec![
        ("limit|", "what the choice obeys"),
        ("used|", "rows that it counts, or the sum of their numbers"),
        ("binds|", "whether it is used up, or has a price in the proof"),
    ];
    let unit = if of.in_tokens.is_some() { "tokens" } else { "rows" };
    let caption = format!("limits at {} {unit}, by {}", of.budget, of.method);
    (!rows.is_empty()).then_some(Listing { caption, columns, rows })
}

fn line(LimitUse { limit, used, labels, labels_at_end, binds, .. }: &LimitUse) -> Vec<String> {
    let used = match labels_at_end {
        None => used.to_string(),
        Some(full) if labels.is_empty() => format!("{full} used up"),
        Some(full) => {
            let listed: Vec<String> = labels.iter().take(LABELS).map(|(name, rows)| format!("{name} {rows}")).collect();
            let rest = if labels.len() > LABELS { ", …" } else { "" };
            format!("{}{rest}; {full} at an end", listed.join(", "))
        }
    };
    vec![limit.clone(), used, if *binds { "yes" } else { "" }.to_owned()]
}

impl Prices {
    /// As tables for people.
    pub fn text(&self) -> Text {
        let mut text = Text::default();
        text.push(self.in_words());
        for listing in self.listings() {
            text.push("");
            text.append(listing.text());
        }
        text
    }

    /// How close the selection is, and how close one can be that may be chosen.
    pub(crate) fn in_words(&self) -> String {
        let Self { method, budget, objective, distance_upper, best_lower, closer_by_at_most, .. } = self;
        let less = self.less_quality();
        let unit = if self.tokens.is_some() { "tokens" } else { "rows" };
        let lower = if self.quality_weight.is_some() { "has less" } else { "is closer" };
        let closer = closer_by_at_most
            .map_or_else(String::new, |closer| format!(", so that none {lower} by more than {}", bound(closer, false)));
        format!(
            "{method}, {budget} {unit}: {}{less} at most {}, and at least {} for every choice{closer}",
            distance_name(*objective),
            bound(*distance_upper, false),
            bound(*best_lower, true)
        )
    }

    fn less_quality(&self) -> &'static str {
        let squared = self.p == Power::Two || self.objective != Objective::W;
        match self.quality_weight {
            None => "",
            Some(_) if squared => ", squared and less quality,",
            Some(_) => " less quality",
        }
    }

    /// Tables of all that has a price.
    pub(crate) fn listings(&self) -> Vec<Listing> {
        let closer = |closer: Option<f64>| closer.map_or_else(|| "–".to_owned(), |closer| bound(closer, false));
        let by = match self.quality_weight {
            None => ("closer by at most", "proved: no choice is closer than the selection by more"),
            Some(_) => {
                ("less by at most", "proved: no choice has a lower distance less quality than the selection by more")
            }
        };
        let squared = self.quality_weight.is_none() && (self.p == Power::Two || self.objective != Objective::W);
        let limits = self
            .limits
            .iter()
            .map(|limit| vec![limit.limit.clone(), bound(limit.price, false), closer(limit.closer_by_at_most)]);
        let price = if squared { "price, squared" } else { "price" };
        let limits = Listing {
            caption: "limits, if relaxed by one row or unit (proved)".to_owned(),
            columns: vec![("limit|", "an end of a limit"), (price, "what the bound falls by for each unit"), by],
            rows: limits.collect(),
        };
        let fixed = [("must be chosen", &self.included), ("must not be chosen", &self.excluded)];
        let fixed = fixed.into_iter().flat_map(|(what, FixedRows { rows, closer_by_at_most, dearest })| {
            let each = dearest.iter().map(move |row| {
                vec![row.row.to_string(), row.id.clone(), what.to_owned(), closer(row.closer_by_at_most)]
            });
            let all = vec![format!("all {rows}"), String::new(), what.to_owned(), closer(*closer_by_at_most)];
            each.chain((*rows > 1).then_some(all))
        });
        let fixed = Listing {
            caption: "rows that constraints fix, if they did not (proved)".to_owned(),
            columns: vec![("row|", "its number in the pool"), ("id|", "of the example"), ("it|", "what is asked"), by],
            rows: fixed.collect(),
        };
        let several = !self.tasks.is_empty();
        let copies = self.queries.iter().any(|query| query.copy_closer_by_at_most.is_some());
        let queries = self.queries.iter().map(|query| {
            let task = several.then(|| query.task.clone().unwrap_or_default());
            let copy = copies.then(|| closer(query.copy_closer_by_at_most));
            let rest = [
                query.nearest_id.clone(),
                magnitude(query.cost),
                query.text.as_deref().map_or_else(String::new, beginning),
            ];
            let above = difference(query.above_mean);
            [query.query.to_string()].into_iter().chain(task).chain([above]).chain(copy).chain(rest).collect()
        });
        let above = match (several, copies) {
            (true, _) => "how far its potential is above the mean of its task, times the price of the task",
            (false, true) => "how far the value of a row that equals it is above the mean of these, twice",
            (false, false) => "how far its potential is above the mean of all",
        };
        let rest = [
            ("nearest chosen row|", "id, or row number in the pool"),
            ("cost", "between the two"),
            ("text|", "how the query begins"),
        ];
        let queries = Listing {
            caption: match copies {
                true => "dearest queries: those of which a copy in the pool would be worth most (proved)".to_owned(),
                false => {
                    "dearest queries: those with the highest potentials, which bound nothing by themselves".to_owned()
                }
            },
            columns: [("query|", "its row number")]
                .into_iter()
                .chain(several.then_some(("task|", "its name")))
                .chain([("above mean", above)])
                .chain(copies.then_some(("a copy: closer by at most", "proved: if a row that equals it is added")))
                .chain(rest)
                .collect(),
            rows: queries.collect(),
        };
        let tasks =
            self.tasks.iter().map(|of| vec![of.task.clone(), bound(of.distance_upper, false), bound(of.price, false)]);
        let tasks = Listing {
            caption: "tasks, if they may be farther than the others (proved)".to_owned(),
            columns: vec![
                ("task|", "its name"),
                ("distance at most", "of the selection to it"),
                (price, "what the bound falls by for each unit by which it may be farther; 0 if it does not bind"),
            ],
            rows: tasks.collect(),
        };
        let tokens = self.tokens.iter().flat_map(|of| {
            let ends = [
                (format!("at least {} of `{}`", of.least, of.column), of.closer_by_at_most_with_one_less),
                (format!("at most {} of `{}`", of.most, of.column), of.closer_by_at_most_with_one_more),
            ];
            ends.map(|(end, by)| vec![end, closer(by)])
        });
        let tokens = Listing {
            caption: "ends of the budget, if relaxed by one token (proved)".to_owned(),
            columns: vec![("end|", "of the number of tokens of a choice"), by],
            rows: tokens.collect(),
        };
        let new_tokens = self.new_tokens.iter().map(|of| vec![of.tokens.to_string(), closer(of.closer_by_at_most)]);
        let new_tokens = Listing {
            caption: "rows that are added to the pool, wherever they lie (proved)".to_owned(),
            columns: vec![("tokens of new rows|", "in all"), by],
            rows: new_tokens.collect(),
        };
        let new_rows = self
            .new_rows
            .iter()
            .map(|NewRows { rows, closer_by_at_most }| vec![rows.to_string(), closer(*closer_by_at_most)]);
        let new_rows = Listing {
            caption: "rows that are added to the pool, wherever they lie (proved)".to_owned(),
            columns: vec![("new rows|", "how many"), by],
            rows: new_rows.collect(),
        };
        let all = [tasks, tokens, limits, fixed, queries, new_rows, new_tokens];
        all.into_iter().filter(|listing| !listing.rows.is_empty()).collect()
    }
}

/// As much of a text as there is room for.
fn beginning(text: &str) -> String {
    match text.char_indices().nth(LETTERS) {
        Some((end, _)) => format!("{}…", text[..end].trim_end_matches('…').trim_end()),
        None => text.to_owned(),
    }
}
