//! An entry's fields and values, one after the other, each with its length (LEB128) before it.

use crate::error::StoreError;
use xxhash_rust::xxh3::xxh3_128;

/// The bytes of an entry. `words` are fields and values in turn.
pub fn encode_fields(words: &[&[u8]]) -> Vec<u8> {
    let bytes = words.iter().fold(0_usize, |sum, word| sum.saturating_add(word.len()).saturating_add(2));
    let mut out = Vec::with_capacity(bytes);
    for word in words {
        let mut len = word.len();
        while len >= 0x80 {
            out.push(0x80 | (len & 0x7f) as u8);
            len >>= 7;
        }
        out.push(len as u8);
        out.extend_from_slice(word);
    }
    out
}

/// What tells an entry from others: a digest (XXH3, 128 bits) of its bytes. It is kept on disk (`producers.rs`).
pub fn digest_of(words: &[&[u8]]) -> u128 {
    xxh3_128(&encode_fields(words))
}

/// Reads what `encode_fields` wrote.
pub fn fields(mut bytes: &[u8]) -> Result<Vec<&[u8]>, StoreError> {
    let corrupt = || StoreError::corrupt("stream entry", "a length that does not fit");
    let mut words = Vec::new();
    while !bytes.is_empty() {
        let mut len = 0_usize;
        for shift in (0..usize::BITS).step_by(7) {
            let (byte, rest) = bytes.split_first().ok_or_else(corrupt)?;
            bytes = rest;
            len |= usize::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                break;
            }
        }
        let (word, rest) = bytes.split_at_checked(len).ok_or_else(corrupt)?;
        words.push(word);
        bytes = rest;
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let long = [b'x'; 300];
        let words: [&[u8]; 4] = [b"f", b"", b"g", &long];
        let mut golden = b"\x01f\x00\x01g\xac\x02".to_vec();
        golden.extend_from_slice(&long);
        assert_eq!(encode_fields(&words), golden);
        assert_eq!(fields(&golden).unwrap(), words);
        assert_eq!(digest_of(&[b"f", b"v"]), xxh3_128(b"\x01f\x01v"));
    }

    #[test]
    fn damaged_entries_are_errors() {
        for bad in [&b"\x02f"[..], b"\x80", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"] {
            assert!(fields(bad).is_err(), "{bad:?}");
        }
    }
}
