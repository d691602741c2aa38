//! Sorting of what has no order, so that it can be compared line by line.

use crate::script::one_line;
use crate::value::Value;

/// Sorts what the protocol itself leaves without an order.
pub(crate) fn sort_sets(value: &mut Value) {
    match value {
        Value::Array(items) | Value::Push(items) => items.iter_mut().for_each(sort_sets),
        Value::Set(items) => {
            items.iter_mut().for_each(sort_sets);
            items.sort_by_cached_key(one_line);
        }
        Value::Map(pairs) => {
            pairs.iter_mut().for_each(|(_, value)| sort_sets(value));
            pairs.sort_by_cached_key(|(key, _)| one_line(key));
        }
        _ => {}
    }
}

/// Sorts every aggregate, for replies that have no order of their own.
pub(super) fn sort_all(value: &mut Value) {
    match value {
        Value::Array(items) | Value::Set(items) | Value::Push(items) => {
            items.iter_mut().for_each(sort_all);
            items.sort_by_cached_key(one_line);
        }
        Value::Map(pairs) => {
            pairs.iter_mut().for_each(|(_, value)| sort_all(value));
            pairs.sort_by_cached_key(|(key, _)| one_line(key));
        }
        _ => {}
    }
}
