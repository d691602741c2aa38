//! The memory scenario: much data at rest, little in use, then a restart.

use crate::{
    fill::{Values, fill},
    load::{self, Plan},
    server::Server,
    workload::{HOT_KEYS, Workload, key},
};
use std::time::Duration;

/// Loads `keys` keys of 64 bytes, reads the hot ones for `seconds`, restarts; a Markdown table.
pub fn run(servers: &mut [Server], keys: u64, seconds: f64) -> Result<String, String> {
    let mut out = String::from(
        "| server | keys | RSS after load MiB | RSS after reading hot keys MiB | disk MiB | hot GET req/s | p99 µs | restart to PING s | to first GET s |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for server in servers {
        fill(server.address, 0..keys, Values::Text(64)).map_err(|e| format!("{}: {e}", server.name))?;
        let loaded = server.rss_mib().unwrap_or(0.0);
        let plan = Plan::reads(Workload::Get, keys.min(HOT_KEYS), Duration::from_secs_f64(seconds));
        let measured = load::run(server.address, &plan)?;
        let (rss, disk) = (server.rss_mib().unwrap_or(0.0), server.disk_mib());
        let rps = measured.requests as f64 / measured.seconds;
        let p99 = measured.latency.value_at_quantile(0.99) as f64 / 1000.0;
        let (ping, get) = server.restart(&key(keys / 2))?;
        out.push_str(&format!(
            "| {} | {keys} | {loaded:.0} | {rss:.0} | {disk:.0} | {rps:.0} | {p99:.0} | {ping:.2} | {get:.2} |\n",
            server.name
        ));
    }
    Ok(out)
}
