//! The scripts that the cluster keeps: rows of the system's database, replicated as all others.
//!
//! | key | value |
//! |---|---|
//! | `s` ‖ SHA-1 in hexadecimal | 1 if SCRIPT LOAD has put it there, else 0 ‖ number u64 ‖ text |
//! | `e` ‖ number u64 | SHA-1: scripts of EVAL in the order in which they go |
//! | `t` | totals (`ScriptTotals`) |
//!
//! Scripts of EVAL are kept for those who call them by their SHA-1 afterwards: `SCRIPTS_MAX` of them, and so many bytes; the
//! oldest goes. One that is called again when half of them are younger is young again. Scripts that were loaded stay until
//! SCRIPT FLUSH, and there is a bound for them, too.

use super::sha1::Sha1;
use crate::{
    error::{Result, StoreError},
    limits::{LOADED_SCRIPTS_BYTES_MAX, LOADED_SCRIPTS_MAX, SCRIPTS_BYTES_MAX, SCRIPTS_MAX, SYSTEM_DATABASE},
    resp::ErrorReply,
    store::{NewRow, Txn, View},
    value::Value,
};
use std::ops::ControlFlow;

const SCRIPT: u8 = b's';
const BY_AGE: u8 = b'e';
const TOTALS: &[u8] = b"t";
/// Before the text.
const HEAD_BYTES: usize = 1 + 8;
/// What a script takes beside its text.
const SCRIPT_ROW_BYTES: u64 = 256;

/// A script that is kept.
pub(super) struct Kept {
    pub(super) is_loaded: bool,
    number: u64,
    pub(super) text: Value,
}

/// What is kept, for INFO and for the bounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScriptTotals {
    next_number: u64,
    /// Of EVAL.
    pub scripts: u64,
    pub bytes: u64,
    pub loaded: u64,
    pub loaded_bytes: u64,
    pub evicted: u64,
}

impl ScriptTotals {
    /// Those of a view.
    pub fn of(view: &View<'_>) -> Result<Self> {
        match view.of_db(SYSTEM_DATABASE).quiet().get(TOTALS)? {
            None => Ok(ScriptTotals::default()),
            Some(row) => {
                Ok(Self::decode(&row.body)
                    .ok_or_else(|| StoreError::corrupt("totals of scripts", "length"))?)
            }
        }
    }

    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut next = || {
            let (number, rest) = bytes.split_first_chunk::<8>()?;
            bytes = rest;
            Some(u64::from_be_bytes(*number))
        };
        let totals = ScriptTotals {
            next_number: next()?,
            scripts: next()?,
            bytes: next()?,
            loaded: next()?,
            loaded_bytes: next()?,
            evicted: next()?,
        };
        bytes.is_empty().then_some(totals)
    }

    fn encode(self) -> Vec<u8> {
        let numbers =
            [self.next_number, self.scripts, self.bytes, self.loaded, self.loaded_bytes, self.evicted];
        numbers.into_iter().flat_map(u64::to_be_bytes).collect()
    }

    fn put(self, txn: &mut Txn<'_>) -> Result<()> {
        txn.put_in(SYSTEM_DATABASE, TOTALS, NewRow::string(&self.encode()))
    }

    fn add(&mut self, is_loaded: bool, bytes: u64) {
        let (count, sum) = self.of_kind(is_loaded);
        (*count, *sum) = (count.saturating_add(1), sum.saturating_add(bytes));
    }

    fn remove(&mut self, is_loaded: bool, bytes: u64) {
        let (count, sum) = self.of_kind(is_loaded);
        (*count, *sum) = (count.saturating_sub(1), sum.saturating_sub(bytes));
    }

    fn of_kind(&mut self, is_loaded: bool) -> (&mut u64, &mut u64) {
        match is_loaded {
            true => (&mut self.loaded, &mut self.loaded_bytes),
            false => (&mut self.scripts, &mut self.bytes),
        }
    }
}

fn script_key(sha1: &Sha1) -> Vec<u8> {
    [&[SCRIPT], &sha1.hex()[..]].concat()
}

fn age_key(number: u64) -> Vec<u8> {
    [&[BY_AGE][..], &number.to_be_bytes()].concat()
}

fn bytes_of(text: &[u8]) -> u64 {
    (text.len() as u64).saturating_add(SCRIPT_ROW_BYTES)
}

/// The script of this name.
pub(super) fn find(view: &View<'_>, sha1: &Sha1) -> Result<Option<Kept>> {
    let Some(row) = view.of_db(SYSTEM_DATABASE).quiet().get(&script_key(sha1))? else { return Ok(None) };
    let corrupt = || StoreError::corrupt("script", "too short");
    let (kind, rest) = row.body.split_first().ok_or_else(corrupt)?;
    let number = rest.first_chunk::<8>().ok_or_else(corrupt)?;
    let (is_loaded, number) = (*kind != 0, u64::from_be_bytes(*number));
    Ok(Some(Kept { is_loaded, number, text: row.body.clone().without_first(HEAD_BYTES) }))
}

/// EVAL has run it. A script so large that few others would stay is not kept.
pub(super) fn keep(txn: &mut Txn<'_>, sha1: &Sha1, text: &[u8]) -> Result<()> {
    match find(&txn.view(), sha1)? {
        Some(kept) => used(txn, sha1, &kept),
        None if bytes_of(text) > SCRIPTS_BYTES_MAX / 32 => Ok(()),
        None => {
            let mut totals = ScriptTotals::of(&txn.view())?;
            let bytes = bytes_of(text);
            make_room(txn, &mut totals, bytes)?;
            put(txn, &mut totals, sha1, text, false)?;
            totals.put(txn)
        }
    }
}

