//! Places on the globe, kept in sorted sets.

use super::super::part::Part::{Key, Maybe, Of, OneOf, Options, Placed, Repeat, Word};
use super::super::part::{Part, Template};
use super::super::pools::Kind::Geo;
use super::super::pools::{LATITUDES, LONGITUDES, MEMBERS, RADII, UNITS};

const G: Part = Key(Geo);
const M: Part = OneOf(&[
    &[Word("Palermo")],
    &[Word("Catania")],
    &[Word("null")],
    &[Word("edge")],
    &[Word("west")],
    &[Word("south")],
    &[Of(&MEMBERS)],
]);
const U: Part = OneOf(&[&[Of(&UNITS)], &[Word("km")], &[Word("m")]]);
const CENTRE: Part = OneOf(&[
    &[Word("FROMMEMBER"), M],
    &[Word("FROMLONLAT"), Of(&LONGITUDES), Of(&LATITUDES)],
    &[Word("FROMLONLAT"), Word("15"), Word("37")],
]);
const AREA: Part = OneOf(&[
    &[Word("BYRADIUS"), Of(&RADII), U],
    &[Word("BYRADIUS"), Word("20000"), Word("km")],
    &[Word("BYBOX"), Of(&RADII), Of(&RADII), U],
]);
const COUNT: &[Part] = &[Word("COUNT"), OneOf(&[&[Word("1")], &[Word("3")], &[Word("0")], &[Word("x")]])];
const SHOW: Part = Options(&[
    &[Word("ASC")],
    &[Word("DESC")],
    COUNT,
    &[Word("WITHDIST")],
    &[Word("WITHCOORD")],
    &[Word("WITHHASH")],
]);
const STORE: Part = Options(&[&[Word("ASC")], &[Word("DESC")], COUNT, &[Word("STOREDIST")]]);
const OLD_STORE: Part = Maybe(&[OneOf(&[&[Word("STORE"), G], &[Word("STOREDIST"), G], &[Word("STORE")]])]);

pub static TEMPLATES: &[Template] = &[
    Template::new("GEOADD", &[G, Options(&[&[Word("NX")], &[Word("XX")], &[Word("CH")]]), Repeat(&[Placed])])
        .weight(40),
    Template::new("GEOADD", &[G, Of(&LONGITUDES), Of(&LATITUDES), Word("gone")])
        .after(&[&["ZREM", "$1", "gone"]]),
    Template::new("GEODIST", &[G, M, M, Maybe(&[U])]),
    Template::new("GEOHASH", &[G, Repeat(&[M])]),
    Template::new("GEOPOS", &[G, Repeat(&[M])]),
    Template::new("GEOSEARCH", &[G, CENTRE, AREA, SHOW]).weight(30),
    Template::new("GEOSEARCHSTORE", &[G, G, CENTRE, AREA, STORE]),
    Template::new("GEORADIUS", &[G, Of(&LONGITUDES), Of(&LATITUDES), Of(&RADII), U, SHOW, OLD_STORE]),
    Template::new("GEORADIUS_RO", &[G, Of(&LONGITUDES), Of(&LATITUDES), Of(&RADII), U, SHOW]),
    Template::new("GEORADIUSBYMEMBER", &[G, M, Of(&RADII), U, SHOW, OLD_STORE]),
    Template::new("GEORADIUSBYMEMBER_RO", &[G, M, Of(&RADII), U, SHOW]),
];
