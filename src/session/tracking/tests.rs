//! Who is told of what, in which order, and what a full table does.

use super::*;
use crate::{
    acl::{Catalogue, Definition, User},
    resp::Protocol,
    session::{Client, Clients, PubSub},
    store::{ChangeEvent, KeyChange, Origin},
};
use bytes::{Bytes, BytesMut};
use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
};

const PROCESS: u64 = 9;

struct Home {
    clients: Clients,
    tracking: Arc<Tracking>,
    table: TrackingTable,
    keys_max: u64,
}

/// A client of the table, and its session.
struct Guest {
    client: Arc<Client>,
    session: SessionTracking,
}

fn options(mode: TrackingMode) -> TrackingOptions {
    TrackingOptions { mode, no_loop: false, redirect: 0, prefixes: Vec::new() }
}

fn written_by(key: &str, by: Option<u64>) -> ChangeEvent {
    let by = by.map(|client| Origin { process: PROCESS, client, tracks: false });
    let (db, key, before, after) = (0, key.as_bytes().to_vec(), None, None);
    ChangeEvent::Key(KeyChange { db, key, before, after, was_live: true, by })
}

fn written(key: &str) -> ChangeEvent {
    written_by(key, None)
}

impl Home {
    fn new() -> Self {
        let tracking = Arc::new(Tracking::new(PROCESS, &PubSub::default()));
        let table = tracking.table();
        Home { clients: Clients::default(), tracking, table, keys_max: 0 }
    }

    fn client(&self) -> Arc<Client> {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let client = Arc::new(Client::new(self.clients.next_id(), address, address, -1, 0));
        client.resp.store(3, Ordering::Relaxed);
        assert!(self.clients.insert(Arc::clone(&client), 1000));
        client
    }

    fn guest(&mut self, options: TrackingOptions) -> Guest {
        let client = self.client();
        let mut session = SessionTracking::begin(&self.tracking, &client);
        let prefixes = session.set(options);
        self.table.begin(&session, prefixes);
        Guest { client, session }
    }

    fn read(&mut self, guest: &Guest, keys: &[&str]) {
        let keys = keys.iter().map(|key| key.as_bytes());
        self.table.register(&guest.session, keys, &self.clients, self.keys_max);
    }

    fn change(&mut self, changes: &[ChangeEvent]) {
        self.tracking.changed(1, changes);
        while self.table.work(&self.clients, self.keys_max).0 {}
    }

    fn everything(&mut self, is_told_to_all: bool) {
        self.tracking.everything_changed(is_told_to_all);
        while self.table.work(&self.clients, self.keys_max).0 {}
    }

    fn items(&self) -> (u64, u64) {
        let totals = self.tracking.totals();
        (totals.keys, totals.items)
    }
}

/// What waits for a client, in words.
fn heard_in(client: &Client, protocol: Protocol) -> String {
    let mut out = BytesMut::new();
    if let Some(messages) = client.messages() {
        messages.take(protocol, usize::MAX, usize::MAX, &mut out);
    }
    let words: Vec<String> = String::from_utf8_lossy(&out)
        .split("\r\n")
        .filter(|line| !line.is_empty() && !line.starts_with(['$', '>', '*']) && *line != "invalidate")
        .map(str::to_owned)
        .collect();
    words.join(" ")
}

fn heard(guest: &Guest) -> String {
    heard_in(&guest.client, Protocol::Resp3)
}

#[test]
fn those_who_read_a_key_are_told_once_and_nobody_else() {
    let mut home = Home::new();
    let (one, two, three) = (
        home.guest(options(TrackingMode::Reads)),
        home.guest(options(TrackingMode::Reads)),
        home.guest(options(TrackingMode::Reads)),
    );
    home.read(&one, &["a", "b", "a"]);
    home.read(&two, &["a"]);
    assert_eq!(home.items(), (2, 3));
    home.change(&[written("a"), written("c"), written("a")]);
    assert_eq!((heard(&one), heard(&two), heard(&three)), ("a".into(), "a".into(), String::new()));
    home.change(&[written("a")]);
    assert_eq!(heard(&one), "", "it has not read it since");
    assert_eq!(home.items(), (1, 1));
    home.change(&[written("b")]);
    assert_eq!((heard(&one), home.items()), ("b".into(), (0, 0)));
    let memory = &one.client.memory.tracked;
    assert_eq!((memory.load(Ordering::Relaxed), home.tracking.totals().bytes), (0, 0));
}

