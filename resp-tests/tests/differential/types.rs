//! Every command with a key, on a key of every type: what redis-server refuses is refused in the same words, and what was
//! refused has changed nothing. Commands that redis-server 7.0 does not have refuse every type but their own.

use std::collections::BTreeSet;

use resp_tests::connection::Connection;
use resp_tests::server::{Program, Server};
use resp_tests::support::{call, next};
use resp_tests::value::{Value, encode};

const FIXTURES: [(&str, &str); 7] = [
    ("string", "SET K text"),
    ("string", "SET K 10"),
    ("list", "RPUSH K a b c"),
    ("set", "SADD K a b c"),
    ("zset", "ZADD K 1 a 2 b 3 c"),
    ("hash", "HSET K a 1 b 2 c 3"),
    ("stream", "XADD K 1-1 a 1"),
];

/// `K` is the key in question, `other` one that is not there; `CLAIM` after XADD is what a group is made by.
const CALLS: &[&str] = &[
    "APPEND K x",
    "BITCOUNT K",
    "BITFIELD K GET u8 0",
    "BITFIELD K SET u8 0 1",
    "BITFIELD_RO K GET u8 0",
    "BITOP AND other K",
    "BITOP NOT K other",
    "BITPOS K 1",
    "BLMOVE K other LEFT RIGHT 0.01",
    "BLMOVE list K LEFT RIGHT 0.01",
    "BLMPOP 0.01 1 K LEFT",
    "BLPOP K 0.01",
    "BRPOP K 0.01",
    "BRPOPLPUSH K other 0.01",
    "BRPOPLPUSH list K 0.01",
    "BZMPOP 0.01 1 K MIN",
    "BZPOPMAX K 0.01",
    "BZPOPMIN K 0.01",
    "COPY K other",
    "COPY list K REPLACE",
    "DECR K",
    "DECRBY K 1",
    "DEL K",
    "DUMP K",
    "EXISTS K",
    "EXPIRE K 100",
    "EXPIREAT K 99999999999",
    "EXPIRETIME K",
    "GEOADD K 1 1 m",
    "GEODIST K a b",
    "GEOHASH K a",
    "GEOPOS K a",
    "GEORADIUS K 1 1 1 km",
    "GEORADIUS K 1 1 1 km STORE other",
    "GEORADIUS_RO K 1 1 1 km",
    "GEORADIUSBYMEMBER K a 1 km",
    "GEORADIUSBYMEMBER_RO K a 1 km",
    "GEOSEARCH K FROMLONLAT 1 1 BYRADIUS 1 km",
    "GEOSEARCHSTORE other K FROMLONLAT 1 1 BYRADIUS 1 km",
    "GET K",
    "GETBIT K 1",
    "GETDEL K",
    "GETEX K",
    "GETEX K PERSIST",
    "GETRANGE K 0 1",
    "GETSET K x",
    "HDEL K a",
    "HEXISTS K a",
    "HGET K a",
    "HGETALL K",
    "HINCRBY K a 1",
    "HINCRBYFLOAT K a 1",
    "HKEYS K",
    "HLEN K",
    "HMGET K a",
    "HMSET K a 1",
    "HRANDFIELD K",
    "HRANDFIELD K 2",
    "HSCAN K 0",
    "HSET K a 1",
    "HSETNX K z 1",
    "HSTRLEN K a",
    "HVALS K",
    "INCR K",
    "INCRBY K 1",
    "INCRBYFLOAT K 1",
    "LCS K other",
    "LINDEX K 0",
    "LINSERT K BEFORE a x",
    "LLEN K",
    "LMOVE K other LEFT RIGHT",
    "LMOVE list K LEFT RIGHT",
    "LMPOP 1 K LEFT",
    "LPOP K",
    "LPOP K 2",
    "LPOS K a",
    "LPUSH K x",
    "LPUSHX K x",
    "LRANGE K 0 -1",
    "LREM K 0 a",
    "LSET K 0 x",
    "LTRIM K 0 1",
    "MEMORY USAGE K",
    "MGET K other",
    "MOVE K 1",
    "MSET K x",
    "MSETNX K x other y",
    "OBJECT ENCODING K",
    "OBJECT IDLETIME K",
    "OBJECT REFCOUNT K",
    "PERSIST K",
    "PEXPIRE K 100000",
    "PEXPIREAT K 99999999999999",
    "PEXPIRETIME K",
    "PFADD K x",
    "PFCOUNT K",
    "PFCOUNT other K",
    "PFDEBUG ENCODING K",
    "PFMERGE other K",
    "PFMERGE K other",
    "PSETEX K 100000 x",
    "PTTL K",
    "RENAME K other",
    "RENAMENX K list",
    "RESTORE K 0 x",
    "RPOP K",
    "RPOP K 2",
    "RPOPLPUSH K other",
    "RPOPLPUSH list K",
    "RPUSH K x",
    "RPUSHX K x",
    "SADD K x",
    "SCARD K",
    "SDIFF K",
    "SDIFF other K",
    "SDIFFSTORE other K",
    "SDIFFSTORE K other",
    "SET K x",
    "SET K x GET",
    "SET K x NX GET",
    "SETBIT K 1 1",
    "SETEX K 100 x",
    "SETNX K x",
    "SETRANGE K 1 x",
    "SINTER K",
    "SINTER other K",
    "SINTERCARD 1 K",
    "SINTERSTORE other K",
    "SISMEMBER K a",
    "SMEMBERS K",
    "SMISMEMBER K a",
    "SMOVE K other a",
    "SMOVE set K m",
    "SORT K ALPHA",
    "SORT K ALPHA STORE other",
    "SORT_RO K ALPHA",
    "SPOP K",
    "SPOP K 2",
    "SRANDMEMBER K",
    "SRANDMEMBER K 2",
    "SREM K a",
    "SSCAN K 0",
    "STRLEN K",
    "SUBSTR K 0 1",
    "SUNION K",
    "SUNION other K",
    "SUNIONSTORE other K",
    "SUNIONSTORE other set K",
    "TOUCH K",
    "TTL K",
    "TYPE K",
    "UNLINK K",
    "XACK K g 1-1",
    "XADD K * a 1",
    "XADD K NOMKSTREAM * a 1",
    "XAUTOCLAIM K g c 0 0",
    "XCLAIM K g c 0 1-1",
    "XDEL K 1-1",
    "XGROUP CREATE K g 0",
    "XGROUP CREATE K g 0 MKSTREAM",
    "XGROUP CREATECONSUMER K g c",
    "XGROUP DELCONSUMER K g c",
    "XGROUP DESTROY K g",
    "XGROUP SETID K g 0",
    "XINFO CONSUMERS K g",
    "XINFO GROUPS K",
    "XINFO STREAM K",
    "XLEN K",
    "XPENDING K g",
    "XRANGE K - +",
    "XREAD STREAMS K 0",
    "XREAD STREAMS other K 0 0",
    "XREADGROUP GROUP g c STREAMS K >",
    "XREVRANGE K + -",
    "XSETID K 9-9",
    "XTRIM K MAXLEN 0",
    "ZADD K 1 x",
    "ZADD K INCR 1 x",
    "ZCARD K",
    "ZCOUNT K 0 1",
    "ZDIFF 1 K",
    "ZDIFF 2 other K",
    "ZDIFFSTORE other 1 K",
    "ZDIFFSTORE K 1 other",
    "ZINCRBY K 1 a",
    "ZINTER 1 K",
    "ZINTER 2 other K",
    "ZINTERCARD 1 K",
    "ZINTERSTORE other 1 K",
    "ZLEXCOUNT K - +",
    "ZMPOP 1 K MIN",
    "ZMSCORE K a",
    "ZPOPMAX K",
    "ZPOPMIN K",
    "ZRANDMEMBER K",
    "ZRANDMEMBER K 2",
    "ZRANGE K 0 -1",
    "ZRANGEBYLEX K - +",
    "ZRANGEBYSCORE K 0 1",
    "ZRANGESTORE other K 0 -1",
    "ZRANGESTORE K other 0 -1",
    "ZRANK K a",
    "ZREM K a",
    "ZREMRANGEBYLEX K - +",
    "ZREMRANGEBYRANK K 0 -1",
    "ZREMRANGEBYSCORE K 0 9",
    "ZREVRANGE K 0 -1",
    "ZREVRANGEBYLEX K + -",
    "ZREVRANGEBYSCORE K 1 0",
    "ZREVRANK K a",
    "ZSCAN K 0",
    "ZSCORE K a",
    "ZUNION 1 K",
    "ZUNION 2 other K",
    "ZUNIONSTORE other 1 K",
    "OBJECT FREQ K",
];

