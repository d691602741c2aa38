//! Errors for clients, with Redis's texts.

use super::decoder::ProtocolError;
use std::borrow::Cow;

/// An error reply: a code clients match on, and a text. Line breaks in it are replaced when it is sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}{}{text}", if code.is_empty() { "" } else { " " })]
pub struct ErrorReply {
    code: &'static str,
    text: Cow<'static, str>,
}

/// Codes that this program uses.
const KNOWN: [&str; 28] = [
    "ERR",
    "WRONGTYPE",
    "EXECABORT",
    "NOAUTH",
    "WRONGPASS",
    "TRYAGAIN",
    "UNKNOWN",
    "CLUSTERDOWN",
    "MASTERDOWN",
    "READONLY",
    "NOPROTO",
    "BUSYKEY",
    "NOSCRIPT",
    "BUSY",
    "LOADING",
    "OOM",
    "NOPERM",
    "NOREPLICAS",
    "MOVED",
    "REDIRECT",
    "INPROG",
    "UNKILLABLE",
    "BUSYGROUP",
    "NOGROUP",
    "INVALIDOBJ",
    "UNBLOCKED",
    "STALE",
    "NOTEMPTY",
];

/// Bytes of a client's word that an error shows, as in Redis.
const EXCERPT_BYTES_MAX: usize = 128;

/// The beginning of a client's word, as an error shows it.
pub fn excerpt(word: &[u8]) -> String {
    excerpt_of(word, EXCERPT_BYTES_MAX)
}

/// As `excerpt`, of so many bytes at most.
pub fn excerpt_of(word: &[u8], bytes_max: usize) -> String {
    String::from_utf8_lossy(word.get(..word.len().min(bytes_max)).unwrap_or_default()).into_owned()
}

impl From<ProtocolError> for ErrorReply {
    fn from(error: ProtocolError) -> Self {
        ErrorReply::err(error.to_string())
    }
}

impl ErrorReply {
    /// An error with a code of its own.
    pub fn new(code: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        ErrorReply { code, text: text.into() }
    }

    /// `ERR …`
    pub fn err(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new("ERR", text)
    }

    /// An error from another node. A code that this program does not use itself is moved into the text.
    pub fn named(code: &str, text: String) -> Self {
        match KNOWN.into_iter().find(|known| *known == code) {
            Some(code) => Self::new(code, text),
            None if code.is_empty() => Self::new("", text),
            None => Self::err(format!("{code} {text}")),
        }
    }

    /// An error that a script has made, with any code, or none, in its text. A code that is none of ours stays part of the
    /// text, and `code` is empty.
    pub fn of_text(text: String) -> Self {
        let known = text.split_once(' ').and_then(|(code, rest)| {
            let code = KNOWN.into_iter().find(|known| *known == code)?;
            Some(Self::new(code, rest.to_owned()))
        });
        known.unwrap_or_else(|| Self::new("", text))
    }

    pub fn code(&self) -> &'static str {
        self.code
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn syntax() -> Self {
        Self::err("syntax error")
    }

    pub fn wrong_type() -> Self {
        Self::new("WRONGTYPE", "Operation against a key holding the wrong kind of value")
    }

    /// `name` in lower case, `container|sub` for a subcommand.
    pub fn wrong_arity(name: &str) -> Self {
        Self::err(format!("wrong number of arguments for '{name}' command"))
    }

    /// A subcommand, as the client wrote it, with arguments that it does not take.
    pub fn subcommand_syntax(container: &str, word: impl AsRef<[u8]>) -> Self {
        let word = excerpt(word.as_ref());
        Self::err(format!(
            "unknown subcommand or wrong number of arguments for '{word}'. Try {container} HELP."
        ))
    }

    pub fn not_integer() -> Self {
        Self::err("value is not an integer or out of range")
    }

    /// A count that is negative, or no number.
    pub fn not_positive() -> Self {
        Self::err("value is out of range, must be positive")
    }

    pub fn not_float() -> Self {
        Self::err("value is not a valid float")
    }

    pub fn out_of_range() -> Self {
        Self::err("index out of range")
    }

    pub fn overflow() -> Self {
        Self::err("increment or decrement would overflow")
    }

    pub fn nan_or_infinity() -> Self {
        Self::err("increment would produce NaN or Infinity")
    }

    pub fn string_too_long() -> Self {
        Self::err("string exceeds maximum allowed size (proto-max-bulk-len)")
    }

    pub fn invalid_expire(command: &str) -> Self {
        Self::err(format!("invalid expire time in '{command}' command"))
    }

    pub fn no_such_key() -> Self {
        Self::err("no such key")
    }

    pub fn db_out_of_range() -> Self {
        Self::err("DB index is out of range")
    }

    pub fn invalid_db_index() -> Self {
        Self::err("invalid DB index")
    }

    /// The error for a number that does not fit 32 bits.
    pub fn not_i32() -> Self {
        Self::err("value is out of range, value must between -2147483648 and 2147483647")
    }

    pub fn invalid_cursor() -> Self {
        Self::err("invalid cursor")
    }

    /// The data take more than `maxmemory`.
    pub fn out_of_memory() -> Self {
        Self::new("OOM", "command not allowed when used memory > 'maxmemory'.")
    }

    /// Nobody led in time.
    pub fn no_leader() -> Self {
        Self::new("CLUSTERDOWN", "no node leads at the moment; nothing was changed, try again")
    }

    pub fn removed_from_core() -> Self {
        Self::new("CLUSTERDOWN", "this node was removed from the core")
    }

    /// Redis's code for want of memory, which clients know; here it is the disk.
    pub fn disk_is_almost_full() -> Self {
        let text = "command not allowed while the disk is almost full; reads and deletes go on. Delete data, or make room";
        Self::new("OOM", text)
    }

    pub fn no_auth() -> Self {
        Self::new("NOAUTH", "Authentication required.")
    }

    pub fn wrong_pass() -> Self {
        Self::new("WRONGPASS", "invalid username-password pair or user is disabled.")
    }

    pub fn exec_abort() -> Self {
        Self::new("EXECABORT", "Transaction discarded because of previous errors.")
    }

    /// The error for a write at a read-only node, in Redis's words.
    pub fn read_only() -> Self {
        Self::new("READONLY", "You can't write against a read only replica.")
    }

    /// The data are those of a Redis that they follow.
    pub fn follows_source(address: &str) -> Self {
        Self::new("READONLY", format!("You can't write: the data follow {address} until the cut-over."))
    }

    /// Definitely not done; worth trying again.
    pub fn try_again(why: &'static str) -> Self {
        Self::new("TRYAGAIN", why)
    }
}
