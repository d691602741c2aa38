//! The log of the process, on standard error: text for people or JSON lines for machines.

use crate::config::{LogFormat, Settings};
use tracing_subscriber::{EnvFilter, fmt};

/// Starts logging. A second call (tests) changes nothing.
pub fn init(settings: &Settings) {
    let level = &settings.log_level;
    // openraft tells of every call that failed, several times a second and node; that a node does not answer is told once
    // by `log::cluster`. Who looks into openraft asks for debug.
    let libraries = if ["debug", "trace"].contains(&level.as_str()) { "warn" } else { "error" };
    let filter = EnvFilter::try_new(format!("{level},openraft={libraries},h2={libraries}"))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = fmt().with_env_filter(filter).with_writer(|| super::bars::BesideBars).with_target(true);
    let started = match settings.log_format {
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}
