//! Hands an invalidation to the client that tracks, or to the one that it has named.

use super::{session::Tracker, tracking::Tracking};
use crate::session::{Client, Clients, subscriber::Frame};
use std::sync::{Arc, atomic::Ordering};

/// A client that does not speak RESP3 hears of it only as a subscriber that another one redirects to, as in Redis.
pub(super) fn tell(tracking: &Tracking, tracker: &Tracker, frame: &Arc<Frame>, clients: &Clients) {
    let client = &tracker.client;
    let Some(state) = *client.tracking.lock() else { return };
    let speaks_resp3 = |client: &Client| client.resp.load(Ordering::Relaxed) == 3;
    if state.redirect == 0 {
        if speaks_resp3(client) {
            put(tracking, client, frame);
        }
        return;
    }
    match clients.get(state.redirect) {
        Some(target) if speaks_resp3(&target) || target.is_subscribed() => put(tracking, &target, frame),
        Some(_) => {}
        None => {
            if let Some(state) = client.tracking.lock().as_mut() {
                state.is_broken = true;
            }
            if speaks_resp3(client) {
                put(tracking, client, &Frame::redirection_broken(state.redirect));
            }
        }
    }
}

fn put(tracking: &Tracking, client: &Arc<Client>, frame: &Arc<Frame>) {
    tracking.inbox(client).put(frame);
    tracking.told.fetch_add(1, Ordering::Relaxed);
}
