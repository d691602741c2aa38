//! MIGRATE: keys go to another server, one after the other. Here its words are read; `server/migrate.rs` does it.

use crate::{
    command::{Access, Args, Command, Effect, Flags, Group, KeyRange, KeyWord, Run, parse_i64},
    error::Result,
    rdb,
    resp::{ErrorReply, Reply, put_request},
    session::{Context, Migration},
    store::{Condition, View},
    types::portable,
};
use std::{ops::Range, time::Duration};

/// In the place of a timeout that is none, as in Redis.
const IDLE_MS: u64 = 1000;
/// Index of the first option.
const OPTIONS_FROM: usize = 6;

pub(super) const MIGRATE: Command = Command {
    name: "MIGRATE",
    arity: -6,
    keys: KeyRange::new(3, 3, 1),
    keys_at: Some(keys_at),
    key_words: &[KeyWord { access: Access::Take, ..KeyWord::UNTOLD }],
    access: &[Access::Take],
    run: Run::Async(migrate),
    secrets: Some(secrets),
    flags: Flags::WRITE
        .with(Flags::MOVABLEKEYS)
        .with(Flags::KEYSPACE)
        .with(Flags::DANGEROUS)
        .with(Flags::NO_MULTI),
    tips: &["nondeterministic_output"],
    group: Group::Generic,
    since: "2.6.0",
    complexity: "Of each key, that of DUMP and DEL here and of RESTORE there.",
    summary: "Moves keys to another server: DUMP here, RESTORE there, and DEL here unless the key has changed meanwhile.",
    syntax: "host port <key | \"\"> destination-db timeout [COPY] [REPLACE] [AUTH password | AUTH2 username password] \
             [KEYS key [key ...]]",
    ..Command::BASE
};

/// The options, without the keys.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    copies: bool,
    replaces: bool,
    /// Where the words of the last AUTH or AUTH2 are,
    login: Range<usize>,
    /// and those of all of them.
    secrets: Vec<usize>,
    /// Where the words behind KEYS are.
    keys: Option<Range<usize>>,
    is_wrong: bool,
}

impl Options {
    fn read(argv: &[&[u8]]) -> Self {
        let (mut options, mut at) = (Options::default(), OPTIONS_FROM);
        while let Some(word) = argv.get(at) {
            let is = |keyword: &str| word.eq_ignore_ascii_case(keyword.as_bytes());
            at = at.saturating_add(1);
            let words = match () {
                () if is("COPY") => {
                    options.copies = true;
                    continue;
                }
                () if is("REPLACE") => {
                    options.replaces = true;
                    continue;
                }
                () if is("KEYS") => {
                    options.keys = Some(at..argv.len());
                    return options;
                }
                () if is("AUTH") => 1,
                () if is("AUTH2") => 2,
                () => usize::MAX,
            };
            options.login = at..at.saturating_add(words);
            at = options.login.end;
            if at > argv.len() {
                // All that may be one.
                let secrets = (OPTIONS_FROM..argv.len()).collect();
                return Options { is_wrong: true, login: 0..0, secrets, ..options };
            }
            options.secrets.extend(options.login.clone());
        }
        options
    }
}

/// Of a call that names keys twice, none: it is refused.
fn keys_at(argv: &[&[u8]]) -> Range<usize> {
    match Options::read(argv).keys {
        Some(keys) if argv.get(3).is_some_and(|key| key.is_empty()) => keys,
        Some(_) => 0..0,
        None => 3..4,
    }
}

fn secrets(argv: &[&[u8]]) -> Vec<usize> {
    Options::read(argv).secrets
}

