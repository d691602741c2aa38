//! Tells a client that has reconnected of changes that it was not there for.

use super::{session::SessionTracking, table::in_messages, table::may_read, tell::tell, tracking::Tracking};
use crate::session::{Clients, subscriber::Frame};
use bytes::Bytes;

/// Tells it of those of these changed keys that its prefixes have and that it may read; returns the bytes of their names.
pub fn tell_changed(
    tracking: &Tracking,
    session: &SessionTracking,
    names: &[Bytes],
    clients: &Clients,
) -> usize {
    let tracker = session.tracker();
    let user = tracker.client.user().filter(|user| !user.is_unrestricted());
    let may_hear = |name: &Bytes| user.as_ref().is_none_or(|user| may_read(user, name));
    let heard: Vec<(&Bytes, Option<u64>)> = names
        .iter()
        .filter(|name| session.has_prefix_of(name) && may_hear(name))
        .map(|name| (name, None))
        .collect();
    for some in in_messages(&heard) {
        let names: Vec<Bytes> = some.iter().map(|(name, _)| Bytes::clone(name)).collect();
        tell(tracking, tracker, &Frame::invalidation(Some(&names), 1), clients);
    }
    heard.iter().fold(0, |sum, (name, _)| sum.saturating_add(name.len()))
}
