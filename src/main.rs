//! The `kantor` program.

mod allocator;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: allocator::Orderly = allocator::Orderly;

fn main() -> ExitCode {
    #[cfg(feature = "models")]
    models_take_the_threads_of_their_callers();
    allocator::Orderly::prepare();
    kantor::cli::run(std::env::args_os())
}

/// Keeps candle from a pool of threads beside those of kantor, which would wait for it in turns: every text has a thread of its own.
#[cfg(feature = "models")]
#[allow(unsafe_code)]
fn models_take_the_threads_of_their_callers() {
    const THREADS: &str = "CANDLE_NUM_THREADS";
    if std::env::var_os(THREADS).is_none() {
        // SAFETY: the first thing that the program does, when no other thread is there that could read the environment.
        unsafe { std::env::set_var(THREADS, "1") };
    }
}
