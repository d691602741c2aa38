//! Which clients CLIENT KILL and CLIENT LIST are about.

use super::Client;
use std::{collections::BTreeSet, mem::discriminant, net::IpAddr, sync::atomic::Ordering};

/// Letters that CLIENT LIST may show as flags: Redis's and Valkey's, whether a client here can have them or not.
pub const CLIENT_FLAGS: &str = "AbBcdeEiIMNOPrRStTuUx";

/// A client's kind, as far as connections of this server have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientKind {
    Normal,
    PubSub,
    /// It follows by PSYNC.
    Replica,
    /// Of another kind than connections here have: master.
    Other,
}

/// What a client may have, or not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientProperty {
    Peer(String),
    Local(String),
    Ip(IpAddr),
    User(String),
    Name(String),
    LibName(String),
    LibVer(String),
    Db(u32),
    Kind(ClientKind),
    /// All of these letters.
    Flags(String),
    /// It follows -REDIRECT.
    CanBeRedirected,
}

impl ClientProperty {
    fn is_of(&self, client: &Client) -> bool {
        match self {
            ClientProperty::Peer(peer) => client.peer.to_string() == *peer,
            ClientProperty::Local(local) => client.local.to_string() == *local,
            ClientProperty::Ip(ip) => client.peer.ip() == Some(*ip),
            ClientProperty::User(user) => client.user_name() == *user,
            ClientProperty::Name(name) => client.text.lock().name == *name,
            ClientProperty::LibName(name) => client.text.lock().lib_name == *name,
            ClientProperty::LibVer(version) => client.text.lock().lib_ver == *version,
            ClientProperty::Db(db) => client.db.load(Ordering::Relaxed) == *db,
            ClientProperty::Kind(kind) => {
                let own = match (client.follows.load(Ordering::Relaxed), client.is_subscribed()) {
                    (true, _) => ClientKind::Replica,
                    (false, true) => ClientKind::PubSub,
                    (false, false) => ClientKind::Normal,
                };
                own == *kind
            }
            ClientProperty::Flags(letters) => {
                let own = client.flags();
                letters.chars().all(|letter| own.contains(letter))
            }
            ClientProperty::CanBeRedirected => client.can_be_redirected(),
        }
    }
}

/// CLIENT KILL's and CLIENT LIST's filters; all that are set must match.
#[derive(Debug, Clone, Default)]
pub struct ClientFilter {
    pub ids: Option<BTreeSet<u64>>,
    pub not_ids: BTreeSet<u64>,
    pub(super) has: Vec<ClientProperty>,
    pub(super) has_not: Vec<ClientProperty>,
    /// ms since connect at least.
    pub age_ms_min: Option<u64>,
    /// ms without a call at least.
    pub idle_ms_min: Option<u64>,
    /// Leave this client out (SKIPME).
    pub skip_id: Option<u64>,
}

impl ClientFilter {
    /// The clients with this property, or (`has` is false) without it. A second one of its kind takes the place of the first.
    #[must_use]
    pub fn with(mut self, property: ClientProperty, has: bool) -> Self {
        let properties = if has { &mut self.has } else { &mut self.has_not };
        properties.retain(|other| discriminant(other) != discriminant(&property));
        properties.push(property);
        self
    }

    pub fn matches(&self, client: &Client, now: u64) -> bool {
        let idle_ms = || now.saturating_sub(client.active_ms.load(Ordering::Relaxed));
        self.ids.as_ref().is_none_or(|ids| ids.contains(&client.id))
            && !self.not_ids.contains(&client.id)
            && self.skip_id.is_none_or(|id| id != client.id)
            && self.age_ms_min.is_none_or(|min| now.saturating_sub(client.created_ms) >= min)
            && self.idle_ms_min.is_none_or(|min| idle_ms() >= min)
            && self.has.iter().all(|property| property.is_of(client))
            && !self.has_not.iter().any(|property| property.is_of(client))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    #[test]
    fn a_client_has_what_is_asked_for_and_nothing_that_is_not() {
        let at = |port| SocketAddr::from(([10, 0, 0, 7], port));
        let client = Client::new(5, at(1), at(6379), -1, 1000);
        client.text.lock().name = "one".into();
        client.set_db(3);
        client.no_evict.store(true, Ordering::Relaxed);
        let name = |name: &str| ClientProperty::Name(name.into());
        let all = ClientFilter::default;
        for (filter, wanted) in [
            (all(), true),
            (all().with(name("one"), true), true),
            (all().with(name("two"), true), false),
            (all().with(name("two"), true).with(name("one"), true), true),
            (all().with(name("one"), false), false),
            (all().with(name("two"), false).with(ClientProperty::Db(3), true), true),
            (all().with(ClientProperty::Db(0), true), false),
            (all().with(ClientProperty::Ip(at(0).ip()), true), true),
            (all().with(ClientProperty::Peer("10.0.0.7:1".into()), false), false),
            (all().with(ClientProperty::Flags("e".into()), true), true),
            (all().with(ClientProperty::Flags("ex".into()), true), false),
            (all().with(ClientProperty::Flags("ex".into()), false), true),
            (all().with(ClientProperty::Kind(ClientKind::Other), false), true),
            (all().with(ClientProperty::Kind(ClientKind::PubSub), true), false),
            (all().with(ClientProperty::CanBeRedirected, true), false),
            (ClientFilter { not_ids: [5].into(), ..all() }, false),
            (ClientFilter { idle_ms_min: Some(1000), ..all() }, true),
            (ClientFilter { idle_ms_min: Some(1001), ..all() }, false),
        ] {
            assert_eq!(filter.matches(&client, 2000), wanted, "{filter:?}");
        }
    }
}
