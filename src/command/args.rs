//! The cursor with which a handler reads its arguments.

use crate::{acl::User, error::Result, resp::ErrorReply, types::integer::parse_i64};
use smallvec::SmallVec;

/// A call's words, borrowed from the connection's buffer or from a log entry.
pub type Argv<'a> = SmallVec<[&'a [u8]; 8]>;

/// Arguments of one call. `next` words come after the command's name(s).
#[derive(Debug, Clone)]
pub struct Args<'a> {
    argv: &'a [&'a [u8]],
    at: usize,
    caller: Option<&'a User>,
}

impl<'a> Args<'a> {
    /// A cursor behind the first `names` words (1, or 2 for a subcommand).
    pub fn new(argv: &'a [&'a [u8]], names: usize) -> Self {
        Args { argv, at: names, caller: None }
    }

    /// As this, called by a user who may not do everything: what the call calls in turn is asked for.
    pub fn called_by(self, caller: Option<&'a User>) -> Self {
        Args { caller, ..self }
    }

    /// See `called_by`.
    pub fn caller(&self) -> Option<&'a User> {
        self.caller
    }

    /// All words, the command's name included.
    pub fn argv(&self) -> &'a [&'a [u8]] {
        self.argv
    }

    /// The words not yet read.
    pub fn rest(&self) -> &'a [&'a [u8]] {
        self.argv.get(self.at..).unwrap_or_default()
    }

    /// The number of words left.
    pub fn remaining(&self) -> usize {
        self.argv.len().saturating_sub(self.at)
    }

    /// Whether every word has been read.
    pub fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// The next word, if any.
    pub fn next_opt(&mut self) -> Option<&'a [u8]> {
        let word = self.argv.get(self.at).copied()?;
        self.at = self.at.saturating_add(1);
        Some(word)
    }

    /// The next word; a syntax error if there is none.
    pub fn next_word(&mut self) -> Result<&'a [u8]> {
        Ok(self.next_opt().ok_or_else(ErrorReply::syntax)?)
    }

    /// The next words; a syntax error if there are fewer.
    pub fn next_words(&mut self, count: usize) -> Result<&'a [&'a [u8]]> {
        let words = self.rest().get(..count).ok_or_else(ErrorReply::syntax)?;
        self.at = self.at.saturating_add(count);
        Ok(words)
    }

    /// The next word without reading it.
    pub fn peek(&self) -> Option<&'a [u8]> {
        self.argv.get(self.at).copied()
    }

    /// Reads the next word if it is this keyword, whatever its case.
    pub fn take(&mut self, keyword: &str) -> bool {
        let found = self.peek().is_some_and(|word| word.eq_ignore_ascii_case(keyword.as_bytes()));
        if found {
            self.at = self.at.saturating_add(1);
        }
        found
    }

    /// The next word as a 64-bit integer, with Redis's strict syntax.
    pub fn next_i64(&mut self) -> Result<i64> {
        let word = self.next_word()?;
        Ok(parse_i64(word).ok_or_else(ErrorReply::not_integer)?)
    }

    /// The next word as a 32-bit integer, as Redis reads database numbers.
    pub fn next_i32(&mut self) -> Result<i32> {
        Ok(i32::try_from(self.next_i64()?).map_err(|_| ErrorReply::not_i32())?)
    }

    /// The next word as a SCAN cursor, as Redis reads one: nothing is 0, and a minus counts back from 2^64.
    pub fn next_cursor(&mut self) -> Result<u64> {
        let (minus, digits) = match self.next_word()? {
            [] => return Ok(0),
            [b'-', digits @ ..] => (true, digits),
            [b'+', digits @ ..] => (false, digits),
            digits => (false, digits),
        };
        let digits = Some(digits).filter(|digits| digits.iter().all(u8::is_ascii_digit));
        let number = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u64>().ok());
        let number = number.ok_or_else(ErrorReply::invalid_cursor)?;
        Ok(if minus { number.wrapping_neg() } else { number })
    }

    /// Anything left over is a syntax error.
    pub fn finish(&self) -> Result<()> {
        if self.is_empty() { Ok(()) } else { Err(ErrorReply::syntax().into()) }
    }
}
