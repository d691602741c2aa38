//! DUMP and RESTORE: a value as bytes, in Redis's RDB format, and back.

use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, Run, parse_i64},
    error::Result,
    feature_level,
    limits::{CALL_BYTES_MAX, RDB_PAYLOAD_OBJECT_BYTES_MAX},
    rdb::{self, Fault, Object},
    resp::{ErrorReply, Reply},
    store::{EventClass, Txn, View},
    types::portable,
};

pub(super) const DUMP: Command = Command {
    name: "DUMP",
    access: &[Access::Read],
    tips: &["nondeterministic_output"],
    arity: 2,
    keys: KeyRange::ONE,
    run: Run::Read(dump),
    flags: Flags::READONLY.with(Flags::KEYSPACE),
    group: Group::Generic,
    since: "2.6.0",
    complexity: "O(N) where N is the size of the value.",
    summary: "Returns a value in the format of RDB files, for RESTORE.",
    syntax: "key",
    ..Command::BASE
};

pub(super) const RESTORE: Command = Command {
    name: "RESTORE",
    access: &[Access::Overwrite],
    arity: -4,
    keys: KeyRange::ONE,
    run: Run::Write(restore),
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::KEYSPACE).with(Flags::DANGEROUS),
    group: Group::Generic,
    since: "2.6.0",
    complexity: "O(N*log(N)) where N is the number of elements of the value.",
    summary: "Creates a key from a value that DUMP returned.",
    syntax: "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
    ..Command::BASE
};

/// Slots do not move, so nobody is asked for them.
pub(super) const RESTORE_ASKING: Command = Command {
    name: "RESTORE-ASKING",
    since_level: feature_level::REDIS_8,
    since: "3.0.0",
    summary: "As RESTORE: what the nodes of a Redis cluster send when they migrate keys.",
    ..RESTORE
};

fn dump(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    Ok(match portable::read(view, args.next_word()?)? {
        Some(object) => Reply::bulk(rdb::dump(&object)),
        None => Reply::Nil,
    })
}

#[derive(Default)]
struct Options {
    replace: bool,
    absolute: bool,
}

impl Options {
    /// IDLETIME and FREQ are checked as Redis does, and not kept: accesses are not recorded.
    fn read(args: &mut Args<'_>) -> Result<Self> {
        let mut options = Options::default();
        let (mut has_idle, mut has_freq) = (false, false);
        while !args.is_empty() {
            if args.take("REPLACE") {
                options.replace = true;
            } else if args.take("ABSTTL") {
                options.absolute = true;
            } else if args.remaining() > 1 && !has_freq && args.take("IDLETIME") {
                if args.next_i64()? < 0 {
                    return Err(ErrorReply::err("Invalid IDLETIME value, must be >= 0").into());
                }
                has_idle = true;
            } else if args.remaining() > 1 && !has_idle && args.take("FREQ") {
                if !(0..=255).contains(&args.next_i64()?) {
                    return Err(ErrorReply::err("Invalid FREQ value, must be >= 0 and <= 255").into());
                }
                has_freq = true;
            } else {
                return Err(ErrorReply::syntax().into());
            }
        }
        Ok(options)
    }
}

fn restore(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (key, ttl, payload) = (args.next_word()?, args.next_word()?, args.next_word()?);
    let Options { replace, absolute } = Options::read(args)?;
    if !replace && txn.get(key)?.is_some() {
        return Err(ErrorReply::new("BUSYKEY", "Target key name already exists.").into());
    }
    let ttl = parse_i64(ttl).ok_or_else(ErrorReply::not_integer)?;
    let Ok(ttl) = u64::try_from(ttl) else {
        return Err(ErrorReply::err("Invalid TTL value, must be >= 0").into());
    };
    let has_budget = txn.feature_level() >= feature_level::BUDGETS;
    let bytes_max = if has_budget { CALL_BYTES_MAX } else { RDB_PAYLOAD_OBJECT_BYTES_MAX };
    let (object, bytes) = rdb::load(payload, bytes_max).map_err(|error| match error.fault {
        Fault::NotPayload | Fault::Version(_) | Fault::Checksum { .. } => {
            ErrorReply::err("DUMP payload version or checksum are wrong")
        }
        _ => ErrorReply::err("Bad data format"),
    })?;
    if matches!(object, Object::ExpiringSet(_)) && txn.feature_level() < feature_level::SET_EXPIRY {
        return Err(ErrorReply::err("Bad data format").into());
    }
    // A string is not copied: its pieces are parts of it.
    if !matches!(object, Object::String(_)) {
        txn.view().keep(0, usize::try_from(bytes).unwrap_or(usize::MAX))?;
    }
    let expires_at = match ttl {
        0 => 0,
        at if absolute => at,
        left => txn.now().saturating_add(left).min(i64::MAX.cast_unsigned()),
    };
    if expires_at != 0 && expires_at <= txn.expiry_clock() {
        if replace && txn.delete(key)? {
            txn.event(EventClass::Generic, "del", key);
        }
        return Ok(Reply::Ok);
    }
    portable::write(txn, key, object, expires_at)?;
    txn.event(EventClass::Generic, "restore", key);
    Ok(Reply::Ok)
}
