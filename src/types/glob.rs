//! Redis's glob patterns: `*`, `?`, `[set]`, `[^set]`, `[a-z]`, `\x`.
//!
//! The matcher backtracks to the last star only, so its time is at most pattern × text, without recursion.

/// Whether `text` matches `pattern`; `nocase` ignores ASCII case.
pub fn matches(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    // As in Redis: of all patterns of stars, only a single star matches the empty text.
    if text.is_empty() {
        return pattern.is_empty() || pattern == b"*";
    }
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            while pattern.get(p) == Some(&b'*') {
                p += 1;
            }
            if p == pattern.len() {
                return true;
            }
            retry = Some((p, t));
            continue;
        }
        let Some(byte) = text.get(t) else {
            return p == pattern.len();
        };
        match one(pattern.get(p..).unwrap_or_default(), *byte, nocase) {
            Some(width) => {
                p += width;
                t += 1;
            }
            None => match retry {
                Some((star, from)) => {
                    p = star;
                    t = from + 1;
                    retry = Some((star, t));
                }
                None => return false,
            },
        }
    }
}

/// The bytes that every match must start with.
pub fn literal_prefix(pattern: &[u8]) -> Vec<u8> {
    let mut prefix = Vec::new();
    let mut rest = pattern;
    loop {
        match rest {
            [b'*' | b'?' | b'[', ..] | [] => return prefix,
            [b'\\', byte, tail @ ..] => {
                prefix.push(*byte);
                rest = tail;
            }
            [byte, tail @ ..] => {
                prefix.push(*byte);
                rest = tail;
            }
        }
    }
}

/// Whether the first element of `pattern` matches `byte`, and how long it is.
fn one(pattern: &[u8], byte: u8, nocase: bool) -> Option<usize> {
    let fold = |b: u8| if nocase { b.to_ascii_lowercase() } else { b };
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', ..] => set(pattern, byte, nocase),
        [b'\\', escaped, ..] => (fold(*escaped) == fold(byte)).then_some(2),
        [literal, ..] => (fold(*literal) == fold(byte)).then_some(1),
    }
}

fn set(pattern: &[u8], byte: u8, nocase: bool) -> Option<usize> {
    let fold = |b: u8| if nocase { b.to_ascii_lowercase() } else { b };
    let byte = fold(byte);
    let (negated, mut at) = if pattern.get(1) == Some(&b'^') { (true, 2) } else { (false, 1) };
    let mut found = false;
    loop {
        match pattern.get(at..).unwrap_or_default() {
            // As Redis: a set that never closes ends with the pattern.
            [] => break,
            [b']', ..] => {
                at += 1;
                break;
            }
            [b'\\', escaped, ..] => {
                found |= fold(*escaped) == byte;
                at += 2;
            }
            [low, b'-', high, ..] => {
                let (low, high) = (fold(*low.min(high)), fold(*high.max(low)));
                found |= (low..=high).contains(&byte);
                at += 3;
            }
            [member, ..] => {
                found |= fold(*member) == byte;
                at += 1;
            }
        }
    }
    (found != negated).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patterns_of_redis() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("**", "", false),
            ("a**", "a", true),
            ("*", "abc", true),
            ("", "", true),
            ("", "a", false),
            ("a*c", "abbc", true),
            ("a*c", "abbd", false),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h[ae]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[^e]llo", "hbllo", true),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hallo", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("[", "[", false),
            ("[abc", "a", true),
            ("a\\", "a\\", true),
            ("*[0-9]*x", "a1bx", true),
            ("[\\]]", "]", true),
            ("**a**", "bab", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes(), false), expected, "{pattern} {text}");
        }
        assert!(matches(b"HeL[A-Z]o", b"hElLO", true));
        assert!(!matches(b"HeLlo", b"hello", false));
    }

    #[test]
    fn hostile_patterns_take_bounded_time() {
        let text = vec![b'a'; 64 * 1024];
        let stars = vec![b'*'; 100_000];
        assert!(matches(&stars, &text, false));
        assert!(!matches(&[&stars[..], b"b"].concat(), &text, false));
        assert!(!matches(b"a*a*a*a*a*a*a*a*a*b", &text[..4096], false));
        assert!(!matches(&vec![b'['; 100_000], b"x", false));
    }

    #[test]
    fn literal_prefixes() {
        for (pattern, prefix) in
            [("user:*", "user:"), ("a\\*b?", "a*b"), ("*x", ""), ("plain", "plain"), ("[a]b", "")]
        {
            assert_eq!(literal_prefix(pattern.as_bytes()), prefix.as_bytes());
        }
    }
}
