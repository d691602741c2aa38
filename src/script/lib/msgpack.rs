//! `cmsgpack`: MessagePack.

use super::{image::Constant, structs::canonical};
use crate::script::vm::{Fail, Id, Native, Value, Vm};

pub static CMSGPACK: [Native; 4] = [
    Native { name: "pack", run: pack },
    Native { name: "unpack", run: super::msgpack_unpack::unpack },
    Native { name: "unpack_one", run: super::msgpack_unpack::unpack_one },
    Native { name: "unpack_limit", run: super::msgpack_unpack::unpack_limit },
];

pub fn constants() -> Vec<(&'static str, Constant)> {
    vec![("_NAME", Constant::Text("cmsgpack")), ("_VERSION", Constant::Text("lua-cmsgpack 0.4.0"))]
}

type Done = Result<(), Fail>;

/// Tables within tables; deeper ones are packed as nil.
const DEPTH_MAX: usize = 16;

fn pack(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    if arguments.is_empty() {
        return Err(Fail::Argument(0, "MessagePack pack needs input.".into()));
    }
    let mut packed = Vec::new();
    for value in arguments {
        put(vm, *value, 0, &mut packed)?;
    }
    out.push(vm.string(packed)?);
    Ok(())
}

fn put(vm: &mut Vm<'_>, value: Value, depth: usize, packed: &mut Vec<u8>) -> Done {
    vm.charge(3)?;
    vm.heap.has_room(packed.len())?;
    match value {
        Value::Bool(is) => packed.push(if is { 0xc3 } else { 0xc2 }),
        Value::Number(number) => self::number(number, packed),
        Value::Str(id) => {
            let text = vm.bytes(id);
            vm.heap.has_room(packed.len().saturating_add(text.len()))?;
            match text.len() {
                length @ 0..32 => packed.push(0xa0 | length as u8),
                length @ 32..0x100 => packed.extend([0xd9, length as u8]),
                length => head(packed, [0xda, 0xdb], length),
            }
            packed.extend_from_slice(text);
            let length = text.len();
            vm.charge_bytes(length)?;
        }
        Value::Table(id) if depth < DEPTH_MAX => table(vm, id, depth, packed)?,
        _ => packed.push(0xc0),
    }
    Ok(())
}

/// A length of two bytes, or of four.
fn head(packed: &mut Vec<u8>, [two, four]: [u8; 2], length: usize) {
    match u16::try_from(length) {
        Ok(length) => {
            packed.push(two);
            packed.extend(length.to_be_bytes());
        }
        Err(_) => {
            packed.push(four);
            packed.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        }
    }
}

fn number(number: f64, packed: &mut Vec<u8>) {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if number.fract() == 0.0 && (-LIMIT..LIMIT).contains(&number) {
        return integer(number as i64, packed);
    }
    let number = canonical(number);
    if f64::from(number as f32) == number {
        packed.push(0xca);
        packed.extend((number as f32).to_be_bytes());
    } else {
        packed.push(0xcb);
        packed.extend(number.to_be_bytes());
    }
}

fn integer(number: i64, packed: &mut Vec<u8>) {
    let bytes = number.to_be_bytes();
    let mut put = |tag: u8, count: usize| {
        packed.push(tag);
        packed.extend_from_slice(bytes.get(8_usize.saturating_sub(count)..).unwrap_or_default());
    };
    match number {
        -32..=127 => packed.push(number as u8),
        128..=0xff => put(0xcc, 1),
        0x100..=0xffff => put(0xcd, 2),
        0x1_0000..=0xffff_ffff => put(0xce, 4),
        0x1_0000_0000.. => put(0xcf, 8),
        -128..=-33 => put(0xd0, 1),
        -0x8000..=-129 => put(0xd1, 2),
        -0x8000_0000..=-0x8001 => put(0xd2, 4),
        _ => put(0xd3, 8),
    }
}

fn table(vm: &mut Vm<'_>, id: Id, depth: usize, packed: &mut Vec<u8>) -> Done {
    let mut pairs = Vec::new();
    let (mut max, mut is_list) = (0.0_f64, true);
    vm.heap.table(id).for_each_pair(|key, value| {
        pairs.push((key, value));
        match key {
            Value::Number(number) if number > 0.0 && number.fract() == 0.0 => max = max.max(number),
            _ => is_list = false,
        }
    });
    vm.charge(pairs.len())?;
    let inner = depth.saturating_add(1);
    if is_list && max == pairs.len() as f64 {
        match pairs.len() {
            length @ 0..16 => packed.push(0x90 | length as u8),
            length => head(packed, [0xdc, 0xdd], length),
        }
        for index in 1..=pairs.len() {
            let value = vm.heap.raw_get_index(id, index);
            put(vm, value, inner, packed)?;
        }
        return Ok(());
    }
    match pairs.len() {
        length @ 0..16 => packed.push(0x80 | length as u8),
        length => head(packed, [0xde, 0xdf], length),
    }
    for (key, value) in pairs {
        put(vm, key, inner, packed)?;
        put(vm, value, inner, packed)?;
    }
    Ok(())
}
