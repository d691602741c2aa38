//! Network namespaces, by the names that `ip netns` gives them.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::command::must;

/// One of this process, with a loopback device; removed when dropped.
#[derive(Debug)]
pub struct Namespace(String);

impl Namespace {
    pub fn new(name: String) -> io::Result<Namespace> {
        must(&["ip", "netns", "add", &name])?;
        // From here on it is removed whatever follows.
        let made = Namespace(name);
        must(&["ip", "-n", &made.0, "link", "set", "lo", "up"])?;
        Ok(made)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = must(&["ip", "netns", "del", &self.0]);
    }
}

/// Moves this thread into one, for good. Its sockets and processes from here on are there; those that it has stay.
pub fn enter(name: &str) -> io::Result<()> {
    move_into(&File::open(format!("/run/netns/{name}"))?)
}

/// Does something there. What it opens or starts stays there, the thread comes back.
pub fn within<T>(name: &str, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let back = Back(File::open("/proc/thread-self/ns/net")?);
    enter(name)?;
    let done = work();
    drop(back);
    done
}

fn move_into(link: &File) -> io::Result<()> {
    Ok(move_into_link_name_space(link.as_fd(), Some(LinkNameSpaceType::Network))?)
}

/// Where the thread was; it goes back there also when `work` panics.
struct Back(File);

impl Drop for Back {
    #[allow(clippy::expect_used)]
    fn drop(&mut self) {
        // Whatever the thread did in the wrong place would look like a fault of the server.
        move_into(&self.0).expect("the way back to a network namespace that was left");
    }
}
