//! What the data know of the Redis or Valkey that they follow (`flotilla admin replicate-from`): rows of the system's database,
//! replicated as all others, written in the batch of the commands that they cover.
//!
//! | key | value |
//! |---|---|
//! | `m` | `SourceRecord`, JSON |
//! | `mc` | how the source is reached, with the password: JSON that only `src/moving` understands; no command shows it |
//!
//! **Invariant.** `position` says what of the source's stream is in the data, no more and no less: it moves in the batch that
//! has the commands.

use super::{
    Namespace, Row,
    engine::{Engine, Family, Tier},
    keys,
    state::StateRecord,
};
use crate::{
    error::{Error, StoreError},
    limits::SYSTEM_DATABASE,
    value::Value,
};
use serde::{Deserialize, Serialize};

pub(super) const RECORD: &[u8] = b"m";
pub(super) const SETTINGS: &[u8] = b"mc";

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourcePhase {
    /// Nothing of the source's data is there yet.
    #[default]
    Connecting,
    /// The source's RDB is being read: the data are not those of any moment.
    Loading,
    /// The data are those of the source at `position`.
    Following,
    /// As `Following`; the source's clients are paused, and once all of it is there, this ends.
    CuttingOver,
    /// It cannot go on, see `error`.
    Failed,
    /// An administrator has stopped it.
    Stopped,
    /// All of the source is there, and its clients' place is here.
    CutOver,
}

/// What is being followed, and how far.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceRecord {
    /// Counts its changes, but for those of `position` and of what is counted with it.
    pub version: u64,
    /// The run of the program that goes on with it, a random number.
    pub owner: u64,
    pub phase: SourcePhase,
    /// Some of the source's data are not there yet.
    pub is_partial: bool,
    /// The history of the data into which it goes; data that were restored are of another one.
    pub history: String,
    /// `host:port`.
    pub address: String,
    /// Whether clients may write meanwhile.
    pub allows_writes: bool,
    /// While the RDB is read; 0 = no limit.
    pub bytes_per_second: u64,
    /// How long the source's clients are paused at the cut-over.
    pub pause_ms: u64,
    /// The replication id of the source's stream.
    pub replid: String,
    /// Loading: how many steps are done. Later: the offset of the source's stream up to which all is here.
    pub position: u64,
    /// The database that the stream has selected there.
    pub db: u32,
    /// Of the RDB.
    pub keys: u64,
    pub bytes: u64,
    /// 0 = the source does not know.
    pub bytes_total: u64,
    /// About; 0 = not known.
    pub keys_total: u64,
    /// Of the stream.
    pub commands: u64,
    /// Where the source's stream was when it last said so.
    pub source_offset: u64,
    /// Log time (ms) at which this was level with it for the last time.
    pub level_at: u64,
    pub began_at: u64,
    pub loading_at: u64,
    pub full_syncs: u64,
    pub partial_syncs: u64,
    /// Why it does not go on, or did not; empty = it does.
    pub error: String,
}

impl SourcePhase {
    /// As it is shown.
    pub fn name(self) -> &'static str {
        match self {
            SourcePhase::Connecting => "connecting",
            SourcePhase::Loading => "loading",
            SourcePhase::Following => "following",
            SourcePhase::CuttingOver => "cutting-over",
            SourcePhase::Failed => "failed",
            SourcePhase::Stopped => "stopped",
            SourcePhase::CutOver => "cut-over",
        }
    }
}

impl SourceRecord {
    /// What of the source's stream is not here yet, as far as the source has said; 0 while its RDB is read.
    pub fn lag_bytes(&self) -> u64 {
        match self.is_loading() {
            true => 0,
            false => self.source_offset.saturating_sub(self.position),
        }
    }

    /// How long ago this was level with it; `now`: log time.
    pub fn lag_ms(&self, now: u64) -> u64 {
        match self.lag_bytes() {
            0 => 0,
            _ => now.saturating_sub(self.level_at),
        }
    }

    /// Whether somebody is to go on with it.
    pub fn is_active(&self) -> bool {
        match self.phase {
            SourcePhase::Connecting
            | SourcePhase::Loading
            | SourcePhase::Following
            | SourcePhase::CuttingOver => true,
            SourcePhase::Failed | SourcePhase::Stopped | SourcePhase::CutOver => false,
        }
    }

    /// Whether the data are the source's: keys expire when it says so, and none are evicted.
    pub fn is_engaged(&self) -> bool {
        self.is_active() || self.phase == SourcePhase::Failed
    }

    /// Whether clients' writes are refused.
    pub fn refuses_writes(&self) -> bool {
        self.is_engaged() && !self.allows_writes
    }

    pub fn is_loading(&self) -> bool {
        self.phase == SourcePhase::Loading
    }

    /// Whether what is there is not to be read: it is a part of what the source has.
    pub fn refuses_reads(&self) -> bool {
        self.is_engaged() && self.is_partial
    }

    /// Reads what `to_json` has made.
    pub fn from_json(bytes: &[u8]) -> Result<Self, StoreError> {
        serde_json::from_slice(bytes)
            .map_err(|error| StoreError::corrupt("record of the source", error.to_string()))
    }

    /// As it is stored.
    pub fn to_json(&self) -> Result<Vec<u8>, StoreError> {
        serde_json::to_vec(self)
            .map_err(|error| StoreError::corrupt("record of the source", error.to_string()))
    }
}

/// The record that an engine holds.
pub(super) fn read_source(engine: &Engine, state: &StateRecord) -> Result<Option<SourceRecord>, StoreError> {
    let namespace: Namespace = state.database(SYSTEM_DATABASE).namespace;
    if namespace == 0 {
        return Ok(None);
    }
    let found = match engine.get(Family::Meta, &keys::meta(namespace, RECORD), Tier::Disk) {
        Ok(found) => found,
        Err(Error::Fatal(error)) => return Err(error),
        Err(other) => return Err(StoreError::corrupt("record of the source", other.to_string())),
    };
    let Some(found) = found else { return Ok(None) };
    let row = Row::decode(Value::from(found))?;
    SourceRecord::from_json(&row.body).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let record = SourceRecord {
            version: 7,
            phase: SourcePhase::CuttingOver,
            address: "h:1".into(),
            replid: "ab".into(),
            position: 9,
            ..SourceRecord::default()
        };
        let golden = r#"{"version":7,"owner":0,"phase":"cutting-over","is_partial":false,"history":"","address":"h:1","allows_writes":false,"bytes_per_second":0,"pause_ms":0,"replid":"ab","position":9,"db":0,"keys":0,"bytes":0,"bytes_total":0,"keys_total":0,"commands":0,"source_offset":0,"level_at":0,"began_at":0,"loading_at":0,"full_syncs":0,"partial_syncs":0,"error":""}"#;
        assert_eq!(String::from_utf8(record.to_json().unwrap()).unwrap(), golden);
        assert_eq!(SourceRecord::from_json(golden.as_bytes()).unwrap(), record);
        assert!(SourceRecord::from_json(b"{").is_err());
        assert!(record.is_active() && record.refuses_writes());
        let failed = SourceRecord { phase: SourcePhase::Failed, ..record.clone() };
        assert!(!failed.is_active() && failed.refuses_writes());
        assert!(!SourceRecord { phase: SourcePhase::CutOver, ..record }.refuses_writes());
    }
}
