//! Records as people and other programs see them: tables, CSV, pages with figures, and what is printed.

#[cfg(feature = "cli")]
pub(crate) mod card;
mod comparison;
pub(crate) mod csv;
#[cfg(feature = "pages")]
pub(crate) mod curve;
pub mod escape;
#[cfg(feature = "pages")]
pub mod page;
pub mod plan;
pub(crate) mod prices;
#[cfg(feature = "pages")]
pub(crate) mod remarks;
pub mod table;
pub mod terminal;
pub mod trace;
pub(crate) mod unseen;
pub(crate) mod verdict;

/// A page of HTML and its figures.
#[derive(Debug, Clone)]
pub struct Page {
    /// The whole page.
    pub html: String,
    /// File names of the figures and each as an SVG file that stands alone; the page holds the same drawings.
    pub figures: Vec<(String, String)>,
}
