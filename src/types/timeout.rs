//! Timeouts of blocking commands: seconds with a fraction, limited so that their end can be represented.

use crate::{error::Result, resp::ErrorReply};

/// Milliseconds to wait, rounded up; 0 = for ever. `now` is in ms.
pub fn parse(word: &[u8], now: u64) -> Result<u64> {
    let seconds = std::str::from_utf8(word).ok().and_then(|text| text.parse::<f64>().ok());
    let seconds = seconds.filter(|seconds| !seconds.is_nan());
    let seconds = seconds.ok_or_else(|| ErrorReply::err("timeout is not a float or out of range"))?;
    let ms = (seconds * 1000.0).ceil();
    if ms < 0.0 {
        return Err(ErrorReply::err("timeout is negative").into());
    }
    // A float becomes the nearest representable number; it does not overflow.
    let ms = ms as u64;
    let is_a_time = ms.checked_add(now).is_some_and(|end| i64::try_from(end).is_ok());
    if ms != 0 && !is_a_time {
        return Err(ErrorReply::err("timeout is out of range").into());
    }
    Ok(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts() {
        for (word, ms) in
            [("0", 0), ("1", 1000), ("0.0001", 1), ("+.5", 500), ("1e2", 100_000), ("-0.0001", 0)]
        {
            assert_eq!(parse(word.as_bytes(), 5).ok(), Some(ms), "{word}");
        }
        for (word, error) in [
            ("", "not a float"),
            (" 1", "not a float"),
            ("nan", "not a float"),
            ("1x", "not a float"),
            ("-1", "negative"),
            ("-inf", "negative"),
            ("inf", "timeout is out of range"),
            ("9223372036854776", "timeout is out of range"),
        ] {
            let found = parse(word.as_bytes(), 5).map_err(|error| error.to_string());
            assert!(found.as_ref().is_err_and(|text| text.contains(error)), "{word}: {found:?}");
        }
        assert!(parse(b"9223372036854775", 1000).is_err());
    }
}
