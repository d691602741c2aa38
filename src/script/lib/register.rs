//! `redis.register_function`.

use super::{arguments::at, redis::raise};
use crate::script::{
    ScriptFlags,
    vm::{Fail, Native, Value, Vm},
};

pub static REGISTER: Native = Native { name: "register_function", run: register };

/// Functions of one library.
const FUNCTIONS_MAX: usize = 10_000;

/// A function that a library has registered.
#[derive(Clone)]
pub struct Registered {
    pub name: String,
    pub description: Option<Vec<u8>>,
    pub flags: ScriptFlags,
    pub callback: Value,
}

/// Whether this may be the name of a library or function.
pub fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

#[derive(Default)]
struct Wanted {
    name: Option<Vec<u8>>,
    description: Option<Vec<u8>>,
    flags: ScriptFlags,
    callback: Option<Value>,
}

fn register(vm: &mut Vm<'_>, arguments: &[Value], _: &mut Vec<Value>) -> Result<(), Fail> {
    let wanted = match arguments.len() {
        1 => named(vm, at(arguments, 1))?,
        2 => positional(vm, arguments)?,
        _ => Err("wrong number of arguments to redis.register_function"),
    };
    match wanted.and_then(|wanted| accept(vm, wanted)) {
        Ok(function) => {
            vm.settings.registered.push(function);
            Ok(())
        }
        Err(text) => Err(raise(vm, text)),
    }
}

fn accept(vm: &Vm<'_>, wanted: Wanted) -> Result<Registered, &'static str> {
    let Wanted { name, description, flags, callback } = wanted;
    let name = name.ok_or("redis.register_function must get a function name argument")?;
    let callback = callback.ok_or("redis.register_function must get a callback argument")?;
    let text = String::from_utf8(name).ok().filter(|name| is_name(name.as_bytes()));
    let name = text.ok_or(
        "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long",
    )?;
    if vm.settings.registered.iter().any(|known| known.name == name) {
        return Err("Function already exists in the library");
    }
    if vm.settings.registered.len() >= FUNCTIONS_MAX {
        return Err("a library has too many functions");
    }
    Ok(Registered { name, description, flags, callback })
}

type Read = Result<Result<Wanted, &'static str>, Fail>;

fn positional(vm: &mut Vm<'_>, arguments: &[Value]) -> Read {
    let Some(name) = text(vm, at(arguments, 1)) else {
        return Ok(Err("first argument to redis.register_function must be a string"));
    };
    Ok(match at(arguments, 2) {
        callback @ Value::Function(_) => {
            Ok(Wanted { name: Some(name), callback: Some(callback), ..Wanted::default() })
        }
        _ => Err("second argument to redis.register_function must be a function"),
    })
}

fn text(vm: &Vm<'_>, value: Value) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    vm.append_text(value, &mut text).then_some(text)
}

fn named(vm: &mut Vm<'_>, arguments: Value) -> Read {
    let Value::Table(id) = arguments else {
        return Ok(Err(
            "calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).",
        ));
    };
    let mut pairs = Vec::new();
    vm.heap.table(id).for_each_pair(|key, value| pairs.push((key, value)));
    vm.charge(pairs.len())?;
    let mut wanted = Wanted::default();
    for (key, value) in pairs {
        let Value::Str(key) = key else {
            return Ok(Err("named argument key given to redis.register_function is not a string"));
        };
        match vm.bytes(key) {
            key if key.eq_ignore_ascii_case(b"function_name") => match text(vm, value) {
                Some(name) => wanted.name = Some(name),
                None => {
                    return Ok(Err(
                        "function_name argument given to redis.register_function must be a string",
                    ));
                }
            },
            key if key.eq_ignore_ascii_case(b"description") => match text(vm, value) {
                Some(description) => wanted.description = Some(description),
                None => {
                    return Ok(Err("description argument given to redis.register_function must be a string"));
                }
            },
            key if key.eq_ignore_ascii_case(b"callback") => match value {
                Value::Function(_) => wanted.callback = Some(value),
                _ => {
                    return Ok(Err("callback argument given to redis.register_function must be a function"));
                }
            },
            key if key.eq_ignore_ascii_case(b"flags") => match value {
                Value::Table(flags) => match read_flags(vm, flags) {
                    Some(flags) => wanted.flags = flags,
                    None => return Ok(Err("unknown flag given")),
                },
                _ => {
                    let text = "flags argument to redis.register_function must be a table representing function flags";
                    return Ok(Err(text));
                }
            },
            _ => return Ok(Err("unknown argument given to redis.register_function")),
        }
    }
    Ok(Ok(wanted))
}

fn read_flags(vm: &Vm<'_>, table: u32) -> Option<ScriptFlags> {
    let mut flags = ScriptFlags { has_shebang: true, ..ScriptFlags::default() };
    for index in 1.. {
        match vm.heap.raw_get_index(table, index) {
            Value::Nil => break,
            Value::Str(flag) => flags.add(vm.bytes(flag))?,
            _ => return None,
        }
    }
    Some(flags)
}
