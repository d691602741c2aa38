//! Files of real servers, our own, and broken ones.

use super::{cases, lines};
use crate::rdb::{
    Fault, Member, Object, RdbError, Reader, Record, Skipped, VERSION, VERSION_FIELD_EXPIRY, Writer,
};

const FILES: &str = include_str!("files.txt");

fn read(file: &[u8]) -> Result<(Vec<Record>, Skipped), RdbError> {
    read_all(file).map(|(records, skipped, _)| (records, skipped))
}

type Parts = (Vec<Record>, Skipped, Vec<Vec<u8>>);

fn read_all(file: &[u8]) -> Result<Parts, RdbError> {
    let mut reader = Reader::new(file)?;
    let records = reader.by_ref().collect::<Result<Vec<_>, _>>()?;
    assert_eq!(reader.position(), file.len() as u64);
    Ok((records, reader.skipped().clone(), reader.take_functions()))
}

#[test]
fn files_of_all_servers_are_read() {
    for (words, file) in lines(FILES) {
        let server = words[0];
        let (records, skipped, functions) =
            read_all(&file).unwrap_or_else(|error| panic!("{server}: {error}"));
        let has_field_expiry = ["redis-8.2.3", "valkey-9.1.2"].contains(&server);
        assert_eq!(records.len(), if has_field_expiry { 23 } else { 22 }, "{server}");
        assert_eq!(skipped, Skipped::default(), "{server}");
        assert_eq!(functions.len(), usize::from(server != "redis-6.2.5"), "{server}");
        assert!(functions.iter().all(|text| text.starts_with(b"#!lua name=")), "{server}: {functions:?}");
        for Record { db, key, object, expires_at_ms, .. } in records {
            let case = std::str::from_utf8(&key).unwrap();
            let is_other = case == "other-db";
            assert_eq!((db, expires_at_ms), if is_other { (3, Some(cases::LATER)) } else { (0, None) });
            if !matches!(object, Object::Stream(_)) {
                assert_eq!(cases::sorted(object), cases::sorted(cases::value(case)), "{server} {case}");
            }
        }
    }
}

fn written(version: u16) -> (Vec<Record>, Vec<u8>) {
    let keys = ["string-text", "list-small", "set-words", "zset-large", "hash-small", "stream-groups"];
    let mut writer =
        Writer::new(Vec::new(), version, &[("redis-ver", "7.2.4"), ("redis-bits", "64")]).unwrap();
    let mut records = Vec::new();
    for db in [0, 15] {
        writer.select(db, keys.len() as u64, 1).unwrap();
        for (place, key) in keys.iter().chain(["hash-ttl-small"].iter().filter(|_| version > 10)).enumerate()
        {
            let expires_at_ms = (place == 1).then_some(1_700_000_000_123);
            let object = cases::value(key);
            let lost = writer.record(key.as_bytes(), &object, expires_at_ms).unwrap();
            assert!(!lost);
            let key = key.as_bytes().to_vec();
            records.push(Record { db, key, object, expires_at_ms, idle_s: None, freq: None });
        }
    }
    let written = writer.written();
    let file = writer.finish().unwrap();
    assert_eq!(written + 9, file.len() as u64);
    (records, file)
}

#[test]
fn a_written_file_is_read_back() {
    for version in [VERSION, VERSION_FIELD_EXPIRY] {
        let (records, file) = written(version);
        let (mut read, skipped) = read(&file).unwrap();
        assert_eq!(skipped, Skipped::default());
        read.iter_mut()
            .for_each(|record| record.object = cases::timeless(cases::sorted(record.object.clone())));
        let expected: Vec<Record> = records
            .into_iter()
            .map(|record| Record { object: cases::sorted(record.object.clone()), ..record })
            .collect();
        assert_eq!(read, expected);
    }
}

#[test]
fn a_file_for_redis_7_tells_which_hash_lost_the_expiry_of_its_fields() {
    let mut writer = Writer::new(Vec::new(), VERSION, &[]).unwrap();
    writer.select(0, 1, 0).unwrap();
    assert!(writer.record(b"h", &cases::value("hash-ttl-small"), None).unwrap());
    let (records, _) = read(&writer.finish().unwrap()).unwrap();
    let Object::Hash(fields) = &records[0].object else { panic!("{records:?}") };
    assert_eq!(fields.len(), 3);
    assert!(fields.iter().all(|field| field.expires_at_ms.is_none()));
}

