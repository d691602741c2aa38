//! Storage keys and records: any bytes are read or refused; what was read is written back the same; order is kept.

use flotilla::store::{Row, keys};

pub fn run(data: &[u8]) {
    if let Ok((namespace, key)) = keys::meta_user_key(data) {
        assert_eq!(&keys::meta(namespace, key)[..], data);
    }
    if let Ok((expires_at, namespace, key)) = keys::parse_expiry(data) {
        assert_eq!(&keys::expiry(expires_at, namespace, key)[..], data);
    }
    if let Ok(row) = Row::decode(data.to_vec().into()) {
        let written = Row::encode(row.kind, row.encoding, row.expires_at, row.revision, row.counted, &row.body);
        assert_eq!(written, data);
    }
    let (a, b) = data.split_at(data.len() / 2);
    assert_eq!(keys::meta(7, a).cmp(&keys::meta(7, b)), a.cmp(b));
    assert_eq!(keys::expiry(7, 7, a).cmp(&keys::expiry(7, 7, b)), a.cmp(b));
}
