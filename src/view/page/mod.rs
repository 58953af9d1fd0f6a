//! Results as one page of HTML that needs nothing else: no network, its figures as SVG inside it. A script of its own, the only one that
//! its policy lets run, sorts tables, switches budgets and saves figures; all that it shows of figures and tables is there without it.
//!
//! The page scales from a telephone to paper, follows the reader's choice of light or dark, and says in words what its
//! figures show. Text from inputs is escaped wherever it appears.

mod comparison;
mod curve;
mod figures;
mod numbers;
mod render;
mod study;
mod table;
mod tables;

use std::io;

use plotters::drawing::DrawingAreaErrorKind;

pub use comparison::comparison;
pub use curve::learning_curves;
pub use study::{joined, published};

use super::Page;
use figures::Figure;

fn with_figures(html: String, figures: Vec<Figure>) -> Page {
    let figures = figures.into_iter().map(|figure| (format!("{}.svg", figure.name), figure.alone)).collect();
    Page { html, figures }
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// A template cannot be filled.
    #[error("the page cannot be written: {0}")]
    Template(#[from] minijinja::Error),
    /// What the script of a page reads cannot be written.
    #[error("the numbers of the page cannot be written: {0}")]
    Data(#[from] serde_json::Error),
    /// A figure cannot be drawn.
    #[error("a figure cannot be drawn: {0}")]
    Figure(#[from] DrawingAreaErrorKind<io::Error>),
}
