//! A command line into arguments, with redis-cli's quoting; and the `${…}` substitutions.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// What `!save` kept, by name.
pub type Variables = HashMap<String, Vec<u8>>;

/// Splits a line as redis-cli does: `"a\n\x00"` with escapes, `'a'` with `\'` only, blanks between arguments.
pub fn split_words(line: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, after) = match first {
            '"' => double_quoted(rest.get(1..).unwrap_or_default())?,
            '\'' => single_quoted(rest.get(1..).unwrap_or_default())?,
            _ => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                (word.as_bytes().to_vec(), after)
            }
        };
        if after.chars().next().is_some_and(|next| !next.is_whitespace()) {
            return Err(format!("a closing quote must be followed by a blank: {line}"));
        }
        words.push(word);
        rest = after.trim_start();
    }
    Ok(words)
}

fn double_quoted(text: &str) -> Result<(Vec<u8>, &str), String> {
    let mut word = Vec::new();
    let mut chars = text.char_indices();
    while let Some((at, next)) = chars.next() {
        match next {
            '"' => return Ok((word, text.get(at + 1..).unwrap_or_default())),
            '\\' => match chars.next().map(|(_, escaped)| escaped) {
                Some('x') => {
                    let digits: String = chars.by_ref().take(2).map(|(_, digit)| digit).collect();
                    let byte = u8::from_str_radix(&digits, 16)
                        .map_err(|_| format!("not hexadecimal: \\x{digits}"))?;
                    word.push(byte);
                }
                Some('n') => word.push(b'\n'),
                Some('r') => word.push(b'\r'),
                Some('t') => word.push(b'\t'),
                Some('b') => word.push(8),
                Some('a') => word.push(7),
                Some(other) => push(&mut word, other),
                None => break,
            },
            other => push(&mut word, other),
        }
    }
    Err(format!("no closing quote: \"{text}"))
}

fn single_quoted(text: &str) -> Result<(Vec<u8>, &str), String> {
    let mut word = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, next)) = chars.next() {
        match next {
            '\'' => return Ok((word, text.get(at + 1..).unwrap_or_default())),
            '\\' if chars.peek().is_some_and(|(_, quote)| *quote == '\'') => {
                chars.next();
                word.push(b'\'');
            }
            other => push(&mut word, other),
        }
    }
    Err(format!("no closing quote: '{text}"))
}

fn push(word: &mut Vec<u8>, next: char) {
    word.extend_from_slice(next.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Replaces each `${…}` of an argument. Unknown names are an error: a script must not test by accident.
pub fn substitute(word: &[u8], variables: &Variables) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut rest = word;
    while let Some(start) = rest.windows(2).position(|pair| pair == b"${") {
        let (before, from) = rest.split_at(start);
        out.extend_from_slice(before);
        let Some(end) = from.iter().position(|byte| *byte == b'}') else {
            break;
        };
        let name = String::from_utf8_lossy(from.get(2..end).unwrap_or_default()).into_owned();
        out.extend_from_slice(&expand(&name, variables)?);
        rest = from.get(end + 1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    Ok(out)
}

fn expand(name: &str, variables: &Variables) -> Result<Vec<u8>, String> {
    let unknown = || format!("nothing is known as ${{{name}}}");
    if let Some(value) = variables.get(name) {
        return Ok(value.clone());
    }
    if let Some((text, count)) = name.strip_prefix("repeat:").and_then(|rest| rest.rsplit_once(':')) {
        return Ok(text.repeat(count.parse().map_err(|_| unknown())?).into_bytes());
    }
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (now, offset) = match (name.strip_prefix("now_s"), name.strip_prefix("now_ms")) {
        (Some(offset), _) => (elapsed.as_secs() as i64, offset),
        (_, Some(offset)) => (elapsed.as_millis() as i64, offset),
        _ => return Err(unknown()),
    };
    let offset: i64 = if offset.is_empty() { 0 } else { offset.parse().map_err(|_| unknown())? };
    Ok((now + offset).to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_is_that_of_redis_cli() {
        let words = split_words(r#"SET "a\x00\n\"b" 'c\'d\n' plain "" é"#).unwrap();
        let expected: [&[u8]; 6] = [b"SET", b"a\0\n\"b", b"c'd\\n", b"plain", b"", "é".as_bytes()];
        assert_eq!(words, expected);
        assert!(split_words("\"a").is_err());
        assert!(split_words("\"a\"b").is_err());
    }

    #[test]
    fn substitution_knows_saved_values_and_repeats() {
        let variables = Variables::from([("id".to_owned(), b"7".to_vec())]);
        assert_eq!(substitute(b"<${id}${repeat:ab:2}>", &variables).unwrap(), b"<7abab>");
        assert!(substitute(b"${other}", &variables).is_err());
    }
}
