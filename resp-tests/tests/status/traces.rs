//! Sampled calls arrive at an OpenTelemetry collector; one that is away or hangs disturbs nobody.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value},
    trace::v1::{Span, span::SpanKind},
};
use parking_lot::Mutex;
use prost::Message;
use resp_tests::server::{Program, Server, Stop};
use resp_tests::support::{call, eventually, ok};
use resp_tests::value::Value;

use super::product;

/// What a collector was sent.
#[derive(Default)]
struct Received {
    bodies: Vec<Vec<u8>>,
    paths: Vec<String>,
}

/// Takes requests on a free port for as long as the test runs; its address. Without `answers` it hangs with all of them.
fn collector(answers: bool) -> (String, Arc<Mutex<Received>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let received = Arc::new(Mutex::new(Received::default()));
    let kept = Arc::clone(&received);
    thread::spawn(move || {
        let mut hanging = Vec::new();
        for stream in listener.incoming().flatten() {
            if !answers {
                hanging.push(stream);
                continue;
            }
            let mut reader = BufReader::new(stream);
            loop {
                let (mut first, mut length) = (String::new(), 0);
                if reader.read_line(&mut first).unwrap_or(0) == 0 {
                    break;
                }
                loop {
                    let mut header = String::new();
                    reader.read_line(&mut header).unwrap();
                    if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    if header.trim().is_empty() {
                        break;
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let mut kept = kept.lock();
                kept.paths.push(first.trim().to_owned());
                kept.bodies.push(body);
                reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
            }
        }
    });
    (address, received)
}

fn attributes(list: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |one: &KeyValue| match one.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => panic!("{}: {other:?}", one.key),
    };
    list.iter().map(|one| (one.key.clone(), text(one))).collect()
}

/// All spans, and the attributes of who sent them.
fn spans(received: &Received) -> (Vec<Span>, BTreeMap<String, String>) {
    let (mut spans, mut sender) = (Vec::new(), BTreeMap::new());
    for body in &received.bodies {
        for of in ExportTraceServiceRequest::decode(&body[..]).unwrap().resource_spans {
            sender = attributes(&of.resource.unwrap().attributes);
            of.scope_spans.into_iter().for_each(|scope| spans.extend(scope.spans));
        }
    }
    (spans, sender)
}

#[test]
fn sampled_calls_become_spans_without_what_they_were_about() {
    let (address, received) = collector(true);
    let server = product(&["--node-name", "traced", "--trace-endpoint", &address, "--trace-sample", "1"]);
    let mut client = server.connect().unwrap();
    assert_eq!(call(&mut client, &["SELECT", "3"]), ok());
    assert_eq!(call(&mut client, &["SET", "confidential-key", "confidential-value"]), ok());
    assert_eq!(call(&mut client, &["GET", "confidential-key"]), Value::Bulk(b"confidential-value".to_vec()));
    assert!(matches!(call(&mut client, &["INCR", "confidential-key"]), Value::Error(_)));
    let named = |name: &str| spans(&received.lock()).0.into_iter().find(|span| span.name == name);
    eventually("the spans arrive", || ["SET", "GET", "INCR"].iter().all(|name| named(name).is_some()));
    let (all, sender) = spans(&received.lock());
    assert_eq!(sender["service.name"], "flotilla");
    assert_eq!(sender["service.instance.id"], "traced");
    assert!(received.lock().paths.iter().all(|path| path == "POST /v1/traces HTTP/1.1"));
    let (set, get, incr) = (named("SET").unwrap(), named("GET").unwrap(), named("INCR").unwrap());
    for span in [&set, &get, &incr] {
        let told = attributes(&span.attributes);
        assert_eq!((&told["db.operation.name"], told["db.namespace"].as_str()), (&span.name, "3"));
        assert_eq!(span.kind, SpanKind::Server as i32);
        assert!(span.parent_span_id.is_empty());
        assert!(span.start_time_unix_nano < span.end_time_unix_nano, "{span:?}");
    }
    let failed = |span: &Span| span.status.as_ref().is_some_and(|status| status.code == 2);
    assert_eq!([failed(&set), failed(&get), failed(&incr)], [false, false, true]);
    // A write has gone through the log, a read has not.
    let children =
        |of: &Span| all.iter().filter(|span| span.parent_span_id == of.span_id).collect::<Vec<_>>();
    assert!(children(&get).is_empty());
    let [commit] = children(&set)[..] else { panic!("{:?}", children(&set)) };
    assert_eq!((commit.name.as_str(), &commit.trace_id), ("commit", &set.trace_id));
    assert!(commit.start_time_unix_nano >= set.start_time_unix_nano);
    assert_eq!(attributes(&commit.attributes)["flotilla.calls"], "1");
    let told = received.lock().bodies.concat();
    assert!(!told.windows(12).any(|part| part == b"confidential"), "a key or a value was told");
}

#[test]
fn one_call_of_many_is_traced() {
    let (address, received) = collector(true);
    // One thread, which counts the calls of all its connections.
    let server = product(&["--network-threads", "1", "--trace-endpoint", &address, "--trace-sample", "100"]);
    let mut client = server.connect().unwrap();
    for _ in 0..1000 {
        call(&mut client, &["PING"]);
    }
    let pings = || spans(&received.lock()).0.iter().filter(|span| span.name == "PING").count();
    eventually("all of them arrive", || pings() >= 9);
    assert!(pings() <= 11, "{}", pings());
}

#[test]
fn a_collector_that_is_away_or_hangs_disturbs_nobody() {
    let (hangs, _received) = collector(false);
    for address in ["http://127.0.0.1:1", &hangs] {
        let mut server = product(&["--trace-endpoint", address, "--trace-sample", "1"]);
        let mut client = server.connect().unwrap();
        // More than the queue of spans has room for. Were one of them to wait for the collector, it would be for seconds.
        for _ in 0..3000 {
            assert_eq!(call(&mut client, &["ECHO", "hello"]), Value::Bulk(b"hello".to_vec()));
        }
        if address.ends_with(":1") {
            eventually("the log says so", || server.has_said("traces cannot be sent"));
        }
        let began = Instant::now();
        server.stop(Stop::Terminate).unwrap();
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    }
    // What cannot be a collector's address is refused at the start.
    for wrong in ["127.0.0.1:4318", "https://127.0.0.1:4318", "http://", "http:// x"] {
        let args = ["--trace-endpoint", wrong].map(str::to_owned);
        assert!(Server::start(&Program::product(), &args).is_err(), "{wrong}");
    }
}
