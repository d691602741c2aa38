//! What callers of this room see.

use super::{
    ScriptFlags,
    compile::{Proto, compile},
    convert::ToReply,
    lib::{self, Globals, Registered, Settings},
    shebang,
    vm::{Fail, Raised, Run, Value, Vm},
};
use crate::{
    error::StoreError,
    resp::{ErrorReply, Reply},
};
use sha1::{Digest, Sha1};
use std::sync::Arc;

/// What one run may use. Constants of a feature level: two nodes with different ones would part.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Instructions of the machine, and what library functions count as such.
    pub instructions: u64,
    /// What the script holds at any time: strings, tables, functions, stacks.
    pub memory_bytes: usize,
    /// What its reply holds.
    pub reply_bytes: usize,
}

/// The level of `redis.log`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    Debug,
    Verbose,
    Notice,
    Warning,
}

/// Why a run ended without a reply. Nothing in the script can catch it.
#[derive(Debug)]
pub enum Stop {
    /// The store failed; the node must stop.
    Store(StoreError),
    /// A run that may only read met a write (the host said so).
    Writes,
    /// The host said that it is killed.
    Killed,
    /// A limit was met; the error is the script's reply, and the same on every replica.
    Limit(ErrorReply),
    /// The host ends the run for a reason of its own.
    Refused(ErrorReply),
}

/// What a running script asks of its surroundings.
pub trait Host {
    /// `redis.call` and `redis.pcall`. A client's error is `Reply::Error`; `Err` ends the script.
    fn call(&mut self, argv: &[&[u8]]) -> Result<Reply, Stop>;
    /// `redis.log`.
    fn log(&mut self, level: LogLevel, text: &[u8]);
    /// Asked every few thousand instructions. Always false in apply.
    fn is_killed(&self) -> bool;
    /// `redis.acl_check_cmd`: whether the user may call this; `None` = there is no such command.
    fn may_call(&self, argv: &[&[u8]]) -> Option<bool>;
}

/// The arguments of a run.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    pub keys: &'a [&'a [u8]],
    pub argv: &'a [&'a [u8]],
    /// What `math.random` starts from: of the log's entry, so that it is random and the same everywhere.
    pub seed: u64,
    pub limits: &'a Limits,
}

/// A script that came to its end.
#[derive(Debug)]
pub struct Ran {
    /// `Reply::Error` if an error left the script.
    pub reply: Reply,
    pub instructions: u64,
    /// The most memory that it held.
    pub memory_bytes: usize,
}

/// A compiled script. Cheap to clone, shared between threads.
#[derive(Debug, Clone)]
pub struct Script {
    sha: [u8; 40],
    flags: ScriptFlags,
    code: Arc<Proto>,
}

impl Script {
    /// Compiles a body. `Err`: Redis's text for what is wrong with its syntax or its shebang.
    pub fn new(body: &[u8]) -> Result<Self, ErrorReply> {
        let (flags, source) = shebang::of_script(body)?;
        let code = compile(source, b"@user_script").map_err(|error| {
            let text = String::from_utf8_lossy(&error.0);
            ErrorReply::err(format!("Error compiling script (new function): {text}"))
        })?;
        Ok(Script { sha: sha1_hex(body), flags, code })
    }

    /// The lower-case hexadecimal SHA-1 of the body.
    pub fn sha(&self) -> &[u8; 40] {
        &self.sha
    }

    pub fn flags(&self) -> ScriptFlags {
        self.flags
    }

    /// About what it takes in memory, for caches.
    pub fn memory_bytes(&self) -> usize {
        self.code.memory_bytes()
    }

    pub fn run(&self, call: Call<'_>, host: &mut dyn Host) -> Result<Ran, Stop> {
        let mut vm = machine(&call, host, Globals::Script);
        let name = String::from_utf8_lossy(&self.sha);
        let done = run_script(&mut vm, &self.code, &call);
        finish(&mut vm, done, &name, &call)
    }
}

fn machine<'h>(call: &Call<'_>, host: &'h mut dyn Host, globals: Globals) -> Vm<'h> {
    let base = lib::base();
    let settings = Settings { random: lib::Random::from_bits(call.seed), ..Settings::default() };
    Vm::new(Run { host, limits: *call.limits, base, globals: globals.of(base), settings })
}

/// KEYS and ARGV are the first two tables of a run.
fn run_script(vm: &mut Vm<'_>, code: &Arc<Proto>, call: &Call<'_>) -> Result<Value, Fail> {
    for words in [call.keys, call.argv] {
        list(vm, words)?;
    }
    let chunk = vm.chunk(code)?;
    Ok(vm.call_in_thread(chunk, &[])?.first().copied().unwrap_or(Value::Nil))
}

fn list(vm: &mut Vm<'_>, words: &[&[u8]]) -> Result<Value, Fail> {
    vm.charge(words.len())?;
    let table = vm.new_table(words.len(), 0)?;
    for (index, word) in (1_usize..).zip(words) {
        let word = vm.text(word)?;
        vm.heap.raw_set_index(table, index, word)?;
    }
    Ok(Value::Table(table))
}

/// What is sent for what a run came to. `name`: what errors call the script.
fn finish(vm: &mut Vm<'_>, done: Result<Value, Fail>, name: &str, call: &Call<'_>) -> Result<Ran, Stop> {
    let reply = match done {
        Ok(value) => ToReply::new(&vm.heap, call.limits.reply_bytes, vm.settings.is_resp3).reply(value)?,
        Err(fail) => Reply::Error(ErrorReply::of_text(error_text(vm, fail, name)?)),
    };
    Ok(Ran { reply, instructions: vm.executed, memory_bytes: vm.heap.peak })
}

