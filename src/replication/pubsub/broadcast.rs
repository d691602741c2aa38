//! Messages of PUBLISH on their way to all nodes: the leader gives them their order.
//!
//! ```text
//!  PUBLISH on any node ─ PUBLISH call ─▶ leader: one order ─ DELIVER calls, one at a time per node ─▶ every node ─▶ its clients
//! ```
//! Only a leader under its lease orders messages, and a node delivers nothing of a term after it has delivered something of
//! a later one: so no two nodes show two messages in different orders, whatever happens to leaders. A broken call is not
//! repeated, so a message comes at most once. Nothing is written to the log.
//!
//! Each message has a position in that order, and keeps it through edge sites: a node delivers only messages behind the
//! last one it delivered (`session/message_order.rs`).

use crate::{
    peer::{Answer, CallError, LocalIdentity, Peers},
    replication::{
        consensus::RaftNode,
        wire::{self, publication_from_wire, publication_to_wire},
    },
    resp::ErrorReply,
    session::{MessagePosition, PubSub, Publication},
    state::ReplicationState,
};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

/// Messages that wait for their order.
pub const PUBLISHING_MAX: usize = 4096;
/// Batches that wait for one node; with more, messages to it are dropped.
const BATCHES_MAX: usize = 256;
const BATCH_MESSAGES_MAX: usize = 256;
const BATCH_BYTES_MAX: usize = 1 << 20;
/// Longest wait of a message for a leader.
const LEADER_WAIT_MAX: Duration = Duration::from_secs(5);
const RETRY_INTERVAL: Duration = Duration::from_millis(20);
/// Longest time for another node to take a batch; it only queues messages.
const DELIVER_MAX: Duration = Duration::from_millis(1000);
const ORDER_MAX: Duration = Duration::from_millis(3000);

/// A message, and the channel for the number of its receivers.
pub type Publishing = (Publication, oneshot::Sender<Result<u64, ErrorReply>>);

/// Receivers of each message of a batch on one other node; dropped if unknown.
type Counts = oneshot::Receiver<Vec<u64>>;

/// Messages for one node to deliver.
struct Batch {
    deliver: wire::Deliver,
    counts: oneshot::Sender<Vec<u64>>,
}

/// Orders and distributes messages.
pub struct Broadcast {
    pub raft: RaftNode,
    pub peers: Arc<Peers>,
    pub state: Arc<ReplicationState>,
    pub identity: Arc<LocalIdentity>,
    pub pubsub: Arc<PubSub>,
    /// The way to each other node, while it is a member.
    ways: Mutex<BTreeMap<(u64, String), mpsc::Sender<Batch>>>,
    /// The last position that this node assigned. Locked after `ways`.
    given: Mutex<MessagePosition>,
}

impl Broadcast {
    pub fn new(
        raft: RaftNode,
        peers: Arc<Peers>,
        state: Arc<ReplicationState>,
        identity: Arc<LocalIdentity>,
        pubsub: Arc<PubSub>,
    ) -> Self {
        Broadcast { raft, peers, state, identity, pubsub, ways: Mutex::default(), given: Mutex::default() }
    }

    /// Publishes the messages of this node's clients until all senders are gone. It handles one batch at a time, to keep
    /// their order.
    pub async fn run(self: Arc<Self>, mut publishing: mpsc::Receiver<Publishing>) {
        while let Some(first) = publishing.recv().await {
            let mut bytes = first.0.payload.len();
            let (mut messages, mut waiting) = (vec![first.0], vec![first.1]);
            while messages.len() < BATCH_MESSAGES_MAX && bytes < BATCH_BYTES_MAX {
                let Ok((message, answer)) = publishing.try_recv() else { break };
                bytes = bytes.saturating_add(message.payload.len());
                messages.push(message);
                waiting.push(answer);
            }
            match self.order_somewhere(messages).await {
                Ok(Ordered::Here(pending)) => {
                    // The next publisher need not wait until all nodes have answered this.
                    tokio::spawn(async move {
                        let counts = pending.total().await;
                        for (answer, count) in waiting.into_iter().zip(counts) {
                            let _ = answer.send(Ok(count));
                        }
                    });
                }
                Ok(Ordered::Elsewhere(counts)) => {
                    for (answer, count) in waiting.into_iter().zip(counts) {
                        let _ = answer.send(Ok(count));
                    }
                }
                Err(error) => waiting.into_iter().for_each(|answer| drop(answer.send(Err(error.clone())))),
            }
        }
    }

