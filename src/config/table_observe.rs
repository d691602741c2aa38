//! Parameters of what a node remembers of its calls and its stalls.

use super::{
    parameter::{Change, Kind, Parameter},
    table::row,
    values::Values,
};

const THRESHOLD: Kind = Kind::Number { min: -1, max: i64::MAX };
const LEN: Kind = Kind::Number { min: 0, max: i64::MAX };

/// Thresholds and lengths of the logs, in the order slow, large request, large reply.
const LOGS: [(&str, &str); 3] = [
    ("commandlog-execution-slower-than", "commandlog-slow-execution-max-len"),
    ("commandlog-request-larger-than", "commandlog-large-request-max-len"),
    ("commandlog-reply-larger-than", "commandlog-large-reply-max-len"),
];

pub(super) static PARAMETERS: &[Parameter] = &[
    row(
        LOGS[0].0,
        THRESHOLD,
        "10000",
        Change::Live,
        "Microseconds of execution from which on SLOWLOG and COMMANDLOG log a call as slow; 0 = every call, -1 = none.",
    )
    .also("slowlog-log-slower-than"),
    row(
        LOGS[0].1,
        LEN,
        "128",
        Change::Live,
        "Slow calls that are kept, at most, as long as they take no more than 8 MiB.",
    )
    .also("slowlog-max-len"),
    row(
        LOGS[1].0,
        THRESHOLD,
        "1048576",
        Change::Live,
        "Bytes of a request from which on COMMANDLOG logs it as large; 0 = every call, -1 = none.",
    ),
    row(
        LOGS[1].1,
        LEN,
        "128",
        Change::Live,
        "Large requests that are kept, at most, as long as they take no more than 8 MiB.",
    ),
    row(
        LOGS[2].0,
        THRESHOLD,
        "1048576",
        Change::Live,
        "Bytes of a reply from which on COMMANDLOG logs the call; 0 = every call, -1 = none.",
    ),
    row(
        LOGS[2].1,
        LEN,
        "128",
        Change::Live,
        "Calls with large replies that are kept, at most, as long as they take no more than 8 MiB.",
    ),
    row(
        "latency-monitor-threshold",
        LEN,
        "0",
        Change::Live,
        "Milliseconds from which on LATENCY records an event; 0 = it records none.",
    ),
    row(
        "status-page",
        Kind::Bool,
        "yes",
        Change::Start,
        "Whether `http-port` has the status page, `/status`. It shows names of keys and slow calls, so it asks for a user who may call INFO and \
         SLOWLOG, if the user default has a password.",
    ),
    row(
        "metrics-open",
        Kind::Bool,
        "yes",
        Change::Start,
        "Whether anybody may read `/metrics`; no = it asks for a user as the status page does.",
    ),
    row(
        "trace-endpoint",
        Kind::Text,
        "",
        Change::Start,
        "Address of an OpenTelemetry collector, as http://HOST:4318: sampled calls become traces there (OTLP over HTTP), without keys, arguments \
         or clients. Headers come from OTEL_EXPORTER_OTLP_HEADERS. Empty = none are traced.",
    ),
    row(
        "trace-sample",
        Kind::Number { min: 1, max: 1_000_000_000 },
        "1000",
        Change::Start,
        "With `trace-endpoint`: of so many calls of a network thread, one is traced.",
    ),
];

/// Threshold (negative = off) and length of each log.
pub(super) fn command_logs(values: &Values) -> Result<[(i64, usize); 3], String> {
    let [slow, request, reply] = LOGS;
    let log =
        |(threshold, len): (&str, &str)| Ok::<_, String>((values.number(threshold)?, values.number(len)?));
    Ok([log(slow)?, log(request)?, log(reply)?])
}

/// Which calls are traced, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceSettings {
    /// Address of the collector.
    pub collector: String,
    pub one_of: u64,
}

impl TraceSettings {
    /// `None`: none are.
    pub(super) fn new(values: &Values) -> Result<Option<Self>, String> {
        let collector = values.get("trace-endpoint").to_owned();
        if collector.is_empty() {
            return Ok(None);
        }
        let host = collector.strip_prefix("http://").and_then(|rest| rest.split('/').next());
        if host.is_none_or(|host| {
            host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control())
        }) {
            return Err("trace-endpoint: as http://HOST:PORT; for TLS, let a collector beside the node send on what it gets".into());
        }
        Ok(Some(TraceSettings { collector, one_of: values.number("trace-sample")? }))
    }
}

/// What the HTTP port shows, and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpShows {
    pub status_page: bool,
    /// To anybody.
    pub open_metrics: bool,
}

impl HttpShows {
    pub(super) fn new(values: &Values) -> Self {
        HttpShows {
            status_page: values.get("status-page") == "yes",
            open_metrics: values.get("metrics-open") == "yes",
        }
    }
}
