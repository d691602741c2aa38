//! The comparison: every cell on every server, round after round in changing order, medians and paired ratios.

use crate::{
    fill::{Values, fill},
    load::{self, Plan},
    numbers::median,
    server::Server,
    workload::{Workload, value},
};
use std::time::Duration;

/// What the command line chose.
#[derive(Debug, Clone)]
pub struct Choice {
    pub workloads: Vec<Workload>,
    pub values: Vec<usize>,
    pub pipelines: Vec<usize>,
    pub rounds: usize,
    pub seconds: f64,
    pub keys: u64,
    pub clients: usize,
    pub rate: Option<f64>,
}

/// One measurement of one server.
#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    rps: f64,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    cpu_us: f64,
    rss_mib: f64,
}

/// Runs everything; the table as Markdown.
pub fn run(servers: &[Server], choice: &Choice) -> Result<String, String> {
    let mut table = header(servers);
    for &len in &choice.values {
        for server in servers {
            eprintln!("loading {} keys of {len} bytes into {}", choice.keys, server.name);
            fill(server.address, 0..choice.keys, Values::Text(len))
                .map_err(|e| format!("{}: {e}", server.name))?;
        }
        for &workload in &choice.workloads {
            if !workload.has_value() && choice.values.first() != Some(&len) {
                continue;
            }
            for &pipeline in &choice.pipelines {
                let samples = cell(servers, choice, workload, len, pipeline)?;
                let row = row(servers, workload, len, pipeline, &samples);
                eprint!("{row}");
                table.push_str(&row);
            }
        }
    }
    Ok(table)
}

fn cell(
    servers: &[Server],
    choice: &Choice,
    workload: Workload,
    len: usize,
    pipeline: usize,
) -> Result<Vec<Vec<Sample>>, String> {
    let mut samples: Vec<Vec<Sample>> = servers.iter().map(|_| Vec::new()).collect();
    for round in 0..choice.rounds {
        for offset in 0..servers.len() {
            let at = (round + offset) % servers.len();
            let (Some(server), Some(into)) = (servers.get(at), samples.get_mut(at)) else { continue };
            let plan = Plan {
                workload,
                value: value(len),
                keys: choice.keys,
                clients: choice.clients,
                pipeline,
                time: Duration::from_secs_f64(choice.seconds),
                rate: choice.rate,
                setup: workload.setup(),
                seed: round as u64 + 1,
                prepared: load::PREPARED,
            };
            into.push(measure(server, &plan)?);
        }
    }
    Ok(samples)
}

fn measure(server: &Server, plan: &Plan) -> Result<Sample, String> {
    let before = server.cpu_seconds();
    let measured = load::run(server.address, plan).map_err(|e| format!("{}: {e}", server.name))?;
    let after = server.cpu_seconds();
    if measured.errors > 0 {
        return Err(format!(
            "{}: {} error replies to {}",
            server.name,
            measured.errors,
            plan.workload.name()
        ));
    }
    let quantile = |q: f64| measured.latency.value_at_quantile(q) as f64 / 1000.0;
    let cpu = before.zip(after).map_or(0.0, |(before, after)| after - before);
    Ok(Sample {
        rps: measured.requests as f64 / measured.seconds,
        p50_us: quantile(0.5),
        p99_us: quantile(0.99),
        p999_us: quantile(0.999),
        cpu_us: cpu * 1e6 / (measured.requests as f64).max(1.0),
        rss_mib: server.rss_mib().unwrap_or(0.0),
    })
}

fn header(servers: &[Server]) -> String {
    let mut columns = vec!["workload".to_owned(), "value".to_owned(), "P".to_owned()];
    let first = servers.first().map_or("", |server| server.name.as_str());
    for server in servers {
        columns.push(format!("{} req/s", server.name));
    }
    for server in servers.iter().skip(1) {
        columns.push(format!("{first} / {}", server.name));
    }
    for server in servers {
        columns.push(format!("{} p50/p99/p99.9 µs", server.name));
    }
    columns.push("CPU µs/req".to_owned());
    columns.push("RSS MiB".to_owned());
    format!("| {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len()))
}

fn row(
    servers: &[Server],
    workload: Workload,
    len: usize,
    pipeline: usize,
    samples: &[Vec<Sample>],
) -> String {
    let middle = |of: &[Sample], read: fn(&Sample) -> f64| median(of.iter().map(read).collect());
    let value = if workload.has_value() { len.to_string() } else { "–".to_owned() };
    let mut columns = vec![workload.name().to_owned(), value, pipeline.to_string()];
    columns.extend(samples.iter().map(|of| format!("{:.0}", middle(of, |s| s.rps))));
    if let Some(first) = samples.first() {
        for other in samples.iter().skip(1) {
            let ratios = first.iter().zip(other).map(|(a, b)| a.rps / b.rps).collect();
            columns.push(format!("**{:.2}**", median(ratios)));
        }
    }
    for of in samples {
        let (p50, p99, p999) =
            (middle(of, |s| s.p50_us), middle(of, |s| s.p99_us), middle(of, |s| s.p999_us));
        columns.push(format!("{p50:.0}/{p99:.0}/{p999:.0}"));
    }
    let joined = |read: fn(&Sample) -> f64, digits: usize| {
        let each: Vec<String> = samples.iter().map(|of| format!("{:.*}", digits, middle(of, read))).collect();
        each.join(" / ")
    };
    columns.push(joined(|s| s.cpu_us, 2));
    columns.push(joined(|s| s.rss_mib, 0));
    debug_assert_eq!(servers.len(), samples.len());
    format!("| {} |\n", columns.join(" | "))
}
