//! Metrics of the process, and of the scripts that run in it.

use super::{Row, counter, gauge};
use crate::commands::scripting::{self, Counts};

pub(super) static ROWS: &[Row] = &[
    gauge("flotilla_scripts", "Scripts kept for EVALSHA", |s| {
        s.kept.scripts.scripts.saturating_add(s.kept.scripts.loaded) as f64
    }),
    gauge("flotilla_scripts_bytes", "Bytes of those scripts", |s| {
        s.kept.scripts.bytes.saturating_add(s.kept.scripts.loaded_bytes) as f64
    }),
    counter("flotilla_scripts_evicted", "Scripts of EVAL that made room for later ones", |s| {
        s.kept.scripts.evicted as f64
    }),
    gauge("flotilla_functions", "Functions of all libraries", |s| s.kept.libraries.functions as f64),
    gauge("flotilla_function_libraries", "Libraries of functions", |s| s.kept.libraries.libraries as f64),
    gauge("flotilla_function_libraries_bytes", "Bytes of those libraries", |s| s.kept.libraries.bytes as f64),
    counter(
        "flotilla_script_runs",
        "Runs of scripts and functions on this node: where the log is applied, for reads, and to try them out",
        |_| Counts::now().runs as f64,
    ),
    counter("flotilla_script_seconds", "Time that those runs took, with the commands they called", |_| {
        Counts::now().micros as f64 / 1e6
    }),
    counter("flotilla_script_instructions", "Instructions of those runs that came to their end", |_| {
        Counts::now().instructions as f64
    }),
    counter("flotilla_scripts_limited", "Runs that a limit ended: instructions, memory or reply", |_| {
        Counts::now().limited as f64
    }),
    gauge("flotilla_long_scripts", "Scripts and functions that have been running for milliseconds", |_| {
        scripting::long_runs().0 as f64
    }),
    gauge("flotilla_longest_script_seconds", "How long the longest of them has been running", |_| {
        scripting::long_runs().1 as f64 / 1000.0
    }),
    gauge("flotilla_uptime_seconds", "Seconds since start", |s| s.node.uptime_seconds() as f64),
    gauge("flotilla_ready", "1 if the node is ready to serve clients, as /readyz reports", |s| {
        f64::from(u8::from(s.node.unready().is_none()))
    }),
    gauge("flotilla_feature_level", "The active feature level, which says what log entries may mean", |s| {
        f64::from(s.node.group.state.feature_level())
    }),
    gauge("process_resident_memory_bytes", "Resident memory in bytes", |s| s.process.rss_bytes as f64),
    counter("process_cpu_seconds", "User and system CPU time in seconds", |s| {
        s.process.user_seconds + s.process.system_seconds
    }),
    gauge("process_open_fds", "Open file descriptors", |s| s.process.open_fds as f64),
    gauge(
        "flotilla_memory_limit_bytes",
        "Memory that this process may use: the machine's, or its control group's",
        |s| s.memory_limit as f64,
    ),
];
