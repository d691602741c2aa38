//! The `flotilla` program: reads the configuration and runs a node.

use flotilla::{admin, backup, config, manual, node, ops, top, transfer};
use std::{
    env,
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<std::ffi::OsString> = env::args_os().collect();
    let programs = [admin::run, transfer::run, backup::run, top::run, manual::run];
    if let Some(code) = programs.into_iter().find_map(|program| program(&arguments)) {
        return code;
    }
    let parsed = match config::parse(arguments, |name| env::var(name).ok()) {
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
    let failed = with_few_heaps();
    ops::init_logging(&config.settings());
    if let Some(error) = failed {
        tracing::warn!(%error, "cannot bound the heaps of the C library; expect more memory, or set MALLOC_ARENA_MAX=2");
    }
    for (older, current) in &parsed.older_names {
        tracing::warn!(%older, %current, "this parameter was renamed; the older name still works, use the current one");
    }
    match node::run(config) {
        Ok(node) => {
            // Whichever thread had it last would close the store, perhaps while the process's globals are taken down, which RocksDB's
            // threads need.
            Box::leak(Box::new(node));
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(%error, remedy = "fix the cause and start the node again", "flotilla stops");
            eprintln!("flotilla: {error}");
            ExitCode::from(1)
        }
    }
}

/// RocksDB allocates from glibc, which gives threads heaps of their own, up to eight a core; what each keeps adds up to
/// hundreds of MiB that nothing uses. As many heaps as cores are enough. glibc reads its bound when a program starts, so the
/// program starts itself once more, as the same process. Returns only if it need not, or with the error if it cannot.
fn with_few_heaps() -> Option<std::io::Error> {
    const BOUND: &str = "MALLOC_ARENA_MAX";
    if env::var_os(BOUND).is_some() || env::var_os("GLIBC_TUNABLES").is_some() {
        return None;
    }
    let program = match env::current_exe() {
        Ok(program) => program,
        Err(error) => return Some(error),
    };
    let mut arguments = env::args_os();
    let name = arguments.next().unwrap_or_else(|| program.clone().into());
    let heaps = std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
    Some(Command::new(program).arg0(name).args(arguments).env(BOUND, heaps.to_string()).exec())
}
