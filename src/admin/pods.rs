//! What an orchestrator asks of a node beside the core's administration: health without other tools, the way out before a
//! stop, the members that a smaller set of pods leaves behind, and users from a file. Each is a few requests to one node.

use super::failure::{Failure, Outcome};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::{TcpStream, ToSocketAddrs},
    thread,
    time::Duration,
};

/// How long the HTTP port may take to answer.
const HEALTH_MAX: Duration = Duration::from_secs(3);
/// An answer of the HTTP port to which this is not enough is none of ours.
const HEALTH_BYTES_MAX: u64 = 64 << 10;
/// More users than this no core has.
const USERS_BYTES_MAX: u64 = 16 << 20;

/// Sends one command to the node and returns its answer as text.
pub(super) type Ask<'a> = &'a dyn Fn(&[&str]) -> Result<String, Failure>;

pub(super) fn subcommands() -> [Command; 4] {
    let seconds = |id: &'static str, help: &'static str| {
        Arg::new(id)
            .long(id)
            .value_name("SECONDS")
            .value_parser(value_parser!(u16).range(0..=600))
            .default_value("0")
            .help(help)
    };
    [
        Command::new("health")
            .about("Ask the HTTP port of a node whether it is alive; for health checks of containers")
            .arg(
                Arg::new("http")
                    .long("http")
                    .value_name("HOST:PORT")
                    .default_value("127.0.0.1:8379")
                    .help("HTTP port of the node"),
            )
            .arg(
                Arg::new("ready")
                    .long("ready")
                    .action(ArgAction::SetTrue)
                    .help("Ask whether it can serve, not only whether it is alive"),
            ),
        Command::new("hand-over")
            .about("Before the node at --server is stopped: let another one lead, if it leads. Never fails")
            .arg(seconds(
                "then-wait",
                "Wait afterwards, so that load balancers stop sending clients to the node",
            )),
        Command::new("scale-down")
            .about("Remove the members that a smaller set of pods leaves behind, the highest number first")
            .arg(
                Arg::new("prefix")
                    .required(true)
                    .value_name("PREFIX")
                    .help("Names of members before their number: flotilla- for flotilla-0, flotilla-1, ..."),
            )
            .arg(
                Arg::new("count")
                    .required(true)
                    .value_name("COUNT")
                    .value_parser(value_parser!(u16).range(1..))
                    .help("Members with a number below it stay"),
            ),
        Command::new("users")
            .about(
                "Set the users of a file, on all nodes; each line is as ACL LIST shows it: user NAME RULE...",
            )
            .arg(Arg::new("file").required(true).value_name("FILE").help("The file"))
            .arg(
                Arg::new("delete-others")
                    .long("delete-others")
                    .action(ArgAction::SetTrue)
                    .help("Delete users that the file does not name; never default"),
            ),
    ]
}

/// Does what one of these subcommands asks for; `None`: it is another one.
pub(super) fn perform(name: &str, own: &ArgMatches, ask: Ask<'_>) -> Option<Result<String, Failure>> {
    let word = |id: &str| own.get_one::<String>(id).map_or("", String::as_str);
    Some(match name {
        "health" => health(word("http"), own.get_flag("ready")),
        "hand-over" => {
            let told = hand_over(ask).unwrap_or_else(|failure| failure.text);
            thread::sleep(Duration::from_secs(own.get_one::<u16>("then-wait").copied().unwrap_or(0).into()));
            Ok(told)
        }
        "scale-down" => scale_down(word("prefix"), own.get_one::<u16>("count").copied().unwrap_or(1), ask),
        "users" => {
            read_users(word("file")).and_then(|text| set_users(&text, own.get_flag("delete-others"), ask))
        }
        _ => return None,
    })
}

fn health(at: &str, ready: bool) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::refused(format!("{at}: {error}"));
    let path = if ready { "/readyz" } else { "/healthz" };
    let address = at.to_socket_addrs().map_err(failed)?.next();
    let address = address.ok_or_else(|| Failure::refused(format!("{at}: no such host")))?;
    let mut stream = TcpStream::connect_timeout(&address, HEALTH_MAX).map_err(failed)?;
    stream.set_read_timeout(Some(HEALTH_MAX)).map_err(failed)?;
    stream.set_write_timeout(Some(HEALTH_MAX)).map_err(failed)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: flotilla\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut answer = String::new();
    stream.take(HEALTH_BYTES_MAX).read_to_string(&mut answer).map_err(failed)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.split(' ').nth(1) {
        Some("200") => Ok(body.trim_end().to_owned()),
        Some(_) => Err(Failure { outcome: Outcome::Incomplete, text: body.trim_end().to_owned() }),
        None => Err(Failure::refused(format!("{at} does not speak HTTP"))),
    }
}

fn told(ask: Ask<'_>) -> Result<Value, Failure> {
    let status = ask(&["CORE", "STATUS"])?;
    serde_json::from_str(&status).map_err(|error| Failure::refused(error.to_string()))
}

fn hand_over(ask: Ask<'_>) -> Result<String, Failure> {
    // CORE STATUS would be the leader's, whoever is asked.
    let info = ask(&["INFO", "replication"])?;
    if !info.lines().any(|line| line.trim_end() == "flotilla_raft_is_leader:1") {
        return Ok("this node does not lead".to_owned());
    }
    ask(&["CORE", "TRANSFER"]).map(|_| "another node leads now".to_owned())
}

