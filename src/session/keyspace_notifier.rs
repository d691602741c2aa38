//! Passes what batches changed on within this node: keyspace events (Redis's keyspace notifications) and messages of scripts
//! to its subscribers, changed keys to its clients that track them, keys that have become ready to its blocked sessions, users to its table of them. Every node does so from its own apply, after the batch, in log order, so events are
//! not sent between nodes.

use super::{Node, Parking, PubSub, Publication, Tracking};
use crate::{
    config::Config,
    error::StoreError,
    fail,
    psync::Psync,
    store::{ChangeEvent, EventClass, Interest, Observer},
};
use bytes::Bytes;
use std::{
    collections::BTreeSet,
    sync::{Arc, Weak},
};

/// Publishes keyspace events.
pub struct KeyspaceNotifier {
    config: Arc<Config>,
    pubsub: Arc<PubSub>,
    parking: Arc<Parking>,
    tracking: Arc<Tracking>,
    psync: Arc<Psync>,
    /// The node has the store, which has this.
    node: Weak<Node>,
}

impl KeyspaceNotifier {
    pub fn new(node: &Arc<Node>) -> Self {
        KeyspaceNotifier {
            config: Arc::clone(&node.config),
            pubsub: Arc::clone(&node.pubsub),
            parking: Arc::clone(&node.parking),
            tracking: Arc::clone(&node.tracking),
            psync: Arc::clone(&node.psync),
            node: Arc::downgrade(node),
        }
    }

    /// Has the node follow a change of users, before the write is answered.
    fn follow_users(&self, follow: impl FnOnce(&Node) -> Result<(), StoreError>) {
        if let Some(node) = self.node.upgrade()
            && let Err(error) = follow(&node)
        {
            // Without its users the node cannot tell who may do what.
            fail::stop_the_process(&format!("the users could not be read: {error}"));
        }
    }

    fn has_subscribers(&self) -> bool {
        self.pubsub.has_listeners() && !self.config.settings().notify_keyspace_events.is_empty()
    }

    fn publish(&self, wanted: &Wanted<'_>, db: u32, key: &[u8], name: &str) {
        let deliver = |channel: Vec<u8>, payload: &[u8]| {
            let (channel, payload) = (Bytes::from(channel), Bytes::copy_from_slice(payload));
            self.pubsub.deliver(&Publication { channel, payload, is_sharded: false, at: None });
        };
        if wanted.0.contains('K') {
            deliver([format!("__keyspace@{db}__:").as_bytes(), key].concat(), name.as_bytes());
        }
        if wanted.0.contains('E') {
            deliver(format!("__keyevent@{db}__:{name}").into_bytes(), key);
        }
    }
}

impl Observer for KeyspaceNotifier {
    fn interest(&self) -> Interest {
        Interest {
            keys: !self.parking.is_empty() || self.tracking.wants_changes(),
            events: self.has_subscribers(),
            messages: self.pubsub.has_listeners(),
            calls: self.psync.is_active(),
        }
    }

    fn changed(&self, index: u64, changes: Vec<ChangeEvent>) {
        self.tracking.changed(index, &changes);
        self.psync.changed(&changes);
        let settings = self.config.settings();
        let wanted = Wanted(&settings.notify_keyspace_events);
        let mut users = BTreeSet::new();
        for change in changes {
            match change {
                ChangeEvent::Key(change) if change.may_unblock() && !self.parking.is_empty() => {
                    self.parking.ready(change.db, &change.key);
                }
                ChangeEvent::Databases(_) => self.parking.all_ready(),
                ChangeEvent::Keyspace { db, key, class, name } if wanted.has(class) => {
                    self.publish(&wanted, db, &key, name);
                }
                ChangeEvent::Message { channel, payload, is_sharded } => {
                    self.pubsub.deliver(&Publication { channel, payload, is_sharded, at: None });
                }
                ChangeEvent::User { name } => {
                    users.insert(name);
                }
                ChangeEvent::Key(_)
                | ChangeEvent::Keyspace { .. }
                | ChangeEvent::Read { .. }
                | ChangeEvent::ReadsTooMuch { .. }
                | ChangeEvent::Call(_) => {}
            }
        }
        if !users.is_empty() {
            self.follow_users(|node| node.users.follow(&node.group.store, &users));
        }
    }

    fn told(&self, number: u64, recorded: Option<u64>, has_calls: bool) {
        self.tracking.recent.tell(number, recorded);
        self.psync.told(number, has_calls);
    }

    fn missed(&self, db: u32, key: &[u8]) {
        if !self.has_subscribers() {
            return;
        }
        let settings = self.config.settings();
        let wanted = Wanted(&settings.notify_keyspace_events);
        if wanted.has(EventClass::Miss) {
            self.publish(&wanted, db, key, "keymiss");
        }
    }

    fn replaced(&self) {
        self.parking.all_ready();
        self.tracking.everything_changed(false);
    }

    fn installed(&self) {
        self.tracking.everything_changed(true);
        self.psync.data_were_replaced();
        self.follow_users(|node| node.users.reload(&node.group.store));
    }
}

/// Letters of `notify-keyspace-events`.
struct Wanted<'a>(&'a str);

impl Wanted<'_> {
    fn has(&self, class: EventClass) -> bool {
        let letter = match class {
            EventClass::Generic => 'g',
            EventClass::String => '$',
            EventClass::List => 'l',
            EventClass::Set => 's',
            EventClass::Hash => 'h',
            EventClass::SortedSet => 'z',
            EventClass::Stream => 't',
            EventClass::Expired => 'x',
            EventClass::Evicted => 'e',
            EventClass::New => 'n',
            EventClass::Miss => 'm',
        };
        // `A` is every class but new keys and misses.
        self.0.contains(letter) || (!matches!(letter, 'n' | 'm') && self.0.contains('A'))
    }
}
