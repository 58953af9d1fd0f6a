//! Flags that say how chosen records are written.

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::record::{Copies, RowFormat};
use crate::view::card::card;

use super::args::without_repeats;

/// How chosen records are written.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct CopyArguments {
    /// Write the records of chosen rows in these formats: jsonl (as they are), ids, chat ({"messages": …}), alpaca
    /// ({"instruction", "input", "output"}), and of columns parquet and hf (a directory for HuggingFace's load_from_disk), which
    /// both have ranks and weights; by default, where records are given, as they are: parquet of columns, else jsonl
    #[arg(long, value_name = "FORMAT[,FORMAT…]", value_delimiter = ',', value_parser = format_parser())]
    format: Vec<RowFormat>,
    /// Add to each of these records its rank and what it weighs of a total of 1 (kantor_rank, kantor_weight)
    #[arg(long)]
    with_ranks: bool,
}

impl CopyArguments {
    pub(super) fn copies(&self) -> Copies {
        Copies { formats: without_repeats(self.format.clone()), ranks: self.with_ranks, card: Some(card) }
    }
}

fn format_parser() -> impl TypedValueParser<Value = RowFormat> {
    PossibleValuesParser::new(RowFormat::ALL.map(RowFormat::name)).try_map(|name| name.parse::<RowFormat>())
}
