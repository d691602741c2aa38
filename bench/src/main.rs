//! `make bench`: Flotilla beside Debian's redis-server (and any other RESP server) on the same machine in the same run.
//!
//! Figures are only as good as the machine was quiet; that is why every cell is measured in interleaved rounds and the
//! result is a median of paired ratios. `README.md` says how to read the table.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod choice;
mod client;
mod cluster;
mod compare;
mod connection;
mod copy;
mod core;
mod disk;
mod edge;
mod fill;
mod grow;
mod load;
mod machine;
mod memory;
mod mixed;
mod node;
mod numbers;
mod reply;
mod server;
mod table;
mod ticker;
mod tracking;
mod workload;

use clap::{Parser, ValueEnum};
use compare::Choice;
use server::{FLOTILLA, Kind, REDIS, Server};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};
use workload::Workload;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Strings: every workload on every server.
    Compare,
    /// As `compare`, on collections.
    Types,
    /// As `compare`, on scripts: EVALSHA and EVALSHA_RO, beside redis-server that syncs each write and one that keeps nothing.
    Scripts,
    /// Much data at rest, little in use, then a restart.
    Memory,
    /// JSON documents at rest, compacted, beside redis-server's RDB file.
    Disk,
    /// SET while a thousand clients track a thousand keys each, beside SET while none is tracked.
    Tracking,
    /// Three nodes beside one: throughput, reads, gaps in writing, coming back from an empty disk.
    Core,
    /// Edges of a core: reads, throughput, propagation, cold start, many of them.
    Edge,
}

#[derive(Debug, Parser)]
#[command(about = "Compare Flotilla with redis-server (and any other RESP server) side by side")]
struct Arguments {
    /// Flotilla's binary; "none" = leave it out
    #[arg(long, default_value = "target/release/flotilla")]
    flotilla: String,
    /// Another build of Flotilla, to compare with ("make bench-compare" makes one of a revision)
    #[arg(long, value_name = "PROGRAM")]
    base: Option<PathBuf>,
    /// Another RESP server that runs already; may be given several times
    #[arg(long, value_name = "HOST:PORT")]
    against: Vec<SocketAddr>,
    /// Leave Debian's redis-server out
    #[arg(long)]
    no_redis: bool,
    #[arg(long, value_enum, default_value = "compare")]
    scenario: Scenario,
    /// Workloads, separated by commas; default: all
    #[arg(long, value_delimiter = ',', value_enum)]
    tests: Vec<Workload>,
    /// Sizes of values in bytes; default 64,1024 (scripts: 64)
    #[arg(long, value_delimiter = ',')]
    values: Vec<usize>,
    /// Requests that a client sends at once; default 1,16,64 (scripts, tracking: 1,16)
    #[arg(long, value_delimiter = ',')]
    pipelines: Vec<usize>,
    /// Rounds; default 5 (scenarios core and edge: 7)
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds per cell, server and round
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Keys loaded beforehand; default 1,000,000 (memory scenario: 10,000,000)
    #[arg(long)]
    keys: Option<u64>,
    #[arg(long, default_value_t = 50)]
    clients: usize,
    /// Open loop: offer this many requests per second instead of as many as are answered
    #[arg(long)]
    rate: Option<f64>,
    /// About two minutes: SET and GET, 64 bytes, 200,000 keys, two rounds
    #[arg(long)]
    quick: bool,
    /// Write bench/results/DATE-NAME.md
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "bench")]
    save: Option<String>,
    /// Scenarios core and edge: more arguments for the single node and the nodes of the core, separated by spaces
    #[arg(long, value_name = "ARGUMENTS", default_value = "", allow_hyphen_values = true)]
    node_args: String,
    #[command(flatten)]
    core: core::Options,
    #[command(flatten)]
    edge: edge::Options,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::from(1)
        }
    }
}

