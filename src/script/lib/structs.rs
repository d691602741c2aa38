//! `struct`: numbers and strings as bytes.

use super::arguments::{at, to_unsigned};
use crate::script::vm::{Fail, Native, Value, Vm};

pub static STRUCT: [Native; 3] = [
    Native { name: "pack", run: pack },
    Native { name: "size", run: size },
    Native { name: "unpack", run: unpack },
];

type Done = Result<(), Fail>;

const INTEGER_BYTES_MAX: usize = 32;
const ALIGN_MAX: usize = 8;

/// A format, read from left to right.
struct Format {
    text: Vec<u8>,
    at: usize,
    is_big: bool,
    align: usize,
}

impl Format {
    fn new(vm: &mut Vm<'_>, arguments: &[Value]) -> Result<Self, Fail> {
        let id = vm.string_argument(arguments, 1)?;
        let text = vm.bytes(id);
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        let text = text.get(..end).unwrap_or_default().to_vec();
        vm.charge(text.len())?;
        Ok(Format { text, at: 0, is_big: false, align: 1 })
    }

    /// The next option, its size, and the bytes that align it at `place`.
    fn next(&mut self, place: usize) -> Result<Option<(u8, usize, usize)>, Fail> {
        let Some(option) = self.text.get(self.at).copied() else { return Ok(None) };
        self.at = self.at.saturating_add(1);
        let size = match option {
            b'B' | b'b' | b'x' => 1,
            b'H' | b'h' => 2,
            b'f' => 4,
            b'L' | b'l' | b'T' | b'd' => 8,
            b'c' => self.number(1)?,
            b'i' | b'I' => {
                let size = self.number(4)?;
                if size > INTEGER_BYTES_MAX {
                    let text = format!("integral size {size} is larger than limit of {INTEGER_BYTES_MAX}");
                    return Err(Fail::message(text));
                }
                size
            }
            _ => 0,
        };
        let fill = match size.min(self.align) {
            0 => 0,
            _ if option == b'c' => 0,
            unit => unit.wrapping_sub(place & (unit - 1)) & (unit - 1),
        };
        Ok(Some((option, size, fill)))
    }

    fn number(&mut self, default: usize) -> Result<usize, Fail> {
        let mut number = None;
        while let Some(digit @ b'0'..=b'9') = self.text.get(self.at) {
            let digit = i32::from(digit - b'0');
            let next = number.unwrap_or(0_i32).checked_mul(10).and_then(|number| number.checked_add(digit));
            number = Some(next.ok_or_else(|| Fail::message("integral size overflow"))?);
            self.at = self.at.saturating_add(1);
        }
        Ok(number.map_or(default, |number| usize::try_from(number).unwrap_or(0)))
    }

    /// An option that stands for no value.
    fn control(&mut self, option: u8) -> Done {
        match option {
            b' ' => {}
            b'>' => self.is_big = true,
            b'<' => self.is_big = false,
            b'!' => {
                let align = self.number(ALIGN_MAX)?;
                if !align.is_power_of_two() {
                    return Err(Fail::message(format!("alignment {align} is not a power of 2")));
                }
                self.align = align;
            }
            other => {
                let text = format!("invalid format option '{}'", char::from(other));
                return Err(Fail::Argument(1, text));
            }
        }
        Ok(())
    }

    fn put(&self, mut bytes: Vec<u8>, out: &mut Vec<u8>) {
        if self.is_big {
            bytes.reverse();
        }
        out.extend(bytes);
    }
}

fn pack(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let mut format = Format::new(vm, arguments)?;
    let mut packed = Vec::new();
    let mut number = 2_usize;
    while let Some((option, size, fill)) = format.next(packed.len())? {
        packed.resize(packed.len().saturating_add(fill), 0);
        vm.heap.has_room(packed.len())?;
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let value = vm.number_argument(arguments, number)?;
                number = number.saturating_add(1);
                let mut bytes = to_unsigned(value).to_le_bytes().to_vec();
                bytes.resize(size, 0);
                format.put(bytes, &mut packed);
            }
            b'x' => packed.push(0),
            b'f' => {
                let value = canonical(vm.number_argument(arguments, number)?) as f32;
                number = number.saturating_add(1);
                let bits = if value.is_nan() { 0xffc0_0000 } else { value.to_bits() };
                format.put(bits.to_le_bytes().to_vec(), &mut packed);
            }
            b'd' => {
                let value = canonical(vm.number_argument(arguments, number)?);
                number = number.saturating_add(1);
                format.put(value.to_le_bytes().to_vec(), &mut packed);
            }
            b'c' | b's' => {
                let id = vm.string_argument(arguments, number)?;
                number = number.saturating_add(1);
                let text = vm.bytes(id);
                let size = if size == 0 { text.len() } else { size };
                let Some(text) = text.get(..size) else {
                    return Err(Fail::Argument(number, "string too short".into()));
                };
                vm.heap.has_room(packed.len().saturating_add(text.len()))?;
                packed.extend_from_slice(text);
                if option == b's' {
                    packed.push(0);
                }
                vm.charge_bytes(size)?;
            }
            other => format.control(other)?,
        }
    }
    out.push(vm.string(packed)?);
    Ok(())
}

