//! What of a reply is promised: sorting of what has no order, and comparing leaf by leaf.

use super::name_of;
use crate::run::sort_sets;
use crate::script::one_line;
use crate::value::Value;

/// Brings a reply into the one form that all replies have which say the same.
pub fn normalise(argv: &[Vec<u8>], value: &mut Value) {
    let name = name_of(argv);
    // What is gathered of integers alone is an intset.
    if name == b"SUNION" && are_integers(value) {
        return;
    }
    sort_sets(value);
    match name.as_slice() {
        b"SMEMBERS" | b"SINTER" | b"SUNION" | b"SDIFF" | b"HKEYS" | b"HVALS" | b"KEYS" => sort_items(value),
        b"HGETALL" => sort_pairs(value),
        b"SCAN" | b"SSCAN" => page(value).map_or((), sort_items),
        b"HSCAN" | b"ZSCAN" => page(value).map_or((), sort_pairs),
        // With COUNT the nearest come first, else they come as they are found.
        b"GEOSEARCH" | b"GEORADIUS" | b"GEORADIUS_RO" | b"GEORADIUSBYMEMBER" | b"GEORADIUSBYMEMBER_RO"
            if !has_word(argv, &["ASC", "DESC", "COUNT"]) =>
        {
            sort_items(value)
        }
        b"SORT" | b"SORT_RO" => {
            // A pattern without a star is the same for all, which means: do not sort.
            let by = argv.windows(2).position(|pair| pair[0].eq_ignore_ascii_case(b"BY")).map(|at| at + 1);
            let is_open = by.is_some_and(|by| !argv[by].contains(&b'*') || has_word(argv, &["ALPHA"]));
            let is_limit =
                |(at, word): (usize, &Vec<u8>)| Some(at) != by && word.eq_ignore_ascii_case(b"LIMIT");
            if is_open && !argv.iter().enumerate().any(is_limit) {
                sort_items(value);
            }
        }
        _ => {}
    }
}

/// Whether it is members that an intset has.
fn are_integers(value: &Value) -> bool {
    const INTSET_MAX: usize = 512;
    let is_integer = |item: &Value| match item {
        Value::Bulk(text) => std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse::<i64>().ok())
            .is_some_and(|number| number.to_string().as_bytes() == text.as_slice()),
        _ => false,
    };
    match value {
        Value::Array(items) | Value::Set(items) => items.len() <= INTSET_MAX && items.iter().all(is_integer),
        _ => false,
    }
}

pub fn has_word(argv: &[Vec<u8>], words: &[&str]) -> bool {
    argv.iter().skip(2).any(|word| words.iter().any(|other| word.eq_ignore_ascii_case(other.as_bytes())))
}

/// The elements in a reply of the SCAN family.
fn page(value: &mut Value) -> Option<&mut Value> {
    match value {
        Value::Array(parts) if parts.len() == 2 => parts.get_mut(1),
        _ => None,
    }
}

fn sort_items(value: &mut Value) {
    if let Value::Array(items) = value {
        items.sort_by_cached_key(one_line);
    }
}

fn sort_pairs(value: &mut Value) {
    if let Value::Array(items) = value {
        let mut pairs: Vec<Vec<Value>> = items.chunks(2).map(<[Value]>::to_vec).collect();
        pairs.sort_by_cached_key(|pair| one_line(&pair[0]));
        *items = pairs.concat();
    }
}

/// Whether two replies are equal, leaves compared by `leaf` where they are not.
pub fn equal_but(a: &Value, b: &Value, leaf: &mut dyn FnMut(&Value, &Value) -> bool) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b))
        | (Value::Set(a), Value::Set(b))
        | (Value::Push(a), Value::Push(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal_but(a, b, leaf))
        }
        (Value::Map(a), Value::Map(b)) => {
            let mut pair =
                |((a, x), (b, y)): (&(Value, Value), &(Value, Value))| a == b && equal_but(x, y, leaf);
            a.len() == b.len() && a.iter().zip(b).all(&mut pair)
        }
        _ => a == b || leaf(a, b),
    }
}

/// The text of a bulk string, a double or an integer, as a number.
pub fn number(value: &Value) -> Option<f64> {
    let text = match value {
        Value::Bulk(text) | Value::Double(text) => text,
        Value::Integer(number) => return Some(*number as f64),
        _ => return None,
    };
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Two points in time, or two lengths of it, of servers that were asked one after the other.
pub fn near_times(a: &Value, b: &Value) -> bool {
    const MILLIS: f64 = 60_000.0;
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a >= 0.0 && b >= 0.0 && (a - b).abs() <= MILLIS,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::words;
    use super::*;

    fn bulks(texts: &[&str]) -> Value {
        Value::Array(texts.iter().map(|text| Value::Bulk(text.as_bytes().to_vec())).collect())
    }

    fn normal(argv: &[&str], mut value: Value) -> Value {
        normalise(&words(argv), &mut value);
        value
    }

    #[test]
    fn members_are_sorted_and_pairs_stay_pairs() {
        assert_eq!(normal(&["smembers", "k"], bulks(&["b", "a"])), bulks(&["a", "b"]));
        assert_eq!(normal(&["HGETALL", "k"], bulks(&["b", "1", "a", "2"])), bulks(&["a", "2", "b", "1"]));
        let page = |items| Value::Array(vec![Value::Bulk(b"0".to_vec()), bulks(items)]);
        assert_eq!(normal(&["HSCAN", "k", "0"], page(&["b", "1", "a", "2"])), page(&["a", "2", "b", "1"]));
    }

    #[test]
    fn integers_together_are_in_order() {
        assert_eq!(normal(&["SUNION", "k"], bulks(&["2", "1"])), bulks(&["2", "1"]));
        assert_eq!(normal(&["SUNION", "k"], bulks(&["2", "1", "01"])), bulks(&["01", "1", "2"]));
    }

    #[test]
    fn what_has_an_order_keeps_it() {
        assert_eq!(normal(&["LRANGE", "k", "0", "1"], bulks(&["b", "a"])), bulks(&["b", "a"]));
        assert_eq!(normal(&["SORT", "k", "ALPHA"], bulks(&["b", "a"])), bulks(&["b", "a"]));
    }

    #[test]
    fn a_time_is_near_only_if_both_are_times() {
        let integer = Value::Integer;
        assert!(near_times(&integer(800_000_000), &integer(800_000_900)));
        assert!(!near_times(&integer(-1), &integer(-2)));
        assert!(!near_times(&integer(500_000_000), &integer(800_000_000)));
    }
}
