//! A thread that takes packets from all devices and gives each to another one when it is due.
//!
//! tc's netem does this in kernels that have it; many that containers and small machines run on have not.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tappers::linux::Tun;

use super::links::Links;
use super::place_of;

const PACKET_BYTES_MAX: usize = 64 << 10;
/// Taken from one device before the others have their turn.
const BURST: usize = 64;
/// On their way at a time; more are lost, as in a router.
const PACKETS_MAX: usize = 200_000;
/// How often it looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// See the module. Stops when dropped, and its devices are gone then.
#[derive(Debug)]
pub(super) struct Switch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// A packet on its way.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Packet {
    due: Instant,
    /// Of two that are due at the same moment the earlier one goes first.
    number: u64,
    from: usize,
    to: usize,
    bytes: Vec<u8>,
}

impl Switch {
    pub(super) fn start(tuns: Vec<Tun>, links: Links) -> io::Result<Switch> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let run = move || {
            let mut carrier = Carrier { tuns, links, waiting: BinaryHeap::new(), number: 0 };
            while !stopped.load(Ordering::Relaxed) {
                carrier.turn();
            }
        };
        let thread = thread::Builder::new().name("switch".into()).spawn(run)?;
        Ok(Switch { stop, thread: Some(thread) })
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // If it panicked the tests that it served have failed for it.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

struct Carrier {
    tuns: Vec<Tun>,
    links: Links,
    waiting: BinaryHeap<Reverse<Packet>>,
    number: u64,
}

impl Carrier {
    fn turn(&mut self) {
        let due = self.waiting.peek().map(|Reverse(first)| first.due);
        let wait = due.map_or(LOOK, |due| due.saturating_duration_since(Instant::now()).min(LOOK));
        let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(wait.subsec_nanos()) };
        let mut devices: Vec<PollFd<'_>> =
            self.tuns.iter().map(|tun| PollFd::new(tun, PollFlags::IN)).collect();
        match poll(&mut devices, Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("the devices cannot be watched: {error}"),
        }
        let ready: Vec<usize> =
            (0..devices.len()).filter(|index| devices[*index].revents().contains(PollFlags::IN)).collect();
        drop(devices);
        ready.into_iter().for_each(|from| self.take(from));
        self.deliver();
    }

    /// Takes what comes from a place.
    fn take(&mut self, from: usize) {
        let mut buffer = [0; PACKET_BYTES_MAX];
        for _ in 0..BURST {
            // Nothing more, or the device is gone, which is the end anyway.
            let Ok(length) = self.tuns[from].recv(&mut buffer) else { return };
            let packet = &buffer[..length];
            // The kernel asks for IPv6 routers, too.
            let Some(to) = place_of(packet).filter(|to| *to < self.tuns.len()) else { continue };
            if self.waiting.len() >= PACKETS_MAX {
                continue;
            }
            if let Some(due) = self.links.set_out(from, to, length, Instant::now()) {
                self.number += 1;
                self.waiting.push(Reverse(Packet {
                    due,
                    number: self.number,
                    from,
                    to,
                    bytes: packet.to_vec(),
                }));
            }
        }
    }

    fn deliver(&mut self) {
        let now = Instant::now();
        while self.waiting.peek().is_some_and(|Reverse(first)| first.due <= now) {
            let Some(Reverse(packet)) = self.waiting.pop() else { return };
            if self.links.arrives(packet.from, packet.to) {
                // A device that takes no more loses packets, as networks do.
                let _ = self.tuns[packet.to].send(&packet.bytes);
            }
        }
    }
}
