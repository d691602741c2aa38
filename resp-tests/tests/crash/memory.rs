//! A server that the machine kills for want of memory, under load: as SIGKILL, nothing acknowledged is lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use resp_tests::connection::Connection;
use resp_tests::dice::Dice;
use resp_tests::memory::{MemoryGroup, resident};
use resp_tests::recorder::{Client, Shared, Style};
use resp_tests::server::{Program, Server};
use resp_tests::support::{SMALL, eventually_within, seed};

const CLIENTS: usize = 4;
const CYCLES: u64 = 2;
/// Room that it has beyond what it takes at rest.
const ROOM_BYTES: u64 = 24 << 20;
const KILLED_MAX: Duration = Duration::from_secs(60);

#[test]
fn acknowledged_writes_survive_a_kill_for_want_of_memory() {
    let mut dice = Dice::new(seed("CRASH_SEED"));
    let args: Vec<String> = SMALL.iter().map(|word| (*word).to_owned()).collect();
    let mut server = Server::start(&Program::product(), &args).unwrap();
    let mut clients: Vec<Client> =
        (0..CLIENTS).map(|id| Client::new(id, Style::Pipelines, 0, Dice::new(dice.roll()))).collect();
    let mut shared = Shared::default();
    for cycle in 1..=CYCLES {
        let (now, _) = resident(server.pid()).unwrap();
        let Some(group) = MemoryGroup::new(&format!("crash-{cycle}"), now + ROOM_BYTES) else {
            println!("no control group can be made here: nothing is shown");
            return;
        };
        // What it had before does not count: the room is for what comes.
        group.add(server.pid()).unwrap();
        group.set_limit(ROOM_BYTES).unwrap();
        let (killed, never, port) = (AtomicBool::new(false), AtomicBool::new(false), server.port);
        thread::scope(|scope| {
            for client in &mut clients {
                let (killed, never) = (&killed, &never);
                scope.spawn(move || client.write(port, never, killed));
            }
            thread::sleep(Duration::from_millis(300));
            killed.store(true, Ordering::SeqCst);
            // Requests that never end pin memory until there is none.
            let mut hogs = Vec::new();
            eventually_within("it is killed", KILLED_MAX, || {
                if let Ok(mut hog) = Connection::open(port) {
                    let _cut = hog
                        .send_raw(b"*2\r\n$3\r\nGET\r\n$67108864\r\n")
                        .and_then(|()| hog.send_raw(&vec![b'k'; 8 << 20]));
                    hogs.push(hog);
                }
                !server.is_running().unwrap()
            });
        });
        use std::os::unix::process::ExitStatusExt;
        let status = server.wait_until_gone(Duration::from_secs(5)).unwrap();
        assert_eq!(status.signal(), Some(9), "{status}: {}", server.log_tail());
        drop(group);
        server.start_again().unwrap();
        let mut complaints = Vec::new();
        for client in &mut clients {
            complaints.extend(client.verify(&server));
            shared.take(client);
        }
        complaints.extend(shared.verify(&server));
        assert!(complaints.is_empty(), "after kill {cycle}:\n{}", complaints.join("\n"));
    }
    let acknowledged: u64 = clients.iter().map(|client| client.acknowledged).sum();
    println!("{CYCLES} kills, {acknowledged} writes acknowledged");
    assert!(acknowledged > 100, "only {acknowledged} writes were acknowledged");
}
