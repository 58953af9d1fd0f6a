//! Numbers as the pages print them: aligned, never more favourable than what was proved.

use kantor_theory::Interval;

use crate::record::SolverRow;
use crate::view::table;

/// Digits in groups of three, thin spaces between them.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3 * 3);
    for (place, digit) in digits.chars().enumerate() {
        // Four digits are read well without.
        if digits.len() > 4 && place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

/// An interval, rounded outwards; empty if nothing is known.
pub(super) fn interval(interval: Interval) -> String {
    if interval.lower.is_none() && interval.upper.is_none() { String::new() } else { table::interval(interval) }
}

/// The middle of a narrow interval to four decimals, else the interval.
pub(super) fn value(interval: Interval) -> String {
    if interval.lower.is_none() && interval.upper.is_none() { String::new() } else { table::value(interval) }
}

/// A share in per cent with two decimals, rounded up, without the sign.
pub(super) fn excess_percent(share: f64) -> String {
    if share <= 0.0 {
        return "0.00".to_owned();
    }
    let text = table::percent_up(share);
    // What is smaller than the last decimal.
    if text.contains('e') { "0.01".to_owned() } else { text.trim_end_matches(" %").to_owned() }
}

/// A number with its sign and two decimals.
pub(super) fn signed(number: f64) -> String {
    format!("{number:.2}").replace('-', "−")
}

/// Seconds, to the millisecond, so that a column lines up.
pub(super) fn seconds(seconds: f64) -> String {
    format!("{seconds:.3}")
}

/// Mebibytes.
pub(super) fn mebibytes(bytes: u64) -> String {
    count(bytes.div_ceil(1 << 20))
}

/// A solver and its regularisation.
pub(super) fn solver_name(row: &SolverRow) -> String {
    if row.epsilon > 0.0 { format!("{}, ε = {}", row.solver, row.epsilon) } else { row.solver.clone() }
}
