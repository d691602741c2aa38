//! The network: calls from node to node, each delayed, lost or doubled by the dice and by what the run says of a link.
//!
//! Of a call that is lost nothing is heard until its connection is given up. A node that is down refuses at once. A node
//! that starts again has no connections: what was on its way to or from it is gone.

use super::{Dice, ON_STAGE, current};
use crate::{
    peer::{
        Answer, CallError, FIRST_MEMBER_KIND, Groups, Lane, LocalIdentity, Network as PeerNetwork, Outgoing,
    },
    tests::stage::Stage,
};
use bytes::Bytes;
use futures::future::BoxFuture;
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::oneshot;

/// When a connection over which nothing comes any more is given up.
const GIVEN_UP_MS: u64 = 5000;

/// How links behave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    pub(crate) delay_ms: (u64, u64),
    /// Now and then a packet takes as long as this.
    pub(crate) late_ms: u64,
    pub(crate) late_per_mille: u64,
    pub(crate) lost_per_mille: u64,
    /// Only of calls that may be made twice.
    pub(crate) doubled_per_mille: u64,
    /// Whether small calls keep their order, too. Those of the ordered lane always do: whoever uses it relies on that.
    pub(crate) is_ordered: bool,
}

/// As in one rack.
pub(crate) const CALM: Weather = Weather {
    delay_ms: (1, 3),
    late_ms: 0,
    late_per_mille: 0,
    lost_per_mille: 0,
    doubled_per_mille: 0,
    is_ordered: true,
};

/// One way.
pub(crate) enum Packet {
    Call(Call),
    /// To the call of this number.
    Answer(u64, Answer),
}

/// A call that has come to its node.
pub(crate) struct Call {
    /// 0 = it is the second of a doubled one: nobody waits for its answer.
    number: u64,
    from: usize,
    to: usize,
    from_id: u64,
    to_id: u64,
    cluster: Option<String>,
    group: u64,
    kind: u32,
    body: Bytes,
}

/// Who waits for the answer to a call.
struct Waiter {
    from: usize,
    to: usize,
    answer: oneshot::Sender<Answer>,
}

/// What went over the network, for those who watch it.
pub(crate) struct Seen {
    pub(crate) from_id: u64,
    pub(crate) to_id: u64,
    pub(crate) kind: u32,
    pub(crate) body: Bytes,
    /// `None`: it is the call.
    pub(crate) answer: Option<Bytes>,
}

struct Listener {
    identity: Arc<LocalIdentity>,
    groups: Arc<Groups>,
}

/// See the module.
pub(crate) struct Network {
    dice: Dice,
    addresses: Vec<String>,
    listeners: Vec<Option<Listener>>,
    /// Which links carry nothing, from and to.
    cut: Vec<Vec<bool>>,
    pub(crate) weather: Weather,
    /// By when they arrive and in which order they were sent, for each node.
    arriving: Vec<BTreeMap<(u64, u64), Packet>>,
    sent: u64,
    calls: u64,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    /// By the numbers of their calls. Here and not with the call on its node: tokio drops the tasks of a runtime in an order
    /// that no seed repeats.
    waiters: BTreeMap<u64, Waiter>,
    /// When the last call of each link's ordered lane arrives.
    last: BTreeMap<(usize, usize, u8), u64>,
    pub(crate) seen: Vec<Seen>,
    /// Kinds that may be doubled.
    pub(crate) is_doubled: fn(u32) -> bool,
    /// A call, or its answer if there is one, for the history.
    pub(crate) describe: fn(u32, &Bytes, Option<&Bytes>) -> String,
}

impl Network {
    pub(super) fn new(dice: Dice, addresses: Vec<String>) -> Self {
        let nodes = addresses.len();
        Network {
            dice,
            addresses,
            listeners: (0..nodes).map(|_| None).collect(),
            cut: vec![vec![false; nodes]; nodes],
            weather: CALM,
            arriving: (0..nodes).map(|_| BTreeMap::new()).collect(),
            sent: 0,
            calls: 0,
            lost: 0,
            doubled: 0,
            waiters: BTreeMap::new(),
            last: BTreeMap::new(),
            seen: Vec::new(),
            is_doubled: |_| false,
            describe: |_, _, _| String::new(),
        }
    }

