//! A stream and its consumer group: ids grow strictly, an acknowledged entry is there for good and is handed to one consumer
//! of the group, in the order of ids, and the pending list is what was handed out and not acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use crate::chaos::append::Fate;

/// `milliseconds-sequence`.
pub type Id = (u64, u64);

/// XADD.
#[derive(Clone, Debug)]
pub struct Added {
    pub token: u64,
    /// Where there was a reply.
    pub id: Option<Id>,
    pub called_at: i64,
    pub fate: Fate,
}

/// XREADGROUP of new entries.
#[derive(Clone, Debug)]
pub struct Read {
    pub entries: Vec<(Id, u64)>,
    pub called_at: i64,
    pub fate: Fate,
}

/// XACK of entries that were handed out, each once.
#[derive(Clone, Debug)]
pub struct Acked {
    pub ids: Vec<Id>,
    /// How many of them were pending, as the reply says.
    pub count: u64,
    pub fate: Fate,
}

/// What is there in the end.
#[derive(Clone, Debug, Default)]
pub struct End {
    pub entries: Vec<(Id, u64)>,
    /// Handed out only now.
    pub fresh: Vec<Id>,
    pub pending: Vec<Id>,
    /// As XPENDING's summary says.
    pub pending_count: u64,
}

/// All that happened to a stream.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    pub added: Vec<Added>,
    pub reads: Vec<Read>,
    pub acked: Vec<Acked>,
    pub end: End,
}

impl Stream {
    pub fn append(&mut self, other: &mut Stream) {
        self.added.append(&mut other.added);
        self.reads.append(&mut other.reads);
        self.acked.append(&mut other.acked);
    }

    /// Everything that is wrong with it.
    pub fn check(&self) -> Vec<String> {
        [self.check_entries(), self.check_reads(), self.check_pending()].concat()
    }

    fn check_entries(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        let entries: BTreeMap<Id, u64> = self.end.entries.iter().copied().collect();
        if self.end.entries.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
            complaints.push("ids in the stream do not grow".to_owned());
        }
        let added: BTreeMap<u64, &Added> = self.added.iter().map(|added| (added.token, added)).collect();
        let mut seen = BTreeSet::new();
        for (id, token) in &self.end.entries {
            if !seen.insert(token) {
                complaints.push(format!("{token} is there twice"));
            }
            if added.get(token).is_none_or(|added| added.fate == Fate::Aborted) {
                complaints.push(format!("{id:?}: {token} was never added, or was refused"));
            }
        }
        for added in &self.added {
            if let (Fate::Committed { .. }, Some(id)) = (added.fate, added.id)
                && entries.get(&id) != Some(&added.token)
            {
                complaints.push(format!("{added:?} is not there"));
            }
        }
        // Of two that were added one after the other, the later one has the higher id.
        complaints.extend(backwards(self.added.iter().filter_map(|added| {
            let Fate::Committed { at } = added.fate else { return None };
            Some((added.called_at, at, added.id?, added.id?))
        })));
        complaints
    }

    fn check_reads(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        let entries: BTreeMap<Id, u64> = self.end.entries.iter().copied().collect();
        let mut handed = BTreeSet::new();
        for read in &self.reads {
            if read.entries.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
                complaints.push(format!("not in the order of ids: {read:?}"));
            }
            for (id, token) in &read.entries {
                if !handed.insert(*id) {
                    complaints.push(format!("{id:?} was handed out twice"));
                }
                if entries.get(id) != Some(token) {
                    complaints.push(format!("{id:?}: {token} was handed out and is not in the stream"));
                }
            }
        }
        for id in &self.end.fresh {
            if !handed.insert(*id) {
                complaints.push(format!("{id:?} was handed out again"));
            }
        }
        complaints.extend(backwards(self.reads.iter().filter_map(|read| {
            let Fate::Committed { at } = read.fate else { return None };
            Some((read.called_at, at, read.entries.first()?.0, read.entries.last()?.0))
        })));
        // Nobody saw it, and it is not pending: the group lost it.
        let pending: BTreeSet<&Id> = self.end.pending.iter().collect();
        for (id, token) in &self.end.entries {
            if !handed.contains(id) && !pending.contains(id) {
                complaints.push(format!("{id:?}: {token} was handed to nobody"));
            }
        }
        complaints
    }

    fn check_pending(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        let pending: BTreeSet<Id> = self.end.pending.iter().copied().collect();
        if self.end.pending_count != pending.len() as u64 {
            complaints.push(format!(
                "{} are pending, XPENDING says {}",
                pending.len(),
                self.end.pending_count
            ));
        }
        let ids = |is_sure: bool| -> BTreeSet<Id> {
            let of = self.acked.iter().filter(|acked| match acked.fate {
                Fate::Committed { .. } => true,
                Fate::Unknown => !is_sure,
                Fate::Aborted => false,
            });
            of.flat_map(|acked| acked.ids.iter().copied()).collect()
        };
        let (acked, perhaps) = (ids(true), ids(false));
        complaints
            .extend(pending.intersection(&acked).map(|id| format!("{id:?} is acknowledged and pending")));
        let read = self.reads.iter().flat_map(|read| &read.entries).map(|(id, _)| id);
        for id in read.chain(&self.end.fresh) {
            if !pending.contains(id) && !perhaps.contains(id) {
                complaints.push(format!("{id:?} was handed out, never acknowledged, and is not pending"));
            }
        }
        for acked in &self.acked {
            if matches!(acked.fate, Fate::Committed { .. }) && acked.count != acked.ids.len() as u64 {
                complaints.push(format!("{acked:?}: each was pending"));
            }
        }
        complaints
    }
}

