//! What batches did, passed on within this node: keyspace events to its subscribers (Redis's keyspace notifications),
//! ready keys to its parked sessions. Every node does so from its own apply, after the batch, in log order, so events are
//! not sent between nodes.

use super::{Node, Parking, PubSub, Publication};
use crate::{
    config::Config,
    store::{EventClass, Happening, Observer},
};
use bytes::Bytes;
use std::sync::Arc;

/// See the module.
pub struct Witness {
    config: Arc<Config>,
    pubsub: Arc<PubSub>,
    parking: Arc<Parking>,
}

impl Witness {
    pub fn new(node: &Node) -> Self {
        Witness {
            config: Arc::clone(&node.config),
            pubsub: Arc::clone(&node.pubsub),
            parking: Arc::clone(&node.parking),
        }
    }
}

impl Witness {
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

impl Observer for Witness {
    fn wants_events(&self) -> bool {
        self.pubsub.has_listeners() && !self.config.settings().notify_keyspace_events.is_empty()
    }

    fn wants_ready(&self) -> bool {
        !self.parking.is_empty()
    }

    fn happened(&self, happenings: Vec<Happening>) {
        let settings = self.config.settings();
        let wanted = Wanted(&settings.notify_keyspace_events);
        for happening in happenings {
            match happening {
                Happening::Ready { db, key } => self.parking.ready(db, &key),
                Happening::AllReady => self.parking.all_ready(),
                Happening::Event { db, key, class, name } if wanted.has(class) => {
                    self.publish(&wanted, db, &key, name);
                }
                Happening::Event { .. } => {}
            }
        }
    }

    fn missed(&self, db: u32, key: &[u8]) {
        if !self.wants_events() {
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
            EventClass::New => 'n',
            EventClass::Miss => 'm',
        };
        // `A` is every class but new keys and misses.
        self.0.contains(letter) || (!matches!(letter, 'n' | 'm') && self.0.contains('A'))
    }
}
