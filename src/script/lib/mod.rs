//! The libraries of scripts.
//!
//! Every function counts what it does: bytes that it copies or scans, elements that it visits. None looks at a clock, an
//! address or anything else that differs between nodes; functions of real numbers are our own crate's, not the machine's.

mod arguments;
mod base;
mod bit;
mod coroutine;
mod format;
mod gsub;
mod image;
mod json;
mod json_decode;
mod json_encode;
mod load;
mod math;
mod msgpack;
mod msgpack_unpack;
mod pattern;
mod redis;
mod register;
mod sort;
mod string;
mod structs;
mod table;

pub use arguments::to_integer;
pub use image::{Globals, base};
pub use math::Random;
pub use redis::error_text;
pub use register::{Registered, is_name};

/// What libraries remember during a run.
pub struct Settings {
    pub random: Random,
    /// What the library that is being loaded has registered.
    pub registered: Vec<Registered>,
    pub json: json::Settings,
    /// `redis.setresp(3)`.
    pub is_resp3: bool,
}

/// x to the power of y, the same on every machine.
pub fn pow(x: f64, y: f64) -> f64 {
    if y == 2.0 { x * x } else { pxfm::f_pow(x, y) }
}
