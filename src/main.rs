//! The `kantor` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    kantor::cli::run(std::env::args_os())
}
