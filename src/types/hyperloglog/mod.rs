//! HyperLogLog sketches, in Redis's representation: a string that a client can GET, SET and DUMP.
//!
//! A sketch has 2^14 registers of six bits. An element's hash chooses a register (14 bits) and a rank (the number of
//! leading zeros in the other 50 bits, plus one); a register keeps the highest rank it has seen.
//!
//! | bytes | header |
//! |---|---|
//! | 0..4 | `HYLL` |
//! | 4 | 0 = dense, 1 = sparse |
//! | 5..8 | unused, zero |
//! | 8..16 | the cardinality as last counted, little-endian; its highest bit says that it is out of date |
//!
//! Dense: the registers one after the other, lowest bits first. Sparse: runs of equal registers, see `sparse`.
//!
//! Invariant: after the same PFADD, PFMERGE and PFDEBUG commands the bytes equal Redis's; hash, order of runs and the point
//! of change to dense are therefore part of the format. One thing is absent on purpose: PFCOUNT does not write the
//! cardinality into the header, so that it stays a read. A cardinality that Redis wrote is used.

mod dense;
mod estimate;
mod hash;
mod self_test;
mod sketch;
mod sparse;

pub use self_test::self_test;
pub use sketch::{Corrupt, Registers, Sketch};

/// Registers of a sketch.
pub const REGISTERS: usize = 1 << INDEX_BITS;
/// Bits of a hash that choose the register.
const INDEX_BITS: u32 = 14;
/// Bits of a hash that the rank is taken from.
const RANK_BITS: u32 = 64 - INDEX_BITS;
pub const HEADER_LEN: usize = 16;
/// A sparse sketch that would be longer becomes dense (Redis's `hll-sparse-max-bytes`).
const SPARSE_BYTES_MAX: usize = 3000;

#[cfg(test)]
mod tests {
    use super::*;
    use crc::{CRC_32_ISO_HDLC, Crc};

    /// The numbers below a bound, as text: length and CRC-32 of the sketch, and its count, as of redis-server 7.0.15.
    const SKETCHES: [(u64, usize, u32, u64); 11] = [
        (0, 18, 0x1eab_ee9c, 0),
        (1, 21, 0xb679_a116, 1),
        (10, 48, 0x7848_ecb4, 10),
        (100, 287, 0x4e06_f88d, 100),
        (1000, 1923, 0xa3e9_ea3a, 1001),
        (1200, 2259, 0x6917_cc18, 1203),
        (1500, 2766, 0x5aff_ca9a, 1512),
        (2000, 12304, 0xf4ae_7fdd, 2007),
        (10_000, 12304, 0x4351_6159, 9987),
        (100_000, 12304, 0xa7e2_2058, 99_565),
        (1_000_000, 12304, 0xbb15_95d2, 1_009_972),
    ];

    #[test]
    fn sketches_are_those_of_redis_byte_for_byte() {
        let crc = Crc::<u32>::new(&CRC_32_ISO_HDLC);
        let (mut sketch, mut next) = (Sketch::default(), 0);
        sketch.mark_stale();
        for (numbers, len, sum, count) in SKETCHES {
            for number in next..numbers {
                sketch.add(number.to_string().as_bytes()).unwrap();
            }
            next = numbers;
            assert_eq!((sketch.bytes().len(), crc.checksum(sketch.bytes())), (len, sum), "{numbers}");
            assert_eq!(sketch.cardinality(), Ok(count));
            let mut registers = Registers::default();
            registers.merge(&sketch).unwrap();
            assert_eq!(registers.cardinality(), count);
        }
    }

    #[test]
    fn runs_that_make_no_sketch_are_found() {
        let sketch = |body: &[u8]| [b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80", body].concat();
        for body in [&b""[..], b"\x7f", b"\x7f\xfe", b"\x7f\xff\0", b"\x80", b"\x7f\xff\x7f\xff"] {
            let bytes = sketch(body);
            let read = Sketch::read(&bytes).unwrap();
            assert_eq!(read.cardinality(), Err(Corrupt), "{body:?}");
            assert_eq!(Registers::default().merge(&read), Err(Corrupt), "{body:?}");
            assert_eq!(read.clone().make_dense(), Err(Corrupt), "{body:?}");
        }
        assert_eq!(Sketch::read(&sketch(b"\x7f\xff")).unwrap().cardinality(), Ok(0));
        assert!(Sketch::read(b"HYLL\x01").is_none() && Sketch::read(&sketch(b"")[1..]).is_none());
    }

    #[test]
    fn the_self_test_passes() {
        assert_eq!(self_test(), Ok(()));
    }
}
