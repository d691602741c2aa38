//! The tracking scenario: what writes cost while many clients keep keys in caches of their own, beside redis-server.

use crate::{
    fill::{Values, fill},
    load::{self, Plan},
    numbers::{median, spread},
    reply,
    server::Server,
    workload::{Workload, command, key, value},
};
use mio::{Events, Interest, Poll, Token, unix::SourceFd};
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    os::fd::AsRawFd,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

/// Clients that track, and keys that each reads: together as many as a server remembers unless told otherwise.
const TRACKERS: u64 = 1000;
const KEYS_EACH: u64 = 1000;
/// Keys of one MGET.
const CALL: u64 = 100;
const VALUE_BYTES: usize = 64;
const ANSWER_MAX: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_millis(100);

pub struct Choice {
    pub pipelines: Vec<usize>,
    pub rounds: usize,
    pub seconds: f64,
    pub clients: usize,
}

/// A client that tracks what it reads.
struct Tracker {
    stream: TcpStream,
    input: Vec<u8>,
    invalidated: u64,
}

impl Tracker {
    fn connect(address: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect(address).map_err(|e| e.to_string())?;
        stream.set_read_timeout(Some(ANSWER_MAX)).map_err(|e| e.to_string())?;
        let mut tracker = Tracker { stream, input: Vec::new(), invalidated: 0 };
        tracker.call(&[b"HELLO", b"3"])?;
        Ok(tracker)
    }

    /// Waits for the reply; what the server tells meanwhile is counted.
    fn call(&mut self, words: &[&[u8]]) -> Result<(), String> {
        let mut out = Vec::new();
        command(&mut out, words);
        self.stream.set_nonblocking(false).map_err(|e| e.to_string())?;
        self.stream.write_all(&out).map_err(|e| e.to_string())?;
        let mut buffer = [0; 16 * 1024];
        while self.take()? == 0 {
            match self.stream.read(&mut buffer).map_err(|e| e.to_string())? {
                0 => return Err("the server closed a connection that tracks".into()),
                n => self.input.extend_from_slice(buffer.get(..n).unwrap_or_default()),
            }
        }
        self.stream.set_nonblocking(true).map_err(|e| e.to_string())
    }

    /// Reads what is there.
    fn pull(&mut self, scratch: &mut [u8]) -> Result<(), String> {
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return Err("the server closed a connection that tracks".into()),
                Ok(n) => self.input.extend_from_slice(scratch.get(..n).unwrap_or_default()),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) => return Err(e.to_string()),
            }
        }
        self.take().map(|_| ())
    }

    /// Removes what is complete; how many replies that were.
    fn take(&mut self) -> Result<u64, String> {
        let (mut at, mut replies) = (0, 0);
        while let Some(rest) = self.input.get(at..).filter(|rest| !rest.is_empty()) {
            let Some((len, outcome)) = reply::first(rest)? else { break };
            match rest.first() {
                Some(b'>') => self.invalidated += keys_of(rest.get(..len).unwrap_or_default()),
                _ if outcome == reply::Outcome::Error => {
                    return Err(String::from_utf8_lossy(rest.get(..len).unwrap_or_default()).into_owned());
                }
                _ => replies += 1,
            }
            at += len;
        }
        self.input.drain(..at);
        Ok(replies)
    }
}

/// How many keys an invalidation names: `>2 $10 invalidate *N …`.
fn keys_of(push: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(push);
    text.split("\r\n").nth(3).and_then(|line| line.strip_prefix('*')?.parse().ok()).unwrap_or(0)
}

struct Trackers {
    poll: Poll,
    each: Vec<Tracker>,
}

impl Trackers {
    fn connect(address: SocketAddr) -> Result<Self, String> {
        let poll = Poll::new().map_err(|e| e.to_string())?;
        let each = (0..TRACKERS).map(|_| Tracker::connect(address)).collect::<Result<Vec<_>, _>>()?;
        for (index, tracker) in each.iter().enumerate() {
            let descriptor = tracker.stream.as_raw_fd();
            poll.registry()
                .register(&mut SourceFd(&descriptor), Token(index), Interest::READABLE)
                .map_err(|e| e.to_string())?;
        }
        Ok(Trackers { poll, each })
    }

    /// Each reads its keys, and the server remembers that, or forgets all.
    fn track(&mut self, on: bool) -> Result<(), String> {
        for (index, tracker) in (0..).zip(&mut self.each) {
            tracker.call(&[b"CLIENT", b"TRACKING", if on { b"ON" } else { b"OFF" }])?;
            let from = index * KEYS_EACH;
            for first in (from..from + KEYS_EACH).step_by(CALL as usize).filter(|_| on) {
                let names: Vec<Vec<u8>> = (first..first + CALL).map(key).collect();
                let words: Vec<&[u8]> =
                    std::iter::once(&b"MGET"[..]).chain(names.iter().map(Vec::as_slice)).collect();
                tracker.call(&words)?;
            }
        }
        Ok(())
    }