/// The client goes on with what it wrote: it must hear of the next change by somebody else.
#[test]
fn own_changes_are_not_told_with_noloop_and_the_key_stays_tracked() {
    let mut home = Home::new();
    let quiet = home.guest(TrackingOptions { no_loop: true, ..options(TrackingMode::Reads) });
    let other = home.guest(options(TrackingMode::Reads));
    let own = Some(quiet.client.id);
    home.read(&quiet, &["k"]);
    home.read(&other, &["k"]);
    home.change(&[written_by("k", own)]);
    assert_eq!((heard(&quiet), heard(&other)), (String::new(), "k".into()));
    home.change(&[written_by("k", own), written("k"), written_by("k", own)]);
    assert_eq!(heard(&quiet), "k");
    home.read(&other, &["k"]);
    home.change(&[written_by("k", Some(other.client.id))]);
    assert_eq!(heard(&other), "k", "without NOLOOP");
}

#[test]
fn prefixes_are_told_in_one_message_each_and_own_changes_left_out() {
    let mut home = Home::new();
    let with = |prefixes: &[&'static str], no_loop| TrackingOptions {
        prefixes: prefixes.iter().map(|prefix| Bytes::from_static(prefix.as_bytes())).collect(),
        no_loop,
        ..options(TrackingMode::Broadcast)
    };
    let all = home.guest(with(&[], false));
    let some = home.guest(with(&["a", "b1"], false));
    let quiet = home.guest(with(&["a"], true));
    let own = Some(quiet.client.id);
    home.change(&[
        written("b2"),
        written_by("a2", own),
        written("a1"),
        written("a1"),
        written("b12"),
        written_by("a3", own),
        written("a3"),
    ]);
    assert_eq!(heard(&all), "a1 a2 a3 b12 b2");
    assert_eq!(heard(&some), "a1 a2 a3 b12");
    assert_eq!(heard(&quiet), "a1 a3", "somebody else has changed a3 as well");
    assert_eq!(home.tracking.totals().prefixes, 3);
    home.change(&[written_by("a", own)]);
    assert_eq!((heard(&quiet), heard(&some), heard(&all)), (String::new(), "a".into(), "a".into()));
    drop((some, quiet));
    home.table.tick(true, &home.clients, 0);
    assert_eq!(home.tracking.totals().prefixes, 1);
    home.change(&[written("a")]);
    assert_eq!(heard(&all), "a");
}

#[test]
fn a_prefix_message_has_a_bound() {
    let mut home = Home::new();
    let all = home.guest(options(TrackingMode::Broadcast));
    let changes: Vec<ChangeEvent> = (0..3000).map(|at| written(&format!("{at:01000}"))).collect();
    home.change(&changes);
    let mut out = BytesMut::new();
    let messages = all.client.messages().unwrap();
    assert!(messages.waiting() > 100, "{}", messages.waiting());
    messages.take(Protocol::Resp3, 1, usize::MAX, &mut out);
    assert!(out.len() < 2 * crate::limits::INVALIDATION_BYTES_MAX);
}

#[test]
fn a_restricted_user_hears_of_keys_that_it_may_read_only() {
    let mut home = Home::new();
    let all = home.guest(options(TrackingMode::Broadcast));
    let catalogue = Catalogue::new(Vec::new());
    let mut definition = Definition::new();
    for rule in ["on", "~a*", "%W~b*"] {
        definition.apply(rule.as_bytes(), None).unwrap();
    }
    all.client.set_user(Some(Arc::new(User::new("u", 1, definition, &catalogue))));
    home.change(&[written("a1"), written("b1"), written("c1")]);
    assert_eq!(heard(&all), "a1");
    home.change(&[written("b1")]);
    assert_eq!(heard(&all), "");
}

