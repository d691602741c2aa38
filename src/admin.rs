//! `flotilla admin`: the core's administration from a shell. Sends CORE commands to any node.

use crate::{log, resp};
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::Value;
use std::{ffi::OsString, net::TcpStream, path::Path, process::ExitCode, time::Duration};

/// How long a request may take; the leader gives up earlier.
const ANSWER_MAX: Duration = Duration::from_secs(130);

/// Runs the command line if it is one of `flotilla admin`.
pub fn run(arguments: &[OsString]) -> Option<ExitCode> {
    if arguments.get(1).is_none_or(|word| word != "admin") {
        return None;
    }
    let matches = match program().try_get_matches_from(arguments.iter().skip(1)) {
        Ok(matches) => matches,
        Err(error) => error.exit(),
    };
    Some(match perform(&matches) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("flotilla admin: {text}");
            ExitCode::from(1)
        }
    })
}

/// For `flotilla --help` too.
pub fn program() -> Command {
    let name =
        |id: &'static str, help: &'static str| Arg::new(id).required(true).value_name("NODE").help(help);
    let at = || {
        Arg::new("at").required(true).value_name("NODE=HOST:PORT").help("The new node and its peer address")
    };
    Command::new("admin")
        .bin_name("flotilla admin")
        .about("Look at a core and change which nodes it has")
        .subcommand_required(true)
        .arg(
            Arg::new("server")
                .long("server")
                .short('s')
                .global(true)
                .value_name("HOST:PORT")
                .default_value("127.0.0.1:6379")
                .env("FLOTILLA_SERVER")
                .help("Client port of any node of the core"),
        )
        .arg(
            Arg::new("password")
                .long("password")
                .global(true)
                .value_name("TEXT")
                .env("REDISCLI_AUTH")
                .hide_env_values(true)
                .help("Password of the node; better given in the environment, which other users cannot see"),
        )
        .arg(Arg::new("json").long("json").global(true).action(ArgAction::SetTrue).help("Print JSON"))
        .subcommand(Command::new("status").about("The nodes, their roles and how far each has come"))
        .subcommand(
            Command::new("add").about("Let a started, empty node become a voter once it has caught up").arg(at()).arg(
                Arg::new("standby").long("standby").action(ArgAction::SetTrue).help("A node with all data but no vote"),
            ),
        )
        .subcommand(
            Command::new("remove").about("Take a node out").arg(name("node", "The node to remove")).arg(
                Arg::new("force")
                    .long("force")
                    .action(ArgAction::SetTrue)
                    .help("Even if the voters that are left and answer are no majority"),
            ),
        )
        .subcommand(Command::new("promote").about("Make a learner or standby a voter").arg(name("node", "The node")))
        .subcommand(
            Command::new("transfer-leader")
                .about("Let another node lead")
                .arg(name("node", "The next leader; none = the one with the most of the log").required(false)),
        )
        .subcommand(
            Command::new("replace")
                .about("Let a started, empty node take the place of another one once it has caught up")
                .arg(name("old", "The node to replace"))
                .arg(at()),
        )
        .subcommand(Command::new("sites").about("The edge sites that follow the core, and how far each has come"))
        .subcommand(
            Command::new("reseed")
                .about("Asked of an edge: take a whole copy of the core's data; the present ones serve until then"),
        )
        .subcommand(Command::new("verify").about("Compare the state of all nodes at one place of the log"))
        .subcommand(
            Command::new("clock").about("What log time, by which keys expire, and the nodes' wall clocks say").arg(
                Arg::new("step").long("step").action(ArgAction::SetTrue).help(
                    "Step log time forward to what most wall clocks say, instead of nearing it by 5 %; what is due by then \
                     expires at once",
                ),
            ),
        )
        .subcommand(
            Command::new("recover")
                .about(
                    "DANGEROUS: when a majority is lost for good, make the stopped node of a data directory the only \
                     node of a new cluster. Acknowledged writes that it never got are lost; other nodes must be emptied \
                     and join again",
                )
                .arg(Arg::new("data-dir").long("data-dir").required(true).value_name("DIR").help("Its data directory"))
                .arg(
                    Arg::new("peer-address")
                        .long("peer-address")
                        .value_name("HOST:PORT")
                        .default_value("")
                        .help("Where other nodes will reach it"),
                )
                .arg(
                    Arg::new("yes")
                        .long("i-accept-that-acknowledged-writes-may-be-lost")
                        .required(true)
                        .action(ArgAction::SetTrue)
                        .help("Says that you know what this does"),
                ),
        )
}

