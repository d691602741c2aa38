//! The request decoder: finds the next complete request in a buffer, in steps that never look at a byte twice.

use super::inline;
use crate::limits;
use std::ops::Range;

/// Bounds that are checked before a length is used.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub argc_max: usize,
    pub bulk_bytes_max: usize,
    pub query_bytes_max: usize,
    pub inline_bytes_max: usize,
    /// Use the texts for clients that have not authenticated.
    pub pre_auth: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            argc_max: limits::ARGC_MAX,
            bulk_bytes_max: limits::BULK_BYTES_MAX,
            query_bytes_max: limits::QUERY_BYTES_MAX,
            inline_bytes_max: limits::INLINE_BYTES_MAX,
            pre_auth: false,
        }
    }
}

impl Limits {
    /// For clients that have not authenticated.
    pub fn pre_auth() -> Self {
        Limits {
            argc_max: limits::PREAUTH_ARGC_MAX,
            bulk_bytes_max: limits::PREAUTH_BULK_BYTES_MAX,
            query_bytes_max: limits::PREAUTH_QUERY_BYTES_MAX,
            pre_auth: true,
            ..Limits::default()
        }
    }
}

/// The first element of the buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// A request; its words are in the caller's `argv` as ranges.
    Request { used: usize },
    /// An inline command; its quotes and escapes are resolved, so its words are copies.
    Inline { used: usize, argv: Vec<Vec<u8>> },
    /// An empty line or an empty array.
    Skip { used: usize },
    /// Not all there yet; at least `need` bytes in all would get further.
    Incomplete { need: usize },
}

/// A request that breaks the protocol; the client gets the text and is disconnected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Protocol error: {0}")]
pub struct ProtocolError(pub String);

/// Remembers its progress in an incomplete request. The caller must pass the same start of the buffer until the request is
/// complete; `argv` may differ each time.
#[derive(Debug, Default)]
pub struct Decoder {
    /// Words found so far of an incomplete request. Grows with the bytes that arrived, not with the announced number.
    seen: Vec<Range<usize>>,
    /// Words still to come; 0 = at the start of a request.
    words_left: usize,
    /// The offset of the next header.
    at: usize,
    /// Length of the word whose header has been read.
    bulk: Option<usize>,
    /// The bytes of the current line already searched for its end.
    searched: usize,
}

impl Decoder {
    pub fn new() -> Self {
        Decoder::default()
    }

    /// Memory for the words found so far.
    pub fn memory_bytes(&self) -> usize {
        self.seen.capacity().saturating_mul(size_of::<Range<usize>>())
    }

    /// How much of the present word has yet to come, if so many bytes of the request have.
    pub fn missing(&self, come: usize) -> usize {
        self.bulk.map_or(0, |bulk| self.at.saturating_add(bulk).saturating_add(2).saturating_sub(come))
    }

    /// Looks at the start of `buf`; see `Decoded`. `argv` is filled when the outcome is `Request`, else it is empty.
    pub fn next(
        &mut self,
        buf: &[u8],
        limits: &Limits,
        argv: &mut Vec<Range<usize>>,
    ) -> Result<Decoded, ProtocolError> {
        argv.clear();
        // Kept here between calls and not by the caller: a caller that forgot it would run the rest of a request as a
        // command of its own.
        std::mem::swap(argv, &mut self.seen);
        let decoded = self.step(buf, limits, argv);
        match decoded {
            Ok(Decoded::Incomplete { .. }) => std::mem::swap(argv, &mut self.seen),
            Err(_) => argv.clear(),
            Ok(_) => {}
        }
        decoded
    }

    fn step(
        &mut self,
        buf: &[u8],
        limits: &Limits,
        argv: &mut Vec<Range<usize>>,
    ) -> Result<Decoded, ProtocolError> {
        if self.words_left == 0 {
            match buf.first() {
                None => return Ok(Decoded::Incomplete { need: 1 }),
                Some(b'*') => {}
                Some(_) => return self.inline(buf, limits),
            }
            let Some((line, next)) = self.line(buf, 1, limits, "too big mbulk count string")? else {
                return Ok(Decoded::Incomplete { need: buf.len().saturating_add(1) });
            };
            let count = number(line).ok_or_else(|| error("invalid multibulk length"))?;
            if count > i64::try_from(limits.argc_max).unwrap_or(i64::MAX) {
                let text = if limits.pre_auth && count <= limits::ARGC_MAX as i64 {
                    "unauthenticated multibulk length"
                } else {
                    "invalid multibulk length"
                };
                return Err(error(text));
            }
            if count <= 0 {
                self.reset();
                return Ok(Decoded::Skip { used: next });
            }
            self.words_left = usize::try_from(count).unwrap_or(0);
            self.at = next;
        }
        while self.words_left > 0 {
            let bulk = match self.bulk {
                Some(bulk) => bulk,
                None => {
                    let Some(bulk) = self.header(buf, limits)? else {
                        return Ok(Decoded::Incomplete { need: buf.len().saturating_add(1) });
                    };
                    bulk
                }
            };
            let end = self.at.saturating_add(bulk);
            match buf.get(end..end.saturating_add(2)) {
                Some(b"\r\n") => {}
                Some(_) => return Err(error("bulk string is not followed by CRLF")),
                None => {
                    self.bulk = Some(bulk);
                    return Ok(Decoded::Incomplete { need: end.saturating_add(2) });
                }
            }
            argv.push(self.at..end);
            self.bulk = None;
            self.at = end.saturating_add(2);
            self.words_left -= 1;
        }
        let used = self.at;
        self.reset();
        Ok(Decoded::Request { used })
    }

