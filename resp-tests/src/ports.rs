//! Ports for servers of tests.
//!
//! Invariant: no port is handed out twice by one process, and none is one that the kernel gives to outgoing
//! connections, so that a server that was stopped finds its port free when it starts again.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the ports of outgoing connections (32768 and above on Linux), above those of well-known services.
const FIRST: u32 = 12_000;
const COUNT: u32 = 20_000;
/// Processes that run at once begin far from each other.
const APART: u32 = 997;

static TAKEN: AtomicU32 = AtomicU32::new(0);

/// A port nobody listens on at this moment.
pub fn free_port() -> io::Result<u16> {
    let first = process::id().wrapping_mul(APART);
    for _ in 0..COUNT {
        let index = first.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + index).map_err(io::Error::other)?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::new(ErrorKind::AddrInUse, "no port is free"))
}
