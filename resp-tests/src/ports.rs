//! Ports for servers of tests.
//!
//! Invariant: no port is handed out twice by one process, nor by two that run at once, and none is one that the kernel gives
//! to outgoing connections, so that a server that was stopped finds its port free when it starts again.
//!
//! A process takes whole blocks of ports, each by a lock on a file of the machine's temporary directory. The kernel gives the
//! lock back when the process ends, however it ends.

use std::env;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

use parking_lot::Mutex;
use rustix::fs::{FlockOperation, flock};

/// Below the ports of outgoing connections (32768 and above on Linux), above those of well-known services.
const FIRST: u16 = 12_000;
const BLOCKS: u16 = 100;
const BLOCK_PORTS: u16 = 200;

/// What this process has taken.
struct Taken {
    /// Those of the newest block that were not handed out yet.
    left: Range<u16>,
    next_block: u16,
    /// Locked for as long as the process lives.
    locks: Vec<File>,
}

static TAKEN: Mutex<Taken> = Mutex::new(Taken { left: 0..0, next_block: 0, locks: Vec::new() });

/// A port nobody listens on at this moment.
pub fn free_port() -> io::Result<u16> {
    let mut taken = TAKEN.lock();
    loop {
        for port in taken.left.by_ref() {
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(port);
            }
        }
        let block = taken.next_block;
        if block == BLOCKS {
            return Err(io::Error::new(ErrorKind::AddrInUse, "no port is free"));
        }
        taken.next_block += 1;
        if let Some(lock) = lock(block) {
            taken.locks.push(lock);
            let first = FIRST + block * BLOCK_PORTS;
            taken.left = first..first + BLOCK_PORTS;
        }
    }
}

/// `None`: another process has the block.
fn lock(block: u16) -> Option<File> {
    let path = env::temp_dir().join(format!("flotilla-test-ports-{block}"));
    // Another user's can be read, and that is enough to lock it.
    let file = File::create(&path).or_else(|_| File::open(&path)).ok()?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ_and_are_not_for_outgoing_connections() {
        let (a, b) = (free_port().unwrap(), free_port().unwrap());
        assert_ne!(a, b);
        assert!([a, b].iter().all(|port| (FIRST..32_768).contains(port)));
    }

    #[test]
    fn a_block_that_is_taken_is_not_taken_again() {
        free_port().unwrap();
        let block = TAKEN.lock().next_block - 1;
        assert!(lock(block).is_none());
    }
}
