//! The differences that are meant, each as narrow as can be told. Every row is described in `src/docs/differences.md`.

use std::collections::BTreeSet;

use super::{name_of, shape};
use crate::value::Value;

/// A difference that is meant.
#[derive(Debug)]
pub struct Difference {
    /// How the documentation calls it.
    pub name: &'static str,
    pub reason: &'static str,
    /// Whether the servers store something different from then on, so that they have to begin again.
    pub is_stored: bool,
    /// Whether the reference does not answer the same every time, either.
    pub is_open: bool,
    applies: fn(&Case) -> bool,
}

/// Two replies that differ, and what the command before was answered.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    pub argv: &'a [Vec<u8>],
    pub product: &'a Value,
    pub reference: &'a Value,
    pub before: Option<(&'a [Vec<u8>], &'a Value)>,
    /// Whether a consumer group, or a stream's last id, was changed since the client said WATCH.
    pub is_group_changed: bool,
}

/// Whether a command changes consumer groups, or the last id, and nothing else of a stream.
pub fn changes_group(argv: &[Vec<u8>]) -> bool {
    matches!(
        name_of(argv).as_slice(),
        b"XGROUP" | b"XACK" | b"XCLAIM" | b"XAUTOCLAIM" | b"XREADGROUP" | b"XSETID"
    )
}

pub static DIFFERENCES: [Difference; 20] = [
    Difference {
        name: "shortest-doubles",
        reason: "7.2 writes a number with as few digits as tell it from all others; 7.0 wrote 17 digits",
        is_stored: false,
        is_open: false,
        applies: is_shorter_double,
    },
    Difference {
        name: "negative-zeros",
        reason: "a score of -0 keeps its sign; redis-server drops it in small sets and keeps it in large ones",
        is_stored: false,
        is_open: false,
        applies: is_negative_zero,
    },
    Difference {
        name: "exact-sums",
        reason: "decimals are added exactly; redis-server adds in the floating-point format of its processor",
        is_stored: true,
        is_open: false,
        applies: is_exact_sum,
    },
    Difference {
        name: "encodings-of-now",
        reason: "OBJECT ENCODING tells what fits the present content in 7.2, not how it came about in 7.0",
        is_stored: false,
        is_open: false,
        applies: is_encoding_of_now,
    },
    Difference {
        name: "stream-details",
        reason: "XINFO has the fields of 7.2, and no tree whose nodes could be counted",
        is_stored: false,
        is_open: false,
        applies: has_stream_details,
    },
    Difference {
        name: "lag-of-groups",
        reason: "entries-read and lag are counted as in Redis 8; 7.0 miscounts around deleted entries, and below zero",
        is_stored: false,
        is_open: false,
        applies: has_other_lag,
    },
    Difference {
        name: "wrapped-offsets",
        reason: "BITFIELD refuses a #offset whose product is no number; redis-server lets it wrap around",
        is_stored: true,
        is_open: false,
        applies: is_wrapped_offset,
    },
    Difference {
        name: "bytes-in-errors",
        reason: "errors are UTF-8 and repeat all that a client sent; redis-server cuts them at a zero byte",
        is_stored: false,
        is_open: false,
        applies: is_cut_error,
    },
    Difference {
        name: "hexadecimal-floats",
        reason: "numbers with a fraction are decimal; redis-server reads what its C library reads",
        is_stored: true,
        is_open: false,
        applies: is_hexadecimal,
    },
    Difference {
        name: "cursors-of-digits",
        reason: "a cursor is digits and nothing else; redis-server reads what its C library reads",
        is_stored: false,
        is_open: false,
        applies: is_odd_cursor,
    },
    Difference {
        name: "endless-timeouts",
        reason: "a timeout beyond all numbers is out of range, as in 7.2; 7.0 takes it for a negative one",
        is_stored: false,
        is_open: false,
        applies: is_endless_timeout,
    },
    Difference {
        name: "lowest-ranks",
        reason: "LPOS refuses the one rank that cannot be negated, as 7.2 does; 7.0 takes it",
        is_stored: false,
        is_open: false,
        applies: is_lowest_rank,
    },
    Difference {
        name: "counts-of-getkeys",
        reason: "COMMAND GETKEYS wants a number of keys that is one; redis-server reads the digits before the rest",
        is_stored: false,
        is_open: false,
        applies: is_odd_count,
    },
    Difference {
        name: "unbalanced-streams",
        reason: "the error names the command and the mark as 7.2 does; 7.0 says XREAD and $ whatever was asked",
        is_stored: false,
        is_open: false,
        applies: is_unbalanced,
    },
    Difference {
        name: "watched-groups",
        reason: "consumer groups and the last id are part of the stream that WATCH watches; to redis-server they are not",
        is_stored: true,
        is_open: false,
        applies: is_watched_group,
    },
    Difference {
        name: "size-of-lcs",
        reason: "LCS is refused when its table would take more than 256 MiB; redis-server allows as much as a string",
        is_stored: false,
        is_open: false,
        applies: is_big_lcs,
    },
    Difference {
        name: "zero-bytes-in-sort",
        reason: "redis-server sorts letters up to the first zero byte, and what is equal so far in no order",
        is_stored: false,
        is_open: true,
        applies: is_sorted_to_zero,
    },
    Difference {
        name: "limits-of-unsorted-sets",
        reason: "a set in a table has no order that SORT BY nosort LIMIT could cut; small ones have one in 7.2",
        is_stored: false,
        is_open: true,
        applies: is_cut_set,
    },
    Difference {
        name: "ties-by-distance",
        reason: "of places at one distance COUNT leaves those that came first; redis-server sorts only a part, in no order",
        is_stored: true,
        is_open: true,
        applies: is_tie_by_distance,
    },
    Difference {
        name: "lex-of-mixed-scores",
        reason: "ranges of members have no meaning where scores differ; redis-server follows links set by lot",
        is_stored: true,
        is_open: true,
        applies: is_lex_of_mixed_scores,
    },
];

