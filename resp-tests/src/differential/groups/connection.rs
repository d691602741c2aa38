//! The connection itself, as far as it is the same on every server.

use super::super::part::Part::{Key, Of, OneOf, Repeat, Value, Word};
use super::super::part::Template;
use super::super::pools::Kind::{List, Stream, String};
use super::super::pools::NUMBERS;

pub static TEMPLATES: &[Template] = &[
    Template::new("ECHO", &[Value]),
    Template::new("PING", &[Value]),
    // Not inside a transaction, where the reference speaks two protocols in one reply.
    Template::new("HELLO", &[OneOf(&[&[Word("2")], &[Word("3")], &[Word("4")], &[Of(&NUMBERS)]])])
        .before(&[&["DISCARD"]])
        .weight(6),
    Template::new("RESET", &[]).weight(2),
    Template::new("COMMAND GETKEYS", &[Word("MSET"), Repeat(&[Key(String), Value])]).weight(4),
    Template::new(
        "COMMAND GETKEYS",
        &[Word("XREAD"), Word("STREAMS"), Key(Stream), Key(Stream), Word("0"), Word("0")],
    )
    .weight(3),
    Template::new("COMMAND GETKEYS", &[Word("LMPOP"), Of(&NUMBERS), Key(List), Key(List), Word("LEFT")])
        .weight(3),
];
