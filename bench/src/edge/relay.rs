//! A line between two processes: TCP through this one, with a delay each way, that counts what passes and can be cut.
//!
//! Bytes keep their order and the line has no limit of its own: whatever comes in at a time goes out a delay later.

use std::{
    collections::BTreeMap,
    io::{Error, ErrorKind, Read, Result, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

const CHUNK_BYTES: usize = 64 * 1024;
/// Chunks on the way; more than a delay of a second and loopback come to.
const CHUNKS_MAX: usize = 32 * 1024;
const CONNECT_MAX: Duration = Duration::from_secs(5);
const NEVER: u64 = u64::MAX;

/// See the module. All its connections end when it is dropped.
pub struct Relay {
    /// Where it listens.
    pub address: SocketAddr,
    line: Arc<Line>,
    accepting: Option<JoinHandle<()>>,
}

struct Line {
    target: SocketAddr,
    delay: Duration,
    /// Bytes that have passed, both ways.
    passed: AtomicU64,
    cut_at: AtomicU64,
    cuts: AtomicU64,
    is_ending: AtomicBool,
    /// Both ends of every connection, by its number.
    open: Mutex<BTreeMap<u64, [TcpStream; 2]>>,
}

impl Relay {
    /// A line to `target`.
    pub fn start(target: SocketAddr, delay: Duration) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let line = Arc::new(Line {
            target,
            delay,
            passed: AtomicU64::new(0),
            cut_at: AtomicU64::new(NEVER),
            cuts: AtomicU64::new(0),
            is_ending: AtomicBool::new(false),
            open: Mutex::default(),
        });
        let own = Arc::clone(&line);
        let accepting = thread::spawn(move || accept(&listener, &own));
        Ok(Relay { address, line, accepting: Some(accepting) })
    }

    /// Once so many bytes have passed, all connections are cut; new ones are let through.
    pub fn cut_once_at(&self, bytes: u64) {
        self.line.cut_at.store(bytes, Ordering::Relaxed);
    }

    /// Bytes that have passed, both ways.
    pub fn passed(&self) -> u64 {
        self.line.passed.load(Ordering::Relaxed)
    }

    pub fn cuts(&self) -> u64 {
        self.line.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.line.is_ending.store(true, Ordering::SeqCst);
        // Wakes the one that accepts.
        let _ = TcpStream::connect_timeout(&self.address, CONNECT_MAX);
        self.line.cut();
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        self.line.cut();
    }
}

impl Line {
    fn open(&self) -> MutexGuard<'_, BTreeMap<u64, [TcpStream; 2]>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cut(&self) {
        for end in self.open().values().flatten() {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    fn note(&self, bytes: usize) {
        let bytes = bytes as u64;
        let passed = self.passed.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let at = self.cut_at.load(Ordering::Relaxed);
        let is_now = passed >= at
            && self.cut_at.compare_exchange(at, NEVER, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_now {
            self.cuts.fetch_add(1, Ordering::Relaxed);
            self.cut();
        }
    }
}

fn accept(listener: &TcpListener, line: &Arc<Line>) {
    for (number, accepted) in (0..).zip(listener.incoming()) {
        if line.is_ending.load(Ordering::SeqCst) {
            return;
        }
        let Ok(near) = accepted else { continue };
        let line = Arc::clone(line);
        thread::spawn(move || {
            // Either end sees that the connection is gone; there is nobody else to tell.
            let _ = connect(number, near, &line);
            line.open().remove(&number);
        });
    }
}

/// One connection, to its end.
fn connect(number: u64, near: TcpStream, line: &Line) -> Result<()> {
    let far = TcpStream::connect_timeout(&line.target, CONNECT_MAX)?;
    for end in [&near, &far] {
        end.set_nodelay(true)?;
    }
    line.open().insert(number, [near.try_clone()?, far.try_clone()?]);
    if line.is_ending.load(Ordering::SeqCst) {
        return Ok(());
    }
    thread::scope(|scope| {
        scope.spawn(|| one_way(&near, &far, line));
        one_way(&far, &near, line);
    });
    Ok(())
}

/// Passes everything on and then the end of it; when that fails, both ends are closed.
fn one_way(from: &TcpStream, to: &TcpStream, line: &Line) {
    let passed = match line.delay {
        Duration::ZERO => at_once(from, to, line),
        _ => delayed(from, to, line),
    };
    let _ = to.shutdown(Shutdown::Write);
    if passed.is_err() {
        for end in [from, to] {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

fn at_once(from: &TcpStream, to: &TcpStream, line: &Line) -> Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    while let Some(bytes) = read(from, &mut buffer)? {
        write(to, bytes, line)?;
    }
    Ok(())
}

fn delayed(from: &TcpStream, to: &TcpStream, line: &Line) -> Result<()> {
    let (sender, receiver) = mpsc::sync_channel::<(Instant, Vec<u8>)>(CHUNKS_MAX);
    thread::scope(|scope| {
        let writing = scope.spawn(move || {
            for (due, bytes) in receiver {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                write(to, &bytes, line)?;
            }
            Ok(())
        });
        let mut buffer = vec![0; CHUNK_BYTES];
        let read = loop {
            match read(from, &mut buffer) {
                Ok(Some(bytes)) if sender.send((Instant::now() + line.delay, bytes.to_vec())).is_ok() => {}
                Ok(_) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        drop(sender);
        let written = writing.join().unwrap_or_else(|_| Err(Error::other("the writing thread panicked")));
        read.and(written)
    })
}

/// What is there; `None` = the end.
fn read<'a>(mut from: &TcpStream, buffer: &'a mut [u8]) -> Result<Option<&'a [u8]>> {
    loop {
        match from.read(buffer) {
            Ok(0) => return Ok(None),
            Ok(n) => return Ok(buffer.get(..n)),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

fn write(mut to: &TcpStream, bytes: &[u8], line: &Line) -> Result<()> {
    to.write_all(bytes)?;
    line.note(bytes.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends back what it gets, on every connection.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || std::io::copy(&mut &stream, &mut &stream));
            }
        });
        address
    }

    fn connect(relay: &Relay) -> TcpStream {
        let stream = TcpStream::connect(relay.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|n| (n % 251) as u8).collect()
    }

    /// What comes back of what is sent, to the end.
    fn through(stream: &TcpStream, sent: &[u8]) -> Vec<u8> {
        thread::scope(|scope| {
            scope.spawn(|| {
                (&*stream).write_all(sent).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
            });
            let mut back = Vec::new();
            (&*stream).read_to_end(&mut back).unwrap();
            back
        })
    }

    #[test]
    fn everything_passes_in_order_and_is_counted() {
        for delay in [Duration::ZERO, Duration::from_millis(20)] {
            let relay = Relay::start(echo(), delay).unwrap();
            let sent = bytes(3_000_000);
            assert!(through(&connect(&relay), &sent) == sent, "delay {delay:?}");
            assert_eq!((relay.passed(), relay.cuts()), (6_000_000, 0));
        }
    }

    #[test]
    fn bytes_take_the_delay_each_way_and_not_one_after_the_other() {
        let delay = Duration::from_millis(50);
        let relay = Relay::start(echo(), delay).unwrap();
        let mut stream = connect(&relay);
        let began = Instant::now();
        // Chunks of their own, all on the way at the same time.
        for byte in 0..100 {
            stream.write_all(&[byte]).unwrap();
            thread::sleep(Duration::from_millis(1));
        }
        let (mut first, mut others) = ([0], [0; 99]);
        stream.read_exact(&mut first).unwrap();
        assert!(began.elapsed() >= delay * 2);
        stream.read_exact(&mut others).unwrap();
        assert_eq!(others.last(), Some(&99));
        // One after the other would be ten seconds.
        assert!(began.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_cut_ends_all_connections_once() {
        let relay = Relay::start(echo(), Duration::ZERO).unwrap();
        let (mut idle, mut busy) = (connect(&relay), connect(&relay));
        idle.write_all(b"1").unwrap();
        idle.read_exact(&mut [0]).unwrap();
        relay.cut_once_at(1_000);
        busy.write_all(&bytes(2_000)).unwrap();
        for stream in [&mut idle, &mut busy] {
            // The end or an error, but no silence.
            let mut rest = Vec::new();
            let ended = stream.read_to_end(&mut rest);
            assert!(ended.is_ok() || ended.is_err_and(|e| e.kind() == ErrorKind::ConnectionReset));
        }
        assert_eq!(relay.cuts(), 1);
        let sent = bytes(100_000);
        assert!(through(&connect(&relay), &sent) == sent);
        assert_eq!(relay.cuts(), 1);
    }

    #[test]
    fn a_line_to_nowhere_is_closed() {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], resp_tests::ports::free_port().unwrap()));
        let relay = Relay::start(nowhere, Duration::ZERO).unwrap();
        let ended = connect(&relay).read(&mut [0]);
        assert!(matches!(ended, Ok(0)) || ended.is_err_and(|e| e.kind() == ErrorKind::ConnectionReset));
    }
}
