//! Entries of the log in objects: `log/HISTORY/FIRST-LAST`, which sort by index.
//!
//! ```text
//! MAGIC, 8 bytes │ zstd of: (index u64 │ term u64 │ kind u8 │ length u32 │ payload)… │ XXH3 of all that, u64
//! ```
//!
//! Two leaders may both have archived some entries: they are the same ones, as only committed entries are archived.

use super::{Result, damaged, objects::Objects};
use crate::replication::wal::{EntryKind, LogEntry};
use std::{io::Read, ops::RangeInclusive};
use xxhash_rust::xxh3::xxh3_64;

const MAGIC: &[u8; 8] = b"FLOTLOG1";
const DIRECTORY: &str = "log";
const LEVEL: i32 = 1;
const HEAD_BYTES: usize = 8 + 8 + 1 + 4;
const SUM_BYTES: usize = 8;
/// What a part unpacks to at most: one entry can be large.
const PART_BYTES_MAX: u64 = 2 << 30;

/// The indexes of the entries in each part of a history, in order.
pub async fn parts(objects: &Objects, history: &str) -> Result<Vec<RangeInclusive<u64>>> {
    let found = objects.list(&format!("{DIRECTORY}/{history}")).await?;
    let range = |name: &String| {
        let (first, last) = name.split_once('-')?;
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        (first <= last).then_some(first..=last)
    };
    let mut parts: Vec<RangeInclusive<u64>> = found.keys().filter_map(range).collect();
    parts.sort_by_key(|part| (*part.start(), *part.end()));
    Ok(parts)
}

fn object(history: &str, part: &RangeInclusive<u64>) -> String {
    format!("{DIRECTORY}/{history}/{:020}-{:020}", part.start(), part.end())
}

/// Writes entries that follow each other; bytes written.
pub async fn write(objects: &Objects, history: &str, entries: &[LogEntry]) -> Result<u64> {
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(0) };
    let part = first.index..=last.index;
    let name = object(history, &part);
    let packed = pack(entries).map_err(super::io(format!("compress {name}")))?;
    objects.put(&name, packed).await
}

/// Reads the entries of a part.
pub async fn read(objects: &Objects, history: &str, part: &RangeInclusive<u64>) -> Result<Vec<LogEntry>> {
    let name = object(history, part);
    let packed = objects.get(&name).await?;
    match unpack(&packed) {
        Some(entries)
            if entries.first().map(|entry| entry.index) == Some(*part.start())
                && entries.last().map(|entry| entry.index) == Some(*part.end())
                && entries.is_sorted_by(|a, b| a.index.checked_add(1) == Some(b.index)) =>
        {
            Ok(entries)
        }
        Some(_) => damaged(&objects.name(&name), "it has other entries than its name says"),
        None => damaged(&objects.name(&name), "its checksum is wrong"),
    }
}

/// Removes the parts of a history that end before `index`.
pub async fn delete_before(objects: &Objects, history: &str, index: u64) -> Result<()> {
    let old = parts(objects, history).await?.into_iter().filter(|part| *part.end() < index);
    let names: Vec<String> = old.map(|part| object(history, &part)).collect();
    objects.delete(&names).await
}

fn pack(entries: &[LogEntry]) -> std::io::Result<Vec<u8>> {
    let mut plain = Vec::with_capacity(entries.iter().map(|entry| HEAD_BYTES + entry.payload.len()).sum());
    for entry in entries {
        plain.extend_from_slice(&entry.index.to_le_bytes());
        plain.extend_from_slice(&entry.term.to_le_bytes());
        plain.push(entry.kind as u8);
        plain.extend_from_slice(&(entry.payload.len() as u32).to_le_bytes());
        plain.extend_from_slice(&entry.payload);
    }
    plain.extend_from_slice(&xxh3_64(&plain).to_le_bytes());
    let mut out = MAGIC.to_vec();
    out.extend(zstd::encode_all(&plain[..], LEVEL)?);
    Ok(out)
}

fn unpack(packed: &[u8]) -> Option<Vec<LogEntry>> {
    let mut plain = Vec::new();
    let mut decoder = zstd::Decoder::new(packed.strip_prefix(MAGIC)?).ok()?.take(PART_BYTES_MAX);
    decoder.read_to_end(&mut plain).ok()?;
    let (mut rest, sum) = plain.split_at_checked(plain.len().checked_sub(SUM_BYTES)?)?;
    if xxh3_64(rest).to_le_bytes() != *sum {
        return None;
    }
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let (index, after) = rest.split_first_chunk()?;
        let (term, after) = after.split_first_chunk()?;
        let (kind, after) = after.split_first()?;
        let (len, after) = after.split_first_chunk()?;
        let (payload, after) = after.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        let kind = match kind {
            0 => EntryKind::Blank,
            1 => EntryKind::Normal,
            2 => EntryKind::Membership,
            _ => return None,
        };
        let (index, term) = (u64::from_le_bytes(*index), u64::from_le_bytes(*term));
        entries.push(LogEntry { index, term, kind, payload: payload.to_vec().into() });
        rest = after;
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(indexes: RangeInclusive<u64>) -> Vec<LogEntry> {
        let kinds = [EntryKind::Blank, EntryKind::Normal, EntryKind::Membership];
        let entry = |index: u64| LogEntry {
            index,
            term: 1 + index / 3,
            kind: kinds[index as usize % 3],
            payload: vec![index as u8; index as usize % 50].into(),
        };
        indexes.map(entry).collect()
    }

    #[test]
    fn entries_are_unpacked_as_they_were_and_no_flipped_bit_is() {
        let all = entries(7..=90);
        let packed = pack(&all).unwrap();
        assert_eq!(unpack(&packed).as_ref(), Some(&all));
        for bit in 0..packed.len() * 8 {
            let mut flipped = packed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // A bit of zstd's frame header may mean nothing.
            assert!(unpack(&flipped).is_none_or(|found| found == all), "bit {bit}");
        }
        for cut in 0..packed.len() {
            assert!(unpack(&packed[..cut]).is_none(), "cut at {cut}");
        }
    }

    #[tokio::test]
    async fn parts_are_found_in_order_and_read_by_their_names() {
        let home = tempfile::tempdir().unwrap();
        let objects = Objects::open(&format!("file://{}", home.path().display()), None).unwrap();
        for part in [100..=200, 1..=9, 10..=99] {
            write(&objects, "h", &entries(part)).await.unwrap();
        }
        assert_eq!(parts(&objects, "h").await.unwrap(), [1..=9, 10..=99, 100..=200]);
        assert!(parts(&objects, "other").await.unwrap().is_empty());
        assert_eq!(read(&objects, "h", &(10..=99)).await.unwrap(), entries(10..=99));
        let (from, to) = (home.path().join(object("h", &(1..=9))), home.path().join(object("h", &(1..=8))));
        std::fs::rename(from, to).unwrap();
        assert!(read(&objects, "h", &(1..=8)).await.unwrap_err().to_string().contains("than its name says"));
        delete_before(&objects, "h", 100).await.unwrap();
        assert_eq!(parts(&objects, "h").await.unwrap(), [100..=200]);
    }
}
