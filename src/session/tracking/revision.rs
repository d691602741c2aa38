//! Up to where a client has been told of changes: a history of the core, and an entry of it.

use crate::resp::ErrorReply;

/// See the module. Clients keep it as a text, `HISTORY:ENTRY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackingRevision {
    pub history: String,
    pub index: u64,
}

impl TrackingRevision {
    pub fn text(&self) -> String {
        format!("{}:{}", self.history, self.index)
    }

    pub fn parse(text: &[u8]) -> Result<Self, ErrorReply> {
        let parse = || {
            let (history, index) = std::str::from_utf8(text).ok()?.rsplit_once(':')?;
            Some(TrackingRevision { history: history.to_owned(), index: index.parse().ok()? })
        };
        parse().ok_or_else(|| ErrorReply::err("the revision is not what CLIENT REVISION answers"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_says_it_reads() {
        let revision = TrackingRevision { history: "0a:b-c".into(), index: u64::MAX };
        assert_eq!(TrackingRevision::parse(revision.text().as_bytes()), Ok(revision));
        for wrong in ["", "5", "a:", "a:-1", "a:x", "a:18446744073709551616"] {
            assert!(TrackingRevision::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
