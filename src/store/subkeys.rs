//! Reads of a collection's sub-keys. `types` defines their meaning.

use super::{
    CollectionId, LogPosition, SubRange, View,
    engine::{Family, read_error},
    hot::Lookedup,
    keys::{self, StorageKey},
    scan::{self, Direction},
    view::{SCAN_INLINE_ROWS_MAX, Source},
};
use crate::{error::Result, limits::HOT_RECORD_BYTES_MAX, value::Value};
use bytes::Bytes;
use std::ops::ControlFlow;

/// The two sets of sub-keys that a collection may have, each in byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubKeys {
    /// By field, index, member or id.
    Data,
    /// A sorted set's other one: by score and member.
    Score,
}

impl SubKeys {
    pub(super) fn family(self) -> Family {
        match self {
            SubKeys::Data => Family::Data,
            SubKeys::Score => Family::Score,
        }
    }
}

impl View<'_> {
    /// The id of the collection of the current database that was created at this log position.
    pub fn collection_id(&self, generation: LogPosition) -> CollectionId {
        self.collection_id_in(self.db(), generation)
    }

    /// As `collection_id`, in another database.
    pub fn collection_id_in(&self, db: u32, generation: LogPosition) -> CollectionId {
        CollectionId::new(self.namespace(db), generation)
    }

    /// A handler works on so many bytes that it did not have to read, such as those of a hole: they cost what bytes read cost.
    pub fn count_bytes(&self, bytes: usize) -> Result<()> {
        self.in_passing().count_read(0, bytes)
    }

    /// The value of a sub-key.
    pub fn sub(&self, of: SubKeys, collection: &CollectionId, sub: &[u8]) -> Result<Option<Value>> {
        let found = self.look_up(of, collection, sub)?;
        self.count_read(sub.len(), found.as_ref().map_or(0, |value| value.len()))?;
        Ok(found)
    }

    fn look_up(&self, of: SubKeys, collection: &CollectionId, sub: &[u8]) -> Result<Option<Value>> {
        match self.source {
            Source::Published { store, published, tier } => {
                let (key, applied) =
                    (collection.key(sub), published.state.applied.map_or(0, |applied| applied.index));
                let fill = match of {
                    // These are only looked up to see whether they exist.
                    SubKeys::Score => None,
                    SubKeys::Data => match store.hot.sub_or_fill(&keys::hot_sub(&key)) {
                        Lookedup::Hit(index, value) if index <= applied => return Ok(Some(value)),
                        Lookedup::Hit(..) => None,
                        Lookedup::Miss(fill) => fill,
                    },
                };
                let family = published.engine().family(of.family())?;
                let found =
                    published.snapshot().get_cf_opt(family, key, tier.options()).map_err(read_error)?;
                if let (Some(fill), Some(value)) = (fill, &found)
                    && value.len() <= HOT_RECORD_BYTES_MAX
                    && store.is_current(published)
                {
                    fill.install_sub(applied, value);
                }
                Ok(found.map(Value::from))
            }
            Source::Txn(txn) => txn.sub(of, collection, sub),
        }
    }

    /// Visits the sub-keys of a range, in byte order or backwards, until the visitor breaks. The cost follows the sub-keys
    /// visited, not the collection.
    pub fn scan_sub(
        &self,
        of: SubKeys,
        collection: &CollectionId,
        range: SubRange<'_>,
        direction: Direction,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let mut span = collection.span(range);
        let mut visit = |sub: &[u8], value: &[u8]| {
            self.count_read(sub.len(), value.len())?;
            visit(sub, value)
        };
        if let Source::Txn(txn) = self.source
            && let Some((rows, left)) = txn.cache.rows(of.family(), &span, direction)
        {
            if visit_rows(rows, direction, &mut visit)?.is_break() {
                return Ok(());
            }
            span = left;
        }
        if span.is_empty() {
            return Ok(());
        }
        let (mut iterator, overlay) = self.iterator(of.family(), &span, direction)?;
        let mut visited = 0_usize;
        scan::merged(&mut iterator, overlay, &span, direction, |key, value| {
            visited = visited.saturating_add(1);
            if visited.is_multiple_of(SCAN_INLINE_ROWS_MAX) {
                self.may_take_long()?;
            }
            visit(key.get(CollectionId::LEN..).unwrap_or_default(), value)
        })?;
        #[cfg(test)]
        if let Source::Txn(txn) = self.source {
            txn.stepped.set(txn.stepped.get().saturating_add(visited));
        }
        Ok(())
    }
}

/// Visits rows that are in memory, first to last or backwards, until the visitor breaks.
fn visit_rows<'r>(
    mut rows: impl DoubleEndedIterator<Item = (&'r StorageKey, &'r Bytes)>,
    direction: Direction,
    visit: &mut impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>>,
) -> Result<ControlFlow<()>> {
    loop {
        let row = match direction {
            Direction::Forward => rows.next(),
            Direction::Backward => rows.next_back(),
        };
        let Some((key, value)) = row else { return Ok(ControlFlow::Continue(())) };
        if visit(key.get(CollectionId::LEN..).unwrap_or_default(), value)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
}
