//! Patterns for replies that no recording can fix: clocks, ids, addresses.
//!
//! `<any>` stands for any text, `<int>` for an integer, `<float>` for a decimal number, `<hex>` for hexadecimal
//! digits; everything else for itself. Cost is linear in the text for each `<any>`.

/// Whether the whole of `text` has the form `pattern`.
pub fn matches(pattern: &str, text: &str) -> bool {
    let text = text.as_bytes();
    let mut segments = pattern.split("<any>");
    let Some(first) = segments.next() else {
        return text.is_empty();
    };
    let Some(mut at) = segment_at(first, text, 0) else {
        return false;
    };
    let mut rest: Vec<&str> = segments.collect();
    let Some(last) = rest.pop() else {
        return at == text.len();
    };
    for segment in rest {
        // The leftmost fit leaves most room for what follows.
        let fit = (at..=text.len()).find_map(|start| segment_at(segment, text, start));
        let Some(end) = fit else { return false };
        at = end;
    }
    (at..=text.len()).any(|start| segment_at(last, text, start) == Some(text.len()))
}

/// Where `segment` ends when it fits at `at`. Numbers take as much as they can.
fn segment_at(segment: &str, text: &[u8], at: usize) -> Option<usize> {
    let mut segment = segment;
    let mut at = at;
    while !segment.is_empty() {
        let rest = text.get(at..)?;
        let (taken, after) = if let Some(after) = segment.strip_prefix("<int>") {
            let sign = usize::from(rest.first() == Some(&b'-'));
            let digits = run(rest.get(sign..)?, |byte| byte.is_ascii_digit())?;
            (sign + digits, after)
        } else if let Some(after) = segment.strip_prefix("<float>") {
            (run(rest, |byte| byte.is_ascii_digit() || b"+-.e".contains(&byte))?, after)
        } else if let Some(after) = segment.strip_prefix("<hex>") {
            (run(rest, |byte| byte.is_ascii_hexdigit())?, after)
        } else {
            let head = segment.chars().next()?;
            let mut buffer = [0; 4];
            let head = head.encode_utf8(&mut buffer);
            if !rest.starts_with(head.as_bytes()) {
                return None;
            }
            (head.len(), segment.get(head.len()..)?)
        };
        at += taken;
        segment = after;
    }
    Some(at)
}

/// The length of the run at the start of `text`, which must not be empty.
fn run(text: &[u8], accepts: impl Fn(u8) -> bool) -> Option<usize> {
    let length = text.iter().take_while(|byte| accepts(**byte)).count();
    (length > 0).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_fit_whole_texts_only() {
        assert!(matches("*2 \"<int>\" \"<int>\"", "*2 \"17\" \"-3\""));
        assert!(!matches("*2 \"<int>\" \"<int>\"", "*2 \"17\" \"x\""));
        assert!(matches("<any>b:<int>\\r<any>", "a:1\\rb:22\\rc:3"));
        assert!(!matches("<any>b:<int>\\r<any>", "a:1\\rb:\\rc:3"));
        assert!(matches(":<int>", ":12"));
        assert!(!matches(":<int>", ":12x"));
        assert!(matches("<any>", ""));
        assert!(!matches("", "x"));
        assert!(matches("id=<hex> f=<float>", "id=0aF f=1.5"));
        assert!(matches("-ERR <any>'", "-ERR a'b'"));
    }
}
