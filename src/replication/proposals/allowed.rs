//! What another node's build lets through may be more than this one understands, or than the active feature level allows: then
//! it is refused before it is in the log, and its client hears what to do.
//!
//! A command that this build does not know would stop every node that applies it, and stop it again at each restart. So names
//! are looked up whatever the sender says of itself: an edge is no part of the core, and may say anything. Whether the active
//! level allows a command is asked only for a sender of another feature level. One of the same level has asked already, and
//! apply decides by the level in any case.

use crate::{
    command::{Run, Table},
    feature_level,
    replica::{EntryError, Proposal},
    resp::ErrorReply,
    state::{ReplicationState, Room, Work},
};

/// What a leader asks of proposals that a node of another build has sent.
#[derive(Clone, Copy)]
pub struct Allowed<'a> {
    pub table: &'static Table,
    pub state: &'a ReplicationState,
    /// Which level the sender's program understands at most.
    pub sender: u32,
    /// The sender is a node of the core, and knows as well as this one whether the data may grow. What a script may add shows when it
    /// runs, or in its flags, and the sender has looked.
    pub is_of_core: bool,
}

/// Why a proposal may not be in the log.
#[derive(Debug)]
pub enum Refused {
    ForGood(ErrorReply),
    /// It may once keys have been evicted.
    NotYet(ErrorReply),
}

impl From<ErrorReply> for Refused {
    fn from(error: ErrorReply) -> Self {
        Refused::ForGood(error)
    }
}

