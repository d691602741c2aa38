//! Lua's patterns. Every step of a match is counted, so that one that goes back and forth for ever is ended.

use crate::script::{
    number::until_zero,
    vm::{Fail, Vm},
};

/// Captures of a pattern, as in Lua 5.1.
pub const CAPTURES_MAX: usize = 32;

/// Items of a pattern that may be open at once; each takes stack of the thread.
const DEPTH_MAX: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capture {
    Open(usize),
    /// From, length.
    Closed(usize, usize),
    Position(usize),
}

/// One attempt after another to match a pattern.
pub struct Matcher<'a> {
    subject: &'a [u8],
    pattern: &'a [u8],
    pub captures: Vec<Capture>,
    depth: usize,
    steps: usize,
    steps_max: usize,
}

/// What ended a match; `TooLong`: the run's instructions are used up.
#[derive(Debug)]
pub enum Broken {
    Pattern(&'static str),
    TooLong,
}

type Matched = Result<Option<usize>, Broken>;

const ESCAPE: u8 = b'%';

impl<'a> Matcher<'a> {
    pub fn new(subject: &'a [u8], pattern: &'a [u8], steps_max: usize) -> Self {
        // As in Lua 5.1: `%z` stands for a zero byte.
        Matcher { subject, pattern: until_zero(pattern), captures: Vec::new(), depth: 0, steps: 0, steps_max }
    }

    /// The end of a match that begins at `at`.
    pub fn match_at(&mut self, at: usize) -> Matched {
        self.captures.clear();
        self.depth = 0;
        self.matches(at, 0)
    }

    pub fn steps(&self) -> usize {
        self.steps
    }

    fn count(&mut self) -> Result<(), Broken> {
        self.steps = self.steps.saturating_add(1);
        if self.steps > self.steps_max { Err(Broken::TooLong) } else { Ok(()) }
    }

    fn at(&self, place: usize) -> Option<u8> {
        self.pattern.get(place).copied()
    }

    /// Matches the pattern from `p` on against the subject from `s` on.
    fn matches(&mut self, s: usize, p: usize) -> Matched {
        if self.depth >= DEPTH_MAX {
            return Err(Broken::Pattern("pattern too complex"));
        }
        self.depth = self.depth.saturating_add(1);
        let outcome = self.matches_inner(s, p);
        self.depth = self.depth.saturating_sub(1);
        outcome
    }

    fn matches_inner(&mut self, s: usize, p: usize) -> Matched {
        let (mut s, mut p) = (s, p);
        loop {
            self.count()?;
            let Some(byte) = self.at(p) else { return Ok(Some(s)) };
            match byte {
                b'(' if self.at(p + 1) == Some(b')') => return self.capture(s, p + 2, Capture::Position(s)),
                b'(' => return self.capture(s, p + 1, Capture::Open(s)),
                b')' => return self.close(s, p + 1),
                ESCAPE => match self.at(p + 1) {
                    Some(b'b') => match self.balance(s, p + 2)? {
                        Some(next) => {
                            s = next;
                            p += 4;
                            continue;
                        }
                        None => return Ok(None),
                    },
                    Some(b'f') => {
                        p += 2;
                        if self.at(p) != Some(b'[') {
                            return Err(Broken::Pattern("missing '[' after '%f' in pattern"));
                        }
                        let end = self.class_end(p)?;
                        let before = s.checked_sub(1).and_then(|s| self.subject.get(s)).copied().unwrap_or(0);
                        let after = self.subject.get(s).copied().unwrap_or(0);
                        if self.in_set(before, p, end - 1) || !self.in_set(after, p, end - 1) {
                            return Ok(None);
                        }
                        p = end;
                        continue;
                    }
                    Some(digit @ b'0'..=b'9') => match self.back_reference(s, digit)? {
                        Some(next) => {
                            s = next;
                            p += 2;
                            continue;
                        }
                        None => return Ok(None),
                    },
                    _ => {}
                },
                b'$' if p + 1 == self.pattern.len() => {
                    return Ok((s == self.subject.len()).then_some(s));
                }
                _ => {}
            }
            let end = self.class_end(p)?;
            let is_match = self.is_single(s, p, end);
            match self.at(end) {
                Some(b'?') => {
                    if is_match && let Some(found) = self.matches(s + 1, end + 1)? {
                        return Ok(Some(found));
                    }
                    p = end + 1;
                }
                Some(b'*') => return self.expand(s, p, end),
                Some(b'+') => return if is_match { self.expand(s + 1, p, end) } else { Ok(None) },
                Some(b'-') => return self.expand_least(s, p, end),
                _ if !is_match => return Ok(None),
                _ => {
                    s += 1;
                    p = end;
                }
            }
        }
    }

    fn capture(&mut self, s: usize, p: usize, capture: Capture) -> Matched {
        if self.captures.len() >= CAPTURES_MAX {
            return Err(Broken::Pattern("too many captures"));
        }
        self.captures.push(capture);
        let count = self.captures.len();
        let found = self.matches(s, p)?;
        if found.is_none() {
            self.captures.truncate(count - 1);
        }
        Ok(found)
    }

    fn close(&mut self, s: usize, p: usize) -> Matched {
        let open = self.captures.iter().rposition(|capture| matches!(capture, Capture::Open(_)));
        let Some(slot) = open.and_then(|open| self.captures.get_mut(open)) else {
            return Err(Broken::Pattern("invalid pattern capture"));
        };
        let before = *slot;
        if let Capture::Open(from) = before {
            *slot = Capture::Closed(from, s.saturating_sub(from));
        }
        let found = self.matches(s, p)?;
        if found.is_none()
            && let Some(slot) = open.and_then(|open| self.captures.get_mut(open))
        {
            *slot = before;
        }
        Ok(found)
    }

