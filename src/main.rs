//! The `kantor` program.

mod allocator;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: allocator::Orderly = allocator::Orderly;

fn main() -> ExitCode {
    allocator::Orderly::prepare();
    kantor::cli::run(std::env::args_os())
}
