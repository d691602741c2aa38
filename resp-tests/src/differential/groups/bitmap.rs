//! Strings as bits.

use super::super::part::Part::{Key, Maybe, Of, OneOf, Repeat, Value, Word};
use super::super::part::{Part, Template};
use super::super::pools::Kind::{Bits, String};
use super::super::pools::{BIT_OFFSETS, BIT_PLACES, BIT_TYPES, BITS, NUMBERS};

const B: Part = Key(Bits);
const SOURCE: Part = OneOf(&[&[B], &[B], &[Key(String)]]);
const UNIT: Part = Maybe(&[OneOf(&[&[Word("BIT")], &[Word("BYTE")], &[Word("bit")], &[Word("NIBBLE")]])]);
const GET: &[Part] = &[Word("GET"), Of(&BIT_TYPES), Of(&BIT_OFFSETS)];
const ACTION: Part = OneOf(&[
    GET,
    &[Word("SET"), Of(&BIT_TYPES), Of(&BIT_OFFSETS), Of(&NUMBERS)],
    &[Word("INCRBY"), Of(&BIT_TYPES), Of(&BIT_OFFSETS), Of(&NUMBERS)],
    &[Word("OVERFLOW"), OneOf(&[&[Word("WRAP")], &[Word("SAT")], &[Word("FAIL")], &[Word("what")]])],
]);

pub static TEMPLATES: &[Template] = &[
    Template::new("SETBIT", &[B, Of(&BIT_PLACES), Of(&BITS)]).weight(20),
    Template::new("GETBIT", &[B, Of(&BIT_PLACES)]),
    Template::new("SET", &[B, Value]),
    Template::new("BITCOUNT", &[SOURCE, Maybe(&[Of(&NUMBERS), Of(&NUMBERS), UNIT])]).weight(14),
    Template::new("BITPOS", &[SOURCE, Of(&BITS), Maybe(&[Of(&NUMBERS), Maybe(&[Of(&NUMBERS), UNIT])])])
        .weight(14),
    Template::new(
        "BITOP",
        &[
            OneOf(&[
                &[Word("AND")],
                &[Word("OR")],
                &[Word("XOR")],
                &[Word("NOT")],
                &[Word("not")],
                &[Word("NAND")],
            ]),
            B,
            Repeat(&[SOURCE]),
        ],
    )
    .weight(14),
    Template::new("BITFIELD", &[B, Repeat(&[ACTION])]).weight(24),
    Template::new("BITFIELD_RO", &[B, Repeat(&[OneOf(&[GET, GET, GET, &[ACTION]])])]),
    Template::new("GET", &[B]),
];
