//! Coroutines.

use super::arguments::at;
use crate::script::vm::{Fail, Id, Native, Resumed, Status, Value, Vm};

pub static COROUTINE: [Native; 6] = [
    Native { name: "create", run: create },
    Native { name: "resume", run: resume },
    Native { name: "running", run: running },
    Native { name: "status", run: status },
    Native { name: "wrap", run: wrap },
    Native { name: "yield", run: yield_values },
];

type Done = Result<(), Fail>;

fn thread(arguments: &[Value]) -> Result<Id, Fail> {
    match at(arguments, 1) {
        Value::Thread(id) => Ok(id),
        _ => Err(Fail::Argument(1, "coroutine expected".into())),
    }
}

fn new(vm: &mut Vm<'_>, arguments: &[Value]) -> Result<Id, Fail> {
    match at(arguments, 1) {
        called @ Value::Function(_) => vm.new_thread(called),
        _ => Err(Fail::Argument(1, "Lua function expected".into())),
    }
}

fn create(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    out.push(Value::Thread(new(vm, arguments)?));
    Ok(())
}

fn resume(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let id = thread(arguments)?;
    match vm.resume(id, arguments.get(1..).unwrap_or_default())? {
        Resumed::Values(values) => {
            out.push(Value::Bool(true));
            out.extend(values);
        }
        Resumed::Error(value) => out.extend([Value::Bool(false), value]),
    }
    Ok(())
}

fn running(vm: &mut Vm<'_>, _: &[Value], out: &mut Vec<Value>) -> Done {
    out.push(vm.thread_id.map_or(Value::Nil, Value::Thread));
    Ok(())
}

fn status(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let id = thread(arguments)?;
    let name: &[u8] = match vm.status(id) {
        Status::Suspended => b"suspended",
        Status::Dead => b"dead",
        Status::Running if vm.is_waiting(id) => b"normal",
        Status::Running => b"running",
    };
    out.push(vm.text(name)?);
    Ok(())
}

static WRAPPED: Native = Native { name: "wrapped", run: wrapped };

fn wrap(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let id = new(vm, arguments)?;
    out.push(vm.bound(&WRAPPED, &[Value::Thread(id)])?);
    Ok(())
}

fn wrapped(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let id = thread(arguments)?;
    match vm.resume(id, arguments.get(1..).unwrap_or_default())? {
        Resumed::Values(values) => {
            out.extend(values);
            Ok(())
        }
        Resumed::Error(value @ Value::Str(_)) => {
            // An error that goes on gets the place of its caller as well.
            let mut text = vm.place_of_level(1).map(|place| place.prefix()).unwrap_or_default().into_bytes();
            vm.append_text(value, &mut text);
            let value = vm.string(text)?;
            Err(Fail::raised(value))
        }
        Resumed::Error(value) => Err(Fail::raised(value)),
    }
}

fn yield_values(vm: &mut Vm<'_>, arguments: &[Value], _: &mut Vec<Value>) -> Done {
    if vm.thread_id.is_none() || vm.nesting > 0 {
        return Err(Fail::Plain("attempt to yield across metamethod/C-call boundary"));
    }
    Err(Fail::Yield(arguments.to_vec()))
}
