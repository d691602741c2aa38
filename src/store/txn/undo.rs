//! What the running command changed, so that it can be taken back; and every change of the batch's overlays, which all
//! pass through here.

use super::Txn;
use crate::store::{engine::Family, keys::StorageKey, observe::Happening, scan::Overlay, state::StateRecord};
use bytes::Bytes;

/// Newest last.
#[derive(Default)]
pub(super) struct Undo {
    state: Option<Box<StateRecord>>,
    rows: Vec<(Family, StorageKey, Option<Option<Bytes>>)>,
    dropped: usize,
    happenings: usize,
}

impl Txn<'_> {
    /// The command stands.
    pub fn accept(&mut self) {
        self.undo.state = None;
        self.undo.rows.clear();
        self.undo.dropped = self.dropped.len();
        self.undo.happenings = self.happenings.len();
    }

    /// The command failed: takes back whatever it wrote.
    pub fn reject(&mut self) {
        for (family, key, before) in std::mem::take(&mut self.undo.rows).into_iter().rev() {
            self.held.forget_at(family, &key);
            let overlay = self.overlay_mut(family);
            match before {
                Some(value) => drop(overlay.insert(key, value)),
                None => drop(overlay.remove(&key)),
            }
        }
        self.dropped.truncate(self.undo.dropped);
        self.happenings.truncate(self.undo.happenings);
        if let Some(state) = self.undo.state.take() {
            self.state = *state;
        }
    }

    pub(super) fn overlay(&self, family: Family) -> &Overlay {
        match family {
            // `default` has no rows of commands.
            Family::Meta | Family::Default => &self.meta,
            Family::Expiry => &self.expiry,
            Family::Data => &self.data,
            Family::Score => &self.score,
        }
    }

    fn overlay_mut(&mut self, family: Family) -> &mut Overlay {
        match family {
            Family::Meta | Family::Default => &mut self.meta,
            Family::Expiry => &mut self.expiry,
            Family::Data => &mut self.data,
            Family::Score => &mut self.score,
        }
    }

    /// Lays a row over what is stored; `None` deletes.
    pub(super) fn write(&mut self, family: Family, key: StorageKey, value: Option<Bytes>) {
        self.held.written(family, &key, value.as_ref());
        let before = self.overlay_mut(family).insert(key.clone(), value);
        self.undo.rows.push((family, key, before));
    }

    /// Takes a row off the overlay, of which nothing is stored or what is stored goes as well.
    pub(super) fn uncover(&mut self, family: Family, key: StorageKey) {
        self.held.written(family, &key, None);
        if let Some(before) = self.overlay_mut(family).remove(&key) {
            self.undo.rows.push((family, key, Some(before)));
        }
    }

    /// Before the state record is changed.
    pub(super) fn save_state(&mut self) {
        if self.undo.state.is_none() {
            self.undo.state = Some(Box::new(self.state.clone()));
        }
    }

    pub(super) fn tell(&mut self, happening: Happening) {
        self.happenings.push(happening);
    }
}
