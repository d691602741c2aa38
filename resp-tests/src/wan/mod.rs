//! Places far apart: network namespaces, and between any two of them a way that is slow, loses packets or is cut.
//!
//! ```text
//!  a server ─▶ its namespace's tun0 ─▶ switch: lost? cut? when is it due? ─▶ tun0 of another namespace ─▶ a server
//! ```
//!
//! `links` says what becomes of a packet, `switch` carries packets, `cuts` cuts now and then. All that is drawn is drawn from
//! a seed; what the servers do in between is not repeatable, so a seed repeats the weather and no more.
//!
//! Nothing here is reachable from the machine or reaches it: each namespace has its tun device, loopback and no more.
//! Clients go in beside the server they talk to (`Server::connect`), so what they see has crossed the network once at most.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod cuts;
mod links;
mod switch;

use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tappers::Interface;
use tappers::linux::Tun;

use crate::command::must;
use crate::namespace::{Namespace, within};
use crate::server::{Place, Program};
pub use cuts::Cuts;
use links::Links;
pub use links::{Carried, Link};
use switch::Switch;

const PEER_PORT: u16 = 7379;
const MTU_BYTES: &str = "1500";
/// Packets that wait for the switch to take them; it never falls behind by more.
const DEVICE_PACKETS: &str = "10000";

/// One process may make several, at the same time, too.
static MADE: AtomicU32 = AtomicU32::new(0);

/// See the module. Servers in it must be gone before it is.
#[derive(Debug)]
pub struct Wan {
    spots: Vec<Spot>,
    links: Links,
    // Stopped before the namespaces are removed.
    switch: Option<Switch>,
}

/// A place, and what makes it one.
#[derive(Debug)]
struct Spot {
    place: Place,
    _namespace: Namespace,
}

impl Wan {
    /// So many places, all next to each other.
    pub fn new(count: usize, seed: u64) -> io::Result<Wan> {
        let name = format!("wan{}x{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let mut wan = Wan { spots: Vec::new(), links: Links::new(count, seed), switch: None };
        let mut tuns = Vec::new();
        for index in 0..count {
            let place = Place { namespace: format!("{name}p{index}"), host: host(index) };
            wan.spots.push(Spot { _namespace: Namespace::new(place.namespace.clone())?, place });
            tuns.push(wan.spots[index].plug_in()?);
        }
        wan.switch = Some(Switch::start(tuns, wan.links.clone())?);
        Ok(wan)
    }

    /// The product, to be started at this place.
    pub fn program(&self, index: usize) -> Program {
        Program::product().at(self.spots[index].place.clone())
    }

    /// Where nodes at other places reach the one at this place.
    pub fn peer_address(&self, index: usize) -> String {
        format!("{}:{PEER_PORT}", self.spots[index].place.host)
    }

    /// From now on packets between these and those, both ways, fare like this.
    pub fn set(&self, these: &[usize], those: &[usize], link: Link) {
        self.links.each_way(these, those, |way| way.link = link);
    }

    /// Nothing passes between these and those until `heal`; what is on its way is lost as well.
    pub fn cut(&self, these: &[usize], those: &[usize]) {
        self.links.each_way(these, those, |way| way.is_cut = true);
    }

    pub fn heal(&self, these: &[usize], those: &[usize]) {
        self.links.each_way(these, those, |way| way.is_cut = false);
    }

    /// Cuts both ways between these and those for a moment, over and over, for about one hundredth of the time.
    pub fn cut_now_and_then(&self, these: &[usize], those: &[usize], lengths: (Duration, Duration)) -> Cuts {
        Cuts::start(self.links.clone(), these.to_vec(), those.to_vec(), lengths)
    }

    /// What has gone this way so far.
    pub fn carried(&self, from: usize, to: usize) -> Carried {
        self.links.carried(from, to)
    }
}

impl Spot {
    /// Makes its device.
    fn plug_in(&self) -> io::Result<Tun> {
        let Place { namespace, host } = &self.place;
        let tun = within(namespace, || Tun::create_named(Interface::new("tun0")?))?;
        tun.set_nonblocking(true)?;
        must(&["ip", "-n", namespace, "addr", "add", &format!("{host}/24"), "dev", "tun0"])?;
        let size = ["mtu", MTU_BYTES, "txqueuelen", DEVICE_PACKETS];
        must(&[&["ip", "-n", namespace, "link", "set", "tun0", "up"][..], &size].concat())?;
        Ok(tun)
    }
}

impl Drop for Wan {
    fn drop(&mut self) {
        // With it go the devices.
        self.switch = None;
    }
}

fn host(index: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 98, 0, u8::try_from(index + 1).expect("as many places as there are addresses"))
}

/// The place that an address is of.
fn place_of(packet: &[u8]) -> Option<usize> {
    const VERSION_4: u8 = 4;
    let [first, ..] = packet else { return None };
    let destination = packet.get(16..20)?;
    match (first >> 4, destination) {
        (VERSION_4, [10, 98, 0, last]) => usize::from(*last).checked_sub(1),
        _ => None,
    }
}
