//! CLUSTERSCAN: SCAN for a whole cluster. Between its dashes a cursor has a tag by whose slot a client finds the node; all slots are
//! here, so it is always the same.

use super::{
    ROW,
    slots::{slot_in_range, slot_of},
};
use crate::{
    command::{Args, Command, Flags, Run},
    commands::{generic::scan_page, scan_options::ScanOptions},
    error::Result,
    feature_level,
    resp::{ErrorReply, Reply},
    store::View,
};

/// What stands before the cursor of the scan: the fingerprint of a layout of slots that never changes, and a tag of slot 0.
const HEAD: &str = "0-{06S}-";

pub(super) const CLUSTERSCAN: Command = Command {
    name: "CLUSTERSCAN",
    tips: &["nondeterministic_output", "request_policy:special", "response_policy:special"],
    arity: -2,
    run: Run::Read(clusterscan),
    flags: Flags::READONLY.with(Flags::KEYSPACE).with(Flags::CLUSTER_ONLY),
    since_level: feature_level::REDIS_8,
    since: "9.1.0",
    complexity: "O(N) where N is COUNT; with a literal prefix in MATCH, only keys under the prefix are visited.",
    summary: "Iterates over the keys of the cluster in pages.",
    syntax: "cursor [MATCH pattern] [COUNT count] [TYPE type] [SLOT slot]",
    ..ROW
};

fn clusterscan(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let cursor = cursor(args.next_word()?).ok_or_else(|| ErrorReply::err("Invalid cursor"))?;
    let (mut kind, mut slot) = (None, None);
    let options = ScanOptions::read(args, |args| {
        let has_more = args.remaining() > 1;
        if has_more && args.take("TYPE") {
            kind = Some(args.next_word()?);
        } else if has_more && args.take("SLOT") {
            slot = Some(slot_in_range(args)?);
        } else {
            return Ok(false);
        }
        Ok(true)
    })?;
    let is_in_slot = |key: &[u8]| slot.is_none_or(|slot| slot_of(key) == slot);
    let (next, found) = scan_page(view, cursor, &options, kind, is_in_slot)?;
    let next = if next == 0 { "0".to_owned() } else { format!("{HEAD}{next}") };
    Ok(Reply::Array(vec![Reply::bulk(next), Reply::Array(found)]))
}

/// The scan's own cursor, behind the second dash. One that another server gave begins anew.
fn cursor(word: &[u8]) -> Option<u64> {
    if word == b"0" {
        return Some(0);
    }
    let text = std::str::from_utf8(word).ok()?;
    let (head, own) = text.rsplit_once('-')?;
    let is_known = head.contains('-') && own.bytes().all(|byte| byte.is_ascii_digit());
    let own = own.parse().ok().filter(|_| is_known)?;
    Some(if text.starts_with(HEAD) { own } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_those_of_valkey() {
        for (word, expected) in [
            ("0", Some(0)),
            ("0-{06S}-0", Some(0)),
            ("0-{06S}-7", Some(7)),
            ("1S3dh`-{6PV}-905", Some(0)),
            ("0-{06S}-99999999999999999999999", None),
            ("0-{06S}-x", None),
            ("{06S}-0", None),
            ("7", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(cursor(word.as_bytes()), expected, "{word}");
        }
        assert_eq!(slot_of(b"{06S}"), 0);
    }
}
