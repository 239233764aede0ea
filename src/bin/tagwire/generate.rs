//! `tagwire completions` and `tagwire man`: what is made of the command line's own description, so that it is
//! never behind it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_complete::Shell;

use crate::Cli;
use crate::exit::Failure;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What every page ends with, in the words of `exit.rs`.
const END: &str = "\
.SH \"EXIT STATUS\"
0 success; 1 failure; 2 usage; 69 unreachable; 76 protocol; 77 refused; 78 bad configuration;
130 interrupted.
.SH \"SEE ALSO\"
.BR tagwire (1),
.BR tagwire\\-serve (1)
";

/// Print what makes a shell complete this program's flags
#[derive(Debug, clap::Args)]
#[command(after_help = "For bash: tagwire completions bash > /etc/bash_completion.d/tagwire")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Write the man pages, one for each subcommand
#[derive(Debug, clap::Args)]
pub(crate) struct Man {
    /// The directory to write to; made if it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Prints the completions of a shell.
///
/// # Errors
///
/// Returns a failure if they cannot be written.
pub(crate) fn completions(args: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut shown(), "tagwire", &mut script);
    match io::stdout().write_all(&script) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// The command line without what is hidden, which `clap_complete` would complete too.
fn shown() -> Command {
    let all = Cli::command();
    let shown = all.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    Command::new("tagwire").version(VERSION).args(all.get_arguments().cloned()).subcommands(shown)
}

/// Writes the man pages; their names go to standard output, for scripts.
///
/// # Errors
///
/// Returns a failure if they cannot be written.
pub(crate) fn man(args: &Man) -> Result<(), Failure> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let written = fs::create_dir_all(&args.out).and_then(|()| pages(&command, &args.out));
    let files =
        written.with_context(|| format!("cannot write man pages to {}", args.out.display()))?;
    for file in files {
        println!("{}", file.display());
    }
    Ok(())
}

/// Writes the page of a command and those of its subcommands.
fn pages(command: &Command, out: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let title = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let page = clap_mangen::Man::new(command.clone())
        .title(title.to_uppercase())
        // None, so that the same version makes the same page; an empty one would take what follows with it.
        .date(" ")
        .source(format!("tagwire {VERSION}"))
        .manual("tagwire");
    let mut text = Vec::new();
    page.render(&mut text)?;
    text.extend_from_slice(END.as_bytes());
    let file = out.join(format!("{title}.1"));
    fs::write(&file, text)?;
    files.push(file);
    for subcommand in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        files.extend(pages(subcommand, out)?);
    }
    Ok(files)
}
