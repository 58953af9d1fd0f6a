//! Tables for people: aligned columns without frames.

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use kantor_theory::Interval;

/// An interval for people: as many digits as it is sure of, and two more.
pub fn interval(interval: Interval) -> String {
    let end = |value: Option<f64>, missing: &str| value.map_or_else(|| missing.to_owned(), |x| format!("{x:.6}"));
    format!(
        "[{}, {}]",
        end(interval.lower.map(|x| (x * 1e6).floor() / 1e6), "−∞"),
        end(interval.upper.map(|x| (x * 1e6).ceil() / 1e6), "∞")
    )
}

/// A share as a percentage, rounded up: two decimals, or one digit if it is tiny.
pub fn percent_up(share: f64) -> String {
    let percent = 100.0 * share;
    if percent >= 0.01 {
        return format!("{:.2} %", (percent * 1e2).ceil() / 1e2);
    }
    if percent <= 0.0 {
        return "0 %".to_owned();
    }
    let unit = 10f64.powi(percent.log10().floor() as i32);
    format!("{:.0e} %", (percent / unit).ceil() * unit)
}

/// A table with a header line.
pub fn plain(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header.iter().copied()).add_rows(rows);
    table.trim_fmt()
}
