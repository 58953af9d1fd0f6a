//! Flags that say where rows are kept which are made of text.

use std::path::PathBuf;

use etcetera::base_strategy::{BaseStrategy, choose_native_strategy};

/// Where rows are kept that are made of text.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Running")]
pub(super) struct CacheArguments {
    /// Folder that keeps rows which are made of text, for the next run on the same files [default: kantor in the user's cache
    /// directory]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Neither look for rows in a cache nor keep them there
    #[arg(long, conflicts_with = "cache")]
    no_cache: bool,
}

impl CacheArguments {
    /// The folder, unless nothing is to be kept.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        let users = || Some(choose_native_strategy().ok()?.cache_dir().join("kantor"));
        if self.no_cache { None } else { self.cache.clone().or_else(users) }
    }
}
