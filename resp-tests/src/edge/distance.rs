//! A way to a server that is far away: what goes either way arrives later, in order, and nothing passes while it is cut.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(5);
const PART_BYTES: usize = 64 << 10;
/// Parts that are under way in one direction of a connection.
const PARTS_MAX: usize = 256;

/// See the module. When it is dropped it is shut.
pub struct Distance {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    one_way: Duration,
    is_cut: AtomicBool,
    is_over: AtomicBool,
}

/// What was sent, and when it arrives.
type Part = (Instant, Vec<u8>);

impl Distance {
    /// A way to this port of this machine that takes so long in each direction.
    pub fn start(port: u16, one_way: Duration) -> std::io::Result<Distance> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let state =
            Arc::new(State { one_way, is_cut: AtomicBool::new(false), is_over: AtomicBool::new(false) });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                if shared.is_over.load(Ordering::Relaxed) {
                    break;
                }
                let Ok(client) = client else { continue };
                // An error ends this connection, as a server that is down would.
                drop(connect(client, port, &shared));
            }
        });
        Ok(Distance { address, state })
    }

    /// As a program's option.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Whether nothing passes from now on.
    pub fn set_cut(&self, is_cut: bool) {
        self.state.is_cut.store(is_cut, Ordering::Relaxed);
    }
}

impl Drop for Distance {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Relaxed);
        // The one that waits for clients looks.
        drop(TcpStream::connect(self.address));
    }
}

fn connect(client: TcpStream, port: u16, state: &Arc<State>) -> std::io::Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    carry(client.try_clone()?, server.try_clone()?, Arc::clone(state));
    carry(server, client, Arc::clone(state));
    Ok(())
}

/// Until one side ends.
fn carry(from: TcpStream, to: TcpStream, state: Arc<State>) {
    let (sender, parts) = sync_channel(PARTS_MAX);
    let one_way = state.one_way;
    thread::spawn(move || take(from, one_way, &sender));
    thread::spawn(move || deliver(to, &state, &parts));
}

fn take(mut from: TcpStream, one_way: Duration, parts: &SyncSender<Part>) {
    let mut part = vec![0; PART_BYTES];
    while let Ok(count @ 1..) = from.read(&mut part) {
        let bytes = part.get(..count).unwrap_or_default().to_vec();
        if parts.send((Instant::now() + one_way, bytes)).is_err() {
            break;
        }
    }
    drop(from.shutdown(Shutdown::Both));
}

fn deliver(mut to: TcpStream, state: &State, parts: &Receiver<Part>) {
    for (due, bytes) in parts {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        while state.is_cut.load(Ordering::Relaxed) && !state.is_over.load(Ordering::Relaxed) {
            thread::sleep(PAUSE);
        }
        if state.is_over.load(Ordering::Relaxed) || to.write_all(&bytes).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Both));
}
