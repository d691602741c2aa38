//! One client of all types: draws what it does next, and records what came of it.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use crate::chaos::append::Fate;
use crate::chaos::clients::{Answer, Link, Round, is_refusal, words};
use crate::chaos::failure::Failure;
use crate::chaos::register::{Event, Op};
use crate::dice::Dice;
use crate::value::Value;

use super::accounts::Accounts;
use super::counters::{self, Count};
use super::items::{Item, Items, Put, Take};
use super::lives::{Born, Lives, Look, Sight};
use super::replies::{entries, entries_read, first, id, list, number, numbers, odd};
use super::streams::{Acked, Added, Id, Read, Stream};

const PAUSE: Duration = Duration::from_millis(8);
const REFUSED_PAUSE: Duration = Duration::from_millis(10);
/// What a waiting command waits at most, seconds.
const WAIT: &str = "0.05";
const WAIT_MS: &str = "50";
const GROUP: &str = "group";
const QUEUE: &str = "queue";
const RANKED: &str = "ranked";
/// Fields of a hash, members of a sorted set that count.
const COUNTERS: u64 = 3;
/// Keys that were made last, of which some are looked at.
const LIVES_WATCHED: usize = 12;

/// What clients of all types did and saw.
#[derive(Debug, Default)]
pub struct Typed {
    /// Fields of hashes, each a register.
    pub events: Vec<Event>,
    pub counts: Vec<Count>,
    pub items: Items,
    pub stream: Stream,
    pub lives: Lives,
    pub accounts: Accounts,
    /// Moments of answers, to reads and to writes.
    pub answers: Vec<i64>,
    /// Of acknowledged writes.
    pub writes: Vec<i64>,
    pub operations: usize,
    pub unknown: usize,
}

impl Typed {
    pub fn append(&mut self, mut other: Typed) {
        self.events.append(&mut other.events);
        self.counts.append(&mut other.counts);
        self.items.append(&mut other.items);
        self.stream.append(&mut other.stream);
        self.lives.append(&mut other.lives);
        self.accounts.append(other.accounts);
        self.answers.append(&mut other.answers);
        self.writes.append(&mut other.writes);
        self.operations += other.operations;
        self.unknown += other.unknown;
    }

    /// Everything that is wrong; `is_timed` as [`Lives::check`] has it. Registers are checked with the others of the round.
    pub fn check(&self, is_timed: bool) -> Vec<String> {
        let counters = counters::check(&self.counts);
        let (accounts, lives) = (self.accounts.check(), self.lives.check(is_timed));
        [counters, self.items.check(), self.stream.check(), lives, accounts].concat()
    }
}

/// Works on all types until told to stop.
pub fn work(round: &Round<'_>, client: u32, dice: Dice) -> Result<Typed, Failure> {
    round.view.enter()?;
    let link = Link::new(round.view, client);
    let mut client = Client { round, client, dice, link, did: Typed::default(), has_group: false };
    while !round.stop.load(Ordering::Relaxed) {
        thread::sleep(PAUSE);
        client.link.wander(&mut client.dice);
        match client.dice.below(8) {
            6 | 7 => client.account()?,
            0 | 1 => client.queue()?,
            2 => client.ranked()?,
            3 => client.count()?,
            4 => client.stream()?,
            _ => client.live()?,
        }
    }
    Ok(client.did)
}

/// When all is quiet: what is left on this node of what was done.
pub fn finish(round: &Round<'_>, node: u32, did: &mut Typed, within: Duration) -> Result<(), Failure> {
    let (link, dice) = (Link::new(round.view, node), Dice::new(0));
    let mut client = Client { round, client: node, dice, link, did: Typed::default(), has_group: false };
    let deadline = Instant::now() + within;
    let queue = |end: &str| round_key(round, &format!("{QUEUE}:"), end);
    let rest = client.insist(deadline, &["LRANGE", &queue("a"), "0", "-1"])?;
    let more = client.insist(deadline, &["LRANGE", &queue("b"), "0", "-1"])?;
    did.items.rest.insert(QUEUE, [numbers(&rest)?, numbers(&more)?].concat());
    let rest = client.insist(deadline, &["ZRANGE", &round_key(round, RANKED, ""), "0", "-1"])?;
    did.items.rest.insert(RANKED, numbers(&rest)?);
    for counter in 0..COUNTERS {
        for of_hash in [true, false] {
            while !client.look_at_counter(counter, of_hash)? {
                client.check(deadline)?;
            }
        }
    }
    client.look_at_accounts(deadline)?;
    for born in &did.lives.born {
        while !client.look_at_life(&born.key, true)? {
            client.check(deadline)?;
        }
    }
    while !client.join_group()? {
        client.check(deadline)?;
    }
    let key = round_key(round, "stream", "");
    let fresh = client.insist(
        deadline,
        &["XREADGROUP", "GROUP", GROUP, "last", "COUNT", "1000000", "STREAMS", &key, ">"],
    )?;
    did.stream.end.fresh = entries_read(&fresh)?.into_iter().map(|(id, _)| id).collect();
    did.stream.end.entries = entries(&client.insist(deadline, &["XRANGE", &key, "-", "+"])?)?;
    let pending = client.insist(deadline, &["XPENDING", &key, GROUP, "-", "+", "1000000"])?;
    did.stream.end.pending = list(&pending)?.iter().map(|one| id(first(one)?)).collect::<Result<_, _>>()?;
    let summary = client.insist(deadline, &["XPENDING", &key, GROUP])?;
    did.stream.end.pending_count = number(first(&summary)?)?;
    did.append(client.did);
    Ok(())
}