    fn balance(&mut self, s: usize, p: usize) -> Matched {
        let (Some(open), Some(close)) = (self.at(p), self.at(p + 1)) else {
            return Err(Broken::Pattern("unbalanced pattern"));
        };
        if self.subject.get(s) != Some(&open) {
            return Ok(None);
        }
        let mut depth = 1_usize;
        let mut at = s + 1;
        while let Some(byte) = self.subject.get(at).copied() {
            self.count()?;
            if byte == close {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some(at + 1));
                }
            } else if byte == open {
                depth += 1;
            }
            at += 1;
        }
        Ok(None)
    }

    fn back_reference(&mut self, s: usize, digit: u8) -> Matched {
        let index = usize::from(digit).wrapping_sub(usize::from(b'1'));
        let (from, length) = match self.captures.get(index).copied() {
            Some(Capture::Closed(from, length)) => (from, length),
            // A position has no text that could be found again.
            Some(Capture::Position(_)) => return Ok(None),
            Some(Capture::Open(_)) | None => return Err(Broken::Pattern("invalid capture index")),
        };
        self.steps = self.steps.saturating_add(length / 16);
        let captured = self.subject.get(from..from + length).unwrap_or_default();
        let rest = self.subject.get(s..).unwrap_or_default();
        Ok(rest.starts_with(captured).then_some(s + length))
    }

    /// As many as possible, then fewer.
    fn expand(&mut self, s: usize, p: usize, end: usize) -> Matched {
        let mut count = 0_usize;
        while self.is_single(s + count, p, end) {
            self.count()?;
            count += 1;
        }
        loop {
            if let Some(found) = self.matches(s + count, end + 1)? {
                return Ok(Some(found));
            }
            match count.checked_sub(1) {
                Some(fewer) => count = fewer,
                None => return Ok(None),
            }
        }
    }

    /// As few as possible, then more.
    fn expand_least(&mut self, s: usize, p: usize, end: usize) -> Matched {
        let mut s = s;
        loop {
            if let Some(found) = self.matches(s, end + 1)? {
                return Ok(Some(found));
            }
            if !self.is_single(s, p, end) {
                return Ok(None);
            }
            s += 1;
        }
    }

    /// Behind the single character or class that begins at `p`.
    fn class_end(&self, p: usize) -> Result<usize, Broken> {
        match self.at(p) {
            Some(ESCAPE) if p + 1 >= self.pattern.len() => {
                Err(Broken::Pattern("malformed pattern (ends with '%')"))
            }
            Some(ESCAPE) => Ok(p + 2),
            Some(b'[') => {
                let mut at = p + 1;
                if self.at(at) == Some(b'^') {
                    at += 1;
                }
                loop {
                    let byte = self.at(at).ok_or(Broken::Pattern("malformed pattern (missing ']')"))?;
                    at += 1;
                    if byte == ESCAPE {
                        if at >= self.pattern.len() {
                            return Err(Broken::Pattern("malformed pattern (missing ']')"));
                        }
                        at += 1;
                    }
                    if self.at(at) == Some(b']') {
                        return Ok(at + 1);
                    }
                }
            }
            _ => Ok(p + 1),
        }
    }

    fn is_single(&self, s: usize, p: usize, end: usize) -> bool {
        let Some(byte) = self.subject.get(s).copied() else { return false };
        match self.at(p) {
            Some(b'.') => true,
            Some(ESCAPE) => self.at(p + 1).is_some_and(|class| is_in_class(byte, class)),
            Some(b'[') => self.in_set(byte, p, end - 1),
            other => other == Some(byte),
        }
    }

    /// Whether a byte is in the set from `[` at `p` to `]` at `last`.
    fn in_set(&self, byte: u8, p: usize, last: usize) -> bool {
        let mut at = p + 1;
        let is_in = self.at(at) != Some(b'^');
        if !is_in {
            at += 1;
        }
        while at < last {
            let Some(first) = self.at(at) else { break };
            if first == ESCAPE {
                if self.at(at + 1).is_some_and(|class| is_in_class(byte, class)) {
                    return is_in;
                }
                at += 2;
            } else if self.at(at + 1) == Some(b'-') && at + 2 < last {
                if self.at(at + 2).is_some_and(|to| (first..=to).contains(&byte)) {
                    return is_in;
                }
                at += 3;
            } else {
                if first == byte {
                    return is_in;
                }
                at += 1;
            }
        }
        !is_in
    }
}

fn is_in_class(byte: u8, class: u8) -> bool {
    let is = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => matches!(byte, b' ' | b'\t'..=b'\r'),
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        b'z' => byte == 0,
        _ => return class == byte,
    };
    is != class.is_ascii_uppercase()
}

impl Vm<'_> {
    /// Steps of a match that the run may still take.
    pub fn steps_left(&self) -> usize {
        usize::try_from(self.limits.instructions.saturating_sub(self.executed)).unwrap_or(usize::MAX)
    }

    /// The failure for a match that ended so.
    pub fn broken(&mut self, broken: &Broken) -> Fail {
        match broken {
            Broken::Pattern(text) => Fail::message(text),
            Broken::TooLong => {
                self.executed = self.limits.instructions;
                match self.look() {
                    Err(fail) => fail,
                    Ok(()) => Fail::message("pattern too complex"),
                }
            }
        }
    }
}
