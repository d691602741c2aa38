//! Clients that record what they did and when.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::connection::{Connection, Received};
use crate::dice::Dice;
use crate::value::Value;

use super::append::{Fate, Step, Txn};
use super::failure::Failure;
use super::net::View;
use super::register::{Event, Op};

/// The server answers or gives up within 5 s; what takes longer is of unknown outcome.
const ANSWER_MAX: Duration = Duration::from_secs(8);
const PAUSE: Duration = Duration::from_millis(2);
/// One operation of so many is followed by a key that expires.
const EXPIRING_EVERY: u64 = 20;
/// Operations after which a client goes to another node, on average.
const WANDER_EVERY: u64 = 300;
/// Appends to a list before clients go on to the next one, so that reads stay short.
pub(super) const LIST_TOKENS: u64 = 60;
/// Lists that are appended to at a time: by turns a string of tokens with commas, and a list.
pub(super) const LISTS: u64 = 4;

const LIST_KIND: &str = "list";

/// What all clients of a round share.
pub struct Round<'a> {
    pub view: &'a View,
    pub number: u64,
    pub began: Instant,
    pub stop: AtomicBool,
    /// Values and tokens are never used twice.
    pub serial: &'a AtomicU64,
    pub appends: AtomicU64,
    /// So many replies have come.
    pub answers: AtomicU64,
}

impl Round<'_> {
    /// Nanoseconds since the round began.
    pub fn now(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_nanos()).unwrap_or(i64::MAX)
    }

    /// Waits until clients have got so many answers, with nothing broken.
    pub fn wait_for_answers(&self, count: u64, within: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + within;
        while self.answers.load(Ordering::Relaxed) < count {
            if Instant::now() > deadline {
                let text =
                    format!("clients did not get {count} answers in {within:?}, and nothing is broken");
                return Err(Failure::server(text));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// The reply that counts, the last one; counts it.
    pub(super) fn take<'r>(&self, replies: &'r [Value]) -> &'r Value {
        self.answers.fetch_add(1, Ordering::Relaxed);
        replies.last().unwrap_or(&Value::NilBulk)
    }

    pub(super) fn next(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }
}

/// What a command came to.
pub(super) enum Answer {
    Done(Vec<Value>),
    /// Definitely not done.
    NotDone,
    Unknown,
}

/// A connection to one node, made again when it breaks; then perhaps to another one, also to one that has just joined.
pub(super) struct Link<'a> {
    view: &'a View,
    node: usize,
    connection: Option<Connection>,
}

