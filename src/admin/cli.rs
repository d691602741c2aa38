//! The command line of `flotilla admin`.

use super::{
    backup, doctor,
    failure::{EXIT_CODES, Failure, Outcome},
    pods,
    rescue::rescue,
    show::{clock, sites, status, verdict},
    source,
};
use crate::{
    config::subcommand,
    limits::USER_NAME,
    remote::{self, Remote},
    replication, resp,
};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::{
    ffi::OsString,
    io::{self, ErrorKind},
    path::Path,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

/// How long a request may take; the leader gives up earlier.
const ANSWER_MAX: Duration = Duration::from_secs(130);
/// The same for requests that a node answers on its own.
const TELL_MAX: Duration = Duration::from_secs(15);
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Runs the command line if it is one of `flotilla admin`.
pub fn run(arguments: &[OsString]) -> Option<ExitCode> {
    let (_, matches) = subcommand(arguments, [program()])?;
    Some(match perform_within(&matches) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(Failure { outcome, text }) => {
            eprintln!("flotilla admin: {text}");
            ExitCode::from(outcome as u8)
        }
    })
}

/// For `flotilla --help` too.
pub fn program() -> Command {
    let name =
        |id: &'static str, help: &'static str| Arg::new(id).required(true).value_name("NODE").help(help);
    let data_dir = |help: &'static str| {
        Arg::new("data-dir").long("data-dir").required(true).value_name("DIR").help(help)
    };
    let at = || {
        Arg::new("at").required(true).value_name("NODE=HOST:PORT").help("The new node and its peer address")
    };
    Command::new("admin")
        .bin_name("flotilla admin")
        .about("Inspect a core and change its members")
        .after_help(EXIT_CODES)
        .subcommand_required(true)
        .arg(
            remote::place("server", "server", "Client port of any node of the core, or the path of its Unix socket")
                .short('s')
                .global(true),
        )
        .args(remote::arguments().map(|argument| argument.global(true)))
        .arg(
            Arg::new("retry-for")
                .long("retry-for")
                .global(true)
                .value_name("SECONDS")
                .value_parser(value_parser!(u16))
                .default_value("0")
                .help("Go on asking for so long while the node cannot be reached, does not serve or is not done"),
        )
        .arg(Arg::new("json").long("json").global(true).action(ArgAction::SetTrue).help("Print JSON"))
        .subcommand(Command::new("status").about("Show the nodes, their roles and their applied indexes"))
        .subcommand(
            Command::new("add").about("Let a started, empty node become a voter once it has caught up").arg(at()).arg(
                Arg::new("standby").long("standby").action(ArgAction::SetTrue).help("A node with all data but no vote"),
            ),
        )
        .subcommand(
            Command::new("remove").about("Remove a node from the core").arg(name("node", "The node to remove")).arg(
                Arg::new("force")
                    .long("force")
                    .action(ArgAction::SetTrue)
                    .help("Remove it even if the remaining voters that answer are not a majority"),
            ),
        )
        .subcommand(Command::new("promote").about("Make a learner or standby a voter").arg(name("node", "The node")))
        .subcommand(
            Command::new("transfer-leader")
                .about("Transfer leadership to another node")
                .arg(name("node", "The new leader; none = the voter whose log is most complete").required(false)),
        )
        .subcommand(
            Command::new("replace")
                .about("Let a started, empty node replace another one once it has caught up")
                .arg(name("old", "The node to replace"))
                .arg(at()),
        )
        .subcommand(Command::new("sites").about("Show the edge sites that follow the core, and their lag"))
        .subcommand(
            Command::new("reseed")
                .about("Asked of an edge: take a bootstrap snapshot of the core's data; the present ones serve until then"),
        )
        .subcommand(
            Command::new("backup")
                .about("Take a backup of a node's data into the object store that its parameter backup-to names")
                .arg(Arg::new("status").long("status").action(ArgAction::SetTrue).help(
                    "Take none: print the last one, and how far the log is archived, as JSON",
                )),
        )
        .subcommands(source::subcommands())
        .subcommands(pods::subcommands())
        .subcommand(Command::new("doctor").about(
            "Say what is wrong with the nodes, and what to do; exit code 1 if somebody has to act, 0 if nobody has",
        ))
        .subcommand(Command::new("verify").about("Compare the states of all nodes at one log position"))
        .subcommand(
            Command::new("clock").about("What log time, by which keys expire, and the nodes' wall clocks say").arg(
                Arg::new("step").long("step").action(ArgAction::SetTrue).help(
                    "Step log time forward to what most wall clocks say, instead of nearing it by 5 %; what is due by then \
                     expires at once",
                ),
            ),
        )
        .subcommand(
            Command::new("upgrade").about("End a rolling upgrade").subcommand_required(true).subcommand(
                Command::new("finish").about(
                    "Raise the feature level as far as all nodes and edges understand; after that no earlier build can open \
                     the data",
                ),
            ),
        )
        .subcommand(
            Command::new("rescue")
                .about(
                    "When no password lets you in: give a user (--user, or default) the password of --password and all rights. Run \
                     it on a node's machine; the node need not be restarted",
                )
                .arg(data_dir("A node's data directory; its owner may do this")),
        )
        .subcommand(
            Command::new("recover")
                .about(
                    "DANGEROUS: when a majority is lost for good, make the stopped node of a data directory the only \
                     node of a new cluster. Acknowledged writes that it never got are lost; other nodes must be emptied \
                     and join again",
                )
                .arg(data_dir("The stopped node's data directory"))
                .arg(
                    Arg::new("peer-address")
                        .long("peer-address")
                        .value_name("HOST:PORT")
                        .default_value("")
                        .help("Peer address at which other nodes will reach it"),
                )
                .arg(
                    Arg::new("yes")
                        .long("i-accept-that-acknowledged-writes-may-be-lost")
                        .required(true)
                        .action(ArgAction::SetTrue)
                        .help("Confirms that you accept the loss of writes"),
                ),
        )
}

