//! Where the chosen rows come from: one bar per method, and the pool.

use plotters::element::{Rectangle, Text};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{self, LETTER, SMALL, WIDTH, short, style, width};
use super::legend::{Entry, Legend, NAME};
use super::palette::{Ink, MUTED, SERIES, TEXT};
use super::{Figure, View};
use crate::view::page::PageError;
use crate::view::page::numbers::count;

/// Height of a bar with the space below it.
const BAR: i32 = 56;

/// Sources that have their own colour.
const NAMED: usize = 6;

/// How dark bars are, so that text is read on them.
const OPACITY: f64 = 0.6;

pub(super) fn figure(view: &View<'_>) -> Result<Option<Figure>, PageError> {
    let sources = &view.found.sources;
    if sources.is_empty() {
        return Ok(None);
    }
    let mut bars = vec![("the pool".to_owned(), sources.iter().map(|source| source.1).collect::<Vec<_>>())];
    for (_, row) in view.at_largest() {
        bars.push((row.method.clone(), row.sources.clone().unwrap_or_default()));
    }
    // Text is not read well on black, however thin.
    let inks: Vec<Ink> = SERIES.into_iter().filter(|ink| ink.class != "black").collect();
    let ink = |source: usize| inks.get(source).copied().filter(|_| source < NAMED).unwrap_or(MUTED);
    let opacity = |source: usize| if source < NAMED { OPACITY } else { 0.3 };
    let mut entries: Vec<Entry> = sources
        .iter()
        .take(NAMED)
        .enumerate()
        .map(|(at, (name, _))| Entry::Area(name.clone(), ink(at), OPACITY))
        .collect();
    if sources.len() > NAMED {
        entries.push(Entry::Area(format!("{} others", sources.len() - NAMED), MUTED, opacity(NAMED)));
    }
    let legend = Legend(entries);
    let widest = bars.iter().map(|(name, _)| width(&short(name, NAME), LETTER)).max().unwrap_or(0);
    let left = i32::min(widest + 28, WIDTH as i32 / 2);
    let breadth = f64::from(WIDTH as i32 - left - 16);
    let above = BAR * bars.len() as i32 + 24;
    let drawing = canvas::draw(above as u32 + legend.height(), |area| {
        let (top, bottom) = area.split_vertically(above);
        for (place, (name, counts)) in bars.iter().enumerate() {
            let y = BAR * place as i32 + 6;
            let right = style(TEXT, LETTER, HPos::Right, VPos::Center);
            top.draw(&Text::new(short(name, NAME), (left - 16, y + 22), right))?;
            let all = counts.iter().sum::<usize>().max(1) as f64;
            let mut parts: Vec<usize> = counts.iter().take(NAMED).copied().collect();
            parts.push(counts.iter().skip(NAMED).sum());
            let mut before = 0.0;
            for (source, part) in parts.into_iter().enumerate().filter(|(_, part)| *part > 0) {
                let share = part as f64 / all;
                let at = |share: f64| left + (share * breadth).round() as i32;
                let corners = [(at(before), y), (at(before + share), y + 44)];
                top.draw(&Rectangle::new(corners, ink(source).color.mix(opacity(source)).filled()))?;
                if share >= 0.06 {
                    let center = ((corners[0].0 + corners[1].0) / 2, y + 22);
                    let text = style(TEXT, SMALL, HPos::Center, VPos::Center);
                    top.draw(&Text::new(format!("{:.0}", 100.0 * share), center, text))?;
                }
                before += share;
            }
        }
        legend.draw(&bottom)
    })?;
    let header = std::iter::once(String::new()).chain(sources.iter().map(|(name, _)| name.clone())).collect();
    let line = |(name, counts): &(String, Vec<usize>)| {
        std::iter::once(name.clone()).chain(counts.iter().map(usize::to_string)).collect()
    };
    let data = std::iter::once(header).chain(bars.iter().map(line)).collect();
    let drawing = drawing.telling(Vec::new(), data);
    let at = count(view.largest() as u64);
    let description = format!(
        "Shares of {} sources in the pool and in selections of {at} rows; the table of sources has the numbers.",
        sources.len()
    );
    let caption = format!("Sources of the {at} chosen rows in per cent, beside those of the whole pool.");
    let title = format!("Sources, cost {}", view.cost.name());
    Ok(Some(Figure::new(view.name_at("sources"), &title, &description, &caption, &drawing)))
}
