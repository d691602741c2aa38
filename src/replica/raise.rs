//! The entry that raises the feature level: a payload of its own, so that whoever does not understand the level sees that
//! from the first byte, an edge before it takes the entry into its site's log.
//!
//! ```text
//! raise := version u8 (4) ‖ level u32 ‖ program bytes       (bytes := length u32 ‖ …)
//! ```
//! Numbers are little-endian. `program` is the version of the build that proposed it, for the text of one that must be
//! replaced. Versions go on from those of a site's entry (`site.rs`), so that none of them is taken for another.

use super::{
    apply::{begin_entry, malformed},
    entry::EntryError,
    reader::{Reader, put_bytes},
};
use crate::{
    error::StoreError,
    feature_level,
    resp::Reply,
    store::{LogId, Txn},
};
use bytes::Bytes;

const RAISE_VERSION: u8 = 4;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raise<'a> {
    pub level: u32,
    pub program: &'a str,
}

impl<'a> Raise<'a> {
    /// To this level, by this program.
    pub fn to(level: u32) -> Raise<'static> {
        Raise { level, program: env!("CARGO_PKG_VERSION") }
    }

    /// Whether a payload raises the level.
    pub fn is_one(payload: &[u8]) -> bool {
        payload.first() == Some(&RAISE_VERSION)
    }

    /// The payload.
    pub fn encode(&self) -> Bytes {
        let mut out = vec![RAISE_VERSION];
        out.extend_from_slice(&self.level.to_le_bytes());
        put_bytes(&mut out, self.program.as_bytes());
        Bytes::from(out)
    }

    /// Reads a payload. What a later build adds behind is passed over.
    pub fn decode(payload: &'a [u8]) -> Result<Self, EntryError> {
        let mut rest = Reader(payload);
        if rest.u8()? != RAISE_VERSION {
            return Err(EntryError("does not raise the feature level"));
        }
        let level = rest.u32()?;
        let program = std::str::from_utf8(rest.bytes()?).map_err(|_| EntryError("not a text"))?;
        Ok(Raise { level, program })
    }

    /// Why a program that understands levels up to `newest` cannot go on; `None`: it can.
    pub fn not_understood(&self, newest: u32) -> Option<String> {
        let Raise { level, program } = self;
        (*level > newest).then(|| {
            format!(
                "the core is raised to feature level {level} by flotilla {program}, {}: upgrade to {program} or later",
                feature_level::understood()
            )
        })
    }
}

/// Applies the entry at this place of the core's log; the reply is the level from here on.
pub(super) fn raise(txn: &mut Txn<'_>, at: LogId, payload: &[u8]) -> Result<Vec<Vec<Reply>>, StoreError> {
    let raise = Raise::decode(payload).map_err(malformed)?;
    if let Some(why) = raise.not_understood(feature_level::NEWEST) {
        return Err(StoreError::NotUnderstood(format!("entry {} of the log: {why}", at.index)));
    }
    begin_entry(txn, at, 0, 0)?;
    txn.raise_feature_level(raise.level);
    Ok(vec![vec![Reply::count(txn.feature_level())]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes_and_cuts() {
        let raise = Raise { level: 5, program: "1.2" };
        let bytes = raise.encode();
        assert_eq!(&bytes[..], b"\x04\x05\0\0\0\x03\0\0\x001.2");
        assert_eq!(Raise::decode(&bytes), Ok(raise));
        assert!(Raise::is_one(&bytes) && !Raise::is_one(b"\x01"));
        for cut in 0..bytes.len() {
            assert!(Raise::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        assert_eq!(Raise::decode(&[&bytes[..], b"later"].concat()).unwrap().level, 5);
    }

    #[test]
    fn a_level_that_is_not_understood_is_named_with_the_program_that_understands_it() {
        let raise = Raise { level: 5, program: "1.2" };
        assert_eq!(raise.not_understood(5), None);
        let text = raise.not_understood(4).unwrap();
        assert!(text.contains("feature level 5") && text.contains("upgrade to 1.2 or later"), "{text}");
    }
}
