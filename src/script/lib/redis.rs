//! `redis` and `server`: what scripts reach the data with.

use super::image::Constant;
use crate::{
    resp::Reply,
    script::{
        LogLevel, Stop,
        api::sha1_hex,
        vm::{Fail, Native, Value, Vm},
    },
};
use smallvec::SmallVec;

type Done = Result<(), Fail>;

pub static MISSING_GLOBAL: Native = Native { name: "missing_global", run: missing_global };

static CALL: Native = Native { name: "call", run: |vm, arguments, out| call(vm, arguments, out, true) };
static PCALL: Native = Native { name: "pcall", run: |vm, arguments, out| call(vm, arguments, out, false) };
static LOG: Native = Native { name: "log", run: log };
static SETRESP: Native = Native { name: "setresp", run: set_resp };
static ERROR_REPLY: Native = Native { name: "error_reply", run: error_reply };
static STATUS_REPLY: Native = Native { name: "status_reply", run: status_reply };
static SET_REPL: Native = Native { name: "set_repl", run: set_repl };
static SHA1HEX: Native = Native { name: "sha1hex", run: sha1hex };
static ACL_CHECK: Native = Native { name: "acl_check_cmd", run: acl_check_cmd };
static REPLICATE: Native = Native {
    name: "replicate_commands",
    run: |_, _, out| {
        out.push(Value::Bool(true));
        Ok(())
    },
};
static BREAKPOINT: Native = Native {
    name: "breakpoint",
    run: |_, _, out| {
        out.push(Value::Bool(false));
        Ok(())
    },
};
static DEBUG: Native = Native { name: "debug", run: |_, _, _| Ok(()) };

