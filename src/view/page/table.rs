//! A table on a page, before it is written out.

use serde::Serialize;

use crate::view::prices::Listing;

/// A column's heading.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Column {
    heading: String,
    /// What it means, in words.
    meaning: String,
    numbers: bool,
}

/// One entry.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Cell {
    text: String,
    strong: bool,
    /// All digits, shown under the pointer.
    exact: String,
    /// By which a column is sorted; else by the text.
    sort: Option<f64>,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

impl Cell {
    /// As it is, to be noticed if `strong`.
    pub(super) fn marked(text: String, strong: bool) -> Self {
        Self { text, strong, ..Self::default() }
    }

    /// With all digits and the number by which it is sorted.
    pub(super) fn exactly(self, exact: String, sort: f64) -> Self {
        Self { exact, sort: sort.is_finite().then_some(sort), ..self }
    }
}

impl From<Listing> for Table {
    fn from(Listing { caption, columns, rows }: Listing) -> Self {
        let rows = rows.into_iter().map(|row| row.into_iter().map(Cell::from).collect()).collect();
        Self::new(caption, &columns, vec![Body { heading: None, rows }])
    }
}

/// Rows under one heading.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Body {
    pub(super) heading: Option<String>,
    /// The first entry of each names the row.
    pub(super) rows: Vec<Vec<Cell>>,
}

/// A table.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Table {
    pub(super) caption: String,
    columns: Vec<Column>,
    bodies: Vec<Body>,
}

impl Table {
    /// With headings and their meanings; a heading that ends in `|` is that of a column of words.
    pub(super) fn new(caption: impl Into<String>, columns: &[(&str, &str)], bodies: Vec<Body>) -> Self {
        let columns = columns.iter().map(|(heading, meaning)| Column {
            heading: heading.trim_end_matches('|').to_owned(),
            meaning: (*meaning).to_owned(),
            numbers: !heading.ends_with('|'),
        });
        Self { caption: caption.into(), columns: columns.collect(), bodies }.without_empty_columns()
    }

    /// What no row has is not a column.
    fn without_empty_columns(mut self) -> Self {
        let kept: Vec<bool> = (0..self.columns.len())
            .map(|column| {
                let mut rows = self.bodies.iter().flat_map(|body| &body.rows);
                column == 0 || rows.any(|row| row.get(column).is_some_and(|cell| !cell.text.is_empty()))
            })
            .collect();
        let keep = |column: usize| kept.get(column).copied().unwrap_or(false);
        let mut place = 0..;
        self.columns.retain(|_| place.next().is_some_and(keep));
        for row in self.bodies.iter_mut().flat_map(|body| &mut body.rows) {
            let mut place = 0..;
            row.retain(|_| place.next().is_some_and(keep));
            for cell in row.iter_mut().filter(|cell| cell.text.is_empty()) {
                cell.text = "–".to_owned();
            }
        }
        self
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.bodies.iter().all(|body| body.rows.is_empty())
    }
}
