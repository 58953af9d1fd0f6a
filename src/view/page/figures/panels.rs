//! Small charts of the same kind side by side, with one legend.

use super::canvas::{self, Drawing};
use super::chart::Chart;
use super::legend::{Entry, Legend};
use crate::view::page::PageError;

/// Height of a panel.
const PANEL: u32 = 470;

/// Draws the charts in two columns. The legend has each name once.
pub(super) fn draw(charts: &[Chart]) -> Result<Drawing, PageError> {
    let mut entries: Vec<Entry> = Vec::new();
    for entry in charts.iter().flat_map(|chart| chart.legend().0) {
        if !entries.iter().any(|known| known.label() == entry.label()) {
            entries.push(entry);
        }
    }
    let legend = Legend(entries);
    let columns = usize::min(charts.len().max(1), 2);
    let rows = charts.len().div_ceil(columns).max(1);
    let above = PANEL * rows as u32;
    let mut points = Vec::new();
    let drawing = canvas::draw(above + legend.height(), |area| {
        let (top, bottom) = area.split_vertically(above);
        for (panel, chart) in top.split_evenly((rows, columns)).iter().zip(charts) {
            chart.draw_on(panel, &mut points)?;
        }
        legend.draw(&bottom)
    })?;
    let mut data: Vec<Vec<String>> = charts.first().map(|chart| chart.header(&["panel"])).into_iter().collect();
    for chart in charts {
        data.extend(chart.lines(&[chart.heading.as_deref().unwrap_or_default()]));
    }
    Ok(drawing.telling(points, data))
}
