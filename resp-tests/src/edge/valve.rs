//! A way to a server that lets so many of its bytes through, and then none until it is opened: who is at the other end has a
//! part of what it wants for as long as a test needs that.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(5);
const PART_BYTES: usize = 16 << 10;

/// See the module. When it is dropped it is shut.
pub struct Valve {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    /// Bytes of the server that may still pass.
    left: AtomicI64,
    is_over: AtomicBool,
}

impl Valve {
    /// A way to this port of this machine.
    pub fn start(port: u16, bytes: i64) -> Valve {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State { left: AtomicI64::new(bytes), is_over: AtomicBool::new(false) });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                if shared.is_over.load(Ordering::Relaxed) {
                    break;
                }
                let (Ok(client), Ok(server)) = (client, TcpStream::connect((Ipv4Addr::LOCALHOST, port)))
                else {
                    continue;
                };
                let (to_server, to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let (wanted, answered) = (Arc::clone(&shared), Arc::clone(&shared));
                thread::spawn(move || carry(client, to_server, &wanted, false));
                thread::spawn(move || carry(server, to_client, &answered, true));
            }
        });
        Valve { address, state }
    }

    /// As a program's option.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// From now on so many bytes pass.
    pub fn let_pass(&self, bytes: i64) {
        self.state.left.store(bytes, Ordering::Relaxed);
    }

    pub fn open(&self) {
        self.let_pass(i64::MAX);
    }
}

impl Drop for Valve {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Relaxed);
        // The one that waits for clients looks.
        let _ = TcpStream::connect(self.address);
    }
}

/// Until one side ends.
fn carry(mut from: TcpStream, mut to: TcpStream, state: &State, is_measured: bool) {
    let mut part = vec![0; PART_BYTES];
    while let Ok(count @ 1..) = from.read(&mut part) {
        while is_measured
            && state.left.load(Ordering::Relaxed) < count as i64
            && !state.is_over.load(Ordering::Relaxed)
        {
            thread::sleep(PAUSE);
        }
        if state.is_over.load(Ordering::Relaxed) {
            break;
        }
        if is_measured {
            state.left.fetch_sub(count as i64, Ordering::Relaxed);
        }
        if to.write_all(&part[..count]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
