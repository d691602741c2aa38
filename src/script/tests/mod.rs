//! Scripts against recorded replies of redis-server 7.0.15 (`recorded.txt`), limits, and the faults that others had.

mod conversions;
mod faults;
mod functions;
mod limits;
mod recorded;

use super::{Call, Host, Limits, LogLevel, Ran, Script, Stop};
use crate::resp::{ErrorReply, Reply};
use std::collections::BTreeMap;

pub const LIMITS: Limits = Limits { instructions: 20_000_000, memory_bytes: 64 << 20, reply_bytes: 16 << 20 };

/// A few commands on strings, and a reply for `give`.
#[derive(Default)]
pub struct TestHost {
    pub data: BTreeMap<Vec<u8>, Vec<u8>>,
    pub gives: Option<Reply>,
    pub logged: Vec<(LogLevel, Vec<u8>)>,
    pub calls: usize,
    /// Killed after this many questions.
    pub kill: std::cell::Cell<Option<usize>>,
    pub is_readonly: bool,
}

impl Host for TestHost {
    fn call(&mut self, argv: &[&[u8]]) -> Result<Reply, Stop> {
        self.calls += 1;
        Ok(match argv {
            [b"get", key] => self.data.get(*key).map_or(Reply::Nil, Reply::bulk),
            [b"set", ..] if self.is_readonly => return Err(Stop::Writes),
            [b"set", key, value] => {
                self.data.insert(key.to_vec(), value.to_vec());
                Reply::Ok
            }
            [b"give"] => self.gives.clone().unwrap_or(Reply::Nil),
            [b"wrong"] => Reply::Error(ErrorReply::wrong_type()),
            _ => Reply::Error(ErrorReply::err("Unknown Redis command called from script")),
        })
    }

    fn log(&mut self, level: LogLevel, text: &[u8]) {
        self.logged.push((level, text.to_vec()));
    }

    fn is_killed(&self) -> bool {
        let left = self.kill.get();
        self.kill.set(left.map(|left| left.saturating_sub(1)));
        left == Some(0)
    }

    fn may_call(&self, argv: &[&[u8]]) -> Option<bool> {
        match argv.first() {
            Some(&b"get") => Some(true),
            Some(&b"set") => Some(false),
            _ => None,
        }
    }
}

pub fn run_with(host: &mut TestHost, body: &str, limits: &Limits) -> Result<Ran, Stop> {
    run_bytes(host, body.as_bytes(), limits)
}

pub fn run_bytes(host: &mut TestHost, body: &[u8], limits: &Limits) -> Result<Ran, Stop> {
    match Script::new(body) {
        Ok(script) => script.run(Call { keys: &[], argv: &[], seed: 7, limits }, host),
        Err(error) => Ok(Ran { reply: Reply::Error(error), instructions: 0, memory_bytes: 0 }),
    }
}

/// The reply to a script, as text.
pub fn reply(body: &str) -> String {
    match run_with(&mut TestHost::default(), body, &LIMITS) {
        Ok(ran) => show(&ran.reply),
        Err(stop) => format!("{stop:?}"),
    }
}

/// As `recorded.txt` has it.
pub fn show(reply: &Reply) -> String {
    let list = |items: &[Reply]| items.iter().map(show).collect::<Vec<_>>().join(", ");
    match reply {
        Reply::Ok => "+OK".into(),
        Reply::Simple(text) => format!("+{text}"),
        Reply::Error(error) => format!("-{error}"),
        Reply::Int(number) => format!(":{number}"),
        Reply::Bulk(bytes) => format!("\"{}\"", String::from_utf8_lossy(bytes)),
        Reply::Array(items) => format!("[{}]", list(items)),
        Reply::Set(items) => format!("~[{}]", list(items)),
        other => format!("{other:?}"),
    }
}