fn run(mut arguments: Arguments) -> Result<(), String> {
    if arguments.quick {
        arguments.tests = vec![Workload::Set, Workload::Get];
        arguments.values = vec![64];
        arguments.rounds = arguments.rounds.or(Some(2));
        arguments.keys = arguments.keys.or(Some(200_000));
    }
    if arguments.tests.is_empty() {
        arguments.tests = match arguments.scenario {
            Scenario::Types => Workload::COLLECTIONS.to_vec(),
            Scenario::Scripts => Workload::SCRIPTS.to_vec(),
            _ => Workload::ALL.to_vec(),
        };
    }
    let is_scripts = matches!(arguments.scenario, Scenario::Scripts);
    if arguments.values.is_empty() {
        arguments.values = if is_scripts { vec![64] } else { vec![64, 1024] };
    }
    if arguments.pipelines.is_empty() {
        let is_short = is_scripts || matches!(arguments.scenario, Scenario::Tracking);
        arguments.pipelines = if is_short { vec![1, 16] } else { vec![1, 16, 64] };
    }
    let base = PathBuf::from("target").join(format!("bench-data-{}", std::process::id()));
    let base = std::path::absolute(base).map_err(|e| e.to_string())?;
    let outcome = measure(&arguments, &base);
    let _ = std::fs::remove_dir_all(&base);
    let table = outcome?;
    println!("{table}");
    if let Some(name) = &arguments.save {
        let path = format!("bench/results/{}-{name}.md", machine::today());
        let command: Vec<String> = std::env::args().skip(1).collect();
        let text = format!(
            "# {name}, {}\n\n{}- command: `cargo run --release -p bench -- {}`\n\n{table}",
            machine::today(),
            machine::facts(),
            command.join(" ")
        );
        std::fs::create_dir_all("bench/results")
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|e| e.to_string())?;
        eprintln!("written to {path}");
    }
    Ok(())
}

fn measure(arguments: &Arguments, base: &Path) -> Result<String, String> {
    let (rounds, seconds) = (arguments.rounds, arguments.seconds);
    match arguments.scenario {
        Scenario::Core => core::run(&of_nodes(arguments), &arguments.core, base),
        Scenario::Edge => edge::run(&of_nodes(arguments), &arguments.edge, base),
        Scenario::Memory => {
            // Only what keeps its data over a restart that it can be given here; one redis-server is enough.
            let mut servers = start(arguments, base, |kind| match kind {
                Kind::Flotilla { .. } => true,
                Kind::Redis { name, .. } => *name == "redis everysec",
                Kind::Remote(_) => false,
            })?;
            memory::run(&mut servers, arguments.keys.unwrap_or(10_000_000), seconds.max(5.0))
        }
        Scenario::Disk => {
            let mut servers = start(arguments, base, |kind| match kind {
                Kind::Flotilla { .. } => true,
                Kind::Redis { name, .. } => *name == "redis none",
                Kind::Remote(_) => false,
            })?;
            disk::run(&mut servers, arguments.keys.unwrap_or(300_000), seconds)
        }
        Scenario::Tracking => {
            let servers = start(arguments, base, |kind| match kind {
                Kind::Flotilla { .. } | Kind::Remote(_) => true,
                Kind::Redis { name, .. } => *name != "redis everysec",
            })?;
            let choice = tracking::Choice {
                pipelines: arguments.pipelines.clone(),
                rounds: rounds.unwrap_or(5).max(1),
                seconds,
                clients: arguments.clients,
            };
            tracking::run(&servers, &choice)
        }
        Scenario::Compare | Scenario::Types | Scenario::Scripts => {
            let choice = Choice {
                workloads: arguments.tests.clone(),
                values: arguments.values.clone(),
                pipelines: arguments.pipelines.clone(),
                rounds: rounds.unwrap_or(5).max(1),
                seconds,
                keys: arguments.keys.unwrap_or(1_000_000),
                clients: arguments.clients,
                rate: arguments.rate,
            };
            let wanted: fn(&Kind) -> bool = match arguments.scenario {
                Scenario::Scripts => |kind| !matches!(kind, Kind::Redis { name: "redis everysec", .. }),
                _ => |_| true,
            };
            compare::run(&start(arguments, base, wanted)?, &choice)
        }
    }
}

fn of_nodes(arguments: &Arguments) -> choice::Choice {
    choice::Choice {
        program: PathBuf::from(&arguments.flotilla),
        node_args: arguments.node_args.split_whitespace().map(str::to_owned).collect(),
        rounds: arguments.rounds.unwrap_or(7).max(1),
        seconds: arguments.seconds,
        keys: arguments.keys.unwrap_or(1_000_000),
        clients: arguments.clients,
    }
}

/// The servers to compare, of those that the command line chose.
fn start(arguments: &Arguments, base: &Path, wanted: fn(&Kind) -> bool) -> Result<Vec<Server>, String> {
    let mut kinds = Vec::new();
    if arguments.flotilla != "none" {
        kinds.push(Kind::Flotilla {
            name: FLOTILLA,
            program: PathBuf::from(&arguments.flotilla),
            arguments: Vec::new(),
        });
    }
    if let Some(program) = &arguments.base {
        kinds.push(Kind::Flotilla { name: "base", program: program.clone(), arguments: Vec::new() });
    }
    kinds.extend(arguments.against.iter().copied().map(Kind::Remote));
    if !arguments.no_redis {
        kinds.extend(REDIS);
    }
    kinds.iter().filter(|kind| wanted(kind)).map(|kind| Server::start(kind, base)).collect()
}
