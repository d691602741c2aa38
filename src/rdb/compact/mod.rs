//! The blobs that a small collection is: all elements in one string, each with its length.
//!
//! Each reader takes a whole blob, checks all of it, and returns its elements, up to a number, or an error; none trusts a
//! length inside the blob.

pub mod intset;
pub mod listpack;
pub mod ziplist;
pub mod zipmap;

/// More elements than the reader may return; that is no damage.
pub const TOO_MANY: &str = "it has too many elements";

/// An element of a listpack or ziplist, where integers are kept as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element<'a> {
    Text(&'a [u8]),
    Integer(i64),
}

impl Element<'_> {
    pub fn to_bytes(self) -> Vec<u8> {
        match self {
            Element::Text(text) => text.to_vec(),
            Element::Integer(integer) => integer.to_string().into_bytes(),
        }
    }

    /// Its value if it is one.
    pub fn integer(self) -> Option<i64> {
        match self {
            Element::Text(text) => canonical_integer(text),
            Element::Integer(integer) => Some(integer),
        }
    }
}

/// The integer that has exactly this text: no leading zeros, no plus, no minus before zero.
pub fn canonical_integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let plain = digits.iter().all(u8::is_ascii_digit) && (digits.first() != Some(&b'0') || text == b"0");
    if !plain || text.len() > 20 {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Splits off `len` bytes as text, with the size of the element: those and its header.
fn text(after_header: &[u8], header_len: usize, len: usize) -> Option<(Element<'_>, usize)> {
    let text = after_header.get(..len)?;
    Some((Element::Text(text), header_len.checked_add(len)?))
}

/// Splits off a little-endian integer of `N` bytes behind a one-byte header.
fn integer<const N: usize>(after_header: &[u8]) -> Option<(Element<'_>, usize)> {
    let bytes = after_header.first_chunk::<N>()?;
    let negative = bytes.last().is_some_and(|byte| *byte >= 0x80);
    let mut wide = [if negative { 0xff } else { 0 }; 8];
    for (to, from) in wide.iter_mut().zip(bytes) {
        *to = *from;
    }
    Some((Element::Integer(i64::from_le_bytes(wide)), N.checked_add(1)?))
}
