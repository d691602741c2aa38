//! Which fault comes next.

use super::fault::Fault;
use crate::dice::Dice;

/// In which order a run takes its faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Each round's fault by itself: what a long run wants.
    Drawn,
    /// All of them once, in an order of chance, then all of them again: a short run leaves none out.
    Passes,
}

/// A source of faults.
#[derive(Debug)]
pub struct Schedule {
    faults: Vec<Fault>,
    order: Order,
    left: Vec<Fault>,
    given: usize,
}

impl Schedule {
    /// Of those `faults` that so many nodes can have; there must be one.
    pub fn new(faults: &[Fault], nodes: usize, order: Order) -> Schedule {
        let faults: Vec<Fault> = faults.iter().copied().filter(|fault| fault.nodes_min() <= nodes).collect();
        assert!(!faults.is_empty(), "no fault to choose from: is one misspelt, or are there too few nodes?");
        Schedule { faults, order, left: Vec::new(), given: 0 }
    }

    pub fn next(&mut self, dice: &mut Dice) -> Fault {
        self.given += 1;
        if self.order == Order::Drawn {
            return self.faults[dice.below(self.faults.len() as u64) as usize];
        }
        if self.left.is_empty() {
            self.left.clone_from(&self.faults);
            dice.shuffle(&mut self.left);
        }
        self.left.pop().unwrap_or(self.faults[0])
    }

    /// Whether a run may end here if its time is up.
    pub fn may_end(&self) -> bool {
        match self.order {
            Order::Drawn => self.given > 0,
            Order::Passes => self.given >= self.faults.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::KINDS;

    #[test]
    fn a_pass_visits_every_fault_once_and_in_an_order_that_the_seed_repeats() {
        let pass = |seed| {
            let (mut schedule, mut dice) = (Schedule::new(&KINDS, 5, Order::Passes), Dice::new(seed));
            let mut faults = Vec::new();
            while !schedule.may_end() {
                faults.push(schedule.next(&mut dice));
            }
            faults
        };
        assert_eq!(pass(1), pass(1));
        assert_ne!(pass(1), pass(2));
        let mut sorted = pass(3);
        sorted.sort();
        assert_eq!(sorted, KINDS);
    }

    #[test]
    fn what_needs_more_nodes_is_not_chosen() {
        let (mut schedule, mut dice) = (Schedule::new(&KINDS, 3, Order::Drawn), Dice::new(1));
        assert!((0..1000).all(|_| schedule.next(&mut dice) != Fault::Ring));
    }
}