/// The row that explains a difference.
pub fn find(case: &Case) -> Option<&'static Difference> {
    DIFFERENCES.iter().find(|row| (row.applies)(case))
}

fn is_shorter_double(case: &Case) -> bool {
    has_equal_doubles(case, |a, b| a.to_bits() == b.to_bits())
}

fn is_negative_zero(case: &Case) -> bool {
    has_equal_doubles(case, |a, b| a == b)
}

/// Whether nothing differs but how numbers are written, in what answers with numbers of 64 bits.
fn has_equal_doubles(case: &Case, equal: fn(f64, f64) -> bool) -> bool {
    // The longest text of a number: a sign, seventeen digits, a point, an exponent.
    const LENGTH_MAX: usize = 24;
    let name = name_of(case.argv);
    let has_doubles = matches!(name.first(), Some(b'Z' | b'G')) || name.starts_with(b"BZ");
    let mut leaf = |product: &Value, reference: &Value| match (product, reference) {
        (Value::Bulk(a), Value::Bulk(b)) | (Value::Double(a), Value::Double(b)) => {
            let equal = matches!((shape::number(product), shape::number(reference)), (Some(a), Some(b)) if equal(a, b));
            equal && a.len().max(b.len()) <= LENGTH_MAX
        }
        _ => false,
    };
    has_doubles && shape::equal_but(case.product, case.reference, &mut leaf)
}

fn is_exact_sum(case: &Case) -> bool {
    let Case { argv, product, reference, .. } = *case;
    let is_sum = matches!(name_of(argv).as_slice(), b"INCRBYFLOAT" | b"HINCRBYFLOAT");
    is_sum
        && matches!((product, reference), (Value::Bulk(_), Value::Bulk(_)))
        && match (shape::number(product), shape::number(reference)) {
            // 17 digits after the point is all that is stored, and all that 64 bits hold.
            (Some(a), Some(b)) => (a - b).abs() <= (b.abs() * 1e-15).max(1e-16),
            _ => false,
        }
}

