//! One client: writes until the connection is cut, then compares.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::connection::{Connection, Received};
use crate::server::Server;
use crate::value::{Value, encode};

use super::model::{Content, Key, Model};
use super::shared::{self, Token};
use super::workload::Workload;
use crate::dice::Dice;

const PIPELINE_MAX: u64 = 16;
/// One round in so many also writes to the keys that all clients share.
const SHARED_EVERY: u64 = 8;
const READ_AT_ONCE: usize = 500;

/// How a client sends, and what it takes for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Pipelines; whatever is no proper answer is a fault.
    Pipelines,
    /// One write at a time. A write that was definitely not done is none; after one of unknown outcome the client stops,
    /// since it may yet be done.
    OneByOne,
}

#[derive(Debug)]
pub struct Client {
    pub acknowledged: u64,
    /// Tokens appended to the shared log since the last look: whether each was acknowledged.
    pub tokens: Vec<(Token, bool)>,
    id: usize,
    style: Style,
    db: u32,
    workload: Workload,
    model: Model,
    tokens_sent: u64,
    /// The last write may yet be done.
    met_the_unknown: bool,
}

impl Client {
    pub fn new(id: usize, style: Style, db: u32, dice: Dice) -> Client {
        let workload = Workload { prefix: format!("client:{id}"), dice, flushes: db != 0, serial: 0, log: 0 };
        Client {
            acknowledged: 0,
            tokens: vec![],
            id,
            style,
            db,
            workload,
            model: Model::default(),
            tokens_sent: 0,
            met_the_unknown: false,
        }
    }

    /// Whether the last kill came while a write waited for its answer.
    pub fn was_interrupted(&self) -> bool {
        self.model.has_unanswered()
    }

    /// Writes until the connection is cut, or `stop` says so. Panics on a wrong reply, and on a cut that `may_be_cut` has
    /// not announced.
    pub fn write(&mut self, port: u16, stop: &AtomicBool, may_be_cut: &AtomicBool) {
        let mut connection = match Connection::open(port) {
            Ok(connection) => connection,
            Err(error) => return assert!(may_be_cut.load(Ordering::SeqCst), "cannot connect: {error}"),
        };
        connection.set_deadline(Duration::from_secs(20));
        let select = [b"SELECT".to_vec(), self.db.to_string().into_bytes()];
        let mut goes_on = matches!(connection.call(&select), Ok(Received::Reply(Value::Simple(_))));
        while goes_on && !stop.load(Ordering::SeqCst) {
            goes_on = self.round(&mut connection)
                && (self.db != 0
                    || self.workload.dice.below(SHARED_EVERY) != 0
                    || self.append_shared(&mut connection));
        }
        let was_cut = !goes_on && !std::mem::take(&mut self.met_the_unknown);
        let surprise = was_cut && !may_be_cut.load(Ordering::SeqCst);
        assert!(!surprise, "client {}: cut off before a server was killed", self.id);
    }

    /// A pipeline of writes and their replies; `false` when the connection is cut.
    fn round(&mut self, connection: &mut Connection) -> bool {
        let is_single = self.style == Style::OneByOne || self.workload.dice.below(2) == 0;
        let count = if is_single { 1 } else { self.workload.dice.between(2, PIPELINE_MAX) };
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let write = self.workload.next(&self.model);
            write.calls.iter().for_each(|call| bytes.extend(encode(call)));
            expected.push((write.calls.clone(), write.replies.clone()));
            self.model.sent(write);
        }
        if connection.send_raw(&bytes).is_err() {
            return false;
        }
        for (calls, replies) in expected {
            for (call, wanted) in calls.iter().zip(replies) {
                let Some(reply) = reply(connection) else { return false };
                if self.style == Style::OneByOne && is_unavailable(&reply) {
                    return self.was_refused(&reply);
                }
                let words: Vec<_> = call.iter().map(|word| String::from_utf8_lossy(word)).collect();
                assert_eq!(reply, wanted, "client {}: {}", self.id, words.join(" "));
            }
            self.model.answered();
            self.acknowledged += 1;
        }
        true
    }

    fn append_shared(&mut self, connection: &mut Connection) -> bool {
        self.tokens_sent += 1;
        let token = Token { client: self.id, number: self.tokens_sent };
        self.tokens.push((token, false));
        let call = [b"APPEND".to_vec(), shared::LOG.to_vec(), token.text().into_bytes()];
        if connection.send(&call).is_err() {
            return false;
        }
        match reply(connection) {
            Some(Value::Integer(_)) => {}
            Some(error) if self.style == Style::OneByOne && is_unavailable(&error) => {
                if !is_unknown(&error) {
                    self.tokens.pop();
                }
                return true;
            }
            Some(other) => panic!("APPEND: {other:?}"),
            None => return false,
        }
        self.tokens.last_mut().unwrap().1 = true;
        self.acknowledged += 1;
        true
    }

    /// A write was not done, or may have been; whether the client goes on.
    fn was_refused(&mut self, error: &Value) -> bool {
        self.met_the_unknown = is_unknown(error);
        if !self.met_the_unknown {
            self.model.retract();
        }
        !self.met_the_unknown
    }

    /// Reads all keys of this client; says which hold what they must not.
    pub fn verify(&mut self, server: &Server) -> Vec<String> {
        let mut connection = server.connect().unwrap();
        let mut call = |words: &[Vec<u8>]| match connection.call(words).unwrap() {
            Received::Reply(reply) => reply,
            Received::Closed => panic!("closed while reading"),
        };
        call(&[b"SELECT".to_vec(), self.db.to_string().into_bytes()]);
        let keys = self.model.keys();
        let mut found: BTreeMap<Key, Content> = BTreeMap::new();
        for keys in keys.chunks(READ_AT_ONCE) {
            let words = [&[b"MGET".to_vec()], keys].concat();
            let Value::Array(values) = call(&words) else { panic!("MGET answered no array") };
            assert_eq!(values.len(), keys.len());
            found.extend(keys.iter().cloned().zip(values.into_iter().map(content)));
        }
        let mut complaints = Vec::new();
        for (key, _) in found.iter().filter(|(key, content)| is_volatile(key) && content.is_some()) {
            let left = call(&[b"TTL".to_vec(), key.clone()]);
            if !matches!(left, Value::Integer(seconds) if seconds > 0) {
                complaints.push(format!("{}: TTL {left:?}", String::from_utf8_lossy(key)));
            }
        }
        complaints.extend(self.model.settle(&found).err().map(|what| format!("client {}: {what}", self.id)));
        complaints
    }
}

/// A reply, or `None` when the connection is cut.
fn reply(connection: &mut Connection) -> Option<Value> {
    match connection.receive() {
        Ok(Received::Reply(reply)) => Some(reply),
        Ok(Received::Closed) => None,
        Err(error) => panic!("no reply: {error}"),
    }
}

fn content(reply: Value) -> Content {
    match reply {
        Value::Bulk(bytes) => Some(bytes),
        Value::NilBulk => None,
        other => panic!("MGET answered {other:?}"),
    }
}

/// The errors of a cluster that cannot take a write now.
fn is_unavailable(reply: &Value) -> bool {
    let Value::Error(text) = reply else { return false };
    [&b"UNKNOWN "[..], b"CLUSTERDOWN ", b"TRYAGAIN "].iter().any(|code| text.starts_with(code))
}

fn is_unknown(reply: &Value) -> bool {
    matches!(reply, Value::Error(text) if text.starts_with(b"UNKNOWN "))
}

fn is_volatile(key: &[u8]) -> bool {
    key.windows(9).any(|part| part == b":volatile")
}