fn scale_down(prefix: &str, count: u16, ask: Ask<'_>) -> Result<String, Failure> {
    let status = told(ask)?;
    let nodes = status.get("nodes").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let names = nodes.iter().filter_map(|node| node.get("name").and_then(Value::as_str));
    let surplus = surplus(names, prefix, count);
    for name in &surplus {
        ask(&["CORE", "REMOVE", name])?;
    }
    match surplus.is_empty() {
        true => Ok(format!("no member {prefix}{count} or above")),
        false => Ok(format!("removed {}", surplus.join(", "))),
    }
}

/// The highest number first: the leader is rarely among them, and a set of pods shrinks in this order.
fn surplus<'a>(names: impl Iterator<Item = &'a str>, prefix: &str, count: u16) -> Vec<String> {
    let number = |name: &str| name.strip_prefix(prefix)?.parse::<u16>().ok();
    let mut found: Vec<(u16, &str)> = names.filter_map(|name| Some((number(name)?, name))).collect();
    found.retain(|(number, _)| *number >= count);
    found.sort_unstable();
    found.into_iter().rev().map(|(_, name)| name.to_owned()).collect()
}

fn read_users(path: &str) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::refused(format!("{path}: {error}"));
    let mut text = String::new();
    fs::File::open(path).map_err(failed)?.take(USERS_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// Names and rules of a file's users. `default` comes last: until then the credentials in use stay valid.
fn users(text: &str) -> Result<Vec<(&str, Vec<&str>)>, Failure> {
    let mut users = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.split_whitespace();
        // The line may hold a password.
        let wrong = |why: &str| {
            Failure::refused(format!("line {}: {why}; nothing was changed", at.saturating_add(1)))
        };
        let (Some("user"), Some(name)) = (words.next(), words.next()) else {
            return Err(wrong("not 'user NAME RULE...'"));
        };
        if users.iter().any(|(known, _)| *known == name) {
            return Err(wrong(&format!("{name} was there before")));
        }
        users.push((name, words.collect()));
    }
    users.sort_by_key(|(name, _)| *name == "default");
    Ok(users)
}

fn set_users(text: &str, delete_others: bool, ask: Ask<'_>) -> Result<String, Failure> {
    let users = users(text)?;
    for (name, rules) in &users {
        let argv = [&["ACL", "SETUSER", *name, "reset"][..], rules.as_slice()].concat();
        ask(&argv)
            .map_err(|failure| Failure { text: format!("user {name}: {}", failure.text), ..failure })?;
    }
    let set: BTreeSet<&str> = users.iter().map(|(name, _)| *name).collect();
    let mut deleted = 0_usize;
    if delete_others {
        let present = ask(&["ACL", "USERS"])?;
        for name in present.lines().filter(|name| *name != "default" && !set.contains(name)) {
            ask(&["ACL", "DELUSER", name])?;
            deleted = deleted.saturating_add(1);
        }
    }
    Ok(format!("{} users set, {deleted} deleted", set.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn pods_beyond_the_count_are_surplus_the_highest_first() {
        let names = ["flotilla-0", "flotilla-10", "flotilla-2", "other-7", "flotilla-x", "flotilla-3"];
        let found = |count| surplus(names.into_iter(), "flotilla-", count);
        assert_eq!(found(3), ["flotilla-10", "flotilla-3"]);
        assert_eq!(found(11), Vec::<String>::new());
    }

    #[test]
    fn users_of_a_file_are_set_with_default_last_and_a_wrong_line_changes_nothing() {
        let sent = RefCell::new(Vec::new());
        let ask = |argv: &[&str]| {
            sent.borrow_mut().push(argv.join(" "));
            Ok(if argv == ["ACL", "USERS"] { "default\napp\nold".to_owned() } else { "OK".to_owned() })
        };
        let file = "# who may what\nuser default off\n\nuser app on >pw ~app:* (+get ~x) +@all\n";
        assert_eq!(set_users(file, true, &ask).unwrap(), "2 users set, 1 deleted");
        assert_eq!(
            sent.take(),
            [
                "ACL SETUSER app reset on >pw ~app:* (+get ~x) +@all",
                "ACL SETUSER default reset off",
                "ACL USERS",
                "ACL DELUSER old"
            ]
        );
        for (bad, word) in
            [("user a on\nusr b >hunter2", "line 2"), ("user a\nuser a", "a was there"), ("user", "line 1")]
        {
            let text = set_users(bad, true, &ask).unwrap_err().text;
            assert!(text.contains(word) && !text.contains("hunter2"), "{text}");
        }
        assert!(sent.take().is_empty());
    }

    #[test]
    fn only_the_leader_hands_over() {
        let sent = RefCell::new(Vec::new());
        let tried = |info: &str| {
            let ask = |argv: &[&str]| {
                sent.borrow_mut().push(argv.join(" "));
                Ok(if argv == ["INFO", "replication"] { info.to_owned() } else { "OK".to_owned() })
            };
            hand_over(&ask).unwrap()
        };
        assert_eq!(tried("# Replication\r\nflotilla_raft_is_leader:0\r\n"), "this node does not lead");
        assert_eq!(tried("# Replication\r\nflotilla_raft_is_leader:1\r\n"), "another node leads now");
        assert_eq!(sent.take(), ["INFO replication", "INFO replication", "CORE TRANSFER"]);
    }
}
