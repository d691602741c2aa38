//! Client-side caching: which client is told of the change of which key (CLIENT TRACKING).
//!
//! ```text
//! apply thread                 network thread
//! batch published ─ changes ─▶ Arrivals ─▶ TrackingTable ─▶ inbox of each client (Subscriber) ─▶ its socket
//!                  (filter)                     ▲
//!                            a read registers its keys, then takes the state that it reads from
//! ```
//!
//! Each network thread has the table of its own clients, so no lock is taken for a read. Apply hands a batch's changes to each
//! thread once, and only those that its table may have (`arrivals.rs` counts hashes of tracked keys); the thread looks for whom to
//! tell.
//!
//! **No cached value outlives its change.** A read registers its keys before it takes the published state, and apply publishes a
//! batch before it looks for registered keys. So a change that the state does not have finds the key registered, and its message
//! is queued behind the registration, that is, sent behind the reply. A change that the state has may be told as well: that costs
//! one more read. What is not known in time, is forgotten or comes in too great a number is told as "everything changed".
//!
//! **A client that reconnects** may go on with what it had (`recent.rs`): it is told what has changed since, or to drop all.
//!
//! Names of keys are not qualified by their database, as in Redis: a change in one tells of the same name in all.

mod arrivals;
mod keys;
mod prefixes;
mod recent;
mod revision;
mod session;
mod since;
mod state;
mod table;
mod tell;
#[cfg(test)]
mod tests;
mod tracking;

pub use arrivals::Arrivals;
pub use keys::Forgotten;
pub use prefixes::overlapping;
pub use recent::RecentChanges;
pub use revision::TrackingRevision;
pub use session::SessionTracking;
pub use since::tell_changed;
pub use state::{TrackingMode, TrackingOptions, TrackingState};
pub use table::TrackingTable;
pub use tracking::{Tracking, TrackingTotals};
