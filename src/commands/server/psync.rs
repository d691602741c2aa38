//! PSYNC and REPLCONF: a Redis, or a tool that speaks as one, follows this node. SYNC is what they were before Redis 2.8.

use crate::{
    command::{Args, Command, Effect, Flags, Group, Run, parse_i64},
    error::Result,
    psync::PsyncRequest,
    resp::{ErrorReply, Reply},
    session::Context,
};

/// Of an address that a follower announces.
const ADDRESS_BYTES_MAX: usize = 255;
const REPLID_BYTES: usize = 40;

const ROW: Command = Command {
    run: Run::Local(refused),
    flags: Flags::ADMIN.with(Flags::NOSCRIPT),
    group: Group::Server,
    ..Command::BASE
};

const SYNCS: Flags = ROW.flags.with(Flags::NO_ASYNC_LOADING).with(Flags::NO_MULTI);

pub(super) const SYNC: Command = Command {
    name: "SYNC",
    flags: SYNCS,
    summary: "Refused: replicas of Redis 2.8 and later ask by PSYNC.",
    ..ROW
};

pub(super) const PSYNC: Command = Command {
    name: "PSYNC",
    arity: -3,
    run: Run::Async(psync),
    flags: SYNCS,
    since: "2.8.0",
    complexity: "O(N) where N is the data, unless the stream goes on.",
    summary: "A replica of Redis, or a tool, gets all data and then the stream of changes, or goes on with the stream.",
    syntax: "replicationid offset",
    ..ROW
};

pub(super) const REPLCONF: Command = Command {
    name: "REPLCONF",
    arity: -1,
    run: Run::Local(replconf),
    flags: ROW.flags.with(Flags::LOADING).with(Flags::STALE).with(Flags::ALLOW_BUSY),
    since: "3.0.0",
    summary: "What a replica says of itself before PSYNC: its port, its address, what it can do.",
    ..ROW
};

fn refused(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Err(ErrorReply::err("SYNC is not supported: use PSYNC, as replicas of Redis 2.8 and later do").into())
}

fn psync(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Effect> {
    let (replid, offset) = (args.next_word()?, args.next_word()?);
    if args.take("FAILOVER") {
        return Err(ErrorReply::err("nodes replicate by Raft: no replica can take over").into());
    }
    let offset = parse_i64(offset).ok_or_else(ErrorReply::not_integer)?;
    let is_id = replid.len() == REPLID_BYTES && replid.iter().all(u8::is_ascii_hexdigit);
    let go_on = match (std::str::from_utf8(replid), u64::try_from(offset)) {
        (Ok(replid), Ok(offset)) if is_id => Some((replid.to_ascii_lowercase(), offset)),
        _ => None,
    };
    let announced = context.session.announced.as_deref().cloned().unwrap_or_default();
    Ok(Effect::Psync(Box::new(PsyncRequest { go_on, announced })))
}

fn replconf(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    if !args.remaining().is_multiple_of(2) {
        return Err(ErrorReply::syntax().into());
    }
    let announced = context.session.announced.get_or_insert_default();
    while !args.is_empty() {
        if args.take("LISTENING-PORT") {
            let port = parse_i64(args.next_word()?).and_then(|port| u16::try_from(port).ok());
            announced.port = port.ok_or_else(ErrorReply::not_integer)?;
        } else if args.take("IP-ADDRESS") {
            let word = args.next_word()?;
            let is_plain = word.len() <= ADDRESS_BYTES_MAX && word.iter().all(u8::is_ascii_graphic);
            let address = String::from_utf8_lossy(word).into_owned();
            let text =
                format!("REPLCONF ip-address provided by replica instance is too long: {} bytes", word.len());
            if !is_plain {
                return Err(ErrorReply::err(text).into());
            }
            announced.address = Some(address).filter(|address| !address.is_empty());
        } else if args.take("CAPA") {
            announced.finds_end |= args.next_word()?.eq_ignore_ascii_case(b"EOF");
        } else if args.take("VERSION") || args.take("SET-CLUSTER-NODE-ID") {
            args.next_word()?;
        } else if args.take("ACK") || args.take("GETACK") || args.take("FACK") {
            // Of one that does not follow, or not yet; as by redis-server there is no answer.
            return Ok(Reply::None);
        } else if args.take("RDB-ONLY") || args.take("RDB-FILTER-ONLY") || args.take("RDB-CHANNEL") {
            // They begin with a zero, or ask for what is not there.
            match args.next_word()? {
                b"0" | b"" => {}
                _ => return Err(ErrorReply::err("replicas get all of the data, and the stream").into()),
            }
        } else {
            let option = String::from_utf8_lossy(args.next_word()?).into_owned();
            return Err(ErrorReply::err(format!("Unrecognized REPLCONF option: {option}")).into());
        }
    }
    Ok(Reply::Ok)
}