fn migrate(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Effect> {
    let allowed = match context.node.config.settings().enable_migrate_command.as_str() {
        "yes" => true,
        "local" => context.session.client.peer.ip().is_none_or(|ip| ip.is_loopback()),
        _ => false,
    };
    if !allowed {
        let text = "MIGRATE command not allowed. If the enable-migrate-command option is set to \"local\", you can run \
                    it from a local connection, otherwise you need to set this option in the configuration file, and \
                    then restart the server.";
        return Err(ErrorReply::err(text).into());
    }
    let argv = args.argv();
    let Options { copies, replaces, login, keys, is_wrong, .. } = Options::read(argv);
    let (host, port, key) = (args.next_word()?, args.next_word()?, args.next_word()?);
    if keys.is_some() && !key.is_empty() {
        let text = "When using MIGRATE KEYS option, the key argument must be set to the empty string";
        return Err(ErrorReply::err(text).into());
    }
    if is_wrong {
        return Err(ErrorReply::syntax().into());
    }
    let (db, timeout) = (args.next_word()?, args.next_i64()?);
    let db = parse_i64(db).ok_or_else(ErrorReply::not_integer)?;
    let number = |word: &[u8]| std::str::from_utf8(word).ok()?.parse::<u16>().ok();
    let (Ok(host), Some(port)) = (std::str::from_utf8(host), number(port)) else {
        return Ok(Effect::Reply(Reply::Error(unreachable())));
    };
    let idle_ms = u64::try_from(timeout).ok().filter(|timeout| *timeout > 0).unwrap_or(IDLE_MS);
    let owned = |range: Range<usize>| {
        argv.get(range).unwrap_or_default().iter().map(|word| word.to_vec()).collect::<Vec<_>>()
    };
    Ok(Effect::Migrate(Box::new(Migration {
        host: host.to_owned(),
        port,
        db,
        idle_max: Duration::from_millis(idle_ms),
        login: owned(login),
        keys: keys.map_or_else(|| vec![key.to_vec()], owned),
        copies,
        replaces,
    })))
}

/// The calls by which a connection to the other server begins.
pub fn greeting(order: &Migration) -> Vec<Vec<u8>> {
    let db = order.db.to_string();
    let login: Vec<&[u8]> = [&b"AUTH"[..]].into_iter().chain(order.login.iter().map(Vec::as_slice)).collect();
    let calls = [login, vec![b"SELECT", db.as_bytes()]];
    // The first has a password, or is not needed.
    calls.iter().filter(|call| call.len() > 1).map(|call| request(call)).collect()
}

/// The call that brings a key, without the payload, which comes between the two parts: that is not copied.
pub fn restoring(key: &[u8], movable: &Movable, replaces: bool) -> (Vec<u8>, &'static [u8]) {
    let left_ms = movable.left_ms.to_string();
    let three = request(&[b"RESTORE", key, left_ms.as_bytes()]);
    let (words, end): (_, &[u8]) = if replaces { (5, b"\r\n$7\r\nREPLACE\r\n") } else { (4, b"\r\n") };
    let mut begin = format!("*{words}").into_bytes();
    begin.extend_from_slice(three.get(2..).unwrap_or_default());
    begin.extend_from_slice(format!("${}\r\n", movable.payload.len()).as_bytes());
    (begin, end)
}

fn request(words: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    put_request(&mut out, words);
    out
}

/// The call that ends a key here, once it is there.
pub fn deletion(key: &[u8]) -> [&[u8]; 2] {
    [b"DEL", key]
}

/// As Redis words it.
pub fn unreachable() -> ErrorReply {
    ErrorReply::new("IOERR", "error or timeout connecting to the client")
}

/// A key as it is sent.
#[derive(Debug)]
pub struct Movable {
    /// That it has not changed since.
    pub condition: Condition,
    /// Until it expires; 0 = never.
    pub left_ms: u64,
    pub payload: Vec<u8>,
}

/// The key as it is now, if it is there.
pub fn movable(view: &View<'_>, db: u32, key: &[u8]) -> Result<Option<Movable>> {
    let Some(row) = view.get(key)? else { return Ok(None) };
    let left_ms = match row.expires_at {
        0 => 0,
        at => at.saturating_sub(view.now()).max(1),
    };
    let condition = Condition { db, key: key.to_vec(), revision: Some(row.revision) };
    let object = portable::read(view, key)?;
    Ok(object.map(|object| Movable { condition, left_ms, payload: rdb::dump(&object) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_comes_between_the_parts() {
        let condition = Condition { db: 0, key: b"k".to_vec(), revision: None };
        let movable = Movable { condition, left_ms: 70, payload: b"pay".to_vec() };
        for (replaces, words) in [
            (false, vec![&b"RESTORE"[..], b"k", b"70", b"pay"]),
            (true, vec![b"RESTORE", b"k", b"70", b"pay", b"REPLACE"]),
        ] {
            let (begin, end) = restoring(b"k", &movable, replaces);
            assert_eq!([&begin, &movable.payload, end].concat(), request(&words));
        }
    }

    fn words(line: &str) -> Vec<&[u8]> {
        line.split(' ').map(|word| word.trim_matches('\'').as_bytes()).collect()
    }

    #[test]
    fn keys_and_passwords_are_where_the_options_say() {
        for (line, keys, hidden) in [
            ("MIGRATE h 1 k 0 9", 3..4, vec![]),
            ("MIGRATE h 1 k 0 9 COPY REPLACE", 3..4, vec![]),
            ("MIGRATE h 1 '' 0 9 KEYS a b", 7..9, vec![]),
            ("MIGRATE h 1 '' 0 9 keys", 7..7, vec![]),
            ("MIGRATE h 1 '' 0 9 AUTH KEYS KEYS AUTH", 9..10, vec![7]),
            ("MIGRATE h 1 '' 0 9 AUTH2 KEYS KEYS KEYS COPY", 10..11, vec![7, 8]),
            ("MIGRATE h 1 k 0 9 AUTH p COPY", 3..4, vec![7]),
            ("MIGRATE h 1 k 0 9 AUTH2 u p AUTH q", 3..4, vec![7, 8, 10]),
            ("MIGRATE h 1 k 0 9 KEYS a", 0..0, vec![]),
            // Refused: what was meant for a password is hidden all the same.
            ("MIGRATE h 1 k 0 9 AUTH2 u", 3..4, vec![6, 7]),
            ("MIGRATE h 1 k 0 9 AUHT p", 3..4, vec![6, 7]),
        ] {
            let argv = words(line);
            assert_eq!((keys_at(&argv), secrets(&argv)), (keys, hidden), "{line}");
        }
    }
}
