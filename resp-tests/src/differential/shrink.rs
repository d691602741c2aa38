//! A shorter history that fails as well: parts are dropped while it still fails.

use super::generator::Step;

/// Tries `fails` on shorter histories, at most so many times. The history given must fail.
pub fn shrink(history: Vec<Step>, tries_max: usize, mut fails: impl FnMut(&[Step]) -> bool) -> Vec<Step> {
    let mut best = history;
    let mut tries = 0;
    // A failure mostly needs only what was last: try that first.
    for tail in [3, 10, 40, 160, 640] {
        if tail < best.len() && tries < tries_max {
            tries += 1;
            let shorter = best[best.len() - tail..].to_vec();
            if fails(&shorter) {
                best = shorter;
                break;
            }
        }
    }
    let mut size = best.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < best.len() {
            if tries == tries_max {
                return best;
            }
            tries += 1;
            let end = (at + size).min(best.len());
            let shorter = [&best[..at], &best[end..]].concat();
            if !shorter.is_empty() && fails(&shorter) {
                best = shorter;
            } else {
                at = end;
            }
        }
        size /= 2;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::super::words;
    use super::*;

    fn step(number: usize) -> Step {
        Step::Calls(0, vec![words(&["SET", "k", &number.to_string()])])
    }

    #[test]
    fn only_what_is_needed_is_left() {
        let history: Vec<Step> = (0..1000).map(step).collect();
        let needed = [step(7), step(500), step(999)];
        let fails = |steps: &[Step]| needed.iter().all(|one| steps.contains(one));
        assert_eq!(shrink(history, 1000, fails), needed);
    }

    #[test]
    fn it_ends_after_so_many_tries() {
        let mut tries = 0;
        let history: Vec<Step> = (0..1000).map(step).collect();
        let shrunk = shrink(history.clone(), 10, |_| {
            tries += 1;
            false
        });
        assert_eq!((tries, shrunk), (10, history));
    }
}
