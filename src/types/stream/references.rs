//! What becomes of groups' pending entries when entries of the stream are deleted.

use super::{Group, Stream, StreamId, Trim, TrimTo, scan_groups};
use crate::{
    error::Result,
    store::{Direction, Txn, View},
};
use std::ops::ControlFlow;

/// As the words KEEPREF, DELREF and ACKED say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum References {
    /// They stay pending, though there is nothing left to read.
    #[default]
    Keep,
    /// No group keeps them pending.
    Delete,
    /// Only entries are deleted that every group has read and acknowledged.
    Acked,
}

/// The names of a stream's groups, for `AllGroups`.
pub fn group_names(view: &View<'_>, stream: &Stream) -> Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    scan_groups(view, stream, |name, _| {
        names.push(name.to_vec());
        Ok(())
    })?;
    Ok(names)
}

/// All groups of a stream while a command deletes entries.
#[derive(Debug)]
pub struct AllGroups<'n> {
    groups: Vec<Group<'n>>,
}

impl<'n> AllGroups<'n> {
    /// Those of these names.
    pub fn open(view: &View<'_>, stream: &Stream, names: &'n [Vec<u8>]) -> Result<Self> {
        let opened = names.iter().filter_map(|name| Group::open(view, stream, name).transpose());
        Ok(AllGroups { groups: opened.collect::<Result<_>>()? })
    }

    /// One of them.
    pub fn get_mut(&mut self, name: &[u8]) -> Option<&mut Group<'n>> {
        self.groups.iter_mut().find(|group| group.name() == name)
    }

    /// Whether every group has read an entry and acknowledged it.
    pub fn have_acknowledged(&self, view: &View<'_>, id: StreamId) -> Result<bool> {
        for group in &self.groups {
            if id > group.record.last_id || group.pending(view, id)?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// No group keeps an entry pending any longer.
    pub fn forget(&mut self, txn: &mut Txn<'_>, id: StreamId) -> Result<()> {
        for group in &mut self.groups {
            if let Some(pending) = group.pending(&txn.view(), id)? {
                group.acknowledge(txn, id, &pending)?;
            }
        }
        Ok(())
    }

    /// Writes those that changed.
    pub fn save(self, txn: &mut Txn<'_>) {
        self.groups.into_iter().filter(Group::is_changed).for_each(|group| group.save(txn));
    }
}

impl Stream {
    /// Trims with regard to groups; returns how many entries went. An approximate trim looks at the entries that it would remove
    /// in any case, an exact one goes on until enough are removed.
    pub fn trim_with(&mut self, txn: &mut Txn<'_>, trim: Trim, references: References) -> Result<u64> {
        if references == References::Keep || self.meta.groups == 0 {
            return self.trim(txn, trim);
        }
        let names = group_names(&txn.view(), self)?;
        let mut groups = AllGroups::open(&txn.view(), self, &names)?;
        let ids = self.to_trim(&txn.view(), trim, |view, id| match references {
            References::Acked => groups.have_acknowledged(view, id),
            References::Keep | References::Delete => Ok(true),
        })?;
        if references == References::Delete {
            for id in &ids {
                groups.forget(txn, *id)?;
            }
            groups.save(txn);
        }
        // An entry that stays in front of one that goes makes this a deletion, after which a lag may be unknown.
        self.delete(txn, &ids)
    }

    /// The entries that a trim takes, of those that may go.
    fn to_trim(
        &self,
        view: &View<'_>,
        trim: Trim,
        may_go: impl Fn(&View<'_>, StreamId) -> Result<bool>,
    ) -> Result<Vec<StreamId>> {
        let (examined_max, wanted, before) = self.extent(view, trim)?;
        let (mut ids, mut examined) = (Vec::new(), 0_u64);
        self.visit(&view.in_passing(), StreamId::MIN, StreamId::MAX, Direction::Forward, |id, _| {
            if examined >= examined_max
                || ids.len() as u64 >= wanted
                || before.is_some_and(|before| id >= before)
            {
                return Ok(ControlFlow::Break(()));
            }
            examined = examined.saturating_add(1);
            if may_go(view, id)? {
                view.keep(1, StreamId::LEN)?;
                ids.push(id);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(ids)
    }

    /// How many entries a trim looks at, how many of them it takes, and the id before which they lie.
    fn extent(&self, view: &View<'_>, trim: Trim) -> Result<(u64, u64, Option<StreamId>)> {
        if trim.is_approximate {
            let front = self.trimmed(view, trim)?;
            return Ok((front, front, None));
        }
        let limit = trim.limit.unwrap_or(u64::MAX);
        Ok(match trim.to {
            TrimTo::Len(len) => (limit, self.len().saturating_sub(len), None),
            TrimTo::Id(id) => (limit, self.len(), Some(id)),
        })
    }
}
