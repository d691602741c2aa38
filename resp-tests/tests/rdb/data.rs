//! Keys of all types, made by chance from a seed, and what a server says of its keys.

use std::collections::BTreeMap;

use resp_tests::connection::Connection;
use resp_tests::dice::Dice;
pub use resp_tests::support::call;
use resp_tests::value::Value;

/// Far from now, so that nothing expires during a test.
const LATER_MS: u64 = 4_102_444_800_000;

/// Integers, words, binary and text that compresses.
pub fn bytes(dice: &mut Dice) -> Vec<u8> {
    match dice.below(6) {
        0 => dice.below(300).to_string().into_bytes(),
        1 => (dice.roll().cast_signed() >> dice.below(60)).to_string().into_bytes(),
        2 => (0..dice.below(100)).map(|_| dice.roll() as u8).collect(),
        3 => format!("word {}", dice.below(50)).into_bytes(),
        4 => vec![b'a' + dice.below(3) as u8; dice.below(500) as usize],
        _ => format!("{}.5", dice.below(10)).into_bytes(),
    }
}

fn score(dice: &mut Dice) -> String {
    match dice.below(5) {
        0 => "inf".to_owned(),
        1 => format!("-{}", dice.below(1000)),
        2 => format!("{:e}", f64::from_bits(dice.roll() >> 2)),
        _ => format!("{}", dice.below(10_000) as f64 / 8.0),
    }
}

fn many(dice: &mut Dice) -> u64 {
    match dice.below(6) {
        0 => 1,
        1 => dice.below(700) + 1,
        _ => dice.below(20) + 1,
    }
}

/// Types that `fill` makes.
const TYPES: u64 = 6;

/// Makes `keys` keys of all types in databases 0 and 9.
pub fn fill(connection: &mut Connection, seed: u64, keys: u64) {
    let dice = &mut Dice::new(seed);
    for number in 0..keys {
        let db = if dice.below(4) == 0 { "9" } else { "0" };
        call(connection, &["SELECT", db]);
        let key = [format!("key:{number}:").into_bytes(), bytes(dice)].concat();
        make(connection, &key, number % TYPES, dice);
        if dice.below(3) == 0 {
            let at = (LATER_MS + dice.below(1_000_000)).to_string().into_bytes();
            call(connection, &[b"PEXPIREAT".to_vec(), key, at]);
        }
    }
    call(connection, &["SELECT", "0"]);
}

fn make(connection: &mut Connection, key: &[u8], kind: u64, dice: &mut Dice) {
    let count = many(dice);
    let mut words = |name: &str, item: &mut dyn FnMut(&mut Dice) -> Vec<Vec<u8>>| {
        let mut words = vec![name.as_bytes().to_vec(), key.to_vec()];
        words.extend((0..count).flat_map(|_| item(dice)).collect::<Vec<_>>());
        call(connection, &words);
    };
    match kind {
        0 => drop(call(connection, &[b"SET".to_vec(), key.to_vec(), bytes(dice)])),
        1 => words("RPUSH", &mut |dice| vec![bytes(dice)]),
        2 => words("SADD", &mut |dice| vec![bytes(dice)]),
        3 => words("ZADD", &mut |dice| vec![score(dice).into_bytes(), bytes(dice)]),
        4 => words("HSET", &mut |dice| vec![bytes(dice), bytes(dice)]),
        _ => stream(connection, key, count, dice),
    }
}

fn stream(connection: &mut Connection, key: &[u8], count: u64, dice: &mut Dice) {
    let key = String::from_utf8_lossy(key).into_owned();
    for number in 1..=count {
        let (id, value) = (format!("{}-{}", number / 2 + 1, number), number.to_string());
        if dice.below(5) == 0 {
            call(connection, &["XADD", &key, &id, "field", &value, "other", "x"]);
        } else {
            call(connection, &["XADD", &key, &id, "field", &value]);
        }
    }
    for group in 0..dice.below(3) {
        let (group, last) = (format!("group {group}"), format!("{}-0", dice.below(count / 2 + 2)));
        call(connection, &["XGROUP", "CREATE", &key, &group, &last]);
        for consumer in 0..dice.below(3) {
            let (consumer, read) = (format!("consumer {consumer}"), (dice.below(5) + 1).to_string());
            call(
                connection,
                &["XREADGROUP", "GROUP", &group, &consumer, "COUNT", &read, "STREAMS", &key, ">"],
            );
        }
    }
    for number in (1..=count).filter(|_| dice.below(10) == 0).collect::<Vec<_>>() {
        call(connection, &["XDEL", &key, &format!("{}-{}", number / 2 + 1, number)]);
    }
}

/// What is under each key of each database: type, expiry and everything in it.
pub type Contents = BTreeMap<(String, Vec<u8>), Vec<Value>>;

pub fn contents(connection: &mut Connection) -> Contents {
    let mut contents = Contents::new();
    for db in ["0", "9"] {
        call(connection, &["SELECT", db]);
        let Value::Array(keys) = call(connection, &["KEYS", "*"]) else { panic!("KEYS") };
        for key in keys {
            let key = key.as_text().unwrap();
            let value = content(connection, &key);
            contents.insert((db.to_owned(), key), value);
        }
    }
    call(connection, &["SELECT", "0"]);
    contents
}

