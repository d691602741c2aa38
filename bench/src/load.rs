//! The load generator: one thread, non-blocking sockets, requests written beforehand, replies only counted.
//!
//! Closed loop: each client sends a pipeline, waits for all its replies, sends the next. Open loop (`rate`): pipelines are
//! due at fixed times whatever the server does, and latency counts from when a pipeline was due, so that a stall is seen by
//! all the requests it held up (no coordinated omission). What was due is waited for at the end; what is not answered then
//! either counts with the time it has waited so far.

use crate::{connection::Connection, ticker::Ticker, workload::Workload};
use hdrhistogram::Histogram;
use mio::{Events, Poll, Token};
use resp_tests::dice::Dice;
use std::{
    io::ErrorKind,
    net::SocketAddr,
    time::{Duration, Instant},
};

/// Pipelines written beforehand and used in turn, unless a scenario needs more keys in use.
pub const PREPARED: usize = 2048;
/// How long an open loop waits at its end for what was due.
const LATE_MAX: Duration = if cfg!(test) { Duration::from_millis(500) } else { Duration::from_secs(10) };
/// The longest wait for events; ends of runs are seen this late at most.
const PATIENCE: Duration = Duration::from_millis(100);

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
    /// Commands that each client has answered before the measured part, encoded.
    pub setup: Vec<Vec<u8>>,
    pub seed: u64,
    /// Pipelines written beforehand and used in turn.
    pub prepared: usize,
}

impl Plan {
    /// Reads without a pipeline, as many as there are answers, from 50 clients.
    pub fn reads(workload: Workload, keys: u64, time: Duration) -> Plan {
        Plan {
            workload,
            value: Vec::new(),
            keys,
            clients: 50,
            pipeline: 1,
            time,
            rate: None,
            setup: Vec::new(),
            seed: 1,
            prepared: PREPARED,
        }
    }
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

/// Offers the load and counts.
pub fn run(address: SocketAddr, plan: &Plan) -> Result<Measured, String> {
    let mut load = Load::new(address, plan)?;
    let start = Instant::now();
    match plan.rate {
        None => load.closed(start, plan)?,
        Some(rate) => {
            load.open(start, plan.time, Duration::from_secs_f64(plan.pipeline as f64 / rate))?;
        }
    }
    load.measured.seconds = start.elapsed().as_secs_f64();
    Ok(load.measured)
}

/// Requests per second; an error reply is an error.
pub fn per_second(address: SocketAddr, plan: &Plan) -> Result<f64, String> {
    let measured = run(address, plan)?;
    match measured.errors {
        0 => Ok(measured.requests as f64 / measured.seconds),
        errors => Err(format!("{errors} error replies to {}", plan.workload.name())),
    }
}

struct Load {
    prepared: Vec<Vec<u8>>,
    pipeline: usize,
    poll: Poll,
    events: Events,
    clients: Vec<Connection>,
    /// The pipeline to send next, and the client to try first.
    next: usize,
    turn: usize,
    scratch: Vec<u8>,
    measured: Measured,
}

impl Load {
    fn new(address: SocketAddr, plan: &Plan) -> Result<Self, String> {
        let poll = Poll::new().map_err(|e| e.to_string())?;
        let open = |index| Connection::open(address, &plan.setup, &poll, Token(index));
        let clients = (0..plan.clients).map(open).collect::<Result<_, _>>()?;
        Ok(Load {
            prepared: prepare(plan),
            pipeline: plan.pipeline,
            poll,
            events: Events::with_capacity(1024),
            clients,
            next: 0,
            turn: 0,
            scratch: vec![0; 64 * 1024],
            measured: Measured {
                requests: 0,
                errors: 0,
                seconds: 0.0,
                latency: Histogram::new_with_bounds(1_000, 600_000_000_000, 3).map_err(|e| e.to_string())?,
            },
        })
    }

    fn closed(&mut self, start: Instant, plan: &Plan) -> Result<(), String> {
        for index in 0..self.clients.len() {
            self.send(index, start)?;
        }
        while start.elapsed() < plan.time {
            for index in self.wait(None)? {
                self.send(index, Instant::now())?;
            }
        }
        Ok(())
    }

    fn open(&mut self, start: Instant, time: Duration, interval: Duration) -> Result<(), String> {
        let ticker = Ticker::start(interval, &self.poll, Token(self.clients.len()))?;
        let (end, mut due) = (start + time, start);
        loop {
            let now = Instant::now();
            // Everything that is due goes to clients that are free, in turn.
            while due <= now && due < end {
                let Some(free) = self.free() else { break };
                self.send(free, due)?;
                due += interval;
            }
            let all_answered = due >= end && self.clients.iter().all(|client| client.waiting == 0);
            if all_answered || now > end + LATE_MAX {
                break;
            }
            self.wait(Some(&ticker))?;
        }
        let unanswered: Vec<Instant> =
            self.clients.iter().filter(|client| client.waiting > 0).map(|client| client.since).collect();
        unanswered.into_iter().for_each(|since| self.record(since));
        while due < end {
            self.record(due);
            due += interval;
        }
        Ok(())
    }

