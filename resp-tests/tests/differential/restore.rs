//! RESTORE gets what DUMP never gave: it must answer, and the server must go on.

use std::env;

use resp_tests::connection::{Connection, Received};
use resp_tests::differential::catalogue::Catalogue;
use resp_tests::differential::describe;
use resp_tests::differential::generator::{Generator, Step};
use resp_tests::differential::payload::{seal, spoil};
use resp_tests::differential::random::Random;
use resp_tests::server::{Kind, Program, Server};
use resp_tests::support::call;
use resp_tests::value::{Value, encode};

const STEPS: usize = 3_000;
const PAYLOADS: usize = 2_000;
const AT_ONCE: usize = 50;

#[test]
fn spoilt_payloads_are_refused_or_restored_and_nothing_breaks() {
    let program = Program::product();
    // The reference looks closely only when it is told to.
    let args =
        if program.kind == Kind::Reference { ["--sanitize-dump-payload", "yes"].as_slice() } else { &[] };
    let args: Vec<String> = args.iter().map(|word| (*word).to_owned()).collect();
    let product = Server::start(&program, &args).unwrap();
    let mut connection = product.connect().unwrap();
    let catalogue = Catalogue::of(&mut connection).unwrap();
    if !catalogue.has("restore") || !catalogue.has("dump") {
        println!("the product has no RESTORE yet: nothing is spoilt");
        return;
    }
    let reference = Server::start(&Program::reference().unwrap(), &[]).unwrap();
    let mut payloads = dumps(&mut reference.connect().unwrap());
    payloads.extend(dumps(&mut connection));
    assert!(payloads.len() > 40, "only {} values to spoil", payloads.len());
    let seed = env::var("DIFFERENTIAL_SEED").map_or(1, |seed| seed.parse().unwrap());
    let mut random = Random::new(seed);
    let (mut restored, mut refused) = (0, 0);
    for _ in 0..PAYLOADS / AT_ONCE {
        let batch: Vec<Vec<Vec<u8>>> =
            (0..AT_ONCE).flat_map(|_| attempt(&payloads, &catalogue, &mut random)).collect();
        let bytes: Vec<u8> = batch.iter().flat_map(|argv| encode(argv)).collect();
        connection.send_raw(&bytes).unwrap();
        for argv in &batch {
            let reply = connection.receive();
            let Ok(Received::Reply(reply)) = reply else {
                panic!("seed {seed}: {} was answered with {reply:?}\n{}", describe(argv), product.log_tail());
            };
            if argv[0] == b"RESTORE" {
                match reply {
                    Value::Error(_) => refused += 1,
                    Value::Simple(text) if text == b"OK" => restored += 1,
                    other => panic!("RESTORE answered {other:?}"),
                }
            } else if let Value::Error(text) = &reply {
                // Another type than the reading command is for, or nothing at all, is all that may be wrong.
                assert!(
                    text.starts_with(b"WRONGTYPE") || text == b"ERR no such key",
                    "{}: {}",
                    describe(argv),
                    String::from_utf8_lossy(text)
                );
            }
        }
    }
    println!("{} values, {restored} spoilt ones restored, {refused} refused", payloads.len());
    assert!(refused > 100 && restored > 100, "{refused} were refused and {restored} restored");
    assert!(matches!(connection.call(&["PING"]).unwrap(), Received::Reply(Value::Simple(_))));
}

/// A spoilt payload, and everything that looks at what became of it.
fn attempt(payloads: &[Vec<u8>], catalogue: &Catalogue, random: &mut Random) -> Vec<Vec<Vec<u8>>> {
    let payload = spoil(&payloads[random.below(payloads.len())], payloads, random);
    let payload = if random.one_in(8) { payload } else { seal(&payload) };
    let restore = [b"RESTORE".to_vec(), b"k".to_vec(), b"0".to_vec(), payload, b"REPLACE".to_vec()];
    let readers: [&[&str]; 11] = [
        &["TYPE", "k"],
        &["OBJECT", "ENCODING", "k"],
        &["STRLEN", "k"],
        &["HGETALL", "k"],
        &["LRANGE", "k", "0", "-1"],
        &["SMEMBERS", "k"],
        &["ZRANGE", "k", "0", "-1", "WITHSCORES"],
        &["XRANGE", "k", "-", "+"],
        &["XINFO", "STREAM", "k", "FULL"],
        &["DUMP", "k"],
        &["COPY", "k", "k2", "REPLACE"],
    ];
    let word = |word: &&str| word.as_bytes().to_vec();
    let is_there = |words: &&[&str]| catalogue.has(&words[0].to_lowercase());
    let readers = readers.into_iter().filter(is_there).map(|words| words.iter().map(word).collect());
    [restore.to_vec()].into_iter().chain(readers).collect()
}

/// What a server with random data dumps.
fn dumps(connection: &mut Connection) -> Vec<Vec<u8>> {
    let catalogue = Catalogue::of(connection).unwrap();
    let mut payloads = Vec::new();
    for seed in [21, 22, 23] {
        for step in Generator::new(seed, &catalogue).take(STEPS) {
            let Step::Calls(0, calls) = step else { continue };
            calls.iter().for_each(|argv| drop(call(connection, argv)));
        }
        call(connection, &[b"RESET".to_vec()]);
        let Value::Array(keys) = call(connection, &[b"KEYS".to_vec(), b"*".to_vec()]) else {
            panic!("no keys")
        };
        for key in keys {
            let Value::Bulk(key) = key else { panic!("{key:?} is no key") };
            if let Value::Bulk(payload) = call(connection, &[b"DUMP".to_vec(), key]) {
                payloads.push(payload);
            }
        }
    }
    payloads
}