impl<'a> Link<'a> {
    pub(super) fn new(view: &'a View, client: u32) -> Link<'a> {
        Link { view, node: client as usize % view.core, connection: None }
    }

    /// Now and then a client goes to another node, as real ones do.
    pub(super) fn wander(&mut self, dice: &mut Dice) {
        if dice.below(WANDER_EVERY) == 0 {
            self.node = dice.below(self.view.addresses.len() as u64) as usize;
            self.connection = None;
        }
    }

    /// Sends commands in one go and takes a reply for each.
    pub(super) fn call(&mut self, commands: &[Vec<String>]) -> Answer {
        if self.connection.is_none() {
            match self.view.connect(self.node) {
                Ok(mut connection) => {
                    connection.set_deadline(ANSWER_MAX);
                    self.connection = Some(connection);
                }
                Err(_) => {
                    self.node = (self.node + 1) % self.view.addresses.len();
                    std::thread::sleep(Duration::from_millis(20));
                    return Answer::NotDone;
                }
            }
        }
        match self.exchange(commands) {
            Ok(Some(replies)) => Answer::Done(replies),
            Ok(None) | Err(_) => {
                self.connection = None;
                Answer::Unknown
            }
        }
    }

    fn exchange(&mut self, commands: &[Vec<String>]) -> io::Result<Option<Vec<Value>>> {
        let Some(connection) = &mut self.connection else { return Ok(None) };
        let bytes: Vec<u8> = commands.iter().flat_map(|command| crate::value::encode(command)).collect();
        connection.send_raw(&bytes)?;
        let mut replies = Vec::new();
        for _ in commands {
            match connection.receive()? {
                Received::Reply(reply) => replies.push(reply),
                Received::Closed => return Ok(None),
            }
        }
        Ok(Some(replies))
    }
}

pub(super) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Whether an error says that nothing was done. Everything but these is a fault of its own.
pub(super) fn is_refusal(text: &[u8]) -> bool {
    [&b"CLUSTERDOWN"[..], b"TRYAGAIN", b"LOADING", b"EXECABORT", b"READONLY", b"OOM"]
        .iter()
        .any(|code| text.starts_with(code))
}

/// Works on single keys until told to stop.
pub fn register(round: &Round<'_>, client: u32, mut dice: Dice) -> Result<Vec<Event>, Failure> {
    round.view.enter()?;
    let mut link = Link::new(round.view, client);
    let mut events = Vec::new();
    let mut last_seen = 0;
    while !round.stop.load(Ordering::Relaxed) {
        std::thread::sleep(PAUSE);
        link.wander(&mut dice);
        if dice.below(EXPIRING_EVERY) == 0 {
            // Nobody reads it; expiry is part of the states that are compared.
            let (key, ttl) = (format!("t{}", round.next()), dice.between(20, 3000).to_string());
            link.call(&[words(&["SET", &key, "x", "PX", &ttl])]);
        }
        let key = format!("r{}:{}", round.number, dice.below(4));
        let value = round.next();
        let (expected, number) = (last_seen.to_string(), value.to_string());
        let (command, op) = match dice.below(10) {
            0..=2 => (words(&["SET", &key, &number]), Op::Set { value }),
            3 => (
                words(&["SET", &key, &number, "IFEQ", &expected]),
                Op::Swap { expected: last_seen, value, done: None },
            ),
            4 => (words(&["DELIFEQ", &key, &expected]), Op::Delete { expected: last_seen, done: None }),
            _ => (words(&["GET", &key]), Op::Get { seen: None }),
        };
        let called_at = round.now();
        let answer = link.call(&[command]);
        let returned_at = Some(round.now());
        let event = |op, returned_at| Event { client, key: key.clone(), op, called_at, returned_at };
        match answer {
            Answer::NotDone => {}
            Answer::Unknown => {
                if !matches!(op, Op::Get { .. }) {
                    events.push(event(op, None));
                }
            }
            Answer::Done(replies) => match (op, round.take(&replies)) {
                (op, Value::Error(text)) if text.starts_with(b"UNKNOWN") => events.push(event(op, None)),
                (_, Value::Error(text)) if is_refusal(text) => std::thread::sleep(Duration::from_millis(10)),
                (_, Value::Error(text)) => {
                    return Err(Failure::server(format!("{key}: {}", String::from_utf8_lossy(text))));
                }
                (Op::Get { .. }, Value::NilBulk) => events.push(event(Op::Get { seen: None }, returned_at)),
                (Op::Get { .. }, Value::Bulk(text)) => {
                    last_seen = number_in(text)?;
                    events.push(event(Op::Get { seen: Some(last_seen) }, returned_at));
                }
                (Op::Set { value }, _) => events.push(event(Op::Set { value }, returned_at)),
                (Op::Swap { expected, value, .. }, reply) => {
                    let done = Some(matches!(reply, Value::Simple(_)));
                    events.push(event(Op::Swap { expected, value, done }, returned_at));
                }
                (Op::Delete { expected, .. }, reply) => {
                    let done = Some(*reply == Value::Integer(1));
                    events.push(event(Op::Delete { expected, done }, returned_at));
                }
                (op, reply) => return Err(Failure::server(format!("{op:?} answered {reply:?}"))),
            },
        }
    }
    Ok(events)
}

fn number_in(text: &[u8]) -> Result<u64, Failure> {
    let text = String::from_utf8_lossy(text);
    text.parse().map_err(|_| Failure::server(format!("a register holds {text}")))
}

pub(super) fn tokens(reply: &Value) -> Result<Vec<u64>, Failure> {
    match reply {
        Value::Array(list) => {
            list.iter().map(tokens).collect::<Result<Vec<_>, _>>().map(|list| list.concat())
        }
        Value::NilBulk => Ok(vec![]),
        Value::Bulk(text) => {
            let text = String::from_utf8_lossy(text);
            let wrong = |_| Failure::server(format!("a list is {text}"));
            text.split_terminator(',').map(|token| token.parse().map_err(wrong)).collect()
        }
        other => Err(Failure::server(format!("a list is {other:?}"))),
    }
}

pub(super) fn list_key(round: &Round<'_>, set: u64, list: u64) -> String {
    let kind = if list.is_multiple_of(2) { "string" } else { LIST_KIND };
    format!("l{}:{set}:{list}:{kind}", round.number)
}

/// Whether a key is of the type list.
pub(super) fn is_list(key: &str) -> bool {
    key.ends_with(LIST_KIND)
}

/// Runs transactions over lists until told to stop.
pub fn append(round: &Round<'_>, client: u32, mut dice: Dice) -> Result<Vec<Txn>, Failure> {
    round.view.enter()?;
    let mut link = Link::new(round.view, client);
    let mut txns = Vec::new();
    while !round.stop.load(Ordering::Relaxed) {
        std::thread::sleep(PAUSE);
        link.wander(&mut dice);
        let set = round.appends.load(Ordering::Relaxed) / LIST_TOKENS;
        let mut steps = Vec::new();
        for _ in 0..dice.between(1, 5) {
            let key = list_key(round, set, dice.below(LISTS));
            steps.push(match dice.below(2) {
                0 => {
                    round.appends.fetch_add(1, Ordering::Relaxed);
                    Step::Append { key, token: round.next() }
                }
                _ => Step::Read { key, seen: None },
            });
        }
        txns.push(transact(round, &mut link, steps)?);
        if matches!(txns.last(), Some(Txn { fate: Fate::Aborted, .. })) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    Ok(txns)
}

fn transact(round: &Round<'_>, link: &mut Link<'_>, mut steps: Vec<Step>) -> Result<Txn, Failure> {
    let mut commands = vec![words(&["MULTI"])];
    commands.extend(steps.iter().map(|step| match step {
        Step::Append { key, token } if is_list(key) => words(&["RPUSH", key, &token.to_string()]),
        Step::Read { key, .. } if is_list(key) => words(&["LRANGE", key, "0", "-1"]),
        Step::Append { key, token } => words(&["APPEND", key, &format!("{token},")]),
        Step::Read { key, .. } => words(&["GET", key]),
    }));
    commands.push(words(&["EXEC"]));
    let called_at = round.now();
    let answer = link.call(&commands);
    let at = round.now();
    let fate = match answer {
        Answer::NotDone => Fate::Aborted,
        Answer::Unknown => Fate::Unknown,
        Answer::Done(replies) => match round.take(&replies) {
            Value::Array(results) => {
                for (step, result) in steps.iter_mut().zip(results) {
                    match (step, result) {
                        (Step::Read { seen, .. }, reply) => *seen = Some(tokens(reply)?),
                        (Step::Append { .. }, Value::Integer(_)) => {}
                        (step, reply) => {
                            return Err(Failure::server(format!("{step:?} answered {reply:?}")));
                        }
                    }
                }
                Fate::Committed { at }
            }
            Value::Error(text) if text.starts_with(b"UNKNOWN") => Fate::Unknown,
            Value::Error(text) if is_refusal(text) => Fate::Aborted,
            other => return Err(Failure::server(format!("EXEC answered {other:?}"))),
        },
    };
    Ok(Txn { steps, called_at, fate })
}

/// When all is quiet: every list of the round, read on this node. What has no answer is asked again, since it only reads.
pub fn read_all(round: &Round<'_>, node: usize, keys: &[String], within: Duration) -> Result<Txn, Failure> {
    let deadline = Instant::now() + within;
    loop {
        let mut link = Link { view: round.view, node, connection: None };
        let steps = keys.iter().map(|key| Step::Read { key: key.clone(), seen: None }).collect();
        let read = transact(round, &mut link, steps)?;
        if matches!(read.fate, Fate::Committed { .. }) {
            return Ok(read);
        }
        if Instant::now() > deadline {
            return Err(Failure::server(format!(
                "core-{node} does not serve {within:?} after all is healed"
            )));
        }
        std::thread::sleep(PAUSE);
    }
}
