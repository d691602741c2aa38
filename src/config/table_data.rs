//! Parameters that bound what the data take, and say what happens beyond.

use super::{
    parameter::{Change, Kind, Parameter},
    table::{INT, SIZE, row},
};

const POLICIES: &[&str] = &[
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "noeviction",
];

pub(super) static PARAMETERS: &[Parameter] = &[
    row(
        "maxmemory",
        SIZE,
        "0",
        Change::Live,
        "Bytes that keys and values may take at rest, before compression; 0 = no limit. The leader's value counts: set it alike \
         on all nodes of the core. INFO shows what they take as flotilla_dataset_bytes.",
    ),
    row(
        "maxmemory-policy",
        Kind::Choice(POLICIES),
        "noeviction",
        Change::Live,
        "What happens once the data take more than maxmemory: writes that may make them grow are refused (noeviction), or \
         the keys go that were used least recently (lru), least often (lfu), at random, or that expire soonest (ttl): any of them \
         (allkeys), or only those with an expiry (volatile).",
    ),
    row(
        "maxmemory-samples",
        Kind::Number { min: 1, max: i32::MAX as i64 },
        "5",
        Change::Live,
        "Keys that are looked at for each one that is evicted; more than 64 are taken for 64.",
    ),
    row(
        "lfu-log-factor",
        INT,
        "10",
        Change::Live,
        "How slowly the count of accesses of a key rises, from 0 to 255; 0 = with each access.",
    ),
    row(
        "lfu-decay-time",
        INT,
        "1",
        Change::Live,
        "Minutes without an access that take one off the count; 0 = it never falls.",
    ),
];
