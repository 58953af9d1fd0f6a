//! Tables for people: aligned columns without frames.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use kantor_theory::Interval;

use super::escape::{OneLine, Text};
use super::prices::{Listing, uses};
use super::unseen;
use super::verdict::verdict;
use crate::decimal::magnitude;
use crate::record::columns::{COLUMNS, Cell, Column, Context, Heading, Shown};
use crate::record::{Manifest, Parameters, SelectionRecord, closest};
use crate::source::InputRecord;

/// An interval for people, rounded outwards to six decimals, or to seven digits if it is very large or small.
pub fn interval(interval: Interval) -> String {
    let lower = interval.lower.map_or_else(|| "−∞".to_owned(), |x| outward(x, false));
    let upper = interval.upper.map_or_else(|| "∞".to_owned(), |x| outward(x, true));
    format!("[{lower}, {upper}]")
}

/// The middle of an interval, to four decimals or digits, if that says all there is; else the interval.
pub fn value(around: Interval) -> String {
    match (around.lower, around.upper) {
        (Some(lower), Some(upper)) if upper - lower <= 5e-5 * f64::max(1e-3, lower.abs().max(upper.abs())) => {
            magnitude(0.5 * lower + 0.5 * upper)
        }
        _ => interval(around),
    }
}

/// A bound for people: rounded up, or down if it is a lower one, as intervals are.
pub fn bound(value: f64, lower: bool) -> String {
    if value.is_finite() { outward(value, !lower) } else { value.to_string() }
}

/// A decimal number on the safe side of `x`: not below it if `up`, else not above it.
fn outward(x: f64, up: bool) -> String {
    let exponent = x.abs().log10().floor();
    let plain = x == 0.0 || (-3.0..6.0).contains(&exponent);
    let unit = if plain { 1e-6 } else { 10f64.powf(exponent - 6.0) };
    if !unit.is_normal() {
        return format!("{x:e}");
    }
    // The nearest decimal, if it is on the safe side: a share like 0.05 is shown as it is.
    let mut units = (x / unit).round();
    loop {
        let text = if plain { format!("{:.6}", units * unit) } else { format!("{:.6e}", units * unit) };
        // Division and product round too: what is shown is compared with what was proved.
        match text.parse::<f64>() {
            Ok(shown) if (up && shown < x) || (!up && shown > x) => units += if up { 1.0 } else { -1.0 },
            _ => return text,
        }
    }
}

/// A share as a percentage, rounded up: two decimals, or one digit if it is tiny.
pub fn percent_up(share: f64) -> String {
    if share <= 0.0 {
        return "0 %".to_owned();
    }
    // Upwards after every step that rounds, so that what is shown is no less than what was proved.
    let percent = (100.0 * share).next_up();
    if percent >= 0.01 {
        return format!("{:.2} %", (percent * 1e2).next_up().ceil() / 1e2);
    }
    let unit = 10f64.powi(percent.log10().floor() as i32).next_down();
    format!("{:.0e} %", (percent / unit).next_up().ceil() * unit)
}

/// Text in lines of at most `width` characters, broken at spaces, each after `indent` of them; longer words stand alone.
pub fn paragraph(text: &str, indent: usize, width: usize) -> Text {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        if let Some(line) = lines.last_mut() {
            let length = line.chars().count();
            if length > 0 && indent + length + 1 + word.chars().count() > width {
                lines.push(word.to_owned());
            } else {
                line.push_str(if length > 0 { " " } else { "" });
                line.push_str(word);
            }
        }
    }
    lines.iter().map(|line| format!("{:indent$}{line}", "")).collect()
}

/// A table with a header line.
pub fn plain(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Text {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header.iter().copied()).add_rows(escaped(rows));
    table.trim_fmt().lines().collect()
}

/// Selections of a result, with the columns that `which` table has.
pub(crate) fn selections<'a>(
    which: fn(&Column) -> Heading,
    of: Context<'a>,
    results: impl Iterator<Item = &'a SelectionRecord>,
) -> Text {
    let shown = COLUMNS.iter().filter_map(|column| Some((which(column)(&of)?, column)));
    let (header, columns): (Vec<&str>, Vec<&Column>) = shown.unzip();
    let row = |found| columns.iter().map(|column| cell((column.cell)(&Shown { of, found }))).collect();
    plain(&header, results.map(row))
}

/// The distances of selections to every one of several tasks, if the worst of them counts.
pub(crate) fn tasks<'a>(parameters: &Parameters, results: impl Iterator<Item = &'a SelectionRecord>) -> Text {
    let mut lines = Vec::new();
    for found in results {
        let distances = parameters.tasks.iter().zip(&found.task_distances).enumerate();
        lines.extend(distances.map(|(task, ((name, _), distance))| {
            let worst = if found.worst_task() == Some(task) { "worst" } else { "" };
            let (method, budget) = (found.method.clone(), found.budget.to_string());
            vec![method, budget, name.clone(), interval(*distance), worst.to_owned()]
        }));
    }
    match lines.is_empty() {
        true => Text::default(),
        false => plain(&["method", "budget", "task", "distance", ""], lines),
    }
}

