//! `kantor completions` and `kantor man`: what shells and `man` read, made from the command line itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::output::OutputFile;
use crate::view::terminal::print_own;

use super::failure::Failure;

#[derive(Debug, clap::Args)]
pub(super) struct CompletionArguments {
    /// Which shell; for bash, put the script into ~/.local/share/bash-completion/completions/kantor
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

#[derive(Debug, clap::Args)]
pub(super) struct ManArguments {
    /// Write the page of every command here; without it, that of the program is printed
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Replace older pages
    #[arg(long, requires = "directory")]
    force: bool,
}

/// Prints what the program wrote itself.
pub(super) fn say_own(text: &[u8]) -> Result<ExitCode, Failure> {
    print_own(text).map_err(|error| Failure::io(Path::new("standard output"), &error))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn completions(arguments: &CompletionArguments, mut program: Command) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut program, "kantor", &mut script);
    say_own(&script)
}

pub(super) fn man(arguments: &ManArguments, mut program: Command) -> Result<ExitCode, Failure> {
    program.build();
    let Some(directory) = &arguments.directory else {
        let text = page(program).map_err(|error| Failure::io(Path::new("standard output"), &error))?;
        return say_own(&text);
    };
    let failed = |error: io::Error| Failure::io(directory, &error);
    let made = directory.ancestors().take_while(|directory| !directory.as_os_str().is_empty() && !directory.exists());
    let made: Vec<PathBuf> = made.map(Path::to_owned).collect();
    let written =
        fs::create_dir_all(directory).map_err(failed).and_then(|()| pages(directory, arguments.force, &program));
    if written.is_err() {
        // These are removed only if they are empty.
        made.iter().for_each(|directory| drop(fs::remove_dir(directory)));
    }
    written
}

/// Writes the page of every command.
fn pages(directory: &Path, force: bool, program: &Command) -> Result<ExitCode, Failure> {
    let failed = |error: io::Error| Failure::io(directory, &error);
    let commands: Vec<Command> =
        program.get_subcommands().filter(|command| command.get_name() != "help").cloned().collect();
    let named = commands.into_iter().map(|command| (format!("kantor-{}", command.get_name()), command));
    let mut pages = Vec::new();
    for (name, command) in std::iter::once(("kantor".to_owned(), program.clone())).chain(named) {
        let text = page(command.display_name(name.clone()).name(name.clone())).map_err(failed)?;
        pages.push((OutputFile::create(&directory.join(format!("{name}.1")), force)?, text));
    }
    for (page, text) in pages {
        page.finish(&text)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn page(command: Command) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    Man::new(command).render(&mut text)?;
    Ok(text)
}
