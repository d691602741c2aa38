//! Inline commands: words split as redis-cli and Redis's own inline parser split them.

/// Splits a line into words; `None` = an unclosed quote, or text right behind a closing quote. Double quotes know `\n \r \t
/// \b \a \xHH` and `\` before any other character; single quotes know `\'`.
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        while let Some((_, tail)) = rest.split_first().filter(|(byte, _)| is_space(**byte)) {
            rest = tail;
        }
        if rest.is_empty() {
            return Some(words);
        }
        let mut word = Vec::new();
        loop {
            match rest {
                [] => break,
                [byte, ..] if is_space(*byte) => break,
                [b'"', tail @ ..] => {
                    rest = closed(double_quoted(tail, &mut word)?)?;
                    break;
                }
                [b'\'', tail @ ..] => {
                    rest = closed(single_quoted(tail, &mut word)?)?;
                    break;
                }
                [byte, tail @ ..] => {
                    word.push(*byte);
                    rest = tail;
                }
            }
        }
        words.push(word);
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// A closing quote must be followed by a space or by nothing.
fn closed(rest: &[u8]) -> Option<&[u8]> {
    match rest {
        [byte, ..] if !is_space(*byte) => None,
        rest => Some(rest),
    }
}

fn double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [b'"', tail @ ..] => return Some(tail),
            [b'\\', b'x', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                word.push(hex(*high) << 4 | hex(*low));
                rest = tail;
            }
            [b'\\', escaped, tail @ ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                rest = tail;
            }
            [byte, tail @ ..] => {
                word.push(*byte);
                rest = tail;
            }
            [] => return None,
        }
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [b'\\', b'\'', tail @ ..] => {
                word.push(b'\'');
                rest = tail;
            }
            [b'\'', tail @ ..] => return Some(tail),
            [byte, tail @ ..] => {
                word.push(*byte);
                rest = tail;
            }
            [] => return None,
        }
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_quotes_and_escapes() {
        let split = |line: &str| split(line.as_bytes());
        assert_eq!(split("  a  b\t c "), Some(vec![b"a".to_vec(), b"b".to_vec(), b"c".to_vec()]));
        assert_eq!(
            split(r#""a\x41\n\"" 'it\'s \n' """#),
            Some(vec![b"aA\n\"".to_vec(), b"it's \\n".to_vec(), vec![]])
        );
        assert_eq!(split(r#"ab"cd""#), Some(vec![b"abcd".to_vec()]));
        assert_eq!(split(""), Some(vec![]));
        for bad in [r#"""#, r#""a"b"#, "'a", "'a'b", r#""\"#] {
            assert_eq!(split(bad), None, "{bad}");
        }
    }
}
