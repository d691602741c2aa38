//! What clients write: one kind of write for each thing that could go wrong.

use crate::value::Value;

use super::model::{Content, Key, Model, Write};
use crate::dice::Dice;

/// An APPEND log this long is followed by a new one.
const LOG_BYTES_MAX: usize = 4000;
const UNIQUE_KEYS_MAX: u64 = 1500;
const LARGE_BYTES: usize = 6000;
const SECONDS_LEFT: &str = "1000000";

/// Chooses the writes of one client.
#[derive(Debug)]
pub struct Workload {
    pub prefix: String,
    pub dice: Dice,
    /// Whether FLUSHDB is among the writes.
    pub flushes: bool,
    /// Counts up with every write: makes values unique.
    pub serial: u64,
    pub log: u64,
}

impl Workload {
    /// The next write, which will be done after all that `model` knows of.
    pub fn next(&mut self, model: &Model) -> Write {
        self.serial += 1;
        let serial = self.serial.to_string();
        match self.dice.below(16) {
            0..=3 => self.increment(model),
            4..=6 => {
                // Each of many keys is written once in a long while.
                let key = self.key(&format!("unique:{}", self.serial % UNIQUE_KEYS_MAX));
                set(key, &serial, &[])
            }
            7..=9 => self.append(model),
            10 | 11 => self.transaction(model),
            12 => {
                let key = self.one_of("volatile", 20);
                set(key, &serial, &["EX", SECONDS_LEFT])
            }
            13 | 14 => {
                let key = self.one_of("volatile", 20);
                let existed = model.content(&key).is_some();
                one(&["DEL"], key, &[], Value::Integer(existed.into()), None)
            }
            _ if self.flushes && self.dice.below(8) == 0 => Write {
                calls: vec![vec![b"FLUSHDB".to_vec()]],
                replies: vec![Value::Simple(b"OK".to_vec())],
                effects: model.keys().into_iter().map(|key| (key, None)).collect(),
            },
            _ => {
                // Volume: segments roll, memtables are flushed.
                let key = self.one_of("large", 10);
                set(key, &serial.repeat(LARGE_BYTES / serial.len()), &[])
            }
        }
    }

    fn key(&self, name: &str) -> Key {
        format!("{}:{name}", self.prefix).into_bytes()
    }

    fn one_of(&mut self, name: &str, count: u64) -> Key {
        let number = self.dice.below(count);
        self.key(&format!("{name}:{number}"))
    }

    fn increment(&self, model: &Model) -> Write {
        let key = self.key("counter");
        let after = number(&model.content(&key)) + 1;
        let content = after.to_string().into_bytes();
        one(&["INCR"], key, &[], Value::Integer(after), Some(content))
    }

    fn append(&mut self, model: &Model) -> Write {
        let content = model.content(&self.key(&format!("log:{}", self.log))).unwrap_or_default();
        if content.len() > LOG_BYTES_MAX {
            self.log = (self.log + 1) % 10;
            let key = self.key(&format!("log:{}", self.log));
            return set(key, "", &[]);
        }
        let key = self.key(&format!("log:{}", self.log));
        let token = format!("{:08};", self.serial);
        let content = [content, token.clone().into_bytes()].concat();
        let length = i64::try_from(content.len()).unwrap();
        one(&["APPEND"], key, &[&token], Value::Integer(length), Some(content))
    }

    /// Two keys that are always equal.
    fn transaction(&self, model: &Model) -> Write {
        let (left, right) = (self.key("left"), self.key("right"));
        let after = number(&model.content(&left)) + 1;
        let content = after.to_string().into_bytes();
        let simple = |text: &str| Value::Simple(text.as_bytes().to_vec());
        Write {
            calls: vec![
                vec![b"MULTI".to_vec()],
                vec![b"INCR".to_vec(), left.clone()],
                vec![b"SET".to_vec(), right.clone(), content.clone()],
                vec![b"EXEC".to_vec()],
            ],
            replies: vec![
                simple("OK"),
                simple("QUEUED"),
                simple("QUEUED"),
                Value::Array(vec![Value::Integer(after), simple("OK")]),
            ],
            effects: vec![(left, Some(content.clone())), (right, Some(content))],
        }
    }
}

fn number(content: &Content) -> i64 {
    content.as_ref().map_or(0, |bytes| std::str::from_utf8(bytes).unwrap().parse().unwrap())
}

fn set(key: Key, content: &str, options: &[&str]) -> Write {
    let words = [&[content], options].concat();
    one(&["SET"], key, &words, Value::Simple(b"OK".to_vec()), Some(content.as_bytes().to_vec()))
}

/// A command on one key.
fn one(name: &[&str], key: Key, rest: &[&str], reply: Value, content: Content) -> Write {
    let bytes = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
    let call = [bytes(name), vec![key.clone()], bytes(rest)].concat();
    Write { calls: vec![call], replies: vec![reply], effects: vec![(key, content)] }
}
