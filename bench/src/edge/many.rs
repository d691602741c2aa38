//! What edges cost the core: CPU when nothing happens, throughput when it writes as fast as it can.

use super::{Options, followers::Followers};
use crate::{
    choice::Choice,
    cluster::Cluster,
    fill::{Values, fill},
    load::{PREPARED, Plan, per_second},
    numbers::{median, ratios, spread},
    table::Table,
    workload::{Workload, value},
};
use resp_tests::process::cpu_seconds;
use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// Each edge has a copy.
const KEYS_MAX: u64 = 100_000;
const VALUE_BYTES: usize = 64;
const PIPELINE: usize = 16;

/// Idle edges first; some of them are then the busy ones.
pub fn run(choice: &Choice, options: &Options, base: &Path, table: &mut Table) -> Result<(), String> {
    let mut cluster = Cluster::start(&choice.program, base, 1, &choice.node_args)?;
    let outcome = measure(&mut cluster, choice, options, base, table);
    cluster.explain(outcome)
}

fn measure(
    cluster: &mut Cluster,
    choice: &Choice,
    options: &Options,
    base: &Path,
    table: &mut Table,
) -> Result<(), String> {
    let keys = choice.keys.min(KEYS_MAX);
    fill(cluster.node(0)?.address, 0..keys, Values::Text(VALUE_BYTES))?;
    let time = Duration::from_secs(options.idle_seconds.max(1));
    cluster.settle()?;
    let alone = idle(cluster, None, time)?;
    let count = options.idle_edges.max(options.busy_edges);
    eprintln!("starting {count} edges");
    let mut edges = Followers::start(cluster, count, choice, options, base)?;
    if options.idle_edges > 0 {
        cluster.settle()?;
        let fed = idle(cluster, Some(&edges), time)?;
        report_idle(count, time, &alone, &fed, table);
    }
    if options.busy_edges > 0 {
        edges.keep(options.busy_edges);
        busy(cluster, &mut edges, choice, keys, options.busy_edges, table)?;
    }
    Ok(())
}

/// Cores used: CPU seconds per second.
#[derive(Debug, Clone, Copy, Default)]
struct Cores {
    core: f64,
    edges: f64,
    /// This process.
    generator: f64,
}

/// CPU seconds used so far.
fn used(cluster: &mut Cluster, edges: Option<&Followers>) -> Result<Cores, String> {
    Ok(Cores {
        core: cluster.node(0)?.cpu_seconds().ok_or("the core's CPU time is not to be had")?,
        edges: edges.map_or(0.0, Followers::cpu_seconds),
        generator: cpu_seconds(std::process::id()).unwrap_or(0.0),
    })
}

impl Cores {
    fn since(self, before: Cores, seconds: f64) -> Cores {
        let per_second = |now: f64, before: f64| (now - before) / seconds.max(f64::MIN_POSITIVE);
        Cores {
            core: per_second(self.core, before.core),
            edges: per_second(self.edges, before.edges),
            generator: per_second(self.generator, before.generator),
        }
    }
}

fn idle(cluster: &mut Cluster, edges: Option<&Followers>, time: Duration) -> Result<Cores, String> {
    let (before, start) = (used(cluster, edges)?, Instant::now());
    thread::sleep(time);
    Ok(used(cluster, edges)?.since(before, start.elapsed().as_secs_f64()))
}

fn report_idle(count: usize, time: Duration, alone: &Cores, fed: &Cores, table: &mut Table) {
    let percent = |cores: f64| cores * 100.0;
    table.row(
        "many",
        &format!("CPU of the core's node with {count} edges, nobody writes, % of one CPU core"),
        &format!("**{:.2}**", percent(fed.core)),
        &format!("without edges {:.2}", percent(alone.core)),
        "",
        &format!(
            "{} s each, user and system; the edges took {:.2} each",
            time.as_secs(),
            percent(fed.edges) / (count as f64).max(1.0)
        ),
    );
}

/// What competes with the core for CPU in a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rivals {
    Nobody,
    /// Edges that get as much of a CPU core as the core.
    Equal,
    /// Edges that run when nobody else wants to, as if they were almost on other machines.
    Lowest,
}

const RIVALS: [Rivals; 3] = [Rivals::Nobody, Rivals::Equal, Rivals::Lowest];

impl Rivals {
    fn niceness(self) -> Option<u8> {
        match self {
            Rivals::Nobody => None,
            Rivals::Equal => Some(0),
            Rivals::Lowest => Some(19),
        }
    }
}

/// One round with or without edges.
#[derive(Debug, Clone, Copy)]
struct Cell {
    writes_per_second: f64,
    cores: Cores,
    /// At the end of the load, and until nothing was missing any more.
    lag_ms: u64,
    late_seconds: f64,
}

impl Cell {
    /// Microseconds of CPU that the core took for a write.
    fn cpu_us(&self) -> f64 {
        self.cores.core * 1e6 / self.writes_per_second.max(1.0)
    }
}

