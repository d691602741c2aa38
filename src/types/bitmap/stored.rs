//! Counting and finding bits in a string as it is stored, part by part: what it has no bytes for costs nothing.

use super::{count, position};
use crate::{
    error::Result,
    store::View,
    types::string::{Part, StoredString},
};
use std::ops::{ControlFlow, Range};

/// How many bits of a range are set. The range must lie within the string.
pub fn count_in(view: &View<'_>, string: &StoredString, bits: Range<u64>) -> Result<u64> {
    let mut sum = 0_u64;
    each_part(view, string, &bits, |begins, part, bits| {
        sum = sum.saturating_add(match part {
            Part::Zeros(_) => 0,
            Part::Ones(_) => bits.end.saturating_sub(bits.start),
            Part::Bytes(bytes) => count(bytes, relative(&bits, begins)),
        });
        ControlFlow::Continue(())
    })?;
    Ok(sum)
}

/// Where in a range the first bit of this kind is. The range must lie within the string.
pub fn position_in(
    view: &View<'_>,
    string: &StoredString,
    bit: bool,
    bits: Range<u64>,
) -> Result<Option<u64>> {
    let mut found = None;
    each_part(view, string, &bits, |begins, part, bits| {
        found = match part {
            Part::Zeros(_) => (!bit).then_some(bits.start),
            Part::Ones(_) => bit.then_some(bits.start),
            Part::Bytes(bytes) => {
                position(bytes, bit, relative(&bits, begins)).map(|at| at.saturating_add(begins))
            }
        };
        if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(found)
}

/// Visits the parts of a string that have bits of a range: the bit at which a part begins, the part, and which bits are meant.
fn each_part(
    view: &View<'_>,
    string: &StoredString,
    bits: &Range<u64>,
    mut visit: impl FnMut(u64, Part<'_>, Range<u64>) -> ControlFlow<()>,
) -> Result<()> {
    if bits.is_empty() {
        return Ok(());
    }
    let byte = |bit: u64| usize::try_from(bit).unwrap_or(usize::MAX);
    let bytes = byte(bits.start >> 3)..byte(bits.end.div_ceil(8));
    let mut begins = bits.start & !7;
    string.parts(view, bytes, |part| {
        let ends = begins.saturating_add((part.len() as u64).saturating_mul(8));
        let flow = visit(begins, part, begins.max(bits.start)..ends.min(bits.end));
        begins = ends;
        Ok(flow)
    })
}

fn relative(bits: &Range<u64>, begins: u64) -> Range<u64> {
    bits.start.saturating_sub(begins)..bits.end.saturating_sub(begins)
}
