//! The one list of selectors: command line, tables, tests and studies all read it.

use crate::greedy::{DoublyGreedy, MeanSimilarity, Random, RoundRobin};
use crate::selector::{Selector, Settings};

/// One selector and what users are told of it.
pub struct Entry {
    /// The name on the command line.
    pub name: &'static str,
    /// One line for `kantor methods`.
    pub summary: &'static str,
    /// The flags that it reads, by field name of [`Settings`] in kebab case.
    pub settings: &'static [&'static str],
    /// Makes it with these settings; they are checked when it selects.
    pub build: fn(&Settings) -> Box<dyn Selector>,
}

/// All selectors, in the order in which they are listed to users.
pub static SELECTORS: &[Entry] = &[
    Entry {
        name: "random",
        summary: "rows drawn without replacement from --seed: the baseline",
        settings: &[],
        build: |_| Box::new(Random),
    },
    Entry {
        name: "mean-similarity",
        summary: "the rows closest to the queries on average",
        settings: &[],
        build: |_| Box::new(MeanSimilarity),
    },
    Entry {
        name: "round-robin",
        summary: "queries take turns, each taking its closest row that is still free",
        settings: &[],
        build: |_| Box::new(RoundRobin),
    },
    Entry {
        name: "doubly-greedy",
        summary: "the rows closest to any query",
        settings: &[],
        build: |_| Box::new(DoublyGreedy),
    },
];

/// The selector of that name.
pub fn selector(name: &str) -> Option<&'static Entry> {
    SELECTORS.iter().find(|entry| entry.name == name)
}
