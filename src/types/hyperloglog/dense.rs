//! Registers of six bits, packed: register 0 is in the lowest bits of the first byte.

use super::{HEADER_LEN, REGISTERS};

/// Bits of a register.
const BITS: usize = 6;
const REGISTER_MAX: u8 = (1 << BITS) - 1;
/// Length of a dense sketch.
pub(super) const DENSE_LEN: usize = HEADER_LEN + REGISTERS * BITS / 8;

/// All registers, in order.
pub(super) fn registers(packed: &[u8]) -> impl Iterator<Item = u8> {
    packed.as_chunks::<3>().0.iter().flat_map(|[a, b, c]| {
        let four = u32::from_le_bytes([*a, *b, *c, 0]);
        [0, 6, 12, 18].map(|shift| (four >> shift) as u8 & REGISTER_MAX)
    })
}

/// Sets a register if that raises it; whether it did.
pub(super) fn raise(packed: &mut [u8], register: usize, rank: u8) -> bool {
    let (group, shift) = (register / 4, register % 4 * BITS);
    let Some(bytes) = packed.as_chunks_mut::<3>().0.get_mut(group) else { return false };
    let [a, b, c] = *bytes;
    let four = u32::from_le_bytes([a, b, c, 0]);
    let raised = rank > (four >> shift) as u8 & REGISTER_MAX;
    if raised {
        let four = four & !(u32::from(REGISTER_MAX) << shift) | u32::from(rank & REGISTER_MAX) << shift;
        let [a, b, c, _] = four.to_le_bytes();
        *bytes = [a, b, c];
    }
    raised
}
