//! Small collections, many at a time: over a network each round trip costs more than what it carries.

use super::{Side, values, words};
use crate::resp::Answer;

/// A collection of more elements, or more bytes as the source counts them, is compared on its own.
const ELEMENTS_MAX: i64 = 64;
const BYTES_MAX: i64 = 16 << 10;

/// How a type is read: its length, and all of it.
struct Reading {
    length: &'static str,
    /// What counts its elements, for a message.
    what: &'static str,
    whole: &'static [&'static str],
    /// Where it is written into `whole`.
    other: &'static str,
    /// Words of one element, if servers may list elements in different orders.
    unordered: Option<usize>,
}

fn reading(kind: &str) -> Option<Reading> {
    let of = |length, what, whole, other, unordered| Some(Reading { length, what, whole, other, unordered });
    match kind {
        "list" => of("LLEN", "length", &["LRANGE", "", "0", "-1"], "other elements", None),
        "set" => of("SCARD", "members", &["SMEMBERS", ""], "other members", Some(1)),
        "hash" => of("HLEN", "fields", &["HGETALL", ""], "other fields or values", Some(2)),
        "stream" => of("XLEN", "entries", &["XRANGE", "", "-", "+"], "other entries", None),
        "zset" => {
            of("ZCARD", "members", &["ZRANGE", "", "0", "-1", "WITHSCORES"], "other members or scores", None)
        }
        _ => None,
    }
}

/// What of these keys of one type differs, and the keys that are not small.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) differences: Vec<(Vec<u8>, String)>,
    pub(super) left: Vec<Vec<u8>>,
}

/// Compares those of the keys that are small.
pub(super) fn compare(
    source: &mut dyn Side,
    node: &mut dyn Side,
    kind: &str,
    keys: &[&Vec<u8>],
) -> Result<Seen, String> {
    let mut seen = Seen::default();
    let Some(reading) = reading(kind) else { return Ok(seen) };
    let mut few = Vec::new();
    let (there, here) = both(source, node, keys, &[&[reading.length, ""]])?;
    for ((key, there), here) in keys.iter().zip(there).zip(here) {
        let said = |answer: &Answer| match answer {
            Answer::Integer(number) => number.to_string(),
            _ => "another type".to_owned(),
        };
        match &there {
            _ if there != here => {
                let why = format!("{} {} there, {} here", reading.what, said(&there), said(&here));
                seen.differences.push(((*key).clone(), why));
            }
            Answer::Integer(..=ELEMENTS_MAX) => few.push(*key),
            _ => seen.left.push((*key).clone()),
        }
    }
    // Counted exactly, as they are few. A source that does not tell is asked for one after the other.
    let sizes: Vec<_> = few.iter().map(|key| words(&[b"MEMORY", b"USAGE", key, b"SAMPLES", b"0"])).collect();
    let mut small = Vec::new();
    for (key, size) in few.into_iter().zip(source.ask(&sizes)?) {
        match size {
            Answer::Integer(..=BYTES_MAX) => small.push(key),
            _ => seen.left.push(key.clone()),
        }
    }
    let more: &[&[&str]] = match kind {
        "stream" => &[&["XINFO", "STREAM", ""], &["XINFO", "GROUPS", ""]],
        _ => &[],
    };
    let asked = [&[reading.whole], more].concat();
    let (there, here) = both(source, node, &small, &asked)?;
    for ((key, there), here) in small.iter().zip(there.chunks(asked.len())).zip(here.chunks(asked.len())) {
        let why = match (there, here) {
            ([there, ..], [here, ..]) if !is_same(&reading, there, here) => Some(reading.other),
            ([_, there, there_groups], [_, here, here_groups]) => {
                values::differ_in_state((there, there_groups), (here, here_groups))
            }
            _ => None,
        };
        seen.differences.extend(why.map(|why| ((*key).clone(), why.to_owned())));
    }
    Ok(seen)
}

fn is_same(reading: &Reading, there: &Answer, here: &Answer) -> bool {
    match (there, here, reading.unordered) {
        (Answer::List(there), Answer::List(here), Some(words)) => {
            let sorted = |list: &[Answer]| {
                let mut elements: Vec<Vec<Option<Vec<u8>>>> = list
                    .chunks(words)
                    .map(|element| element.iter().map(|word| word.text().map(<[u8]>::to_vec)).collect())
                    .collect();
                elements.sort();
                elements
            };
            sorted(there) == sorted(here)
        }
        // Scores are the same number, however it is written.
        (Answer::List(there), Answer::List(here), None) if reading.length == "ZCARD" => {
            let number = |word: &Answer| {
                std::str::from_utf8(word.text().unwrap_or_default()).ok()?.parse::<f64>().ok()
            };
            let pairs = there.chunks(2).zip(here.chunks(2));
            there.len() == here.len()
                && pairs.into_iter().all(|(there, here)| match (there, here) {
                    ([a, x], [b, y]) => a == b && number(x) == number(y),
                    _ => false,
                })
        }
        _ => there == here,
    }
}

/// Sends commands about each key to both; an empty word stands for the key.
fn both(
    source: &mut dyn Side,
    node: &mut dyn Side,
    keys: &[&Vec<u8>],
    commands: &[&[&str]],
) -> Result<(Vec<Answer>, Vec<Answer>), String> {
    let of = |key: &Vec<u8>, command: &[&str]| -> Vec<Vec<u8>> {
        command
            .iter()
            .map(|word| if word.is_empty() { key.clone() } else { word.as_bytes().to_vec() })
            .collect()
    };
    let asked: Vec<_> =
        keys.iter().flat_map(|key| commands.iter().map(move |command| of(key, command))).collect();
    Ok((source.ask(&asked)?, node.ask(&asked)?))
}
