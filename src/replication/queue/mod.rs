//! Where proposals wait for the log, and how their outcomes come back to the network threads.
//!
//! ```text
//!  network thread ── submit(proposal, ticket) ──▶ Queue ──▶ whoever takes: the batcher, or (on an edge) the way to the core
//!        ▲                                                     │
//!        └── Mailbox ◀── deliver: one wake per thread ◀── Outbox ◀── add(ticket, outcome)
//! ```
//!
//! A **proposal** is bytes: calls of one session, or an EXEC, or something that the node itself wants in the log. A
//! **ticket** says who waits for it: a mailbox and a number in it. Whoever takes a proposal from the queue owes its ticket
//! exactly one **outcome**:
//!
//! | outcome | the write | the client may |
//! |---|---|---|
//! | `Applied` | is durable on a majority and applied here | go on |
//! | `NotDone` | was not done and never will be | try again |
//! | `Unknown` | may have been done, or may yet be | look before it tries again |
//!
//! What was taken and has no outcome yet is **in flight** (`in_flight.rs`): few entries, and few batches that were forwarded.
//!
//! `Verdict` is the same of a whole entry, as consensus says it, before the replies are handed out one by one.
//!
//! Both directions cost a wake-up at most, and none while the other side is awake: a wake-up of another thread is a system
//! call, and at pipeline 1 it is the main cost of a write.
//!
//! **Invariants.**
//! * The queue is bounded in proposals and in bytes. What does not fit is refused before it is taken, so `Refused` always
//!   means that nothing was or will be done.
//! * A closed queue takes nothing; what was in it is answered.
//! * Outcomes of one mailbox arrive in the order in which they were added.

mod in_flight;
mod mailbox;
mod queue;
mod verdict;

pub use in_flight::{Forwarding, InFlight};
pub use mailbox::{Mailbox, Outbox, Outcome, Ticket};
pub use queue::{Queue, Refused};
pub use verdict::Verdict;