/// A NaN as 0/0 is on x86; machines differ.
pub fn canonical(number: f64) -> f64 {
    if number.is_nan() { f64::from_bits(0xfff8 << 48) } else { number }
}

fn unpack(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let mut format = Format::new(vm, arguments)?;
    let data = vm.string_argument(arguments, 2)?;
    let place = if at(arguments, 3).is_nil() { 1 } else { vm.integer_argument(arguments, 3)? };
    let short = || Fail::Argument(2, "data string too short".into());
    if place == 0 {
        return Err(Fail::Argument(3, "offset must be 1 or greater".into()));
    }
    // One that is negative is far behind the end.
    let mut place = place.wrapping_sub(1) as usize;
    while let Some((option, size, fill)) = format.next(place)? {
        place = place.saturating_add(fill);
        let mut size = size;
        let end = place.checked_add(size).ok_or_else(short)?;
        let bytes = vm.bytes(data).get(place..end).ok_or_else(short)?;
        if out.len() >= super::base::VALUES_MAX - 2 {
            return Err(Fail::message("stack overflow (too many results)"));
        }
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let number = integer(bytes, format.is_big, option.is_ascii_lowercase());
                out.push(Value::Number(number));
            }
            b'x' => {}
            b'f' | b'd' => {
                let mut bytes = bytes.to_vec();
                if format.is_big {
                    bytes.reverse();
                }
                let double = bytes.as_slice().try_into().map(f64::from_le_bytes);
                let single = bytes.as_slice().try_into().map(f32::from_le_bytes).map(f64::from);
                out.push(Value::Number(double.or(single).unwrap_or(0.0)));
            }
            b'c' => {
                if size == 0 {
                    let Some(Value::Number(count)) = out.pop() else {
                        return Err(Fail::message("format 'c0' needs a previous size"));
                    };
                    size = usize::try_from(to_unsigned(count)).unwrap_or(usize::MAX);
                }
                let end = place.checked_add(size).ok_or_else(short)?;
                let text = vm.bytes(data).get(place..end).ok_or_else(short)?.to_vec();
                vm.charge_bytes(size)?;
                out.push(vm.string(text)?);
            }
            b's' => {
                let rest = vm.bytes(data).get(place..).unwrap_or_default();
                let Some(length) = memchr::memchr(0, rest) else {
                    return Err(Fail::message("unfinished string in data"));
                };
                let text = rest.get(..length).unwrap_or_default().to_vec();
                vm.charge_bytes(length)?;
                out.push(vm.string(text)?);
                size = length.saturating_add(1);
            }
            other => format.control(other)?,
        }
        place = place.saturating_add(size);
    }
    out.push(Value::Number(place.saturating_add(1) as f64));
    Ok(())
}

fn integer(bytes: &[u8], is_big: bool, is_signed: bool) -> f64 {
    let add = |number: u64, byte: &u8| (number << 8) | u64::from(*byte);
    let number = if is_big { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) };
    if !is_signed {
        return number as f64;
    }
    let bits = u32::try_from(bytes.len()).unwrap_or(0).wrapping_mul(8).wrapping_sub(1);
    let mask = u64::MAX.wrapping_shl(bits);
    (if number & mask != 0 { number | mask } else { number }) as i64 as f64
}

fn size(vm: &mut Vm<'_>, arguments: &[Value], out: &mut Vec<Value>) -> Done {
    let mut format = Format::new(vm, arguments)?;
    let mut place = 0_usize;
    while let Some((option, size, fill)) = format.next(place)? {
        place = place.saturating_add(fill);
        match option {
            b's' => return Err(Fail::Argument(1, "option 's' has no fixed size".into())),
            b'c' if size == 0 => return Err(Fail::Argument(1, "option 'c0' has no fixed size".into())),
            _ if !option.is_ascii_alphanumeric() => format.control(option)?,
            _ => {}
        }
        place = place.saturating_add(size);
    }
    out.push(Value::Number(place as f64));
    Ok(())
}
