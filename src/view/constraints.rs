//! Constraints in words.

use kantor_theory::Constraints;
use kantor_theory::constraints::{Counted, Limit};

/// Limits that are spelled out.
const LISTED: usize = 10;

/// What a subset must obey, one phrase each: `at most 150 rows of` `source=web`.
pub fn in_words(constraints: &Constraints) -> Vec<String> {
    let Constraints { columns, limits, include, exclude } = constraints;
    let mut words: Vec<String> = Vec::new();
    for Limit { column, of, min, max } in limits.iter().take(LISTED) {
        let range = match (min, max) {
            (None, None) => continue,
            (None, Some(max)) => format!("at most {max}"),
            (Some(min), None) => format!("at least {min}"),
            (Some(min), Some(max)) if min == max => format!("exactly {min}"),
            (Some(min), Some(max)) => format!("{min} to {max}"),
        };
        let rows = if max.or(*min) == Some(1.0) { "row" } else { "rows" };
        let name = columns.get(*column).map_or("", |column| &column.name);
        words.push(match of {
            Counted::Label(label) => format!("{range} {rows} of `{name}={label}`"),
            Counted::Each => format!("{range} {rows} of each `{name}`"),
            Counted::Sum => format!("{range} of `{name}` in all"),
        });
    }
    if limits.len() > LISTED {
        words.push(format!("{} more limits", limits.len() - LISTED));
    }
    let listed = [(include.len(), "kept"), (exclude.len(), "excluded")].into_iter().filter(|(count, _)| *count > 0);
    words.extend(listed.map(|(count, what)| match count {
        1 => format!("1 row {what}"),
        _ => format!("{count} rows {what}"),
    }));
    words
}