pub fn content(connection: &mut Connection, key: &[u8]) -> Vec<Value> {
    let mut ask = |words: &[&str]| {
        let words: Vec<&[u8]> =
            words.iter().map(|word| if *word == "KEY" { key } else { word.as_bytes() }).collect();
        call(connection, &words)
    };
    let kind = ask(&["TYPE", "KEY"]);
    let mut content = vec![kind.clone(), ask(&["PEXPIRETIME", "KEY"])];
    let kind = String::from_utf8(kind.as_text().unwrap()).unwrap();
    // What is in one piece has an order, which must be the same.
    let encoding = ask(&["OBJECT", "ENCODING", "KEY"]).as_text().unwrap();
    let in_order = |told: Value, is_ordered: bool, words_each: usize| {
        if is_ordered { told } else { sorted(told, words_each) }
    };
    match kind.as_str() {
        "string" => content.push(ask(&["GET", "KEY"])),
        "list" => content.push(ask(&["LRANGE", "KEY", "0", "-1"])),
        "set" => content.push(in_order(ask(&["SMEMBERS", "KEY"]), encoding == b"intset", 1)),
        "zset" => content.push(as_numbers(ask(&["ZRANGE", "KEY", "0", "-1", "WITHSCORES"]))),
        "hash" => content.push(in_order(ask(&["HGETALL", "KEY"]), encoding == b"listpack", 2)),
        "stream" => {
            content.push(ask(&["XRANGE", "KEY", "-", "+"]));
            content.extend(about_stream(ask(&["XINFO", "STREAM", "KEY"])));
            let groups = ask(&["XINFO", "GROUPS", "KEY"]);
            let Value::Array(told) = &groups else { panic!("{groups:?}") };
            let names: Vec<Value> = told.iter().map(|group| field(group, "name")).collect();
            content.push(without_lag(groups));
            for name in names {
                let name = String::from_utf8(name.as_text().unwrap()).unwrap();
                content.push(pending(ask(&["XPENDING", "KEY", &name, "-", "+", "10000"])));
            }
        }
        other => panic!("a key of type {other}"),
    }
    content
}

/// Redis 7.0 does not always count it right.
fn without_lag(groups: Value) -> Value {
    let Value::Array(groups) = groups else { panic!("{groups:?}") };
    let without = |group: Value| {
        let Value::Array(mut words) = group else { panic!("{group:?}") };
        let at = words.iter().position(|word| *word == Value::Bulk(b"lag".to_vec())).unwrap();
        words.drain(at..at + 2);
        Value::Array(words)
    };
    Value::Array(groups.into_iter().map(without).collect())
}

/// Scores as numbers: Redis 7.0 writes more digits than are needed to tell one from all others.
fn as_numbers(told: Value) -> Value {
    let Value::Array(mut words) = told else { panic!("{told:?}") };
    for score in words.iter_mut().skip(1).step_by(2) {
        let number: f64 = String::from_utf8(score.as_text().unwrap()).unwrap().parse().unwrap();
        *score = Value::Double(format!("{number:?}").into_bytes());
    }
    Value::Array(words)
}

/// How Redis keeps it in memory says nothing of the stream.
fn about_stream(told: Value) -> Vec<Value> {
    ["length", "last-generated-id", "max-deleted-entry-id", "entries-added", "recorded-first-entry-id"]
        .into_iter()
        .map(|name| field(&told, name))
        .collect()
}

fn field(told: &Value, name: &str) -> Value {
    let Value::Array(words) = told else { panic!("{told:?}") };
    let at = words.iter().position(|word| *word == Value::Bulk(name.as_bytes().to_vec())).unwrap();
    words[at + 1].clone()
}

/// Without the time since the delivery.
fn pending(told: Value) -> Value {
    let Value::Array(entries) = told else { panic!("{told:?}") };
    let entry = |entry: Value| match entry {
        Value::Array(mut words) => {
            words.remove(2);
            Value::Array(words)
        }
        other => panic!("{other:?}"),
    };
    Value::Array(entries.into_iter().map(entry).collect())
}

/// The first things that differ, cut.
pub fn difference(left: &[Value], right: &[Value]) -> Option<String> {
    let items = |values: &[Value]| -> Vec<Value> {
        values
            .iter()
            .flat_map(|value| match value {
                Value::Array(items) => items.clone(),
                other => vec![other.clone()],
            })
            .collect()
    };
    let (left, right) = (items(left), items(right));
    let (one, other) = left.iter().zip(&right).find(|(one, other)| one != other).map_or_else(
        || (format!("{} items", left.len()), format!("{} items", right.len())),
        |(one, other)| (format!("{one:?}"), format!("{other:?}")),
    );
    let cut = |text: &str| text.chars().take(300).collect::<String>();
    (one != other).then(|| format!("{} is not {}", cut(&one), cut(&other)))
}

fn sorted(told: Value, words_each: usize) -> Value {
    let Value::Array(words) = told else { panic!("{told:?}") };
    let mut items: Vec<Vec<Value>> = words.chunks(words_each).map(<[Value]>::to_vec).collect();
    items.sort_by_key(|item| item[0].as_text());
    Value::Array(items.concat())
}
