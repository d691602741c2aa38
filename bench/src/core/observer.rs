//! A client that writes without a pause and remembers when each write was acknowledged.

use crate::client::{Client, Value, text};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Longer than the server gives a write.
const ANSWER_MAX: Duration = Duration::from_secs(40);
/// Before it asks again after an error.
const PAUSE: Duration = Duration::from_millis(1);

/// What it saw; times since it began.
#[derive(Debug, Default)]
pub struct Seen {
    pub acknowledged: Vec<Duration>,
    /// Error codes, and `connection` for what was not answered at all.
    pub errors: BTreeMap<String, u64>,
    /// Two acknowledged writes that did not count up, if there were any.
    pub violation: Option<(i64, i64)>,
}

/// See the module. It INCRs one key and goes on to the next node when its own does not answer.
pub struct Observer {
    began: Instant,
    stop: Arc<AtomicBool>,
    /// Microseconds since it began, of the last acknowledgement; 0 = none yet.
    last: Arc<AtomicU64>,
    thread: Option<JoinHandle<Seen>>,
}

impl Observer {
    /// Starts with the first of `addresses`.
    pub fn start(addresses: Vec<SocketAddr>, key: &'static str) -> Self {
        let (began, stop, last) = (Instant::now(), Arc::default(), Arc::default());
        let watch = (Arc::clone(&stop), Arc::clone(&last));
        let thread = thread::spawn(move || observe(&addresses, key, began, &watch.0, &watch.1));
        Observer { began, stop, last, thread: Some(thread) }
    }

    /// Now, on its clock.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Waits until a write was acknowledged after `time`.
    pub fn wait_past(&self, time: Duration, patience: Duration) -> Result<(), String> {
        let deadline = Instant::now() + patience;
        while Duration::from_micros(self.last.load(Ordering::Relaxed)) <= time {
            if Instant::now() > deadline {
                return Err(format!("no write was acknowledged for {} s", patience.as_secs()));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Lets it finish what it waits for.
    pub fn finish(mut self) -> Result<Seen, String> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(seen)) => Ok(seen),
            _ => Err("the observer panicked".into()),
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn observe(addresses: &[SocketAddr], key: &str, began: Instant, stop: &AtomicBool, last: &AtomicU64) -> Seen {
    let mut seen = Seen::default();
    let (mut client, mut turn, mut value) = (None, 0, 0);
    while !stop.load(Ordering::Relaxed) {
        let Some(address) = addresses.get(turn % addresses.len().max(1)) else { break };
        let Some(connected) =
            client.take().or_else(|| Client::connect(*address, ANSWER_MAX).ok()).map(|mut client: Client| {
                let answer = client.call(&["INCR", key]);
                (client, answer)
            })
        else {
            // Nothing was sent.
            turn += 1;
            thread::sleep(PAUSE);
            continue;
        };
        match connected {
            (kept, Ok(Value::Integer(now))) => {
                if now <= value {
                    seen.violation.get_or_insert((value, now));
                }
                value = now;
                let at = began.elapsed();
                seen.acknowledged.push(at);
                last.store(u64::try_from(at.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
                client = Some(kept);
            }
            (kept, Ok(other)) => {
                let code = match &other {
                    Value::Error(_) => text(&other).split(' ').next().unwrap_or_default().to_owned(),
                    _ => "unexpected".to_owned(),
                };
                *seen.errors.entry(code).or_default() += 1;
                client = Some(kept);
                thread::sleep(PAUSE);
            }
            (_, Err(_)) => {
                *seen.errors.entry("connection".to_owned()).or_default() += 1;
                turn += 1;
            }
        }
    }
    seen
}

/// The longest time between two acknowledgements one after the other, of which the later one came after `from` and not
/// after `to`.
pub fn longest_gap(acknowledged: &[Duration], from: Duration, to: Duration) -> Duration {
    let pairs = acknowledged.windows(2).filter_map(|pair| match pair {
        [before, after] if *after > from && *after <= to => Some(after.saturating_sub(*before)),
        _ => None,
    });
    pairs.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_around_an_event_includes_the_write_before_it() {
        let times = [0, 10, 500, 505, 900, 910, 5_000].map(Duration::from_millis);
        let ms = Duration::from_millis;
        assert_eq!(longest_gap(&times, ms(507), Duration::MAX), ms(4_090));
        assert_eq!(longest_gap(&times, ms(507), ms(920)), ms(395));
        assert_eq!(longest_gap(&times, ms(905), ms(920)), ms(10));
        assert_eq!(longest_gap(&times, Duration::ZERO, ms(507)), ms(490));
        assert_eq!(longest_gap(&[], Duration::ZERO, Duration::MAX), Duration::ZERO);
    }

    #[test]
    fn a_node_that_is_gone_is_left_for_the_next() {
        use std::{
            io::{Read, Write},
            net::TcpListener,
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let closed = SocketAddr::from(([127, 0, 0, 1], resp_tests::ports::free_port().unwrap()));
        thread::spawn(move || {
            // The first connection ends without an answer, the second counts and refuses.
            drop(listener.accept().unwrap());
            let (mut stream, _) = listener.accept().unwrap();
            for answer in [":1\r\n", "-TRYAGAIN later\r\n", ":2\r\n", ":2\r\n", ":3\r\n"] {
                let _ = stream.read(&mut [0; 100]).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            }
            let _ = stream.read(&mut [0; 100]).unwrap();
            drop(listener);
        });
        let observer = Observer::start(vec![closed, address], "k");
        observer.wait_past(Duration::ZERO, Duration::from_secs(10)).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while observer.thread.is_some() && Instant::now() < deadline {
            let before = observer.now();
            if observer.wait_past(before, Duration::from_millis(50)).is_err() {
                break;
            }
        }
        let seen = observer.finish().unwrap();
        assert_eq!(seen.acknowledged.len(), 4);
        assert_eq!(seen.errors["TRYAGAIN"], 1);
        assert!(seen.errors["connection"] >= 1);
        assert_eq!(seen.violation, Some((2, 2)));
    }
}
