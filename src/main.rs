//! The `flotilla` program: reads the configuration and runs a node.

use flotilla::{admin, config, node, ops, transfer};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<std::ffi::OsString> = std::env::args_os().collect();
    if let Some(code) = admin::run(&arguments).or_else(|| transfer::run(&arguments)) {
        return code;
    }
    let parsed = match config::parse(arguments, |name| std::env::var(name).ok()) {
        Ok(parsed) => parsed,
        // Also --help and --version; clap knows where each goes and with which exit code.
        Err(error) => error.exit(),
    };
    let config = match config::Config::new(parsed.values) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("flotilla: {error}");
            return ExitCode::from(1);
        }
    };
    if parsed.check_only {
        for (name, value) in config.show() {
            println!("{name} = \"{value}\"");
        }
        return ExitCode::SUCCESS;
    }
    ops::init_logging(&config.settings());
    for (older, current) in &parsed.older_names {
        tracing::warn!(%older, %current, "this parameter was renamed; the older name still works, use the current one");
    }
    match node::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, remedy = "fix the cause and start the node again", "flotilla stops");
            eprintln!("flotilla: {error}");
            ExitCode::from(1)
        }
    }
}
