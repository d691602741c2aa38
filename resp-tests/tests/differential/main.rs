//! Random commands to the product and to redis-server 7.0: their replies must be equal, byte for byte.
//!
//! The commands come from a seed, so that a failure can be repeated: `DIFFERENTIAL_SEED=7 cargo test --test
//! differential`. Where redis-server is not installed there is nothing to compare with, and nothing is tested.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod generate;

use std::collections::BTreeSet;
use std::env;

use resp_tests::connection::{Connection, Received};
use resp_tests::script::one_line;
use resp_tests::server::{Program, Server};
use resp_tests::value::Value;

use generate::{Generator, TIMES_MS_TOLERANCE};

const COMMANDS: usize = 20_000;
const HISTORY: usize = 12;

/// One client of each of the two servers.
struct Pair {
    product: Connection,
    reference: Connection,
}

#[test]
fn random_commands_get_the_replies_of_the_reference() {
    let reference = Program::reference().unwrap();
    let seed = env::var("DIFFERENTIAL_SEED").map_or(1, |seed| seed.parse().unwrap());
    let product = Server::start(&Program::product(), &[]).unwrap();
    let reference = Server::start(&reference, &[]).unwrap();
    let connect = || Pair { product: product.connect().unwrap(), reference: reference.connect().unwrap() };
    // The second client disturbs the transactions of the first, the third speaks RESP3.
    let mut clients = [connect(), connect(), connect()];
    clients[2].both(&words(&["HELLO", "3"]));
    let mut generator = Generator::new(seed);
    let mut history: Vec<String> = Vec::new();
    let mut kinds = BTreeSet::new();
    let mut differences = Vec::new();
    for _ in 0..COMMANDS {
        let (client, argv) = generator.next();
        let (got, expected) = clients[client].both(&argv);
        history.push(format!("@{client} {}", describe(&argv)));
        if !same(&argv, &got, &expected) {
            let context = history[history.len().saturating_sub(HISTORY)..].join("\n    ");
            let verdict = (argv[0].clone(), got.clone(), expected.clone());
            // One of a kind is enough to read.
            if kinds.insert(verdict) {
                differences.push(format!("{context}\n  product   {got}\n  reference {expected}"));
            }
            // Both start afresh, or everything after would differ as well.
            clients.iter_mut().for_each(|client| drop(client.both(&words(&["RESET"]))));
            clients[2].both(&words(&["HELLO", "3"]));
            clients[0].both(&words(&["FLUSHALL"]));
        } else if argv[0] == b"INCRBYFLOAT" {
            // The reference rounds; what it stored may differ in the last digits.
            clients[client].both(&[b"DEL".to_vec(), argv.get(1).cloned().unwrap_or_default()]);
        }
        if differences.len() >= 10 {
            break;
        }
    }
    assert!(differences.is_empty(), "seed {seed}:\n{}", differences.join("\n\n"));
}

impl Pair {
    fn both(&mut self, argv: &[Vec<u8>]) -> (String, String) {
        let [product, reference] = [&mut self.product, &mut self.reference].map(|connection| {
            match connection.call(argv).unwrap() {
                Received::Reply(mut value) => {
                    match (argv[0].as_slice(), &mut value) {
                        (b"KEYS" | b"SCAN", value) => sort(value),
                        // What KEYS and SCAN answered inside the transaction.
                        (b"EXEC", Value::Array(replies)) => replies.iter_mut().for_each(sort),
                        _ => {}
                    }
                    one_line(&value)
                }
                Received::Closed => "(closed)".to_owned(),
            }
        });
        (product, reference)
    }
}

fn sort(value: &mut Value) {
    if let Value::Array(items) = value {
        items.iter_mut().for_each(sort);
        items.sort_by_cached_key(one_line);
    }
}

/// Equal, or as near as two clocks and two kinds of arithmetic can be.
fn same(argv: &[Vec<u8>], product: &str, reference: &str) -> bool {
    if product == reference {
        return true;
    }
    match argv[0].as_slice() {
        b"TTL" | b"PTTL" | b"EXPIRETIME" | b"PEXPIRETIME" => {
            near(product, reference, ":", TIMES_MS_TOLERANCE)
        }
        b"INCRBYFLOAT" => near(&product.replace('"', ""), &reference.replace('"', ""), "", 1e-6),
        // Times and sums inside a transaction: all the rest must be equal.
        b"EXEC" => {
            let (product, reference): (Vec<_>, Vec<_>) =
                (product.split(' ').collect(), reference.split(' ').collect());
            let near = |(a, b): (&&str, &&str)| {
                let (a_float, b_float) = (a.trim_matches('"'), b.trim_matches('"'));
                a == b || near(a, b, ":", TIMES_MS_TOLERANCE) || near(a_float, b_float, "", 1e-6)
            };
            product.len() == reference.len() && product.iter().zip(&reference).all(near)
        }
        _ => false,
    }
}

fn near(a: &str, b: &str, sign: &str, tolerance: f64) -> bool {
    let number = |text: &str| text.strip_prefix(sign).and_then(|digits| digits.parse::<f64>().ok());
    match (number(a), number(b)) {
        (Some(a), Some(b)) => (a - b).abs() <= tolerance.max(b.abs() * 1e-15),
        _ => false,
    }
}

fn words(argv: &[&str]) -> Vec<Vec<u8>> {
    argv.iter().map(|word| word.as_bytes().to_vec()).collect()
}

fn describe(argv: &[Vec<u8>]) -> String {
    argv.iter().map(|word| format!("\"{}\"", word.escape_ascii())).collect::<Vec<_>>().join(" ")
}