/// Those that the reference lacks, with their own type.
const LATER: &[(&str, &str)] = &[
    ("BLMOVEM K other LEFT RIGHT 0.01", "list"),
    ("BLMOVEM list K LEFT RIGHT 0.01", "list"),
    ("DELEX K IFEQ x", "string"),
    ("DELIFEQ K x", "string"),
    ("DIGEST K", "string"),
    ("HEXPIRE K 100 FIELDS 1 a", "hash"),
    ("HEXPIREAT K 99999999999 FIELDS 1 a", "hash"),
    ("HEXPIRETIME K FIELDS 1 a", "hash"),
    ("HGETDEL K FIELDS 1 a", "hash"),
    ("HGETEX K FIELDS 1 a", "hash"),
    ("HPERSIST K FIELDS 1 a", "hash"),
    ("HPEXPIRE K 100000 FIELDS 1 a", "hash"),
    ("HPEXPIREAT K 99999999999999 FIELDS 1 a", "hash"),
    ("HPEXPIRETIME K FIELDS 1 a", "hash"),
    ("HPTTL K FIELDS 1 a", "hash"),
    ("HSETEX K EX 100 FIELDS 1 a 1", "hash"),
    ("HTTL K FIELDS 1 a", "hash"),
    ("INCREX K", "string"),
    ("LMOVEM K other LEFT RIGHT COUNT 2 OBO", "list"),
    ("LMOVEM list K LEFT RIGHT EXACTLY 1 BULK", "list"),
    ("SADDEX K EX 100 MEMBERS 1 a", "set"),
    ("SDIFFCARD 1 K", "set"),
    ("SET K x IFEQ y", "string"),
    ("SEXPIRE K 100 MEMBERS 1 a", "set"),
    ("SEXPIREAT K 33177117420 MEMBERS 1 a", "set"),
    ("SEXPIRETIME K MEMBERS 1 a", "set"),
    ("SPERSIST K MEMBERS 1 a", "set"),
    ("SPEXPIRE K 100000 MEMBERS 1 a", "set"),
    ("SPEXPIREAT K 99999999999999 MEMBERS 1 a", "set"),
    ("SPEXPIRETIME K MEMBERS 1 a", "set"),
    ("SPTTL K MEMBERS 1 a", "set"),
    ("STTL K MEMBERS 1 a", "set"),
    ("SUNIONCARD 1 K", "set"),
    ("XACKDEL K g IDS 1 1-1", "stream"),
    ("XCFGSET K IDMP-DURATION 100", "stream"),
    ("XDELEX K IDS 1 1-1", "stream"),
    ("XNACK K g FAIL IDS 1 1-1", "stream"),
];