    fn free(&self) -> Option<usize> {
        let count = self.clients.len();
        let mut turns = (0..count).map(|i| (self.turn + i) % count);
        turns.find(|index| self.clients.get(*index).is_some_and(|client| client.waiting == 0))
    }

    fn send(&mut self, index: usize, since: Instant) -> Result<(), String> {
        self.turn = index + 1;
        if let Some(client) = self.clients.get_mut(index) {
            client.begin(self.next, self.pipeline, since);
            client.push(&self.prepared)?;
            self.next = self.next.wrapping_add(1);
        }
        Ok(())
    }

    /// Waits for something to happen; the clients whose pipelines are complete.
    fn wait(&mut self, ticker: Option<&Ticker>) -> Result<Vec<usize>, String> {
        match self.poll.poll(&mut self.events, Some(PATIENCE)) {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::Interrupted => return Ok(Vec::new()),
            Err(e) => return Err(e.to_string()),
        }
        let mut done = Vec::new();
        for event in &self.events {
            let index = event.token().0;
            let Some(client) = self.clients.get_mut(index) else {
                ticker.into_iter().for_each(Ticker::clear);
                continue;
            };
            if event.is_writable() {
                client.push(&self.prepared)?;
            }
            if !event.is_readable() {
                continue;
            }
            let arrived = client.pull(&mut self.scratch)?;
            self.measured.requests += arrived.replies;
            self.measured.errors += arrived.errors;
            if arrived.is_last {
                record(&mut self.measured, client.since);
                done.push(index);
            }
        }
        Ok(done)
    }

    fn record(&mut self, since: Instant) {
        record(&mut self.measured, since);
    }
}

fn record(measured: &mut Measured, since: Instant) {
    let nanos = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
    measured.latency.saturating_record(nanos);
}

fn prepare(plan: &Plan) -> Vec<Vec<u8>> {
    let mut dice = Dice::new(plan.seed);
    // Fewer when they are long, so that they stay small beside the server's memory.
    let count =
        (64 * 1024 * 1024 / (plan.pipeline * (plan.value.len() + 64) * 10).max(1)).clamp(16, plan.prepared);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read, Write},
        net::TcpListener,
    };

    /// Answers +OK to every line-terminated `PING` array, and stalls once before request number `at`.
    fn stalling_server(at: usize, stall: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut byte, mut lines, mut requests) = ([0], 0, 0);
            while stream.read(&mut byte).unwrap_or(0) > 0 {
                lines += usize::from(byte[0] == b'\n');
                if lines == 3 {
                    (lines, requests) = (0, requests + 1);
                    if requests == at {
                        std::thread::sleep(stall);
                    }
                    if stream.write_all(b"+OK\r\n").is_err() {
                        return;
                    }
                }
            }
        });
        address
    }

    fn plan(rate: Option<f64>, setup: Vec<Vec<u8>>) -> Plan {
        let time = Duration::from_millis(300);
        let workload = Workload::Ping;
        Plan {
            workload,
            value: vec![],
            keys: 1,
            clients: 1,
            pipeline: 1,
            time,
            rate,
            setup,
            seed: 1,
            prepared: PREPARED,
        }
    }

    #[test]
    fn an_open_loop_sees_a_stall_in_every_request_it_held_up() {
        let address = stalling_server(100, Duration::from_millis(100));
        let measured = run(address, &plan(Some(1000.0), vec![])).unwrap();
        assert_eq!((measured.requests, measured.latency.len()), (300, 300));
        assert!(measured.latency.max() >= 99_000_000);
        // About a hundred came due in the stall; half of them waited for half of it or longer.
        assert!(measured.latency.count_between(50_000_000, u64::MAX) >= 45);
    }

    #[test]
    fn the_set_up_is_not_counted() {
        let address = stalling_server(usize::MAX, Duration::ZERO);
        let mut ping = Vec::new();
        crate::workload::command(&mut ping, &[b"PING"]);
        let measured = run(address, &plan(Some(100.0), vec![ping.clone(), ping])).unwrap();
        assert_eq!((measured.requests, measured.errors), (30, 0));
    }

    #[test]
    fn what_is_never_answered_counts_too() {
        // Connections are accepted by the kernel; nobody answers.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let measured = run(address, &plan(Some(100.0), vec![])).unwrap();
        assert_eq!((measured.requests, measured.latency.len()), (0, 30));
        assert!(measured.latency.min() >= LATE_MAX.as_nanos() as u64 * 99 / 100);
    }
}
