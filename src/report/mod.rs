//! What leaves kantor: files that appear whole or not at all, the manifest, tables and progress.

pub mod cpu;
pub mod escape;
pub mod files;
pub mod manifest;
pub mod memory;
pub mod page;
pub mod plan;
pub mod progress;
pub mod suggest;
pub mod table;
pub mod terminal;
pub mod trace;