#[test]
fn reads_in_the_log_count_at_their_position() {
    let mut home = Home::new();
    let guest = home.guest(options(TrackingMode::Reads));
    let by = Origin { process: PROCESS, client: guest.client.id, tracks: true };
    let read = |by| ChangeEvent::Read { key: b"k".to_vec(), by };
    home.change(&[written("k"), read(by)]);
    assert_eq!((heard(&guest), home.items()), (String::new(), (1, 1)));
    home.change(&[written("k")]);
    assert_eq!(heard(&guest), "k");
    home.change(&[read(by), written("k")]);
    assert_eq!(heard(&guest), "k");
    home.change(&[read(Origin { process: PROCESS + 1, ..by }), written("k")]);
    assert_eq!(heard(&guest), "", "a client of another node, or of this one before it was restarted");
    home.change(&[ChangeEvent::ReadsTooMuch { by }]);
    assert_eq!(heard(&guest), "_");
}

#[test]
fn everything_is_told_to_those_it_concerns() {
    let mut home = Home::new();
    let (idle, reader) = (home.guest(options(TrackingMode::Reads)), home.guest(options(TrackingMode::Reads)));
    let prefix = home.guest(options(TrackingMode::Broadcast));
    home.read(&reader, &["a", "b"]);
    home.everything(false);
    assert_eq!((heard(&idle), heard(&reader), heard(&prefix)), (String::new(), "_".into(), "_".into()));
    assert_eq!((home.items(), home.tracking.totals().bytes), ((0, 0), 0));
    home.change(&[written("a")]);
    assert_eq!((heard(&reader), heard(&prefix)), (String::new(), "a".into()));
    home.everything(true);
    assert_eq!((heard(&idle), heard(&reader), heard(&prefix)), ("_".into(), "_".into(), "_".into()));
    home.read(&reader, &["a"]);
    home.table.tick(false, &home.clients, 0);
    home.change(&[]);
    home.everything(false);
    assert_eq!(heard(&reader), "_", "its node has lost its leader, which is told once");
}

#[test]
fn a_full_table_tells_of_what_it_forgets() {
    let mut home = Home::new();
    home.keys_max = 10;
    let (one, two) = (home.guest(options(TrackingMode::Reads)), home.guest(options(TrackingMode::Reads)));
    let names: Vec<String> = (0..25).map(|at| format!("k{at}")).collect();
    for name in &names {
        home.read(&one, &[name]);
        home.read(&two, &[name]);
    }
    assert_eq!(home.items(), (10, 20));
    let told = heard(&one);
    let told: Vec<&str> = told.split(' ').collect();
    assert_eq!(told.len(), 15);
    let changes: Vec<ChangeEvent> = names.iter().map(|name| written(name)).collect();
    home.change(&changes);
    let rest = heard(&one);
    let mut all: Vec<&str> = told.into_iter().chain(rest.split(' ')).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 25, "each was told once");
    assert_eq!(home.tracking.totals().forgotten, 15);
    home.keys_max = 0;
    let large = "x".repeat(crate::limits::TRACKING_BYTES_MAX as usize / 2);
    home.read(&one, &["small"]);
    home.read(&one, &[&format!("{large}1")]);
    home.read(&one, &[&format!("{large}2")]);
    assert!(home.tracking.totals().bytes <= crate::limits::TRACKING_BYTES_MAX);
}

