//! Failed AUTH attempts by address, or by the local user at the other end of a Unix socket: after some of them further attempts
//! from there are delayed, longer and longer, and the log reports them now and then.
//!
//! All attempts of an address are delayed, right ones too: otherwise, with attempts on many connections at once, an
//! immediate answer would reveal the right password. IPv6 addresses count by their first 64 bits, because one host may
//! choose the others.

use super::ClientAddress;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

/// Failures of an address that cost it nothing.
const FREE: u32 = 10;
/// Delay after the next failure; it doubles with each further one, up to `HOLD_MAX`.
const HOLD_MIN: Duration = Duration::from_millis(100);
const HOLD_MAX: Duration = Duration::from_secs(5);
/// An address without failures for this long starts from zero.
const FORGET: Duration = Duration::from_secs(600);
/// Addresses to remember; beyond that, the one whose last failure is oldest is forgotten.
const ADDRESSES_MAX: usize = 1024;
/// Lines of the log in `LINES_IN`, all addresses together.
const LINES_MAX: u32 = 10;
const LINES_IN: Duration = Duration::from_secs(10);

/// Who fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    Address(IpAddr),
    /// A user of this machine's operating system.
    LocalUser(u32),
}

impl Origin {
    pub fn of(peer: &ClientAddress) -> Self {
        match peer {
            ClientAddress::Tcp(at) => Origin::Address(at.ip()),
            ClientAddress::Unix { user, .. } => Origin::LocalUser(*user),
        }
    }

    /// As it counts.
    fn whole(self) -> Self {
        match self {
            Origin::Address(address) => Origin::Address(network_of(address)),
            Origin::LocalUser(user) => Origin::LocalUser(user),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Address(address) => address.fmt(out),
            Origin::LocalUser(user) => write!(out, "local user {user}"),
        }
    }
}

/// The failures.
#[derive(Debug, Default)]
pub struct AuthFailures(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    addresses: BTreeMap<Origin, Failures>,
    /// Since when lines are counted, and how many there were.
    lines: Option<(Instant, u32)>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    fn held_until(&self) -> Option<Instant> {
        let beyond = self.count.checked_sub(FREE.saturating_add(1))?;
        let hold = HOLD_MIN.saturating_mul(1_u32.checked_shl(beyond.min(16)).unwrap_or(u32::MAX));
        self.last.checked_add(hold.min(HOLD_MAX))
    }
}

impl AuthFailures {
    /// Records a wrong password from this address. Returns the number of failures if it should be logged.
    pub fn failed(&self, from: Origin, now: Instant) -> Option<u32> {
        let mut state = self.0.lock();
        let from = from.whole();
        if state.addresses.len() >= ADDRESSES_MAX && !state.addresses.contains_key(&from) {
            let oldest = state.addresses.iter().min_by_key(|(_, failures)| failures.last);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                state.addresses.remove(&oldest);
            }
        }
        let failures = state.addresses.entry(from).or_insert(Failures { count: 0, last: now });
        if now.saturating_duration_since(failures.last) >= FORGET {
            failures.count = 0;
        }
        *failures = Failures { count: failures.count.saturating_add(1), last: now };
        let count = failures.count;
        // The first one, then the tenth, the hundredth …
        let is_told = 10_u32.checked_pow(count.ilog10()) == Some(count);
        (is_told && state.has_line(now)).then_some(count)
    }

    /// The delay of this address's next attempt; `None`: none.
    pub fn held_for(&self, from: Origin, now: Instant) -> Option<Duration> {
        let state = self.0.lock();
        let until = state.addresses.get(&from.whole())?.held_until()?;
        Some(until.saturating_duration_since(now)).filter(|left| !left.is_zero())
    }
}

impl State {
    fn has_line(&mut self, now: Instant) -> bool {
        let (since, count) = self.lines.unwrap_or((now, 0));
        let (since, count) = match now.saturating_duration_since(since) >= LINES_IN {
            true => (now, 0),
            false => (since, count),
        };
        self.lines = Some((since, count.saturating_add(1)));
        count < LINES_MAX
    }
}

fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Origin {
        Origin::Address(text.parse().unwrap())
    }

    fn host(number: u32) -> Origin {
        Origin::Address(IpAddr::from((0x0b00_0000 + number).to_be_bytes()))
    }

    #[test]
    fn an_address_waits_ever_longer_after_wrong_passwords() {
        let (failures, from, mut now) = (AuthFailures::default(), address("10.0.0.1"), Instant::now());
        for _ in 0..FREE {
            assert_eq!(failures.held_for(from, now), None);
            failures.failed(from, now);
        }
        assert_eq!(failures.held_for(from, now), None, "people mistype");
        for ms in [100, 200, 400, 800, 1600, 3200, 5000, 5000] {
            failures.failed(from, now);
            assert_eq!(failures.held_for(from, now), Some(Duration::from_millis(ms)));
            assert_eq!(failures.held_for(address("10.0.0.2"), now), None, "that is another one");
            now += Duration::from_millis(ms);
            assert_eq!(failures.held_for(from, now), None);
        }
        now += FORGET;
        failures.failed(from, now);
        assert_eq!(failures.held_for(from, now), None, "forgotten");
        for _ in 0..=FREE {
            failures.failed(Origin::LocalUser(1000), now);
        }
        assert!(failures.held_for(Origin::LocalUser(1000), now).is_some());
        assert_eq!(failures.held_for(Origin::LocalUser(0), now), None, "another user of the machine");
        for _ in 0..100_000 {
            failures.failed(from, now);
        }
        assert_eq!(failures.held_for(from, now), Some(HOLD_MAX), "however many");
    }

    #[test]
    fn one_host_has_one_address_and_few_are_remembered() {
        let (failures, now) = (AuthFailures::default(), Instant::now());
        for host in 0..=FREE {
            failures.failed(address(&format!("2001:db8::{host:x}")), now);
        }
        assert!(failures.held_for(address("2001:db8::ffff"), now).is_some(), "of the same network");
        assert_eq!(failures.held_for(address("2001:db8:0:1::1"), now), None);
        for _ in 0..=FREE {
            failures.failed(address("::ffff:10.0.0.9"), now);
        }
        assert!(failures.held_for(address("10.0.0.9"), now).is_some(), "the same host, by IPv4");
        for host in 0..ADDRESSES_MAX as u32 {
            failures.failed(self::host(host), now + Duration::from_secs(1));
        }
        assert_eq!(failures.0.lock().addresses.len(), ADDRESSES_MAX);
        assert_eq!(failures.held_for(address("10.0.0.9"), now), None, "others came since");
    }

    #[test]
    fn the_log_tells_of_few() {
        let (failures, from, now) = (AuthFailures::default(), address("10.0.0.1"), Instant::now());
        let told: Vec<u32> = (0..2000).filter_map(|_| failures.failed(from, now)).collect();
        assert_eq!(told, [1, 10, 100, 1000]);
        let many = |first: u32, now| {
            let hosts = (0..100_u32).map(|number| host(first + number));
            hosts.filter_map(|from| failures.failed(from, now)).count()
        };
        assert_eq!(many(0, now), LINES_MAX as usize - 4);
        assert_eq!(many(100, now + LINES_IN), LINES_MAX as usize);
    }
}
