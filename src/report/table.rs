//! Tables for people: aligned columns without frames.

use comfy_table::Table;
use comfy_table::presets::NOTHING;

/// A table with a header line.
pub fn plain(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header.iter().copied()).add_rows(rows);
    table.trim_fmt()
}
