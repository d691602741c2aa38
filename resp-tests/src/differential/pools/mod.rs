//! What arguments are drawn from: small pools, so that keys, members and numbers meet again and again.
//!
//! Invariants: no number here makes a server store or send more than some kilobytes; no lifetime ends within years,
//! unless it ended before it began.

mod numbers;
mod places;
mod streams;
mod times;
mod values;

pub use numbers::*;
pub use places::*;
pub use streams::*;
pub use times::*;
pub use values::*;

/// Byte strings to draw from.
#[derive(Debug)]
pub struct Pool {
    pub items: &'static [&'static [u8]],
    /// Another word must never take the place of one of these: it could be a lifetime that ends, or a number too big.
    pub is_fixed: bool,
}

const fn free(items: &'static [&'static [u8]]) -> Pool {
    Pool { items, is_fixed: false }
}

const fn fixed(items: &'static [&'static [u8]]) -> Pool {
    Pool { items, is_fixed: true }
}

/// What commands of a group mostly find at their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Any,
    String,
    Number,
    Bits,
    Sketch,
    Hash,
    List,
    Set,
    Integers,
    Sorted,
    /// Sorted sets whose members have one score, mostly: ranges of members have a meaning for no others.
    Lexical,
    Geo,
    Stream,
}

impl Kind {
    /// The keys of their own.
    pub fn keys(self) -> &'static [&'static [u8]] {
        match self {
            Kind::Any => &[b"", b"a\0b", b"\xff", b"aa", b"b"],
            Kind::String => &[b"v1", b"v2", b"a"],
            Kind::Number => &[b"n1", b"n2"],
            Kind::Bits => &[b"b1", b"b2", b"b3"],
            Kind::Sketch => &[b"p1", b"p2", b"p3"],
            Kind::Hash => &[b"h1", b"h2", b"h\0"],
            Kind::List => &[b"l1", b"l2", b"l3"],
            Kind::Set => &[b"s1", b"s2", b"s3"],
            Kind::Integers => &[b"i1", b"i2"],
            Kind::Sorted => &[b"z1", b"z2", b"z3"],
            Kind::Lexical => &[b"y1", b"y2"],
            Kind::Geo => &[b"g1", b"g2"],
            Kind::Stream => &[b"x1", b"x2"],
        }
    }

    pub const ALL: [Kind; 13] = [
        Kind::Any,
        Kind::String,
        Kind::Number,
        Kind::Bits,
        Kind::Sketch,
        Kind::Hash,
        Kind::List,
        Kind::Set,
        Kind::Integers,
        Kind::Sorted,
        Kind::Lexical,
        Kind::Geo,
        Kind::Stream,
    ];
}
