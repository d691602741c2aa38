//! What the keys of one client must hold. No sockets: the checker itself is tested here.
//!
//! A client's keys are its own and it sends in order, so after its acknowledged writes each of them has exactly one
//! possible value. The writes that got no answer were done up to some point, in order, or not at all: the state that is
//! found must be that of the acknowledged writes and some number of the unanswered ones, for all keys at once.

use std::collections::BTreeMap;

use crate::value::Value;

pub type Key = Vec<u8>;
/// What a key holds; `None` = it is not there.
pub type Content = Option<Vec<u8>>;

/// One write: a command, or a whole transaction.
#[derive(Clone, Debug)]
pub struct Write {
    /// Commands as they are sent.
    pub calls: Vec<Vec<Vec<u8>>>,
    /// One for each of them.
    pub replies: Vec<Value>,
    /// What the write leaves in each key it touches.
    pub effects: Vec<(Key, Content)>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Model {
    acknowledged: BTreeMap<Key, Content>,
    unanswered: Vec<Write>,
}

impl Model {
    /// What a key holds once all writes so far are done.
    pub fn content(&self, key: &[u8]) -> Content {
        let of_write = |write: &Write| {
            write.effects.iter().rev().find(|effect| effect.0 == key).map(|effect| effect.1.clone())
        };
        self.unanswered
            .iter()
            .rev()
            .find_map(of_write)
            .or_else(|| self.acknowledged.get(key).cloned())
            .flatten()
    }

    /// Every key ever written.
    pub fn keys(&self) -> Vec<Key> {
        let unanswered = self.unanswered.iter().flat_map(|write| &write.effects).map(|effect| &effect.0);
        let mut keys: Vec<Key> = self.acknowledged.keys().chain(unanswered).cloned().collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// A write is about to be sent.
    pub fn sent(&mut self, write: Write) {
        self.unanswered.push(write);
    }

    /// The oldest write without an answer was answered.
    pub fn answered(&mut self) {
        for (key, content) in self.unanswered.remove(0).effects {
            self.acknowledged.insert(key, content);
        }
    }

    /// The youngest write was definitely not done.
    pub fn retract(&mut self) {
        self.unanswered.pop();
    }

    pub fn has_unanswered(&self) -> bool {
        !self.unanswered.is_empty()
    }

    /// Compares with what is found; if it can be explained, goes on from there. Otherwise says what cannot be.
    pub fn settle(&mut self, found: &BTreeMap<Key, Content>) -> Result<(), String> {
        let mut expected = self.acknowledged.clone();
        let mut first_difference = differences(&expected, found);
        let mut explained = first_difference.is_empty();
        for write in std::mem::take(&mut self.unanswered) {
            expected.extend(write.effects);
            // The latest explanation wins: a write that changed nothing (a DEL of nothing) may well have been done.
            let difference = differences(&expected, found);
            if difference.is_empty() {
                explained = true;
                self.acknowledged.clone_from(&expected);
            } else if difference.len() < first_difference.len() {
                first_difference = difference;
            }
        }
        if explained { Ok(()) } else { Err(first_difference.join("\n")) }
    }
}

fn differences(expected: &BTreeMap<Key, Content>, found: &BTreeMap<Key, Content>) -> Vec<String> {
    let show = |content: Option<&Vec<u8>>| match content {
        None => "nothing".to_owned(),
        Some(bytes) if bytes.len() > 80 => {
            format!(
                "{} bytes ending in '{}'",
                bytes.len(),
                String::from_utf8_lossy(&bytes[bytes.len() - 40..])
            )
        }
        Some(bytes) => format!("'{}'", String::from_utf8_lossy(bytes)),
    };
    let differing = found.iter().filter_map(|(key, content)| {
        let wanted = expected.get(key).and_then(Option::as_ref);
        (wanted != content.as_ref()).then(|| {
            let key = String::from_utf8_lossy(key);
            format!("{key}: expected {}, found {}", show(wanted), show(content.as_ref()))
        })
    });
    differing.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(effects: &[(&str, Option<&str>)]) -> Write {
        let effects = effects
            .iter()
            .map(|(key, content)| (key.as_bytes().to_vec(), content.map(|text| text.as_bytes().to_vec())))
            .collect();
        Write { calls: vec![], replies: vec![], effects }
    }

    fn found(contents: &[(&str, Option<&str>)]) -> BTreeMap<Key, Content> {
        write(contents).effects.into_iter().collect()
    }

    /// Three acknowledged writes (an APPEND, a pair in a transaction, a DEL), then two that got no answer.
    fn history() -> Model {
        let mut model = Model::default();
        for effects in [
            &[("log", Some("aa"))][..],
            &[("left", Some("1")), ("right", Some("1"))],
            &[("gone", None)],
            &[("log", Some("aabb"))],
            &[("left", Some("2")), ("right", Some("2"))],
        ] {
            model.sent(write(effects));
        }
        (0..3).for_each(|_| model.answered());
        model
    }

    #[test]
    fn every_prefix_of_the_unanswered_writes_is_accepted() {
        for (log, pair) in [("aa", "1"), ("aabb", "1"), ("aabb", "2")] {
            let mut model = history();
            let state =
                found(&[("log", Some(log)), ("left", Some(pair)), ("right", Some(pair)), ("gone", None)]);
            assert_eq!(model.settle(&state), Ok(()), "{log} {pair}");
            assert_eq!(model.content(b"log"), Some(log.as_bytes().to_vec()));
            assert_eq!(model.settle(&state), Ok(()));
        }
    }

    #[test]
    fn faults_are_found() {
        let pair = |left, right| [("left", Some(left)), ("right", Some(right)), ("gone", None)];
        type State = Vec<(&'static str, Option<&'static str>)>;
        let faults: [(&str, State); 6] = [
            ("an acknowledged write is lost", [&[("log", None)][..], &pair("1", "1")].concat()),
            ("a write is done twice", [&[("log", Some("aabbbb"))][..], &pair("1", "1")].concat()),
            ("an acknowledged write is done twice", [&[("log", Some("aaaa"))][..], &pair("1", "1")].concat()),
            ("half of a transaction", [&[("log", Some("aabb"))][..], &pair("2", "1")].concat()),
            ("a later write without an earlier one", [&[("log", Some("aa"))][..], &pair("2", "2")].concat()),
            (
                "a deleted key is back",
                vec![("log", Some("aa")), ("left", Some("1")), ("right", Some("1")), ("gone", Some("x"))],
            ),
        ];
        for (fault, state) in faults {
            assert!(history().settle(&found(&state)).is_err(), "not found: {fault}");
        }
    }
}
