//! Edge sites far away: real processes in network namespaces, a userspace switch between them that delays, loses and cuts.
//!
//! | variable | means | without it |
//! |---|---|---|
//! | `WAN_SECONDS` | how long each kind of weather lasts | 8 |
//! | `WAN_CUT_SECONDS` | how long the long cut is at least | 6 |
//! | `WAN_EDGES` | edges on one core node at once | 12 |
//! | `WAN_SEED` | what is drawn: delays, losses, cuts | 1 |
//!
//! Needs root, for the namespaces and their tun devices. `make wan` runs longer ones.
//!
//! What every test holds the sites to is in `resp_tests::edge::oracle`: sessions see a prefix of the core's history, never
//! less than before, never half of an EXEC; when all is quiet the states have the same checksum.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod copies;
mod crowd;
mod failures;
mod histories;
mod setup;
mod weather;
