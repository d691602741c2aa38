//! The command lines of `flotilla completion` and `flotilla man`, and the whole that they describe.

use super::pages;
use crate::{
    admin, backup,
    config::{self, subcommand},
    top, transfer,
};
use clap::{Arg, ArgMatches, Command, ValueHint, value_parser};
use clap_complete::{Shell, generate};
use std::{
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

/// Runs the command line if it is one of these.
pub fn run(arguments: &[OsString]) -> Option<ExitCode> {
    let (word, matches) = subcommand(arguments, programs())?;
    let done = if word == "man" { write_pages(&matches) } else { print_script(&matches) };
    Some(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flotilla {word}: {error}");
            ExitCode::from(1)
        }
    })
}

/// For `flotilla --help` too.
pub fn programs() -> [Command; 2] {
    let completion = Command::new("completion")
        .bin_name("flotilla completion")
        .about("Print the script that completes flotilla's command lines in a shell")
        .after_help(
            "For the present shell: source <(flotilla completion bash). For all: write it to \
             /usr/share/bash-completion/completions/flotilla, /usr/share/zsh/vendor-completions/_flotilla or \
             /usr/share/fish/vendor_completions.d/flotilla.fish; the Debian package has done so",
        )
        .arg(
            Arg::new("shell")
                .required(true)
                .value_name("SHELL")
                .value_parser(["bash", "fish", "zsh"])
                .help("Which shell"),
        );
    let man = Command::new("man")
        .bin_name("flotilla man")
        .about("Write the manual pages: flotilla.1, and one for each subcommand")
        .after_help("SOURCE_DATE_EPOCH (seconds since 1970) is the date of the pages; without it they have none")
        .arg(
            Arg::new("directory")
                .required(true)
                .value_name("DIR")
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::DirPath)
                .help("Directory to write them to; it is made if it does not exist, and pages in it are replaced"),
        );
    [completion, man]
}

/// The command line with all subcommands, as a shell and a reader see it. To run, each module reads its own.
pub(super) fn whole() -> Command {
    let programs = [admin::program()]
        .into_iter()
        .chain(backup::programs())
        .chain([top::program()])
        .chain(transfer::programs())
        .chain(self::programs());
    programs.fold(config::program(), |whole, program| {
        let name = program.get_name().to_owned();
        whole.mut_subcommand(name, |_| program)
    })
}

fn print_script(matches: &ArgMatches) -> io::Result<()> {
    let shell = matches.get_one::<String>("shell").and_then(|name| name.parse::<Shell>().ok());
    let shell = shell.ok_or_else(|| io::Error::other("which shell?"))?;
    let mut script = Vec::new();
    generate(shell, &mut whole(), "flotilla", &mut script);
    io::stdout().write_all(&script)
}

fn write_pages(matches: &ArgMatches) -> io::Result<()> {
    let directory = matches.get_one::<PathBuf>("directory").ok_or_else(|| io::Error::other("where to?"))?;
    pages::write(whole(), directory, pages::date()?.as_deref())
}