type Library = (&'static str, Vec<&'static Native>, Vec<(&'static str, Constant)>);

/// The version that scripts are told, as INFO tells it.
const VERSION: (&str, f64) = ("7.2.0", 459_264.0);

/// Of scripts, of functions, and of libraries that are being loaded.
pub fn libraries() -> [Library; 3] {
    let in_call =
        vec![&CALL, &PCALL, &LOG, &SETRESP, &ERROR_REPLY, &STATUS_REPLY, &SET_REPL, &SHA1HEX, &ACL_CHECK];
    let of_script = [in_call.as_slice(), &[&REPLICATE, &BREAKPOINT, &DEBUG]].concat();
    let version = || {
        vec![("REDIS_VERSION", Constant::Text(VERSION.0)), ("REDIS_VERSION_NUM", Constant::Number(VERSION.1))]
    };
    let levels = || {
        let levels = ["LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING"];
        levels.into_iter().zip([0.0, 1.0, 2.0, 3.0].map(Constant::Number)).collect::<Vec<_>>()
    };
    let all = || {
        let replication = [
            ("REPL_AOF", 1.0),
            ("REPL_SLAVE", 2.0),
            ("REPL_REPLICA", 2.0),
            ("REPL_ALL", 3.0),
            ("REPL_NONE", 0.0),
        ];
        let replication = replication.map(|(name, number)| (name, Constant::Number(number)));
        version().into_iter().chain(levels()).chain(replication).collect::<Vec<_>>()
    };
    let loading = version().into_iter().chain(levels()).collect();
    [
        ("redis", of_script, all()),
        ("redis", in_call, all()),
        ("redis", vec![&LOG, &super::register::REGISTER], loading),
    ]
}

fn missing_global(vm: &mut Vm<'_>, arguments: &[Value], _: &mut Vec<Value>) -> Done {
    let mut text = b"Script attempted to access nonexistent global variable '".to_vec();
    if let Some(name) = arguments.get(1)
        && !vm.append_text(*name, &mut text)
    {
        text.extend_from_slice(&super::base::plain_text(vm, *name));
    }
    text.push(b'\'');
    Err(Fail::message(text))
}

/// A table with the text of an error under `err`.
pub fn error_table(vm: &mut Vm<'_>, text: &[u8]) -> Result<Value, Fail> {
    let table = vm.new_table(0, 2)?;
    let text = vm.text(text)?;
    vm.set_field(table, "err", text)?;
    Ok(Value::Table(table))
}

/// Raises an error of this library, which has no place in its text.
pub fn raise(vm: &mut Vm<'_>, text: &str) -> Fail {
    match error_table(vm, format!("ERR {text}").as_bytes()) {
        Ok(table) => Fail::raised(table),
        Err(fail) => fail,
    }
}

/// The text of an error that nothing caught.
pub fn error_text(vm: &mut Vm<'_>, value: Value) -> String {
    let text = match value {
        Value::Table(id) => match vm.heap.raw_get_text(id, b"err") {
            text @ (Value::Str(_) | Value::Number(_)) => super::base::plain_text(vm, text),
            _ => b"ERR unknown error".to_vec(),
        },
        other => [b"ERR ", super::base::plain_text(vm, other).as_slice()].concat(),
    };
    String::from_utf8_lossy(&text).into_owned()
}

type Words = SmallVec<[Box<[u8]>; 8]>;

/// The words of a command.
fn words(vm: &mut Vm<'_>, arguments: &[Value]) -> Result<Result<Words, &'static str>, Fail> {
    if arguments.is_empty() {
        return Ok(Err("Please specify at least one argument for this redis lib call"));
    }
    let mut words = Words::new();
    let mut length = 0_usize;
    for argument in arguments {
        let word: Box<[u8]> = match argument {
            Value::Str(id) => vm.bytes(*id).into(),
            Value::Number(number) => number_word(*number).into_bytes().into(),
            _ => return Ok(Err("Lua redis lib command arguments must be strings or integers")),
        };
        length = length.saturating_add(word.len()).saturating_add(16);
        vm.heap.has_room(length)?;
        words.push(word);
    }
    vm.charge_bytes(length)?;
    Ok(Ok(words))
}

/// Whole numbers without an exponent, others with as many digits as they need.
fn number_word(number: f64) -> String {
    match number {
        _ if number.is_nan() => "-nan".into(),
        _ if number == 0.0 => "0".into(),
        _ => crate::resp::format_double(number),
    }
}

/// What a command counts at least: a look-up, a savepoint, a row.
const CALL_STEPS: usize = 250;

fn call(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>, raises: bool) -> Done {
    vm.charge(CALL_STEPS)?;
    let reply = match words(vm, arguments)? {
        Ok(words) => {
            let argv: SmallVec<[&[u8]; 8]> = words.iter().map(|word| &**word).collect();
            match vm.host.call(&argv) {
                Ok(reply) => reply,
                Err(stop) => return Err(Fail::stop(stop)),
            }
        }
        Err(text) if raises => return Err(raise(vm, text)),
        Err(text) => {
            out.push(error_table(vm, format!("ERR {text}").as_bytes())?);
            return Ok(());
        }
    };
    if let Reply::Error(error) = &reply {
        let table = error_table(vm, error.to_string().as_bytes())?;
        if let Value::Table(table) = table {
            vm.set_field(table, "ignore_error_stats_update", Value::Bool(true))?;
        }
        if raises {
            return Err(Fail::raised(table));
        }
        out.push(table);
        return Ok(());
    }
    out.push(vm.reply_value(reply)?);
    Ok(())
}

fn log(vm: &mut Vm<'_>, arguments: &[Value], _: &mut Vec<Value>) -> Done {
    let [level, texts @ ..] = arguments else {
        return Err(raise(vm, "redis.log() requires two arguments or more."));
    };
    if texts.is_empty() {
        return Err(raise(vm, "redis.log() requires two arguments or more."));
    }
    let Some(level) = vm.number_of(*level)? else {
        return Err(raise(vm, "First argument must be a number (log level)."));
    };
    let level = match level as i64 {
        0 if level >= 0.0 => LogLevel::Debug,
        1 => LogLevel::Verbose,
        2 => LogLevel::Notice,
        3 => LogLevel::Warning,
        _ => return Err(raise(vm, "Invalid debug level.")),
    };
    let mut text = Vec::new();
    for (at, value) in texts.iter().enumerate() {
        let before = text.len();
        if at > 0 && matches!(value, Value::Str(_) | Value::Number(_)) {
            text.push(b' ');
        }
        vm.append_text(*value, &mut text);
        vm.charge_bytes(text.len().saturating_sub(before))?;
        vm.heap.has_room(text.len())?;
    }
    vm.host.log(level, &text);
    Ok(())
}

fn set_resp(vm: &mut Vm<'_>, arguments: &[Value], _: &mut Vec<Value>) -> Done {
    let [version] = arguments else {
        return Err(raise(vm, "redis.setresp() requires one argument."));
    };
    vm.settings.is_resp3 = match vm.number_of(*version)?.map(|version| version as i64) {
        Some(2) => false,
        Some(3) => true,
        _ => return Err(raise(vm, "RESP version must be 2 or 3.")),
    };
    Ok(())
}

const WRONG_ARGUMENTS: &[u8] = b"ERR wrong number or type of arguments";

fn error_reply(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let [Value::Str(id)] = arguments else {
        out.push(error_table(vm, WRONG_ARGUMENTS)?);
        return Ok(());
    };
    let text = vm.bytes(*id);
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let end = text.iter().rposition(|byte| !is_break(byte)).map_or(0, |last| last.saturating_add(1));
    let mut full = if text.contains(&b' ') { Vec::new() } else { b"ERR ".to_vec() };
    full.extend(
        text.get(..end).unwrap_or_default().iter().map(|byte| if is_break(byte) { b' ' } else { *byte }),
    );
    vm.charge_bytes(full.len())?;
    out.push(error_table(vm, &full)?);
    Ok(())
}

fn status_reply(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let [text @ Value::Str(_)] = arguments else {
        out.push(error_table(vm, WRONG_ARGUMENTS)?);
        return Ok(());
    };
    let table = vm.new_table(0, 1)?;
    vm.set_field(table, "ok", *text)?;
    out.push(Value::Table(table));
    Ok(())
}

/// Accepted and without effect: a script is replicated as such.
fn set_repl(vm: &mut Vm<'_>, arguments: &[Value], _: &mut Vec<Value>) -> Done {
    let [flags] = arguments else {
        return Err(raise(vm, "redis.set_repl() requires two arguments."));
    };
    let flags = vm.number_of(*flags)?.unwrap_or(0.0) as i64;
    if flags & !3 != 0 {
        let text = "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.";
        return Err(raise(vm, text));
    }
    Ok(())
}

fn sha1hex(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let [value] = arguments else { return Err(raise(vm, "wrong number of arguments")) };
    let mut text = Vec::new();
    vm.append_text(*value, &mut text);
    vm.charge(text.len() / 8)?;
    out.push(vm.text(&sha1_hex(&text))?);
    Ok(())
}

fn acl_check_cmd(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let words = match words(vm, arguments)? {
        Ok(words) => words,
        Err(text) => return Err(raise(vm, text)),
    };
    let argv: SmallVec<[&[u8]; 8]> = words.iter().map(|word| &**word).collect();
    match vm.host.may_call(&argv) {
        Some(may) => out.push(Value::Bool(may)),
        None => return Err(raise(vm, "Invalid command passed to redis.acl_check_cmd()")),
    }
    Ok(())
}

impl From<Stop> for Fail {
    fn from(stop: Stop) -> Self {
        Fail::stop(stop)
    }
}
