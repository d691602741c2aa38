//! `make demo`: a core of three nodes, two edge sites far away, and load, on this machine, to look at and to break.
//!
//! ```text
//! writers ─▶ core-0 core-1 core-2 ◀──── 80 ms ────▶ fra ◀─ readers
//!                                 ◀──── 80 ms ────▶ syd ◀─ readers
//! ```

mod load;
mod world;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use load::Load;
pub use world::World;

/// Time between two lines of figures.
const LINE: Duration = Duration::from_secs(1);
/// Longest time for a site to have everything again.
const CATCH_UP_MAX: Duration = Duration::from_secs(30);

/// What the short form found.
#[derive(Debug)]
pub struct Report {
    pub writes: u64,
    pub reads: u64,
    /// Acknowledged values that a node or a site did not have at the end; which, and where.
    pub lost: Vec<String>,
}

/// What a person may ask for while it runs.
const HELP: &str = "\
  kill          kill the leader (SIGKILL)           start         start it again
  cut SITE      cut an edge site off                mend SITE     and let it through again
  quit          end everything, and remove the data";

/// Runs until `quit`, or until `is_over`; `words` are lines of a person.
pub fn interact(world: &mut World, words: &Receiver<String>, is_over: &AtomicBool) {
    println!("{}\n\nType one of these, or use any Redis client:\n{HELP}\n", world.describe());
    let load = Load::start(world);
    let began = Instant::now();
    while !is_over.load(Ordering::Relaxed) {
        let text = match words.recv_timeout(LINE) {
            Ok(text) => text,
            Err(silence) => {
                // Nobody types: it goes on until it is ended.
                if silence == RecvTimeoutError::Disconnected {
                    thread::sleep(LINE);
                }
                println!("{:>4} s  {}", began.elapsed().as_secs(), load.line(world));
                continue;
            }
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let done = match words[..] {
            [] => continue,
            ["quit" | "exit" | "q"] => break,
            ["kill"] => world.kill_leader(),
            ["start"] => world.start_again(),
            ["cut", site] => world.set_cut(site, true),
            ["mend", site] => world.set_cut(site, false),
            _ => Err(format!("not one of these:\n{HELP}")),
        };
        match done {
            Ok(text) | Err(text) => println!("        {text}"),
        }
    }
    println!("ending");
}

/// The short form: kills the leader, cuts a site, mends both, and compares what was acknowledged with what is there.
pub fn run_alone(world: &mut World, seconds: u64) -> Result<Report, String> {
    println!("{}\n", world.describe());
    let load = Load::start(world);
    let step = Duration::from_secs(seconds) / 5;
    let wait = |world: &World| {
        let until = Instant::now() + step;
        while Instant::now() < until {
            thread::sleep(LINE.min(step));
            println!("        {}", load.line(world));
        }
    };
    wait(world);
    println!("        {}", world.kill_leader()?);
    wait(world);
    println!("        {}", world.start_again()?);
    println!("        {}", world.set_cut("fra", true)?);
    wait(world);
    println!("        {}", world.write_at("syd")?);
    wait(world);
    println!("        {}", world.set_cut("fra", false)?);
    wait(world);
    let (acknowledged, writes, reads) = load.end();
    let deadline = Instant::now() + CATCH_UP_MAX;
    let mut lost = world.missing(&acknowledged);
    while !lost.is_empty() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(200));
        lost = world.missing(&acknowledged);
    }
    Ok(Report { writes, reads, lost })
}
