//! The site record: an edge's position in the log of its own site, and the history of its data. Written in the same batch
//! as the data, like the state record, but not covered by the checksum: the state record of an edge is that of the core,
//! byte for byte.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | version (1) |
//! | 8 + 8 | term and index of the last entry applied of the site's own log |
//! | 4 + n | the history that the data are of, a text; empty: there are no data yet |
//!
//! Numbers are big-endian. A core node has no such record: its own log is the core's.

use super::{Txn, state::LogId};
use crate::error::StoreError;

const SITE_VERSION: u8 = 1;

/// See the table above.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SiteRecord {
    pub applied: LogId,
    pub history: String,
}

impl SiteRecord {
    /// The record's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![SITE_VERSION];
        out.extend_from_slice(&self.applied.term.to_be_bytes());
        out.extend_from_slice(&self.applied.index.to_be_bytes());
        out.extend_from_slice(&u32::try_from(self.history.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(self.history.as_bytes());
        out
    }

    /// Reads what `encode` wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let corrupt = |detail: &str| StoreError::corrupt("site record", detail);
        let short = || corrupt("too short");
        let ([version], rest) = bytes.split_first_chunk::<1>().ok_or_else(short)?;
        if *version != SITE_VERSION {
            return Err(corrupt(&format!("version {version} is not known to this program")));
        }
        let (term, rest) = rest.split_first_chunk::<8>().ok_or_else(short)?;
        let (index, rest) = rest.split_first_chunk::<8>().ok_or_else(short)?;
        let (len, text) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        if text.len() != u32::from_be_bytes(*len) as usize {
            return Err(corrupt("the length of the history is wrong"));
        }
        let history = std::str::from_utf8(text).map_err(|_| corrupt("the history is not UTF-8"))?.to_owned();
        let applied = LogId { term: u64::from_be_bytes(*term), index: u64::from_be_bytes(*index) };
        Ok(SiteRecord { applied, history })
    }
}

impl Txn<'_> {
    /// On an edge: the batch takes the site's log up to here.
    pub fn enter_site(&mut self, log_id: LogId) {
        self.site.get_or_insert_default().applied = log_id;
    }

    /// The history of this batch's data; empty: there are none yet.
    pub fn history(&self) -> &str {
        self.site.as_ref().map_or("", |site| &site.history)
    }

    /// On an edge without data: whose history the entries are that follow.
    pub fn adopt_history(&mut self, history: &str) {
        history.clone_into(&mut self.site.get_or_insert_default().history);
    }

    /// On an edge: how far the log of its site is applied.
    pub fn site_applied(&self) -> Option<LogId> {
        self.site.as_ref().map(|site| site.applied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_golden_bytes_and_cuts() {
        let site = SiteRecord { applied: LogId { term: 3, index: 5 }, history: "ab".into() };
        let bytes = site.encode();
        assert_eq!(bytes, b"\x01\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x05\0\0\0\x02ab");
        assert_eq!(SiteRecord::decode(&bytes).unwrap(), site);
        for cut in 0..bytes.len() {
            assert!(SiteRecord::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        assert!(SiteRecord::decode(b"\x02").is_err());
    }
}
