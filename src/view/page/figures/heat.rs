//! Numbers in a grid, the darker the larger.

use plotters::element::{Rectangle, Text};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{self, Drawing, LETTER, SMALL, WIDTH, short, style, width};
use super::palette::{Ink, TEXT};
use crate::view::page::PageError;

/// Height of a row.
const ROW: i32 = 52;

/// Letters of a row's name.
const NAME: usize = 34;

/// The darkest ground on which text is still read well, light or dark.
const DARKEST: f64 = 0.6;

/// One number.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) ink: Ink,
    /// From 0 to 1.
    pub(super) shade: f64,
}

/// A grid of numbers.
#[derive(Debug, Clone)]
pub(super) struct Heat {
    pub(super) columns: Vec<String>,
    /// Name and cells.
    pub(super) rows: Vec<(String, Vec<Cell>)>,
}

impl Heat {
    pub(super) fn draw(&self) -> Result<Drawing, PageError> {
        let height = ROW * (self.rows.len() as i32 + 1) + 24;
        let widest = self.rows.iter().map(|(name, _)| width(&short(name, NAME), LETTER)).max().unwrap_or(0);
        let left = i32::min(widest + 28, WIDTH as i32 * 6 / 10);
        let step = f64::from(WIDTH as i32 - left - 8) / self.columns.len().max(1) as f64;
        let at = |column: usize| left + (column as f64 * step) as i32;
        let longest = self.columns.iter().map(|name| width(name, 1.0)).max().unwrap_or(1);
        let heading = f64::clamp(step / f64::from(longest.max(1)), 0.7 * SMALL, LETTER);
        let letters = usize::max(2, (step / f64::from(width("mmmmm", heading)) * 5.0) as usize);
        let size = f64::min(SMALL, step / 2.4);
        let drawing = canvas::draw(height as u32, |area| {
            let centered = |size| style(TEXT, size, HPos::Center, VPos::Center);
            for (column, name) in self.columns.iter().enumerate() {
                let middle = (at(column) + at(column + 1)) / 2;
                area.draw(&Text::new(short(name, letters), (middle, ROW / 2), centered(heading)))?;
            }
            for (row, (name, cells)) in self.rows.iter().enumerate() {
                let top = ROW * (row as i32 + 1);
                let middle = top + ROW / 2;
                let right = style(TEXT, LETTER, HPos::Right, VPos::Center);
                area.draw(&Text::new(short(name, NAME), (left - 16, middle), right))?;
                for (column, cell) in cells.iter().enumerate() {
                    let corners = [(at(column) + 2, top + 2), (at(column + 1) - 2, top + ROW - 2)];
                    let shade = if cell.shade.is_nan() { 0.0 } else { cell.shade.clamp(0.0, 1.0) };
                    let ground = cell.ink.color.mix(DARKEST * shade);
                    area.draw(&Rectangle::new(corners, ground.filled()))?;
                    let center = ((at(column) + at(column + 1)) / 2, middle);
                    area.draw(&Text::new(cell.text.clone(), center, centered(size)))?;
                }
            }
            Ok(())
        })?;
        let header = std::iter::once(String::new()).chain(self.columns.iter().cloned()).collect();
        let line = |(name, cells): &(String, Vec<Cell>)| {
            std::iter::once(name.clone()).chain(cells.iter().map(|cell| cell.text.clone())).collect()
        };
        Ok(drawing.telling(Vec::new(), std::iter::once(header).chain(self.rows.iter().map(line)).collect()))
    }
}
