//! `load` and `loadstring`: source text only. Nothing reads bytecode.

use super::arguments::{at, function};
use crate::script::vm::{Fail, Value, Vm};

type Done = Result<(), Fail>;

pub fn load_string(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let source = vm.string_argument(arguments, 1)?;
    let source = vm.bytes(source).to_vec();
    let name = match at(arguments, 2) {
        Value::Nil => source.clone(),
        _ => {
            let id = vm.string_argument(arguments, 2)?;
            vm.bytes(id).to_vec()
        }
    };
    compiled(vm, &source, &name, out)
}

pub fn load(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let reader = function(arguments, 1)?;
    let name = match at(arguments, 2) {
        Value::Nil => b"=(load)".to_vec(),
        _ => {
            let id = vm.string_argument(arguments, 2)?;
            vm.bytes(id).to_vec()
        }
    };
    let mut source = Vec::new();
    loop {
        let piece = vm.call_one(reader, &[])?;
        match vm.as_string(piece)? {
            None if piece.is_nil() => break,
            None => {
                let text = vm.text(b"reader function must return a string")?;
                out.extend([Value::Nil, text]);
                return Ok(());
            }
            Some(id) if vm.bytes(id).is_empty() => break,
            Some(id) => {
                vm.heap.has_room(source.len().saturating_add(vm.bytes(id).len()).saturating_mul(2))?;
                source.extend_from_slice(vm.bytes(id));
            }
        }
    }
    compiled(vm, &source, &name, out)
}

fn compiled(vm: &mut Vm<'_>, source: &[u8], name: &[u8], out: &mut Vec<Value>) -> Done {
    match vm.compile(source, name)? {
        Ok(function) => out.push(function),
        Err(text) => {
            let text = vm.string(text)?;
            out.extend([Value::Nil, text]);
        }
    }
    Ok(())
}
