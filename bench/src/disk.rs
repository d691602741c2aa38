//! The disk scenario: JSON documents at rest, compacted, beside redis-server's RDB file of the same; and reads that find nothing
//! in the store's caches.

use crate::{
    client::Client,
    fill::{Values, fill, json},
    load::{self, Plan},
    server::{Kind, Server},
    workload::Workload,
};
use resp_tests::dice::Dice;
use std::time::Duration;

/// How long a compaction may take.
const ANSWER_MAX: Duration = Duration::from_secs(600);

/// Loads `keys` documents, compacts or saves them, and reads them at random for `seconds`; a Markdown table.
pub fn run(servers: &mut [Server], keys: u64, seconds: f64) -> Result<String, String> {
    let mut dice = Dice::new(1);
    let raw: u64 = (0..keys).map(|n| json(n, &mut dice).len() as u64).sum();
    let mut out = String::from(
        "| server | documents | raw MiB | disk MiB | of raw | any GET req/s | p50 µs | p99 µs |\n|---|---|---|---|---|---|---|---|\n",
    );
    for server in servers {
        fill(server.address, 0..keys, Values::Json).map_err(|e| format!("{}: {e}", server.name))?;
        let words: &[&str] = match server.kind {
            Kind::Flotilla { .. } => &["DEBUG", "COMPACT"],
            Kind::Redis { .. } | Kind::Remote(_) => &["SAVE"],
        };
        let failed = |error: std::io::Error| format!("{}: {error}", server.name);
        let mut client = Client::connect(server.address, ANSWER_MAX).map_err(failed)?;
        client.call(words).map_err(failed)?;
        let disk = server.data_bytes();
        let plan = Plan::reads(Workload::GetAny, keys, Duration::from_secs_f64(seconds));
        let measured = load::run(server.address, &plan)?;
        let quantile = |q: f64| measured.latency.value_at_quantile(q) as f64 / 1000.0;
        let mib = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
        out.push_str(&format!(
            "| {} | {keys} | {:.0} | {:.0} | {:.2} | {:.0} | {:.0} | {:.0} |\n",
            server.name,
            mib(raw),
            mib(disk),
            disk as f64 / raw as f64,
            measured.requests as f64 / measured.seconds,
            quantile(0.5),
            quantile(0.99),
        ));
    }
    Ok(out)
}