/// They look at no value by themselves: channels, scripts, or whatever is there.
const TYPELESS: [&str; 14] = [
    "client|cached",
    "watch",
    "restore-asking",
    "spublish",
    "ssubscribe",
    "sunsubscribe",
    "msetex",
    "eval",
    "eval_ro",
    "evalsha",
    "evalsha_ro",
    "fcall",
    "fcall_ro",
    "migrate",
];

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

/// A key of one type, a call; what was answered, the type afterwards, and whether the value is what it was.
fn play(connection: &mut Connection, fixture: Option<&str>, line: &str) -> (Value, Value, bool) {
    let before = [
        "SELECT 1",
        "UNLINK K",
        "SELECT 0",
        "UNLINK K other",
        "DEL list",
        "RPUSH list l",
        "DEL set",
        "SADD set m",
    ];
    let calls = before.into_iter().chain(fixture).chain(["DUMP K", line, "DUMP K", "TYPE K"]);
    let bytes: Vec<u8> = calls.clone().flat_map(|line| encode(&words(line))).collect();
    connection.send_raw(&bytes).unwrap();
    let mut replies: Vec<Value> = calls.map(|_| next(connection)).collect();
    let (kind, after) = (replies.pop().unwrap(), replies.pop().unwrap());
    let (reply, before) = (replies.pop().unwrap(), replies.pop().unwrap());
    (reply, kind, before == after)
}

