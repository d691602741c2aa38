//! Ports for the servers under test.
//!
//! Invariant: no port is handed out twice by one process, and none is one that the kernel gives to outgoing connections,
//! so that a server that was killed finds its port free when it starts again.

use std::{
    net::{Ipv4Addr, TcpListener},
    sync::atomic::{AtomicU32, Ordering},
};

/// Above the ports of well-known services, below those of outgoing connections (32768 and above on Linux).
const FIRST: u32 = 12_000;
const COUNT: u32 = 20_000;
/// Processes that run at once begin far from each other.
const APART: u32 = 997;

static TAKEN: AtomicU32 = AtomicU32::new(0);

/// A port of 127.0.0.1 that nobody listens on at this moment.
pub fn free_port() -> Result<u16, String> {
    let first = std::process::id().wrapping_mul(APART);
    for _ in 0..COUNT {
        let index = first.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + index).map_err(|e| e.to_string())?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err("no port is free".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ_and_are_not_for_outgoing_connections() {
        let (a, b) = (free_port().unwrap(), free_port().unwrap());
        assert_ne!(a, b);
        assert!(a < 32_768 && b < 32_768);
    }
}
