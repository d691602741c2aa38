//! Scripts: Lua as Redis 7 speaks it. This room knows the language and nothing of stores, logs or sessions: a running script
//! reaches the data through `Host` alone.
//!
//! The interpreter is our own, in safe Rust, because every replica runs a script again and all must see the same (ADR 0040):
//! each instruction, each byte that a library touches and each byte that the script holds is counted, by rules that follow
//! from the script and its arguments alone; nothing a script can reach depends on addresses, clocks, hash seeds or on what
//! ran before.
//!
//! | room | is |
//! |---|---|
//! | `api` | what callers see: `Script`, `Library`, `Limits`, `Host` |
//! | `shebang` | the first line: engine, flags, name |
//! | `convert` | replies to Lua values and back |
//! | `lib` | the libraries that scripts call |
//! | `vm` | the machine: values, tables, calls, coroutines, collector, counters |
//! | `compile` | source to code |
//! | `number` | numbers as text |
//!
//! Invariant: the same script, arguments, seed and answers of the host give the same result, instruction count and
//! memory count in every run of every build of one feature level.

mod api;
mod compile;
mod convert;
mod lib;
mod number;
mod shebang;
mod vm;

#[cfg(test)]
mod tests;

pub use api::{Call, FunctionInfo, Host, Library, Limits, LogLevel, Ran, Script, Stop, sha1_hex};
pub use shebang::ScriptFlags;
