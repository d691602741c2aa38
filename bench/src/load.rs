//! The load generator: one thread, non-blocking sockets, requests written beforehand, replies only counted.
//!
//! Closed loop: each client sends a pipeline, waits for all its replies, sends the next. Open loop (`rate`): pipelines are
//! due at fixed times whatever the server does, and latency counts from when a pipeline was due, so that a stall is seen by
//! all the requests it held up (no coordinated omission).

use crate::{
    reply::{self, Outcome},
    workload::{Dice, Workload},
};
use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token, net::TcpStream};
use std::{
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

/// Pipelines written beforehand and used in turn.
const PREPARED: usize = 512;

/// One cell of the table.
#[derive(Debug, Clone)]
pub struct Plan {
    pub workload: Workload,
    pub value: Vec<u8>,
    pub keys: u64,
    pub clients: usize,
    pub pipeline: usize,
    pub time: Duration,
    /// Requests per second to offer; `None` = closed loop.
    pub rate: Option<f64>,
    pub seed: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct Measured {
    pub requests: u64,
    pub errors: u64,
    pub seconds: f64,
    /// Latency in nanoseconds, one sample per pipeline.
    pub latency: Histogram<u64>,
}

struct Client {
    stream: TcpStream,
    /// Bytes of the current pipeline already sent, and which pipeline it is.
    sending: Option<(usize, usize)>,
    waiting: usize,
    since: Instant,
    input: Vec<u8>,
}

/// Offers the load and counts.
pub fn run(address: SocketAddr, plan: &Plan) -> Result<Measured, String> {
    let prepared = prepare(plan);
    let mut poll = Poll::new().map_err(|e| e.to_string())?;
    let mut events = Events::with_capacity(1024);
    let mut clients = connect(address, plan, &poll)?;
    let mut measured = Measured {
        requests: 0,
        errors: 0,
        seconds: 0.0,
        latency: Histogram::new_with_bounds(1_000, 600_000_000_000, 3).map_err(|e| e.to_string())?,
    };
    let start = Instant::now();
    let interval = plan.rate.map(|rate| Duration::from_secs_f64(plan.pipeline as f64 / rate));
    let (mut due, mut next, mut turn) = (start, 0_usize, 0_usize);
    if interval.is_none() {
        for client in &mut clients {
            begin(client, &mut next, start, plan.pipeline);
            push(client, &prepared)?;
        }
    }
    while start.elapsed() < plan.time {
        if let Some(interval) = interval {
            // Everything that is due goes to clients that are free, in turn.
            while due <= Instant::now() {
                let free = (0..clients.len()).map(|i| (turn + i) % clients.len());
                let Some(free) = free.into_iter().find(|i| clients.get(*i).is_some_and(|c| c.waiting == 0))
                else {
                    break;
                };
                turn = free + 1;
                if let Some(client) = clients.get_mut(free) {
                    begin(client, &mut next, due, plan.pipeline);
                    push(client, &prepared)?;
                }
                due += interval;
            }
        }
        let patience =
            if interval.is_some() { Duration::from_micros(100) } else { Duration::from_millis(100) };
        match poll.poll(&mut events, Some(patience)) {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) => return Err(e.to_string()),
        }
        for event in &events {
            let Some(client) = clients.get_mut(event.token().0) else { continue };
            if event.is_writable() {
                push(client, &prepared)?;
            }
            if event.is_readable() && pull(client, &mut measured)? && interval.is_none() {
                begin(client, &mut next, Instant::now(), plan.pipeline);
                push(client, &prepared)?;
            }
        }
    }
    measured.seconds = start.elapsed().as_secs_f64();
    Ok(measured)
}

fn prepare(plan: &Plan) -> Vec<Vec<u8>> {
    let mut dice = Dice::new(plan.seed);
    // Fewer when they are long, so that they stay small beside the server's memory.
    let count =
        (64 * 1024 * 1024 / (plan.pipeline * (plan.value.len() + 64) * 10).max(1)).clamp(16, PREPARED * 4);
    (0..count)
        .map(|_| {
            let mut out = Vec::new();
            for _ in 0..plan.pipeline {
                plan.workload.request(plan.keys, &plan.value, &mut dice, &mut out);
            }
            out
        })
        .collect()
}

fn connect(address: SocketAddr, plan: &Plan, poll: &Poll) -> Result<Vec<Client>, String> {
    (0..plan.clients)
        .map(|index| {
            let stream =
                std::net::TcpStream::connect(address).map_err(|e| format!("connect to {address}: {e}"))?;
            stream
                .set_nodelay(true)
                .and_then(|()| stream.set_nonblocking(true))
                .map_err(|e| e.to_string())?;
            let mut stream = TcpStream::from_std(stream);
            let interest = Interest::READABLE.add(Interest::WRITABLE);
            poll.registry().register(&mut stream, Token(index), interest).map_err(|e| e.to_string())?;
            Ok(Client {
                stream,
                sending: None,
                waiting: 0,
                since: Instant::now(),
                input: Vec::with_capacity(64 * 1024),
            })
        })
        .collect()
}

fn begin(client: &mut Client, next: &mut usize, since: Instant, pipeline: usize) {
    client.sending = Some((0, *next));
    client.waiting = pipeline;
    client.since = since;
    *next = next.wrapping_add(1);
}

/// Sends what the socket takes.
fn push(client: &mut Client, prepared: &[Vec<u8>]) -> Result<(), String> {
    while let Some((sent, which)) = client.sending {
        let bytes = prepared.get(which % prepared.len()).and_then(|all| all.get(sent..)).unwrap_or_default();
        if bytes.is_empty() {
            client.sending = None;
            break;
        }
        match client.stream.write(bytes) {
            Ok(n) => client.sending = Some((sent + n, which)),
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            Err(e) => return Err(format!("send: {e}")),
        }
    }
    Ok(())
}

/// Reads and counts; true if the client's pipeline is complete.
fn pull(client: &mut Client, measured: &mut Measured) -> Result<bool, String> {
    let mut buffer = [0; 64 * 1024];
    loop {
        match client.stream.read(&mut buffer) {
            Ok(0) => return Err("the server closed a connection".into()),
            Ok(n) => client.input.extend_from_slice(buffer.get(..n).unwrap_or_default()),
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            Err(e) => return Err(format!("receive: {e}")),
        }
    }
    let (mut at, before) = (0, client.waiting);
    while client.waiting > 0 {
        let Some((len, outcome)) = reply::first(client.input.get(at..).unwrap_or_default())? else { break };
        at += len;
        client.waiting -= 1;
        measured.requests += 1;
        measured.errors += u64::from(outcome == Outcome::Error);
    }
    client.input.drain(..at);
    let done = before > 0 && client.waiting == 0;
    if done {
        let nanos = u64::try_from(client.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        measured.latency.saturating_record(nanos);
    }
    Ok(done)
}
