//! Keys of one database, type by type, a page at a time.

use super::{Side, scanned, small, words};
use crate::resp::Answer;

/// Elements of a page.
const PAGE: usize = 1000;
/// Bytes of a page of a string.
const STRING_PAGE_BYTES: i64 = 1 << 20;

/// Which of these keys differ, and why.
pub(super) fn differences(
    source: &mut dyn Side,
    node: &mut dyn Side,
    keys: &[Vec<u8>],
    tolerance_ms: u64,
) -> Result<Vec<(Vec<u8>, String)>, String> {
    let heads: Vec<_> =
        keys.iter().flat_map(|key| [words(&[b"TYPE", key]), words(&[b"PEXPIRETIME", key])]).collect();
    let (there, here) = (source.ask(&heads)?, node.ask(&heads)?);
    let mut found = Vec::new();
    let mut same: [(&str, Vec<&Vec<u8>>); 6] =
        ["string", "list", "set", "zset", "hash", "stream"].map(|name| (name, Vec::new()));
    for ((key, there), here) in keys.iter().zip(there.chunks(2)).zip(here.chunks(2)) {
        let ([type_there, at_there], [type_here, at_here]) = (there, here) else { continue };
        if let Some(Answer::Error(why)) =
            [type_there, type_here, at_here].into_iter().find(|answer| is_error(answer))
        {
            return Err(why.clone());
        }
        if type_there != type_here {
            let name = |answer: &Answer| match answer.text() {
                Some(b"none") => "no key".to_owned(),
                text => format!("a {}", String::from_utf8_lossy(text.unwrap_or_default())),
            };
            found.push((key.clone(), format!("{} there, {} here", name(type_there), name(type_here))));
        } else if let Some(why) = expiries(at_there, at_here, tolerance_ms) {
            found.push((key.clone(), why));
        } else if let Some((_, of_type)) =
            same.iter_mut().find(|(name, _)| type_there.text() == Some(name.as_bytes()))
        {
            of_type.push(key);
        }
    }
    for (name, keys) in same {
        let of_type = match name {
            "string" => strings(source, node, &keys)?,
            _ => {
                let seen = small::compare(source, node, name, &keys)?;
                let mut of_type = seen.differences;
                for key in &seen.left {
                    let why = match name {
                        "list" => list(source, node, key)?,
                        "set" => set(source, node, key)?,
                        "zset" => sorted_set(source, node, key)?,
                        "hash" => hash(source, node, key)?,
                        _ => stream(source, node, key)?,
                    };
                    of_type.extend(why.map(|why| (key.clone(), why)));
                }
                of_type
            }
        };
        found.extend(of_type);
    }
    Ok(found)
}

fn is_error(answer: &Answer) -> bool {
    matches!(answer, Answer::Error(_))
}

/// A server before Redis 7.0 does not know PEXPIRETIME: then expiries are not compared.
fn expiries(there: &Answer, here: &Answer, tolerance_ms: u64) -> Option<String> {
    let (Answer::Integer(there), Answer::Integer(here)) = (there, here) else { return None };
    let is_equal = match (*there, *here) {
        (..0, ..0) => true,
        (0.., 0..) => there.abs_diff(*here) <= tolerance_ms,
        _ => false,
    };
    let said = |at: i64| if at < 0 { "never".to_owned() } else { format!("at {at} ms") };
    (!is_equal).then(|| format!("expires {} there, {} here", said(*there), said(*here)))
}

/// The same command of both.
fn both(source: &mut dyn Side, node: &mut dyn Side, argv: &[&[u8]]) -> Result<(Answer, Answer), String> {
    let command = [words(argv)];
    let one = |answers: Vec<Answer>| answers.into_iter().next().ok_or_else(|| "no reply".to_owned());
    Ok((one(source.ask(&command)?)?, one(node.ask(&command)?)?))
}

/// Whether both answer the same: the lengths of collections, say.
fn differ(
    source: &mut dyn Side,
    node: &mut dyn Side,
    what: &str,
    argv: &[&[u8]],
) -> Result<Option<String>, String> {
    let (there, here) = both(source, node, argv)?;
    let said = |answer: &Answer| match answer {
        Answer::Integer(number) => number.to_string(),
        _ => String::new(),
    };
    Ok((there != here).then(|| format!("{what} {} there, {} here", said(&there), said(&here))))
}