/// An error's text; nothing for a reply that is none.
fn refusal(reply: &Value) -> Option<String> {
    match reply {
        Value::Error(text) => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    }
}

#[test]
fn every_command_refuses_the_types_that_redis_refuses_and_changes_nothing_then() {
    let product = Server::start(&Program::product(), &[]).unwrap();
    let reference = Server::start(&Program::reference().unwrap(), &[]).unwrap();
    let (mut product, mut reference) = (product.connect().unwrap(), reference.connect().unwrap());
    let mut complaints = Vec::new();
    for line in CALLS {
        for fixture in FIXTURES.iter().map(|(_, fixture)| Some(*fixture)).chain([None]) {
            let (own, kind, is_unchanged) = play(&mut product, fixture, line);
            let (their, their_kind, _) = play(&mut reference, fixture, line);
            if refusal(&own) != refusal(&their) || kind != their_kind {
                complaints
                    .push(format!("{fixture:?}, {line}: {own:?} ({kind:?}), not {their:?} ({their_kind:?})"));
            }
            if refusal(&own).is_some() && !is_unchanged {
                complaints.push(format!("{fixture:?}, {line}: {own:?}, and the value has changed"));
            }
        }
    }
    for (line, own_type) in LATER {
        for (kind, fixture) in FIXTURES {
            let (own, _, is_unchanged) = play(&mut product, Some(fixture), line);
            // DELEX has a text of its own.
            let is_wrong_type = refusal(&own).is_some_and(|text| {
                text.starts_with("WRONGTYPE ") || text.contains("should be of string type")
            });
            if is_wrong_type == (kind == *own_type) || (is_wrong_type && !is_unchanged) {
                complaints.push(format!("{fixture}, {line}: {own:?}"));
            }
        }
    }
    assert!(complaints.is_empty(), "{} of them:\n{}", complaints.len(), complaints.join("\n"));
}

/// A command that comes to be is in one of the tables.
#[test]
fn no_command_with_a_key_is_left_out() {
    let product = Server::start(&Program::product(), &[]).unwrap();
    let mut names = BTreeSet::new();
    let Value::Array(rows) = call(&mut product.connect().unwrap(), &["COMMAND"]) else { panic!("no table") };
    rows.iter().for_each(|row| collect(row, &mut names));
    let tried: BTreeSet<String> = CALLS
        .iter()
        .copied()
        .chain(LATER.iter().map(|(line, _)| *line))
        .flat_map(|line| {
            let words = words(line);
            [words[0].to_lowercase(), format!("{}|{}", words[0], words[1]).to_lowercase()]
        })
        .chain(TYPELESS.map(str::to_owned))
        .collect();
    let missing: Vec<_> = names.difference(&tried).collect();
    assert!(names.len() > 100, "only {} have keys", names.len());
    assert!(missing.is_empty(), "on keys of no type: {missing:?}");
}

/// The names of those whose first key has a place, or that say that keys move; subcommands as `xgroup|create`.
fn collect(row: &Value, names: &mut BTreeSet<String>) {
    let Value::Array(fields) = row else { return };
    let text = |value: &Value| value.as_text().map(|text| String::from_utf8_lossy(&text).to_lowercase());
    let moves = |flags: &Value| match flags {
        Value::Array(flags) | Value::Set(flags) => {
            flags.iter().any(|flag| text(flag).as_deref() == Some("movablekeys"))
        }
        _ => false,
    };
    if fields[3] != Value::Integer(0) || moves(&fields[2]) {
        names.extend(text(&fields[0]));
    }
    if let Some(Value::Array(subcommands)) = fields.get(9) {
        subcommands.iter().for_each(|row| collect(row, names));
    }
}
