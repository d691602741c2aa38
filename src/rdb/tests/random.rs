//! Values by chance: what is written is read back, and noise is read or refused.

use super::cases;
use super::{load, load_body};
use crate::rdb::{Dialect, Entry, Field, Member, Object, Reader, Stream, StreamId, dump, lzf, score};
use proptest::{
    collection::{btree_map, btree_set, vec},
    prelude::*,
};

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..12),
        any::<i64>().prop_map(|integer| integer.to_string().into_bytes()),
        (-5000_i64..5000).prop_map(|integer| integer.to_string().into_bytes()),
        vec(97_u8..100, 0..400),
        (any::<u8>(), 0_usize..9000).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

fn stream() -> impl Strategy<Value = Object> {
    let fields = vec((vec(97_u8..99, 1..3), bytes()), 1..3);
    let id = prop_oneof![(0_u64..3, 1_u64..50), any::<(u64, u64)>()];
    btree_map(id, fields, 0..30).prop_map(|entries| {
        let entry = |((ms, seq), fields)| Entry { id: StreamId { ms, seq }, fields };
        let entries: Vec<Entry> = entries.into_iter().map(entry).collect();
        Object::Stream(Stream {
            last_id: StreamId { ms: u64::MAX, seq: u64::MAX },
            first_id: entries.first().map(|entry| entry.id).unwrap_or_default(),
            entries_added: entries.len() as u64 + 3,
            entries,
            ..Stream::default()
        })
    })
}

fn object() -> impl Strategy<Value = Object> {
    let score = any::<f64>().prop_filter("a score is a number", |score| !score.is_nan());
    let expiry = prop::option::of(1..i64::MAX.cast_unsigned());
    let member = |(name, expires_at_ms)| Member { name, expires_at_ms };
    let field = |(name, (value, expires_at_ms))| Field { name, value, expires_at_ms };
    let plain = |(name, value)| Field { name, value, expires_at_ms: None };
    prop_oneof![
        bytes().prop_map(Object::String),
        vec(bytes(), 1..40).prop_map(Object::List),
        btree_set(bytes(), 1..40).prop_map(|members| Object::Set(members.into_iter().collect())),
        btree_set(any::<i64>(), 1..600).prop_map(|members| {
            Object::Set(members.iter().map(|member| member.to_string().into_bytes()).collect())
        }),
        btree_map(bytes(), prop::option::of(1..i64::MAX.cast_unsigned()), 1..40)
            .prop_map(move |members| Object::ExpiringSet(members.into_iter().map(member).collect())),
        btree_map(bytes(), score, 1..200)
            .prop_map(|members| Object::SortedSet(members.into_iter().collect())),
        btree_map(bytes(), bytes(), 1..40)
            .prop_map(move |fields| Object::Hash(fields.into_iter().map(plain).collect())),
        btree_map(bytes(), (bytes(), expiry), 1..40)
            .prop_map(move |fields| Object::Hash(fields.into_iter().map(field).collect())),
        stream(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn an_object_survives(object in object()) {
        let payload = dump(&object);
        let read = load(&payload).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(cases::sorted(read), cases::sorted(object));
    }

    #[test]
    fn a_changed_object_is_read_or_refused(object in object(), changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let payload = dump(&object);
        let mut body = payload[..payload.len() - 10].to_vec();
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        for dialect in [Dialect::Redis, Dialect::Valkey] {
            let _read_or_refused = load_body(&body, dialect);
        }
    }

    #[test]
    fn noise_is_read_or_refused(mut noise in vec(any::<u8>(), 0..200), rdb_type in 0_u8..30) {
        if let Some(first) = noise.first_mut() {
            *first = rdb_type;
        }
        for dialect in [Dialect::Redis, Dialect::Valkey] {
            let _read_or_refused = load_body(&noise, dialect);
        }
        noise.splice(..0, *b"REDIS0010\xfe\x00");
        let _read_or_refused: Vec<_> = Reader::new(noise.as_slice()).unwrap().collect();
    }

    #[test]
    fn what_is_compressed_is_decompressed(text in vec(97_u8..101, 0..3000)) {
        if let Some(compressed) = lzf::compress(&text) {
            prop_assert!(compressed.len() < text.len());
            prop_assert_eq!(lzf::decompress(&compressed, text.len()), Some(text));
        }
    }

    #[test]
    fn noise_is_decompressed_or_refused(noise in vec(any::<u8>(), 0..100), len in 0_usize..5000) {
        if let Some(text) = lzf::decompress(&noise, len) {
            prop_assert_eq!(text.len(), len);
        }
    }

    #[test]
    fn a_score_survives_as_text(score in any::<f64>()) {
        let read = score::parse(score::text(score).as_bytes());
        prop_assert_eq!(read.map(f64::to_bits), (!score.is_nan()).then_some(score.to_bits()));
    }
}

#[test]
fn scores_look_as_redis_7_shows_them() {
    let text = |score: f64| score::text(score);
    assert_eq!(text(0.1), "0.10000000000000001");
    assert_eq!(text(-0.0), "-0");
    assert_eq!(text(3.0), "3");
    assert_eq!(text(1e300), "1.0000000000000001e+300");
    assert_eq!(text(1e17), "1e+17");
    assert_eq!(text(4_503_599_627_370_496.0), "4503599627370496");
    assert_eq!(text(12_345_678_901_234_567_890.0), "1.2345678901234567e+19");
    assert_eq!(text(0.000_012_5), "1.2500000000000001e-05");
    assert_eq!(text(0.000_125), "0.000125");
    assert_eq!(text(f64::NEG_INFINITY), "-inf");
}
