//! The elements to sort.

use crate::{
    error::Result,
    resp::ErrorReply,
    store::{Direction, Type, View},
    types::{
        collection::element_of,
        list::List,
        set::Set,
        sorted_set::{SortedSet, Span},
    },
    value::Value,
};
use std::ops::{ControlFlow, Range};

/// The opened collection that is sorted.
pub(super) enum Source {
    Nothing,
    List(List),
    Set(Set),
    SortedSet(SortedSet),
}

impl Source {
    /// Opens the key; a string, hash or stream is WRONGTYPE.
    pub(super) fn open(view: &View<'_>, key: &[u8]) -> Result<Self> {
        let Some(row) = view.get(key)? else { return Ok(Source::Nothing) };
        Ok(match row.kind {
            Type::List => List::open(view, key)?.map_or(Source::Nothing, Source::List),
            Type::Set => Set::open(view, key)?.map_or(Source::Nothing, Source::Set),
            Type::SortedSet => SortedSet::open(view, key)?.map_or(Source::Nothing, Source::SortedSet),
            Type::String | Type::Hash | Type::Stream => return Err(ErrorReply::wrong_type().into()),
        })
    }

    pub(super) fn len(&self, view: &View<'_>) -> Result<u64> {
        Ok(match self {
            Source::Nothing => 0,
            Source::List(list) => list.len(),
            Source::Set(set) => set.len(view)?,
            Source::SortedSet(set) => set.len(),
        })
    }
}

/// The elements from one position to another, in the order of the collection or from its end backwards. The order of a set
/// is arbitrary.
pub(super) fn elements(
    source: &Source,
    view: &View<'_>,
    wanted: Range<u64>,
    backwards: bool,
) -> Result<Vec<Value>> {
    let direction = if backwards { Direction::Backward } else { Direction::Forward };
    let count = wanted.end.saturating_sub(wanted.start);
    match source {
        Source::Nothing => Ok(Vec::new()),
        Source::List(list) => {
            let from_end = |at: u64| list.len().saturating_sub(at);
            let range = if backwards { from_end(wanted.end)..from_end(wanted.start) } else { wanted };
            list.elements(view, range, direction)
        }
        Source::Set(set) => {
            let mut members = Vec::new();
            let mut skip = wanted.start;
            set.visit(view, |sub| {
                if skip > 0 {
                    skip = skip.saturating_sub(1);
                } else if members.len() as u64 >= count {
                    return Ok(ControlFlow::Break(()));
                } else {
                    members.push(Value::from(element_of(sub).to_vec()));
                }
                Ok(ControlFlow::Continue(()))
            })?;
            Ok(members)
        }
        Source::SortedSet(set) => {
            let page = set.page(view, &Span::ALL, direction, wanted.start, count)?;
            Ok(page.into_iter().map(|scored| Value::from(scored.member)).collect())
        }
    }
}
