//! Ziplists, Redis's compact lists before 7.0: read only.
//!
//! ```text
//! bytes u32, place of the last element u32, elements u16 (65535: not known), elements, FF
//! element  size of the one before (1 byte, or FE and 4), header, [text | integer]
//! header   00llllll | 01llllll l | 80 l l l l (lengths big-endian)
//!          C0 D0 E0 F0 FE: 2, 4, 8, 3, 1 bytes of integer | F1..FD: 0..12
//! ```

use super::{Element, TOO_MANY, integer, text};

const END: u8 = 0xff;
const LONG: u8 = 0xfe;
const COUNT_UNKNOWN: u16 = u16::MAX;
const HEADER_BYTES: usize = 10;
const BROKEN: &str = "an element reaches beyond it";

/// All elements of a sound ziplist.
pub fn read(blob: &[u8], elements_max: usize) -> Result<Vec<Element<'_>>, &'static str> {
    let (total, rest) = blob.split_first_chunk::<4>().ok_or("it is too short")?;
    let (last, rest) = rest.split_first_chunk::<4>().ok_or("it is too short")?;
    let (count, rest) = rest.split_first_chunk::<2>().ok_or("it is too short")?;
    if usize::try_from(u32::from_le_bytes(*total)) != Ok(blob.len()) {
        return Err("its length is not what it says");
    }
    let Some((&END, mut rest)) = rest.split_last() else { return Err("it has no end") };
    let (mut elements, mut at, mut size) = (Vec::new(), HEADER_BYTES, 0_usize);
    while !rest.is_empty() {
        let (before, before_len) = size_before(rest).ok_or(BROKEN)?;
        if before != size {
            return Err("an element does not know the size of the one before");
        }
        at = at.saturating_add(size);
        let body = rest.get(before_len..).ok_or(BROKEN)?;
        let (element, body_len) = element(body).ok_or(BROKEN)?;
        size = before_len.saturating_add(body_len);
        rest = rest.get(size..).ok_or(BROKEN)?;
        if elements.len() >= elements_max {
            return Err(TOO_MANY);
        }
        elements.push(element);
    }
    if usize::try_from(u32::from_le_bytes(*last)) != Ok(at) {
        return Err("it does not know its last element");
    }
    let count = u16::from_le_bytes(*count);
    if count != COUNT_UNKNOWN && usize::from(count) != elements.len() {
        return Err("it does not have as many elements as it says");
    }
    Ok(elements)
}

/// The size of the previous element, and the bytes that encode it.
fn size_before(bytes: &[u8]) -> Option<(usize, usize)> {
    let (&first, rest) = bytes.split_first()?;
    if first < LONG {
        return Some((usize::from(first), 1));
    }
    let size = rest.first_chunk::<4>().filter(|_| first == LONG)?;
    Some((usize::try_from(u32::from_le_bytes(*size)).ok()?, 5))
}

fn element(bytes: &[u8]) -> Option<(Element<'_>, usize)> {
    let (&first, rest) = bytes.split_first()?;
    match first {
        0..=0x3f => text(rest, 1, usize::from(first)),
        0x40..=0x7f => {
            let (second, rest) = rest.split_first()?;
            text(rest, 2, usize::from(u16::from_be_bytes([first & 0x3f, *second])))
        }
        0x80 => {
            let (len, rest) = rest.split_first_chunk::<4>()?;
            text(rest, 5, usize::try_from(u32::from_be_bytes(*len)).ok()?)
        }
        0xc0 => integer::<2>(rest),
        0xd0 => integer::<4>(rest),
        0xe0 => integer::<8>(rest),
        0xf0 => integer::<3>(rest),
        LONG => integer::<1>(rest),
        0xf1..=0xfd => Some((Element::Integer(i64::from(first & 0x0f).checked_sub(1)?), 1)),
        _ => None,
    }
}
