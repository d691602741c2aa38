//! Traces: one call of many becomes a span that is sent to an OpenTelemetry collector (OTLP over HTTP).
//!
//! A span has the command's name, the database, whether it failed, and this node; never a key, an argument or a client. A write has a
//! child, `commit`: its way through the log, which it shares with the calls that were proposed together with it.
//!
//! **Invariants.** A call never waits for the collector: finished spans go into a queue of the library, bounded in number, which drops what
//! does not fit; a thread of its own sends them. Calls that are not sampled cost one addition.

use crate::tls;
use opentelemetry::{
    Context, KeyValue,
    trace::{Span, SpanKind, Status, TraceContextExt, Tracer, TracerProvider},
};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Sampler, SdkTracer, SdkTracerProvider, SpanData, SpanExporter as Export},
};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime},
};

/// Where collectors expect traces, below their address.
const PATH: &str = "v1/traces";
/// Longest wait for a collector's answer.
const SEND_MAX: Duration = Duration::from_secs(5);
/// Longest wait for the last spans when the node stops.
const END_MAX: Duration = Duration::from_secs(1);

/// A call that has ended.
#[derive(Debug, Clone, Copy)]
pub struct TracedCall<'a> {
    pub name: &'a str,
    pub db: u32,
    pub took: Duration,
    pub failed: bool,
    /// Of a write.
    pub commit: Option<Commit>,
}

/// The way through the log of calls that were proposed together, until all of them were applied.
#[derive(Debug, Clone, Copy)]
pub struct Commit {
    pub calls: usize,
    pub took: Duration,
}

impl Commit {
    /// The share of each call.
    pub fn share(&self) -> Duration {
        self.took / u32::try_from(self.calls).unwrap_or(u32::MAX).max(1)
    }
}

/// See the module.
#[derive(Debug)]
pub struct Traces {
    tracer: SdkTracer,
    provider: SdkTracerProvider,
    one_of: u64,
}

impl Traces {
    /// Traces one of so many calls, and sends them to the collector at this address.
    pub fn start(collector: &str, one_of: u64, node: &str, cluster: &str) -> Result<Self, String> {
        tls::use_ring();
        let endpoint = format!("{}/{PATH}", collector.trim_end_matches('/'));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint)
            .with_timeout(SEND_MAX)
            .build()
            .map_err(|error| error.to_string())?;
        let resource = Resource::builder()
            .with_service_name("flotilla")
            .with_attributes([
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("service.instance.id", node.to_owned()),
                KeyValue::new("flotilla.cluster", cluster.to_owned()),
            ])
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(Telling { exporter, is_failing: AtomicBool::new(false) })
            // Which calls are traced was decided before.
            .with_sampler(Sampler::AlwaysOn)
            .with_resource(resource)
            .build();
        Ok(Traces { tracer: provider.tracer("flotilla"), provider, one_of: one_of.max(1) })
    }

    /// Whether the call of this number is traced.
    #[inline]
    pub fn is_sampled(&self, number: u64) -> bool {
        number.is_multiple_of(self.one_of)
    }

    /// Traces a call that has ended just now.
    pub fn call(&self, call: TracedCall<'_>) {
        let ended = SystemTime::now();
        let before = |took: Duration| ended.checked_sub(took).unwrap_or(ended);
        let took = call.commit.map_or(call.took, |commit| commit.took);
        let name = call.name.to_ascii_uppercase();
        let mut span = self
            .tracer
            .span_builder(name.clone())
            .with_kind(SpanKind::Server)
            .with_start_time(before(took))
            .with_attributes([
                KeyValue::new("db.system.name", "flotilla"),
                KeyValue::new("db.operation.name", name),
                KeyValue::new("db.namespace", i64::from(call.db)),
            ])
            .start_with_context(&self.tracer, &Context::new());
        if call.failed {
            span.set_status(Status::error("an error reply"));
        }
        let Some(commit) = call.commit else { return span.end_with_timestamp(ended) };
        let context = Context::new().with_span(span);
        let mut child = self
            .tracer
            .span_builder("commit")
            .with_start_time(before(commit.took))
            .with_attributes([KeyValue::new(
                "flotilla.calls",
                i64::try_from(commit.calls).unwrap_or(i64::MAX),
            )])
            .start_with_context(&self.tracer, &context);
        child.end_with_timestamp(ended);
        context.span().end_with_timestamp(ended);
    }

    /// Sends what is left, for a while at most.
    pub fn end(&self) {
        let _ = self.provider.shutdown_with_timeout(END_MAX);
    }
}

/// Says in the log when the collector cannot be reached, and when it can again.
#[derive(Debug)]
struct Telling {
    exporter: SpanExporter,
    is_failing: AtomicBool,
}

impl Export for Telling {
    async fn export(&self, spans: Vec<SpanData>) -> OTelSdkResult {
        let sent = self.exporter.export(spans).await;
        let failed_before = self.is_failing.swap(sent.is_err(), Ordering::Relaxed);
        match &sent {
            Err(error) if !failed_before => {
                tracing::warn!(%error, "traces cannot be sent to the collector; they are dropped until they can");
            }
            Ok(()) if failed_before => tracing::info!("traces are sent to the collector again"),
            Ok(()) | Err(_) => {}
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
