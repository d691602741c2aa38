//! MULTI and WATCH.

use super::super::part::Part::{Key, Maybe, Repeat, Word};
use super::super::part::Template;
use super::super::pools::Kind::{Any, Hash, List, Set, Sorted, Stream, String};

const K: super::super::part::Part = super::super::part::Part::OneOf(&[
    &[Key(Any)],
    &[Key(String)],
    &[Key(Hash)],
    &[Key(List)],
    &[Key(Set)],
    &[Key(Sorted)],
    &[Key(Stream)],
]);

pub static TEMPLATES: &[Template] = &[
    Template::new("MULTI", &[]),
    Template::new("EXEC", &[]).weight(16),
    Template::new("DISCARD", &[]).weight(3),
    Template::new("WATCH", &[Repeat(&[K])]),
    Template::new("UNWATCH", &[]).weight(2),
    Template::new("NOSUCHCOMMAND", &[Maybe(&[Word("a")])]).weight(1),
];
