//! Two or three faults at once, each on a thread of its own, of classes that do not undo each other.

use std::thread;

use super::Stage;
use crate::chaos::failure::Failure;
use crate::chaos::fault::{Class, Fault, KINDS};
use crate::dice::Dice;

const CLASSES: [Class; 4] = [Class::Processes, Class::Links, Class::Clocks, Class::Members];

pub(super) fn play(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let faults = choose(&mut stage.dice, stage.network.core().len());
    println!("  at once: {faults:?}");
    let stages: Vec<(Fault, Stage<'_>)> = faults
        .into_iter()
        .map(|fault| {
            let dice = Dice::new(stage.dice.roll());
            (fault, Stage { dice, in_company: true, network: stage.network, ..*stage })
        })
        .collect();
    thread::scope(|scope| {
        let playing: Vec<_> = stages
            .into_iter()
            .map(|(fault, mut stage)| {
                scope.spawn(move || {
                    stage.network.enter()?;
                    stage.play(fault).map_err(|failure| failure.during(&format!("{fault:?}")))
                })
            })
            .collect();
        // All of them, also after one has failed: what they have broken is to be healed.
        let played: Vec<Result<(), Failure>> = playing
            .into_iter()
            .map(|one| one.join().unwrap_or_else(|_| Err(Failure::harness("a fault panicked"))))
            .collect();
        played.into_iter().collect()
    })
}

/// One of each of two or three classes.
fn choose(dice: &mut Dice, nodes: usize) -> Vec<Fault> {
    let mut classes = CLASSES;
    dice.shuffle(&mut classes);
    let count = dice.between(2, 4) as usize;
    classes
        .iter()
        .take(count)
        .map(|class| {
            let fits = |fault: &&Fault| fault.class() == *class && fault.nodes_min() <= nodes;
            let of_class: Vec<Fault> = KINDS.iter().filter(fits).copied().collect();
            of_class[dice.below(of_class.len() as u64) as usize]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_can_be_combined_is_combined() {
        let mut dice = Dice::new(1);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            let faults = choose(&mut dice, 3);
            assert!((2..=3).contains(&faults.len()));
            for (at, fault) in faults.iter().enumerate() {
                assert!(!faults[..at].iter().any(|other| other.class() == fault.class()), "{faults:?}");
                assert!(*fault != Fault::Ring);
                seen.insert(*fault);
            }
        }
        let wanted = KINDS.iter().filter(|fault| fault.class() != Class::Alone && **fault != Fault::Ring);
        assert_eq!(seen.len(), wanted.count());
    }
}