/// Of (called, answered, lowest id, highest id): those that lie behind others that were answered before they were called.
fn backwards(moments: impl Iterator<Item = (i64, i64, Id, Id)>) -> Vec<String> {
    let moments: Vec<_> = moments.collect();
    let wrong = |(called_at, _, lowest, _): &(i64, i64, Id, Id)| {
        let before = moments.iter().filter(|(_, at, ..)| at < called_at);
        let highest = before.map(|(.., highest)| *highest).max()?;
        (highest >= *lowest).then(|| format!("{lowest:?} came after {highest:?}"))
    };
    moments.iter().filter_map(wrong).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> Id {
        (1000, number)
    }

    fn added(number: u64, from: i64, to: i64) -> Added {
        Added { token: number, id: Some(id(number)), called_at: from, fate: Fate::Committed { at: to } }
    }

    fn read(numbers: &[u64], from: i64, to: i64) -> Read {
        let entries = numbers.iter().map(|number| (id(*number), *number)).collect();
        Read { entries, called_at: from, fate: Fate::Committed { at: to } }
    }

    fn acked(numbers: &[u64], fate: Fate) -> Acked {
        Acked { ids: numbers.iter().map(|number| id(*number)).collect(), count: numbers.len() as u64, fate }
    }

    fn end(entries: &[u64], fresh: &[u64], pending: &[u64]) -> End {
        let ids = |numbers: &[u64]| numbers.iter().map(|number| id(*number)).collect::<Vec<Id>>();
        End {
            entries: entries.iter().map(|number| (id(*number), *number)).collect(),
            fresh: ids(fresh),
            pending: ids(pending),
            pending_count: pending.len() as u64,
        }
    }

    const SURE: Fate = Fate::Committed { at: 9 };

    /// 1 was read and acknowledged, 2 read, 3 is new.
    fn good() -> Stream {
        Stream {
            added: vec![added(1, 0, 1), added(2, 2, 3), added(3, 4, 5)],
            reads: vec![read(&[1], 2, 3), read(&[2], 6, 7)],
            acked: vec![acked(&[1], SURE)],
            end: end(&[1, 2, 3], &[3], &[2, 3]),
        }
    }

    #[test]
    fn good_histories_pass() {
        let none: Vec<String> = vec![];
        assert_eq!(good().check(), none);
        assert_eq!(Stream::default().check(), none);
        // Unknown: added or not; read without anybody having seen it; acknowledged or not.
        let unknown = Added { id: None, fate: Fate::Unknown, ..added(4, 6, 0) };
        assert_eq!(Stream { added: [good().added, vec![unknown.clone()]].concat(), ..good() }.check(), none);
        let there = end(&[1, 2, 3, 4], &[4], &[2, 3, 4]);
        assert_eq!(
            Stream { added: [good().added, vec![unknown]].concat(), end: there, ..good() }.check(),
            none
        );
        for pending in [&[3][..], &[2, 3]] {
            let acked = [good().acked, vec![acked(&[2], Fate::Unknown)]].concat();
            assert_eq!(Stream { acked, end: end(&[1, 2, 3], &[3], pending), ..good() }.check(), none);
        }
    }

    #[test]
    fn faults_are_found() {
        let ended = |entries: &[u64], fresh: &[u64], pending: &[u64]| Stream {
            end: end(entries, fresh, pending),
            ..good()
        };
        let reads = |reads: &[Read]| Stream { reads: reads.to_vec(), ..good() };
        let also = |one: Added| Stream { added: [good().added, vec![one]].concat(), ..good() };
        let refused = Added { id: None, fate: Fate::Aborted, ..added(4, 6, 7) };
        let mut same_twice = good();
        same_twice.end.entries[2].1 = 2;
        let mut counted_wrong = good();
        counted_wrong.end.pending_count = 1;
        let mut not_pending = good();
        not_pending.acked[0].count = 0;
        for (fault, history) in [
            ("a lost entry", ended(&[2, 3], &[3], &[2, 3])),
            ("an entry from nowhere", ended(&[1, 2, 3, 4], &[3, 4], &[2, 3, 4])),
            ("a refused entry", Stream { end: end(&[1, 2, 3, 4], &[3, 4], &[2, 3, 4]), ..also(refused) }),
            ("one entry twice", same_twice),
            ("ids that do not grow", ended(&[2, 1, 3], &[3], &[2, 3])),
            (
                "a later one with a lower id",
                Stream { added: vec![added(2, 0, 1), added(1, 2, 3), added(3, 4, 5)], ..good() },
            ),
            ("handed to nobody", ended(&[1, 2, 3], &[], &[2])),
            ("handed out twice", reads(&[read(&[1], 2, 3), read(&[1, 2], 2, 7)])),
            ("handed out again in the end", ended(&[1, 2, 3], &[2, 3], &[2, 3])),
            ("out of order", reads(&[read(&[2, 1], 2, 3)])),
            ("the group goes back", reads(&[read(&[2], 2, 3), read(&[1], 4, 5)])),
            ("handed out and never there", reads(&[read(&[1], 2, 3), read(&[2, 7], 6, 7)])),
            ("acknowledged and pending", ended(&[1, 2, 3], &[3], &[1, 2, 3])),
            ("not pending any more", ended(&[1, 2, 3], &[3], &[3])),
            ("a wrong count", counted_wrong),
            ("an acknowledgement that found nothing", not_pending),
        ] {
            assert!(!history.check().is_empty(), "not found: {fault}");
        }
    }
}
