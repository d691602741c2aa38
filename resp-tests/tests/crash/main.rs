//! The server is killed over and over while clients write; nothing acknowledged is lost, and nothing is done twice.
//!
//! ```text
//! clients ──(writes, pipelines, transactions)──▶ server ◀── SIGKILL at a random moment, at times while it starts
//!    │ each knows what its keys hold after its acknowledged writes (`recorder`), and which writes got no answer
//!    ▼
//! server started again on the same data ─▶ every key of every client is read and compared ─▶ on with the same data
//! ```
//!
//! `CRASH_CYCLES` kills (30 if not set), chosen by `CRASH_SEED` (printed). `make crash CYCLES=300 SEED=7` runs longer.
//! `power` cuts the power of whole machines. The named fail points inside the log are in the product's own `replication::tests::crash`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod memory;
mod power;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use resp_tests::dice::Dice;
use resp_tests::recorder::{Client, Shared, Style};
use resp_tests::server::{Program, Server, Stop};
use resp_tests::support::{SMALL, seed, variable};

const CLIENTS: usize = 8;
const CYCLES: u64 = 30;
const LOAD_MS_MIN: u64 = 50;
const LOAD_MS_MAX: u64 = 500;
/// One kill in so many is followed by one while the server starts.
const KILL_WHILE_STARTING_EVERY: u64 = 5;
/// The last client of all works here, and flushes now and then.
const FLUSHED_DB: u32 = 9;

#[test]
fn acknowledged_writes_survive_sigkill_exactly_once() {
    let cycles = variable("CRASH_CYCLES").unwrap_or(CYCLES);
    let seed = seed("CRASH_SEED");
    println!("CRASH_CYCLES={cycles}");
    let mut dice = Dice::new(seed);
    let args: Vec<String> =
        SMALL.iter().chain(&["--hot-cache-bytes", "1mb"]).map(|word| (*word).to_owned()).collect();
    let mut server = Server::start(&Program::product(), &args).unwrap();
    let mut clients: Vec<Client> = (0..CLIENTS)
        .map(|id| {
            Client::new(
                id,
                Style::Pipelines,
                if id + 1 == CLIENTS { FLUSHED_DB } else { 0 },
                Dice::new(dice.roll()),
            )
        })
        .collect();
    let mut shared = Shared::default();
    let mut interrupted = 0;
    for cycle in 1..=cycles {
        let load = Duration::from_millis(dice.between(LOAD_MS_MIN, LOAD_MS_MAX));
        let checkpoint = dice.below(3) == 0;
        write_until_killed(&mut server, &mut clients, load, checkpoint);
        if dice.below(KILL_WHILE_STARTING_EVERY) == 0 {
            server.spawn_again().unwrap();
            thread::sleep(Duration::from_millis(dice.below(60)));
            server.stop(Stop::Kill).unwrap();
        }
        server.start_again().unwrap();
        interrupted += u64::from(clients.iter().any(Client::was_interrupted));
        let mut complaints = Vec::new();
        for client in &mut clients {
            complaints.extend(client.verify(&server));
            shared.take(client);
        }
        complaints.extend(shared.verify(&server));
        assert!(
            complaints.is_empty(),
            "after kill {cycle} (CRASH_SEED={seed}):\n{}\nserver:\n{}",
            complaints.join("\n"),
            server.log_tail()
        );
    }
    let acknowledged: u64 = clients.iter().map(|client| client.acknowledged).sum();
    println!(
        "{cycles} kills, {interrupted} of them with writes in flight, {acknowledged} writes acknowledged"
    );
    // A load that never runs, or is never hit, proves nothing.
    assert!(acknowledged > cycles * 100, "only {acknowledged} writes were acknowledged");
    assert!(interrupted * 2 > cycles, "only {interrupted} kills interrupted a write");
}

/// All clients write for a while, perhaps while a checkpoint is made; then the server is killed under them.
fn write_until_killed(server: &mut Server, clients: &mut [Client], load: Duration, checkpoint: bool) {
    let killed = Arc::new(AtomicBool::new(false));
    let never = AtomicBool::new(false);
    let never = &never;
    let port = server.port;
    thread::scope(|scope| {
        let running: Vec<_> = clients
            .iter_mut()
            .map(|client| {
                let killed = Arc::clone(&killed);
                scope.spawn(move || client.write(port, never, &killed))
            })
            .collect();
        thread::sleep(load / 2);
        if checkpoint {
            server.connect().unwrap().call(&["BGSAVE"]).unwrap();
        }
        thread::sleep(load / 2);
        // Before the kill: from here on a broken connection is no surprise.
        killed.store(true, Ordering::SeqCst);
        server.stop(Stop::Kill).unwrap();
        for thread in running {
            thread.join().unwrap();
        }
    });
}