#[test]
fn redirection_goes_to_resp3_clients_and_to_subscribers_and_breaks_with_them() {
    let mut home = Home::new();
    let target = home.client();
    let guest = home.guest(TrackingOptions { redirect: target.id, ..options(TrackingMode::Reads) });
    let told = |home: &mut Home, resp: u32, subscribed: u32| {
        target.resp.store(resp, Ordering::Relaxed);
        target.subscribed.store(subscribed, Ordering::Relaxed);
        home.read(&guest, &["k"]);
        home.change(&[written("k")]);
        heard_in(&target, if resp == 3 { Protocol::Resp3 } else { Protocol::Resp2 })
    };
    assert_eq!(told(&mut home, 3, 0), "k");
    assert_eq!(told(&mut home, 2, 0), "");
    assert_eq!(told(&mut home, 2, 1), "message __redis__:invalidate k");
    assert_eq!(heard(&guest), "");
    home.clients.remove(target.id);
    home.read(&guest, &["k"]);
    home.change(&[written("k")]);
    assert_eq!(heard(&guest), format!("tracking-redir-broken :{}", target.id));
    assert!(guest.client.tracking.lock().is_some_and(|state| state.is_broken));
}

/// In RESP2 it would be taken for a reply.
#[test]
fn what_was_queued_in_resp3_is_dropped_when_the_client_speaks_resp2() {
    let mut home = Home::new();
    let guest = home.guest(options(TrackingMode::Reads));
    home.read(&guest, &["k"]);
    home.change(&[written("k")]);
    assert_eq!(heard_in(&guest.client, Protocol::Resp2), "");
    assert_eq!(heard(&guest), "");
}

#[test]
fn a_client_that_has_ended_is_not_told_and_is_forgotten() {
    let mut home = Home::new();
    let (one, two) = (home.guest(options(TrackingMode::Reads)), home.guest(options(TrackingMode::Reads)));
    home.read(&one, &["a", "b"]);
    home.read(&two, &["b"]);
    let Guest { client, session } = one;
    drop(session);
    assert_eq!(home.items(), (2, 3));
    home.change(&[written("a")]);
    assert_eq!(heard_in(&client, Protocol::Resp3), "");
    home.table.tick(true, &home.clients, 0);
    assert_eq!(home.items(), (1, 1));
    // It begins again, with nothing.
    let mut session = SessionTracking::begin(&home.tracking, &client);
    let prefixes = session.set(options(TrackingMode::Reads));
    home.table.begin(&session, prefixes);
    let one = Guest { client, session };
    home.change(&[written("b")]);
    assert_eq!((heard(&one), heard(&two)), (String::new(), "b".into()));
    assert_eq!(one.client.memory.tracked.load(Ordering::Relaxed), 0);
    drop((one, two));
    assert!(!home.tracking.is_used());
}

#[test]
fn a_slow_client_is_closed_and_the_others_are_not() {
    let mut home = Home::new();
    let (slow, other) =
        (home.guest(options(TrackingMode::Broadcast)), home.guest(options(TrackingMode::Broadcast)));
    let name = "x".repeat(1 << 20);
    for _ in 0..40 {
        home.change(&[written(&name)]);
        heard(&other);
    }
    assert!(slow.client.is_killed() && !other.client.is_killed());
}

#[test]
fn modes_say_which_reads_are_tracked_and_what_the_log_is_told() {
    let mut home = Home::new();
    let tracks = |guest: &Guest| guest.session.tracks_reads();
    for (mode, before, asked) in [
        (TrackingMode::Reads, true, true),
        (TrackingMode::OptIn, false, true),
        (TrackingMode::OptOut, true, false),
        (TrackingMode::Broadcast, false, false),
    ] {
        let mut guest = home.guest(options(mode));
        assert_eq!(tracks(&guest), before);
        assert_eq!(guest.session.origin(true).is_some(), before);
        assert_eq!(guest.session.origin(false), None, "a write");
        guest.session.ask();
        assert_eq!(tracks(&guest), asked);
        guest.session.called();
        assert_eq!(tracks(&guest), before);
        guest.session.set(TrackingOptions { no_loop: true, ..options(mode) });
        let expected = Origin { process: PROCESS, client: guest.client.id, tracks: false };
        assert_eq!(guest.session.origin(false), Some(expected));
    }
}