fn perform(matches: &ArgMatches) -> Result<String, String> {
    let (name, own) = matches.subcommand().ok_or("which command?")?;
    let word = |id: &str| own.get_one::<String>(id).cloned().unwrap_or_default();
    let at = || {
        let text = word("at");
        let parts = text.split_once('=').map(|(name, address)| (name.to_owned(), address.to_owned()));
        parts.ok_or_else(|| format!("'{text}' is not NODE=HOST:PORT"))
    };
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
        "promote" => vec!["PROMOTE".into(), word("node")],
        "transfer-leader" => {
            let node = Some(word("node")).filter(|node| !node.is_empty());
            ["TRANSFER".into()].into_iter().chain(node).collect()
        }
        "replace" => {
            let (name, address) = at()?;
            vec!["REPLACE".into(), word("old"), name, address]
        }
        _ => return recover(Path::new(&word("data-dir")), &word("peer-address")),
    };
    let command = if matches!(name, "sites" | "reseed") { "SITE" } else { "CORE" };
    let answer = send(&word("server"), own.get_one::<String>("password"), command, &words)?;
    match name {
        "sites" if !own.get_flag("json") => sites(&answer),
        "status" if !own.get_flag("json") => table(&answer),
        "verify" => verdict(&answer, own.get_flag("json")),
        "clock" if !own.get_flag("json") => clock(&answer),
        _ => Ok(answer),
    }
}

fn recover(directory: &Path, address: &str) -> Result<String, String> {
    let index = log::recover(directory, address).map_err(|error| error.to_string())?;
    Ok(format!(
        "{} is a cluster of its own now, with everything up to entry {index} of its log. Start it with --cluster and \
         itself alone, empty the directories of the other nodes, and start them with --join.",
        directory.display()
    ))
}

fn send(server: &str, password: Option<&String>, command: &str, words: &[String]) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("{server}: {error}");
    let mut stream = TcpStream::connect(server).map_err(failed)?;
    stream.set_read_timeout(Some(ANSWER_MAX)).map_err(failed)?;
    if let Some(password) = password {
        resp::ask(&mut stream, &["AUTH", password]).map_err(failed)??;
    }
    let argv: Vec<&str> = [command].into_iter().chain(words.iter().map(String::as_str)).collect();
    resp::ask(&mut stream, &argv).map_err(failed)?
}

/// STATUS for people.
fn table(json: &str) -> Result<String, String> {
    let status: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let field = |name: &str| status.get(name).map_or_else(|| "-".to_owned(), text);
    let mut out = format!(
        "cluster {}, history {}\nleader {}, term {}, committed up to entry {} of {}{}\n\n",
        field("cluster_id"),
        field("history_id"),
        field("leader"),
        field("term"),
        field("committed_index"),
        field("last_index"),
        if field("change_under_way") == "yes" { ", a change of the members is under way" } else { "" },
    );
    let columns = ["name", "role", "answers", "clients", "peer_address", "log_index", "applied_index", "id"];
    out.push_str(&rows(&status, "nodes", &columns));
    Ok(out)
}

