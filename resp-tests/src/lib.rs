//! Black-box tests of a Redis-protocol server.
//!
//! ```text
//! scripts/<group>/<command>.test ─▶ script (parse) ─▶ run ─▶ connection ─▶ a server process
//!                                       ▲               │
//!                                       └── compare ◀───┘ replies in the exact notation of `script::notation`
//! ```
//!
//! * [`value`]: one reply as the protocol distinguishes it, and its decoder; no sockets.
//! * [`script`]: the text format of the corpus; no sockets, so a product can run the same corpus in-process.
//! * [`corpus`]: where the scripts lie and which commands they cover.
//! * [`process`], [`server`], [`ports`], [`connection`], [`run`]: a server process, its ports, a client of it, a script against both.
//! * [`small_disk`]: a disk of its own for a server, which can be full; [`recorded_disk`]: one whose power can be cut.
//! * [`support`], [`dice`]: what most tests say and draw; [`installed`]: client libraries for them.
//! * [`memory`]: how much of it a server has, and may have.
//! * [`recorder`]: clients that write, and check what must have come of it.
//! * [`redis`]: a redis-server or valkey-server that data move from or to.
//! * [`cluster`]: several servers that are one; [`damage`]: what a bad disk does to their files.
//! * [`edge`]: sites that follow a core; [`wan`]: networks between them that are slow, lossy and cut.
//! * [`differential`]: random commands to two servers, which must answer alike.
//! * [`harness`]: the whole corpus as named tests; [`demo`]: a core and sites to look at.
//!
//! Never imports the product: what is tested here is what any client can see.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

pub mod certificates;
pub mod chaos;
pub mod clock;
pub mod cluster;
mod command;
pub mod connection;
pub mod corpus;
pub mod damage;
pub mod demo;
pub mod dice;
pub mod differential;
pub mod door;
pub mod edge;
pub mod harness;
pub mod installed;
pub mod memory;
mod namespace;
pub mod ports;
pub mod process;
pub mod processor;
mod program;
pub mod recorded_disk;
pub mod recorder;
pub mod redis;
pub mod run;
pub mod script;
pub mod server;
pub mod small_disk;
pub mod support;
pub mod value;
pub mod wan;
