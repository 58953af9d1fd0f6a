//! Distances in a sentence: how far on the way from random rows to the best possible.

use std::fmt::Write;

use kantor_theory::{Cost, Status};

use super::escape::Text;
use crate::decimal::magnitude;
use crate::pipeline::RandomReference;
use crate::record::SelectionRecord;

/// Shares that are at least this are shown as the whole way only if they are it.
const NEARLY: f64 = 0.999;

/// A share of the way, to a tenth of a per cent and never rounded up to the whole; less than nothing is said as that.
fn percent(share: f64) -> String {
    let tenths = if share >= NEARLY { (1e3 * share).floor() } else { (1e3 * share).round() };
    format!("{} %", tenths / 10.0)
}

/// What a distance is beside random ones that is at most `upper`.
#[cfg(feature = "cli")]
pub(crate) fn beside_random(upper: f64, status: Status, drawn: &RandomReference) -> Option<String> {
    if drawn.share_of_way(upper)? < 0.0 {
        return Some(format!("that is farther than random rows, which are at {} on average", magnitude(drawn.mean)));
    }
    Some(format!("that is {} of {}", share(upper, status, drawn)?, way_of(drawn)))
}

fn share(upper: f64, status: Status, drawn: &RandomReference) -> Option<String> {
    let share = drawn.share_of_way(upper)?;
    Some(if status == Status::Optimal { "100 %".to_owned() } else { percent(share) })
}

fn way_of(drawn: &RandomReference) -> String {
    format!("the way from random rows ({}) to the best possible ({})", magnitude(drawn.mean), magnitude(drawn.best))
}

/// A sentence for each budget: every method by its share of the way.
pub(crate) fn verdict<'a>(
    results: impl Iterator<Item = &'a SelectionRecord> + Clone,
    references: &[RandomReference],
    cost: Cost,
) -> Text {
    let mut text = Text::default();
    let unit = if results.clone().any(|result| result.in_tokens.is_some()) { "tokens" } else { "rows" };
    for drawn in references.iter().filter(|drawn| drawn.cost == cost) {
        let mut words = String::new();
        for result in results.clone().filter(|result| result.budget == drawn.budget) {
            let share = result.upper().and_then(|upper| share(upper, result.status, drawn));
            let Some(share) = share else { continue };
            let _ = write!(words, "{}{} {share}", if words.is_empty() { "" } else { ", " }, result.method);
        }
        if !words.is_empty() {
            text.push(format_args!("{} {unit}: {words} of {}", drawn.budget, way_of(drawn)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn nearly_all_is_not_all() {
        assert_eq!([0.99994, 0.9987, 0.5, 0.0, -0.0321].map(percent), ["99.9 %", "99.9 %", "50 %", "0 %", "-3.2 %"]);
    }
}
