//! The command line, and the node that is asked.

use super::{
    board::Board,
    screen::{self, Told},
};
use crate::{
    config::subcommand,
    remote::{self, Remote, RemoteStream},
    resp,
};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::Value;
use std::{
    ffi::OsString,
    io,
    process::ExitCode,
    sync::mpsc::{SyncSender, sync_channel},
    thread,
    time::Duration,
};

/// How long the node may take to answer: it asks the others side by side.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Runs the command line if it is `flotilla top`.
pub fn run(arguments: &[OsString]) -> Option<ExitCode> {
    let (_, matches) = subcommand(arguments, [program()])?;
    Some(match perform(&matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flotilla top: {error}");
            ExitCode::from(1)
        }
    })
}

/// For `flotilla --help` too.
pub fn program() -> Command {
    Command::new("top")
        .bin_name("flotilla top")
        .about("Watch the nodes of a core or an edge site: leader, lag, throughput, latencies, storage, slow commands, and what is wrong")
        .after_help("Keys: q ends it, p pauses it, arrows and page keys scroll. The same in a browser: /status at the HTTP port")
        .arg(remote::place("server", "server", "Client port of any node, or the path of its Unix socket").short('s'))
        .args(remote::arguments())
        .arg(
            Arg::new("interval")
                .long("interval")
                .value_name("SECONDS")
                .value_parser(value_parser!(u16).range(1..=3600))
                .default_value("1")
                .help("Time between two looks"),
        )
        .arg(Arg::new("once").long("once").action(ArgAction::SetTrue).help("Look once, and print plain text"))
}

fn perform(matches: &ArgMatches) -> Result<(), String> {
    let server = Remote::of(matches, "server")?;
    let mut asked = Asked { server, stream: None };
    // What is wrong with the command line is said here, not on a screen.
    let first = asked.look()?;
    if matches.get_flag("once") {
        println!("{}", Board::of(&first).to_text());
        return Ok(());
    }
    let interval = Duration::from_secs(matches.get_one::<u16>("interval").copied().unwrap_or(1).into());
    let place = asked.server.to_string();
    let (sender, told) = sync_channel(1);
    let _ = sender.send(Ok(Board::of(&first)));
    // It ends with the process, wherever it waits.
    thread::spawn(move || follow(asked, interval, &sender));
    screen::show(&place, &told).map_err(|error| error.to_string())
}

fn follow(mut asked: Asked, interval: Duration, sender: &SyncSender<Told>) {
    loop {
        thread::sleep(interval);
        if sender.send(asked.look().map(|reports| Board::of(&reports))).is_err() {
            return;
        }
    }
}

/// A node, and the connection to it while it holds.
struct Asked {
    server: Remote,
    stream: Option<RemoteStream>,
}

impl Asked {
    fn look(&mut self) -> Result<Value, String> {
        let told = self.ask();
        if told.is_err() {
            self.stream = None;
        }
        serde_json::from_str(&told?)
            .map_err(|error| format!("{}: the answer is no JSON: {error}", self.server))
    }

    fn ask(&mut self) -> Result<String, String> {
        let failed = |error: io::Error| format!("{}: {error}", self.server);
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let mut stream = self.server.connect(ANSWER_MAX).map_err(failed)?;
                let login = self.server.login();
                if !login.is_empty() {
                    resp::ask(&mut stream, &[&["AUTH"], &login[..]].concat()).map_err(failed)??;
                }
                stream
            }
        };
        let told = resp::ask(&mut stream, &["CORE", "REPORT"]).map_err(failed)??;
        self.stream = Some(stream);
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        program().debug_assert();
        for (words, is_good) in [
            (&["top"][..], true),
            (&["top", "--once", "-s", "h:1", "--user", "u", "--password-file", "f"], true),
            (&["top", "--interval", "5", "--tls", "--cacert", "c"], true),
            (&["top", "--interval", "0"], false),
            (&["top", "now"], false),
        ] {
            assert_eq!(program().try_get_matches_from(words).is_ok(), is_good, "{words:?}");
        }
    }
}
