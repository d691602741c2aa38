//! Sockets: who is let in (`listener.rs`), the network threads that own connections (`thread.rs`), and one connection's
//! life: bytes in (`connection.rs`) and out (`output.rs`), the gates every call passes (`gates.rs`, `redirect.rs`) and what becomes of it (`dispatch.rs`), writes waiting for the log
//! (`pending.rs`), reads (`read.rs`, `pool.rs`), MULTI/EXEC (`exec.rs`), what Async commands ask for (`effects.rs`), calls that wait for keys (`park.rs`) and their clients (`ahead.rs`), and what is
//! different on an edge (`edge.rs`).
//!
//! ```text
//!   socket ─▶ decode ─▶ resolve ─▶ gates ─┬─ Local ─▶ handler ─────────────────────────▶ reply
//!                                        ├─ Read ──▶ view, inline; else blocking pool ─▶ reply
//!                                        └─ Write ─▶ pending proposal … end of chunk ─▶ log ─▶ replies
//! ```
//!
//! **Invariants.** Replies of a connection leave in the order of its requests. A connection's task never waits for the
//! disk. Nothing that a client sends allocates by its own word. A connection holds at most one chunk of input, one
//! proposal and the replies not yet written; while they wait it reads no more than `READ_AHEAD_BYTES_MAX`, so TCP pushes back.

mod ahead;
mod clock;
mod connection;
mod dispatch;
mod edge;
mod effects;
mod exec;
mod gates;
mod listener;
mod output;
mod park;
mod pending;
mod pool;
mod read;
mod redirect;
mod stop;
mod thread;

pub use listener::{Server, bind_all, bind_peers, bind_peers_for_edges};
pub use stop::{Stop, StopMode};