/// A script that is kept has run.
pub(super) fn used(txn: &mut Txn<'_>, sha1: &Sha1, kept: &Kept) -> Result<()> {
    if kept.is_loaded {
        return Ok(());
    }
    let mut totals = ScriptTotals::of(&txn.view())?;
    if totals.next_number.saturating_sub(kept.number) <= SCRIPTS_MAX / 2 {
        return Ok(());
    }
    forget(txn, &mut totals, sha1, kept)?;
    put(txn, &mut totals, sha1, &kept.text, false)?;
    totals.put(txn)
}

/// SCRIPT LOAD.
pub(super) fn load(txn: &mut Txn<'_>, sha1: &Sha1, text: &[u8]) -> Result<()> {
    let before = find(&txn.view(), sha1)?;
    if before.as_ref().is_some_and(|kept| kept.is_loaded) {
        return Ok(());
    }
    let mut totals = ScriptTotals::of(&txn.view())?;
    let bytes = totals.loaded_bytes.saturating_add(bytes_of(text));
    if totals.loaded >= LOADED_SCRIPTS_MAX || bytes > LOADED_SCRIPTS_BYTES_MAX {
        let mib = LOADED_SCRIPTS_BYTES_MAX >> 20;
        let text = format!(
            "no more than {LOADED_SCRIPTS_MAX} scripts, of {mib} MiB in all, can be loaded; SCRIPT FLUSH drops them"
        );
        return Err(ErrorReply::err(text).into());
    }
    if let Some(kept) = before {
        forget(txn, &mut totals, sha1, &kept)?;
    }
    put(txn, &mut totals, sha1, text, true)?;
    totals.put(txn)
}

fn put(
    txn: &mut Txn<'_>,
    totals: &mut ScriptTotals,
    sha1: &Sha1,
    text: &[u8],
    is_loaded: bool,
) -> Result<()> {
    let number = totals.next_number;
    totals.next_number = number.saturating_add(1);
    let body = [&[u8::from(is_loaded)], &number.to_be_bytes()[..], text].concat();
    txn.put_in(SYSTEM_DATABASE, &script_key(sha1), NewRow::string(&body))?;
    if !is_loaded {
        txn.put_in(SYSTEM_DATABASE, &age_key(number), NewRow::string(sha1.hex()))?;
    }
    totals.add(is_loaded, bytes_of(text));
    Ok(())
}

fn forget(txn: &mut Txn<'_>, totals: &mut ScriptTotals, sha1: &Sha1, kept: &Kept) -> Result<()> {
    txn.delete_in(SYSTEM_DATABASE, &script_key(sha1))?;
    if !kept.is_loaded {
        txn.delete_in(SYSTEM_DATABASE, &age_key(kept.number))?;
    }
    totals.remove(kept.is_loaded, bytes_of(&kept.text));
    Ok(())
}

/// The oldest go until there is room for one more script of EVAL.
fn make_room(txn: &mut Txn<'_>, totals: &mut ScriptTotals, bytes: u64) -> Result<()> {
    while totals.scripts >= SCRIPTS_MAX || totals.bytes.saturating_add(bytes) > SCRIPTS_BYTES_MAX {
        let mut oldest = None;
        txn.system_view().scan(&[BY_AGE], &[BY_AGE], |_, row| {
            oldest = Sha1::parse(&row.body);
            Ok(ControlFlow::Break(()))
        })?;
        let Some(sha1) = oldest else { return Ok(()) };
        let Some(kept) = find(&txn.view(), &sha1)? else {
            return Err(StoreError::corrupt("scripts by age", "one that is not kept").into());
        };
        forget(txn, totals, &sha1, &kept)?;
        totals.evicted = totals.evicted.saturating_add(1);
    }
    Ok(())
}

/// SCRIPT FLUSH. What was counted before goes on being counted.
pub(super) fn flush(txn: &mut Txn<'_>) -> Result<()> {
    let totals = ScriptTotals::of(&txn.view())?;
    remove_all(txn, [SCRIPT, BY_AGE])?;
    ScriptTotals { next_number: totals.next_number, evicted: totals.evicted, ..ScriptTotals::default() }
        .put(txn)
}

/// Removes the rows of the system's database whose keys begin with one of these bytes.
pub(super) fn remove_all(txn: &mut Txn<'_>, kinds: [u8; 2]) -> Result<()> {
    let mut keys: Vec<Vec<u8>> = Vec::new();
    for first in kinds {
        txn.system_view().in_passing().scan(&[first], &[first], |key, _| {
            keys.push(key.to_vec());
            Ok(ControlFlow::Continue(()))
        })?;
    }
    keys.iter().try_for_each(|key| txn.delete_in(SYSTEM_DATABASE, key).map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// They are on disk.
    #[test]
    fn golden_totals() {
        let totals =
            ScriptTotals { next_number: 1, scripts: 2, bytes: 3, loaded: 4, loaded_bytes: 5, evicted: 6 };
        let golden = b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x04\
            \0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x06";
        assert_eq!(totals.encode(), golden);
        assert_eq!(ScriptTotals::decode(golden), Some(totals));
        assert_eq!(ScriptTotals::decode(&golden[1..]), None);
    }
}
