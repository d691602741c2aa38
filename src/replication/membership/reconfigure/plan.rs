//! Decides the next step from the present members; changes nothing itself.

use crate::replication::{
    consensus::{Member, Members, Peer},
    membership::controller::{VOTERS_MAX, has_caught_up},
    wire,
};

/// The wanted state of the core.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    Member { name: &'a str, address: &'a str, standby: bool },
    Replaced { old: &'a str, name: &'a str, address: &'a str },
    Gone { name: &'a str, force: bool },
    Voter { name: &'a str },
}

impl<'a> Wanted<'a> {
    /// The new node: its name and address.
    pub(super) fn newcomer(&self) -> Option<(&'a str, &'a str)> {
        match self {
            Wanted::Member { name, address, .. } | Wanted::Replaced { name, address, .. } => {
                Some((name, address))
            }
            Wanted::Gone { .. } | Wanted::Voter { .. } => None,
        }
    }
}

/// The next step.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The wanted state is reached; the text describes it.
    Done(String),
    Refuse(String),
    /// Refused, if it is still so once the others have been asked again how they are.
    Doubt(String),
    /// Something else must happen first, and will by itself.
    Wait(String),
    LetIn {
        standby: bool,
        replaces: u64,
    },
    SetPeer(u64, Peer),
    Promote {
        learner: Member,
        replaced: Option<Member>,
    },
    /// The last step.
    Remove(Member),
    /// This node is to be removed: another one must lead first, and continues.
    HandOver,
}

/// The state that the leader decides by.
pub(super) struct Sight<'a> {
    pub(super) members: &'a Members,
    pub(super) own_id: u64,
    /// The node at the new node's address, or the reason why there is none.
    pub(super) newcomer: Result<wire::Status, String>,
    pub(super) answers: &'a dyn Fn(u64) -> bool,
}