/// The text of an error that left a script, with its place.
fn error_text(vm: &mut Vm<'_>, fail: Fail, name: &str) -> Result<String, Stop> {
    let Raised { value, at } = match fail {
        Fail::Raised(raised) => *raised,
        Fail::Stop(stop) => return Err(*stop),
        other => match vm.finish_error(other, None) {
            Fail::Raised(raised) => *raised,
            Fail::Stop(stop) => return Err(*stop),
            _ => Raised { value: Value::Nil, at: None },
        },
    };
    let mut text = lib::error_text(vm, value);
    if let Some(place) = at {
        let source = String::from_utf8_lossy(&place.chunk).into_owned();
        text = format!("{text} script: {name}, on {source}:{}.", place.line);
    }
    Ok(text.replace(['\r', '\n'], " "))
}

/// The lower-case hexadecimal SHA-1 of these bytes.
pub fn sha1_hex(bytes: &[u8]) -> [u8; 40] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
    let mut hex = [b'0'; 40];
    for (pair, byte) in hex.chunks_exact_mut(2).zip(Sha1::digest(bytes)) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    hex
}

/// A function of a library, as FUNCTION LIST shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionInfo {
    pub name: String,
    pub description: Option<Vec<u8>>,
    pub flags: ScriptFlags,
}

/// A compiled library and what it registered. Cheap to clone, shared between threads. Each call of a function runs the
/// library's own code again, in a fresh environment: what a function leaves in the library's variables does not last.
#[derive(Debug, Clone)]
pub struct Library {
    name: Arc<str>,
    functions: Arc<[FunctionInfo]>,
    code: Arc<Proto>,
}

/// While a library is loaded there is nothing to be called.
struct NoHost;

impl Host for NoHost {
    fn call(&mut self, _: &[&[u8]]) -> Result<Reply, Stop> {
        Ok(Reply::Error(ErrorReply::err("redis.call can only be called inside a script invocation")))
    }

    fn log(&mut self, _: LogLevel, _: &[u8]) {}

    fn is_killed(&self) -> bool {
        false
    }

    fn may_call(&self, _: &[&[u8]]) -> Option<bool> {
        None
    }
}

impl Library {
    /// Compiles and runs a library's code (`#!lua name=…`). `Err`: FUNCTION LOAD's error.
    pub fn load(code: &[u8], limits: &Limits) -> Result<Self, ErrorReply> {
        let (name, source) = shebang::of_library(code)?;
        let code = compile(source, b"@user_function").map_err(|error| {
            let text = String::from_utf8_lossy(&error.0);
            ErrorReply::err(format!("Error compiling function: {text}"))
        })?;
        let call = Call { keys: &[], argv: &[], seed: 0, limits };
        let mut host = NoHost;
        let mut vm = machine(&call, &mut host, Globals::Library);
        let registered = register(&mut vm, &code);
        if let Err(fail) = registered {
            let text = match fail {
                Fail::Stop(stop) => return Err(stop_error(*stop)),
                Fail::Raised(raised) => lib::error_text(&mut vm, raised.value),
                _ => "ERR internal error".into(),
            };
            let text = text.replace(['\r', '\n'], " ");
            return Err(ErrorReply::err(format!("Error registering functions: {text}")));
        }
        let info = |function: &Registered| FunctionInfo {
            name: function.name.clone(),
            description: function.description.clone(),
            flags: function.flags,
        };
        let mut functions: Vec<_> = vm.settings.registered.iter().map(info).collect();
        if functions.is_empty() {
            return Err(ErrorReply::err("No functions registered"));
        }
        functions.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Library { name: name.into(), functions: functions.into(), code })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// By name.
    pub fn functions(&self) -> &[FunctionInfo] {
        &self.functions
    }

    /// About what it takes in memory, for caches.
    pub fn memory_bytes(&self) -> usize {
        let info = |function: &FunctionInfo| {
            let description = function.description.as_ref().map_or(0, Vec::len);
            size_of::<FunctionInfo>() + function.name.len() + description
        };
        self.code.memory_bytes() + self.functions.iter().map(info).sum::<usize>()
    }

    /// Calls one of its functions.
    pub fn run(&self, function: &str, call: Call<'_>, host: &mut dyn Host) -> Result<Ran, Stop> {
        let mut vm = machine(&call, host, Globals::Library);
        let done = self.run_function(&mut vm, function, &call);
        finish(&mut vm, done, function, &call)
    }

    fn run_function(&self, vm: &mut Vm<'_>, function: &str, call: &Call<'_>) -> Result<Value, Fail> {
        register(vm, &self.code)?;
        let found = vm.settings.registered.iter().find(|known| known.name == function);
        let callback =
            found.map(|found| found.callback).ok_or_else(|| Fail::message("Function not found"))?;
        vm.globals = Globals::Function.of(lib::base());
        let keys = list(vm, call.keys)?;
        vm.roots.push(keys);
        let argv = list(vm, call.argv)?;
        Ok(vm.call_in_thread(callback, &[keys, argv])?.first().copied().unwrap_or(Value::Nil))
    }
}

/// Executes a library's own code. The first two tables of the run are KEYS and ARGV of scripts, which it has not.
fn register(vm: &mut Vm<'_>, code: &Arc<Proto>) -> Result<(), Fail> {
    for _ in 0..2 {
        vm.new_table(0, 0)?;
    }
    let chunk = vm.chunk(code)?;
    vm.call_in_thread(chunk, &[])?;
    Ok(())
}

fn stop_error(stop: Stop) -> ErrorReply {
    match stop {
        Stop::Limit(error) | Stop::Refused(error) => error,
        Stop::Store(error) => ErrorReply::err(error.to_string()),
        Stop::Writes | Stop::Killed => ErrorReply::err("FUNCTION LOAD was ended"),
    }
}
