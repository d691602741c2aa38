//! Scripts: bodies over keys of every kind. Rigid, because a body with other arguments may do without end what it does here once.
//! Nothing is drawn by lot inside, and no double is written: those differ for reasons of their own.

use super::super::part::Part::{Key, Maybe, Of, OneOf, Value, Word};
use super::super::part::{Part, Template};
use super::super::pools::Kind::{Hash, List, Number, Set, Sorted, Stream, String};
use super::super::pools::{MEMBERS, NUMBERS};

const READS: Part = OneOf(&[
    &[Word("return redis.call('get', KEYS[1])")],
    &[Word(
        "return {redis.call('exists', KEYS[1]), redis.pcall('strlen', KEYS[1]), redis.call('type', KEYS[1])}",
    )],
    &[Word("return redis.pcall('lrange', KEYS[1], 0, 3)")],
    &[Word("local v = redis.pcall('get', KEYS[1]) return type(v)")],
    &[Word(
        "local v = redis.call('get', KEYS[1]) if not v then return redis.error_reply('NONE there') end return #v",
    )],
]);

const WRITES: Part = OneOf(&[
    &[Word("return redis.call('set', KEYS[1], ARGV[1])")],
    &[Word("redis.call('set', KEYS[1], ARGV[1]) return redis.call('append', KEYS[1], '!')")],
    &[Word("if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0")],
    &[Word("redis.call('set', KEYS[1], ARGV[1]) redis.call('lpush', KEYS[1], 'x') return 1")],
    &[Word("redis.call('set', KEYS[1], ARGV[1]) error('after the write')")],
    &[Word("redis.call('set', KEYS[1], ARGV[1]) return redis.pcall('lpush', KEYS[1], 'x')")],
    &[Word("return {redis.call('getset', KEYS[1], ARGV[1]), redis.call('strlen', KEYS[1])}")],
    &[Word(
        "redis.call('setrange', KEYS[1], 5, ARGV[1]) return string.sub(redis.call('get', KEYS[1]), 3, 9)",
    )],
    &[Word("return nosuch")],
    &[Word("return redis.call('nosuch', KEYS[1])")],
    &[Word("return redis.call('get')")],
    &[Word("return (")],
]);

const COUNTS: Part = OneOf(&[
    &[Word("return redis.call('incrby', KEYS[1], ARGV[1])")],
    &[Word("local n = redis.call('incr', KEYS[1]) if n > 3 then redis.call('del', KEYS[1]) end return n")],
    &[Word(
        "local n = tonumber(redis.call('get', KEYS[1]) or '0') if not n then return 'none' end return n % 7 < 3",
    )],
    &[Word("return redis.pcall('decrby', KEYS[1], ARGV[1])")],
]);

const LISTS: Part = OneOf(&[
    &[Word("return redis.call('rpush', KEYS[1], ARGV[1], ARGV[1])")],
    &[Word("local out = {} for i = 1, 3 do out[i] = redis.call('lpop', KEYS[1]) or 'none' end return out")],
    &[Word(
        "for i = 1, 40 do redis.call('rpush', KEYS[1], i) end return redis.call('ltrim', KEYS[1], -50, -1)",
    )],
    &[Word("local all = redis.call('lrange', KEYS[1], 0, -1) table.sort(all) return all")],
    &[Word("local all = redis.call('lrange', KEYS[1], 0, -1) return cjson.encode(all)")],
    &[Word("return redis.call('lmove', KEYS[1], KEYS[1], 'left', 'right')")],
]);

const HASHES: Part = OneOf(&[
    &[Word("return redis.call('hset', KEYS[1], ARGV[1], ARGV[2])")],
    &[Word("return redis.call('hget', KEYS[1], ARGV[1])")],
    &[Word("redis.call('hset', KEYS[1], ARGV[1], ARGV[2]) return redis.call('hdel', KEYS[1], ARGV[2])")],
    &[Word("return {redis.call('hlen', KEYS[1]), redis.call('hexists', KEYS[1], ARGV[1])}")],
    &[Word("return redis.pcall('hincrby', KEYS[1], ARGV[1], 200000000)")],
]);

