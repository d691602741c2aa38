//! The command lines of `flotilla import` and `flotilla export`.

use super::{
    export::{self, export},
    import::{self, check, import},
    report::Report,
};
use crate::{
    config::subcommand,
    rdb::{VERSION, VERSION_FIELD_EXPIRY},
    remote::{self, Remote},
};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::{ffi::OsString, path::PathBuf, process::ExitCode};

/// Runs the command line if it is one of these.
pub fn run(arguments: &[OsString]) -> Option<ExitCode> {
    let (word, matches) = subcommand(arguments, programs())?;
    let done = if word == "import" { import_file(&matches) } else { export_file(&matches) };
    Some(match done {
        Ok(report) => {
            println!("{report}");
            if report.is_whole { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(text) => {
            eprintln!("flotilla {word}: {text}");
            ExitCode::from(2)
        }
    })
}

/// For `flotilla --help` too.
pub fn programs() -> [Command; 2] {
    let file = |help: &'static str| {
        Arg::new("file").required(true).value_name("FILE.rdb").value_parser(value_parser!(PathBuf)).help(help)
    };
    let import = Command::new("import")
        .bin_name("flotilla import")
        .about("Import the keys of an RDB file (Redis up to 7.4, Valkey up to 9) into a running node")
        .after_help(
            "Exit codes: 0 every key of the file is in the node or had expired; 1 some were left out; 2 the import had to stop.",
        )
        .arg(file("RDB file, as written by SAVE or BGSAVE"))
        .arg(remote::place(
            "node",
            "to",
            "Client port of any node of the core, or of an edge that forwards writes; or the path of its Unix socket",
        ))
        .args(remote::arguments())
        .arg(
            Arg::new("replace")
                .long("replace")
                .action(ArgAction::SetTrue)
                .help("Replace existing keys; without it they stay"),
        )
        .arg(
            Arg::new("dry-run")
                .long("dry-run")
                .action(ArgAction::SetTrue)
                .help("Read and check the whole file and report its content, without a node"),
        );
    let export = Command::new("export")
        .bin_name("flotilla export")
        .about("Export the keys of a running node to an RDB file that Redis 7.0 and later load")
        .after_help(
            "Keys are read one after the other while the node serves: the file is not a snapshot of one moment. Exit codes: \
             0 the file has everything; 1 members of sets, or fields of hashes (see --rdb-version), lost their expiry; 2 the export had to stop.",
        )
        .arg(file("File to write; an existing one is replaced once the new one is complete"))
        .arg(remote::place("node", "from", "Client port of any node, or the path of its Unix socket"))
        .args(remote::arguments())
        .arg(
            Arg::new("rdb-version")
                .long("rdb-version")
                .value_name("NUMBER")
                .value_parser(["10", "12"])
                .default_value("10")
                .help("10 for Redis 7.0 and Valkey, without expiry of single fields; 12 for Redis 7.4; members of sets lose theirs in both"),
        );
    [import, export]
}

fn import_file(matches: &ArgMatches) -> Result<Report, String> {
    let path = matches.get_one::<PathBuf>("file").ok_or("which file?")?;
    if matches.get_flag("dry-run") {
        return check(path);
    }
    let to = Remote::of(matches, "node")?;
    import(path, &import::Options { to: &to, replace: matches.get_flag("replace") })
}

fn export_file(matches: &ArgMatches) -> Result<Report, String> {
    let path = matches.get_one::<PathBuf>("file").ok_or("which file?")?;
    let from = Remote::of(matches, "node")?;
    let version = matches.get_one::<String>("rdb-version").map(String::as_str);
    let version = if version == Some("12") { VERSION_FIELD_EXPIRY } else { VERSION };
    export(path, &export::Options { from: &from, version })
}
