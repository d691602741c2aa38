//! RDB: any payload and any file is read or refused, a payload within the memory that is allowed for it; a value that was read can
//! be written, and reads back the same.

use crate::allocation;
use flotilla::rdb::{Dialect, Object, Reader, Record, VERSION_FIELD_EXPIRY, Writer, dump, load, load_body};

/// What a value may take here, by the reader's own count, and what all that it allocates may: elements as they are read and
/// as they are kept, beside the string that they are in.
const OBJECT_BYTES_MAX: u64 = 2 << 20;
const ALLOCATED_BYTES_MAX: usize = 4 * OBJECT_BYTES_MAX as usize;

/// First byte: the rest is a payload of Redis (0) or Valkey (1), or a file without its header.
pub fn run(data: &[u8]) {
    let Some((kind, body)) = data.split_first() else { return };
    match kind % 3 {
        0 => payload(body, Dialect::Redis),
        1 => payload(body, Dialect::Valkey),
        _ => file(body),
    }
}

fn payload(body: &[u8], dialect: Dialect) {
    let bytes_max = ALLOCATED_BYTES_MAX + body.len();
    let read = allocation::within(bytes_max, || load_body(body, dialect, OBJECT_BYTES_MAX));
    let Ok((object, _)) = read else { return };
    let (again, _) = load(&dump(&object), u64::MAX).expect("a payload of our own is read");
    assert_eq!(lossy(again), lossy(object));
}

fn file(body: &[u8]) {
    let file = [b"REDIS0012".as_slice(), body].concat();
    let mut reader = Reader::new(file.as_slice()).expect("a head that is right");
    let records: Vec<_> = reader.by_ref().map_while(Result::ok).collect();
    assert!(reader.position() <= file.len() as u64);
    let mut writer = Writer::new(Vec::new(), VERSION_FIELD_EXPIRY, &[]).expect("memory takes all");
    for record in &records {
        writer.select(record.db, 1, 0).expect("memory takes all");
        writer.record(&record.key, &record.object, record.expires_at_ms).expect("memory takes all");
    }
    let written = writer.finish().expect("memory takes all");
    let again = Reader::new(written.as_slice()).expect("a head of our own");
    let again: Vec<_> = again.map(|record| kept(record.expect("a file of our own is read"))).collect();
    let records: Vec<_> = records.into_iter().map(kept).collect();
    assert_eq!(again, records);
}

/// What a file keeps of a record.
fn kept(record: Record) -> (u32, Vec<u8>, Option<u64>, Object) {
    (record.db, record.key, record.expires_at_ms, lossy(record.object))
}

/// Drops what the written version cannot represent, and sorts members.
fn lossy(mut object: Object) -> Object {
    if let Object::ExpiringSet(members) = object {
        object = Object::Set(members.into_iter().map(|member| member.name).collect());
    }
    match &mut object {
        Object::Set(members) => members.sort(),
        Object::SortedSet(members) => members.sort_by(|a, b| a.0.cmp(&b.0)),
        Object::Hash(fields) => fields.sort_by(|a, b| a.name.cmp(&b.name)),
        Object::Stream(stream) => {
            for consumer in stream.groups.iter_mut().flat_map(|group| &mut group.consumers) {
                consumer.active_at_ms = None;
            }
        }
        Object::String(_) | Object::List(_) | Object::ExpiringSet(_) => (),
    }
    object
}
