//! Commands that draw by lot: what they may answer is known from a reading command before them.
//!
//! The rules hold for each server by itself; between the two only the number of what was drawn must agree.

use std::collections::{BTreeMap, BTreeSet};

use super::{Argv, describe, name_of};
use crate::value::Value;

/// Whether two servers' replies may differ because lots were drawn.
pub fn is_drawn(argv: &[Vec<u8>]) -> bool {
    matches!(
        name_of(argv).as_slice(),
        b"SRANDMEMBER" | b"HRANDFIELD" | b"ZRANDMEMBER" | b"RANDOMKEY" | b"SPOP"
    )
}

/// Whether both replies say equally much, equally well.
pub fn same_size(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) | (Value::Set(a), Value::Set(b)) => a.len() == b.len(),
        (Value::Bulk(_), Value::Bulk(_)) => true,
        _ => a == b,
    }
}

/// What is wrong with the reply at this place, given the replies around it.
pub fn fault(calls: &[Argv], replies: &[Value], at: usize) -> Option<String> {
    let argv = &calls[at];
    let name = name_of(argv);
    let Some(drawn) = items(&replies[at]) else {
        return (!is_nothing(&replies[at])).then(|| "not a reply that can be drawn".to_owned());
    };
    let before = at.checked_sub(1).filter(|before| reads(&calls[*before], argv));
    let all = before.and_then(|before| items(&replies[before]))?;
    // What is drawn from pairs may be asked for with the other half.
    let (size, shown) = match name.as_slice() {
        b"HRANDFIELD" | b"ZRANDMEMBER" => (2, if argv.len() > 3 { 2 } else { 1 }),
        _ => (1, 1),
    };
    let all: BTreeMap<&[u8], &[Vec<u8>]> =
        all.chunks(size).map(|one| (one[0].as_slice(), &one[..shown])).collect();
    let drawn: Vec<&[Vec<u8>]> = drawn.chunks(shown).collect();
    if let Some(one) = drawn.iter().find(|one| all.get(one[0].as_slice()) != Some(one)) {
        return Some(format!("{} was drawn from where it is not", describe(one)));
    }
    let count = argv.get(2).and_then(|text| std::str::from_utf8(text).ok()?.parse::<i64>().ok());
    let expected = match count {
        _ if all.is_empty() => 0,
        None => 1,
        Some(count) if count < 0 => count.unsigned_abs() as usize,
        Some(count) => (count as usize).min(all.len()),
    };
    if drawn.len() != expected {
        return Some(format!("{} were drawn, not {expected}", drawn.len()));
    }
    let may_repeat = count.is_some_and(|count| count < 0);
    let distinct: BTreeSet<&[u8]> = drawn.iter().map(|one| one[0].as_slice()).collect();
    if distinct.len() < drawn.len() && !may_repeat {
        return Some("something was drawn twice".to_owned());
    }
    if name != b"SPOP" || calls.get(at + 1).is_none_or(|after| !reads(after, argv)) {
        return None;
    }
    let left = items(&replies[at + 1])?;
    let expected: BTreeSet<&[u8]> = all.keys().filter(|one| !distinct.contains(*one)).copied().collect();
    let is_same = left.len() == expected.len() && left.iter().all(|one| expected.contains(one.as_slice()));
    (!is_same).then(|| "what is left is not what was not taken".to_owned())
}

/// Whether the first command reads all that the second one draws from.
fn reads(reader: &[Vec<u8>], argv: &[Vec<u8>]) -> bool {
    let wanted: &[u8] = match name_of(argv).as_slice() {
        b"SRANDMEMBER" | b"SPOP" => b"SMEMBERS",
        b"HRANDFIELD" => b"HGETALL",
        b"ZRANDMEMBER" => b"ZRANGE",
        b"RANDOMKEY" => return name_of(reader) == b"KEYS" && reader.get(1).is_some_and(|word| word == b"*"),
        _ => return false,
    };
    name_of(reader) == wanted && reader.get(1) == argv.get(1)
}

fn is_nothing(value: &Value) -> bool {
    matches!(value, Value::Error(_) | Value::BlobError(_) | Value::NilArray | Value::Simple(_))
}

/// The texts of all leaves, one after the other.
fn items(value: &Value) -> Option<Vec<Vec<u8>>> {
    match value {
        Value::Array(items) | Value::Set(items) => {
            Some(items.iter().flat_map(|item| items_or_one(item).unwrap_or_default()).collect())
        }
        Value::Map(pairs) => {
            Some(pairs.iter().flat_map(|(key, value)| [key, value]).filter_map(Value::as_text).collect())
        }
        Value::Bulk(text) => Some(vec![text.clone()]),
        Value::NilBulk | Value::Null => Some(Vec::new()),
        _ => None,
    }
}

fn items_or_one(value: &Value) -> Option<Vec<Vec<u8>>> {
    match value {
        Value::Array(inner) => Some(inner.iter().filter_map(Value::as_text).collect()),
        other => other.as_text().map(|text| vec![text]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::words;
    use super::*;

    fn bulks(texts: &[&str]) -> Value {
        Value::Array(texts.iter().map(|text| Value::Bulk(text.as_bytes().to_vec())).collect())
    }

    fn judged(calls: &[&[&str]], replies: &[Value], at: usize) -> bool {
        let calls: Vec<Argv> = calls.iter().map(|argv| words(argv)).collect();
        fault(&calls, replies, at).is_none()
    }

    #[test]
    fn members_must_be_members_and_as_many_as_asked() {
        let calls: &[&[&str]] = &[&["SMEMBERS", "s"], &["SRANDMEMBER", "s", "2"]];
        for (drawn, is_right) in
            [(["a", "b"].as_slice(), true), (&["a"], false), (&["a", "a"], false), (&["a", "x"], false)]
        {
            assert_eq!(judged(calls, &[bulks(&["a", "b", "c"]), bulks(drawn)], 1), is_right, "{drawn:?}");
        }
        let calls: &[&[&str]] = &[&["SMEMBERS", "s"], &["SRANDMEMBER", "s", "-3"]];
        assert!(judged(calls, &[bulks(&["a", "b"]), bulks(&["a", "a", "b"])], 1));
    }

    #[test]
    fn what_is_popped_is_gone_and_nothing_else() {
        let calls: &[&[&str]] = &[&["SMEMBERS", "s"], &["SPOP", "s", "1"], &["SMEMBERS", "s"]];
        for (left, is_right) in [(["b", "c"].as_slice(), true), (&["a", "b", "c"], false), (&["b"], false)] {
            let replies = [bulks(&["a", "b", "c"]), bulks(&["a"]), bulks(left)];
            assert_eq!(judged(calls, &replies, 1), is_right, "{left:?}");
        }
    }

    #[test]
    fn values_belong_to_their_fields() {
        let calls: &[&[&str]] = &[&["HGETALL", "h"], &["HRANDFIELD", "h", "1", "WITHVALUES"]];
        let all = bulks(&["a", "1", "b", "2"]);
        assert!(judged(calls, &[all.clone(), bulks(&["b", "2"])], 1));
        assert!(!judged(calls, &[all, bulks(&["b", "1"])], 1));
    }
}
