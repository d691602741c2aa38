//! Listpacks, Redis's compact lists since 5.0 (streams) and 7.0 (everything).
//!
//! ```text
//! bytes u32, elements u16 (65535: not known), elements, FF
//! element  header [text | integer] and its size again, to be read from the end
//! header   0vvvvvvv | 10llllll | 110vvvvv v | 1110llll l | F0 l l l l | F1 F2 F3 F4: 2, 3, 4, 8 bytes of integer
//! ```

use super::{Element, TOO_MANY, canonical_integer, integer, text};

const END: u8 = 0xff;
const COUNT_UNKNOWN: u16 = u16::MAX;
const HEADER_BYTES: usize = 6;
const BROKEN: &str = "an element reaches beyond it";

/// All elements of a sound listpack.
pub fn read(blob: &[u8], elements_max: usize) -> Result<Vec<Element<'_>>, &'static str> {
    let (total, rest) = blob.split_first_chunk::<4>().ok_or("it is too short")?;
    let (count, rest) = rest.split_first_chunk::<2>().ok_or("it is too short")?;
    if usize::try_from(u32::from_le_bytes(*total)) != Ok(blob.len()) {
        return Err("its length is not what it says");
    }
    let Some((&END, mut rest)) = rest.split_last() else { return Err("it has no end") };
    let mut elements = Vec::new();
    while !rest.is_empty() {
        let (element, size) = element(rest).ok_or(BROKEN)?;
        let (backwards, used) = backwards(size);
        let behind = rest.get(size..).and_then(|rest| rest.split_at_checked(used)).ok_or(BROKEN)?;
        if backwards.get(..used) != Some(behind.0) {
            return Err("the two lengths of an element differ");
        }
        if elements.len() >= elements_max {
            return Err(TOO_MANY);
        }
        elements.push(element);
        rest = behind.1;
    }
    let count = u16::from_le_bytes(*count);
    if count != COUNT_UNKNOWN && usize::from(count) != elements.len() {
        return Err("it does not have as many elements as it says");
    }
    Ok(elements)
}

fn element(bytes: &[u8]) -> Option<(Element<'_>, usize)> {
    let (&first, rest) = bytes.split_first()?;
    match first {
        0..=0x7f => Some((Element::Integer(i64::from(first)), 1)),
        0x80..=0xbf => text(rest, 1, usize::from(first & 0x3f)),
        0xc0..=0xdf => {
            let value = i64::from(u16::from_be_bytes([first & 0x1f, *rest.first()?]));
            let value = if value < 1 << 12 { value } else { value.checked_sub(1 << 13)? };
            Some((Element::Integer(value), 2))
        }
        0xe0..=0xef => {
            let (second, rest) = rest.split_first()?;
            text(rest, 2, usize::from(u16::from_be_bytes([first & 0x0f, *second])))
        }
        0xf0 => {
            let (len, rest) = rest.split_first_chunk::<4>()?;
            text(rest, 5, usize::try_from(u32::from_le_bytes(*len)).ok()?)
        }
        0xf1 => integer::<2>(rest),
        0xf2 => integer::<3>(rest),
        0xf3 => integer::<4>(rest),
        0xf4 => integer::<8>(rest),
        0xf5..=END => None,
    }
}

/// An element's size as it is stored behind it: seven bits per byte, highest first, all but the first marked. The bounds
/// are Redis's: it uses one byte more than the largest size of each length needs.
fn backwards(size: usize) -> ([u8; 5], usize) {
    let used = match size {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    };
    let mut bytes = [0; 5];
    let mut left = size;
    for (place, byte) in bytes.iter_mut().take(used).enumerate().rev() {
        let mark = if place == 0 { 0 } else { 0x80 };
        *byte = u8::try_from(left & 0x7f).unwrap_or(0) | mark;
        left >>= 7;
    }
    (bytes, used)
}

/// Makes a listpack.
pub struct Writer {
    bytes: Vec<u8>,
    count: usize,
}

impl Writer {
    pub fn new() -> Self {
        Writer { bytes: vec![0; HEADER_BYTES], count: 0 }
    }

    /// Its length if it were finished now.
    pub fn len(&self) -> usize {
        self.bytes.len().saturating_add(1)
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// An integer if the text is one.
    pub fn push(&mut self, text: &[u8]) {
        match canonical_integer(text) {
            Some(integer) => self.push_integer(integer),
            None => self.push_text(text),
        }
    }

    fn push_text(&mut self, text: &[u8]) {
        let from = self.bytes.len();
        match (u8::try_from(text.len()), u16::try_from(text.len())) {
            (Ok(len @ 0..=63), _) => self.bytes.push(0x80 | len),
            (_, Ok(len @ 0..=4095)) => self.bytes.extend((0xe000 | len).to_be_bytes()),
            _ => {
                self.bytes.push(0xf0);
                self.bytes.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
            }
        }
        self.bytes.extend_from_slice(text);
        self.close(from);
    }

    pub fn push_integer(&mut self, integer: i64) {
        let from = self.bytes.len();
        let [a, b, c, d, ..] = integer.to_le_bytes();
        match integer {
            0..=127 => self.bytes.push(a),
            -4096..=4095 => self.bytes.extend([0xc0 | (b & 0x1f), a]),
            -32_768..=32_767 => self.bytes.extend([0xf1, a, b]),
            -8_388_608..=8_388_607 => self.bytes.extend([0xf2, a, b, c]),
            -2_147_483_648..=2_147_483_647 => self.bytes.extend([0xf3, a, b, c, d]),
            _ => {
                self.bytes.push(0xf4);
                self.bytes.extend(integer.to_le_bytes());
            }
        }
        self.close(from);
    }

    fn close(&mut self, from: usize) {
        let (backwards, used) = backwards(self.bytes.len().saturating_sub(from));
        self.bytes.extend(backwards.iter().take(used));
        self.count = self.count.saturating_add(1);
    }

    /// Replaces the first element, which was written as an integer of 0..=127, by another such.
    pub fn set_first(&mut self, integer: u8) {
        if let Some(byte) = self.bytes.get_mut(HEADER_BYTES) {
            *byte = integer & 0x7f;
        }
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.push(END);
        let total = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        let count = u16::try_from(self.count).unwrap_or(COUNT_UNKNOWN).to_le_bytes();
        for (to, from) in self.bytes.iter_mut().zip(total.iter().chain(&count)) {
            *to = *from;
        }
        self.bytes
    }
}
