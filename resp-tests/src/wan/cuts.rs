//! Short cuts, over and over.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::links::Links;

/// One hundredth of the time is cut, about.
const SHARE: u32 = 100;

/// See the module. They end, healed, when this is stopped or dropped.
#[derive(Debug)]
pub struct Cuts {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<Vec<Duration>>>,
}

impl Cuts {
    /// `lengths`: of the shortest and of the longest.
    pub(super) fn start(
        links: Links,
        these: Vec<usize>,
        those: Vec<usize>,
        lengths: (Duration, Duration),
    ) -> Cuts {
        let (stop, stopped) = mpsc::channel::<()>();
        let run = move || {
            let mut cuts = Vec::new();
            let micros = |length: Duration| length.as_micros() as u64;
            loop {
                let length = links.draw_between(micros(lengths.0), micros(lengths.1) + 1);
                let length = Duration::from_micros(length);
                // Anywhere in its share of the time.
                let whole = length * SHARE;
                let before = Duration::from_micros(links.draw_between(0, micros(whole - length)));
                let wait = |time| stopped.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
                if !wait(before) {
                    return cuts;
                }
                links.each_way(&these, &those, |way| way.is_cut = true);
                let goes_on = wait(length);
                links.each_way(&these, &those, |way| way.is_cut = false);
                cuts.push(length);
                if !goes_on || !wait(whole - length - before) {
                    return cuts;
                }
            }
        };
        Cuts { stop: Some(stop), thread: Some(thread::spawn(run)) }
    }

    /// How long each of them was.
    pub fn stop(mut self) -> Vec<Duration> {
        self.stop = None;
        self.thread.take().map(|thread| thread.join().expect("cuts")).unwrap_or_default()
    }
}

impl Drop for Cuts {
    fn drop(&mut self) {
        self.stop = None;
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
