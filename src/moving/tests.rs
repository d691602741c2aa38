//! A source that lies, or breaks off: the feeder names what is wrong, and neither panics nor waits for ever nor takes memory for
//! what does not come.

use super::feeder::{Fed, Feeder, Shared, Trouble, Wanted};
use crate::{
    rdb::{Object, VERSION, Writer},
    replica::{FromSource, Proposal},
    session::SourceSettings,
};
use crossbeam::channel::unbounded;
use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::Arc,
    thread,
};

const REPLID: &str = "0123456789012345678901234567890123456789";
const MARK: &str = "abcdefghijabcdefghijabcdefghijabcdefghij";

/// A file with one key.
fn rdb() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), VERSION, &[]).unwrap();
    writer.select(3, 1, 0).unwrap();
    writer.record(b"key", &Object::String(b"value".to_vec()), None).unwrap();
    writer.finish().unwrap()
}

/// What the feeder makes of a source that answers PSYNC with these bytes, and then closes the connection.
fn feed(go_on: Option<u64>, answer: &[u8]) -> (Vec<Fed>, Trouble) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = answer.to_vec();
    let source = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let mut stream = stream;
        // Each request is words, each behind its length.
        loop {
            let Some(Ok(head)) = lines.next() else { return };
            let words: usize = head.trim_start_matches('*').parse().unwrap();
            let words: Vec<String> = (0..words).map(|_| lines.nth(1).unwrap().unwrap()).collect();
            if words[0] == "PSYNC" {
                let _ = stream.write_all(&answer);
                return;
            }
            stream.write_all(b"+OK\r\n").unwrap();
        }
    });
    let settings = SourceSettings { host: "127.0.0.1".into(), port, ..SourceSettings::default() };
    let go_on = go_on.map(|position| (REPLID.to_owned(), position, 0));
    let (to, fed) = unbounded();
    let wanted = Wanted { settings, go_on, bytes_per_second: 0, port: 1 };
    Feeder::new(wanted, Arc::new(Shared::default()), to).run();
    source.join().unwrap();
    let mut all: Vec<Fed> = fed.try_iter().collect();
    let Some(Fed::Ended(trouble)) = all.pop() else { panic!("it has not ended") };
    (all, trouble)
}

fn full(rest: &[u8]) -> Vec<u8> {
    [format!("+FULLRESYNC {REPLID} 77\r\n").as_bytes(), rest].concat()
}

/// The words of all calls of steps.
fn calls(fed: Vec<Fed>) -> Vec<String> {
    let mut texts = Vec::new();
    for fed in fed {
        let Fed::Step { step, .. } = fed else { continue };
        let bytes = step.finish(0, 0, 0);
        let Ok(Proposal::Source(FromSource::Step(mut step))) = Proposal::decode(&bytes) else { panic!() };
        while let Some(mut unit) = step.next_unit().unwrap() {
            while let Some(call) = unit.calls.next_call().unwrap() {
                let words: Vec<_> =
                    call.argv.iter().take(2).map(|word| String::from_utf8_lossy(word)).collect();
                texts.push(format!("{}: {}", call.db, words.join(" ")));
            }
        }
    }
    texts
}

#[test]
fn an_rdb_of_either_framing_and_the_commands_behind_it_are_read() {
    let rdb = rdb();
    let stream = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n";
    let sized = full(&[format!("\n\n${}\r\n", rdb.len()).as_bytes(), &rdb, stream].concat());
    let marked = full(&[format!("$EOF:{MARK}\r\n").as_bytes(), &rdb, MARK.as_bytes(), stream].concat());
    for (answer, bytes_told) in [(sized, rdb.len() as u64), (marked, 0)] {
        let (fed, trouble) = feed(None, &answer);
        assert!(matches!(trouble, Trouble::Passing(why) if why.contains("closed the connection")));
        let Some(Fed::Begins { replid, offset, bytes }) = fed.first() else { panic!("no beginning") };
        assert_eq!((replid.as_str(), *offset, *bytes), (REPLID, 77, bytes_told));
        assert!(fed.iter().any(|fed| matches!(fed, Fed::Whole(loaded) if loaded.keys == 1)));
        assert_eq!(calls(fed), ["0: FLUSHALL", "0: FUNCTION FLUSH", "3: RESTORE key", "0: SET a"]);
    }
}

