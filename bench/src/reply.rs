//! Counts complete replies in a byte stream, without keeping them.

/// What one complete reply was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    Error,
}

/// The length of the first complete reply in `buf` and what it was; `None` = not complete. `Err` = not RESP.
pub fn first(buf: &[u8]) -> Result<Option<(usize, Outcome)>, String> {
    let mut at = 0;
    let mut left: u64 = 1;
    let mut outcome = Outcome::Ok;
    while left > 0 {
        let Some(rest) = buf.get(at..) else { return Ok(None) };
        let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") else { return Ok(None) };
        let (kind, line) = match rest.get(..end).and_then(<[u8]>::split_first) {
            Some((kind, line)) => (*kind, line),
            None => return Err("an empty line where a reply should be".into()),
        };
        at += end + 2;
        left -= 1;
        let number = || std::str::from_utf8(line).ok().and_then(|text| text.parse::<i64>().ok());
        match kind {
            b'+' | b':' | b',' | b'_' | b'#' | b'(' => {}
            b'-' => outcome = Outcome::Error,
            b'$' | b'=' => {
                let len = number().ok_or("a bulk length that is no number")?;
                if len >= 0 {
                    at += usize::try_from(len).map_err(|e| e.to_string())? + 2;
                    if at > buf.len() {
                        return Ok(None);
                    }
                }
            }
            b'*' | b'~' | b'>' | b'%' => {
                let count = number().ok_or("an array length that is no number")?;
                let count = u64::try_from(count.max(0)).unwrap_or(0);
                left += if kind == b'%' { count * 2 } else { count };
            }
            other => return Err(format!("a reply that begins with byte {other}")),
        }
    }
    Ok(Some((at, outcome)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_of_all_shapes_and_every_cut() {
        let all: [&[u8]; 8] = [
            b"+OK\r\n",
            b":1\r\n",
            b"$3\r\nabc\r\n",
            b"$-1\r\n",
            b"*-1\r\n",
            b"*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n",
            b"%1\r\n+a\r\n:1\r\n",
            b"-ERR no\r\n",
        ];
        for reply in all {
            for cut in 0..reply.len() {
                assert_eq!(first(&reply[..cut]), Ok(None), "{reply:?} cut at {cut}");
            }
            let outcome = if reply[0] == b'-' { Outcome::Error } else { Outcome::Ok };
            assert_eq!(first(&[reply, b"+more"].concat()), Ok(Some((reply.len(), outcome))));
        }
        assert!(first(b"HTTP/1.1\r\n").is_err());
    }
}
