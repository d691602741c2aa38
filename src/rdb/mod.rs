//! Redis's RDB format: objects, DUMP payloads and whole files. It handles bytes only: no store, no sockets, no clock.
//!
//! It reads every encoding that Redis up to 7.4 and Valkey up to 9 write. It writes encodings that Redis 7.0 loads and, for
//! a small collection, the one that Redis 7.0 itself would choose. (Only for sets whose members expire, which Redis 8.12 writes
//! in a way that is not documented, it has a type of its own; files are written without those expiries.) The reference for the format are payloads of five
//! servers in `tests/values.txt`.
//!
//! ```text
//! file     "REDIS" version(4 digits) | "VALKEY" version(3 digits), then opcodes and records, EOF, CRC64
//! record   [expiry] [idle | freq] type key object
//! payload  type object version(u16) CRC64                                     (DUMP, RESTORE)
//! object   lengths and strings; a small collection is one string: a listpack, ziplist, zipmap or intset
//! ```
//!
//! Invariants: bytes from outside never panic and never loop; memory is allocated only once the bytes that fill it have
//! arrived, and an object's memory is bounded. Objects that were read have no duplicate members, are not empty, have no
//! NaN, and the ids of a stream ascend.

mod compact;
mod decode;
mod decode_stream;
mod dump;
mod encode;
mod encode_stream;
mod error;
mod functions;
mod input;
mod lzf;
mod object;
mod output;
mod reader;
mod score;
mod types;
mod writer;

pub use dump::{dump, load, load_body};
pub use error::{Fault, RdbError};
pub use functions::{dump_functions, load_functions};
pub use object::{Consumer, Entry, Field, Group, Member, Object, Pending, Stream, StreamId};
pub use reader::{Reader, Record, Skipped};
pub use types::{Dialect, VERSION, VERSION_FIELD_EXPIRY};
pub use writer::Writer;

#[cfg(test)]
mod tests;
