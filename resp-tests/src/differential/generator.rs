//! An endless, repeatable stream of steps: which client sends what.
//!
//! A seed gives the same steps for ever, but for those that the catalogue does not allow: they are drawn and dropped.

use super::Argv;
use super::catalogue::Catalogue;
use super::groups::GROUPS;
use super::probe::Probe;
use super::random::Random;

/// Two speak RESP2 at first, two RESP3.
pub const CLIENTS: usize = 4;

/// What is done at a time. The shrinker keeps or drops it as a whole.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// One client's commands, one directly after the other.
    Calls(usize, Vec<Argv>),
    Probe(Probe),
}

#[derive(Debug)]
pub struct Generator<'a> {
    random: Random,
    catalogue: &'a Catalogue,
    /// How often each group is drawn in this seed.
    weights: Vec<u32>,
    client: usize,
    /// Steps until another client has its turn.
    turn: usize,
}

impl<'a> Generator<'a> {
    pub fn new(seed: u64, catalogue: &'a Catalogue) -> Generator<'a> {
        let mut random = Random::new(seed);
        let mut weights: Vec<u32> = GROUPS.iter().map(|group| group.weight).collect();
        // Two of three seeds dwell on two groups, so that their data become rich.
        if !random.one_in(3) {
            for _ in 0..2 {
                weights[random.below(GROUPS.len())] *= 8;
            }
        }
        Generator { random, catalogue, weights, client: 0, turn: 0 }
    }

    /// Draws these groups most of the time.
    pub fn dwelling_on(mut self, names: &[String]) -> Generator<'a> {
        for (group, weight) in GROUPS.iter().zip(&mut self.weights) {
            if names.iter().any(|name| name == group.name) {
                *weight *= 20;
            }
        }
        self
    }

    fn draw(&mut self) -> Option<Step> {
        if self.random.one_in(300) {
            return Probe::draw(&mut self.random, self.catalogue).map(Step::Probe);
        }
        if self.turn == 0 {
            self.client = self.random.below(CLIENTS);
            self.turn = [1, 2, 5, 20, 50, 100, 200][self.random.below(7)];
        }
        self.turn -= 1;
        let templates = GROUPS[self.random.weighted(self.weights.iter().copied())].templates;
        let at = self.random.weighted(templates.iter().map(|template| template.weight));
        let calls = templates[at].draw(&mut self.random);
        self.catalogue.allows(&templates[at]).then_some(Step::Calls(self.client, calls))
    }
}

impl Iterator for Generator<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        loop {
            if let Some(step) = self.draw() {
                return Some(step);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::name_of;
    use super::*;

    fn steps(seed: u64, count: usize) -> Vec<Step> {
        Generator::new(seed, &Catalogue::all()).take(count).collect()
    }

    #[test]
    fn a_seed_gives_the_same_steps() {
        assert_eq!(steps(7, 2000), steps(7, 2000));
        assert_ne!(steps(7, 20), steps(8, 20));
    }

    #[test]
    fn every_command_of_every_group_is_drawn() {
        let mut drawn = BTreeSet::new();
        for seed in 0..40 {
            for step in steps(seed, 2000) {
                if let Step::Calls(_, calls) = step {
                    drawn.extend(calls.iter().map(|argv| name_of(argv)));
                }
            }
        }
        for template in GROUPS.iter().flat_map(|group| group.templates) {
            let name = template.name.split(' ').next().unwrap_or_default();
            assert!(drawn.contains(name.as_bytes()), "{name} is never drawn");
        }
    }

    /// Outside of a transaction, what waits must wait for nothing long; and nothing expires while the test looks.
    #[test]
    fn nothing_waits_long_and_nothing_expires_soon() {
        for seed in 0..20 {
            for step in steps(seed, 3000) {
                let Step::Calls(_, calls) = step else { continue };
                let is_wrapped = calls[0] == [b"MULTI"];
                for argv in &calls {
                    let name = name_of(argv);
                    let number = |word: &Vec<u8>| std::str::from_utf8(word).ok()?.trim().parse::<f64>().ok();
                    let waits = name.starts_with(b"BL") || name.starts_with(b"BR") || name.starts_with(b"BZ");
                    if waits && !is_wrapped {
                        let timeout = if name.ends_with(b"MPOP") { argv.get(1) } else { argv.last() };
                        let timeout = timeout.and_then(number).filter(|time| !time.is_nan()).unwrap_or(-1.0);
                        assert!(
                            timeout < 0.0 || (0.001..0.1).contains(&timeout) || timeout > 1e300,
                            "{argv:?}"
                        );
                    }
                    if name.ends_with(b"EXPIRE") || name.ends_with(b"SETEX") {
                        let soon = argv.get(2).and_then(number).is_some_and(|time| time > 0.0 && time < 4e8);
                        assert!(!soon, "{argv:?}");
                    }
                    let bytes_per_offset = match name.as_slice() {
                        b"SETRANGE" => 1.0,
                        b"SETBIT" => 0.125,
                        _ => continue,
                    };
                    let bytes = argv.get(2).and_then(number).unwrap_or(0.0) * bytes_per_offset;
                    assert!(!(2000.0..512.0 * 1024.0 * 1024.0).contains(&bytes), "{argv:?}");
                }
            }
        }
    }
}
