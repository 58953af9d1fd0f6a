//! Results as records: what every command writes and reads back, and what its tables show of it.
//!
//! A [`Record`] is a [`Manifest`] with the rows and certificates of its selections; each selection is a [`SelectionRecord`], in
//! every command. [`choose`](crate::choose) gives an [`Outcome`](crate::pipeline::Outcome), which
//! [`save`](crate::pipeline::Outcome::save) writes as `kantor select` does, and [`Record::load`] reads back what any command wrote.
//! Tables in the terminal, `results.csv` and the page of a comparison are made from one list of columns.

pub(crate) mod columns;
mod comparison;
mod files;
mod formats;
mod manifest;
mod origin;
mod prices;
mod saved;
mod selection;
mod write;

pub use crate::pipeline::RandomReference;
pub use comparison::{COMPARISON_SCHEMA, Comparison, NearestExample, NearestExamples, Overlap, SolverRow, Warning};
pub use files::{SelectedRow, SelectionFiles, indices};
pub use formats::{Card, Copies, RowFormat};
pub(crate) use manifest::directory;
pub use manifest::{Cut, Manifest, Parameters, Run, SCHEMA};
pub(crate) use origin::Origin;
pub use prices::{FixedRows, LimitPrice, NewRows, PRICES_SCHEMA, Prices, QueryPrice, RowPrice};
pub(crate) use prices::{QueryTexts, query_texts};
pub use saved::Record;
pub(crate) use selection::closest;
pub use selection::{AgainstRandom, Best, Examined, RankRange, SelectionRecord};
#[cfg(feature = "cli")]
pub(crate) use write::COLUMNS;
pub(crate) use write::{SelectionWriter, finish, rows, texts, write_columns, write_selections, write_with};
pub use write::{write, write_copied};
