//! The queue of proposals for the log, and the way of their outcomes back to the network threads.
//!
//! ```text
//!  network thread ── submit(proposal, ticket) ──▶ Queue ──▶ whoever takes: the batcher, or (on an edge) the way to the core
//!        ▲                                                     │
//!        └── Mailbox ◀── deliver: one wake per thread ◀── Outbox ◀── add(ticket, outcome)
//! ```
//!
//! A **proposal** is bytes: calls of one session, or an EXEC, or an internal request of the node. A **ticket** names its
//! waiter: a mailbox and a number in it. The taker of a proposal owes its ticket exactly one **outcome**:
//!
//! | outcome | the write | the client may |
//! |---|---|---|
//! | `Applied` | is durable on a majority and applied here | go on |
//! | `NotDone` | was not done and never will be | try again |
//! | `Unknown` | may have been done, or may yet be | look before it tries again |
//!
//! Proposals that were taken and have no outcome yet are **in flight** (`in_flight.rs`): few entries, and few forwarded
//! batches.
//!
//! `Outcome` (`outcome.rs`) is the one type for this on the whole way: consensus says it of an entry, the batcher of each
//! proposal, another node on the wire. Its reasons are values; only where the client is answered do they become a text.
//!
//! Both directions cost a wake-up at most, and none while the other side is awake: a wake-up of another thread is a system
//! call, and at pipeline 1 it is the main cost of a write.
//!
//! **Invariants.**
//! * The queue is bounded in proposals and in bytes. What does not fit is refused before it is taken: nothing of it was
//!   or will be done.
//! * A closed queue takes nothing; the proposals in it are answered.
//! * Outcomes of one mailbox arrive in the order in which they were added.

mod in_flight;
mod outcome;
mod queue;

pub use in_flight::{Forwarding, InFlight};
pub use outcome::{NotDone, Outcome, Unknown};
pub use queue::{Mailbox, Outbox, Queue, Ticket};