const SETS: Part = OneOf(&[
    &[Word("return redis.call('sadd', KEYS[1], ARGV[1], ARGV[2])")],
    &[Word("redis.call('sadd', KEYS[1], ARGV[1]) return redis.call('srem', KEYS[1], ARGV[2])")],
    &[Word("local all = redis.call('smembers', KEYS[1]) table.sort(all) return all")],
    &[Word("return redis.call('smove', KEYS[1], KEYS[1], ARGV[1])")],
]);

const SORTED: Part = OneOf(&[
    &[Word("return redis.call('zadd', KEYS[1], 5, ARGV[1], 7, ARGV[2])")],
    &[Word("return redis.call('zrange', KEYS[1], 0, -1)")],
    &[Word("return redis.call('zrank', KEYS[1], ARGV[1])")],
    &[Word("return redis.call('zremrangebyrank', KEYS[1], 0, 0)")],
    &[Word("redis.call('zadd', KEYS[1], 'x', ARGV[1])")],
]);

const STREAMS: Part = OneOf(&[
    &[Word("return redis.call('xlen', KEYS[1])")],
    &[Word("return redis.pcall('xadd', KEYS[1], '5-1', 'f', ARGV[1])")],
    &[Word("return redis.call('xtrim', KEYS[1], 'maxlen', 5)")],
]);

const ONE: Part = Word("1");

pub static TEMPLATES: &[Template] = &[
    Template::new("EVAL", &[READS, ONE, OneOf(&[&[Key(String)], &[Key(List)], &[Key(Hash)]])]).rigid(),
    Template::new("EVAL_RO", &[READS, ONE, OneOf(&[&[Key(String)], &[Key(Set)]])]).rigid().weight(6),
    Template::new("EVAL_RO", &[WRITES, ONE, Key(String), Value]).rigid().weight(3),
    Template::new("EVAL", &[WRITES, ONE, Key(String), Value]).rigid().weight(20),
    Template::new("EVAL", &[COUNTS, ONE, Key(Number), Of(&NUMBERS)]).rigid(),
    Template::new("EVAL", &[LISTS, ONE, Key(List), Value]).rigid().weight(14),
    Template::new("EVAL", &[HASHES, ONE, Key(Hash), Of(&MEMBERS), Of(&MEMBERS)]).rigid().weight(14),
    Template::new("EVAL", &[SETS, ONE, Key(Set), Of(&MEMBERS), Of(&MEMBERS)]).rigid().weight(14),
    Template::new("EVAL", &[SORTED, ONE, Key(Sorted), Of(&MEMBERS), Of(&MEMBERS)]).rigid().weight(14),
    Template::new("EVAL", &[STREAMS, ONE, Key(Stream), Value]).rigid(),
    // `return redis.call('get', KEYS[1])`, and the one that no server has.
    Template::new(
        "EVALSHA",
        &[
            OneOf(&[
                &[Word("d3c21d0c2b9ca22f82737626a27bcaf5d288f99f")],
                &[Word("D3C21D0C2B9CA22F82737626A27BCAF5D288F99F")],
                &[Word("0000000000000000000000000000000000000000")],
            ]),
            ONE,
            Key(String),
        ],
    )
    .rigid()
    .before(&[&["SCRIPT", "LOAD", "return redis.call('get', KEYS[1])"]]),
    Template::new("SCRIPT EXISTS", &[Word("0000000000000000000000000000000000000000")]).weight(2),
    Template::new(
        "EVAL",
        &[Maybe(&[Word("return 1")]), OneOf(&[&[Word("0")], &[Word("-1")], &[Word("x")], &[Word("9")]])],
    )
    .weight(3),
];