    async fn order_somewhere(&self, messages: Vec<Publication>) -> Result<Ordered, ErrorReply> {
        let deadline = Instant::now() + LEADER_WAIT_MAX;
        let call = wire::Publish { messages: messages.iter().map(publication_to_wire).collect() };
        loop {
            if let Some(pending) = self.order(&messages, None) {
                return Ok(Ordered::Here(pending));
            }
            if let Some((id, address)) = self.state.leader().filter(|(id, _)| *id != self.identity.node_id) {
                let client = self.peers.client(&address, id);
                match client.call(wire::kind::PUBLISH, wire::write(&call), ORDER_MAX).await {
                    Ok(answer) => {
                        let answer = wire::read::<wire::PublishAnswer>(answer).unwrap_or_default();
                        let mut counts = answer.counts;
                        counts.resize(messages.len(), 0);
                        return Ok(Ordered::Elsewhere(counts));
                    }
                    Err(CallError::Broken(why)) => {
                        let text =
                            format!("outcome unknown: {why}; the message may or may not have been sent");
                        return Err(ErrorReply::new("UNKNOWN", text));
                    }
                    Err(CallError::Unreachable(_) | CallError::Refused(_)) => {}
                }
            }
            if Instant::now() >= deadline {
                let text = "there is no leader at the moment; the message was not sent, try again";
                return Err(ErrorReply::new("CLUSTERDOWN", text));
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }

    /// As leader: orders messages and sends them to every node. `None`: this node may not be the leader. `of`: the history
    /// of the core in which these messages already have positions.
    fn order(&self, messages: &[Publication], of: Option<&str>) -> Option<Pending> {
        if !self.state.leads_surely() {
            return None;
        }
        let term = self.state.leader_term();
        if !self.pubsub.admit(term) {
            return None;
        }
        let members = self.raft.members();
        let others = members.list.iter().filter(|member| member.id != self.identity.node_id);
        let mut ways = self.ways.lock();
        ways.retain(|(id, address), _| {
            members.find(*id).is_some_and(|member| member.peer.address == *address)
        });
        let messages = match of {
            Some(_) => messages.to_vec(),
            None => self.placed(term, messages),
        };
        let history = of.unwrap_or_default().to_owned();
        let deliver =
            wire::Deliver { term, messages: messages.iter().map(publication_to_wire).collect(), history };
        let mut elsewhere = Vec::new();
        for member in others {
            let at = (member.id, member.peer.address.clone());
            let way = ways.entry(at).or_insert_with(|| self.way(member.id, &member.peer.address));
            let (counts, counted) = oneshot::channel();
            match way.try_send(Batch { deliver: deliver.clone(), counts }) {
                Ok(()) => elsewhere.push(counted),
                Err(_) => self.drop_messages(messages.len()),
            }
        }
        let here = messages.iter().map(|message| self.pubsub.publish(message)).collect();
        Some(Pending { here, elsewhere })
    }

    /// These messages with the next positions.
    fn placed(&self, term: u64, messages: &[Publication]) -> Vec<Publication> {
        let mut given = self.given.lock();
        if given.term != term {
            *given = MessagePosition { term, number: 0 };
        }
        let place = |message: &Publication| {
            given.number = given.number.saturating_add(1);
            Publication { at: Some(*given), ..message.clone() }
        };
        messages.iter().map(place).collect()
    }

    fn drop_messages(&self, count: usize) {
        self.pubsub.dropped.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Sends batches to one node, one after the other.
    fn way(&self, id: u64, address: &str) -> mpsc::Sender<Batch> {
        let (sender, mut batches) = mpsc::channel::<Batch>(BATCHES_MAX);
        let (client, pubsub) = (self.peers.client(address, id), Arc::clone(&self.pubsub));
        tokio::spawn(async move {
            while let Some(Batch { deliver, counts }) = batches.recv().await {
                let answer = client.call(wire::kind::DELIVER, wire::write(&deliver), DELIVER_MAX).await;
                match answer.ok().and_then(|answer| wire::read::<wire::PublishAnswer>(answer).ok()) {
                    // The publisher may have given up.
                    Some(answer) => drop(counts.send(answer.counts)),
                    None => drop(pubsub.dropped.fetch_add(deliver.messages.len() as u64, Ordering::Relaxed)),
                }
            }
        });
        sender
    }

    /// The leader's side of messages that clients of another node publish.
    pub async fn receive(&self, call: wire::Publish) -> Answer {
        let messages: Vec<Publication> = call.messages.into_iter().map(publication_from_wire).collect();
        let pending = self
            .order(&messages, None)
            .ok_or_else(|| CallError::Refused("this node does not lead".into()))?;
        Ok(wire::write(&wire::PublishAnswer { counts: pending.total().await }))
    }

    /// On an edge, as leader of the site: hands messages of this history of the core to all nodes of the site.
    pub fn relay(&self, messages: &[Publication], history: &str) {
        if self.order(messages, Some(history)).is_none() {
            self.drop_messages(messages.len());
        }
    }

    /// Messages of an edge's clients, in order; ordered here or by the leader.
    pub async fn publish_for_edge(&self, call: wire::Publish) -> Answer {
        let messages: Vec<Publication> = call.messages.into_iter().map(publication_from_wire).collect();
        let counts = match self.order_somewhere(messages).await {
            Ok(Ordered::Here(pending)) => pending.total().await,
            Ok(Ordered::Elsewhere(counts)) => counts,
            Err(error) if error.code() == "UNKNOWN" => return Err(CallError::Broken(error.text().into())),
            Err(error) => return Err(CallError::Refused(error.text().into())),
        };
        Ok(wire::write(&wire::PublishAnswer { counts }))
    }

    /// Every node's side: hands messages to its clients.
    pub fn deliver(&self, deliver: wire::Deliver) -> Answer {
        if !self.pubsub.admit(deliver.term) {
            return Err(CallError::Refused("this node has delivered messages of a later term".into()));
        }
        if !deliver.history.is_empty() {
            self.pubsub.follow(&deliver.history);
        }
        let publish = |message| self.pubsub.publish(&publication_from_wire(message));
        let counts = deliver.messages.into_iter().map(publish).collect();
        Ok(wire::write(&wire::PublishAnswer { counts }))
    }
}

enum Ordered {
    Here(Pending),
    Elsewhere(Vec<u64>),
}

/// Messages that have their order; how many got them will be known soon.
struct Pending {
    here: Vec<u64>,
    elsewhere: Vec<Counts>,
}

impl Pending {
    /// For each message how many on all nodes that answered got it.
    async fn total(self) -> Vec<u64> {
        let mut total = self.here;
        for counts in futures::future::join_all(self.elsewhere).await.into_iter().flatten() {
            total.iter_mut().zip(counts).for_each(|(sum, count)| *sum = sum.saturating_add(count));
        }
        total
    }
}