fn strings(
    source: &mut dyn Side,
    node: &mut dyn Side,
    keys: &[&Vec<u8>],
) -> Result<Vec<(Vec<u8>, String)>, String> {
    let lengths: Vec<_> = keys.iter().map(|key| words(&[b"STRLEN", key])).collect();
    let (there, here) = (source.ask(&lengths)?, node.ask(&lengths)?);
    let (mut found, mut short) = (Vec::new(), Vec::new());
    for ((key, there), here) in keys.iter().zip(there).zip(here) {
        match (there, here) {
            (Answer::Integer(there), Answer::Integer(here)) if there == here => {
                if there <= STRING_PAGE_BYTES / 16 {
                    short.push((*key).clone());
                } else if !long_string(source, node, key, there)? {
                    found.push(((*key).clone(), "other bytes".to_owned()));
                }
            }
            (Answer::Integer(there), Answer::Integer(here)) => {
                found.push(((*key).clone(), format!("{there} bytes there, {here} here")));
            }
            // Another type by now.
            _ => found.push(((*key).clone(), "another type".to_owned())),
        }
    }
    let gets: Vec<_> = short.iter().map(|key| words(&[b"GET", key])).collect();
    let (there, here) = (source.ask(&gets)?, node.ask(&gets)?);
    let pairs = short.into_iter().zip(there.into_iter().zip(here)).filter(|(_, (there, here))| there != here);
    found.extend(pairs.map(|(key, _)| (key, "other bytes".to_owned())));
    Ok(found)
}

fn long_string(source: &mut dyn Side, node: &mut dyn Side, key: &[u8], len: i64) -> Result<bool, String> {
    let mut from = 0_i64;
    while from < len {
        let to = from.saturating_add(STRING_PAGE_BYTES).saturating_sub(1);
        let (start, end) = (from.to_string(), to.to_string());
        let (there, here) = both(source, node, &[b"GETRANGE", key, start.as_bytes(), end.as_bytes()])?;
        if there != here {
            return Ok(false);
        }
        from = to.saturating_add(1);
    }
    Ok(true)
}

fn list(source: &mut dyn Side, node: &mut dyn Side, key: &[u8]) -> Result<Option<String>, String> {
    if let Some(why) = differ(source, node, "length", &[b"LLEN", key])? {
        return Ok(Some(why));
    }
    let mut from = 0_usize;
    loop {
        let to = from.saturating_add(PAGE).saturating_sub(1);
        let (start, end) = (from.to_string(), to.to_string());
        let (there, here) = both(source, node, &[b"LRANGE", key, start.as_bytes(), end.as_bytes()])?;
        if there != here {
            return Ok(Some(format!("other elements from {from} to {to}")));
        }
        match there {
            Answer::List(elements) if elements.len() >= PAGE => from = to.saturating_add(1),
            _ => return Ok(None),
        }
    }
}

/// Scans a collection there, and asks here for what was found. `step`: words of an element.
fn scan(
    source: &mut dyn Side,
    node: &mut dyn Side,
    command: &[u8],
    key: &[u8],
    mut page: impl FnMut(&mut dyn Side, &[Vec<u8>]) -> Result<bool, String>,
) -> Result<bool, String> {
    let mut cursor = b"0".to_vec();
    loop {
        let scan = [words(&[command, key, &cursor, b"COUNT", PAGE.to_string().as_bytes()])];
        let (next, found) = scanned(source.ask(&scan)?.pop())?;
        for found in found.chunks(PAGE.saturating_mul(2)) {
            if !found.is_empty() && !page(node, found)? {
                return Ok(false);
            }
        }
        cursor = next;
        if cursor == b"0" {
            return Ok(true);
        }
    }
}

fn set(source: &mut dyn Side, node: &mut dyn Side, key: &[u8]) -> Result<Option<String>, String> {
    if let Some(why) = differ(source, node, "members", &[b"SCARD", key])? {
        return Ok(Some(why));
    }
    let is_equal = scan(source, node, b"SSCAN", key, |node, members| {
        let ask = [&words(&[b"SMISMEMBER", key])[..], members].concat();
        let answer = node.ask(&[ask])?.pop();
        Ok(matches!(answer, Some(Answer::List(found)) if found.iter().all(|one| *one == Answer::Integer(1))))
    })?;
    Ok((!is_equal).then(|| "other members".to_owned()))
}

