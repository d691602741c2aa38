//! Bytes that no server wrote: refused, quickly, and without asking for memory.

use super::{cases, lines, load, load_body, unhex};
use crate::rdb::{Dialect, Fault, Object, lzf, types::CRC64};
use std::time::{Duration, Instant};

fn refused(hex: &str) -> String {
    load_body(&unhex(&hex.replace(' ', "")), Dialect::Redis).unwrap_err().fault.to_string()
}

#[test]
fn a_length_that_is_not_there_costs_nothing() {
    let started = Instant::now();
    // 512 MiB of string; 2^64 elements; a string that claims to grow a thousandfold; 4 GiB.
    assert_eq!(refused("00 80 20000000 61"), Fault::Truncated.to_string());
    assert_eq!(refused("01 81 ffffffffffffffff 0161"), Fault::Truncated.to_string());
    assert_eq!(refused("00 c3 03 80 1fffffff 006161"), "a compressed string is malformed");
    assert_eq!(refused("00 81 0000000100000000"), "a string is longer than 512 MiB");
    assert_eq!(refused("02 81 0000000100000000 0161"), Fault::Truncated.to_string());
    // Not a timing assert but a stop: the above would run for hours if it believed what it is told.
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn damaged_collections_are_refused() {
    assert_eq!(refused("01 00"), Fault::Empty.to_string());
    assert_eq!(refused("02 02 0161 0161"), "a member occurs twice");
    assert_eq!(refused("04 02 0161 0162 0161 0163"), "a member occurs twice");
    assert_eq!(refused("05 01 0161 000000000000f87f"), "a score is not a number");
    assert_eq!(refused("03 01 0161 fd"), "a score is not a number");
    assert_eq!(refused("03 01 0161 02 3178"), "a score is not a number");
    assert_eq!(
        refused("0b 0a 02000000 02000000 0100"),
        "damaged intset: it does not have as many members as it says"
    );
    assert_eq!(refused("0b 0c 02000000 02000000 0200 0100"), "damaged intset: its members do not ascend");
    assert_eq!(refused("0b 08 02000000 00000000"), Fault::Empty.to_string());
    assert_eq!(refused("12 01 03 0161"), "a node of a list has an unknown kind");
    assert_eq!(refused("12 01 01 00"), "a node of a list is empty");
    assert_eq!(refused("12 01 02 07 07000000 0000 ff"), Fault::Empty.to_string());
    assert_eq!(refused("10 09 09000000 0100 01 01 ff"), "damaged listpack: a field has no value");
    assert_eq!(
        refused("10 09 09000000 0100 01 02 ff"),
        "damaged listpack: the two lengths of an element differ"
    );
    assert_eq!(
        refused("10 09 09000000 0200 01 01 ff"),
        "damaged listpack: it does not have as many elements as it says"
    );
    assert_eq!(
        refused("0a 0d 0d000000 0a000000 0100 00 05 ff"),
        "damaged ziplist: an element reaches beyond it"
    );
    assert_eq!(refused("16 01 02 0161"), Fault::Truncated.to_string());
    assert_eq!(refused("08 00"), "type 8 is not known");
    assert!(refused("07 81 00000000000000 00 00").contains("modules are not supported"));
}

#[test]
fn fields_that_expire_as_release_candidates_wrote_them() {
    let at = |hex: &str| match load_body(&unhex(&hex.replace(' ', "")), Dialect::Redis).unwrap() {
        Object::Hash(fields) => fields.iter().map(|field| field.expires_at_ms).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(at("16 02 00 0161 0162 45dc 0163 0164"), [None, Some(1500)]);
    assert_eq!(at("17 0f 0f000000 0300 8161 02 8162 02 05 01 ff"), [Some(5)]);
    // Earliest before 1970: expired, not without an expiry.
    assert_eq!(at("18 0101010101 2086c8 01 01 0161 0162"), [Some(1)]);
}

#[test]
fn a_payload_is_checked_before_it_is_read() {
    let payload = crate::rdb::dump(&cases::value("string-text"));
    assert!(matches!(load(b"").unwrap_err().fault, Fault::NotPayload));
    assert!(matches!(load(&payload[..9]).unwrap_err().fault, Fault::NotPayload));
    let mut other = payload.clone();
    other[3] ^= 1;
    assert!(matches!(load(&other).unwrap_err().fault, Fault::Checksum { .. }));
    let at = payload.len() - 10;
    let mut newer = payload;
    newer[at] = 13;
    assert!(matches!(load(&newer).unwrap_err().fault, Fault::Version(13)));
}

/// Every single-byte change of every golden payload, with the checksum made right: read or refused, never a panic, and
/// what is read can be written and read again.
#[test]
fn any_one_byte_may_be_any_other() {
    for (words, payload) in lines(include_str!("values.txt")) {
        let body = &payload[..payload.len() - 8];
        let step = 1 + body.len() / 60;
        for at in (0..body.len()).step_by(step) {
            for flip in [0x01, 0x10, 0x80, 0xff] {
                let mut body = body.to_vec();
                body[at] ^= flip;
                body.extend(CRC64.checksum(&body).to_le_bytes());
                if let Ok(object) = load(&body) {
                    let again = load(&crate::rdb::dump(&object)).unwrap();
                    let (again, object) =
                        (cases::sorted(cases::timeless(again)), cases::sorted(cases::timeless(object)));
                    assert_eq!(again, object, "{words:?} byte {at}");
                }
            }
        }
    }
}

/// A string of an RDB file, compressed if that makes it shorter.
fn string(bytes: &[u8]) -> Vec<u8> {
    let long = |len: usize| [&[0x80][..], &u32::try_from(len).unwrap().to_be_bytes()].concat();
    match lzf::compress(bytes) {
        Some(short) => [&[0xc3][..], &long(short.len()), &long(bytes.len()), &short].concat(),
        None => [long(bytes.len()), bytes.to_vec()].concat(),
    }
}

/// A sound listpack of this many small integers.
fn listpack(elements: usize) -> Vec<u8> {
    let total = u32::try_from(6 + 2 * elements + 1).unwrap();
    let body = [7, 1].repeat(elements);
    [&total.to_le_bytes()[..], &[0xff, 0xff], &body, &[0xff]].concat()
}

/// A stream with a node whose entries share a long name.
fn stream_of_one_name(name: usize, entries: usize) -> Vec<u8> {
    let mut node = crate::rdb::compact::listpack::Writer::new();
    for integer in [i64::try_from(entries).unwrap(), 0, 1] {
        node.push_integer(integer);
    }
    node.push(&vec![b'n'; name]);
    node.push_integer(0);
    for entry in 0..entries {
        for integer in [2, i64::try_from(entry).unwrap(), 0, 7, 4] {
            node.push_integer(integer);
        }
    }
    [&[0x15, 0x01][..], &string(&[0; 16]), &string(&node.finish())].concat()
}

/// Each of these is damaged at its end, too, or would be more than any machine has: that it is said to be too large shows
/// that this was known before it was made.
#[test]
fn what_would_be_far_larger_than_its_payload_is_refused_before_it_is_made() {
    const LIMIT: u64 = 16 << 20;
    let million = 1 << 20;
    let compressed =
        [&[0xc3, 0x80, 0, 0x10, 0, 0, 0x80][..], &(64_u32 << 20).to_be_bytes(), &vec![0xff; million]]
            .concat();
    let mut pack = listpack(million);
    pack[6 + 2 * million - 1] = 9;
    let (mut intset, mut zipmap) = (2_u32.to_le_bytes().to_vec(), vec![0xfe]);
    intset.extend(u32::try_from(million).unwrap().to_le_bytes());
    intset.extend(vec![1; 2 * million]);
    zipmap.extend([1, b'f', 1, 0, b'v'].repeat(million));
    zipmap.extend([1, b'f', 0xff]);
    let mut ziplist = vec![0; 10];
    (0..million).for_each(|at| ziplist.extend([if at == 0 { 0 } else { 2 }, 0xf1]));
    ziplist.extend([9, 0xff]);
    let total = u32::try_from(ziplist.len()).unwrap().to_le_bytes();
    ziplist[..4].copy_from_slice(&total);
    let bodies = [
        ("string", [&[0x00][..], &compressed].concat()),
        ("listpack", [&[0x10][..], &string(&pack)].concat()),
        ("quicklist", [&[0x12, 0x01, 0x02][..], &string(&pack)].concat()),
        ("set", [&[0x14][..], &string(&pack)].concat()),
        ("ziplist", [&[0x0a][..], &string(&ziplist)].concat()),
        ("intset", [&[0x0b][..], &string(&intset)].concat()),
        ("zipmap", [&[0x09][..], &string(&zipmap)].concat()),
        // 60 GB of names.
        ("stream", stream_of_one_name(60_000, million)),
    ];
    for (name, body) in bodies {
        let refused = crate::rdb::load_body(&body, Dialect::Redis, LIMIT).unwrap_err();
        assert!(matches!(refused.fault, Fault::TooLarge(LIMIT)), "{name}: {refused}");
    }
}
