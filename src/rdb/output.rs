//! Bytes of RDB out: lengths and strings, as Redis writes them with its default settings.

use super::{
    compact::canonical_integer,
    lzf,
    types::{ENC_INT8, ENC_INT16, ENC_INT32, ENC_LZF},
};

/// A shorter string is not worth compressing.
const COMPRESS_MIN: usize = 21;
/// The longest text of an integer of four bytes.
const INTEGER_LEN_MAX: usize = 11;

pub fn number(out: &mut Vec<u8>, number: u64) {
    match (u8::try_from(number), u16::try_from(number), u32::try_from(number)) {
        (Ok(number @ 0..64), ..) => out.push(number),
        (_, Ok(number @ 0..0x4000), _) => out.extend((0x4000 | number).to_be_bytes()),
        (_, _, Ok(number)) => {
            out.push(0x80);
            out.extend(number.to_be_bytes());
        }
        _ => {
            out.push(0x81);
            out.extend(number.to_be_bytes());
        }
    }
}

pub fn count(out: &mut Vec<u8>, count: usize) {
    number(out, count as u64);
}

/// Writes a string as an integer, compressed, or plain.
pub fn string(out: &mut Vec<u8>, string: &[u8]) {
    let integer = if string.len() <= INTEGER_LEN_MAX { canonical_integer(string) } else { None };
    if let Some(integer) = integer
        && small(out, integer)
    {
        return;
    }
    let compressed = if string.len() < COMPRESS_MIN { None } else { lzf::compress(string) };
    match compressed {
        Some(compressed) => {
            out.push(0xc0 | ENC_LZF);
            count(out, compressed.len());
            count(out, string.len());
            out.extend(compressed);
        }
        None => raw(out, string),
    }
}

/// An integer that fits four bytes.
fn small(out: &mut Vec<u8>, integer: i64) -> bool {
    match (i8::try_from(integer), i16::try_from(integer), i32::try_from(integer)) {
        (Ok(integer), ..) => {
            out.push(0xc0 | ENC_INT8);
            out.extend(integer.to_le_bytes());
        }
        (_, Ok(integer), _) => {
            out.push(0xc0 | ENC_INT16);
            out.extend(integer.to_le_bytes());
        }
        (_, _, Ok(integer)) => {
            out.push(0xc0 | ENC_INT32);
            out.extend(integer.to_le_bytes());
        }
        _ => return false,
    }
    true
}

/// As it is.
pub fn raw(out: &mut Vec<u8>, string: &[u8]) {
    count(out, string.len());
    out.extend_from_slice(string);
}
