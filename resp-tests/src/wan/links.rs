//! What becomes of a packet on its way from one place to another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::dice::Dice;

/// How packets fare one way between two places.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Link {
    pub delay: Duration,
    /// Up to so much comes on top, drawn for each packet; none overtakes another.
    pub jitter: Duration,
    /// How many of a million packets are lost.
    pub lost_of_million: u32,
}

impl Link {
    /// A round trip of so many milliseconds, each way half of it.
    pub fn of_round_trip(millis: u64) -> Link {
        Link { delay: Duration::from_micros(millis * 500), ..Link::default() }
    }
}

/// Counts of one way, of all times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    pub packets: u64,
    pub bytes: u64,
    /// By chance.
    pub lost: u64,
    /// Because the way was cut.
    pub cut: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Way {
    pub link: Link,
    pub is_cut: bool,
    carried: Carried,
    /// When the last packet arrives: the next one does so no earlier.
    last_due: Option<Instant>,
}

#[derive(Debug)]
struct State {
    places: usize,
    ways: Vec<Way>,
    dice: Dice,
}

/// All ways between places. A clone is of the same ones.
#[derive(Clone, Debug)]
pub(super) struct Links(Arc<Mutex<State>>);

impl Links {
    pub(super) fn new(places: usize, seed: u64) -> Links {
        let ways = vec![Way::default(); places * places];
        Links(Arc::new(Mutex::new(State { places, ways, dice: Dice::new(seed) })))
    }

    /// Changes all ways between these and those.
    pub(super) fn each_way(&self, these: &[usize], those: &[usize], change: impl Fn(&mut Way)) {
        let mut state = self.0.lock();
        for (a, b) in these.iter().flat_map(|a| those.iter().map(move |b| (*a, *b))) {
            change(state.way(a, b));
            change(state.way(b, a));
        }
    }

    /// A number that the seed repeats, as far as the order of packets does.
    pub(super) fn draw_between(&self, first: u64, end: u64) -> u64 {
        self.0.lock().dice.between(first, end)
    }

    /// A packet sets out: when it will arrive, unless it is lost.
    pub(super) fn set_out(&self, from: usize, to: usize, bytes: usize, now: Instant) -> Option<Instant> {
        let mut state = self.0.lock();
        let (luck, late) = (state.dice.below(1_000_000), state.dice.roll());
        let way = state.way(from, to);
        if way.is_cut {
            way.carried.cut += 1;
            return None;
        }
        if luck < u64::from(way.link.lost_of_million) {
            way.carried.lost += 1;
            return None;
        }
        way.carried.packets += 1;
        way.carried.bytes += bytes as u64;
        let jitter_micros = way.link.jitter.as_micros() as u64;
        let due = now + way.link.delay + Duration::from_micros(late % (jitter_micros + 1));
        let due = way.last_due.map_or(due, |last| due.max(last));
        way.last_due = Some(due);
        Some(due)
    }

    /// A packet arrives, unless the way was cut while it was on it.
    pub(super) fn arrives(&self, from: usize, to: usize) -> bool {
        let mut state = self.0.lock();
        let way = state.way(from, to);
        way.carried.cut += u64::from(way.is_cut);
        !way.is_cut
    }

    pub(super) fn carried(&self, from: usize, to: usize) -> Carried {
        self.0.lock().way(from, to).carried
    }
}

impl State {
    fn way(&mut self, from: usize, to: usize) -> &mut Way {
        assert!(from < self.places && to < self.places, "there is no such place: {from} to {to}");
        &mut self.ways[from * self.places + to]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_late_and_lost_as_often_as_they_are_to_be_and_never_overtake() {
        let links = Links::new(2, 7);
        let link =
            Link { jitter: Duration::from_millis(10), lost_of_million: 10_000, ..Link::of_round_trip(80) };
        links.each_way(&[0], &[1], |way| way.link = link);
        let (now, mut last) = (Instant::now(), None);
        for packet in 0..100_000 {
            let now = now + Duration::from_micros(packet * 100);
            let Some(due) = links.set_out(0, 1, 1000, now) else { continue };
            assert!(Some(due) >= last, "it overtook another");
            let late = due - now;
            assert!(late >= Duration::from_millis(40) && late <= Duration::from_millis(50), "{late:?}");
            last = Some(due);
        }
        let carried = links.carried(0, 1);
        assert!((800..1200).contains(&carried.lost), "{carried:?}");
        assert_eq!((carried.packets + carried.lost, carried.bytes), (100_000, carried.packets * 1000));
        assert_eq!(links.carried(1, 0), Carried::default());
    }

    #[test]
    fn nothing_passes_while_it_is_cut_not_even_what_was_on_its_way() {
        let links = Links::new(3, 7);
        let now = Instant::now();
        assert!(links.set_out(1, 0, 10, now).is_some());
        links.each_way(&[0], &[1], |way| way.is_cut = true);
        assert!(!links.arrives(1, 0));
        assert!(links.set_out(0, 1, 10, now).is_none() && links.set_out(1, 0, 10, now).is_none());
        assert!(links.set_out(0, 2, 10, now).is_some() && links.arrives(0, 2));
        assert_eq!(links.carried(1, 0).cut, 2);
        links.each_way(&[0], &[1], |way| way.is_cut = false);
        assert!(links.set_out(0, 1, 10, now).is_some());
    }
}
