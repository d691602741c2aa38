//! One reply, with every distinction that RESP2 and RESP3 make, and its decoder.
//!
//! The decoder works on a byte slice and never blocks: it answers "not yet" until a whole reply is there.
//! It trusts the peer no further than a test may: nesting and counts are not limited, so it is for tests only.

/// A decoded reply. Two replies that differ on the wire differ here.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Simple(Vec<u8>),
    Error(Vec<u8>),
    Integer(i64),
    Bulk(Vec<u8>),
    /// `$-1`
    NilBulk,
    /// `*-1`
    NilArray,
    Array(Vec<Value>),
    /// RESP3 `_`
    Null,
    Bool(bool),
    /// RESP3 `,`; the text as it was sent
    Double(Vec<u8>),
    /// RESP3 `(`; the text as it was sent
    Big(Vec<u8>),
    /// RESP3 `!`
    BlobError(Vec<u8>),
    /// RESP3 `=`: three-letter format, then the text
    Verbatim(Vec<u8>, Vec<u8>),
    Map(Vec<(Value, Value)>),
    Set(Vec<Value>),
    Push(Vec<Value>),
}

impl Value {
    /// The bytes of a scalar reply, as a script may save them for a later command.
    pub fn as_text(&self) -> Option<Vec<u8>> {
        match self {
            Value::Simple(text) | Value::Error(text) | Value::Bulk(text) | Value::Double(text) => {
                Some(text.clone())
            }
            Value::Big(text) | Value::BlobError(text) | Value::Verbatim(_, text) => Some(text.clone()),
            Value::Integer(number) => Some(number.to_string().into_bytes()),
            Value::Bool(truth) => Some(if *truth { b"1".to_vec() } else { b"0".to_vec() }),
            Value::NilBulk | Value::NilArray | Value::Null => None,
            Value::Array(_) | Value::Map(_) | Value::Set(_) | Value::Push(_) => None,
        }
    }
}

/// Decodes the first reply of `bytes`: the reply and its length, `None` when it is not complete yet.
pub fn decode(bytes: &[u8]) -> Result<Option<(Value, usize)>, String> {
    let mut reader = Reader { bytes, at: 0 };
    Ok(reader.value()?.map(|value| (value, reader.at)))
}

/// Encodes a command the way clients do: an array of bulk strings.
pub fn encode<A: AsRef<[u8]>>(argv: &[A]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", argv.len()).into_bytes();
    for arg in argv {
        let arg = arg.as_ref();
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
    out
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self) -> Result<Option<Value>, String> {
        let Some(line) = self.line()? else { return Ok(None) };
        let Some((kind, rest)) = line.split_first() else {
            return Err("an empty line where a reply is due".into());
        };
        let value = match kind {
            b'+' => Value::Simple(rest.to_vec()),
            b'-' => Value::Error(rest.to_vec()),
            b':' => Value::Integer(number(rest)?),
            b',' => Value::Double(rest.to_vec()),
            b'(' => Value::Big(rest.to_vec()),
            b'#' => Value::Bool(rest == b"t"),
            b'_' => Value::Null,
            b'$' if rest == b"-1" => Value::NilBulk,
            b'*' if rest == b"-1" => Value::NilArray,
            b'$' | b'!' | b'=' => {
                let Some(text) = self.bulk(number(rest)?)? else {
                    return Ok(None);
                };
                match kind {
                    b'$' => Value::Bulk(text),
                    b'!' => Value::BlobError(text),
                    _ => verbatim(&text)?,
                }
            }
            b'*' | b'~' | b'>' => {
                let Some(items) = self.items(number(rest)?)? else {
                    return Ok(None);
                };
                match kind {
                    b'*' => Value::Array(items),
                    b'~' => Value::Set(items),
                    _ => Value::Push(items),
                }
            }
            b'%' => {
                let mut pairs = Vec::new();
                for _ in 0..number(rest)? {
                    let Some(key) = self.value()? else { return Ok(None) };
                    let Some(value) = self.value()? else {
                        return Ok(None);
                    };
                    pairs.push((key, value));
                }
                Value::Map(pairs)
            }
            _ => {
                return Err(format!("not the start of a reply: {}", String::from_utf8_lossy(&line)));
            }
        };
        Ok(Some(value))
    }

    fn items(&mut self, count: i64) -> Result<Option<Vec<Value>>, String> {
        let mut items = Vec::new();
        for _ in 0..count {
            let Some(item) = self.value()? else {
                return Ok(None);
            };
            items.push(item);
        }
        Ok(Some(items))
    }

    fn line(&mut self) -> Result<Option<Vec<u8>>, String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") else {
            return Ok(None);
        };
        let line = rest.get(..end).unwrap_or_default().to_vec();
        self.at += end + 2;
        Ok(Some(line))
    }

    fn bulk(&mut self, length: i64) -> Result<Option<Vec<u8>>, String> {
        let length = usize::try_from(length).map_err(|_| format!("a negative length: {length}"))?;
        let Some(with_end) = self.bytes.get(self.at..self.at + length + 2) else {
            return Ok(None);
        };
        let Some(text) = with_end.strip_suffix(b"\r\n") else {
            return Err("a bulk string without its line end".into());
        };
        self.at += length + 2;
        Ok(Some(text.to_vec()))
    }
}

fn number(text: &[u8]) -> Result<i64, String> {
    let text = String::from_utf8_lossy(text);
    text.parse().map_err(|_| format!("not a number: {text}"))
}

fn verbatim(text: &[u8]) -> Result<Value, String> {
    match (text.get(..3), text.get(3), text.get(4..)) {
        (Some(format), Some(b':'), Some(rest)) => Ok(Value::Verbatim(format.to_vec(), rest.to_vec())),
        _ => Err("a verbatim string without its format".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_of_a_reply_is_not_yet_a_reply() {
        let bytes = b"%1\r\n+k\r\n*3\r\n$2\r\nab\r\n_\r\n=5\r\ntxt:x\r\n";
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut]), Ok(None), "cut at {cut}");
        }
        let list =
            vec![Value::Bulk(b"ab".to_vec()), Value::Null, Value::Verbatim(b"txt".to_vec(), b"x".to_vec())];
        let map = Value::Map(vec![(Value::Simple(b"k".to_vec()), Value::Array(list))]);
        assert_eq!(decode(bytes), Ok(Some((map, bytes.len()))));
    }

    #[test]
    fn the_two_nils_of_resp2_differ() {
        assert_eq!(decode(b"$-1\r\n"), Ok(Some((Value::NilBulk, 5))));
        assert_eq!(decode(b"*-1\r\n"), Ok(Some((Value::NilArray, 5))));
    }

    #[test]
    fn a_command_is_an_array_of_bulk_strings() {
        assert_eq!(encode(&["GET", "k\0"]), b"*2\r\n$3\r\nGET\r\n$2\r\nk\0\r\n");
    }
}
