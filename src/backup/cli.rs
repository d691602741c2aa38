//! The command lines of `flotilla backup` and `flotilla restore`. To take a backup is the server's: `flotilla admin backup`.

use super::{
    BackupError, Result,
    cipher::Key,
    manifest::Manifest,
    objects::Objects,
    restore::{NewNode, Until, Wanted, choose, restore, verify},
    take::prune,
};
use crate::{config::subcommand, ops::bytes_bar, store::remove_directory, time::rfc3339};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::{ffi::OsString, path::PathBuf, process::ExitCode, time::UNIX_EPOCH};

const EXIT_CODES: &str = "Exit codes: 0 done; 1 the backup is damaged or incomplete; 2 it had to stop.";

/// Runs the command line if it is one of these.
pub fn run(arguments: &[OsString]) -> Option<ExitCode> {
    let (word, matches) = subcommand(arguments, programs())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(super::io("start a runtime")).and_then(|runtime| {
        runtime.block_on(async {
            match word.as_str() {
                "restore" => restore_directory(&matches).await,
                _ => backups(&matches).await,
            }
        })
    });
    Some(match done {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("flotilla {word}: {error}");
            ExitCode::from(if matches!(error, BackupError::Damaged { .. }) { 1 } else { 2 })
        }
    })
}

/// For `flotilla --help` too.
pub fn programs() -> [Command; 2] {
    let from = || {
        Arg::new("from").long("from").required(true).value_name("URL").env("FLOTILLA_BACKUP_TO").help(
            "Where the backups are: file:///DIR, s3://BUCKET/PATH, gs://BUCKET/PATH or az://CONTAINER/PATH; credentials come from \
             the environment (AWS_…, GOOGLE_…, AZURE_…)",
        )
    };
    let key = || {
        Arg::new("key-file")
            .long("key-file")
            .value_name("FILE")
            .env("FLOTILLA_BACKUP_KEY_FILE")
            .value_parser(value_parser!(PathBuf))
            .help("Key of encrypted backups: a file with 64 hexadecimal digits")
    };
    let named =
        || Arg::new("backup").long("backup").value_name("NAME").help("Which one, see `flotilla backup list`");
    let history = || {
        Arg::new("history")
            .long("history")
            .value_name("ID")
            .help("Only backups of this history; without it, that of the newest one")
    };
    let list = Command::new("list").about("List the backups, the oldest first").arg(from()).arg(key());
    let check = Command::new("verify")
        .about("Read a backup and the archive behind it, and check all that can be checked")
        .arg(from())
        .arg(key())
        .arg(named())
        .arg(history())
        .arg(
            Arg::new("scratch")
                .long("scratch")
                .value_name("DIR")
                .value_parser(value_parser!(PathBuf))
                .help("A directory that does not exist yet, where there is room for the data; without it, beside other temporary files"),
        );
    let keep = Command::new("prune")
        .about("Delete all but the newest backups, and what belonged to them alone")
        .arg(from())
        .arg(key())
        .arg(
            Arg::new("keep")
                .long("keep")
                .required(true)
                .value_name("NUMBER")
                .value_parser(value_parser!(u64).range(1..))
                .help("How many to keep"),
        );
    let backup = Command::new("backup")
        .bin_name("flotilla backup")
        .about("List, verify and delete the backups in an object store")
        .after_help(EXIT_CODES)
        .subcommand_required(true)
        .subcommands([list, check, keep]);
    let restore = Command::new("restore")
        .bin_name("flotilla restore")
        .about("Make a data directory from a backup and the archive of the log")
        .after_help(EXIT_CODES)
        .arg(from())
        .arg(key())
        .arg(named())
        .arg(history())
        .arg(
            Arg::new("data-dir")
                .long("data-dir")
                .required(true)
                .value_name("DIR")
                .value_parser(value_parser!(PathBuf))
                .help("Directory of the new node; it must be empty or not exist, or have what a restore left that did not end"),
        )
        .arg(Arg::new("if-empty").long("if-empty").action(ArgAction::SetTrue).help(
            "If the directory holds anything else, leave it as it is, and end with 0: for programs that may run this twice",
        ))
        .arg(Arg::new("node-name").long("node-name").value_name("NAME").default_value("core-0").help("Name of the new node"))
        .arg(
            Arg::new("peer-address")
                .long("peer-address")
                .value_name("HOST:PORT")
                .default_value("")
                .help("Peer address at which other nodes will reach it"),
        )
        .arg(
            Arg::new("to-time")
                .long("to-time")
                .value_name("MOMENT")
                .conflicts_with_all(["to-revision", "to-backup"])
                .help("Stop before the first write of a later log time: 2026-11-30T09:15:00Z, or milliseconds since 1970"),
        )
        .arg(
            Arg::new("to-revision")
                .long("to-revision")
                .value_name("NUMBER")
                .value_parser(value_parser!(u64))
                .conflicts_with("to-backup")
                .help("Stop after this entry of the log"),
        )
        .arg(
            Arg::new("to-backup")
                .long("to-backup")
                .action(ArgAction::SetTrue)
                .help("Restore the backup alone; without any of these, all that the archive has behind it as well"),
        );
    [backup, restore]
}

fn word<'a>(matches: &'a ArgMatches, id: &str) -> Option<&'a str> {
    matches.get_one::<String>(id).map(String::as_str)
}

fn objects(matches: &ArgMatches) -> Result<Objects> {
    let key = matches.get_one::<PathBuf>("key-file").map(|path| Key::read(path)).transpose()?;
    Objects::open(word(matches, "from").unwrap_or_default(), key)
}

