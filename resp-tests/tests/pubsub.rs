//! Messages between connections, on one node as redis-server hands them out, and on three nodes in one order.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use resp_tests::cluster::{Cluster, field};
use resp_tests::connection::{Connection, Received};
use resp_tests::server::{Program, Server, Stop};
use resp_tests::support::{call, next};
use resp_tests::value::{Value, encode};

/// What several listeners of one server get of a few messages.
fn transcript(server: &Server) -> Vec<(&'static str, Value)> {
    let mut told = Vec::new();
    let connect = || server.connect().unwrap();
    let (mut two, mut three, mut shard, mut speaker) = (connect(), connect(), connect(), connect());
    two.send(&["SUBSCRIBE", "news", "sport"]).unwrap();
    told.extend([("two", next(&mut two)), ("two", next(&mut two))]);
    told.push(("two", call(&mut two, &["PSUBSCRIBE", "n?ws"])));
    call(&mut three, &["HELLO", "3"]);
    told.push(("three", call(&mut three, &["SUBSCRIBE", "news"])));
    told.push(("three", call(&mut three, &["PSUBSCRIBE", "*"])));
    told.push(("shard", call(&mut shard, &["SSUBSCRIBE", "news"])));
    for words in [
        &["PUBLISH", "news", "first"][..],
        &["PUBLISH", "sport", "bin\0ary\r\n"],
        &["PUBLISH", "other", ""],
        &["SPUBLISH", "news", "to the shard"],
    ] {
        told.push(("speaker", call(&mut speaker, words)));
    }
    // Both of its subscriptions match the first: the channel comes before the pattern.
    told.extend((0..3).map(|_| ("two", next(&mut two))));
    told.extend((0..4).map(|_| ("three", next(&mut three))));
    told.push(("shard", next(&mut shard)));
    // A RESP3 client goes on as usual, and hears itself; what it says to itself may come before or after the answer.
    three.send(&["PUBLISH", "news", "self"]).unwrap();
    let mut own = vec![next(&mut three), next(&mut three), next(&mut three)];
    own.sort_by_key(|reply| format!("{reply:?}"));
    told.extend(own.into_iter().map(|reply| ("three", reply)));
    told.extend((0..2).map(|_| ("two", next(&mut two))));
    two.send(&["UNSUBSCRIBE"]).unwrap();
    // Redis takes the channels as they lie in its table, which is another order in every process.
    let (first, second) = (next(&mut two), next(&mut two));
    told.extend(in_order_of_names(first, second).map(|reply| ("two", reply)));
    told.push(("two", call(&mut two, &["RESET"])));
    told.push(("speaker", call(&mut speaker, &["PUBLISH", "news", "last"])));
    told.push(("speaker", call(&mut speaker, &["PUBSUB", "NUMSUB", "news", "sport"])));
    told
}

/// Two answers of UNSUBSCRIBE with their counts as they came, and their channels sorted.
fn in_order_of_names(first: Value, second: Value) -> [Value; 2] {
    let (Value::Array(mut first), Value::Array(mut second)) = (first, second) else { panic!("no arrays") };
    if first[1].as_text() > second[1].as_text() {
        std::mem::swap(&mut first[1], &mut second[1]);
    }
    [Value::Array(first), Value::Array(second)]
}

#[test]
fn messages_are_those_of_redis() {
    let ours = Server::start(&Program::product(), &[]).unwrap();
    let theirs = Server::start(&Program::reference().unwrap(), &[]).unwrap();
    let (ours, theirs) = (transcript(&ours), transcript(&theirs));
    assert_eq!(ours.len(), theirs.len());
    for (index, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        assert_eq!(ours, theirs, "step {index}");
    }
}

