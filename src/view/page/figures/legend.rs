//! What the marks of a figure mean, in columns below it.

use plotters::element::{Rectangle, Text};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, VPos};

use super::Fault;
use super::canvas::{Area, LETTER, WIDTH, short, style, width};
use super::marks;
use super::palette::{Ink, Look, TEXT};

/// Height of a line.
const LINE: u32 = 44;

/// Space above the first line.
const GAP: u32 = 18;

/// Room of the mark.
const SWATCH: i32 = 84;

/// Space left and right.
const MARGIN: i32 = 24;

/// Letters of a name that are shown.
pub(super) const NAME: usize = 30;

/// One mark and its meaning.
pub(super) enum Entry {
    Line(String, Look),
    Point(String, Look),
    Area(String, Ink, f64),
}

impl Entry {
    pub(super) fn label(&self) -> &str {
        match self {
            Entry::Line(label, _) | Entry::Point(label, _) | Entry::Area(label, _, _) => label,
        }
    }
}

/// All of them.
pub(super) struct Legend(pub(super) Vec<Entry>);

impl Legend {
    fn columns(&self) -> usize {
        let widest = self.0.iter().map(|entry| width(&short(entry.label(), NAME), LETTER)).max().unwrap_or(0);
        let room = (WIDTH as i32 - 2 * MARGIN) / (widest + SWATCH + MARGIN);
        room.clamp(1, 4) as usize
    }

    /// Height that it takes.
    pub(super) fn height(&self) -> u32 {
        if self.0.is_empty() { 0 } else { GAP + LINE * self.0.len().div_ceil(self.columns()) as u32 + 8 }
    }

    /// Draws it from the top of `area`.
    pub(super) fn draw(&self, area: &Area<'_>) -> Result<(), Fault> {
        let columns = self.columns();
        let step = (WIDTH as i32 - 2 * MARGIN) / columns as i32;
        for (place, entry) in self.0.iter().enumerate() {
            let (x, y) =
                (MARGIN + (place % columns) as i32 * step, GAP as i32 + (place / columns) as i32 * LINE as i32);
            let middle = y + LINE as i32 / 2;
            let center = (x + SWATCH / 2 - 8, middle);
            match entry {
                Entry::Line(_, look) => {
                    marks::line(area, &[(x, middle), (x + SWATCH - 16, middle)], *look)?;
                    marks::mark(area, center, *look)?;
                }
                Entry::Point(_, look) => marks::mark(area, center, *look)?,
                Entry::Area(_, ink, opacity) => {
                    let corners = [(x, middle - 13), (x + SWATCH - 16, middle + 13)];
                    area.draw(&Rectangle::new(corners, ink.color.mix(*opacity).filled()))?;
                }
            }
            let text = short(entry.label(), NAME);
            area.draw(&Text::new(text, (x + SWATCH, middle), style(TEXT, LETTER, HPos::Left, VPos::Center)))?;
        }
        Ok(())
    }
}
