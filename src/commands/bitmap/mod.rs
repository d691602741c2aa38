//! Commands on the bits of a string.

mod bit;
mod count;
mod field;
mod op;

use crate::command::Command;

/// Every row of the group.
pub static COMMANDS: &[Command] = &[
    bit::GETBIT,
    bit::SETBIT,
    count::BITCOUNT,
    count::BITPOS,
    field::BITFIELD,
    field::BITFIELD_RO,
    op::BITOP,
];