/// faults.md (b) 15: who listens and never reads is cut off; others are served.
#[test]
fn a_subscriber_that_never_reads_is_closed() {
    let server = Server::start(&Program::product(), &[]).unwrap();
    let (mut deaf, mut good) = (server.connect().unwrap(), server.connect().unwrap());
    call(&mut deaf, &["SUBSCRIBE", "loud"]);
    call(&mut good, &["SUBSCRIBE", "loud"]);
    let mut speaker = server.connect().unwrap();
    let message = "x".repeat(1 << 20);
    let mut sent = 0;
    while call(&mut speaker, &["PUBLISH", "loud", &message]) == Value::Integer(2) {
        let Value::Array(words) = next(&mut good) else { panic!("not a message") };
        assert_eq!(words[2], Value::Bulk(message.clone().into_bytes()));
        sent += 1;
        assert!(sent < 200, "nobody is cut off");
    }
    assert!(sent > 30, "cut off after {sent} MiB");
    next(&mut good);
    assert_eq!(call(&mut speaker, &["PUBLISH", "loud", "on"]), Value::Integer(1));
}

fn message(reply: Value) -> Option<String> {
    match reply {
        Value::Array(words) if words.first() == Some(&Value::Bulk(b"message".to_vec())) => match &words[2] {
            Value::Bulk(text) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        },
        _ => None,
    }
}