#[test]
fn a_file_tells_which_set_lost_the_expiry_of_its_members() {
    let member = |name: &[u8], expires_at_ms| Member { name: name.to_vec(), expires_at_ms };
    let set = Object::ExpiringSet(vec![member(b"a", None), member(b"b", Some(7))]);
    for version in [VERSION, VERSION_FIELD_EXPIRY] {
        let mut writer = Writer::new(Vec::new(), version, &[]).unwrap();
        writer.select(0, 1, 0).unwrap();
        assert!(writer.record(b"s", &set, None).unwrap());
        let (records, _) = read(&writer.finish().unwrap()).unwrap();
        assert_eq!(records[0].object, Object::Set(vec![b"a".to_vec(), b"b".to_vec()]));
    }
}

#[test]
fn a_file_that_is_cut_anywhere_is_an_error_that_says_where() {
    let (_, file) = written(VERSION);
    for len in 0..file.len() {
        let error = read(&file[..len]).unwrap_err();
        assert!(matches!(error.fault, Fault::Truncated), "cut at {len}: {error}");
        assert!(error.at <= len as u64, "cut at {len}: {error}");
    }
}

#[test]
fn a_file_with_one_other_byte_is_an_error() {
    let (_, file) = written(VERSION);
    for at in 0..file.len() {
        let mut file = file.clone();
        file[at] ^= 0x10;
        assert!(read(&file).is_err(), "byte {at}");
    }
}

fn fault(file: &[u8]) -> String {
    read(file).unwrap_err().to_string()
}

#[test]
fn what_is_wrong_is_said() {
    assert_eq!(fault(b"REDIS0099\xff"), "byte 0: RDB version 99 is not known");
    assert_eq!(fault(b"VALKEY011\xff"), "byte 10: the data ends here, in the middle of something");
    assert!(fault(b"PK\x03\x04 something else").contains("not an RDB file"));
    assert!(fault(b"REDIS+010\xff").contains("not an RDB file"));
    assert_eq!(
        fault(b"REDIS0010\xff\x01\0\0\0\0\0\0\0"),
        "byte 18: checksum 0000000000000001 is written, but the data has eb7ea789fe37fda9"
    );
    assert_eq!(
        fault(b"REDIS0010\xff\0\0\0\0\0\0\0\0*2\r\n"),
        "byte 18: data follows the end of the file's RDB part"
    );
    assert_eq!(fault(b"REDIS0010\x63\x01k"), "byte 12: type 99 is not known");
}

#[test]
fn a_file_of_another_age_needs_no_checksum() {
    // Before version 5 there was none, and 0 means that the server was told not to make one.
    assert_eq!(read(b"REDIS0003\xfe\x00\x00\x01k\x01v\xff").unwrap().0.len(), 1);
    assert_eq!(read(b"REDIS0010\xfe\x00\x00\x01k\x01v\xff\0\0\0\0\0\0\0\0").unwrap().0.len(), 1);
}

#[test]
fn what_cannot_be_kept_is_skipped_and_counted() {
    let mut file = b"REDIS0010".to_vec();
    file.extend(b"\xfa\x03lua\x05hello"); // a script
    file.extend(b"\xf7\x81\x00\x00\x00\x00\x00\x00\x00\x00\x02\x01\x05\x01x\x00"); // data of a module
    file.extend(b"\xf4\x05\x01\x00"); // a slot
    file.extend(b"\xf3\x03job\x01\x00\x40\x64"); // a slot on its way
    file.extend(b"\xf5\x01f"); // a library
    file.extend(b"\xfe\x00\xfb\x02\x00");
    file.extend(b"\x07\x02mk\x81\x09\xf3\x11\xcd\xfb\xbb\x41\x04"); // "CfPxHN-7B", a version
    file.extend(b"\x01\x05\x02\x07\x03\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x05\x01x\x00");
    file.extend(b"\x02\x05empty\x00"); // a set without members
    file.extend(b"\xfd\x10\x00\x00\x00\xf8\x40\x64\x00\x01a\x01b"); // expires in 1970, idle
    file.extend(b"\xf9\x07\x00\x01c\x01d\xff\0\0\0\0\0\0\0\0");
    let (records, skipped, functions) = read_all(&file).unwrap();
    assert_eq!((records.len(), functions), (2, vec![b"f".to_vec()]));
    assert_eq!(
        (records[0].expires_at_ms, records[0].idle_s, records[0].freq),
        (Some(16_000), Some(100), None)
    );
    assert_eq!((records[1].expires_at_ms, records[1].idle_s, records[1].freq), (None, None, Some(7)));
    assert_eq!(skipped.empty_keys, 1);
    assert_eq!(skipped.module_keys.values().sum::<u64>(), 1);
    assert!(skipped.module_keys.keys().all(|name| name.len() == 9), "{skipped:?}");
}
