//! How many threads are started.

use std::num::NonZero;
use std::thread::available_parallelism;

use super::count::count;
use super::failure::Failure;
use crate::thread::stack;

/// Numbers above this one are taken for a mistake.
const MOST: usize = 1024;

/// Threads that are started for each processor at most: more do not work faster, and each takes memory.
const PER_PROCESSOR: usize = 4;

/// Reads a number of threads.
pub(super) fn number(text: &str) -> Result<usize, String> {
    match count(text)? {
        number if number <= MOST => Ok(number),
        _ => Err(format!("give at most {MOST}")),
    }
}

/// Reads a number of threads that is not 0.
pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    number(text).and_then(|number| if number > 0 { Ok(number) } else { Err("give at least 1".to_owned()) })
}

/// How many of so many threads are worth starting.
pub(super) fn capped(threads: usize) -> usize {
    threads.min(PER_PROCESSOR * processors())
}

fn processors() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

/// Starts the worker threads of the process: as many, or four per processor if that is less. For 0 it is one per
/// processor, or what `RAYON_NUM_THREADS` says.
pub(super) fn start(threads: usize) -> Result<(), Failure> {
    let said = || std::env::var("RAYON_NUM_THREADS").ok()?.parse().ok().filter(|&threads| threads > 0);
    let wanted = if threads > 0 { threads } else { said().unwrap_or_else(processors) };
    let started = capped(wanted);
    rayon::ThreadPoolBuilder::new().num_threads(started).stack_size(stack()).build_global().map_err(|error| {
        Failure::Resource(format!(
            "the system refuses {started} threads: {error}; ask for fewer with --threads, or raise the limits of \
             processes (ulimit -u) and of memory (ulimit -v)"
        ))
    })
}