    fn invalidated(&self) -> u64 {
        self.each.iter().map(|tracker| tracker.invalidated).sum()
    }

    /// Reads what the server tells until it is over.
    fn listen(&mut self, over: &AtomicBool) -> Result<(), String> {
        let (mut events, mut scratch) = (Events::with_capacity(1024), vec![0; 64 * 1024]);
        while !over.load(Ordering::Relaxed) {
            self.poll.poll(&mut events, Some(PATIENCE)).map_err(|e| e.to_string())?;
            for event in &events {
                if let Some(tracker) = self.each.get_mut(event.token().0) {
                    tracker.pull(&mut scratch)?;
                }
            }
        }
        Ok(())
    }
}

/// Of one run: SETs a second, the server's CPU µs for each, keys told of for each.
#[derive(Debug, Clone, Copy)]
struct Sample {
    rps: f64,
    cpu_us: f64,
    told: f64,
}

fn measure(server: &Server, trackers: &mut Trackers, plan: &Plan) -> Result<Sample, String> {
    let before = (server.cpu_seconds(), trackers.invalidated());
    let over = AtomicBool::new(false);
    let measured = thread::scope(|scope| {
        let listening = scope.spawn(|| trackers.listen(&over));
        let measured = load::run(server.address, plan);
        let cpu = server.cpu_seconds();
        over.store(true, Ordering::Relaxed);
        listening.join().map_err(|_| "the listener panicked".to_owned())??;
        measured.map(|measured| (measured, cpu))
    });
    let (measured, cpu) = measured.map_err(|e| format!("{}: {e}", server.name))?;
    let requests = (measured.requests as f64).max(1.0);
    if measured.errors > 0 {
        return Err(format!("{}: {} error replies", server.name, measured.errors));
    }
    Ok(Sample {
        rps: requests / measured.seconds,
        cpu_us: before.0.zip(cpu).map_or(0.0, |(before, after)| after - before) * 1e6 / requests,
        told: (trackers.invalidated() - before.1) as f64 / requests,
    })
}

/// SET of any of the keys while all are tracked, and while none is, in turns; a Markdown table.
pub fn run(servers: &[Server], choice: &Choice) -> Result<String, String> {
    let mut out = String::from(
        "| server | P | SET/s untracked | tracked | ratio | CPU µs/SET untracked / tracked | keys told per SET |\n|---|---|---|---|---|---|---|\n",
    );
    for server in servers {
        let named = |e: String| format!("{}: {e}", server.name);
        fill(server.address, 0..TRACKERS * KEYS_EACH, Values::Text(VALUE_BYTES)).map_err(named)?;
        let mut trackers = Trackers::connect(server.address).map_err(named)?;
        for pipeline in &choice.pipelines {
            let mut samples = [Vec::new(), Vec::new()];
            for round in 0..choice.rounds {
                for turn in 0..2 {
                    let on = (round + turn) % 2;
                    trackers.track(on == 1).map_err(named)?;
                    let plan = Plan {
                        workload: Workload::Set,
                        value: value(VALUE_BYTES),
                        keys: TRACKERS * KEYS_EACH,
                        clients: choice.clients,
                        pipeline: *pipeline,
                        time: Duration::from_secs_f64(choice.seconds),
                        rate: None,
                        setup: Vec::new(),
                        seed: round as u64 + 1,
                        prepared: 1 << 16,
                    };
                    let sample = measure(server, &mut trackers, &plan)?;
                    if let Some(into) = samples.get_mut(on) {
                        into.push(sample);
                    }
                }
            }
            let [off, on] = samples;
            let middle = |of: &[Sample], read: fn(&Sample) -> f64| median(of.iter().map(read).collect());
            let ratios: Vec<f64> = on.iter().zip(&off).map(|(on, off)| on.rps / off.rps).collect();
            out.push_str(&format!(
                "| {} | {pipeline} | {:.0} | {:.0} | {} | {:.2} / {:.2} | {:.2} |\n",
                server.name,
                middle(&off, |s| s.rps),
                middle(&on, |s| s.rps),
                spread(ratios),
                middle(&off, |s| s.cpu_us),
                middle(&on, |s| s.cpu_us),
                middle(&on, |s| s.told),
            ));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_an_invalidation_are_counted() {
        assert_eq!(keys_of(b">2\r\n$10\r\ninvalidate\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n"), 2);
        assert_eq!(keys_of(b">2\r\n$10\r\ninvalidate\r\n_\r\n"), 0);
    }
}
