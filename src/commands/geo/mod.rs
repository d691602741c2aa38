//! Geo commands: members of a sorted set whose scores are geohashes.

mod add;
mod find;
mod place;
mod query;
mod radius;
mod search;

use crate::{
    command::{Args, Command},
    error::Result,
    resp::{ErrorReply, Reply},
    types::{
        geo::{Point, Unit, coordinate_text},
        sorted_set,
    },
};

/// Every row of the group.
pub static COMMANDS: &[Command] = &[
    add::GEOADD,
    place::GEODIST,
    place::GEOHASH,
    place::GEOPOS,
    radius::GEORADIUS,
    radius::GEORADIUS_RO,
    radius::GEORADIUSBYMEMBER,
    radius::GEORADIUSBYMEMBER_RO,
    search::GEOSEARCH,
    search::GEOSEARCHSTORE,
];

/// Longitude and latitude, which must be on the map.
fn point(args: &mut Args<'_>) -> Result<Point> {
    let mut degrees =
        || -> Result<f64> { Ok(sorted_set::parse(args.next_word()?).ok_or_else(ErrorReply::not_float)?) };
    let (longitude, latitude) = (degrees()?, degrees()?);
    let text = || format!("invalid longitude,latitude pair {longitude:.6},{latitude:.6}");
    Ok(Point::new(longitude, latitude).ok_or_else(|| ErrorReply::err(text()))?)
}

fn unit(word: &[u8]) -> Result<Unit> {
    let text = "unsupported unit provided. please use M, KM, FT, MI";
    Ok(Unit::parse(word).ok_or_else(|| ErrorReply::err(text))?)
}

/// A position as clients see it.
fn shown(point: Point) -> Reply {
    let coordinate = |degrees| Reply::DoubleText(coordinate_text(degrees));
    Reply::Array(vec![coordinate(point.longitude), coordinate(point.latitude)])
}

/// A distance as clients see it.
fn distance(metres: f64, unit: Unit) -> Reply {
    Reply::bulk(format!("{:.4}", metres / unit.metres()))
}