impl Allowed<'_> {
    /// What a proposal may amount to.
    pub fn work(&self, proposal: &[u8]) -> Result<Work, Refused> {
        let broken = |error: EntryError| ErrorReply::err(error.to_string());
        let (conditions, mut calls) = match Proposal::decode(proposal).map_err(broken)? {
            Proposal::Commands(calls) => (0, calls),
            Proposal::Transaction { conditions, calls } => (conditions.len(), calls),
            Proposal::Sweep { .. } | Proposal::Mark | Proposal::MarkSums => return Ok(Work::HOUSEKEEPING),
            // A leader that does not know yet that it is none goes on with what it reads of a source.
            Proposal::Source(_) if self.is_of_core && self.state.feature_level() >= feature_level::SOURCE => {
                return Ok(Work::HOUSEKEEPING);
            }
            // The leader that wanted it may have been another.
            Proposal::Count(_) | Proposal::Evict(_) | Proposal::Source(_) => {
                return Err(ErrorReply::try_again("that is for the node that leads to propose").into());
            }
        };
        let mut work = Work { calls: u32::try_from(conditions).unwrap_or(u32::MAX), ..Work::NONE };
        while let Some(call) = calls.next_call().map_err(broken)? {
            // Nodes of an earlier build would stop at it.
            if call.origin.is_some() && self.state.feature_level() < feature_level::TRACKING {
                let text = "the core's feature level does not know clients that track keys";
                return Err(ErrorReply::err(text).into());
            }
            work = work.and(self.call(&call.argv)?);
        }
        Ok(work)
    }

    fn call(&self, argv: &[&[u8]]) -> Result<Work, Refused> {
        if !self.table.knows(argv) {
            let name =
                argv.first().map_or_else(String::new, |name| String::from_utf8_lossy(name).into_owned());
            let text = format!(
                "the node that leads does not know the command '{name}', {}: upgrade it",
                feature_level::understood()
            );
            return Err(ErrorReply::err(text).into());
        }
        // Whoever sent a wrong number of words hears so from apply.
        let Ok(call) = self.table.resolve(argv) else { return Ok(Work { calls: 1, ..Work::NONE }) };
        if feature_level::said(self.sender) != feature_level::NEWEST {
            call.allowed_at(self.state.feature_level())?;
        }
        let bytes = || argv.iter().fold(0, |sum: u64, word| sum.saturating_add(word.len() as u64));
        let was_asked = self.is_of_core && matches!(call.command.run, Run::Script(_));
        if call.command.may_add() && !was_asked {
            let room = self.state.room(bytes());
            match room.refusal() {
                Some(refusal) if room == Room::Soon => return Err(Refused::NotYet(refusal)),
                Some(refusal) => return Err(Refused::ForGood(refusal)),
                None => {}
            }
        }
        Ok(call.work(argv))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        command::{Command, Flags, KeyRange, ScriptRun},
        config::{DataLimit, Eviction, EvictionOrder},
        error::Error,
        feature_level::NEWEST,
        replica::ProposalBuilder,
        resp::Reply,
        state::StateWriter,
    };
    use std::sync::LazyLock;

    static ROWS: &[Command] = &[
        Command { name: "OLD", run: Run::Write(|_, _| Ok(Reply::Ok)), ..Command::BASE },
        Command {
            name: "NEW",
            arity: 2,
            keys: KeyRange::ONE,
            run: Run::Write(|_, _| Ok(Reply::Ok)),
            since_level: NEWEST + 1,
            ..Command::BASE
        },
        Command {
            name: "SCRIPT",
            run: Run::Script(ScriptRun {
                logged: |_, _| Ok(Reply::Ok),
                on_view: |_, _| Err(Error::Writes),
                tried: |_, _, _| Ok(()),
                outlook: |_, _| Err(Error::Writes),
            }),
            ..Command::BASE
        },
    ];
    static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(&[ROWS]));

    fn refusal(sender: u32, calls: &[&[&[u8]]]) -> Option<String> {
        let mut builder = ProposalBuilder::commands();
        calls.iter().for_each(|words| builder.push(0, words));
        let state = ReplicationState::default();
        let allowed = Allowed { table: &TABLE, state: &state, sender, is_of_core: false };
        allowed.work(&builder.finish()).err().map(|refused| match refused {
            Refused::ForGood(error) => error.to_string(),
            Refused::NotYet(error) => panic!("{error}"),
        })
    }

    #[test]
    fn what_a_later_build_sends_is_refused_if_the_level_or_this_program_is_not_there_yet() {
        assert_eq!(refusal(NEWEST + 1, &[&[b"OLD"], &[b"old"]]), None);
        let text = refusal(NEWEST + 1, &[&[b"OLD"], &[b"NEW", b"k"]]).unwrap();
        assert!(text.contains(&format!("new needs feature level {}", NEWEST + 1)), "{text}");
        assert!(text.contains("flotilla admin upgrade finish"), "{text}");
        let text = refusal(NEWEST + 1, &[&[b"LATER", b"k"]]).unwrap();
        assert!(text.contains("does not know the command 'LATER'"), "{text}");
        assert_eq!(refusal(NEWEST, &[&[b"NEW", b"k"]]), None, "one like this has asked itself");
    }

    /// A node of the core has tried the script out, or has read its flags; what an edge says counts for nothing.
    #[test]
    fn scripts_of_edges_are_refused_while_disks_are_almost_full() {
        let writer = StateWriter::default();
        let mut builder = ProposalBuilder::commands();
        builder.push(0, &[b"SCRIPT"]);
        let proposal = builder.finish();
        let is_allowed = |is_of_core| {
            let allowed = Allowed { table: &TABLE, state: writer.state(), sender: NEWEST, is_of_core };
            allowed.work(&proposal).is_ok()
        };
        assert!(is_allowed(true) && is_allowed(false));
        writer.set_refuses_growth(true);
        assert!(is_allowed(true) && !is_allowed(false));
    }

    /// Whoever asks again would ask for nothing: the answer must say itself that keys are to be evicted first.
    #[test]
    fn a_write_that_must_wait_for_evictions_is_told_from_one_that_is_refused() {
        static ROWS: &[Command] = &[Command {
            name: "ADD",
            flags: Flags::WRITE.with(Flags::DENYOOM),
            run: Run::Write(|_, _| Ok(Reply::Ok)),
            ..Command::BASE
        }];
        static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(&[ROWS]));
        let writer = StateWriter::default();
        writer.set_leader(1, true, Some((1, String::new())));
        let state = writer.state();
        let eviction = Some(Eviction { order: EvictionOrder::Random, is_of_expiring_keys: false });
        state.memory.set_limit(DataLimit { bytes: 1000, eviction, ..DataLimit::default() });
        let mut builder = ProposalBuilder::commands();
        builder.push(0, &[b"ADD"]);
        let proposal = builder.finish();
        let work = || Allowed { table: &TABLE, state, sender: NEWEST, is_of_core: true }.work(&proposal);
        assert!(work().is_ok());
        writer.set_data_bytes(2000);
        assert!(matches!(work(), Err(Refused::NotYet(_))));
        state.memory.set_stuck(true);
        assert!(matches!(work(), Err(Refused::ForGood(_))));
    }

    /// In the log it would stop every node of the core, for good.
    #[test]
    fn what_this_program_does_not_know_is_refused_whatever_the_sender_says_of_itself() {
        for sender in [0, NEWEST, u32::MAX] {
            let text = refusal(sender, &[&[b"OLD"], &[b"LATER", b"k"]]).unwrap();
            assert!(text.contains("does not know the command 'LATER'"), "{text}");
            assert!(refusal(sender, &[&[]]).is_some(), "a call without words");
            let state = ReplicationState::default();
            let allowed = Allowed { table: &TABLE, state: &state, sender, is_of_core: false };
            assert!(allowed.work(b"no proposal").is_err());
        }
    }
}
