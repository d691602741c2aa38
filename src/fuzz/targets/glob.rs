//! Patterns: the matcher agrees with a plain recursive one, and the prefix that SCAN seeks to loses no match.

use flotilla::types::glob::{literal_prefix, matches};

/// The plain one may take exponential time.
const PATTERN_BYTES_MAX: usize = 12;
const TEXT_BYTES_MAX: usize = 16;

/// First byte: length of the pattern, and case (highest bit).
pub fn run(data: &[u8]) {
    let Some((control, rest)) = data.split_first() else { return };
    let (nocase, length) = (control & 0x80 != 0, usize::from(control & 0x7f));
    let (pattern, text) = rest.split_at(length.min(rest.len()));
    let matched = matches(pattern, text, nocase);
    if matched && !nocase {
        assert!(text.starts_with(&literal_prefix(pattern)));
    }
    if pattern.len() <= PATTERN_BYTES_MAX && text.len() <= TEXT_BYTES_MAX {
        // Redis has a special rule for the empty text.
        let expected = if text.is_empty() { matches!(pattern, [] | [b'*']) } else { plain(pattern, text, nocase) };
        assert_eq!(matched, expected, "{pattern:?} {text:?} {nocase}");
    }
}

fn plain(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    let same = |a: &u8, b: &u8| if nocase { a.eq_ignore_ascii_case(b) } else { a == b };
    match (pattern, text) {
        ([], text) => text.is_empty(),
        ([b'*', rest @ ..], text) => (0..=text.len()).any(|skip| plain(rest, &text[skip..], nocase)),
        (_, []) => false,
        ([b'?', rest @ ..], [_, tail @ ..]) => plain(rest, tail, nocase),
        ([b'[', rest @ ..], [byte, tail @ ..]) => {
            let (found, rest) = set(rest, *byte, nocase);
            found && plain(rest, tail, nocase)
        }
        ([b'\\', escaped, rest @ ..], [byte, tail @ ..]) => same(escaped, byte) && plain(rest, tail, nocase),
        ([literal, rest @ ..], [byte, tail @ ..]) => same(literal, byte) && plain(rest, tail, nocase),
    }
}

/// Whether the set matches, and the pattern behind it.
fn set(pattern: &[u8], byte: u8, nocase: bool) -> (bool, &[u8]) {
    let fold = |b: u8| if nocase { b.to_ascii_lowercase() } else { b };
    let (negated, mut rest) = match pattern {
        [b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut members = [false; 256];
    let rest = loop {
        match rest {
            [] => break rest,
            [b']', tail @ ..] => break tail,
            [b'\\', member, tail @ ..] => {
                members[usize::from(fold(*member))] = true;
                rest = tail;
            }
            [a, b'-', b, tail @ ..] => {
                let (low, high) = (fold(*a.min(b)), fold(*a.max(b)));
                (low..=high).for_each(|member| members[usize::from(member)] = true);
                rest = tail;
            }
            [member, tail @ ..] => {
                members[usize::from(fold(*member))] = true;
                rest = tail;
            }
        }
    };
    (members[usize::from(fold(byte))] != negated, rest)
}
