//! Clients that write to a node meanwhile, with commands of all kinds, and know what it has acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use resp_tests::connection::{Connection, Received};
use resp_tests::dice::Dice;
use resp_tests::door::Door;
use resp_tests::value::Value;

const CLIENTS: u64 = 3;
/// Keys of a kind, for each client.
const KEYS: u64 = 8;
/// Writes of a client between two pauses.
const BURST: u64 = 20;

/// Runs until it is stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
    acknowledged: Arc<AtomicU64>,
    entries: Arc<AtomicU64>,
}

impl Load {
    pub fn start(doors: &[Door], seed: u64) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let (acknowledged, entries) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let client = |number: u64| {
            let (doors, stop) = (doors.to_vec(), Arc::clone(&stop));
            let (acknowledged, entries) = (Arc::clone(&acknowledged), Arc::clone(&entries));
            let mut dice = Dice::new(seed.wrapping_add(number));
            thread::spawn(move || {
                let mut at = usize::try_from(number).unwrap();
                let mut connection = None;
                while !stop.load(Ordering::Relaxed) {
                    let Some(open) = &mut connection else {
                        at += 1;
                        connection = doors[at % doors.len()].connect().ok();
                        thread::sleep(Duration::from_millis(20));
                        continue;
                    };
                    for _ in 0..BURST {
                        let done = write(open, number, &mut dice).and_then(|()| {
                            counted(open, &["INCR", "counter"], &acknowledged)?;
                            counted(
                                open,
                                &["XADD", "stream", "MAXLEN", "~", "100000", "*", "f", "v"],
                                &entries,
                            )?;
                            counted(open, &["RPUSH", "sequence", "x"], &Arc::default())
                        });
                        if done.is_none() {
                            connection = None;
                            break;
                        }
                    }
                    thread::sleep(Duration::from_millis(10));
                }
            })
        };
        let clients = (0..CLIENTS).map(client).collect();
        Load { stop, clients, acknowledged, entries }
    }

    /// Stops it; how many increments of `counter`, and entries of `stream`, were acknowledged: at least so many were done.
    pub fn stop(self) -> (u64, u64) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().unwrap();
        }
        (self.acknowledged.load(Ordering::Relaxed), self.entries.load(Ordering::Relaxed))
    }
}

fn counted(connection: &mut Connection, words: &[&str], count: &AtomicU64) -> Option<()> {
    must(connection, words)?;
    count.fetch_add(1, Ordering::Relaxed);
    Some(())
}

/// An error is a reply like any other: it must change nothing elsewhere, too.
fn send(connection: &mut Connection, words: &[&str]) -> Option<Value> {
    match connection.call(words) {
        Ok(Received::Reply(value)) => Some(value),
        _ => None,
    }
}

