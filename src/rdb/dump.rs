//! Payloads of DUMP and RESTORE: a type, an object, a version and a checksum.

use super::{
    decode, encode,
    error::{Fault, RdbError, Result},
    input::Input,
    object::Object,
    types::{CRC64, Dialect},
};

/// The payload that DUMP answers with.
pub fn dump(object: &Object) -> Vec<u8> {
    let mut payload = Vec::new();
    let version = encode::object(&mut payload, object);
    payload.extend(version.to_le_bytes());
    payload.extend(CRC64.checksum(&payload).to_le_bytes());
    payload
}

/// The object of a payload, and about the memory that it takes, at most `object_bytes_max`. `Checksum`, `Version` or `NotPayload` mean that it was never a payload.
/// As in Redis, what follows the object is not looked at.
pub fn load(payload: &[u8], object_bytes_max: u64) -> Result<(Object, u64)> {
    let (body, dialect) = signed(payload)?;
    load_body(body, dialect, object_bytes_max)
}

/// What a payload holds before its version and its checksum, which are right.
pub(super) fn signed(payload: &[u8]) -> Result<(&[u8], Dialect)> {
    let fault = |fault| RdbError { at: payload.len() as u64, fault };
    let (signed, stored) = payload.split_last_chunk::<8>().ok_or_else(|| fault(Fault::NotPayload))?;
    let (body, version) = signed.split_last_chunk::<2>().ok_or_else(|| fault(Fault::NotPayload))?;
    let version = u16::from_le_bytes(*version);
    let dialect = Dialect::of_version(version).ok_or_else(|| fault(Fault::Version(version)))?;
    let (stored, computed) = (u64::from_le_bytes(*stored), CRC64.checksum(signed));
    if stored != computed {
        return Err(fault(Fault::Checksum { stored, computed }));
    }
    Ok((body, dialect))
}

/// A payload without version and checksum.
pub fn load_body(body: &[u8], dialect: Dialect, object_bytes_max: u64) -> Result<(Object, u64)> {
    let mut input = Input::new(body, object_bytes_max);
    let rdb_type = input.byte()?;
    let object = decode::object(&mut input, rdb_type, dialect)?;
    Ok((object, input.taken()))
}