impl Sight<'_> {
    pub(super) fn next(&self, wanted: Wanted<'_>) -> Step {
        if let (Some((name, address)), Ok(status)) = (wanted.newcomer(), &self.newcomer)
            && status.node_name != name
        {
            if let Wanted::Member { .. } = wanted
                && let Some(refused) = self.lives_elsewhere(name, address)
            {
                return refused;
            }
            return Step::Refuse(format!("{address} answers as {}, not as {name}", status.node_name));
        }
        match wanted {
            Wanted::Member { name, address, standby } => self.add(name, address, standby),
            Wanted::Replaced { old, name, address } => self.replace(old, name, address),
            Wanted::Gone { name, force } => self.remove(name, force),
            Wanted::Voter { name } => self.promote(name),
        }
    }

    /// The member that answers at this address or, while none does, the member registered there.
    fn present(&self, name: &str, address: &str) -> Option<&Member> {
        match &self.newcomer {
            Ok(status) => self.members.find(status.node_id),
            Err(_) => self.members.list.iter().find(|member| is_at(member, name, address)),
        }
    }

    fn nobody_answers(&self, name: &str, address: &str) -> Option<Step> {
        let why = self.newcomer.as_ref().err()?;
        Some(Step::Refuse(format!(
            "{name} does not answer at {address} ({why}); start it there with an empty data directory and --join"
        )))
    }

    fn add(&self, name: &str, address: &str, standby: bool) -> Step {
        if let Some(member) = self.present(name, address) {
            let is_there = is_at(member, name, address);
            return match (member.is_voter, member.peer.standby, standby) {
                _ if !is_there => Step::Wait(format!("the core is recording that {name} is at {address}")),
                (true, _, true) => Step::Refuse(format!(
                    "{name} is a voter, which cannot become a standby: remove it, empty its data directory and add it again"
                )),
                (true, _, false) => Step::Done(format!("{name} votes")),
                (false, true, true) => Step::Done(format!("{name} is a standby")),
                (false, false, true) => {
                    Step::SetPeer(member.id, Peer { standby: true, ..member.peer.clone() })
                }
                (false, true, false) => {
                    Step::Refuse(format!("{name} is a standby; promote gives it its vote"))
                }
                (false, false, false) => {
                    Step::Done(format!("{name} is a learner and becomes a voter once it has caught up"))
                }
            };
        }
        if let Some(refused) = self.lives_elsewhere(name, address) {
            return refused;
        }
        let namesake = self.members.list.iter().find(|member| member.peer.name == name);
        if let Some(refused) = self.nobody_answers(name, address) {
            return refused;
        }
        if namesake.is_none() && !standby && !self.has_room() {
            return Step::Refuse(format!(
                "the core has {VOTERS_MAX} voters already, the maximum; add a standby"
            ));
        }
        // The former node of this name no longer answers at this address, since another one does.
        Step::LetIn { standby, replaces: namesake.map_or(0, |old| old.id) }
    }

    /// A name belongs to one node.
    fn lives_elsewhere(&self, name: &str, address: &str) -> Option<Step> {
        let is_elsewhere = |member: &&Member| member.peer.name == name && member.peer.address != address;
        let other = self.members.list.iter().find(is_elsewhere)?;
        Some(Step::Refuse(format!(
            "{name} is a node of the core already, at {}; use replace to put another one in its place",
            other.peer.address
        )))
    }

    fn has_room(&self) -> bool {
        self.members.voters().count() < VOTERS_MAX
    }

    fn replace(&self, old: &str, name: &str, address: &str) -> Step {
        if old == name
            && let Some(refused) = self.nobody_answers(name, address)
        {
            return refused;
        }
        let new = self.present(name, address);
        let new_id = new.map_or(0, |new| new.id);
        let is_old = |member: &&Member| {
            member.id != new_id && (member.peer.name == old || member.id.to_string() == old)
        };
        let old_member = self.members.list.iter().find(is_old);
        match (new, old_member) {
            (Some(new), _) if !is_at(new, name, address) => {
                Step::Wait(format!("the core is recording that {name} is at {address}"))
            }
            (Some(new), Some(old)) => self.replace_by(new, old),
            (Some(new), None) if new.is_voter => {
                let gone = if old == name { String::new() } else { format!(", and {old} is gone") };
                Step::Done(format!("{name} votes{gone}"))
            }
            (Some(new), None) => self.give_vote(new),
            (None, Some(old)) => {
                let taken = |member: &&Member| member.peer.name == name && member.id != old.id;
                if let Some(taken) = self.members.list.iter().find(taken) {
                    // At this address the node was emptied; it rejoins by itself, as a new node.
                    if taken.peer.address == address {
                        return Step::Wait(format!("the core is admitting {name} again"));
                    }
                    return Step::Refuse(format!(
                        "{name} is a node of the core at {}, not at {address}",
                        taken.peer.address
                    ));
                }
                if let Some(refused) = self.nobody_answers(name, address) {
                    return refused;
                }
                Step::LetIn { standby: false, replaces: old.id }
            }
            (None, None) => Step::Refuse(format!(
                "the core has no node {old} to replace, and no node {name} at {address}"
            )),
        }
    }

    /// Both are members.
    fn replace_by(&self, new: &Member, old: &Member) -> Step {
        if new.is_voter {
            return self.take_out(old, false);
        }
        let replaces = new.peer.replaces;
        if replaces != old.id
            && let Some(other) = self.members.find(replaces)
        {
            return Step::Refuse(format!("{} is replacing {} already", new.peer.name, other.peer.name));
        }
        if replaces != old.id || new.peer.standby {
            let peer = Peer { standby: false, replaces: old.id, ..new.peer.clone() };
            return Step::SetPeer(new.id, peer);
        }
        self.give_vote(new)
    }

    /// Promotes a learner, in place of the node that it replaces.
    fn give_vote(&self, learner: &Member) -> Step {
        let replaced = self.members.find(learner.peer.replaces);
        if learner.peer.standby {
            return Step::SetPeer(learner.id, Peer { standby: false, ..learner.peer.clone() });
        }
        if !has_caught_up(learner, self.members) {
            return Step::Wait(behind(learner, self.members));
        }
        if replaced.is_some_and(|old| old.id == self.own_id) {
            return Step::HandOver;
        }
        if replaced.is_none_or(|old| !old.is_voter) && !self.has_room() {
            return Step::Refuse(format!("the core has {VOTERS_MAX} voters already, the maximum"));
        }
        Step::Promote { learner: learner.clone(), replaced: replaced.cloned() }
    }

    fn remove(&self, name: &str, force: bool) -> Step {
        match self.members.named(name) {
            Some(member) => self.take_out(member, force),
            None => Step::Done(format!("{name} is no node of the core")),
        }
    }

    fn take_out(&self, member: &Member, force: bool) -> Step {
        if member.is_voter && !force {
            let left: Vec<&Member> = self.members.voters().filter(|voter| voter.id != member.id).collect();
            let answering = left.iter().filter(|voter| (self.answers)(voter.id)).count();
            if left.is_empty() || answering <= left.len() / 2 {
                return Step::Doubt(format!(
                    "without {} only {answering} of {} voters would answer, which is no majority (FORCE removes it anyway)",
                    member.peer.name,
                    left.len()
                ));
            }
        }
        match member.id == self.own_id {
            true => Step::HandOver,
            false => Step::Remove(member.clone()),
        }
    }

    fn promote(&self, name: &str) -> Step {
        let Some(member) = self.members.named(name) else {
            return Step::Refuse(format!("the core has no node {name}"));
        };
        if member.is_voter {
            return Step::Done(format!("{} votes", member.peer.name));
        }
        match self.give_vote(member) {
            Step::Wait(text) => Step::Refuse(text),
            step => step,
        }
    }
}

