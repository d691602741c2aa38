//! A log that all clients append to: each token acknowledged is in it once, each unanswered one at most once, those of
//! one client in the order they were sent.

use std::collections::{BTreeMap, BTreeSet};

use crate::connection::Received;
use crate::server::Server;
use crate::value::Value;

use super::client::Client;

pub const LOG: &[u8] = b"shared:log";

/// One entry of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token {
    pub client: usize,
    pub number: u64,
}

impl Token {
    pub fn text(self) -> String {
        format!("{}.{};", self.client, self.number)
    }

    fn parse(text: &str) -> Option<Token> {
        let (client, number) = text.split_once('.')?;
        Some(Token { client: client.parse().ok()?, number: number.parse().ok()? })
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Shared {
    acknowledged: BTreeSet<Token>,
    unanswered: BTreeSet<Token>,
}

impl Shared {
    /// Hears what a client appended since the last look.
    pub fn take(&mut self, client: &mut Client) {
        for (token, answered) in client.tokens.drain(..) {
            if answered { &mut self.acknowledged } else { &mut self.unanswered }.insert(token);
        }
    }

    pub fn verify(&self, server: &Server) -> Vec<String> {
        let mut connection = server.connect().unwrap();
        let text = match connection.call(&[b"GET", LOG]).unwrap() {
            Received::Reply(Value::Bulk(bytes)) => String::from_utf8(bytes).unwrap(),
            Received::Reply(Value::NilBulk) => String::new(),
            other => panic!("GET answered {other:?}"),
        };
        self.complaints(&text)
    }

    fn complaints(&self, text: &str) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut seen = BTreeSet::new();
        let mut latest: BTreeMap<usize, u64> = BTreeMap::new();
        for part in text.split_terminator(';') {
            let Some(token) = Token::parse(part) else {
                complaints.push(format!("shared log: '{part}' was never appended"));
                continue;
            };
            if !self.acknowledged.contains(&token) && !self.unanswered.contains(&token) {
                complaints.push(format!("shared log: {token:?} was never appended"));
            }
            if !seen.insert(token) {
                complaints.push(format!("shared log: {token:?} is there twice"));
            }
            if latest.insert(token.client, token.number).is_some_and(|before| before > token.number) {
                complaints.push(format!("shared log: {token:?} comes after a later one of its client"));
            }
        }
        let lost = self.acknowledged.difference(&seen);
        complaints.extend(lost.map(|token| format!("shared log: acknowledged {token:?} is lost")));
        complaints
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_found() {
        let token = |client, number| Token { client, number };
        let shared = Shared {
            acknowledged: [token(1, 1), token(1, 2), token(2, 1)].into(),
            unanswered: [token(2, 2)].into(),
        };
        for good in ["1.1;2.1;1.2;", "1.1;1.2;2.1;2.2;"] {
            assert_eq!(shared.complaints(good), Vec::<String>::new());
        }
        for (bad, fault) in [
            ("1.1;1.2;", "lost"),
            ("1.1;1.2;2.1;2.1;", "twice"),
            ("1.1;1.2;2.1;2.2;2.2;", "twice"),
            ("1.2;1.1;2.1;", "after a later one"),
            ("1.1;1.2;2.1;3.1;", "never appended"),
            ("1.1;1.2;2.1;2.", "never appended"),
        ] {
            assert!(shared.complaints(bad).iter().any(|text| text.contains(fault)), "{bad}: {fault}");
        }
    }
}
