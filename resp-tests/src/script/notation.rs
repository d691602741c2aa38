//! How a reply is written in a script: exact, typed, readable.
//!
//! ```text
//! +OK    -ERR text    :1    "bulk\r\n\x00"    (nil)  $-1    (nil array)  *-1
//! (null)  RESP3 null    #t  #f    ,1.5  double    (123  big number    !"blob error"    ="txt:verbatim"
//! *2            an array: its elements follow, indented by two
//!   :1
//!   "a"
//! %1            a map: one `key => value` per pair; ~ a set; > a push
//!   "k" => :1
//! ```
//! A bulk string over [`ABBREVIATE_BYTES`] is written as its head, length and hash, so that it is still exact.

use crate::value::Value;

/// Longer strings are abbreviated in the block notation, never in [`one_line`].
const ABBREVIATE_BYTES: usize = 600;
const HEAD_BYTES: usize = 24;

/// The reply in the block notation, one string per line.
pub fn render(value: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    write_lines(&mut lines, 0, "", value);
    lines
}

/// The whole reply on one line, unabbreviated: what patterns are matched against.
pub fn one_line(value: &Value) -> String {
    match value {
        Value::Array(items) => joined('*', items),
        Value::Set(items) => joined('~', items),
        Value::Push(items) => joined('>', items),
        Value::Map(pairs) => {
            let pairs = pairs.iter().map(|(key, value)| format!(" {} => {}", one_line(key), one_line(value)));
            format!("%{}", pairs.len()) + &pairs.collect::<String>()
        }
        leaf => write_leaf(leaf, usize::MAX),
    }
}

fn joined(sign: char, items: &[Value]) -> String {
    items.iter().fold(format!("{sign}{}", items.len()), |line, item| line + " " + &one_line(item))
}

fn write_lines(lines: &mut Vec<String>, depth: usize, lead: &str, value: &Value) {
    let indent = "  ".repeat(depth);
    let (sign, items) = match value {
        Value::Array(items) => ('*', items),
        Value::Set(items) => ('~', items),
        Value::Push(items) => ('>', items),
        Value::Map(pairs) => {
            lines.push(format!("{indent}{lead}%{}", pairs.len()));
            for (key, value) in pairs {
                write_lines(lines, depth + 1, &format!("{} => ", one_line(key)), value);
            }
            return;
        }
        leaf => {
            lines.push(format!("{indent}{lead}{}", write_leaf(leaf, ABBREVIATE_BYTES)));
            return;
        }
    };
    lines.push(format!("{indent}{lead}{sign}{}", items.len()));
    for item in items {
        write_lines(lines, depth + 1, "", item);
    }
}

fn write_leaf(value: &Value, bytes_max: usize) -> String {
    match value {
        Value::Simple(text) => format!("+{}", escape_line(text)),
        Value::Error(text) => format!("-{}", escape_line(text)),
        Value::Integer(number) => format!(":{number}"),
        Value::Bulk(text) => quote(text, bytes_max),
        Value::NilBulk => "(nil)".into(),
        Value::NilArray => "(nil array)".into(),
        Value::Null => "(null)".into(),
        Value::Bool(truth) => if *truth { "#t" } else { "#f" }.into(),
        Value::Double(text) => format!(",{}", escape(text)),
        Value::Big(text) => format!("({}", escape(text)),
        Value::BlobError(text) => format!("!{}", quote(text, bytes_max)),
        Value::Verbatim(format, text) => {
            let whole = [format, b":".as_slice(), text].concat();
            format!("={}", quote(&whole, bytes_max))
        }
        Value::Array(_) | Value::Set(_) | Value::Push(_) | Value::Map(_) => one_line(value),
    }
}

fn quote(text: &[u8], bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return format!("\"{}\"", escape(text));
    }
    let head = escape(text.get(..HEAD_BYTES).unwrap_or_default());
    format!("\"{head}\"... ({} bytes, hash {:016x})", text.len(), fnv1a(text))
}

fn escape(text: &[u8]) -> String {
    let mut out = String::new();
    for &byte in text {
        match byte {
            b'\r' => out.push_str("\\r"),
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out
}

/// As [`escape`], and a blank at the end of the line stays visible.
fn escape_line(text: &[u8]) -> String {
    let line = escape(text);
    line.strip_suffix(' ').map_or_else(|| line.clone(), |start| format!("{start}\\x20"))
}

/// FNV-1a, 64 bits: fixed for ever, as recorded expectations hold its results.
fn fnv1a(text: &[u8]) -> u64 {
    text.iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_is_indented_and_types_stay_apart() {
        let inner = Value::Array(vec![Value::Integer(1), Value::NilBulk, Value::Array(vec![])]);
        let pair = (Value::Bulk(b"k\"\0".to_vec()), inner);
        let value = Value::Map(vec![pair, (Value::Simple(b"s".to_vec()), Value::Double(b"1.5".to_vec()))]);
        assert_eq!(
            render(&value),
            ["%2", "  \"k\\\"\\x00\" => *3", "    :1", "    (nil)", "    *0", "  +s => ,1.5"]
        );
        assert_eq!(one_line(&value), "%2 \"k\\\"\\x00\" => *3 :1 (nil) *0 +s => ,1.5");
    }

    #[test]
    fn a_long_string_is_abbreviated_but_exact() {
        let a = render(&Value::Bulk(vec![b'a'; 1000]));
        let mut other = vec![b'a'; 1000];
        other[999] = b'b';
        assert_ne!(a, render(&Value::Bulk(other)));
        assert!(a[0].contains("1000 bytes"), "{a:?}");
        assert!(one_line(&Value::Bulk(vec![b'a'; 1000])).len() > 1000);
    }
}