/// Every second word.
fn halves(pairs: &[Vec<u8>]) -> (Vec<Vec<u8>>, Vec<&Vec<u8>>) {
    (pairs.iter().step_by(2).cloned().collect(), pairs.iter().skip(1).step_by(2).collect())
}

fn hash(source: &mut dyn Side, node: &mut dyn Side, key: &[u8]) -> Result<Option<String>, String> {
    if let Some(why) = differ(source, node, "fields", &[b"HLEN", key])? {
        return Ok(Some(why));
    }
    let is_equal = scan(source, node, b"HSCAN", key, |node, pairs| {
        let (names, values) = halves(pairs);
        let answer = node.ask(&[[words(&[b"HMGET", key]), names].concat()])?.pop();
        let Some(Answer::List(found)) = answer else { return Ok(false) };
        Ok(found.iter().map(Answer::text).eq(values.iter().map(|value| Some(value.as_slice()))))
    })?;
    Ok((!is_equal).then(|| "other fields or values".to_owned()))
}

fn sorted_set(source: &mut dyn Side, node: &mut dyn Side, key: &[u8]) -> Result<Option<String>, String> {
    if let Some(why) = differ(source, node, "members", &[b"ZCARD", key])? {
        return Ok(Some(why));
    }
    let number = |text: Option<&[u8]>| std::str::from_utf8(text?).ok()?.parse::<f64>().ok();
    let is_equal = scan(source, node, b"ZSCAN", key, |node, pairs| {
        let (members, scores) = halves(pairs);
        let answer = node.ask(&[[words(&[b"ZMSCORE", key]), members].concat()])?.pop();
        let Some(Answer::List(found)) = answer else { return Ok(false) };
        let there = scores.iter().map(|score| number(Some(score.as_slice())));
        Ok(found.iter().map(|score| number(score.text())).eq(there))
    })?;
    Ok((!is_equal).then(|| "other members or scores".to_owned()))
}

fn stream(source: &mut dyn Side, node: &mut dyn Side, key: &[u8]) -> Result<Option<String>, String> {
    if let Some(why) = differ(source, node, "entries", &[b"XLEN", key])? {
        return Ok(Some(why));
    }
    let mut from = b"-".to_vec();
    loop {
        let count = PAGE.to_string();
        let (there, here) = both(source, node, &[b"XRANGE", key, &from, b"+", b"COUNT", count.as_bytes()])?;
        if there != here {
            return Ok(Some(format!("other entries from {} on", String::from_utf8_lossy(&from))));
        }
        let Answer::List(entries) = there else { break };
        let last = entries.last().and_then(|entry| match entry {
            Answer::List(parts) => parts.first().and_then(Answer::text),
            _ => None,
        });
        match last {
            Some(last) if entries.len() >= PAGE => from = [b"(", last].concat(),
            _ => break,
        }
    }
    let state = both(source, node, &[b"XINFO", b"STREAM", key])?;
    let groups = both(source, node, &[b"XINFO", b"GROUPS", key])?;
    Ok(differ_in_state((&state.0, &groups.0), (&state.1, &groups.1)).map(str::to_owned))
}

/// What XINFO STREAM and XINFO GROUPS say there and here.
pub(super) fn differ_in_state(there: (&Answer, &Answer), here: (&Answer, &Answer)) -> Option<&'static str> {
    let last = |answer| field(answer, b"last-generated-id");
    if last(there.0) != last(here.0) {
        return Some("another last id");
    }
    (groups(there.1) != groups(here.1)).then_some("other consumer groups")
}

/// The value of a field of a list of names and values.
fn field<'a>(answer: &'a Answer, name: &[u8]) -> Option<&'a Answer> {
    let Answer::List(pairs) = answer else { return None };
    pairs.chunks(2).find(|pair| pair.first().and_then(Answer::text) == Some(name))?.get(1)
}

/// Of each group: name, where it is, how many entries are pending.
fn groups(answer: &Answer) -> Vec<[Option<&Answer>; 3]> {
    let Answer::List(groups) = answer else { return Vec::new() };
    let of = |group| [&b"name"[..], b"last-delivered-id", b"pending"].map(|name| field(group, name));
    groups.iter().map(of).collect()
}