fn is_at(member: &Member, name: &str, address: &str) -> bool {
    member.peer.name == name && member.peer.address == address
}

fn behind(learner: &Member, members: &Members) -> String {
    let entries = members.last_index.saturating_sub(learner.matched.unwrap_or(0));
    let name = &learner.peer.name;
    format!("{name} is a learner, {entries} entries behind; it becomes a voter once it has caught up")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: u64, is_voter: bool) -> Member {
        let peer = Peer { name: format!("n{id}"), address: format!("h:{id}"), ..Peer::default() };
        Member { id, peer, is_voter, matched: Some(10) }
    }

    fn learner(id: u64, replaces: u64) -> Member {
        let member = member(id, false);
        Member { peer: Peer { replaces, ..member.peer.clone() }, ..member }
    }

    /// The next step of the leader, node 1, for these members; node `up` answers as n9 at h:9 (0: none does).
    fn next(list: &[Member], up: u64, wanted: Wanted<'_>) -> Step {
        let members = Members { list: list.to_vec(), last_index: 10, ..Members::default() };
        let status = wire::Status { node_id: up, node_name: "n9".into(), ..wire::Status::default() };
        let newcomer = if up == 0 { Err("refused".to_owned()) } else { Ok(status) };
        Sight { members: &members, own_id: 1, newcomer, answers: &|id| id != 3 }.next(wanted)
    }

    const REPLACE: Wanted<'_> = Wanted::Replaced { old: "n2", name: "n9", address: "h:9" };

    #[test]
    fn a_replacement_ends_the_same_whatever_came_first() {
        let three: Vec<Member> = (1..=3).map(|id| member(id, true)).collect();
        let with = |newcomer: Member| [three.clone(), vec![newcomer]].concat();
        let without_2 = |newcomer: Member| vec![member(1, true), member(3, true), newcomer];
        // It has not joined; it joined on its own; it joined and votes already.
        assert_eq!(next(&three, 9, REPLACE), Step::LetIn { standby: false, replaces: 2 });
        let takes_the_place = learner(9, 2);
        assert_eq!(next(&with(member(9, false)), 9, REPLACE), Step::SetPeer(9, takes_the_place.peer.clone()));
        let promote = Step::Promote { learner: takes_the_place.clone(), replaced: Some(member(2, true)) };
        assert_eq!(next(&with(takes_the_place.clone()), 9, REPLACE), promote);
        assert_eq!(next(&with(member(9, true)), 9, REPLACE), Step::Remove(member(2, true)));
        // A reached state stays reached, even if no node answers any more.
        for up in [9, 0] {
            let done = next(&without_2(member(9, true)), up, REPLACE);
            assert_eq!(done, Step::Done("n9 votes, and n2 is gone".into()));
        }
        // It is behind, and catches up by itself.
        let late = Member { matched: None, ..takes_the_place };
        assert!(matches!(next(&with(late), 9, REPLACE), Step::Wait(_)));
        // The old one was removed by hand while the new one was a learner.
        assert!(matches!(next(&without_2(learner(9, 2)), 9, REPLACE), Step::Promote { replaced: None, .. }));
    }

    #[test]
    fn a_leader_hands_over_before_it_is_replaced_or_removed() {
        let three: Vec<Member> = (1..=3).map(|id| member(id, true)).collect();
        let replace = Wanted::Replaced { old: "n1", name: "n9", address: "h:9" };
        assert_eq!(next(&three, 9, replace), Step::LetIn { standby: false, replaces: 1 });
        let four = [three.clone(), vec![learner(9, 1)]].concat();
        assert_eq!(next(&four, 9, replace), Step::HandOver);
        let gone = Wanted::Gone { name: "n1", force: true };
        assert_eq!(next(&three, 9, gone), Step::HandOver);
    }

    #[test]
    fn what_contradicts_the_members_is_refused_in_words() {
        let three: Vec<Member> = (1..=3).map(|id| member(id, true)).collect();
        let four = [three.clone(), vec![member(9, true)]].concat();
        let refused = |list: &[Member], up, wanted| match next(list, up, wanted) {
            Step::Refuse(text) | Step::Doubt(text) => text,
            step => panic!("{step:?}"),
        };
        let elsewhere = Wanted::Replaced { old: "n2", name: "n9", address: "h:8" };
        assert!(refused(&four, 0, elsewhere).contains("n9 is a node of the core at h:9, not at h:8"));
        assert!(refused(&three, 0, REPLACE).contains("does not answer at h:9"));
        let nobody = Wanted::Replaced { old: "n7", name: "n9", address: "h:9" };
        assert!(refused(&three, 9, nobody).contains("the core has no node n7"));
        let other_name = Wanted::Member { name: "n8", address: "h:9", standby: false };
        assert!(refused(&three, 9, other_name).contains("answers as n9, not as n8"));
        let of_another = [three.clone(), vec![learner(9, 3)]].concat();
        assert!(refused(&of_another, 9, REPLACE).contains("is replacing n3"));
        let standby = Wanted::Member { name: "n9", address: "h:9", standby: true };
        assert!(refused(&four, 9, standby).contains("cannot become a standby"));
        let needed = Wanted::Gone { name: "n2", force: false };
        assert!(refused(&three, 9, needed).contains("which is no majority"));
    }

    #[test]
    fn asked_twice_is_asked_once() {
        let four: Vec<Member> = [1, 2, 9].map(|id| member(id, true)).to_vec();
        let add = Wanted::Member { name: "n9", address: "h:9", standby: false };
        assert_eq!(next(&four, 9, add), Step::Done("n9 votes".into()));
        let gone = Wanted::Gone { name: "n3", force: false };
        assert_eq!(next(&four, 9, gone), Step::Done("n3 is no node of the core".into()));
        assert_eq!(next(&four, 9, Wanted::Voter { name: "n9" }), Step::Done("n9 votes".into()));
        // Emptied, it is another node of the same name at the same address.
        assert_eq!(next(&four, 77, add), Step::LetIn { standby: false, replaces: 9 });
    }
}
