//! Which clients CLIENT KILL and CLIENT LIST are about.

use super::Client;
use std::collections::BTreeSet;

/// CLIENT KILL's and CLIENT LIST's filters; all that are set must match.
#[derive(Debug, Clone, Default)]
pub struct ClientFilter {
    pub ids: Option<BTreeSet<u64>>,
    pub peer: Option<String>,
    pub local: Option<String>,
    pub user: Option<String>,
    /// ms since connect at least.
    pub age_ms_min: Option<u64>,
    /// Leave this client out (SKIPME).
    pub skip_id: Option<u64>,
    /// A type that no connection of this server has (replica, master): nothing matches.
    pub nothing: bool,
    /// Whether it must (or must not) listen to anything.
    pub subscribed: Option<bool>,
}

impl ClientFilter {
    pub fn matches(&self, client: &Client, now: u64) -> bool {
        !self.nothing
            && self.subscribed.is_none_or(|subscribed| subscribed == client.is_subscribed())
            && self.ids.as_ref().is_none_or(|ids| ids.contains(&client.id))
            && self.peer.as_ref().is_none_or(|peer| client.peer.to_string() == *peer)
            && self.local.as_ref().is_none_or(|local| client.local.to_string() == *local)
            && self.user.as_ref().is_none_or(|user| client.user_name() == *user)
            && self.age_ms_min.is_none_or(|min| now.saturating_sub(client.created_ms) >= min)
            && self.skip_id.is_none_or(|id| id != client.id)
    }
}
