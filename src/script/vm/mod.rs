//! The machine that runs compiled functions: `value`, `strings`, `table` and `heap` hold what scripts hold; `execute` is the
//! loop over instructions, `instructions`, `operators` and `call` what they do when it is not simple, `thread` coroutines, `meter` counts.
//!
//! A heap belongs to one run and is dropped with it. Beside it there is the base, shared by all runs: the libraries, which no
//! script can change. The collector marks and sweeps between instructions only, never inside a library function, so that
//! library functions may hold values.
//!
//! Invariant: a call from Lua to Lua takes no stack of the thread; one by way of a library function or metamethod does, and
//! those are at most `DEPTH_MAX` deep.

mod call;
mod collect;
mod error;
mod execute;
mod heap;
mod instructions;
mod machine;
mod meter;
mod operators;
mod strings;
mod table;
mod thread;
mod value;

pub use error::{Fail, Raised};
pub use heap::{Base, Heap};
pub use machine::{Run, Vm};
pub use strings::{BYTES_PER_STEP, Str, Strings, Text};
pub use table::Table;
pub use thread::{Resumed, Status};
pub use value::{BASE, Id, Native, Value};
