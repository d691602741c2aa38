//! LOLWUT: a small fleet, drawn anew each time.

use crate::{
    command::{Args, Command, Flags, Group, Run, parse_i64},
    error::Result,
    resp::{ErrorReply, Protocol, Reply},
    session::Context,
};
use bytes::Bytes;
use std::hash::{BuildHasher, RandomState};

pub(super) const LOLWUT: Command = Command {
    name: "LOLWUT",
    arity: -1,
    run: Run::Local(lolwut),
    flags: Flags::READONLY.with(Flags::FAST),
    group: Group::Server,
    since: "5.0.0",
    summary: "Draws a flotilla and names the version.",
    syntax: "[VERSION version]",
    ..Command::BASE
};

const COLUMNS: usize = 64;
const SHIPS: [[&str; 3]; 3] = [
    ["   |\\  ", "   |_\\ ", " \\____/"],
    ["  /|   ", " /_|   ", "\\____/ "],
    ["       ", "  ,|   ", " \\__/  "],
];

fn lolwut(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    if args.take("VERSION") {
        let version = args.next_opt().map_or(Some(0), parse_i64);
        version.ok_or_else(ErrorReply::not_integer)?;
    }
    let text = format!("{}\nFlotilla ver. {}\n", draw(), env!("CARGO_PKG_VERSION"));
    Ok(match context.session.protocol {
        Protocol::Resp2 => Reply::bulk(text),
        Protocol::Resp3 => Reply::Verbatim("txt", Bytes::from(text)),
    })
}

fn draw() -> String {
    let mut dice = RandomState::new().hash_one("fleet");
    let mut rows = [String::new(), String::new(), String::new()];
    while rows.iter().all(|row| row.len() < COLUMNS) {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let choice = usize::try_from(dice >> 60).unwrap_or(0);
        let ship = SHIPS.get(choice % SHIPS.len()).copied().unwrap_or_default();
        let gap = " ".repeat(1 + choice % 5);
        for (row, part) in rows.iter_mut().zip(ship) {
            row.push_str(&gap);
            row.push_str(part);
        }
    }
    let sea = "~".repeat(COLUMNS + 8);
    let [top, middle, bottom] = rows;
    format!("{}\n{}\n{}\n{sea}", top.trim_end(), middle.trim_end(), bottom.trim_end())
}
