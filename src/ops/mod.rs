//! For operators: metrics, health and readiness over HTTP, and the log of the process.
//!
//! Invariant: nothing here shows keys, values, names of users or passwords.

mod bars;
mod http;
mod logging;
mod metrics;
mod repeats;

pub use bars::{bytes_bar, keys_bar};
pub use http::{Http, start};
pub use logging::init as init_logging;