/// Asks again while what is in the way may pass, if it was told to.
fn perform_within(matches: &ArgMatches) -> Result<String, Failure> {
    let (name, own) = matches.subcommand().ok_or_else(|| Failure::refused("which command?"))?;
    let within = Duration::from_secs(own.get_one::<u16>("retry-for").copied().unwrap_or(0).into());
    let server = Remote::of(own, "server").map(|server| server.to_string()).unwrap_or_default();
    let began = Instant::now();
    loop {
        match perform(name, own) {
            Err(failure) if failure.may_pass(&server) && began.elapsed() < within => {
                eprintln!("flotilla admin: {}; trying again", failure.text);
                thread::sleep(RETRY_INTERVAL);
            }
            done => return done,
        }
    }
}

fn perform(name: &str, own: &ArgMatches) -> Result<String, Failure> {
    let word = |id: &str| own.get_one::<String>(id).cloned().unwrap_or_default();
    let at = || {
        let text = word("at");
        let parts = text.split_once('=').map(|(name, address)| (name.to_owned(), address.to_owned()));
        parts.ok_or_else(|| format!("'{text}' is not NODE=HOST:PORT"))
    };
    let server = Remote::of(own, "server")?;
    let ask_within = |argv: &[&str], within| {
        let (command, words) = argv.split_first().unwrap_or((&"", &[]));
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        send(&server, command, &words, within)
    };
    let ask = |argv: &[&str]| ask_within(argv, ANSWER_MAX);
    if let Some(done) = pods::perform(name, own, &ask) {
        return done;
    }
    if let Some(done) = source::perform(name, own, &server, &ask) {
        return done;
    }
    if name == "doctor" {
        return doctor::look(&|argv| ask_within(argv, TELL_MAX), own.get_flag("json"));
    }
    if name == "backup" {
        let ask = |word: &str| ask(&["CORE", "BACKUP", word]);
        return match own.get_flag("status") {
            true => Ok(backup::status(&ask)?.to_string()),
            false => backup::take(&ask),
        };
    }
    let words = match name {
        "status" => vec!["STATUS".into()],
        "verify" => vec!["VERIFY".into()],
        "clock" => {
            let step = own.get_flag("step").then(|| "STEP".to_owned());
            ["CLOCK".into()].into_iter().chain(step).collect()
        }
        "sites" => vec!["LIST".into()],
        "reseed" => vec!["RESEED".into()],
        "add" => {
            let (name, address) = at()?;
            let standby = own.get_flag("standby").then(|| "STANDBY".to_owned());
            ["ADD".into(), name, address].into_iter().chain(standby).collect()
        }
        "remove" => {
            let force = own.get_flag("force").then(|| "FORCE".to_owned());
            ["REMOVE".into(), word("node")].into_iter().chain(force).collect()
        }
        "upgrade" => vec!["UPGRADE".into(), "FINISH".into()],
        "promote" => vec!["PROMOTE".into(), word("node")],
        "transfer-leader" => {
            let node = Some(word("node")).filter(|node| !node.is_empty());
            ["TRANSFER".into()].into_iter().chain(node).collect()
        }
        "replace" => {
            let (name, address) = at()?;
            vec!["REPLACE".into(), word("old"), name, address]
        }
        "rescue" => {
            let user = own.get_one::<String>("user").map_or(USER_NAME, String::as_str);
            let password = word("password");
            if password.is_empty() {
                return Err(Failure::refused("set the new password by REDISCLI_AUTH or --password"));
            }
            return rescue(Path::new(&word("data-dir")), user, &password);
        }
        _ => return recover(Path::new(&word("data-dir")), &word("peer-address")),
    };
    let command = if matches!(name, "sites" | "reseed") { "SITE" } else { "CORE" };
    let answer_max = if matches!(name, "status" | "sites" | "reseed") { TELL_MAX } else { ANSWER_MAX };
    let answer = send(&server, command, &words, answer_max)?;
    match name {
        "sites" if !own.get_flag("json") => Ok(sites(&answer)?),
        "status" if own.get_flag("json") => status(answer, None),
        "status" => status(answer, Some(backup::line(&|argv| ask_within(argv, TELL_MAX)))),
        "verify" => verdict(&answer, own.get_flag("json")),
        "clock" if !own.get_flag("json") => Ok(clock(&answer)?),
        _ => Ok(answer),
    }
}