    pub(crate) fn cut(&mut self, from: usize, to: usize) {
        self.cut[from][to] = true;
    }

    pub(crate) fn mend(&mut self) {
        self.cut.iter_mut().for_each(|links| links.fill(false));
    }

    /// The node is down: its connections break, and what is on its way to it with them.
    pub(crate) fn break_off(&mut self, node: usize) {
        self.listeners[node] = None;
        self.arriving[node].clear();
        // Dropping a waiter tells the one who waits.
        self.waiters.retain(|_, waiter| waiter.from != node && waiter.to != node);
        self.last.retain(|(from, to, _), _| *from != node && *to != node);
        for packets in &mut self.arriving {
            packets.retain(|_, packet| !matches!(packet, Packet::Call(call) if call.from == node));
        }
    }

    /// What has arrived at a node by now.
    pub(crate) fn arrived(&mut self, node: usize, now: u64) -> Vec<Packet> {
        let later = self.arriving[node].split_off(&(now + 1, 0));
        std::mem::replace(&mut self.arriving[node], later).into_values().collect()
    }

    fn slot(&self, address: &str) -> Option<usize> {
        self.addresses.iter().position(|known| known == address)
    }

    /// When a packet sent now arrives; `None`: never.
    fn fate(&mut self, now: u64, from: usize, to: usize) -> Option<u64> {
        let Weather { delay_ms, late_ms, late_per_mille, lost_per_mille, .. } = self.weather;
        let mut at = now + self.dice.between(delay_ms.0, delay_ms.1 + 1);
        if self.dice.chance(late_per_mille) {
            at += self.dice.below(late_ms);
        }
        let is_lost = self.dice.chance(lost_per_mille) || self.cut[from][to];
        (!is_lost).then_some(at)
    }

    fn send(&mut self, to: usize, at: u64, packet: Packet) {
        self.sent += 1;
        self.arriving[to].insert((at, self.sent), packet);
    }

    fn call(&mut self, now: u64, lane: Option<Lane>, call: Call) {
        let Call { from, to, kind, .. } = call;
        let fate = self.fate(now, from, to);
        let doubled = (self.is_doubled)(kind) && self.dice.chance(self.weather.doubled_per_mille);
        if doubled && let Some(at) = self.fate(now, from, to) {
            let again = Call { number: 0, body: call.body.clone(), cluster: call.cluster.clone(), ..call };
            self.doubled += 1;
            self.send(to, at, Packet::Call(again));
        }
        let Some(mut at) = fate else {
            return self.lose(now, from, call.number);
        };
        if let Some(lane) = lane.filter(|lane| self.weather.is_ordered || *lane == Lane::Ordered) {
            let last = self.last.entry((from, to, lane as u8)).or_default();
            at = at.max(*last);
            *last = at;
        }
        self.send(to, at, Packet::Call(call));
    }

    /// A call, or its answer, is lost on its way.
    fn lose(&mut self, now: u64, caller: usize, number: u64) {
        let broken = Err(CallError::Broken("the stream was cut".into()));
        self.lost += 1;
        self.send(caller, now + GIVEN_UP_MS, Packet::Answer(number, broken));
    }

    fn answer(&mut self, now: u64, from: usize, to: usize, number: u64, answer: Answer) {
        match self.fate(now, from, to) {
            Some(at) => self.send(to, at, Packet::Answer(number, answer)),
            None => self.lose(now, to, number),
        }
    }
}

/// The network of the stage of the thread that calls, as the product sees it.
pub(crate) struct Links;