fn is_encoding_of_now(case: &Case) -> bool {
    const MANY: i64 = i32::MAX as i64;
    let Case { argv, product, reference, .. } = *case;
    if let (Value::Integer(product), Value::Integer(reference)) = (product, reference) {
        // Whole numbers are shared by all that hold them; the reference shares what a transaction just stored, too.
        let asks = argv.get(1).is_some_and(|word| word.eq_ignore_ascii_case(b"REFCOUNT"));
        let is_meant = matches!((*product, *reference), (MANY, 1) | (1, 2));
        return name_of(argv) == b"OBJECT" && asks && is_meant;
    }
    let (Value::Bulk(product), Value::Bulk(reference)) = (product, reference) else { return false };
    name_of(argv) == b"OBJECT"
        && matches!(
            (reference.as_slice(), product.as_slice()),
            (b"quicklist", b"listpack")
                | (b"hashtable", b"listpack" | b"intset")
                | (b"skiplist", b"listpack")
                // What INCRBYFLOAT made is a text to the reference.
                | (b"embstr", b"int")
                // What PFADD looked at, though nothing came of it, is a text that may grow to the reference.
                | (b"raw", b"embstr")
        )
}

fn has_stream_details(case: &Case) -> bool {
    let Case { argv, product, reference, .. } = *case;
    const OWN: [&[u8]; 4] = [b"radix-tree-keys", b"radix-tree-nodes", b"inactive", b"active-time"];
    name_of(argv) == b"XINFO" && {
        let (product, reference) = (without(product, &OWN), without(reference, &OWN));
        shape::equal_but(&product, &reference, &mut shape::near_times)
    }
}

/// Whether nothing differs but what groups have read and have still to read, and that is possible.
fn has_other_lag(case: &Case) -> bool {
    const OWN: [&[u8]; 6] =
        [b"radix-tree-keys", b"radix-tree-nodes", b"inactive", b"active-time", b"entries-read", b"lag"];
    let (product, reference) = (without(case.product, &OWN), without(case.reference, &OWN));
    name_of(case.argv) == b"XINFO"
        && has_possible_lags(case.product)
        && shape::equal_but(&product, &reference, &mut shape::near_times)
}

fn has_possible_lags(value: &Value) -> bool {
    let is_possible = |name: &Value, lag: &Value| {
        let is_lag = matches!(name, Value::Bulk(name) if name == b"lag");
        !is_lag
            || matches!(lag, Value::Null | Value::NilBulk)
            || matches!(lag, Value::Integer(lag) if *lag >= 0)
    };
    match value {
        Value::Map(pairs) => {
            pairs.iter().all(|(name, value)| is_possible(name, value) && has_possible_lags(value))
        }
        Value::Array(items) => {
            items.windows(2).all(|pair| is_possible(&pair[0], &pair[1]))
                && items.iter().all(has_possible_lags)
        }
        _ => true,
    }
}

fn is_wrapped_offset(case: &Case) -> bool {
    let is_far = |word: &Vec<u8>| word.starts_with(b"#") && word.len() > b"#100000000000000000".len();
    let is_refused = matches!(case.product, Value::Error(text) if text.starts_with(b"ERR bit offset is not"));
    name_of(case.argv).starts_with(b"BITFIELD") && is_refused && case.argv.iter().any(is_far)
}

/// Without the named fields, in maps and in arrays that are maps in RESP3.
fn without(value: &Value, names: &[&[u8]]) -> Value {
    let is_named = |value: &Value| matches!(value, Value::Bulk(name) | Value::Simple(name) if names.contains(&name.as_slice()));
    match value {
        Value::Map(pairs) => {
            let kept = pairs.iter().filter(|(key, _)| !is_named(key));
            Value::Map(kept.map(|(key, value)| (key.clone(), without(value, names))).collect())
        }
        Value::Array(items) => {
            let mut kept = Vec::new();
            let mut items = items.iter();
            while let Some(item) = items.next() {
                if is_named(item) {
                    items.next();
                } else {
                    kept.push(without(item, names));
                }
            }
            Value::Array(kept)
        }
        other => other.clone(),
    }
}

