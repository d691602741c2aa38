//! One client: writes until the connection is cut, then compares.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use resp_tests::connection::{Connection, Received};
use resp_tests::server::Server;
use resp_tests::value::{Value, encode};

use super::dice::Dice;
use super::model::{Content, Key, Model};
use super::shared::{self, Token};
use super::workload::Workload;

const PIPELINE_MAX: u64 = 16;
/// One round in so many also writes to the keys that all clients share.
const SHARED_EVERY: u64 = 8;
const READ_AT_ONCE: usize = 500;

#[derive(Debug)]
pub struct Client {
    pub acknowledged: u64,
    /// Tokens appended to the shared log since the last look: whether each was acknowledged.
    pub tokens: Vec<(Token, bool)>,
    id: usize,
    db: u32,
    workload: Workload,
    model: Model,
    tokens_sent: u64,
}

impl Client {
    pub fn new(id: usize, db: u32, dice: Dice) -> Client {
        let workload = Workload { prefix: format!("client:{id}"), dice, flushes: db != 0, serial: 0, log: 0 };
        Client { acknowledged: 0, tokens: vec![], id, db, workload, model: Model::default(), tokens_sent: 0 }
    }

    /// Whether the last kill came while a write waited for its answer.
    pub fn was_interrupted(&self) -> bool {
        self.model.has_unanswered()
    }

    /// Panics on a wrong reply, and on a connection that ends before `killed` says so.
    pub fn write_until_cut(&mut self, port: u16, killed: &AtomicBool) {
        let mut connection = match Connection::open(port) {
            Ok(connection) => connection,
            Err(error) => return assert!(killed.load(Ordering::SeqCst), "cannot connect: {error}"),
        };
        let select = [b"SELECT".to_vec(), self.db.to_string().into_bytes()];
        let mut goes_on = matches!(connection.call(&select), Ok(Received::Reply(Value::Simple(_))));
        while goes_on {
            goes_on = self.round(&mut connection)
                && (self.db != 0
                    || self.workload.dice.below(SHARED_EVERY) != 0
                    || self.append_shared(&mut connection));
        }
        assert!(killed.load(Ordering::SeqCst), "client {}: cut off before the server was killed", self.id);
    }

    /// A pipeline of writes and their replies; `false` when the connection is cut.
    fn round(&mut self, connection: &mut Connection) -> bool {
        let count =
            if self.workload.dice.below(2) == 0 { 1 } else { self.workload.dice.between(2, PIPELINE_MAX) };
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
            Some(other) => panic!("APPEND: {other:?}"),
            None => return false,
        }
        self.tokens.last_mut().unwrap().1 = true;
        self.acknowledged += 1;
        true
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

fn is_volatile(key: &[u8]) -> bool {
    key.windows(9).any(|part| part == b":volatile")
}
