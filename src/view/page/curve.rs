//! The page of learning curves.

use serde::Serialize;

use super::figures::{self, Figure};
use super::render::{self, Drawn};
use super::table::Table;
use super::{Page, PageError, with_figures};
use crate::study::{Axis, LearningCurves};
use crate::view::curve::{how, listing, sentences};

#[derive(Debug, Serialize)]
struct Curves {
    title: String,
    how: String,
    sentences: Vec<String>,
    figures: Vec<Drawn>,
    tables: Vec<Table>,
}

/// The page of learning curves.
///
/// # Errors
/// As [`comparison`](super::comparison).
pub fn learning_curves(found: &LearningCurves) -> Result<Page, PageError> {
    let mut figures: Vec<Figure> = Vec::new();
    for axis in Axis::ALL {
        figures.extend(figures::learning(found, axis)?);
    }
    let page = Curves {
        title: "How much would more queries, or a larger pool, help?".to_owned(),
        how: how(found),
        sentences: sentences(found),
        figures: figures.iter().map(Drawn::from).collect(),
        tables: Axis::ALL.into_iter().filter_map(|axis| listing(found, axis)).map(Table::from).collect(),
    };
    Ok(with_figures(render::render("curve.html", &page)?, figures))
}
