//! The same random commands to the product and to redis-server 7.0: every reply and all that is stored must be equal.
//!
//! ```text
//! groups (tables of commands) ─▶ generator ─▶ steps ─▶ run: batches to both servers at once ─▶ verdict ─▶ report
//!      ▲ pools, part, catalogue                          │  probe: walks, waits, dumps        ▲ shape, chance, explained
//!                                                        └─▶ state: all that both store ──────┘ shrink: a short history
//! ```
//!
//! * [`groups`] say which commands there are, as data; [`part`] is how their arguments are drawn, from [`pools`].
//! * [`generator`]: a seed gives the same steps for ever; [`catalogue`] tells it which commands both servers have.
//! * [`run`] sends; what is not one reply to one command ([`probe`]) is sent by itself.
//! * [`verdict`] judges two replies: [`shape`] knows what has no order, `chance` what is drawn by lot, [`explained`] is
//!   the table of the differences that are meant, each with its reason.
//! * [`state`] compares whole data sets, [`shrink`] drops what is not needed to fail, [`report`] counts and prints.
//! * [`payload`]: what DUMP gives, spoilt, for the fuzzer of RESTORE.
//!
//! Nothing here may depend on a clock: what is drawn to expire does so in years or is gone at once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

pub mod catalogue;
mod chance;
pub mod explained;
pub mod generator;
pub mod groups;
pub mod line;
pub mod part;
pub mod payload;
pub mod pools;
pub mod probe;
pub mod random;
pub mod report;
pub mod run;
pub mod shape;
pub mod shrink;
pub mod state;
pub mod verdict;

/// The words of one command.
pub type Argv = Vec<Vec<u8>>;

/// A command from text.
pub fn words(words: &[&str]) -> Argv {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

/// The name of a command, in capitals.
pub fn name_of(argv: &[Vec<u8>]) -> Vec<u8> {
    argv.first().map(|name| name.to_ascii_uppercase()).unwrap_or_default()
}

/// A command as it can be read, and typed into redis-cli.
pub fn describe(argv: &[Vec<u8>]) -> String {
    let word = |word: &Vec<u8>| match word.len() {
        0..=200 => format!("\"{}\"", word.escape_ascii()),
        length => format!("\"{}\"…({length} bytes)", word[..24].escape_ascii()),
    };
    argv.iter().map(word).collect::<Vec<_>>().join(" ")
}
