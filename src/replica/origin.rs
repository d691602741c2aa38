//! The origin of a call in an entry: the client that called, if it tracks keys. From feature level 7 on.
//!
//! ```text
//! origin := flags u8 (1: the client tracks what the call reads) ‖ process u64 ‖ client u64
//! ```

use super::{entry::EntryError, reader::Reader};
use crate::store::Origin;

const TRACKS: u8 = 1;

pub(super) fn put(bytes: &mut Vec<u8>, Origin { process, client, tracks }: Origin) {
    bytes.push(if tracks { TRACKS } else { 0 });
    bytes.extend_from_slice(&process.to_le_bytes());
    bytes.extend_from_slice(&client.to_le_bytes());
}

pub(super) fn read(rest: &mut Reader<'_>) -> Result<Origin, EntryError> {
    let flags = rest.u8()?;
    if flags & !TRACKS != 0 {
        return Err(EntryError("unknown flags of an origin"));
    }
    Ok(Origin { process: rest.u64()?, client: rest.u64()?, tracks: flags & TRACKS != 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::{Proposal, ProposalBuilder};

    /// Database, user, origin.
    type Call = (u32, Option<Vec<u8>>, Option<Origin>);

    fn calls(bytes: &[u8]) -> Result<Vec<Call>, EntryError> {
        let Proposal::Commands(mut calls) = Proposal::decode(bytes)? else { panic!("no commands") };
        let mut found = Vec::new();
        while let Some(call) = calls.next_call()? {
            assert_eq!(&call.argv[..], [b"GET", b"key"]);
            found.push((call.db, call.user.map(<[u8]>::to_vec), call.origin));
        }
        Ok(found)
    }

    #[test]
    fn calls_say_whose_they_are_and_say_nothing_if_it_matters_to_nobody() {
        let origin = |tracks| Some(Origin { process: u64::MAX - 1, client: 7, tracks });
        let all = [
            (15, None, None),
            (0, None, origin(true)),
            (3, Some(b"user".to_vec()), origin(false)),
            (3, Some(b"user".to_vec()), None),
        ];
        let mut builder = ProposalBuilder::commands();
        for (db, user, origin) in &all {
            builder.push_as(*db, user.as_deref(), *origin, &[b"GET", b"key"]);
        }
        let bytes = builder.finish();
        assert_eq!(calls(&bytes).unwrap(), all);
        let mut plain = ProposalBuilder::commands();
        plain.push(15, &[b"GET", b"key"]);
        let mut unasked = ProposalBuilder::commands();
        unasked.push_as(15, None, None, &[b"GET", b"key"]);
        assert_eq!(plain.finish(), unasked.finish());
    }

    #[test]
    fn golden_bytes_and_flags_of_later_builds() {
        let mut builder = ProposalBuilder::commands();
        builder.push_as(2, None, Some(Origin { process: 5, client: 6, tracks: true }), &[b"GET", b"key"]);
        let golden = b"\0\0\0\0\0\x01\0\0\0\x02\0\0\x40\x01\x05\0\0\0\0\0\0\0\x06\0\0\0\0\0\0\0\
            \x02\0\0\0\x03\0\0\0GET\x03\0\0\0key";
        let mut bytes = builder.finish().to_vec();
        assert_eq!(&bytes[..], &golden[..]);
        bytes[13] = 2;
        assert!(calls(&bytes).is_err(), "what it means is not known here");
    }
}
