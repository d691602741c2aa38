//! Payloads of real servers: read they are the value, and the value written is the payload of Redis 7.0.

use super::load;
use super::{cases, lines};
use crate::rdb::{Member, Object, dump};

const VALUES: &str = include_str!("values.txt");
/// These are stored by hash in the server, and their order is not ours; or an encoding that is not written.
const OTHER_ORDER: [&str; 3] = ["set-words", "set-large", "hash-wide"];

fn is_from_before_7(server: &str) -> bool {
    server == "redis-6.2.5"
}

#[test]
fn payloads_of_all_servers_are_read() {
    let mut seen = 0;
    for (words, payload) in lines(VALUES) {
        let (server, case) = (words[0], words[1]);
        let mut expected = cases::value(case);
        if let (Object::Stream(stream), true) = (&mut expected, is_from_before_7(server)) {
            // Not counted then: as many as are there; and a group that read to the end has read them all.
            stream.max_deleted_id = cases::id(0, 0);
            stream.entries_added = stream.entries.len() as u64;
            for group in &mut stream.groups {
                group.entries_read = (group.last_id == stream.last_id).then_some(stream.entries_added);
            }
        }
        let object = load(&payload).unwrap_or_else(|error| panic!("{server} {case}: {error}"));
        let object = cases::timeless(object);
        assert_eq!(cases::sorted(object), cases::sorted(expected), "{server} {case}");
        seen += 1;
    }
    assert_eq!(seen, 58);
}

#[test]
fn payloads_are_those_of_redis_7_to_the_byte() {
    for (words, payload) in lines(VALUES).filter(|(words, _)| words[0] == "redis-7.0.15") {
        let case = words[1];
        // Its own reading, because the order of a set and the times of consumers are the server's; and the deleted entry
        // that a node still carries is not written again.
        let object = load(&payload).unwrap();
        if case == "stream-mixed" {
            continue;
        }
        assert_eq!(dump(&object), payload, "{case}");
        if !OTHER_ORDER.contains(&case) && case != "stream-groups" {
            assert_eq!(dump(&cases::value(case)), payload, "{case}");
        }
    }
}

/// Of our own type: what is in payloads must stay readable for ever.
#[test]
fn payloads_of_expiring_members() {
    let member = |name: &[u8], expires_at_ms| Member { name: name.to_vec(), expires_at_ms };
    let set = vec![member(b"a", None), member(b"17", Some(0x0203)), member(b"b", Some(0x0201))];
    let payload = dump(&Object::ExpiringSet(set.clone()));
    let golden = b"\xc8\x01\x02\0\0\0\0\0\0\x03\0\x01a\x03\xc0\x11\x01\x01b\x0a\0";
    assert_eq!(payload[..payload.len() - 8], golden[..]);
    assert_eq!(load(&payload).unwrap(), Object::ExpiringSet(set));
}

#[test]
fn payloads_of_expiring_fields_are_those_of_redis_8_to_the_byte() {
    for (words, payload) in lines(VALUES).filter(|(words, _)| words[0] == "redis-8.2.3") {
        let object = load(&payload).unwrap();
        if matches!(object, Object::Hash(_)) {
            assert_eq!(dump(&object), payload, "{}", words[1]);
        }
    }
}

#[test]
fn a_written_payload_is_read_back() {
    for (words, _) in lines(VALUES) {
        let value = cases::value(words[1]);
        let read = cases::timeless(load(&dump(&value)).unwrap());
        assert_eq!(cases::sorted(read), cases::sorted(value), "{}", words[1]);
    }
}
