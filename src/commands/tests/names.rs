//! Keys and channels of calls, and what is done to them, as the rows have it.

use crate::{
    command::{Access, Named},
    commands::table,
};
use Access::{
    Channel, ChannelPattern, Create, Look, Overwrite, Read, ReadUpdate, Remove, Take, Unsubscribed,
};

type Expected<'a> = &'a [(&'a str, Access)];

fn check(
    line: &str,
    expected: Expected<'_>,
    named: impl Fn(&crate::command::Command, &[&[u8]]) -> Vec<Named>,
) {
    let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let call = table().resolve(&argv).unwrap();
    let found: Vec<(&str, Access)> = named(call.command, &argv)
        .into_iter()
        .map(|named| (std::str::from_utf8(argv[named.at]).unwrap(), named.access))
        .collect();
    assert_eq!(found, expected, "{line}");
}

#[test]
fn keys_of_every_form_are_found_with_what_is_done_to_them() {
    for (line, expected) in [
        ("PING", &[][..]),
        ("GET k", &[("k", Read)]),
        ("EXISTS a b", &[("a", Look), ("b", Look)]),
        ("SET k v", &[("k", Overwrite)]),
        ("SET k v GET", &[("k", ReadUpdate)]),
        ("BITFIELD k GET u8 0", &[("k", Read)]),
        ("BITFIELD k SET u8 0 1", &[("k", ReadUpdate)]),
        ("DEL a b", &[("a", Remove), ("b", Remove)]),
        ("MSET a 1 b 2", &[("a", Overwrite), ("b", Overwrite)]),
        ("WATCH a b", &[("a", Look), ("b", Look)]),
        ("RENAMENX a b", &[("a", Take), ("b", Create)]),
        ("BITOP AND to a b", &[("to", Overwrite), ("a", Read), ("b", Read)]),
        ("SINTERCARD 2 a b LIMIT 1", &[("a", Read), ("b", Read)]),
        ("ZUNIONSTORE to 2 a b WEIGHTS 1 2", &[("to", Overwrite), ("a", Read), ("b", Read)]),
        ("LMPOP 2 a b LEFT", &[("a", Take), ("b", Take)]),
        ("BLMPOP 0 1 a LEFT", &[("a", Take)]),
        ("BLPOP a b 0", &[("a", Take), ("b", Take)]),
        // A number of keys that cannot be says nothing.
        ("ZUNION 9 a b", &[]),
        ("SORT k BY w_* STORE to", &[("k", Read), ("to", Overwrite)]),
        ("SORT k BY STORE STORE to", &[("k", Read), ("to", Overwrite)]),
        ("SORT k STORE a GET STORE LIMIT 0 1 STORE to", &[("k", Read), ("to", Overwrite)]),
        ("GEORADIUS k 1 2 3 m STORE STOREDIST STORE to", &[("k", Read), ("to", Overwrite)]),
        ("GEORADIUS k 1 2 3 m STORE to", &[("k", Read), ("to", Overwrite)]),
        ("GEORADIUSBYMEMBER k m 3 m STOREDIST to", &[("k", Read), ("to", Overwrite)]),
        ("XREAD COUNT 1 STREAMS a STREAMS 0 0", &[("a", Read), ("STREAMS", Read)]),
        ("XREADGROUP GROUP STREAMS c STREAMS a >", &[("a", Read)]),
        // Wherever the group is named, and whatever it is called.
        ("XREADGROUP CLAIM 1 MAXCOUNT 2 GROUP a STREAMS MAXSIZE 3 STREAMS b >", &[("b", Read)]),
        ("MIGRATE h 1 k 0 9 COPY", &[("k", Take)]),
        ("MIGRATE h 1  0 9 AUTH KEYS KEYS a b", &[("a", Take), ("b", Take)]),
        ("APPEND k v", &[("k", Access::Insert)]),
        ("OBJECT ENCODING k", &[("k", Look)]),
        ("SSUBSCRIBE a", &[("a", Channel)]),
    ] {
        check(line, expected, |command, argv| command.keys_of(argv));
    }
    assert!(table().get(b"GET").unwrap().has_keys() && !table().get(b"SSUBSCRIBE").unwrap().has_keys());
}

#[test]
fn channels_and_patterns_are_found() {
    for (line, expected) in [
        ("GET k", &[][..]),
        ("SUBSCRIBE a b", &[("a", Channel), ("b", Channel)]),
        ("UNSUBSCRIBE", &[]),
        ("PSUBSCRIBE a* b", &[("a*", ChannelPattern), ("b", ChannelPattern)]),
        ("PUNSUBSCRIBE a*", &[("a*", Unsubscribed)]),
        ("PUBLISH a message", &[("a", Channel)]),
        ("SSUBSCRIBE a", &[("a", Channel)]),
        ("SUNSUBSCRIBE a b", &[("a", Unsubscribed), ("b", Unsubscribed)]),
        ("SPUBLISH a message", &[("a", Channel)]),
    ] {
        check(line, expected, |command, argv| command.channels_of(argv));
    }
}
