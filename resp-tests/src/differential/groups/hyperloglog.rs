//! HyperLogLog: sketches in strings.

use super::super::part::Part::{Key, Maybe, Of, Repeat, Row, Word};
use super::super::part::{Part, Template};
use super::super::pools::Kind::Sketch;
use super::super::pools::MEMBERS;

const P: Part = Key(Sketch);

pub static TEMPLATES: &[Template] = &[
    Template::new("PFADD", &[P, Maybe(&[Repeat(&[Of(&MEMBERS)])])]).weight(20),
    Template::new("PFADD", &[P, Row(&[Word("element-#")])]).weight(3),
    Template::new("PFCOUNT", &[Repeat(&[P])]),
    Template::new("PFMERGE", &[P, Maybe(&[Repeat(&[P])])]),
    Template::new("GET", &[P]).weight(3),
    Template::new("STRLEN", &[P]).weight(3),
];
