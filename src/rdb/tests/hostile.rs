//! Bytes that no server wrote: refused, quickly, and without asking for memory.

use super::{cases, lines, unhex};
use crate::rdb::{Dialect, Fault, Object, load, load_body, types::CRC64};
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
    assert_eq!(refused("00 c3 03 80 1fffffff 006161"), "a string is compressed wrongly");
    assert_eq!(refused("00 81 0000000100000000"), "a string is longer than 512 MiB");
    assert_eq!(refused("02 81 0000000100000000 0161"), Fault::Truncated.to_string());
    // Not a timing assert but a stop: the above would run for hours if it believed what it is told.
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn damaged_collections_are_refused() {
    assert_eq!(refused("01 00"), Fault::Empty.to_string());
    assert_eq!(refused("02 02 0161 0161"), "a member is there twice");
    assert_eq!(refused("04 02 0161 0162 0161 0163"), "a member is there twice");
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