/// Messages until there are none for a while, or the connection ends.
fn listen(connection: &mut Connection, quiet: Duration, done: &AtomicBool) -> Vec<String> {
    let mut heard = Vec::new();
    connection.set_deadline(quiet);
    loop {
        match connection.receive() {
            Ok(Received::Reply(reply)) => heard.extend(message(reply)),
            Ok(Received::Closed) => return heard,
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                if done.load(Ordering::SeqCst) {
                    return heard;
                }
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Whether two listeners that both heard some messages heard those in the same order, and none twice.
fn assert_one_order(heard: &[Vec<String>]) {
    for one in heard {
        let mut sorted = one.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), one.len(), "a message came twice");
        for other in heard {
            let common = |of: &Vec<String>, with: &Vec<String>| {
                let with: std::collections::BTreeSet<&String> = with.iter().collect();
                of.iter().filter(|text| with.contains(text)).cloned().collect::<Vec<_>>()
            };
            assert_eq!(common(one, other), common(other, one), "two orders");
        }
    }
}

#[test]
fn three_nodes_hand_out_one_order_also_while_the_leader_dies() {
    let mut cluster = Cluster::start(&Program::product(), 3, &[]).unwrap();
    let leader = cluster.wait_until_agreed().unwrap();
    let ports: Vec<u16> = cluster.nodes.iter().map(|node| node.port).collect();
    let mut listeners: Vec<Connection> = ports.iter().map(|port| Connection::open(*port).unwrap()).collect();
    for listener in &mut listeners {
        call(listener, &["SUBSCRIBE", "channel"]);
    }
    let mut speaker = cluster.nodes[(leader + 1) % 3].connect().unwrap();
    assert_eq!(call(&mut speaker, &["PUBLISH", "channel", "all three"]), Value::Integer(3));
    let (done, killed) = (AtomicBool::new(false), AtomicBool::new(false));
    let (heard, sent) = thread::scope(|scope| {
        let listening: Vec<_> = listeners
            .iter_mut()
            .map(|listener| scope.spawn(|| listen(listener, Duration::from_secs(1), &done)))
            .collect();
        let speaking: Vec<_> = (0..3)
            .map(|speaker| {
                let (port, killed) = (ports[speaker], &killed);
                scope.spawn(move || {
                    let mut connection = Connection::open(port).unwrap();
                    connection.set_deadline(Duration::from_secs(20));
                    let (mut sent, mut after) = (0, 0);
                    while after < 200 {
                        let text = format!("{speaker}.{sent}");
                        match connection.call(&["PUBLISH", "channel", &text]) {
                            Ok(Received::Reply(Value::Integer(_))) => {
                                after += i32::from(killed.load(Ordering::SeqCst))
                            }
                            Ok(Received::Reply(Value::Error(_))) => thread::sleep(Duration::from_millis(20)),
                            // Its node is the one that was killed.
                            _ => return sent,
                        }
                        sent += 1;
                    }
                    sent
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(700));
        cluster.nodes[leader].stop(Stop::Kill).unwrap();
        killed.store(true, Ordering::SeqCst);
        let sent: Vec<i32> = speaking.into_iter().map(|speaker| speaker.join().unwrap()).collect();
        done.store(true, Ordering::SeqCst);
        (listening.into_iter().map(|listener| listener.join().unwrap()).collect::<Vec<_>>(), sent)
    });
    assert_one_order(&heard);
    for (node, heard) in heard.iter().enumerate() {
        println!("node {node} (leader {leader}) heard {} of {sent:?}", heard.len());
        assert!(heard.len() > 100, "node {node} heard {}", heard.len());
        // Each speaker's own messages keep their order.
        for speaker in 0..3 {
            let own = heard
                .iter()
                .filter_map(|text| text.strip_prefix(&format!("{speaker}."))?.parse::<i32>().ok());
            let own: Vec<i32> = own.collect();
            assert!(own.windows(2).all(|pair| pair[0] < pair[1]), "speaker {speaker}");
        }
    }
    // The last ones came to both that live.
    for node in (0..3).filter(|node| *node != leader) {
        let lived = (0..3).filter(|speaker| *speaker != leader);
        for speaker in lived {
            let last = format!("{speaker}.{}", sent[speaker] - 1);
            assert!(heard[node].contains(&last), "node {node} did not hear {last}");
        }
    }
    // The dead node comes back and hears again.
    cluster.nodes[leader].start_again().unwrap();
    let mut again = cluster.nodes[leader].connect().unwrap();
    call(&mut again, &["SUBSCRIBE", "channel"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        call(&mut speaker, &["PUBLISH", "channel", "welcome"]);
        again.set_deadline(Duration::from_millis(300));
        if again.receive().is_ok() {
            break;
        }
        assert!(Instant::now() < deadline, "a node that came back hears nothing");
    }
    assert!(field(&cluster.nodes[leader], "pubsub_channels").as_deref() == Some("1"));
}

/// Replies to calls on a connection that does not say how many there will be, until PING's.
fn raw(server: &Server, protocol: &str, calls: &[&str]) -> String {
    let mut connection = server.connect().unwrap();
    call(&mut connection, &["HELLO", protocol]);
    // At once: redis-server closes for a QUIT that it does not answer only if something is left to write.
    let calls = calls.iter().chain(&["QUIT"]).map(|line| encode(&line.split(' ').collect::<Vec<_>>()));
    connection.send_raw(&calls.collect::<Vec<_>>().concat()).unwrap();
    String::from_utf8(connection.read_to_close().unwrap()).unwrap()
}

/// CLIENT REPLY silences replies. Confirmations and messages are none: bytes as redis-server has them, also of a transaction.
#[test]
fn confirmations_come_whatever_client_reply_says_and_in_a_transaction_too() {
    let ours = Server::start(&Program::product(), &[]).unwrap();
    let theirs = Server::start(&Program::reference().unwrap(), &[]).unwrap();
    let conversations: [&[&str]; 11] = [
        &["CLIENT REPLY OFF", "SUBSCRIBE a b", "PSUBSCRIBE a*", "SSUBSCRIBE s", "PING", "SUBSCRIBE"],
        &["CLIENT REPLY OFF", "SUBSCRIBE a", "UNSUBSCRIBE", "PUNSUBSCRIBE q", "SUNSUBSCRIBE", "GET x"],
        &["CLIENT REPLY SKIP", "SUBSCRIBE a", "PING"],
        &["CLIENT REPLY SKIP", "SUBSCRIBE", "PING"],
        &["CLIENT REPLY SKIP", "CLIENT REPLY SKIP", "PING", "PING"],
        &[
            "CLIENT REPLY OFF",
            "MULTI",
            "SUBSCRIBE a",
            "PING",
            "EXEC",
            "UNSUBSCRIBE",
            "CLIENT REPLY ON",
            "PING",
        ],
        &["CLIENT REPLY OFF", "SUBSCRIBE a", "RESET", "PING"],
        &["MULTI", "SUBSCRIBE a", "PING", "EXEC", "PING"],
        &["MULTI", "SET k v", "SUBSCRIBE a b", "GET k", "PSUBSCRIBE p*", "EXEC"],
        &["MULTI", "SUBSCRIBE a", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE", "EXEC", "GET k"],
        &["MULTI", "SSUBSCRIBE a", "SUBSCRIBE", "EXEC", "PING"],
    ];
    for protocol in ["2", "3"] {
        for conversation in conversations {
            let what = format!("RESP{protocol} {conversation:?}");
            assert_eq!(raw(&ours, protocol, conversation), raw(&theirs, protocol, conversation), "{what}");
        }
        // Messages, too, and with the state that the transaction left.
        for server in [&ours, &theirs] {
            let (mut listener, mut speaker) = (server.connect().unwrap(), server.connect().unwrap());
            call(&mut listener, &["HELLO", protocol]);
            call(&mut listener, &["MULTI"]);
            call(&mut listener, &["SUBSCRIBE", "news"]);
            call(&mut listener, &["CLIENT", "REPLY", "OFF"]);
            listener.send(&["EXEC"]).unwrap();
            while call(&mut speaker, &["PUBLISH", "news", "x"]) != Value::Integer(1) {}
            let told = |value: &Value| {
                let text = format!("{value:?}");
                text.contains("Bulk") && format!("{value:?}").contains(&format!("{:?}", b"message"))
            };
            while !told(&next(&mut listener)) {}
        }
    }
}

/// Under load: whatever was published before, nothing comes between a confirmation and the reply of the next call.
#[test]
fn nothing_comes_after_the_confirmation_that_a_client_listens_no_more() {
    const ROUNDS: usize = 200;
    let server = Server::start(&Program::product(), &[]).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for sharded in [false, false, true] {
            let (server, done) = (&server, &done);
            scope.spawn(move || {
                let mut speaker = server.connect().unwrap();
                while !done.load(Ordering::SeqCst) {
                    call(&mut speaker, &[if sharded { "SPUBLISH" } else { "PUBLISH" }, "loud", "x"]);
                }
            });
        }
        let listening = scope.spawn(|| {
            let mut heard = 0;
            for (kind, name) in [("", "loud"), ("P", "l?ud"), ("S", "loud")] {
                for round in 0..ROUNDS {
                    let mut listener = server.connect().unwrap();
                    let (on, off) = (format!("{kind}SUBSCRIBE"), format!("{kind}UNSUBSCRIBE"));
                    call(&mut listener, &[&on, name]);
                    heard += usize::from(matches!(next(&mut listener), Value::Array(_)));
                    // In the same packet, in the next one, or the connection anew.
                    let (last, word) = match round % 3 {
                        0 => (&["PING"][..], off.to_lowercase()),
                        1 => (&["GET", "absent"][..], off.to_lowercase()),
                        _ => (&["PING"][..], "RESET".into()),
                    };
                    let end: &[&str] = if word == "RESET" { &["RESET"] } else { &[&off] };
                    listener.send(end).unwrap();
                    if round % 3 == 0 {
                        listener.send(last).unwrap();
                    }
                    loop {
                        match next(&mut listener) {
                            Value::Array(words) if words[0] == Value::Bulk(word.clone().into_bytes()) => {
                                break;
                            }
                            Value::Array(_) => heard += 1,
                            Value::Simple(text) if text == word.as_bytes() => break,
                            other => panic!("{other:?}"),
                        }
                    }
                    if round % 3 != 0 {
                        listener.send(last).unwrap();
                    }
                    let reply = next(&mut listener);
                    assert!(!matches!(reply, Value::Array(_)), "{reply:?} after {word}");
                }
            }
            heard
        });
        let heard = listening.join();
        done.store(true, Ordering::SeqCst);
        assert!(heard.unwrap() > 3 * ROUNDS, "no load");
    });
}
