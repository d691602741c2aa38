//! Intsets: small sets of integers, ascending, all in the width of the largest.
//!
//! ```text
//! width u32 (2, 4 or 8), members u32, members
//! ```

use super::TOO_MANY;

/// All members.
pub fn read(blob: &[u8], members_max: usize) -> Result<Vec<i64>, &'static str> {
    let (width, rest) = blob.split_first_chunk::<4>().ok_or("it is too short")?;
    let (count, rest) = rest.split_first_chunk::<4>().ok_or("it is too short")?;
    if usize::try_from(u32::from_le_bytes(*count)).is_ok_and(|count| count > members_max) {
        return Err(TOO_MANY);
    }
    let members: Vec<i64> = match u32::from_le_bytes(*width) {
        2 => whole(rest, |bytes| i64::from(i16::from_le_bytes(bytes)))?,
        4 => whole(rest, |bytes| i64::from(i32::from_le_bytes(bytes)))?,
        8 => whole(rest, i64::from_le_bytes)?,
        _ => return Err("its members have an unknown width"),
    };
    if usize::try_from(u32::from_le_bytes(*count)) != Ok(members.len()) {
        return Err("it does not have as many members as it says");
    }
    if !members.is_sorted_by(|a, b| a < b) {
        return Err("its members do not ascend");
    }
    Ok(members)
}

fn whole<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> i64) -> Result<Vec<i64>, &'static str> {
    let (members, rest) = bytes.as_chunks::<N>();
    if !rest.is_empty() {
        return Err("its last member is cut");
    }
    Ok(members.iter().map(|bytes| read(*bytes)).collect())
}

/// Members must ascend.
pub fn write(members: &[i64]) -> Vec<u8> {
    let fits = |low: i64, high: i64| members.iter().all(|member| (low..=high).contains(member));
    let width: usize = if fits(i64::from(i16::MIN), i64::from(i16::MAX)) {
        2
    } else if fits(i64::from(i32::MIN), i64::from(i32::MAX)) {
        4
    } else {
        8
    };
    let mut blob = Vec::new();
    blob.extend(u32::try_from(width).unwrap_or(8).to_le_bytes());
    blob.extend(u32::try_from(members.len()).unwrap_or(u32::MAX).to_le_bytes());
    for member in members {
        blob.extend(member.to_le_bytes().iter().take(width));
    }
    blob
}
