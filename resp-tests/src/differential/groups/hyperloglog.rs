//! HyperLogLog: sketches in strings.

use super::super::part::Part::{Key, Maybe, Of, Repeat, Row, Word};
use super::super::part::{Part, Template};
use super::super::pools::Kind::Sketch;
use super::super::pools::MEMBERS;

const P: Part = Key(Sketch);

pub static TEMPLATES: &[Template] = &[
    Template::new("PFADD", &[P, Maybe(&[Repeat(&[Of(&MEMBERS)])])]).weight(20),
    Template::new("PFADD", &[P, Row(&[Word("element-#")])]).weight(3),
    // The reference keeps in the value what it counted of a single key: that key is a copy, and goes.
    Template::new("COPY", &[P, Word("pc"), Word("REPLACE")])
        .after(&[&["PFCOUNT", "pc"], &["TYPE", "pc"], &["DEL", "pc"]])
        .rigid(),
    Template::new("PFCOUNT", &[P, P, Maybe(&[P])]).rigid(),
    Template::new("PFMERGE", &[P, Maybe(&[Repeat(&[P])])]),
    Template::new("GET", &[P]).weight(3),
    Template::new("STRLEN", &[P]).weight(3),
];