/// One write by chance, of its client's keys. `None`: the connection has ended.
pub fn write(connection: &mut Connection, client: u64, dice: &mut Dice) -> Option<()> {
    let number = dice.below(KEYS);
    let key = |kind: &str| format!("{kind}:{client}:{number}");
    let other = |kind: &str| format!("{kind}:{client}:{}", (number + 1) % KEYS);
    let value = dice.below(300).to_string();
    let brief = (1 + dice.below(1500)).to_string();
    let (list, list2, set, set2) = (key("list"), other("list"), key("set"), other("set"));
    let (hash, zset, zset2, string) = (key("hash"), key("zset"), other("zset"), key("string"));
    let (log, bits) = (key("log"), key("bits"));
    let v = value.as_str();
    let words: &[&str] = match dice.below(78) {
        0 => &["SET", &string, v],
        1 => &["SET", &string, v, "EX", "1000"],
        2 => &["APPEND", &string, v],
        3 => &["SETRANGE", &string, "3", v],
        4 => &["SET", &key("brief"), v, "PX", &brief],
        5 => &["INCR", &key("brief")],
        6 => &["SETBIT", &bits, v, "1"],
        7 => &["BITFIELD", &bits, "INCRBY", "u8", "#3", "7", "OVERFLOW", "SAT", "SET", "i16", "5", v],
        8 => &["GETEX", &string, "PX", &brief],
        9 => &["GETDEL", &string],
        10 => &["INCRBYFLOAT", &key("float"), "0.1"],
        11 => &["MSET", &string, v, &other("string"), "y"],
        12 => &["RPUSH", &list, v, "x", v],
        13 => &["LPUSH", &list, v],
        14 => &["LPOP", &list],
        15 => &["RPOP", &list, "2"],
        16 => &["LMOVE", &list, &list2, "LEFT", "RIGHT"],
        17 => &["RPOPLPUSH", &list, &list],
        18 => &["LREM", &list, "1", v],
        19 => &["LTRIM", &list, "0", "40"],
        20 => &["LINSERT", &list, "BEFORE", "x", v],
        21 => &["LSET", &list, "0", v],
        22 => &["BLPOP", &list, &list2, "0.01"],
        23 => &["BLMOVE", &list, &list2, "RIGHT", "LEFT", "0.01"],
        24 => &["LMPOP", "2", &list, &list2, "RIGHT", "COUNT", "2"],
        25 => &["RPUSHX", &list, v],
        26 => &["PEXPIRE", &list, &brief],
        27 => &["PERSIST", &list],
        28 => &["HSET", &hash, v, "1", "f", v],
        29 => &["HINCRBY", &hash, v, "3"],
        30 => &["HINCRBYFLOAT", &hash, v, "0.7"],
        31 => &["HDEL", &hash, v, "f"],
        32 => &["HSETNX", &hash, v, "new"],
        33 => &["HPEXPIRE", &hash, &brief, "FIELDS", "1", v],
        34 => &["PEXPIRE", &hash, &brief],
        35 => &["SADD", &set, v, "a", "b"],
        36 => &["SREM", &set, v],
        37 => &["SPOP", &set],
        38 => &["SPOP", &set, "2"],
        39 => &["SMOVE", &set, &set2, "a"],
        40 => &["SUNIONSTORE", &set2, &set, &set2],
        41 => &["ZADD", &zset, "GT", "CH", v, "m", "3.25", v],
        42 => &["ZADD", &zset, "INCR", "0.1", v],
        43 => &["ZINCRBY", &zset, "-1.7", v],
        44 => &["ZPOPMIN", &zset],
        45 => &["ZMPOP", "2", &zset, &zset2, "MAX", "COUNT", "2"],
        46 => &["ZREMRANGEBYRANK", &zset, "0", "1"],
        47 => &["ZREMRANGEBYSCORE", &zset, "-inf", "(2"],
        48 => &["ZUNIONSTORE", &zset2, "2", &zset, &zset2, "WEIGHTS", "2", "1"],
        49 => &["BZPOPMAX", &zset, "0.01"],
        50 => &["GEOADD", &key("geo"), "13.361389", "38.115556", v, "15.087269", "37.502669", "x"],
        51 => &["XADD", &log, "MAXLEN", "~", "120", "*", "f", v],
        52 => &["XADD", &log, "*", "f", v, "g", v],
        53 => &["XADD", &log, "NOMKSTREAM", "MAXLEN", "=", "50", "*", "f", v],
        54 => &["XTRIM", &log, "MAXLEN", "30"],
        55 => &["XGROUP", "CREATE", &log, "g", "0", "MKSTREAM"],
        56 | 57 => &["XREADGROUP", "GROUP", "g", v, "COUNT", "3", "STREAMS", &log, ">"],
        58 => &["XAUTOCLAIM", &log, "g", "thief", "0", "0", "COUNT", "2"],
        59 => &["XGROUP", "DELCONSUMER", &log, "g", v],
        60 => &["XGROUP", "SETID", &log, "g", "$"],
        61 => return acknowledge(connection, &log),
        62 => &["PFADD", &key("sketch"), v],
        63 => &["DEL", &hash, &set],
        64 => &["RENAME", &list, &list2],
        65 => &["COPY", &hash, &other("hash"), "REPLACE"],
        66 => &["UNLINK", &zset],
        67 => {
            let script = "local t = redis.call('TIME'); redis.call('RPUSH', KEYS[1], t[1], math.random());
                redis.call('SPOP', KEYS[2]); return redis.call('EXPIRE', KEYS[1], 100)";
            &["EVAL", script, "2", &list, &set]
        }
        68 => {
            let script =
                "redis.call('HINCRBY', KEYS[1], 'n', 1); redis.call('LPUSH', KEYS[2], 'x'); error('no')";
            &["EVAL", script, "2", &hash, &list]
        }
        69 | 70 => return transfer(connection),
        71 => return elsewhere(connection, v),
        72 => &["SORT", &list, "ALPHA", "STORE", &list2],
        73 => &["MOVE", &string, "4"],
        74 => &["LPUSH", &string, "wrong type"],
        75 => &["EXPIREAT", &set, "1"],
        76 => &["RESTORE", &string, "0", "no payload", "REPLACE"],
        _ => &["SINTERSTORE", &set, &set, &set2],
    };
    send(connection, words).map(drop)
}

fn acknowledge(connection: &mut Connection, log: &str) -> Option<()> {
    let pending = send(connection, &["XPENDING", log, "g", "-", "+", "1"])?;
    if let Value::Array(entries) = pending
        && let Some(Value::Array(first)) = entries.first()
        && let Some(Value::Bulk(id)) = first.first()
    {
        let id = String::from_utf8_lossy(id).into_owned();
        send(connection, &["XACK", log, "g", &id])?;
        // Half of the time it goes as well, so that entries are pending that are not there any more.
        send(connection, &["XDEL", log, &id])?;
    }
    Some(())
}

/// What one account loses, another gets, in another database.
fn transfer(connection: &mut Connection) -> Option<()> {
    for words in [
        &["MULTI"][..],
        &["DECR", "account"],
        &["SELECT", "3"],
        &["INCR", "account"],
        &["SELECT", "0"],
        &["EXEC"],
    ] {
        must(connection, words)?;
    }
    Some(())
}

/// As `send`; an error ends the connection, which may be in another database than it was.
fn must(connection: &mut Connection, words: &[&str]) -> Option<Value> {
    send(connection, words).filter(|reply| !matches!(reply, Value::Error(_)))
}

/// Whole databases: emptied and exchanged.
fn elsewhere(connection: &mut Connection, value: &str) -> Option<()> {
    must(connection, &["SELECT", "6"])?;
    must(connection, &["RPUSH", "list", value])?;
    must(connection, &["SET", value, value])?;
    match value.len() {
        1 => must(connection, &["FLUSHDB"])?,
        2 => must(connection, &["SWAPDB", "6", "7"])?,
        _ => must(connection, &["HINCRBY", "hash", "f", value])?,
    };
    must(connection, &["RPUSH", "list", "behind"])?;
    must(connection, &["SELECT", "0"]).map(drop)
}
