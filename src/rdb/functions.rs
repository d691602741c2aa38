//! Libraries of functions: the payloads of FUNCTION DUMP and FUNCTION RESTORE.
//!
//! ```text
//! payload  (OP_FUNCTION2 text)* version(u16) CRC64
//! ```

use super::{
    dump::signed,
    error::{Fault, RdbError, Result},
    input::Input,
    output,
    types::{OP_FUNCTION2, VERSION},
};

/// The payload of these texts.
pub fn dump_functions<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut payload = Vec::new();
    texts.into_iter().for_each(|text| put(&mut payload, text));
    payload.extend(VERSION.to_le_bytes());
    let checksum = super::types::CRC64.checksum(&payload);
    payload.extend(checksum.to_le_bytes());
    payload
}

/// One library, as payloads and files have it.
pub(super) fn put(out: &mut Vec<u8>, text: &[u8]) {
    out.push(OP_FUNCTION2);
    output::string(out, text);
}

/// The texts of a payload, of `bytes_max` in all.
pub fn load_functions(payload: &[u8], bytes_max: u64) -> Result<Vec<Vec<u8>>> {
    let (body, _) = signed(payload)?;
    let mut input = Input::new(body, bytes_max);
    let mut texts = Vec::new();
    while input.at() < body.len() as u64 {
        match input.byte()? {
            OP_FUNCTION2 => texts.push(input.string()?),
            other => return Err(RdbError { at: input.at(), fault: Fault::UnknownType(other) }),
        }
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_and_what_is_cut_or_changed_does_not() {
        let texts = [&b"#!lua name=a\nlong long long long long long long"[..], b"12", b""];
        let payload = dump_functions(texts);
        assert_eq!(load_functions(&payload, 1 << 20).unwrap(), texts);
        assert!(load_functions(&payload, 10).is_err(), "bounded");
        assert!(load_functions(&dump_functions([]), 10).unwrap().is_empty());
        for at in 0..payload.len() {
            assert!(load_functions(&payload[..at], 1 << 20).is_err(), "cut at {at}");
            let mut changed = payload.clone();
            changed[at] ^= 1;
            assert!(load_functions(&changed, 1 << 20).is_err(), "changed at {at}");
        }
    }
}