#[test]
fn what_an_rdb_lacks_is_named() {
    let rdb = rdb();
    let sized = |bytes: &[u8], len: usize| full(&[format!("${len}\r\n").as_bytes(), bytes].concat());
    let passing = |answer: &[u8], part: &str| match feed(None, answer).1 {
        Trouble::Passing(why) => assert!(why.contains(part), "{part}: {why}"),
        other => panic!("{part}: {other:?}"),
    };
    for cut in 1..rdb.len() {
        passing(&sized(&rdb[..cut], rdb.len()), "");
    }
    // A length that is a lie; a length of another form; no mark at the end.
    passing(&sized(&rdb, rdb.len() + 10), "behind the end");
    passing(&sized(&rdb, usize::MAX), "behind the end");
    passing(&full(b"$-5\r\n"), "no known length");
    passing(&full(b"$EOF:short\r\n"), "neither an RDB");
    passing(&full(b"+OK\r\n"), "neither an RDB");
    passing(&full(&[format!("$EOF:{MARK}\r\n").as_bytes(), &rdb, &[b'x'; 40]].concat()), "no mark");
    passing(format!("+FULLRESYNC {REPLID} -7\r\n").as_bytes(), "wrong FULLRESYNC");
    passing(b"+FULLRESYNC short 7\r\n", "wrong FULLRESYNC");
    passing(b"-NOMASTERLINK Can't SYNC\r\n", "NOMASTERLINK");
    passing(b"+CONTINUE\r\n", "PSYNC: +CONTINUE");
    passing(b"", "closed the connection");
    // Bytes that are no RDB, and one that was changed on the way.
    let mut damaged = rdb.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    for bytes in [&b"REDIS9999 and so on and on and on"[..], &damaged] {
        let (_, trouble) = feed(None, &sized(bytes, bytes.len()));
        assert!(matches!(trouble, Trouble::Lasting(_) | Trouble::Passing(_)), "{trouble:?}");
    }
    // Announced sizes of a value that never comes.
    let announced = [&b"REDIS0010\xfe\x00\x00\x03key\x80\x10\x00\x00\x00"[..], &[b'x'; 100]].concat();
    passing(&sized(&announced, announced.len()), "");
}

#[test]
fn a_stream_that_goes_on_is_read_from_where_it_was() {
    let answer =
        b"+CONTINUE\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n*2\r\n$4\r\nINCR\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n";
    let (fed, _) = feed(Some(5), answer);
    assert!(matches!(fed.first(), Some(Fed::GoesOn { replid: None })));
    let span: u64 =
        fed.iter().map(|fed| if let Fed::Step { step, .. } = fed { step.span() } else { 0 }).sum();
    assert_eq!(span, answer.len() as u64 - 11, "every byte of the stream counts");
    assert_eq!(calls(fed), ["2: INCR a"]);
    let new = "f".repeat(40);
    let (fed, _) = feed(Some(5), format!("+CONTINUE {new}\r\n").as_bytes());
    assert!(matches!(fed.first(), Some(Fed::GoesOn { replid: Some(id) }) if *id == new));
}

#[test]
fn a_stream_that_makes_no_sense_ends() {
    for (stream, part, is_lasting) in [
        (&b"*1\r\n$-5\r\n"[..], "Protocol error", false),
        (b"*99999999999\r\n", "Protocol error", false),
        (b"*1\r\n$9999999999\r\n", "Protocol error", false),
        (b"hello\r\n", "no list of commands", false),
        (b"*1\r\n$4\r\nEXEC\r\n", "without MULTI", true),
        (b"*2\r\n$6\r\nSELECT\r\n$2\r\n16\r\n", "database '16'", true),
        // Announced, and never sent.
        (b"*2\r\n$3\r\nGET\r\n$500000000\r\nx", "closed the connection", false),
    ] {
        let (_, trouble) = feed(Some(5), &[b"+CONTINUE\r\n", stream].concat());
        match trouble {
            Trouble::Passing(why) if !is_lasting => assert!(why.contains(part), "{part}: {why}"),
            Trouble::Lasting(why) if is_lasting => assert!(why.contains(part), "{part}: {why}"),
            other => panic!("{part}: {other:?}"),
        }
    }
}
