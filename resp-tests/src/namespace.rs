//! Network namespaces, by the names that `ip netns` gives them.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

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
