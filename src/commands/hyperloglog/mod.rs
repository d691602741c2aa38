//! Commands on HyperLogLog sketches.

mod debug;
mod sketch;

use crate::{
    command::Command,
    error::Result,
    resp::ErrorReply,
    store::Row,
    types::hyperloglog::{Corrupt, Sketch},
};

/// Every row of the group.
pub static COMMANDS: &[Command] =
    &[debug::PFDEBUG, debug::PFSELFTEST, sketch::PFADD, sketch::PFCOUNT, sketch::PFMERGE];

/// The sketch that a string is.
fn sketch_of(row: &Row) -> Result<Sketch<'_>> {
    let text = "Key is not a valid HyperLogLog string value.";
    Ok(Sketch::read(&row.body).ok_or_else(|| ErrorReply::new("WRONGTYPE", text))?)
}

fn corrupt(_: Corrupt) -> ErrorReply {
    ErrorReply::new("INVALIDOBJ", "Corrupted HLL object detected")
}
