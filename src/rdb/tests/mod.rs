//! The codec against bytes of real servers, against itself, and against damage.
//!
//! `values.txt` holds what DUMP of five servers returned for the values of `cases.rs` (server, case, payload; a payload
//! that equals an earlier server's is left out), and four payloads in encodings that none of them writes any more, built
//! by hand and loaded by Redis 7.0.15. `files.txt` holds what SAVE of the same servers wrote, the large values deleted.

mod cases;
mod files;
mod golden;
mod hostile;
mod random;

use super::{Dialect, Object, error::Result};

/// Enough for all values here.
const MEMORY: u64 = 1 << 30;

fn load(payload: &[u8]) -> Result<Object> {
    super::load(payload, MEMORY).map(|(object, _)| object)
}

fn load_body(body: &[u8], dialect: Dialect) -> Result<Object> {
    super::load_body(body, dialect, MEMORY).map(|(object, _)| object)
}

/// Lines of words, the last one in hexadecimal.
fn lines(text: &str) -> impl Iterator<Item = (Vec<&str>, Vec<u8>)> {
    text.lines().map(|line| {
        let mut words: Vec<&str> = line.split(' ').collect();
        let bytes = unhex(words.pop().unwrap());
        (words, bytes)
    })
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