fn busy(
    cluster: &mut Cluster,
    edges: &mut Followers,
    choice: &Choice,
    keys: u64,
    count: usize,
    table: &mut Table,
) -> Result<(), String> {
    let mut cells: [Vec<Cell>; RIVALS.len()] = Default::default();
    for round in 0..choice.rounds {
        let plan = Plan {
            workload: Workload::Set,
            value: value(VALUE_BYTES),
            keys,
            clients: choice.clients,
            pipeline: PIPELINE,
            time: Duration::from_secs_f64(choice.seconds),
            rate: None,
            setup: Vec::new(),
            seed: round as u64 + 1,
            prepared: PREPARED,
        };
        for step in 0..RIVALS.len() {
            let at = (round + step) % RIVALS.len();
            let (Some(rivals), Some(into)) = (RIVALS.get(at), cells.get_mut(at)) else { continue };
            edges.kill();
            let cell = match rivals.niceness() {
                None => cell(cluster, None, &plan)?,
                Some(niceness) => {
                    edges.launch(cluster, niceness)?;
                    cell(cluster, Some(edges), &plan)?
                }
            };
            eprintln!("{count} edges, round {}/{}, {rivals:?}: {cell:?}", round + 1, choice.rounds);
            into.push(cell);
        }
    }
    let [without, equal, lowest] = cells;
    report_busy(&format!("{count} edges following"), choice, &equal, &without, table);
    report_busy(&format!("{count} edges following at the lowest priority"), choice, &lowest, &without, table);
    Ok(())
}

fn cell(cluster: &mut Cluster, mut edges: Option<&mut Followers>, plan: &Plan) -> Result<Cell, String> {
    cluster.settle()?;
    let (before, start) = (used(cluster, edges.as_deref())?, Instant::now());
    let writes_per_second = per_second(cluster.node(0)?.address, plan)?;
    let cores = used(cluster, edges.as_deref())?.since(before, start.elapsed().as_secs_f64());
    let (lag_ms, end) = (edges.as_deref().map_or(0, Followers::lag_ms), Instant::now());
    if let Some(edges) = edges.as_mut() {
        edges.caught_up(cluster)?;
    }
    Ok(Cell { writes_per_second, cores, lag_ms, late_seconds: end.elapsed().as_secs_f64() })
}

fn report_busy(what: &str, choice: &Choice, with: &[Cell], without: &[Cell], table: &mut Table) {
    let column = |of: &[Cell], read: fn(&Cell) -> f64| of.iter().map(read).collect::<Vec<_>>();
    let writes = |of: &[Cell]| column(of, |cell| cell.writes_per_second);
    let middle = |of: &[Cell], read: fn(&Cell) -> f64| median(column(of, read));
    let ratio = ratios(&writes(with), &writes(without));
    let available = thread::available_parallelism().map_or(0, std::num::NonZero::get);
    table.row(
        "many",
        &format!(
            "SET {VALUE_BYTES} B at the core with {what}, {} clients, P={PIPELINE}, req/s",
            choice.clients
        ),
        &format!("{:.0}", median(writes(with))),
        &format!("without edges {:.0}", median(writes(without))),
        &format!("**{:.2}**", median(ratio.clone())),
        &format!(
            "{} rounds, ratio {}; CPU of the core per SET {:.2} µs, without edges {:.2}, ratio {}; CPU cores used, of {available}: core {:.2}, all edges {:.2}, generator {:.2}, without edges core {:.2}, generator {:.2}; at the end the last edge was {:.0} ms behind and had everything {:.2} s later",
            with.len(),
            spread(ratio),
            middle(with, Cell::cpu_us),
            middle(without, Cell::cpu_us),
            spread(ratios(&column(with, Cell::cpu_us), &column(without, Cell::cpu_us))),
            middle(with, |cell| cell.cores.core),
            middle(with, |cell| cell.cores.edges),
            middle(with, |cell| cell.cores.generator),
            middle(without, |cell| cell.cores.core),
            middle(without, |cell| cell.cores.generator),
            middle(with, |cell| cell.lag_ms as f64),
            middle(with, |cell| cell.late_seconds),
        ),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_cpu_seconds_per_second() {
        let before = Cores { core: 1.0, edges: 2.0, generator: 0.0 };
        let after = Cores { core: 2.0, edges: 6.0, generator: 1.0 };
        let cores = after.since(before, 2.0);
        assert!((cores.core - 0.5).abs() < 1e-9);
        assert!((cores.edges - 2.0).abs() < 1e-9);
        assert!((cores.generator - 0.5).abs() < 1e-9);
        let cell = Cell { writes_per_second: 100_000.0, cores, lag_ms: 0, late_seconds: 0.0 };
        assert!((cell.cpu_us() - 5.0).abs() < 1e-9);
    }
}
