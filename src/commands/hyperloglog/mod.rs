//! Commands on HyperLogLog sketches.

mod debug;
mod sketch;

use crate::{
    command::Command,
    error::Result,
    resp::ErrorReply,
    store::View,
    types::{
        hyperloglog::{Corrupt, HEADER_LEN, Sketch},
        string::StoredString,
    },
};

/// Every row of the group.
pub static COMMANDS: &[Command] =
    &[debug::PFDEBUG, debug::PFSELFTEST, sketch::PFADD, sketch::PFCOUNT, sketch::PFMERGE];

/// The sketch that a string is.
fn sketch_of<'s>(view: &View<'_>, string: &'s StoredString) -> Result<Sketch<'s>> {
    let not_one = || ErrorReply::new("WRONGTYPE", "Key is not a valid HyperLogLog string value.");
    if let Some(bytes) = string.short() {
        return Ok(Sketch::read(bytes).ok_or_else(not_one)?);
    }
    // No sketch is so long that it is in pieces. One that says it is has more registers than there are.
    let header = string.read(view, 0..HEADER_LEN)?;
    Err(Sketch::read(&header).map_or_else(not_one, |_| corrupt(Corrupt)).into())
}

fn corrupt(_: Corrupt) -> ErrorReply {
    ErrorReply::new("INVALIDOBJ", "Corrupted HLL object detected")
}