/// What the numbers of a table are about, where that is not plain: what queries count, what rows obey, and what they are worth.
pub(crate) fn terms(parameters: &Parameters, inputs: &[InputRecord]) -> Text {
    let mut text = Text::default();
    if let Some(words) = parameters.query_weights_in_words(inputs) {
        text.push(format_args!("all distances, bounds and choices with {words}"));
    }
    if let Some(words) = parameters.aggregate_in_words() {
        text.push(format_args!("all distances and bounds are those of {words}"));
    }
    if !parameters.constraints.is_empty() {
        let rules = parameters.constraints.join("; ");
        text.push(format_args!("best possible and choices under constraints: {rules}"));
    }
    if let Some(words) = parameters.quality_in_words() {
        text.push(format_args!("quality: {words}"));
    }
    text
}

impl Manifest {
    /// Its selections as a table for people.
    pub fn text(&self) -> Text {
        let which: fn(&Column) -> Heading =
            if self.cut.is_some() { |column| column.quantiles } else { |column| column.select };
        let mut text = selections(which, self.context(), self.results.iter());
        text.append(verdict(self.results.iter(), &self.random, self.parameters.cost));
        text.append(unseen::text(&self.unseen, self.parameters.cost));
        text.append(terms(&self.parameters, &self.inputs));
        text.append(tasks(&self.parameters, self.results.iter()));
        for at in closest(&self.results) {
            text.append(uses(&self.results[at]).map_or_else(Text::default, Listing::text));
        }
        text
    }
}

/// A value for people, or a dash if it is not known.
fn cell(value: Option<Cell<'_>>) -> String {
    match value {
        None => "–".to_owned(),
        Some(Cell::Word(word)) => word.to_owned(),
        Some(Cell::Text(text)) => text,
        Some(Cell::Count(number) | Cell::Bytes(number)) => number.to_string(),
        Some(Cell::Interval(around)) => interval(around),
        Some(Cell::Value(around)) => self::value(around),
        Some(Cell::Number(number)) => number.to_string(),
        Some(Cell::Gap(gap)) => format!("≤ {}", bound(gap, false)),
        Some(Cell::Excess(share)) => format!("≤ {}", percent_up(share)),
        Some(Cell::Share(share)) => format!("{:.0} %", 100.0 * share),
        Some(Cell::Seconds(seconds)) => format!("{seconds:.2} s"),
        Some(Cell::Status(status)) => status.to_string(),
    }
}

/// No cell ends a line of the table.
fn escaped(rows: impl IntoIterator<Item = Vec<String>>) -> impl Iterator<Item = Vec<String>> {
    rows.into_iter().map(|row| row.iter().map(|cell| OneLine(cell).to_string()).collect())
}

/// Columns that a table of words may take.
const WIDTH: u16 = 110;

/// A table without a header, of which long cells go on in the next line.
pub fn wrapped(rows: impl IntoIterator<Item = Vec<String>>) -> Text {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    table.add_rows(escaped(rows));
    table.trim_fmt().lines().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_text_keeps_its_words_and_its_width() {
        let text = "über every one of the words, a-word-that-is-too-long and more";
        let lines = paragraph(text, 2, 14).to_string();
        assert_eq!(lines.split_whitespace().collect::<Vec<_>>(), text.split_whitespace().collect::<Vec<_>>());
        assert!(
            lines
                .lines()
                .all(|line| line.starts_with("  ") && (line.chars().count() <= 14 || line.contains("too-long")))
        );
        assert_eq!(paragraph("", 2, 14).to_string(), "  ");
    }

    #[test]
    fn printed_intervals_hold_what_was_proved() {
        let mut x: f64 = 1e-300;
        while x < 1e300 {
            for value in [x, -x, x.next_up(), x.next_down()] {
                for up in [false, true] {
                    let shown: f64 = outward(value, up).parse().unwrap_or(f64::NAN);
                    assert!(if up { shown >= value } else { shown <= value }, "{value:e} is shown as {shown:e}");
                    assert!((shown - value).abs() <= 2e-6 * value.abs().max(f64::from(value.abs() < 1e6)));
                }
            }
            x *= 3.7;
        }
        for share in [1e-15, 8e-14, 0.0012, 0.01, 0.9, 1.17] {
            let shown: f64 = percent_up(share).trim_end_matches(" %").parse().unwrap_or(f64::NAN);
            assert!(shown >= 100.0 * share && shown <= 200.0 * share, "{share} is shown as {shown} %");
        }
        assert_eq!(interval(Interval { lower: Some(0.0), upper: None }), "[0.000000, ∞]");
    }
}