fn is_cut_error(case: &Case) -> bool {
    let (Value::Error(product), Value::Error(reference)) = (case.product, case.reference) else {
        return false;
    };
    let sent = |is_sent: fn(&[u8]) -> bool| case.argv.iter().any(|word| is_sent(word));
    let has_zero = sent(|word| word.contains(&0));
    let has_bytes = sent(|word| std::str::from_utf8(word).is_err());
    // Bytes that are no text come as the character that stands for such; what follows a zero byte may be missing.
    let replaced = String::from_utf8_lossy(reference);
    let mut rest = product.iter();
    let is_shorter = replaced.bytes().all(|byte| rest.any(|other| *other == byte));
    (has_bytes && product == replaced.as_bytes())
        || (has_zero && is_shorter && product[..8.min(product.len())] == reference[..8.min(reference.len())])
}

fn is_odd_cursor(case: &Case) -> bool {
    let is_refused = matches!(case.product, Value::Error(text) if text == b"ERR invalid cursor");
    let name = name_of(case.argv);
    let cursor = case.argv.get(if name == b"SCAN" { 1 } else { 2 });
    let is_odd = cursor.is_some_and(|text| text.is_empty() || !text.iter().all(u8::is_ascii_digit));
    is_refused && name.ends_with(b"SCAN") && is_odd
}

fn is_endless_timeout(case: &Case) -> bool {
    let (Value::Error(product), Value::Error(reference)) = (case.product, case.reference) else {
        return false;
    };
    reference == b"ERR timeout is negative"
        && product.starts_with(b"ERR timeout is")
        && product.ends_with(b"out of range")
}

fn is_lowest_rank(case: &Case) -> bool {
    let has_lowest = case.argv.iter().skip(3).any(|word| word == b"-9223372036854775808");
    let is_refused = matches!(case.product, Value::Error(text) if text.starts_with(b"ERR value is out of range, value must"));
    name_of(case.argv) == b"LPOS" && has_lowest && is_refused
}

fn is_odd_count(case: &Case) -> bool {
    let asks = case.argv.get(1).is_some_and(|word| word.eq_ignore_ascii_case(b"GETKEYS"));
    let is_refused = matches!(case.product, Value::Error(text) if text.starts_with(b"ERR Invalid arguments"));
    let plain = |count: &Vec<u8>| {
        std::str::from_utf8(count).ok()?.parse::<u64>().ok().map(|number| number.to_string())
    };
    let is_odd =
        case.argv.get(3).is_some_and(|count| plain(count).is_none_or(|plain| plain.as_bytes() != count));
    name_of(case.argv) == b"COMMAND"
        && asks
        && is_refused
        && is_odd
        && matches!(case.reference, Value::Array(_))
}

fn is_unbalanced(case: &Case) -> bool {
    let (Value::Error(product), Value::Error(reference)) = (case.product, case.reference) else {
        return false;
    };
    product.starts_with(b"ERR Unbalanced '") && reference.starts_with(b"ERR Unbalanced XREAD ")
}

fn is_watched_group(case: &Case) -> bool {
    let is_refused = matches!(case.product, Value::NilArray | Value::Null);
    name_of(case.argv) == b"EXEC"
        && is_refused
        && matches!(case.reference, Value::Array(_))
        && case.is_group_changed
}

/// Whether at most one place was left out for another one.
fn is_tie_by_distance(case: &Case) -> bool {
    let (Value::Array(product), Value::Array(reference)) = (case.product, case.reference) else {
        return false;
    };
    let counts = case.argv.iter().any(|word| word.eq_ignore_ascii_case(b"COUNT"));
    let others = product.iter().filter(|place| !reference.contains(place)).count();
    name_of(case.argv).starts_with(b"GEO") && counts && product.len() == reference.len() && others <= 1
}

