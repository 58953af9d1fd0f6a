//! Pages and figures: a digest of each section and each figure, masked.

use std::fmt::Write;

use super::files::digest;
use super::masks;

/// Figures that draw measured times: where their marks and ticks stand changes with every run, so that only their title
/// is compared. By the start of the name that their title carries as identifier.
const OF_TIMES: [&str; 2] = ["time-", "solvers-"];

/// A line for each section and each figure.
pub(crate) fn digests(page: &str) -> String {
    let mut text = String::new();
    let mut prose = String::new();
    let mut rest = page;
    while let Some(at) = rest.find("<svg") {
        let end = at + rest[at..].find("</svg>").unwrap() + "</svg>".len();
        prose += &rest[..at];
        prose += "<svg>";
        writeln!(text, "{}", figure(&rest[at..end])).unwrap();
        rest = &rest[end..];
    }
    prose += rest;
    if prose.trim() == "<svg>" {
        return text;
    }
    for (number, section) in cells(&masks::units(&prose)).split("<section").enumerate() {
        let heading = between(section, "aria-labelledby=\"", "\"").filter(|_| number > 0).unwrap_or("start");
        writeln!(text, "section {heading}: {}", digest(section.as_bytes())).unwrap();
    }
    text
}

fn figure(svg: &str) -> String {
    let name = between(svg, "<title id=\"", "\"").unwrap_or("without a title");
    let title = between(svg, "\">", "</title>").and_then(|text| text.rsplit('>').next()).unwrap_or_default();
    if OF_TIMES.iter().any(|start| name.starts_with(start)) {
        return format!("figure {name}, {title}: of measured times");
    }
    format!("figure {name}, {title}: {}", digest(svg.as_bytes()))
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(found, _)| found)
}

/// Masks cells under the headings of [`masks::COLUMNS`]; every cell stands on a line of its own.
fn cells(page: &str) -> String {
    let (mut masked, mut column) = (Vec::new(), 0);
    let mut text = String::new();
    for line in page.lines() {
        let content = between(line, ">", "</t");
        if line.starts_with("<thead") || line.starts_with("<table") {
            masked.clear();
        } else if line.starts_with("<tr") {
            column = 0;
        } else if line.starts_with("<th scope=\"col\"") {
            masked.push(content.is_some_and(masks::is_masked));
        } else if line.starts_with("<td") || line.starts_with("<th") {
            column += 1;
            if let (Some(true), Some(content)) = (masked.get(column - 1), content) {
                // All digits stand in its attributes.
                text += &format!("{}>#<{}\n", &line[..3], line.rsplit_once(content).map_or("", |(_, end)| end));
                continue;
            }
        } else if line.starts_with("<script type=\"application/json\"") {
            // Numbers of figures, of times among them, and what `results.json` has.
            continue;
        }
        text += line;
        text.push('\n');
    }
    text
}

#[test]
fn cells_of_measured_columns_are_masked_and_no_others() {
    let table = |rows: u32, memory: u32| {
        format!(
            "<table>\n<thead><tr>\n<th scope=\"col\">rows</th>\n<th scope=\"col\" title=\"a\">peak\u{a0}MiB</th>\n</tr></thead>\n\
             <tr><th scope=\"rowgroup\" colspan=\"2\">all</th></tr>\n<tr>\n<td>{rows}</td>\n<td>{memory}</td>\n</tr>\n"
        )
    };
    assert_eq!(digests(&table(1, 2)), digests(&table(1, 3)));
    assert_ne!(digests(&table(1, 2)), digests(&table(2, 2)));
}
