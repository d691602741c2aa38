//! The persisted form of a membership, in the log and in the store.
//!
//! `version u8 (2) ‖ stored u8 ‖ [term u64 ‖ index u64, if stored] ‖ configs u32 ‖ configs × (voters u32 ‖ voters × u64) ‖
//! nodes u32 ‖ nodes × (id u64 ‖ length u32 ‖ peer address ‖ length u32 ‖ name ‖ standby u8 ‖ replaces u64)`; numbers are
//! little-endian, sets in ascending order. Version 1 ended a node with its address.

use super::types::{Peer, RaftLogId, RaftMembership, RaftStoredMembership, log_id, position};
use crate::{error::StoreError, store::LogId};
use std::collections::{BTreeMap, BTreeSet};

const VERSION: u8 = 2;

/// The bytes of a membership; `at` is the log id of its entry, if it is stored apart from it.
pub(super) fn encode(at: Option<&RaftLogId>, membership: &RaftMembership) -> Vec<u8> {
    let mut out = vec![VERSION, u8::from(at.is_some())];
    if let Some(LogId { term, index }) = at.map(position) {
        out.extend_from_slice(&term.to_le_bytes());
        out.extend_from_slice(&index.to_le_bytes());
    }
    put_count(&mut out, membership.get_joint_config().len());
    for voters in membership.get_joint_config() {
        put_count(&mut out, voters.len());
        voters.iter().for_each(|id| out.extend_from_slice(&id.to_le_bytes()));
    }
    let nodes: BTreeMap<&u64, &Peer> = membership.nodes().collect();
    put_count(&mut out, nodes.len());
    for (id, peer) in nodes {
        out.extend_from_slice(&id.to_le_bytes());
        for text in [&peer.address, &peer.name] {
            put_count(&mut out, text.len());
            out.extend_from_slice(text.as_bytes());
        }
        out.push(u8::from(peer.standby));
        out.extend_from_slice(&peer.replaces.to_le_bytes());
    }
    out
}

/// Reads what `encode` wrote.
pub(super) fn decode(mut bytes: &[u8]) -> Result<(Option<RaftLogId>, RaftMembership), StoreError> {
    let rest = &mut bytes;
    let [version, stored] = take(rest)?;
    if !(1..=VERSION).contains(&version) {
        return Err(bad(&format!("version {version} is not known to this program")));
    }
    let at = match stored {
        0 => None,
        _ => {
            let (term, index) = (u64::from_le_bytes(take(rest)?), u64::from_le_bytes(take(rest)?));
            Some(log_id(LogId { term, index }))
        }
    };
    let mut configs = Vec::new();
    for _ in 0..u32::from_le_bytes(take(rest)?) {
        let mut voters = BTreeSet::new();
        for _ in 0..u32::from_le_bytes(take(rest)?) {
            voters.insert(u64::from_le_bytes(take(rest)?));
        }
        configs.push(voters);
    }
    let mut nodes = BTreeMap::new();
    for _ in 0..u32::from_le_bytes(take(rest)?) {
        let id = u64::from_le_bytes(take(rest)?);
        let mut peer = Peer { address: take_text(rest)?, ..Peer::default() };
        if version > 1 {
            peer.name = take_text(rest)?;
            let [standby] = take(rest)?;
            peer.standby = standby != 0;
            peer.replaces = u64::from_le_bytes(take(rest)?);
        }
        nodes.insert(id, peer);
    }
    if !rest.is_empty() {
        return Err(bad("trailing bytes"));
    }
    // An empty store has a configuration without nodes; openraft's constructor refuses it.
    if configs.is_empty() && nodes.is_empty() {
        return Ok((at, RaftMembership::default()));
    }
    let membership = RaftMembership::new(configs, nodes).map_err(|e| bad(&e.to_string()))?;
    Ok((at, membership))
}

/// The membership as the store keeps it.
pub(super) fn encode_stored(stored: &RaftStoredMembership) -> Vec<u8> {
    encode(stored.log_id().as_ref(), stored.membership())
}

/// Reads what `encode_stored` wrote; nothing stored is the empty membership.
pub(super) fn decode_stored(bytes: Option<&[u8]>) -> Result<RaftStoredMembership, StoreError> {
    let Some(bytes) = bytes else {
        return Ok(RaftStoredMembership::default());
    };
    let (at, membership) = decode(bytes)?;
    Ok(RaftStoredMembership::new(at, membership))
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], StoreError> {
    let (head, rest) = bytes.split_first_chunk::<N>().ok_or_else(|| bad("too short"))?;
    *bytes = rest;
    Ok(*head)
}

fn take_text(bytes: &mut &[u8]) -> Result<String, StoreError> {
    let len = u32::from_le_bytes(take(bytes)?) as usize;
    let (text, rest) = bytes.split_at_checked(len).ok_or_else(|| bad("too short"))?;
    *bytes = rest;
    String::from_utf8(text.to_vec()).map_err(|_| bad("text"))
}

fn bad(detail: &str) -> StoreError {
    StoreError::corrupt("membership", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> RaftStoredMembership {
        let peer = |address: &str| Peer { address: address.into(), ..Peer::default() };
        let third = Peer { name: "c".into(), standby: true, replaces: 5, ..peer("c:3") };
        let nodes = BTreeMap::from([(1, peer("a:1")), (2, peer("")), (3, third)]);
        let membership =
            RaftMembership::new(vec![BTreeSet::from([1, 2]), BTreeSet::from([2])], nodes).unwrap();
        RaftStoredMembership::new(Some(log_id(LogId { term: 4, index: 9 })), membership)
    }

    #[test]
    fn golden_bytes() {
        let golden = b"\x02\x01\x04\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\
            \x02\0\0\0\x02\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x01\0\0\0\x02\0\0\0\0\0\0\0\
            \x03\0\0\0\x01\0\0\0\0\0\0\0\x03\0\0\0a:1\0\0\0\0\0\0\0\0\0\0\0\0\0\
            \x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
            \x03\0\0\0\0\0\0\0\x03\0\0\0c:3\x01\0\0\0c\x01\x05\0\0\0\0\0\0\0";
        assert_eq!(encode_stored(&sample()), golden);
        let version_1 = b"\x01\x01\x04\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\
            \x02\0\0\0\x02\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x01\0\0\0\x02\0\0\0\0\0\0\0\
            \x03\0\0\0\x01\0\0\0\0\0\0\0\x03\0\0\0a:1\x02\0\0\0\0\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x03\0\0\0c:3";
        let old = decode_stored(Some(version_1)).unwrap();
        assert_eq!(old.get_joint_config(), sample().get_joint_config());
        let addresses: Vec<String> = old.nodes().map(|(_, peer)| peer.address.clone()).collect();
        assert_eq!(addresses, ["a:1", "", "c:3"]);
    }

    #[test]
    fn round_trips_and_refuses_cuts() {
        let bytes = encode_stored(&sample());
        assert_eq!(decode_stored(Some(&bytes)).unwrap(), sample());
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        assert!(decode(b"\x03\0").is_err());
        let empty = RaftStoredMembership::default();
        assert_eq!(decode_stored(Some(&encode_stored(&empty))).unwrap(), empty);
    }
}