fn moment(text: &str) -> Result<u64> {
    if let Ok(ms) = text.parse() {
        return Ok(ms);
    }
    let time = humantime::parse_rfc3339_weak(text)
        .map_err(|error| BackupError::Refused(format!("--to-time '{text}': {error}")))?;
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

async fn backups(matches: &ArgMatches) -> Result<String> {
    let (name, own) = matches.subcommand().ok_or_else(|| BackupError::Refused("which command?".into()))?;
    let objects = objects(own)?;
    match name {
        "list" => list(&objects).await,
        "prune" => {
            let keep = own.get_one::<u64>("keep").copied().unwrap_or(1);
            let deleted = prune(&objects, usize::try_from(keep).unwrap_or(usize::MAX)).await?;
            Ok(format!("{deleted} backups deleted"))
        }
        _ => verify_one(own, &objects).await,
    }
}

async fn list(objects: &Objects) -> Result<String> {
    let mut lines = vec!["NAME  LOG TIME  REVISION  BYTES  LEVEL  HISTORY".to_owned()];
    for name in Manifest::names(objects).await? {
        lines.push(match Manifest::read(objects, &name).await {
            Ok(of) => format!(
                "{name}  {}  {}  {}  {}  {}",
                rfc3339(of.log_time_ms),
                of.index,
                of.bytes(),
                of.feature_level,
                of.history_id
            ),
            Err(error) => format!("{name}  {error}"),
        });
    }
    Ok(lines.join("\n"))
}

fn wanted<'a>(matches: &'a ArgMatches, until: Until) -> Wanted<'a> {
    Wanted { backup: word(matches, "backup"), history: word(matches, "history"), until }
}

async fn verify_one(matches: &ArgMatches, objects: &Objects) -> Result<String> {
    let manifest = choose(objects, &wanted(matches, Until::End)).await?;
    let scratch = match matches.get_one::<PathBuf>("scratch") {
        Some(path) => path.clone(),
        None => std::env::temp_dir().join(format!("flotilla-verify-{}", uuid::Uuid::new_v4())),
    };
    if scratch.exists() {
        return Err(BackupError::Refused(format!("{} exists", scratch.display())));
    }
    let bar = bytes_bar(manifest.bytes());
    let outcome = verify(objects, &manifest, &scratch, &|bytes| bar.inc(bytes)).await;
    bar.finish_and_clear();
    let removed = remove_directory(&scratch);
    let found = outcome?;
    removed?;
    let reach =
        format!("restorable to revision {}, log time {}", found.restorable_to, rfc3339(found.log_time_ms));
    match found.missing {
        None => Ok(format!("backup {} is sound, checksum {:08x}; {reach}", manifest.name(), found.checksum)),
        Some((first, last)) => Err(BackupError::Damaged {
            object: format!("log/{}", manifest.history_id),
            detail: format!(
                "the archive lacks the entries {first} to {last}; backup {} itself is sound, {reach}",
                manifest.name()
            ),
        }),
    }
}

async fn restore_directory(matches: &ArgMatches) -> Result<String> {
    let objects = objects(matches)?;
    let until = match (word(matches, "to-time"), matches.get_one::<u64>("to-revision")) {
        (Some(text), _) => Until::Time(moment(text)?),
        (None, Some(revision)) => Until::Revision(*revision),
        (None, None) if matches.get_flag("to-backup") => Until::Backup,
        (None, None) => Until::End,
    };
    let directory = matches.get_one::<PathBuf>("data-dir").cloned().unwrap_or_default();
    let node = NewNode {
        directory: &directory,
        name: word(matches, "node-name").unwrap_or_default(),
        peer_address: word(matches, "peer-address").unwrap_or_default(),
    };
    let manifest = choose(&objects, &wanted(matches, until)).await?;
    let bar = bytes_bar(manifest.bytes());
    let outcome = restore(&objects, &manifest, until, &node, &|bytes| bar.inc(bytes)).await;
    bar.finish_and_clear();
    let Some(restored) = outcome? else {
        let text = format!("{} is not empty", directory.display());
        return if matches.get_flag("if-empty") {
            Ok(format!("{text}: nothing was restored"))
        } else {
            Err(BackupError::Refused(text))
        };
    };
    Ok(format!(
        "{} holds {} keys: backup {} and {} entries of the archive, up to revision {}, log time {}. It is a new cluster with \
         history {}: start the node alone, let other nodes join with empty directories; edges start again by themselves.",
        directory.display(),
        restored.keys,
        restored.backup,
        restored.replayed,
        restored.index,
        rfc3339(restored.log_time_ms),
        restored.history
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_people_and_as_programs_write_them() {
        assert_eq!(moment("1764490500123").unwrap(), 1_764_490_500_123);
        assert_eq!(moment("2025-11-30T08:15:00.123Z").unwrap(), 1_764_490_500_123);
        assert_eq!(moment("2025-11-30 08:15:00").unwrap(), 1_764_490_500_000);
        assert_eq!(rfc3339(1_764_490_500_123), "2025-11-30T08:15:00.123Z");
        assert!(moment("yesterday").unwrap_err().to_string().contains("--to-time"));
        assert!(rfc3339(u64::MAX).ends_with("ms"));
    }

    #[test]
    fn the_command_lines_are_well_formed() {
        for program in programs() {
            program.debug_assert();
        }
    }
}
