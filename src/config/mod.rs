//! Configuration: one table (`table.rs`) that drives the command line, the environment, the file, CONFIG GET/SET, `--help`
//! and `src/docs/configuration.md`.
//!
//! Precedence: command line, then environment (`FLOTILLA_…`), then file (`--config`), then the table's default.
//! Invariant: a row checks a value before anything else sees it. `Settings` is the typed result; it is replaced as a whole,
//! so a reader never sees half of a change.

mod backup;
mod client_limits;
mod client_tls;
mod command_line;
mod data_limit;
mod docs;
mod edge;
mod live;
mod on_follower;
mod parameter;
mod password_file;
mod psync;
mod settings;
mod table;
mod table_core;
mod table_data;
mod table_edge;
mod table_kept;
mod table_observe;
mod table_only;
mod values;

pub use backup::BackupSettings;
pub use client_limits::{MemoryShare, OutputLimit, OutputLimits};
pub use client_tls::ClientTls;
pub use command_line::{Parsed, parse, program, subcommand};
pub use data_limit::{DataLimit, Eviction, EvictionOrder, Lfu};
pub use docs::markdown;
pub use edge::{EdgeSettings, EdgeWrites, FeedSettings};
pub use live::{Config, is_secret};
pub use on_follower::OnFollower;
pub use parameter::{Change, Kind, Parameter};
pub use psync::PsyncSettings;
pub use settings::{LogFormat, Settings};
pub use table::PARAMETERS;
pub use table_observe::{HttpShows, TraceSettings};
pub use values::Values;
