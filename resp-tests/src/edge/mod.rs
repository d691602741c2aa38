//! Edge sites under test: starting them, what their sessions must see, what is compared afterwards.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

pub mod distance;
pub mod oracle;
pub mod support;
pub mod valve;
