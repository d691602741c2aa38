//! For operators: metrics, health, readiness and the status page over HTTP; what a node says of itself, and what is wrong with it
//! (`report`, `doctor`); and the log of the process.
//!
//! Invariant: nothing here shows values, names of users or passwords. Names of keys, and words of slow calls, are shown to those who
//! may see them by commands as well.

mod bars;
mod certificates;
pub mod doctor;
mod http;
mod logging;
mod metrics;
mod page;
mod repeats;
mod report;

pub use bars::{bytes_bar, keys_bar};
pub use http::{Http, start};
pub use indicatif::ProgressBar;
pub use logging::init as init_logging;
