//! Errors told to a client, with Redis's texts.

use std::borrow::Cow;

/// An error reply: a code clients match on, and a text. Line breaks in it are replaced when it is sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code} {text}")]
pub struct ErrorReply {
    code: &'static str,
    text: Cow<'static, str>,
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

    /// An error another node told of. A code that this program never says itself is shown in the text.
    pub fn named(code: &str, text: String) -> Self {
        let known = [
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
        ];
        match known.into_iter().find(|known| *known == code) {
            Some(code) => Self::new(code, text),
            None => Self::err(format!("{code} {text}")),
        }
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

    /// A number that must fit 32 bits does not.
    pub fn not_i32() -> Self {
        Self::err("value is out of range, value must between -2147483648 and 2147483647")
    }

    pub fn invalid_cursor() -> Self {
        Self::err("invalid cursor")
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

    /// A write at a node that takes none, in Redis's words.
    pub fn read_only() -> Self {
        Self::new("READONLY", "You can't write against a read only replica.")
    }

    /// Definitely not done; worth trying again.
    pub fn try_again(why: &'static str) -> Self {
        Self::new("TRYAGAIN", why)
    }
}
