//! Administrators' requests about a Redis or Valkey that the data follow (CORE SOURCE, `flotilla admin replicate-from`).

use serde::{Deserialize, Serialize};
use std::fmt;

/// How the source is reached. Stored with the data (`store/source.rs`), so that any node that leads can go on.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourceSettings {
    pub host: String,
    pub port: u16,
    /// Empty = `default`.
    pub user: String,
    /// Empty = none.
    pub password: String,
    pub tls: Option<SourceTls>,
}

/// What TLS needs: the content of PEM files, since the node that leads may not have the files.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourceTls {
    /// The CA of the source's certificate.
    pub authority: String,
    /// The client's own certificate and key; empty = none.
    pub certificate: String,
    pub key: String,
    /// The name that the certificate must be valid for; empty = the host.
    pub name: String,
    /// The source may be anybody.
    pub is_insecure: bool,
}

/// What an administrator wants to be followed.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourceOrder {
    pub settings: SourceSettings,
    /// Keys that are here go.
    pub replaces: bool,
    /// Clients may write here meanwhile.
    pub allows_writes: bool,
    /// While the RDB is read; 0 = no limit.
    pub bytes_per_second: u64,
    /// How long the source's clients are paused at the cut-over.
    pub pause_ms: u64,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceRequest {
    Start(Box<SourceOrder>),
    Stop,
    CutOver,
}

impl SourceSettings {
    /// As people write it.
    pub fn address(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

/// Without secrets.
impl fmt::Debug for SourceOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceOrder({})", self.settings.address())
    }
}

/// Without secrets.
impl fmt::Debug for SourceSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceSettings({})", self.address())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_in_no_log() {
        let settings = SourceSettings {
            host: "::1".into(),
            port: 6379,
            password: "secret".into(),
            ..SourceSettings::default()
        };
        let order = SourceOrder { settings: settings.clone(), ..SourceOrder::default() };
        let request = SourceRequest::Start(Box::new(order));
        assert_eq!(format!("{request:?}"), "Start(SourceOrder([::1]:6379))");
        assert_eq!(format!("{settings:?}"), "SourceSettings([::1]:6379)");
    }
}