impl PeerNetwork for Links {
    fn call(&self, identity: &LocalIdentity, call: Outgoing<'_>) -> BoxFuture<'static, Answer> {
        let Outgoing { address, node_id, group, lane, kind, body, within } = call;
        let stage = current().expect(ON_STAGE);
        let mut network = stage.network.borrow_mut();
        let (waiter, answer) = oneshot::channel();
        let (Some(from), Some(to)) = (network.slot(&identity.address), network.slot(address)) else {
            let text = format!("{address}: no such host");
            return Box::pin(std::future::ready(Err(CallError::Unreachable(text))));
        };
        stage.note(format_args!("calls n{to}: {}", (network.describe)(kind, body, None)));
        network.seen.push(Seen {
            from_id: identity.node_id,
            to_id: node_id,
            kind,
            body: body.clone(),
            answer: None,
        });
        network.calls += 1;
        let number = network.calls;
        network.waiters.insert(number, Waiter { from, to, answer: waiter });
        let call = Call {
            number,
            from,
            to,
            from_id: identity.node_id,
            to_id: node_id,
            cluster: identity.cluster_id(),
            group,
            kind,
            body: body.clone(),
        };
        network.call(stage.now(), lane, call);
        Box::pin(async move {
            match tokio::time::timeout(within, answer).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(CallError::Broken("the stream was cut".into())),
                Err(_) => Err(CallError::Broken("no answer in time".into())),
            }
        })
    }

    fn listen(&self, identity: &Arc<LocalIdentity>, groups: &Arc<Groups>) {
        let stage = current().expect(ON_STAGE);
        let mut network = stage.network.borrow_mut();
        let listener = Listener { identity: Arc::clone(identity), groups: Arc::clone(groups) };
        if let Some(slot) = network.slot(&identity.address) {
            network.listeners[slot] = Some(listener);
        }
    }
}

/// Has a packet handled on its node, inside that node's runtime.
pub(crate) fn deliver(stage: &Stage, packet: Packet) {
    match packet {
        Packet::Answer(number, answer) => {
            let waiter = stage.network.borrow_mut().waiters.remove(&number);
            if let Some(waiter) = waiter {
                // It may have given up.
                let _ = waiter.answer.send(answer);
            }
        }
        Packet::Call(call) => admit(stage, call),
    }
}

fn admit(stage: &Stage, call: Call) {
    let Call { number, from, to, from_id, to_id, cluster, group, kind, body } = call;
    let refusal = match &stage.network.borrow().listeners[to] {
        None => Some(CallError::Unreachable("connection refused".into())),
        Some(Listener { identity, .. }) if to_id != 0 && to_id != identity.node_id => {
            Some(CallError::Refused("the call is for another node".into()))
        }
        Some(Listener { identity, .. })
            if kind >= FIRST_MEMBER_KIND && (cluster.is_none() || cluster != identity.cluster_id()) =>
        {
            Some(CallError::Refused("the call is of another cluster".into()))
        }
        Some(Listener { groups, .. }) if groups.get(group).is_none() => {
            Some(CallError::Refused("no such group".into()))
        }
        Some(_) => None,
    };
    if let Some(refusal) = refusal {
        return stage.network.borrow_mut().answer(stage.now(), to, from, number, Err(refusal));
    }
    let network = stage.network.borrow();
    stage.note(format_args!("hears n{from}: {}", (network.describe)(kind, &body, None)));
    let Some(Listener { identity, groups }) = &network.listeners[to] else { return };
    let Some(handler) = groups.get(group) else { return };
    let (answer, own_id) = (handler.call(from_id, kind, body.clone()), identity.node_id);
    tokio::spawn(async move {
        let answer = answer.await;
        let Some(stage) = current() else { return };
        let mut network = stage.network.borrow_mut();
        let text = match &answer {
            Ok(answer) => (network.describe)(kind, &body, Some(answer)),
            Err(error) => format!("kind {kind}: {error:?}"),
        };
        stage.note(format_args!("answers n{from}: {text}"));
        network.seen.push(Seen { from_id, to_id: own_id, kind, body, answer: answer.clone().ok() });
        network.answer(stage.now(), to, from, number, answer);
    });
}
