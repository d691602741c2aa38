//! `flotilla admin replicate-from` and `compare`: data that move here from a running Redis or Valkey.

use super::failure::{Failure, Outcome};
use crate::{
    moving::{
        Client, Link,
        compare::{Options, compare},
        survey::survey,
        url::{TlsFiles, settings},
    },
    ops::bytes_bar,
    remote::Remote,
    session::{SourceOrder, SourceSettings},
};
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, value_parser};
use serde_json::Value;
use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

/// A cut-over is given up on, by this program, if no node tells for so long how far it is.
const SILENCE_MAX: Duration = Duration::from_secs(60);
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

pub fn subcommands() -> [Command; 2] {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    let number = |name: &'static str, unit: &'static str, default: &'static str, help: &'static str| {
        let parser = value_parser!(u64).range(..1 << 50);
        Arg::new(name).long(name).value_name(unit).default_value(default).value_parser(parser).help(help)
    };
    let replicate = Command::new("replicate-from")
        .about(
            "Follow a running Redis or Valkey, whose data take the place of those here, until the cut-over",
        )
        .arg(url("The Redis or Valkey to follow").required(false))
        .args(source_arguments())
        .arg(flag("dry-run", "Look at the source, say what cannot be carried, and change nothing"))
        .arg(flag("replace", "Replace the data that are here, if there are any"))
        .arg(flag("allow-writes", "Let clients write here meanwhile; what they write may be overwritten"))
        .arg(flag("unseen", "Do not look at the source from here first, which may not reach it"))
        .arg(number("bytes-per-second", "BYTES", "0", "Read the source's data no faster; 0 = no limit"))
        .arg(
            number(
                "pause-seconds",
                "SECONDS",
                "30",
                "At the cut-over the source's clients may not write for so long: they come over in that time",
            )
            .value_parser(value_parser!(u64).range(1..=3600)),
        )
        .arg(flag("status", "Show how far it is"))
        .arg(flag(
            "cut-over",
            "Pause the source's clients, wait until all is here, and let clients write here",
        ))
        .arg(flag("stop", "Do not follow it any longer; the data stay, and clients may write"))
        .group(ArgGroup::new("what").args(["url", "status", "cut-over", "stop"]).required(true));
    let compare = Command::new("compare")
        .about("Compare keys, types, values and expiries with those of a Redis or Valkey; exit code 3 if they differ")
        .arg(url("The Redis or Valkey to compare with").required(true))
        .args(source_arguments())
        .arg(number("sample", "KEYS", "0", "Compare so many keys, chosen at random; 0 = all"))
        .arg(number("show", "NUMBER", "20", "Show the first differences, so many"))
        .arg(number("tolerance-ms", "MS", "1000", "Expiries may differ by so much"));
    [replicate, compare]
}

fn url(help: &'static str) -> Arg {
    Arg::new("url").value_name("redis://[USER:PASSWORD@]HOST[:PORT]").help(help)
}

fn source_arguments() -> [Arg; 6] {
    let file = |name: &'static str| {
        Arg::new(name).long(name).value_name("FILE.pem").value_parser(value_parser!(PathBuf))
    };
    [
        Arg::new("source-password")
            .long("source-password")
            .value_name("TEXT")
            .env("FLOTILLA_SOURCE_PASSWORD")
            .hide_env_values(true)
            .help("Password of the source; prefer the environment, which other users cannot read"),
        file("source-cacert").help("The CA that the source's certificate must come from, for rediss://"),
        file("source-cert").requires("source-key").help("Certificate to show to the source"),
        file("source-key").requires("source-cert").help("Key of --source-cert, not encrypted"),
        Arg::new("source-sni")
            .long("source-sni")
            .value_name("NAME")
            .help("Name that the source's certificate must be valid for; without it, the host of the URL"),
        Arg::new("source-insecure")
            .long("source-insecure")
            .action(ArgAction::SetTrue)
            .help("Do not check the source's certificate: anybody on the way can read and change everything"),
    ]
}

/// Sends a command to the node.
type Ask<'a> = &'a dyn Fn(&[&str]) -> Result<String, Failure>;

pub fn perform(
    name: &str,
    own: &ArgMatches,
    server: &Remote,
    ask: Ask<'_>,
) -> Option<Result<String, Failure>> {
    match name {
        "replicate-from" => Some(replicate(own, ask)),
        "compare" => Some(compare_with(own, server)),
        _ => None,
    }
}

fn source(own: &ArgMatches) -> Result<SourceSettings, Failure> {
    let path = |id: &str| own.get_one::<PathBuf>(id).map(PathBuf::as_path);
    let files = TlsFiles {
        authority: path("source-cacert"),
        certificate: path("source-cert"),
        key: path("source-key"),
        name: own.get_one::<String>("source-sni").cloned().unwrap_or_default(),
        is_insecure: own.get_flag("source-insecure"),
    };
    let text = own.get_one::<String>("url").map_or("", String::as_str);
    let password = own.get_one::<String>("source-password").cloned().filter(|text| !text.is_empty());
    Ok(settings(text, password, &files)?)
}

