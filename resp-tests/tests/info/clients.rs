//! CLIENT LIST, and OBJECT IDLETIME, which clients reset.

use resp_tests::server::Server;
use resp_tests::value::Value;

use super::{call, eventually, number, ok, product, text};

/// A word of the only line of CLIENT LIST that has this client name.
fn listed(server: &Server, name: &str, word: &str) -> String {
    let told = text(&call(&mut server.connect().unwrap(), &["CLIENT", "LIST"]));
    let line = told.lines().find(|line| line.contains(&format!(" name={name} "))).unwrap();
    let value = line.split(' ').find_map(|pair| pair.strip_prefix(&format!("{word}=")));
    value.unwrap_or_else(|| panic!("{line} has no {word}")).to_owned()
}

#[test]
fn client_list_tells_of_buffers_and_queues_as_they_are() {
    let server = product(&[]);
    let named = |name: &str| {
        let mut connection = server.connect().unwrap();
        assert_eq!(call(&mut connection, &["CLIENT", "SETNAME", name]), ok());
        connection
    };
    let of = |name: &str, word: &str| listed(&server, name, word).parse::<u64>().unwrap();
    // Half a request.
    let mut half = named("half");
    half.send_raw(b"*2\r\n$3\r\nGET\r\n$1000\r\nabc").unwrap();
    eventually("the half request is seen", || of("half", "qbuf") == 23);
    assert!(of("half", "qbuf-free") > 0 && of("half", "tot-mem") > of("half", "qbuf-free"));
    // A transaction that is being queued.
    let mut multi = named("multi");
    call(&mut multi, &["MULTI"]);
    assert_eq!(of("multi", "multi-mem"), 0);
    call(&mut multi, &["SET", "k", &"v".repeat(5000)]);
    assert!(of("multi", "multi-mem") > 5000 && of("multi", "tot-mem") > 5000);
    call(&mut multi, &["EXEC"]);
    assert_eq!(of("multi", "multi-mem"), 0);
    // Small words cost more than their bytes: here, a vector and an allocation each.
    call(&mut multi, &["MULTI"]);
    let words = [vec!["MSET"], vec!["x"; 1000]].concat();
    call(&mut multi, &words);
    assert!(of("multi", "multi-mem") > 1000 * 40);
    call(&mut multi, &["DISCARD"]);
    eventually("a transaction that is given up takes nothing", || of("multi", "multi-mem") == 0);
    // All else that a client may pin.
    let grows = |name: &str, by: u64, act: &mut dyn FnMut()| {
        let before = of(name, "tot-mem");
        act();
        eventually(&format!("what {name} pins is counted"), || of(name, "tot-mem") > before + by);
    };
    let mut words = named("words");
    grows("words", 10_000 * 16, &mut || {
        words.send_raw(b"*20000\r\n").unwrap();
        words.send_raw(&b"$1\r\nx\r\n".repeat(10_000)).unwrap();
    });
    assert!(of("words", "argv-mem") >= 10_000 * 16);
    let mut watcher = named("watcher");
    let name = "n".repeat(1000);
    grows("watcher", 2000, &mut || assert_eq!(call(&mut watcher, &["WATCH", &name]), ok()));
    let mut subscriber = named("subscriber");
    grows("subscriber", 1000, &mut || {
        call(&mut subscriber, &["SUBSCRIBE", &name]);
    });
    let mut waiter = named("waiter");
    grows("waiter", 2000, &mut || waiter.send(&["BLPOP", &name, "0"]).unwrap());
    assert_eq!(call(&mut server.connect().unwrap(), &["RPUSH", &name, "e"]), Value::Integer(1));
    waiter.receive().unwrap();
    eventually("what it no longer waits for is not", || of("waiter", "tot-mem") < 6000);
    // The room of a large request is given back, also when the next one has begun.
    let mut behind = named("behind");
    let value = "v".repeat(8 << 20);
    behind
        .send_raw(format!("*2\r\n$4\r\nECHO\r\n${}\r\n{value}\r\n*1\r\n$4\r\nPI", value.len()).as_bytes())
        .unwrap();
    behind.receive().unwrap();
    eventually("half a request takes little", || {
        of("behind", "qbuf") == 10 && of("behind", "tot-mem") < 1 << 20
    });
    // One who does not read: replies pile up in its buffer, messages in its queue.
    let mut asker = named("asker");
    call(&mut asker, &["SET", "large", &"v".repeat(1 << 20)]);
    for _ in 0..40 {
        asker.send(&["GET", "large"]).unwrap();
    }
    eventually("unsent replies are seen", || {
        of("asker", "obl") > 0 && listed(&server, "asker", "events") == "rw"
    });
    assert!(of("asker", "rbp") >= 1 << 20 && of("asker", "rbs") >= 1 << 20);
    let mut listener = named("listener");
    call(&mut listener, &["SUBSCRIBE", "news"]);
    assert_eq!((of("listener", "oll"), of("listener", "omem")), (0, 0));
    assert_eq!(listed(&server, "listener", "events"), "r");
    let mut speaker = server.connect().unwrap();
    let message = "m".repeat(1 << 20);
    eventually("messages wait", || {
        call(&mut speaker, &["PUBLISH", "news", &message]);
        of("listener", "oll") > 0 && of("listener", "omem") >= 1 << 20
    });
    assert!(number(&server, "memory", "mem_clients_normal") > 1 << 20);
    for _ in 0..40 {
        asker.receive().unwrap();
    }
    eventually("all was sent", || of("asker", "obl") == 0 && listed(&server, "asker", "events") == "r");
}

#[test]
fn idletime_counts_from_the_last_access_on_this_node() {
    for args in [&[][..], &["--hot-cache-bytes", "0"]] {
        let server = product(args);
        let mut connection = server.connect().unwrap();
        let idle = || match call(&mut server.connect().unwrap(), &["OBJECT", "IDLETIME", "k"]) {
            Value::Integer(seconds) => seconds,
            other => panic!("{other:?}"),
        };
        let large = "v".repeat(100_000);
        for value in ["v", &large] {
            call(&mut connection, &["SET", "k", value]);
            assert!(idle() <= 1);
            eventually("it is idle", || idle() >= 2);
            // None of these is an access.
            for words in [&["TTL", "k"][..], &["TYPE", "k"], &["EXISTS", "k"], &["OBJECT", "ENCODING", "k"]] {
                call(&mut connection, words);
                assert!(idle() >= 2, "{words:?}");
            }
            call(&mut connection, &["CLIENT", "NO-TOUCH", "on"]);
            call(&mut connection, &["GET", "k"]);
            assert!(idle() >= 2);
            call(&mut connection, &["TOUCH", "k"]);
            assert!(idle() <= 1);
            call(&mut connection, &["CLIENT", "NO-TOUCH", "off"]);
            eventually("it is idle again", || idle() >= 2);
            call(&mut connection, &["GET", "k"]);
            assert!(idle() <= 1);
        }
    }
}