fn recover(directory: &Path, address: &str) -> Result<String, Failure> {
    let index = replication::recover(directory, address).map_err(|error| error.to_string())?;
    Ok(format!(
        "{} is a cluster of its own now, with everything up to entry {index} of its log. Start it with --cluster and \
         itself alone, empty the directories of the other nodes, and start them with --join.",
        directory.display()
    ))
}

fn send(server: &Remote, command: &str, words: &[String], answer_max: Duration) -> Result<String, Failure> {
    let refused = |error: io::Error| Failure::refused(format!("{server}: {error}"));
    let mut stream = server.connect(answer_max).map_err(refused)?;
    let login = server.login();
    if !login.is_empty() {
        resp::ask(&mut stream, &[&["AUTH"], &login[..]].concat())
            .map_err(refused)?
            .map_err(Failure::of_reply)?;
    }
    let argv: Vec<&str> = [command].into_iter().chain(words.iter().map(String::as_str)).collect();
    // From here on it may have been done.
    let broken = |error: io::Error| {
        let why = match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => format!("no answer in {} s", answer_max.as_secs()),
            _ => error.to_string(),
        };
        let text = format!("{server}: {why}; check 'flotilla admin status' and that node's log");
        Failure { outcome: Outcome::Unknown, text }
    };
    resp::ask(&mut stream, &argv).map_err(broken)?.map_err(Failure::of_reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        program().debug_assert();
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for good in [
            "admin sites",
            "admin doctor --json -s h:1",
            "admin reseed -s h:1",
            "admin status --json",
            "admin status -s rediss://h:1 --cacert ca.pem --cert c.pem --key k.pem",
            "admin add a=h:1 --standby -s h:1",
            "admin transfer-leader",
            "admin clock --step",
            "admin health --ready --http h:1",
            "admin hand-over --then-wait 5 --password-file p",
            "admin scale-down flotilla- 3 --retry-for 60",
            "admin users f --delete-others",
            "admin replicate-from redis://h:1 --dry-run",
            "admin replicate-from redis://h:1 --replace --allow-writes --bytes-per-second 1000000 -s h:2",
            "admin replicate-from --cut-over --pause-seconds 5",
            "admin compare redis://h:1 --sample 100 --show 5",
            "admin rescue --data-dir d --user u --password p",
        ] {
            program().try_get_matches_from(words(good)).unwrap();
        }
        for bad in [
            "admin",
            "admin add",
            "admin recover --data-dir x",
            "admin remove",
            "admin scale-down a 0",
            "admin status --cert c.pem",
            "admin replicate-from",
            "admin replicate-from redis://h:1 --status",
            "admin replicate-from --stop --cut-over",
            "admin compare",
        ] {
            assert!(program().try_get_matches_from(words(bad)).is_err(), "{bad}");
        }
    }
}
