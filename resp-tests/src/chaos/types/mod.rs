//! Clients that use every type but strings, and what must hold for each.
//!
//! | type | keys of round N | commands | checked in |
//! |---|---|---|---|
//! | list | `queue:N:a`, `queue:N:b` | LPUSH RPUSH, LPOP RPOP LMOVE, BLPOP BRPOP BLMOVE | `items` |
//! | sorted set | `ranked:N` | ZADD NX, ZPOPMIN BZPOPMIN | `items` |
//! | hash, sorted set | `counts:N`, `scores:N` | HINCRBY ZINCRBY, HGET ZSCORE | `counters` |
//! | hash | `fields:N` | HSET, HGET: each field is a register | `register` |
//! | stream with a group | `stream:N` | XADD, XREADGROUP with and without BLOCK, XACK | `streams` |
//! | string that expires | `life:TOKEN` | SET PX, PTTL, EXISTS | `lives` |
//! | strings and a list, by script | `account:N:A`, `journal:N` | EVALSHA EVAL, EVAL_RO | `accounts` |
//!
//! They do little, so that the round's other clients keep the processor; in a long run it adds up. Each checker is shown
//! wrong histories in its unit tests.

pub mod accounts;
mod client;
pub mod counters;
pub mod items;
pub mod lives;
mod replies;
pub mod streams;
mod transfers;

pub use client::{Typed, finish, work};
pub use transfers::{audit_words, audited};