fn replicate(own: &ArgMatches, ask: Ask<'_>) -> Result<String, Failure> {
    if own.get_flag("status") {
        let text = ask(&["CORE", "SOURCE", "STATUS"])?;
        return if own.get_flag("json") { Ok(text) } else { Ok(shown(&parsed(&text)?)) };
    }
    if own.get_flag("stop") {
        return ask(&["CORE", "SOURCE", "STOP"]);
    }
    if own.get_flag("cut-over") {
        return cut_over(ask);
    }
    let settings = source(own)?;
    let mut seen = String::new();
    if own.get_flag("dry-run") || !own.get_flag("unseen") {
        let survey = survey(&mut Link::open(&settings)?)?;
        if own.get_flag("dry-run") || !survey.refusals.is_empty() {
            return match survey.refusals.is_empty() {
                true => Ok(survey.to_string()),
                false => Err(Failure::refused(format!("{survey}"))),
            };
        }
        seen = format!("{survey}\n");
    }
    let number = |id: &str| own.get_one::<u64>(id).copied().unwrap_or(0);
    let order = SourceOrder {
        settings,
        replaces: own.get_flag("replace"),
        allows_writes: own.get_flag("allow-writes"),
        bytes_per_second: number("bytes-per-second"),
        pause_ms: number("pause-seconds").saturating_mul(1000),
    };
    let order = serde_json::to_string(&order).map_err(|error| error.to_string())?;
    let done = ask(&["CORE", "SOURCE", "START", &order])?;
    Ok(format!("{seen}{done}; see 'flotilla admin replicate-from --status'"))
}

fn cut_over(ask: Ask<'_>) -> Result<String, Failure> {
    ask(&["CORE", "SOURCE", "CUTOVER"])?;
    let bar = bytes_bar(0);
    let mut answered = Instant::now();
    loop {
        thread::sleep(LOOK_INTERVAL);
        let text = match ask(&["CORE", "SOURCE", "STATUS"]) {
            Ok(text) => text,
            // The leader may change meanwhile; another node goes on.
            Err(_) if answered.elapsed() < SILENCE_MAX => continue,
            Err(failure) => {
                bar.finish_and_clear();
                let text = format!(
                    "{}; the cut-over was begun, see 'flotilla admin replicate-from --status'",
                    failure.text
                );
                return Err(Failure { outcome: Outcome::Unknown, text });
            }
        };
        answered = Instant::now();
        let status = parsed(&text)?;
        let field = |name: &str| status.get(name).and_then(Value::as_str).unwrap_or_default();
        let behind = status.get("lag_bytes").and_then(Value::as_u64).unwrap_or(0);
        bar.set_message(format!("{behind} bytes to go"));
        match field("phase") {
            "cutting-over" => {}
            "cut-over" => {
                bar.finish_and_clear();
                return Ok(format!(
                    "OK cut over: all of {} is here, and clients may write; point its clients here now",
                    field("source")
                ));
            }
            phase => {
                bar.finish_and_clear();
                return Err(Failure::refused(format!("{phase}: {}", field("error"))));
            }
        }
    }
}

fn compare_with(own: &ArgMatches, server: &Remote) -> Result<String, Failure> {
    let number = |id: &str| own.get_one::<u64>(id).copied().unwrap_or(0);
    let size = |id: &str| usize::try_from(number(id)).unwrap_or(usize::MAX);
    let options =
        Options { sample: size("sample"), shown: size("show"), tolerance_ms: number("tolerance-ms") };
    let mut link = Link::open(&source(own)?)?;
    let mut client = Client::connect(server)?;
    let compared = compare(&mut link, &mut client, &options)?;
    match compared.differences {
        0 => Ok(compared.to_string()),
        _ => Err(Failure { outcome: Outcome::Differs, text: format!("\n{compared}") }),
    }
}

fn parsed(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::refused(format!("the node's answer is no JSON: {error}")))
}

/// For people.
fn shown(status: &Value) -> String {
    let text = |name: &str| status.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = |name: &str| status.get(name).and_then(Value::as_u64).unwrap_or_default();
    let phase = text("phase");
    if phase == "none" {
        return "nothing is followed".to_owned();
    }
    let mut lines = vec![format!("{phase}: {}", text("source"))];
    if phase == "loading" {
        lines.push(progress(
            number("keys"),
            number("keys_total"),
            number("bytes"),
            number("bytes_total"),
            number("loading_ms"),
        ));
    } else if phase != "connecting" {
        lines.push(format!(
            "{} keys were loaded, then {} commands; {} full and {} partial synchronizations",
            number("keys"),
            number("commands"),
            number("full_syncs"),
            number("partial_syncs")
        ));
        lines.push(format!(
            "offset {}, {} bytes and {:.1} s behind",
            number("offset"),
            number("lag_bytes"),
            number("lag_ms") as f64 / 1e3
        ));
    }
    let refuses = status.get("refuses_writes").and_then(Value::as_bool).unwrap_or_default();
    lines.push(if refuses { "clients' writes are refused" } else { "clients may write" }.to_owned());
    if !text("error").is_empty() {
        lines.push(format!("error: {}", text("error")));
    }
    lines.join("\n")
}

fn progress(keys: u64, keys_total: u64, bytes: u64, bytes_total: u64, ms: u64) -> String {
    let seconds = ms.max(1) as f64 / 1e3;
    let (done, all) = if bytes_total > 0 { (bytes, bytes_total) } else { (keys, keys_total) };
    let left = match done {
        0 => String::new(),
        done => {
            let left = all.saturating_sub(done) as f64 / (done as f64 / seconds);
            format!(", about {left:.0} s to go")
        }
    };
    format!(
        "{keys} keys of about {keys_total}, {:.1} MB{} in {seconds:.0} s: {:.0} keys a second{left}",
        bytes as f64 / 1e6,
        if bytes_total > 0 { format!(" of {:.1} MB", bytes_total as f64 / 1e6) } else { String::new() },
        keys as f64 / seconds
    )
}
