//! Comparing all that two servers store: every key of every database, its type, its lifetime, its content.

use std::io;

use super::line::Line;
use super::run::{Batch, Both, Tally};
use super::verdict::{Mismatch, Verdict};
use super::{Argv, shape, words};
use crate::value::Value;

const DATABASES: usize = 16;

/// The first difference, if there is one.
pub fn compare(lines: &mut Both<Line>, tally: &mut Tally) -> io::Result<Option<Box<Mismatch>>> {
    for database in 0..DATABASES {
        lines.ask(&words(&["SELECT", &database.to_string()]))?;
        let keys = match same(lines, vec![words(&["DBSIZE"]), words(&["KEYS", "*"])], tally)? {
            Ok(replies) => keys(&replies[1]),
            Err(mismatch) => return Ok(Some(mismatch)),
        };
        for some in keys.chunks(64) {
            let calls =
                some.iter().flat_map(|key| [call("TYPE", key, &[]), call("PTTL", key, &[])]).collect();
            let types = match same(lines, calls, tally)? {
                Ok(replies) => replies,
                Err(mismatch) => return Ok(Some(mismatch)),
            };
            for (key, pair) in some.iter().zip(types.chunks(2)) {
                if let Err(mismatch) = same(lines, readers(key, &pair[0]), tally)? {
                    return Ok(Some(mismatch));
                }
            }
        }
    }
    lines.ask(&words(&["SELECT", "0"]))?;
    Ok(None)
}

/// What reads the whole value of a key.
fn readers(key: &[u8], kind: &Value) -> Vec<Argv> {
    let Value::Simple(kind) = kind else { return Vec::new() };
    let content = match kind.as_slice() {
        b"string" => vec![call("GET", key, &[])],
        b"hash" => vec![call("HLEN", key, &[]), call("HGETALL", key, &[])],
        b"list" => vec![call("LRANGE", key, &["0", "-1"]), call("LLEN", key, &[])],
        b"set" => vec![call("SCARD", key, &[]), call("SMEMBERS", key, &[])],
        b"zset" => vec![call("ZRANGE", key, &["0", "-1", "WITHSCORES"]), call("ZCARD", key, &[])],
        b"stream" => vec![
            call("XRANGE", key, &["-", "+"]),
            vec![
                b"XINFO".to_vec(),
                b"STREAM".to_vec(),
                key.to_vec(),
                b"FULL".to_vec(),
                b"COUNT".to_vec(),
                b"0".to_vec(),
            ],
        ],
        _ => Vec::new(),
    };
    // The encoding comes last: it says whether what was shown before it has an order.
    content.into_iter().chain([vec![b"OBJECT".to_vec(), b"ENCODING".to_vec(), key.to_vec()]]).collect()
}

fn call(name: &str, key: &[u8], rest: &[&str]) -> Argv {
    let rest = rest.iter().map(|word| word.as_bytes().to_vec());
    [name.as_bytes().to_vec(), key.to_vec()].into_iter().chain(rest).collect()
}

/// The replies of the reference, if the product has the same ones.
fn same(
    lines: &mut Both<Line>,
    calls: Vec<Argv>,
    tally: &mut Tally,
) -> io::Result<Result<Vec<Value>, Box<Mismatch>>> {
    let mut batch = Batch::default();
    batch.add(calls, 0);
    batch.exchange(lines)?;
    for at in 0..batch.calls.len() {
        match batch.verdict(at, &[], false) {
            Verdict::Same => {}
            Verdict::Explained(difference) => tally.explain(difference),
            Verdict::Differs(mismatch) => {
                let fault =
                    mismatch.fault.clone().unwrap_or_else(|| "found when all data were compared".to_owned());
                return Ok(Err(Box::new(Mismatch { fault: Some(fault), ..mismatch })));
            }
        }
    }
    Ok(Ok(batch.reference().to_vec()))
}

fn keys(reply: &Value) -> Vec<Vec<u8>> {
    let mut reply = reply.clone();
    shape::normalise(&words(&["KEYS", "*"]), &mut reply);
    let Value::Array(items) = reply else { return Vec::new() };
    let text = |item: Value| if let Value::Bulk(text) = item { Some(text) } else { None };
    items.into_iter().filter_map(text).collect()
}