fn is_big_lcs(case: &Case) -> bool {
    name_of(case.argv) == b"LCS"
        && matches!(case.product, Value::Error(text) if text.starts_with(b"ERR Insufficient memory"))
}

fn is_hexadecimal(case: &Case) -> bool {
    let is_hexadecimal = |word: &Vec<u8>| {
        let digits = word.strip_prefix(b"(").unwrap_or(word);
        let digits = digits.strip_prefix(b"-").or(digits.strip_prefix(b"+")).unwrap_or(digits);
        digits.starts_with(b"0x") || digits.starts_with(b"0X")
    };
    let is_refused = matches!(case.product, Value::Error(text) if text.ends_with(b"float"));
    // What a number is added to may be written so, too: it was read before.
    let was = match case.before {
        Some((reader, Value::Bulk(text))) => reader.get(1) == case.argv.get(1) && is_hexadecimal(text),
        _ => false,
    };
    // The reference may still find something else wrong, later.
    is_refused && (was || case.argv.iter().any(is_hexadecimal))
}

fn is_sorted_to_zero(case: &Case) -> bool {
    let Case { argv, product, reference, .. } = *case;
    let (Value::Array(product), Value::Array(reference)) = (product, reference) else { return false };
    let cut = |value: &Value| match value {
        Value::Bulk(text) => text.split(|byte| *byte == 0).next().unwrap_or_default().to_vec(),
        _ => Vec::new(),
    };
    let has_zero =
        |items: &[Value]| items.iter().any(|item| matches!(item, Value::Bulk(text) if text.contains(&0)));
    let is_plain =
        matches!(name_of(argv).as_slice(), b"SORT" | b"SORT_RO") && shape::has_word(argv, &["ALPHA"]);
    // What is got must be the element itself, once.
    let gets: Vec<_> = argv.windows(2).filter(|pair| pair[0].eq_ignore_ascii_case(b"GET")).collect();
    is_plain
        && (has_zero(product) || has_zero(reference))
        && !shape::has_word(argv, &["STORE"])
        && gets.len() <= 1
        && gets.iter().all(|pair| pair[1] == b"#")
        && product.iter().map(cut).eq(reference.iter().map(cut))
}

fn is_cut_set(case: &Case) -> bool {
    let (Value::Array(product), Value::Array(reference)) = (case.product, case.reference) else {
        return false;
    };
    let is_sort = matches!(name_of(case.argv).as_slice(), b"SORT" | b"SORT_RO")
        && shape::has_word(case.argv, &["LIMIT"]);
    let mut pairs = case.argv.windows(2);
    let is_unsorted = pairs.any(|pair| pair[0].eq_ignore_ascii_case(b"BY") && !pair[1].contains(&b'*'));
    is_sort && is_unsorted && product.len() == reference.len()
}

fn is_lex_of_mixed_scores(case: &Case) -> bool {
    let argv = case.argv;
    let name = name_of(argv);
    let is_range = matches!(name.as_slice(), b"ZRANGE" | b"ZRANGESTORE") && shape::has_word(argv, &["BYLEX"]);
    let source = if name == b"ZRANGESTORE" { argv.get(2) } else { argv.get(1) };
    let Some((reader, Value::Array(items))) = case.before else { return false };
    if !(is_range || name.windows(3).any(|part| part == b"LEX")) || reader.get(1) != source {
        return false;
    }
    // Pairs in RESP2 stand one after the other, in RESP3 they are arrays.
    let scores: Vec<&Value> = match items.first() {
        Some(Value::Array(_)) => items
            .iter()
            .filter_map(|pair| if let Value::Array(pair) = pair { pair.get(1) } else { None })
            .collect(),
        _ => items.iter().skip(1).step_by(2).collect(),
    };
    name_of(reader) == b"ZRANGE" && scores.windows(2).any(|pair| pair[0] != pair[1])
}

/// Names of rows that a page does not mention.
pub fn undocumented(page: &str) -> BTreeSet<&'static str> {
    DIFFERENCES.iter().map(|row| row.name).filter(|name| !page.contains(&format!("`{name}`"))).collect()
}
