//! Every proposal gets one outcome, in order, and what was applied is counted once.

use super::support::{TestNode, eventually};
use crate::{
    limits::{ENTRY_BYTES_MAX, ENTRY_BYTES_TARGET},
    replica::ProposalBuilder,
    replication::queue::{Mailbox, NotDone, Outcome, Ticket},
    resp::Reply,
    session::Stats,
    state::Work,
    time::now_ms,
};
use bytes::Bytes;
use std::time::Duration;

#[tokio::test(flavor = "current_thread")]
async fn proposals_of_one_client_are_applied_and_answered_in_order() {
    let home = tempfile::tempdir().unwrap();
    let node = TestNode::start(home.path()).await;
    assert!(node.log.can_read());
    let entries_before = node.log.state().applied_index();
    for id in 0..2000 {
        node.submit(id, &[b"ADD", b"k"]);
    }
    let outcomes = node.outcomes(2000).await;
    for (n, (id, outcome)) in outcomes.iter().enumerate() {
        assert_eq!(*id, n as u64);
        assert_eq!(*outcome, Outcome::Applied(vec![Reply::Int(n as i64 + 1)]));
    }
    assert_eq!(node.count_of(b"k"), Some(2000));
    let entries = node.log.state().applied_index() - entries_before;
    assert!(entries < 1000, "2000 proposals should share entries, but took {entries}");
    node.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn large_proposals_travel_alone_and_too_large_ones_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let node = TestNode::start(home.path()).await;
    let large = vec![b'x'; ENTRY_BYTES_TARGET];
    node.submit(0, &[b"ADD", b"k"]);
    node.submit(1, &[b"ADD", &large]);
    node.submit(2, &[b"ADD", b"k"]);
    let outcomes = node.outcomes(3).await;
    assert_eq!(outcomes[2].1, Outcome::Applied(vec![Reply::Int(2)]));
    assert_eq!(node.count_of(&large), Some(1));
    let ticket =
        Ticket { mailbox: Mailbox::new(), id: 0, was_forwarded: false, client: 0, work: Work::HOUSEKEEPING };
    let refused = node.log.submit(Bytes::from(vec![0; ENTRY_BYTES_MAX]), ticket);
    assert_eq!(refused, Err(NotDone::TooLarge));
    assert_eq!(Stats::get(&node.stats.proposals_refused), 1);
    node.stop().await;
}

#[tokio::test(flavor = "current_thread")]
async fn shutdown_answers_what_is_queued_and_refuses_the_rest() {
    let home = tempfile::tempdir().unwrap();
    let node = TestNode::start(home.path()).await;
    for id in 0..500 {
        node.submit(id, &[b"ADD", b"k"]);
    }
    assert!(node.log.shutdown(Duration::from_secs(10)).await);
    let outcomes = node.outcomes(500).await;
    let applied = outcomes.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Applied(_))).count();
    assert_eq!(node.count_of(b"k"), Some(applied as i64));
    assert!(outcomes.iter().all(|(_, outcome)| !matches!(outcome, Outcome::Unknown(_))));
    let ticket =
        Ticket { mailbox: Mailbox::new(), id: 0, was_forwarded: false, client: 0, work: Work::HOUSEKEEPING };
    assert_eq!(node.log.submit(ProposalBuilder::sweep(1), ticket), Err(NotDone::Stopping));
    assert!(!node.log.can_read());
}

#[tokio::test(flavor = "current_thread")]
async fn expired_keys_are_deleted_through_the_log() {
    let home = tempfile::tempdir().unwrap();
    let node = TestNode::start(home.path()).await;
    let keys: Vec<String> = (0..2500).map(|n| format!("key:{n}")).collect();
    let soon = (now_ms() + 300).to_string();
    for key in &keys {
        node.submit(0, &[b"ADD", key.as_bytes()]);
        node.submit(0, &[b"EXPIREAT", key.as_bytes(), soon.as_bytes()]);
    }
    node.submit(0, &[b"ADD", b"stays"]);
    node.outcomes(5001).await;
    let left = || node.store.published().state().database(0).keys;
    eventually("all expired keys gone", || left() == 1).await;
    eventually("counted", || Stats::get(&node.stats.expired_keys) == 2500).await;
    node.stop().await;
}