    fn reset(&mut self) {
        *self = Decoder::default();
    }

    /// Reads `$<length>\r\n` at `self.at` and moves behind it.
    fn header(&mut self, buf: &[u8], limits: &Limits) -> Result<Option<usize>, ProtocolError> {
        match buf.get(self.at) {
            None => return Ok(None),
            Some(b'$') => {}
            Some(other) => {
                return Err(error(format!("expected '$', got '{}'", char::from(*other))));
            }
        }
        let start = self.at.saturating_add(1);
        let Some((line, next)) = self.line(buf, start, limits, "too big bulk count string")? else {
            return Ok(None);
        };
        let length = number(line)
            .and_then(|length| usize::try_from(length).ok())
            .filter(|length| *length <= limits.bulk_bytes_max.max(limits::PREAUTH_BULK_BYTES_MAX));
        let Some(length) = length else {
            let huge = number(line).is_some_and(|n| n >= 0 && n <= limits::BULK_BYTES_MAX as i64);
            let text =
                if limits.pre_auth && huge { "unauthenticated bulk length" } else { "invalid bulk length" };
            return Err(error(text));
        };
        self.at = next;
        Ok(Some(length))
    }

    /// The line that starts at `start`, without its CRLF, and where the next one starts.
    fn line<'a>(
        &mut self,
        buf: &'a [u8],
        start: usize,
        limits: &Limits,
        too_long: &str,
    ) -> Result<Option<(&'a [u8], usize)>, ProtocolError> {
        let from = self.searched.max(start);
        match memchr::memchr(b'\r', buf.get(from..).unwrap_or_default()) {
            Some(offset) => {
                let end = from.saturating_add(offset);
                // Also if it came in one piece: a refusal must not depend on how TCP splits it.
                if end.saturating_sub(start) > limits.inline_bytes_max {
                    return Err(error(too_long));
                }
                // Redis, too, checks the CR only; the byte behind it must have arrived.
                if buf.len() < end.saturating_add(2) {
                    self.searched = end;
                    return Ok(None);
                }
                self.searched = 0;
                Ok(Some((buf.get(start..end).unwrap_or_default(), end.saturating_add(2))))
            }
            None if buf.len().saturating_sub(start) > limits.inline_bytes_max => Err(error(too_long)),
            None => {
                self.searched = buf.len();
                Ok(None)
            }
        }
    }

    fn inline(&mut self, buf: &[u8], limits: &Limits) -> Result<Decoded, ProtocolError> {
        let Some(offset) = memchr::memchr(b'\n', buf.get(self.searched..).unwrap_or_default()) else {
            if buf.len() > limits.inline_bytes_max {
                return Err(error("too big inline request"));
            }
            self.searched = buf.len();
            return Ok(Decoded::Incomplete { need: buf.len().saturating_add(1) });
        };
        let end = self.searched.saturating_add(offset);
        self.reset();
        if end > limits.inline_bytes_max {
            return Err(error("too big inline request"));
        }
        let line = buf.get(..end).unwrap_or_default();
        // Redis never finds the end of such a line and waits until it is too big. Running the part before the NUL would run
        // something that was not sent.
        if memchr::memchr(0, line).is_some() {
            return Err(error("NUL byte in inline request"));
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let argv = inline::split(line).ok_or_else(|| error("unbalanced quotes in request"))?;
        let used = end.saturating_add(1);
        Ok(if argv.is_empty() { Decoded::Skip { used } } else { Decoded::Inline { used, argv } })
    }
}

fn error(text: impl Into<String>) -> ProtocolError {
    ProtocolError(text.into())
}

