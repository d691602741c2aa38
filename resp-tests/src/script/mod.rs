//! The corpus format: commands, `---`, and the replies they must have.
//!
//! ```text
//! # INCR adds one and answers the sum.        first line: what the script proves, as a sentence
//! # covers: incr                              optional: more commands than the file name says
//!
//! INCR n                                      a block: commands, one a line, quoted as in redis-cli ...
//! @b GET n                                    ... on another connection, made at first use ...
//! @resp3 GET absent                           ... which speaks RESP3 when its name starts with `resp3`
//! ---
//! :1                                          replies in the order of the commands, exact and typed
//! "1"
//! (null)
//! ```
//!
//! A blank line ends a block. What stands under `---` is recorded from redis-server and not edited by hand
//! (except where a block is marked as Flotilla's own); everything a person decides stands above it:
//!
//! | line before a command | meaning |
//! |---|---|
//! | `!match PATTERN` | the reply, written on one line, has this form (`<any> <int> <float> <hex>`); repeatable |
//! | `!until PATTERN` | repeat the command until the reply has this form, up to a deadline |
//! | `!unordered` | elements may come in any order, at every depth |
//! | `!save NAME` | keep the reply as `${NAME}` for later commands |
//! | `!send-only` | do not wait for a reply: there is none, or `!receive` takes it later |
//! | `!redis-differs: REASON` | redis-server 7.0 answers otherwise; needs a `!match` that says what is right |
//! | `!reference-only: REASON` | the mirror image: recorded from redis-server, not demanded of the product |
//!
//! | line of its own | meaning |
//! |---|---|
//! | `!receive [NAME]` | the next reply of the connection |
//! | `!close NAME` | close the connection |
//! | `!sleep 20ms` | let time pass (only where time itself is the subject) |
//! | `!flotilla-only: REASON` | in a block: redis-server 7.0 has no such command; before the first block: the whole script |
//! | `!server-args ARGS` | before the first block: a server of its own, started with these arguments |
//!
//! Sets and maps of RESP3 have no order: they are recorded sorted. In arguments `${repeat:x:1000}` is a thousand `x`, `${now_s+5}` and `${now_ms-5}` are the test's clock.
//!
//! Nothing here touches a socket or a file.

mod notation;
mod parse;
mod pattern;
mod words;

pub use notation::{one_line, render};
pub use parse::{Action, Block, Paragraph, Script, Step, parse};
pub use pattern::matches;
pub use words::{Variables, split_words, substitute};
