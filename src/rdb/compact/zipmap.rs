//! Zipmaps, small hashes of Redis before 2.6: read only.
//!
//! ```text
//! pairs u8 (254 and up: not known), pairs, FF
//! pair  length, field, length, unused u8, value, unused bytes          (length: 1 byte, or FE and u32)
//! ```

use super::TOO_MANY;

const END: u8 = 0xff;
const LONG: u8 = 0xfe;
const BROKEN: &str = "a field or value reaches beyond it";

/// A field and its value.
pub type Pair<'a> = (&'a [u8], &'a [u8]);

/// All fields with their values.
pub fn read(blob: &[u8], pairs_max: usize) -> Result<Vec<Pair<'_>>, &'static str> {
    let (&count, rest) = blob.split_first().ok_or("it is too short")?;
    let Some((&END, mut rest)) = rest.split_last() else { return Err("it has no end") };
    let mut pairs = Vec::new();
    while !rest.is_empty() {
        let (field, after) = sized(rest, false).ok_or(BROKEN)?;
        let (value, after) = sized(after, true).ok_or(BROKEN)?;
        if pairs.len() >= pairs_max {
            return Err(TOO_MANY);
        }
        pairs.push((field, value));
        rest = after;
    }
    if count < LONG && usize::from(count) != pairs.len() {
        return Err("it does not have as many fields as it says");
    }
    Ok(pairs)
}

/// Splits off a text with its length, and for a value the unused bytes behind it.
fn sized(bytes: &[u8], is_value: bool) -> Option<Pair<'_>> {
    let (&first, rest) = bytes.split_first()?;
    let (len, rest) = match first {
        LONG => {
            let (len, rest) = rest.split_first_chunk::<4>()?;
            (usize::try_from(u32::from_le_bytes(*len)).ok()?, rest)
        }
        END => return None,
        len => (usize::from(len), rest),
    };
    let (unused, rest) = if is_value { rest.split_first()? } else { (&0, rest) };
    let (text, rest) = rest.split_at_checked(len)?;
    Some((text, rest.get(usize::from(*unused)..)?))
}