/// Redis's strict integer syntax; plain loops because every word of every request has one.
fn number(line: &[u8]) -> Option<i64> {
    match line {
        [digit @ b'0'..=b'9'] => Some(i64::from(digit - b'0')),
        [b'1'..=b'9', ..] if line.len() <= 18 => {
            let mut value = 0_i64;
            for byte in line {
                let digit = byte.wrapping_sub(b'0');
                if digit > 9 {
                    return None;
                }
                value = value * 10 + i64::from(digit);
            }
            Some(value)
        }
        [b'-', b'1'..=b'9', ..] | [b'1'..=b'9', ..] => {
            let text = std::str::from_utf8(line).ok()?;
            text.bytes().skip(1).all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode_all(input: &[u8], cut: usize) -> Result<Vec<Vec<Vec<u8>>>, ProtocolError> {
        let (mut decoder, limits) = (Decoder::new(), Limits { inline_bytes_max: 64, ..Limits::default() });
        let (mut at, mut seen, mut out) = (0, cut.min(input.len()), Vec::new());
        loop {
            // A different one each time, and not empty: the decoder must not rely on its former content.
            let mut argv = vec![7..9, 1..2];
            match decoder.next(&input[at..seen], &limits, &mut argv)? {
                Decoded::Request { used } => {
                    let buf = &input[at..seen];
                    out.push(argv.iter().map(|range| buf[range.clone()].to_vec()).collect());
                    at += used;
                }
                Decoded::Inline { used, argv } => {
                    out.push(argv);
                    at += used;
                }
                Decoded::Skip { used } => at += used,
                Decoded::Incomplete { need } => {
                    assert!(need > seen - at && argv.is_empty());
                    assert!([0, need - (seen - at)].contains(&decoder.missing(seen - at)));
                    if seen == input.len() {
                        return Ok(out);
                    }
                    seen = (seen + cut.max(1)).min(input.len());
                }
            }
        }
    }

    #[test]
    fn a_pipeline_cut_anywhere_reads_the_same() {
        let input = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n\r\n*0\r\n*-1\r\n*1\r\n$0\r\n\r\nSET a 'b c'\n*3\r\n$3\r\nSET\r\n$2\r\n\r\n\r\n$4\r\n$1\r\n\r\n";
        let whole = decode_all(input, input.len()).expect("decodes");
        assert_eq!(whole.len(), 5);
        for cut in 1..input.len() {
            assert_eq!(decode_all(input, cut).expect("decodes"), whole, "in pieces of {cut}");
        }
    }

    #[test]
    fn errors_have_the_texts_of_redis() {
        for (input, text) in [
            (&b"*3000000000\r\n"[..], "invalid multibulk length"),
            (b"*9223372036854775808\r\n", "invalid multibulk length"),
            (b"*1e3\r\n", "invalid multibulk length"),
            (b"*+1\r\n", "invalid multibulk length"),
            (b"* 1\r\n", "invalid multibulk length"),
            (b"*01\r\n", "invalid multibulk length"),
            (b"*1\r\n$-10\r\n", "invalid bulk length"),
            (b"*1\r\n$2000000000\r\n", "invalid bulk length"),
            (b"*1\r\n$blabla\r\n", "invalid bulk length"),
            (b"*1\r\n$\r\n", "invalid bulk length"),
            (b"*1\r\n$18446744073709551615\r\n", "invalid bulk length"),
            (b"*3\r\n$3\r\nSET\r\nfooz\r\n", "expected '$', got 'f'"),
            (b"*1\r\n$3\r\nSETxx", "bulk string is not followed by CRLF"),
            (b"SET a \"b\r\n", "unbalanced quotes in request"),
            (b"SET a b\0c\r\n", "NUL byte in inline request"),
        ] {
            assert_eq!(decode_all(input, input.len()), Err(ProtocolError(text.into())), "{input:?}");
        }
    }

    #[test]
    fn a_line_is_too_long_however_it_was_cut() {
        for (head, text) in [
            (&b"*"[..], "too big mbulk count string"),
            (b"*1\r\n$", "too big bulk count string"),
            (b"", "too big inline request"),
        ] {
            for tail in [&b""[..], b"\r\n"] {
                let input = [head, &[b'1'; 65], tail].concat();
                for cut in 1..=input.len() {
                    let outcome = decode_all(&input, cut);
                    assert_eq!(
                        outcome,
                        Err(ProtocolError(text.into())),
                        "{head:?} {tail:?} in pieces of {cut}"
                    );
                }
            }
        }
        // With its CR it is as long as it may be.
        let input = [&[b'1'; 63][..], b"\r\n"].concat();
        for cut in 1..=input.len() {
            assert_eq!(decode_all(&input, cut).unwrap(), [[vec![b'1'; 63]]]);
        }
    }

    #[test]
    fn before_auth_the_limits_are_small() {
        for (input, text) in [
            (&b"*11\r\n"[..], "unauthenticated multibulk length"),
            (b"*1\r\n$16385\r\n", "unauthenticated bulk length"),
        ] {
            let outcome = Decoder::new().next(input, &Limits::pre_auth(), &mut Vec::new());
            assert_eq!(outcome, Err(ProtocolError(text.into())));
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic_and_pieces_agree(
            input in proptest::collection::vec(prop_oneof![Just(b'*'), Just(b'$'), Just(b'\r'), Just(b'\n'), Just(b'1'), any::<u8>()], 0..60),
            cut in 1_usize..8,
        ) {
            prop_assert_eq!(decode_all(&input, cut), decode_all(&input, input.len().max(1)));
        }
    }
}