/// CLOCK for people.
fn clock(json: &str) -> Result<String, String> {
    let told: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let number = |name: &str| told.get(name).and_then(Value::as_i64).unwrap_or(0);
    let ahead_ms = number("wall_ahead_ms");
    let state = match ahead_ms {
        0 => "as wall time".to_owned(),
        1.. => format!("{ahead_ms} ms behind wall time, agrees in {} s", number("settles_in_ms") / 1000),
        _ => format!(
            "{} ms ahead of wall time, agrees in {} s",
            ahead_ms.unsigned_abs(),
            number("settles_in_ms") / 1000
        ),
    };
    let stepped = match number("stepped_by_ms") {
        0 => String::new(),
        ms => format!("stepped forward by {ms} ms\n"),
    };
    let rows = rows(&told, "nodes", &["name", "wall_ahead_ms"]);
    Ok(format!("{stepped}log time {}, {state}\n\n{rows}", number("log_time_ms")))
}

/// SITE LIST for people.
fn sites(json: &str) -> Result<String, String> {
    let told: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let columns = ["site", "name", "state", "core_index", "lag_entries", "lag_ms", "sent_bytes", "fed_by"];
    Ok(rows(&told, "edges", &columns))
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        other => other.to_string(),
    }
}

/// A table of the objects in a list, a line each.
fn rows(told: &Value, list: &str, columns: &[&str]) -> String {
    let mut rows: Vec<Vec<String>> = vec![columns.iter().map(|name| (*name).to_owned()).collect()];
    for node in told.get(list).and_then(Value::as_array).into_iter().flatten() {
        rows.push(columns.iter().map(|name| node.get(name).map_or_else(|| "-".to_owned(), text)).collect());
    }
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut out = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out.trim_end().to_owned()
}

/// VERIFY: an error unless all are equal, so that a script can see it.
fn verdict(json: &str, as_json: bool) -> Result<String, String> {
    let told: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let lines = told.get("nodes").and_then(Value::as_array).into_iter().flatten().map(|node| {
        let field = |name: &str| node.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
        format!("{}  {}", field("checksum"), field("name"))
    });
    let index = told.get("index").and_then(Value::as_u64).unwrap_or(0);
    let text = match as_json {
        true => json.to_owned(),
        false => format!("state at entry {index}:\n{}", lines.collect::<Vec<_>>().join("\n")),
    };
    match told.get("equal").and_then(Value::as_bool) {
        Some(true) => Ok(text),
        _ => Err(format!("NOT all nodes have the same state\n{text}")),
    }
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
            "admin reseed -s h:1",
            "admin status --json",
            "admin add a=h:1 --standby -s h:1",
            "admin transfer-leader",
            "admin clock --step",
        ] {
            program().try_get_matches_from(words(good)).unwrap();
        }
        for bad in ["admin", "admin add", "admin recover --data-dir x", "admin remove"] {
            assert!(program().try_get_matches_from(words(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_status_becomes_a_table() {
        let json = r#"{"cluster_id":"c","history_id":"h","leader":"core-0","term":3,"committed_index":9,"last_index":9,
            "change_under_way":false,"nodes":[{"name":"core-0","role":"leader","answers":true,"clients":"h:1",
            "peer_address":"h:2","log_index":9,"applied_index":9,"id":7}]}"#;
        let text = table(json).unwrap();
        assert!(text.contains("leader core-0, term 3"), "{text}");
        assert!(text.lines().last().unwrap().starts_with("core-0  leader  yes"), "{text}");
    }

    #[test]
    fn a_clock_is_told_for_people() {
        let json = r#"{"log_time_ms":1700000000000,"wall_time_ms":1700000005000,"wall_ahead_ms":5000,"settles_in_ms":100000,
            "stepped_by_ms":0,"nodes":[{"name":"core-0","wall_ahead_ms":5000},{"name":"core-1","wall_ahead_ms":-3}]}"#;
        let text = clock(json).unwrap();
        assert!(
            text.starts_with("log time 1700000000000, 5000 ms behind wall time, agrees in 100 s"),
            "{text}"
        );
        assert!(text.ends_with("core-1  -3"), "{text}");
    }
}