pub(super) struct Client<'a> {
    pub(super) round: &'a Round<'a>,
    client: u32,
    pub(super) dice: Dice,
    link: Link<'a>,
    pub(super) did: Typed,
    /// Whether it knows that the consumer group is there.
    has_group: bool,
}

/// A command, and what came of it.
pub(super) struct Asked {
    pub(super) called_at: i64,
    pub(super) fate: Fate,
    /// Where it was done; an error: the script is not known there.
    pub(super) reply: Value,
}

impl Client<'_> {
    pub(super) fn ask(&mut self, command: &[&str], is_write: bool) -> Result<Asked, Failure> {
        let called_at = self.round.now();
        let answer = self.link.call(&[words(command)]);
        let at = self.round.now();
        self.did.operations += 1;
        let (fate, reply) = match answer {
            Answer::NotDone => (Fate::Aborted, Value::NilBulk),
            Answer::Unknown => (Fate::Unknown, Value::NilBulk),
            Answer::Done(replies) => match self.round.take(&replies) {
                Value::Error(text) if text.starts_with(b"UNKNOWN") => (Fate::Unknown, Value::NilBulk),
                Value::Error(text) if is_refusal(text) => {
                    thread::sleep(REFUSED_PAUSE);
                    (Fate::Aborted, Value::NilBulk)
                }
                reply @ Value::Error(text) if text.starts_with(b"NOSCRIPT") => (Fate::Aborted, reply.clone()),
                Value::Error(text) if text.starts_with(b"BUSYGROUP") => {
                    (Fate::Committed { at }, Value::NilBulk)
                }
                Value::Error(text) => {
                    return Err(Failure::server(format!("{command:?}: {}", String::from_utf8_lossy(text))));
                }
                reply => (Fate::Committed { at }, reply.clone()),
            },
        };
        match fate {
            Fate::Committed { at } => {
                self.did.answers.push(at);
                self.did.writes.extend(is_write.then_some(at));
            }
            Fate::Unknown => self.did.unknown += 1,
            Fate::Aborted => {}
        }
        Ok(Asked { called_at, fate, reply })
    }

    /// Asks what only reads until it is answered.
    pub(super) fn insist(&mut self, deadline: Instant, command: &[&str]) -> Result<Value, Failure> {
        loop {
            let asked = self.ask(command, false)?;
            if matches!(asked.fate, Fate::Committed { .. }) {
                return Ok(asked.reply);
            }
            self.check(deadline)?;
        }
    }

    fn check(&self, deadline: Instant) -> Result<(), Failure> {
        match Instant::now() > deadline {
            true => Err(Failure::server("a node does not serve although all is healed")),
            false => {
                thread::sleep(PAUSE);
                Ok(())
            }
        }
    }

    fn queue(&mut self) -> Result<(), Failure> {
        let end = |end: &str| round_key(self.round, &format!("{QUEUE}:"), end);
        let (a, b) = (end("a"), end("b"));
        let (from, to) = if self.dice.below(3) == 0 { (&b, &a) } else { (&a, &b) };
        if self.dice.below(2) == 0 {
            let token = self.round.next();
            let command = self.dice.pick(&["LPUSH", "RPUSH"]);
            let Asked { called_at, fate, .. } = self.ask(&[command, from, &token.to_string()], true)?;
            let item = Item { token, score: None };
            self.did.items.puts.push(Put { place: QUEUE, item, called_at, fate });
            return Ok(());
        }
        let (command, is_move): (Vec<&str>, bool) = match self.dice.below(6) {
            0 => (vec!["LPOP", from], false),
            1 => (vec!["RPOP", from], false),
            2 => (vec!["LMOVE", from, to, "RIGHT", "LEFT"], true),
            3 => (vec!["BLMOVE", from, to, "LEFT", "RIGHT", WAIT], true),
            4 => (vec!["BLPOP", from, to, WAIT], false),
            _ => (vec!["BRPOP", to, from, WAIT], false),
        };
        let asked = self.ask(&command, true)?;
        let token = match &asked.reply {
            Value::Array(pair) => pair.last().map(number).transpose()?,
            Value::NilBulk | Value::NilArray => None,
            one => Some(number(one)?),
        };
        self.took(QUEUE, is_move, token.map(|token| Item { token, score: None }), &asked);
        Ok(())
    }

    fn took(&mut self, place: &'static str, is_move: bool, found: Option<Item>, asked: &Asked) {
        let Asked { called_at, fate, .. } = *asked;
        self.did.items.takes.push(Take { place, is_move, found, called_at, fate });
    }

    fn ranked(&mut self) -> Result<(), Failure> {
        let key = round_key(self.round, RANKED, "");
        if self.dice.below(2) == 0 {
            let (token, score) = (self.round.next(), self.dice.below(1000));
            let words = ["ZADD", &key, "NX", &score.to_string(), &token.to_string()];
            let Asked { called_at, fate, .. } = self.ask(&words, true)?;
            let item = Item { token, score: Some(score) };
            self.did.items.puts.push(Put { place: RANKED, item, called_at, fate });
            return Ok(());
        }
        let waits = self.dice.below(2) == 0;
        let asked = match waits {
            true => self.ask(&["BZPOPMIN", &key, WAIT], true)?,
            false => self.ask(&["ZPOPMIN", &key], true)?,
        };
        let found = match &asked.reply {
            Value::Array(words) if !words.is_empty() => {
                // The waiting one names the key first.
                let [.., member, score] = &words[..] else { return Err(odd(&asked.reply)) };
                Some(Item { token: number(member)?, score: Some(number(score)?) })
            }
            _ => None,
        };
        self.took(RANKED, false, found, &asked);
        Ok(())
    }

    fn count(&mut self) -> Result<(), Failure> {
        let number = self.dice.below(COUNTERS);
        match self.dice.below(6) {
            0 => self.look_at_counter(number, true).map(drop),
            1 => self.look_at_counter(number, false).map(drop),
            2 => self.increase(number, true),
            3 => self.increase(number, false),
            4 => self.set_field(number),
            _ => self.get_field(number),
        }
    }

    fn increase(&mut self, which: u64, of_hash: bool) -> Result<(), Failure> {
        let (key, name, added) =
            (counter_key(self.round, of_hash), format!("c{which}"), self.dice.between(1, 9));
        let words = match of_hash {
            true => ["HINCRBY", &key, &name, &added.to_string()],
            false => ["ZINCRBY", &key, &added.to_string(), &name],
        };
        let Asked { called_at, fate, reply } = self.ask(&words, true)?;
        let seen = number(&reply)?;
        self.did.counts.push(Count { counter: format!("{key}/{name}"), added, seen, called_at, fate });
        Ok(())
    }

    /// Whether it was answered.
    fn look_at_counter(&mut self, which: u64, of_hash: bool) -> Result<bool, Failure> {
        let (key, name) = (counter_key(self.round, of_hash), format!("c{which}"));
        let command = if of_hash { "HGET" } else { "ZSCORE" };
        let Asked { called_at, fate, reply } = self.ask(&[command, &key, &name], false)?;
        let seen = number(&reply)?;
        self.did.counts.push(Count { counter: format!("{key}/{name}"), added: 0, seen, called_at, fate });
        Ok(matches!(fate, Fate::Committed { .. }))
    }

    fn set_field(&mut self, which: u64) -> Result<(), Failure> {
        let (key, field, value) =
            (round_key(self.round, "fields", ""), format!("f{which}"), self.round.next());
        let asked = self.ask(&["HSET", &key, &field, &value.to_string()], true)?;
        self.field_event(format!("{key}/{field}"), Op::Set { value }, &asked);
        Ok(())
    }

    fn get_field(&mut self, which: u64) -> Result<(), Failure> {
        let (key, field) = (round_key(self.round, "fields", ""), format!("f{which}"));
        let asked = self.ask(&["HGET", &key, &field], false)?;
        let seen = match &asked.reply {
            Value::NilBulk => None,
            reply => Some(number(reply)?),
        };
        self.field_event(format!("{key}/{field}"), Op::Get { seen }, &asked);
        Ok(())
    }

    fn field_event(&mut self, key: String, op: Op, asked: &Asked) {
        let returned_at = match asked.fate {
            Fate::Committed { at } => Some(at),
            Fate::Unknown if matches!(op, Op::Set { .. }) => None,
            Fate::Unknown | Fate::Aborted => return,
        };
        self.did.events.push(Event { client: self.client, key, op, called_at: asked.called_at, returned_at });
    }

    /// Whether the consumer group is known to be there.
    fn join_group(&mut self) -> Result<bool, Failure> {
        if !self.has_group {
            let key = round_key(self.round, "stream", "");
            let asked = self.ask(&["XGROUP", "CREATE", &key, GROUP, "0", "MKSTREAM"], true)?;
            self.has_group = matches!(asked.fate, Fate::Committed { .. });
        }
        Ok(self.has_group)
    }

    fn stream(&mut self) -> Result<(), Failure> {
        let key = round_key(self.round, "stream", "");
        if !self.join_group()? {
            return Ok(());
        }
        if self.dice.below(2) == 0 {
            let token = self.round.next();
            let Asked { called_at, fate, reply } =
                self.ask(&["XADD", &key, "*", "token", &token.to_string()], true)?;
            let id = matches!(fate, Fate::Committed { .. }).then(|| id(&reply)).transpose()?;
            self.did.stream.added.push(Added { token, id, called_at, fate });
            return Ok(());
        }
        let consumer = format!("consumer-{}", self.client);
        let mut command = vec!["XREADGROUP", "GROUP", GROUP, &consumer, "COUNT", "3"];
        if self.dice.below(2) == 0 {
            command.extend(["BLOCK", WAIT_MS]);
        }
        command.extend(["STREAMS", &key, ">"]);
        let Asked { called_at, fate, reply } = self.ask(&command, true)?;
        let entries = entries_read(&reply)?;
        let ids: Vec<Id> = entries.iter().map(|(id, _)| *id).collect();
        self.did.stream.reads.push(Read { entries, called_at, fate });
        // One of three is left pending.
        if ids.is_empty() || self.dice.below(3) == 0 {
            return Ok(());
        }
        let texts: Vec<String> = ids.iter().map(|(time, sequence)| format!("{time}-{sequence}")).collect();
        let command: Vec<&str> =
            ["XACK", &key, GROUP].into_iter().chain(texts.iter().map(String::as_str)).collect();
        let Asked { fate, reply, .. } = self.ask(&command, true)?;
        self.did.stream.acked.push(Acked { ids, count: number(&reply)?, fate });
        Ok(())
    }

    fn live(&mut self) -> Result<(), Failure> {
        let born = &self.did.lives.born;
        let watched = born.len().min(LIVES_WATCHED);
        if watched < LIVES_WATCHED / 2 || self.dice.below(4) == 0 {
            let (key, life_ms) = (format!("life:{}", self.round.next()), self.dice.between(100, 3000));
            let Asked { called_at, fate, .. } =
                self.ask(&["SET", &key, "x", "PX", &life_ms.to_string()], true)?;
            self.did.lives.born.push(Born { key, life_ms, called_at, fate });
            return Ok(());
        }
        let one = born.len() - 1 - usize::try_from(self.dice.below(watched as u64)).unwrap_or(0);
        let (key, asks_time) = (born[one].key.clone(), self.dice.below(3) > 0);
        self.look_at_life(&key, asks_time).map(drop)
    }

    /// Whether it was answered.
    fn look_at_life(&mut self, key: &str, asks_time: bool) -> Result<bool, Failure> {
        let command = if asks_time { "PTTL" } else { "EXISTS" };
        let Asked { called_at, fate, reply } = self.ask(&[command, key], false)?;
        let Fate::Committed { at: answered_at } = fate else { return Ok(false) };
        let sight = match reply {
            Value::Integer(-2) if asks_time => Sight::Gone,
            Value::Integer(ms @ 0..) if asks_time => Sight::Left { ms: ms.unsigned_abs() },
            Value::Integer(0) => Sight::Gone,
            Value::Integer(1) => Sight::There,
            other => return Err(odd(&other)),
        };
        self.did.lives.looks.push(Look { key: key.to_owned(), sight, called_at, answered_at });
        Ok(true)
    }
}

fn round_key(round: &Round<'_>, name: &str, end: &str) -> String {
    format!("{name}:{}:{end}", round.number)
}

fn counter_key(round: &Round<'_>, of_hash: bool) -> String {
    round_key(round, if of_hash { "counts" } else { "scores" }, "")
}
