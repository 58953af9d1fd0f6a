//! Constraints in words.

use kantor_theory::Constraints;
use kantor_theory::constraints::{Counted, Limit};

/// Limits, or labels of one, that are spelled out.
pub(crate) const LISTED: usize = 10;

/// What a subset must obey, one phrase each: `at most 150 rows of` `source=web`.
pub fn in_words(constraints: &Constraints) -> Vec<String> {
    let Constraints { limits, include, exclude, .. } = constraints;
    let listed = limits.iter().take(LISTED);
    let mut words: Vec<String> = listed.filter_map(|limit| limit_in_words(constraints, limit, None)).collect();
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

/// One limit of these constraints, or what it says of one `label` if it is on every one; `None` if it has no end.
pub fn limit_in_words(constraints: &Constraints, limit: &Limit, label: Option<&str>) -> Option<String> {
    let Limit { column, of, min, max } = limit;
    let range = match (min, max) {
        (None, None) => return None,
        (None, Some(max)) => format!("at most {max}"),
        (Some(min), None) => format!("at least {min}"),
        (Some(min), Some(max)) if min == max => format!("exactly {min}"),
        (Some(min), Some(max)) => format!("{min} to {max}"),
    };
    let rows = if max.or(*min) == Some(1.0) { "row" } else { "rows" };
    let name = constraints.columns.get(*column).map_or("", |column| &column.name);
    Some(match (of, label) {
        (Counted::Sum, _) => format!("{range} of `{name}` in all"),
        (Counted::Label(label), _) => format!("{range} {rows} of `{name}={label}`"),
        (Counted::Each, Some(label)) => format!("{range} {rows} of `{name}={label}`"),
        (Counted::Each, None) => format!("{range} {rows} of each `{name}`"),
    })
}
