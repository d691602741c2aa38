//! `cjson`: its functions and settings. Each run has settings of its own.

use super::arguments::{at, type_error};
use super::image::Constant;
use crate::script::vm::{Fail, Native, Value, Vm};

pub static CJSON: [Native; 10] = [
    Native { name: "encode", run: super::json_encode::encode },
    Native { name: "decode", run: super::json_decode::decode },
    Native { name: "encode_sparse_array", run: sparse_array },
    Native { name: "encode_max_depth", run: |vm, arguments, out| depth(vm, arguments, out, true) },
    Native { name: "decode_max_depth", run: |vm, arguments, out| depth(vm, arguments, out, false) },
    Native { name: "encode_number_precision", run: precision },
    Native { name: "encode_keep_buffer", run: keep_buffer },
    Native { name: "encode_invalid_numbers", run: encode_invalid },
    Native { name: "decode_invalid_numbers", run: decode_invalid },
    Native { name: "decode_array_with_array_mt", run: array_mt },
];

pub static NEW: Native = Native { name: "new", run: new };

pub fn constants() -> Vec<(&'static str, Constant)> {
    vec![("null", Constant::Null), ("_NAME", Constant::Text("cjson")), ("_VERSION", Constant::Text("2.1.0"))]
}

/// How JSON is written and read.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub sparse_to_object: bool,
    pub sparse_ratio: i64,
    pub sparse_safe: i64,
    pub encode_depth: i64,
    pub decode_depth: i64,
    pub precision: i64,
    pub keeps_buffer: bool,
    /// 0: an error; 1: as they are; 2: null.
    pub encode_invalid: u8,
    pub decode_invalid: bool,
    pub marks_arrays: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            sparse_to_object: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_depth: 1000,
            decode_depth: 1000,
            precision: 14,
            keeps_buffer: true,
            encode_invalid: 0,
            decode_invalid: true,
            marks_arrays: false,
        }
    }
}

type Done = Result<(), Fail>;

const INT_MAX: i64 = i32::MAX as i64;

fn at_most(arguments: &[Value], count: usize) -> Done {
    if arguments.len() > count {
        return Err(Fail::Argument(count.saturating_add(1), "found too many arguments".into()));
    }
    Ok(())
}

fn integer(
    vm: &mut Vm<'_>,
    arguments: &[Value],
    number: usize,
    setting: fn(&mut Settings) -> &mut i64,
    (min, max): (i64, i64),
    out: &mut Vec<Value>,
) -> Done {
    if !at(arguments, number).is_nil() {
        let value = vm.integer_argument(arguments, number)?;
        if !(min..=max).contains(&value) {
            return Err(Fail::Argument(1, format!("expected integer between {min} and {max}")));
        }
        *setting(&mut vm.settings.json) = value;
    }
    out.push(Value::Number(*setting(&mut vm.settings.json) as f64));
    Ok(())
}

/// A choice: true, false or one of these words.
fn choice(
    vm: &mut Vm<'_>,
    arguments: &[Value],
    words: &[&str],
    setting: u8,
    out: &mut Vec<Value>,
) -> Result<u8, Fail> {
    let chosen = match at(arguments, 1) {
        Value::Nil => setting,
        Value::Bool(is) => u8::from(is),
        value => {
            let Some(id) = vm.as_string(value)? else { return Err(type_error(arguments, 1, "string")) };
            let word = String::from_utf8_lossy(vm.bytes(id)).into_owned();
            let found = words.iter().position(|known| *known == word);
            let found = found.and_then(|found| u8::try_from(found).ok());
            found.ok_or_else(|| Fail::Argument(1, format!("invalid option '{word}'")))?
        }
    };
    out.push(match chosen {
        0 | 1 => Value::Bool(chosen == 1),
        other => vm.text(words.get(usize::from(other)).unwrap_or(&"").as_bytes())?,
    });
    Ok(chosen)
}

fn sparse_array(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    at_most(arguments, 3)?;
    let current = u8::from(vm.settings.json.sparse_to_object);
    vm.settings.json.sparse_to_object = choice(vm, arguments, &[], current, out)? == 1;
    integer(vm, arguments, 2, |settings| &mut settings.sparse_ratio, (0, INT_MAX), out)?;
    integer(vm, arguments, 3, |settings| &mut settings.sparse_safe, (0, INT_MAX), out)
}

fn depth(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>, of_encode: bool) -> Done {
    at_most(arguments, 1)?;
    match of_encode {
        true => integer(vm, arguments, 1, |settings| &mut settings.encode_depth, (1, INT_MAX), out),
        false => integer(vm, arguments, 1, |settings| &mut settings.decode_depth, (1, INT_MAX), out),
    }
}

fn precision(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    at_most(arguments, 1)?;
    integer(vm, arguments, 1, |settings| &mut settings.precision, (1, 14), out)
}

fn keep_buffer(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    at_most(arguments, 1)?;
    let current = u8::from(vm.settings.json.keeps_buffer);
    vm.settings.json.keeps_buffer = choice(vm, arguments, &[], current, out)? == 1;
    Ok(())
}

fn encode_invalid(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    at_most(arguments, 1)?;
    let current = vm.settings.json.encode_invalid;
    vm.settings.json.encode_invalid = choice(vm, arguments, &["off", "on", "null"], current, out)?;
    Ok(())
}

fn decode_invalid(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    at_most(arguments, 1)?;
    let current = u8::from(vm.settings.json.decode_invalid);
    vm.settings.json.decode_invalid = choice(vm, arguments, &["off", "on"], current, out)? == 1;
    Ok(())
}

fn array_mt(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    at_most(arguments, 1)?;
    let current = u8::from(vm.settings.json.marks_arrays);
    vm.settings.json.marks_arrays = choice(vm, arguments, &[], current, out)? == 1;
    Ok(())
}

/// Another copy of the library, with the same settings.
fn new(vm: &mut Vm<'_>, _: &[Value], out: &mut Vec<Value>) -> Done {
    let table = vm.new_table(0, 16)?;
    for native in &CJSON {
        vm.set_field(table, native.name, Value::Native(native))?;
    }
    vm.set_field(table, "new", Value::Native(&NEW))?;
    vm.set_field(table, "null", Value::Null)?;
    out.push(Value::Table(table));
    Ok(())
}
