//! Sockets: who is let in (`listener.rs`, `unix_port.rs`), the network threads that own connections (`thread.rs`, `handshakes.rs`), and one connection's
//! life: bytes in (`connection.rs`) and out (`output.rs`), the gates every call passes (`gates.rs`, `redirect.rs`) and what becomes of it (`dispatch.rs`), writes
//! and their outcomes (`write.rs`, `entry_size.rs`), reads (`read.rs`, long ones in `long_reads.rs`), MULTI/EXEC (`exec.rs`), scripts (`scripts.rs`), calls that change users (`users.rs`), what Async commands ask for (`effects.rs`, MIGRATE in `migrate.rs`, PSYNC in `psync.rs`), calls that wait for keys (`park.rs`), and what is
//! different on an edge (`edge.rs`). `log_calls.rs` notes slow and large calls, `monitor.rs` shows calls to those who monitor.
//!
//! ```text
//!   socket ─▶ decode ─▶ resolve ─▶ gates ─┬─ Local ─▶ handler ─────────────────────────▶ reply
//!                                        ├─ Read ──▶ view, inline; else blocking pool ─▶ reply
//!                                        └─ Write ─▶ pending proposal … end of chunk ─▶ log ─▶ replies
//! ```
//!
//! **Invariants.** Replies of a connection leave in the order of its requests. A connection's task never waits for the
//! disk. No length announced by a client sizes an allocation. A connection holds at most one chunk of input, one proposal
//! and the replies not yet written; one that waits for a request holds no buffer (`buffers.rs`). While a call waits, it reads at most `READ_AHEAD_BYTES_MAX`, so TCP pushes back.

mod buffers;
mod clock;
mod connection;
mod dispatch;
mod edge;
mod effects;
mod entry_size;
mod exec;
mod exec_steps;
mod gates;
mod handshakes;
mod listener;
mod log_calls;
mod long_reads;
mod migrate;
mod monitor;
mod output;
mod park;
mod permission;
mod psync;
mod read;
mod redirect;
mod scripts;
mod socket;
mod stop;
mod thread;
mod tracking;
mod unix_port;
mod users;
mod write;

pub use listener::{ClientPort, Server, bind_all, bind_peers, bind_peers_for_edges};
pub use stop::{Stop, StopMode};
pub use unix_port::UnixPort;
