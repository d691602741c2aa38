//! CLUSTER and ASKING: the core as one shard of a Redis Cluster, for clients that want one.
//!
//! All slots belong to it. A command that crosses them is refused all the same, since clients of a cluster rely on that
//! (`server/redirect.rs`; `cluster-allow-cross-slot` lets it pass). The leader is the master, the other nodes are its replicas;
//! the configuration epoch is the Raft term. What would change the topology is `flotilla admin`'s.

use crate::{
    command::{Args, Command, Effect, Flags, Group, Run, parse_i64},
    commands::{help, server::lead},
    error::Result,
    resp::{ErrorReply, Reply},
    session::Context,
    state::{NodeEndpoint, public_id},
    store::View,
};
use crc::{CRC_16_XMODEM, Crc};
use std::{fmt::Write, ops::ControlFlow};

/// Every row of the group.
pub static COMMANDS: &[Command] = &[ASKING, CLUSTER];

const SLOTS: u16 = 16384;
static CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_XMODEM);

/// The slot of a key: of the text between the first `{` and the next `}`, if it is not empty.
pub fn slot_of(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = key.get(open.saturating_add(1)..)?;
        let close = rest.iter().position(|byte| *byte == b'}').filter(|close| *close > 0)?;
        rest.get(..close)
    });
    CRC.checksum(tag.unwrap_or(key)) % SLOTS
}

const ROW: Command = Command {
    arity: 2,
    flags: Flags::LOADING.with(Flags::STALE),
    group: Group::Cluster,
    since: "3.0.0",
    ..Command::BASE
};

const ASKING: Command = Command {
    name: "ASKING",
    arity: 1,
    run: Run::Local(asking),
    flags: Flags::FAST.with(Flags::CONNECTION),
    summary: "Accepted; slots never move.",
    ..ROW
};

const fn sub(
    name: &'static str,
    arity: i32,
    run: Run,
    summary: &'static str,
    syntax: &'static str,
) -> Command {
    let flags = ROW.flags.with(Flags::CLUSTER_ONLY);
    Command { name, arity, run, flags, summary, syntax, ..ROW }
}

/// As `sub`, of those that change a node in Redis.
const fn admin(
    name: &'static str,
    arity: i32,
    run: Run,
    summary: &'static str,
    syntax: &'static str,
) -> Command {
    let row = sub(name, arity, run, summary, syntax);
    Command { flags: row.flags.with(Flags::ADMIN), ..row }
}

const CLUSTER: Command = Command {
    name: "CLUSTER",
    arity: -2,
    complexity: "Depends on subcommand.",
    summary: "The core as a Redis Cluster of one shard.",
    subcommands: &[
        admin(
            "ADDSLOTS",
            -3,
            Run::Local(refused),
            "Refused: all slots belong to the one shard.",
            "slot [slot ...]",
        ),
        admin("BUMPEPOCH", 2, Run::Local(bumpepoch), "Answers the epoch, which is the Raft term.", ""),
        admin(
            "COUNT-FAILURE-REPORTS",
            3,
            Run::Local(failure_reports),
            "Answers 0: nodes do not report each other.",
            "node-id",
        ),
        sub(
            "COUNTKEYSINSLOT",
            3,
            Run::Read(count_keys),
            "Counts the keys of a slot; scans all keys.",
            "slot",
        ),
        admin(
            "DELSLOTS",
            -3,
            Run::Local(refused),
            "Refused: all slots belong to the one shard.",
            "slot [slot ...]",
        ),
        admin(
            "FAILOVER",
            -2,
            Run::Async(failover),
            "Transfers leadership to this follower; OK when it leads. FORCE and TAKEOVER change nothing.",
            "[FORCE | TAKEOVER]",
        ),
        admin("FLUSHSLOTS", 2, Run::Local(refused), "Refused: all slots belong to the one shard.", ""),
        admin("FORGET", 3, Run::Local(refused), "Refused: see flotilla admin remove.", "node-id"),
        sub(
            "GETKEYSINSLOT",
            4,
            Run::Read(keys_in_slot),
            "Keys of a slot; scans keys until there are enough.",
            "slot count",
        ),
        sub("HELP", 2, Run::Local(cluster_help), "Lists the subcommands.", ""),
        sub("INFO", 2, Run::Local(info), "The state of the cluster in lines.", ""),
        sub("KEYSLOT", 3, Run::Local(keyslot), "The slot of a key.", "key"),
        sub("LINKS", 2, Run::Local(links), "Answers an empty list: there is no cluster bus.", ""),
        admin(
            "MEET",
            -4,
            Run::Local(refused),
            "Refused: see flotilla admin add.",
            "ip port [cluster-bus-port]",
        ),
        sub("MYID", 2, Run::Local(myid), "This node's id, 40 hexadecimal digits.", ""),
        sub("MYSHARDID", 2, Run::Local(myshardid), "The shard's id, 40 hexadecimal digits.", ""),
        sub("NODES", 2, Run::Local(nodes), "All nodes, one a line.", ""),
        admin("REPLICAS", 3, Run::Local(replicas), "The followers of the leader, one a line.", "node-id"),
        admin(
            "REPLICATE",
            3,
            Run::Local(refused),
            "Refused: followers follow the leader by themselves.",
            "node-id",
        ),
        admin("RESET", -2, Run::Local(refused), "Refused: see flotilla admin remove.", "[HARD | SOFT]"),
        admin("SAVECONFIG", 2, Run::Local(saveconfig), "Accepted; members are in the log.", ""),
        admin(
            "SET-CONFIG-EPOCH",
            3,
            Run::Local(refused),
            "Refused: the epoch is the Raft term.",
            "config-epoch",
        ),
        admin(
            "SETSLOT",
            -4,
            Run::Local(refused),
            "Refused: all slots belong to the one shard.",
            "slot subcommand",
        ),
        sub("SHARDS", 2, Run::Local(shards), "The one shard and its nodes.", ""),
        admin("SLAVES", 3, Run::Local(replicas), "As REPLICAS.", "node-id"),
        sub("SLOTS", 2, Run::Local(slots), "All slots and their nodes, the leader first.", ""),
    ],
    ..ROW
};

fn enabled(context: &Context<'_>) -> Result<()> {
    match context.node.config.settings().cluster_enabled {
        true => Ok(()),
        false => Err(ErrorReply::err("This instance has cluster support disabled").into()),
    }
}

fn endpoints(context: &Context<'_>) -> Result<Vec<NodeEndpoint>> {
    enabled(context)?;
    Ok(context.node.group.state.endpoints(context.node.identity.node_id))
}

fn term(context: &Context<'_>) -> u64 {
    context.node.group.state.term()
}

fn asking(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    enabled(context).map(|()| Reply::Ok)
}

fn cluster_help(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    enabled(context).map(|()| help("CLUSTER", CLUSTER.subcommands))
}

fn failover(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Effect> {
    enabled(context)?;
    match args.rest() {
        [] => {}
        [how] if how.eq_ignore_ascii_case(b"FORCE") || how.eq_ignore_ascii_case(b"TAKEOVER") => {}
        [_] => return Err(ErrorReply::syntax().into()),
        _ => return Err(ErrorReply::subcommand_syntax("CLUSTER", "FAILOVER").into()),
    }
    if !context.node.group.state.follows() && !context.node.group.state.edge.is_edge() {
        return Err(ErrorReply::err("You should send CLUSTER FAILOVER to a replica").into());
    }
    lead(context)
}

fn refused(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    enabled(context)?;
    Err(ErrorReply::err("use 'flotilla admin' (or the command CORE) to change the nodes of this cluster")
        .into())
}

fn bumpepoch(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    enabled(context)?;
    Ok(Reply::simple(format!("STILL {}", term(context))))
}

fn failure_reports(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    known(context, args).map(|_| Reply::Int(0))
}

fn saveconfig(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    enabled(context).map(|()| Reply::Ok)
}

fn links(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    enabled(context).map(|()| Reply::Array(vec![]))
}

fn keyslot(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    enabled(context)?;
    Ok(Reply::count(slot_of(args.next_word()?)))
}

fn myid(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    enabled(context)?;
    Ok(Reply::bulk(public_id(context.node.identity.node_id)))
}

fn myshardid(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    enabled(context)?;
    Ok(Reply::bulk(shard_id(context)))
}

/// Of the cluster's id.
fn shard_id(context: &Context<'_>) -> String {
    let id = context.node.identity.cluster.read().cluster_id.clone();
    let digits: String = id.chars().filter(char::is_ascii_hexdigit).collect();
    format!("{digits:0>40}")
}

/// The node of an id that the client gives.
fn known(context: &Context<'_>, args: &mut Args<'_>) -> Result<NodeEndpoint> {
    let wanted = String::from_utf8_lossy(args.next_word()?).into_owned();
    let found = endpoints(context)?.into_iter().find(|endpoint| endpoint.id() == wanted);
    found.ok_or_else(|| ErrorReply::err(format!("Unknown node {wanted}")).into())
}

fn slots(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let endpoints = endpoints(context)?;
    if !endpoints.first().is_some_and(|endpoint| endpoint.leads) {
        return Ok(Reply::Array(vec![]));
    }
    let node = |endpoint: &NodeEndpoint| {
        let rest = [Reply::count(endpoint.port), Reply::bulk(endpoint.id()), Reply::Map(vec![])];
        Reply::Array([Reply::bulk(&endpoint.host)].into_iter().chain(rest).collect())
    };
    let range = [Reply::Int(0), Reply::count(SLOTS - 1)];
    let nodes = endpoints.iter().filter(|endpoint| endpoint.leads || endpoint.answers).map(node);
    Ok(Reply::Array(vec![Reply::Array(range.into_iter().chain(nodes).collect())]))
}

fn shards(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let endpoints = endpoints(context)?;
    let node = |endpoint: &NodeEndpoint| {
        let pair = |name: &str, value: Reply| (Reply::bulk(name), value);
        Reply::Map(vec![
            pair("id", Reply::bulk(endpoint.id())),
            pair("port", Reply::count(endpoint.port)),
            pair("ip", Reply::bulk(&endpoint.host)),
            pair("endpoint", Reply::bulk(&endpoint.host)),
            pair("role", Reply::bulk(if endpoint.leads { "master" } else { "replica" })),
            pair("replication-offset", Reply::count(endpoint.offset)),
            pair("health", Reply::bulk(if endpoint.answers { "online" } else { "fail" })),
        ])
    };
    Ok(Reply::Array(vec![Reply::Map(vec![
        (Reply::bulk("slots"), Reply::Array(vec![Reply::Int(0), Reply::count(SLOTS - 1)])),
        (Reply::bulk("nodes"), Reply::Array(endpoints.iter().map(node).collect())),
    ])]))
}

/// A line of CLUSTER NODES.
fn line(context: &Context<'_>, endpoint: &NodeEndpoint, leader: Option<&NodeEndpoint>) -> String {
    let myself = if endpoint.node_id == context.node.identity.node_id { "myself," } else { "" };
    let role = if endpoint.leads { "master" } else { "slave" };
    let failed = if endpoint.answers { "" } else { ",fail" };
    let master = leader.filter(|_| !endpoint.leads).map_or_else(|| "-".to_owned(), NodeEndpoint::id);
    let link = if endpoint.answers { "connected" } else { "disconnected" };
    let slots = if endpoint.leads { format!(" 0-{}", SLOTS - 1) } else { String::new() };
    let (id, host, port, epoch) = (endpoint.id(), &endpoint.host, endpoint.port, term(context));
    let (bus, ping, pong) = (endpoint.peer_port, endpoint.asked_ms, endpoint.answered_ms);
    format!("{id} {host}:{port}@{bus} {myself}{role}{failed} {master} {ping} {pong} {epoch} {link}{slots}")
}

fn nodes(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let endpoints = endpoints(context)?;
    let leader = endpoints.iter().find(|endpoint| endpoint.leads);
    let mut out = String::new();
    for endpoint in &endpoints {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}", line(context, endpoint, leader));
    }
    Ok(Reply::Verbatim("txt", out.into()))
}

fn replicas(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let of = known(context, args)?;
    if !of.leads {
        return Err(ErrorReply::err("The specified node is not a master").into());
    }
    let endpoints = endpoints(context)?;
    let lines = endpoints
        .iter()
        .filter(|endpoint| !endpoint.leads)
        .map(|endpoint| Reply::bulk(line(context, endpoint, Some(&of))));
    Ok(Reply::Array(lines.collect()))
}

fn info(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let endpoints = endpoints(context)?;
    let is_sound = context.node.group.state.leadership().is_sound();
    let (state, ok, failed) = if is_sound { ("ok", SLOTS, 0) } else { ("fail", 0, SLOTS) };
    let (term, count) = (term(context), endpoints.len());
    let text = format!(
        "cluster_state:{state}\r\ncluster_slots_assigned:{SLOTS}\r\ncluster_slots_ok:{ok}\r\ncluster_slots_pfail:0\r\n\
         cluster_slots_fail:{failed}\r\ncluster_known_nodes:{count}\r\ncluster_size:1\r\ncluster_current_epoch:{term}\r\n\
         cluster_my_epoch:{term}\r\ncluster_stats_messages_sent:0\r\ncluster_stats_messages_received:0\r\n\
         total_cluster_links_buffer_limit_exceeded:0\r\n"
    );
    Ok(Reply::Verbatim("txt", text.into()))
}

fn slot(args: &mut Args<'_>) -> Result<u16> {
    let slot =
        parse_i64(args.next_word()?).and_then(|slot| u16::try_from(slot).ok()).filter(|slot| *slot < SLOTS);
    Ok(slot.ok_or_else(|| ErrorReply::err("Invalid slot"))?)
}

fn count_keys(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (slot, mut count) = (slot(args)?, 0_u64);
    view.scan(b"", b"", |key, _| {
        count = count.saturating_add(u64::from(slot_of(key) == slot));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(Reply::count(count))
}

fn keys_in_slot(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let slot = slot(args)?;
    let count = usize::try_from(args.next_i64()?).map_err(|_| ErrorReply::err("Invalid number of keys"))?;
    let mut found = Vec::new();
    view.scan(b"", b"", |key, _| {
        if found.len() >= count {
            return Ok(ControlFlow::Break(()));
        }
        if slot_of(key) == slot {
            found.push(Reply::bulk(key));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(Reply::Array(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Redis Cluster specification, and values that redis-server 7.0.15 gave.
    #[test]
    fn slots_are_those_of_redis() {
        assert_eq!(CRC.checksum(b"123456789"), 0x31C3);
        for (key, slot) in [(&b"foo"[..], 12182), (b"", 0), (b"{foo}bar", 12182), (b"a{foo}", 12182)] {
            assert_eq!(slot_of(key), slot, "{}", String::from_utf8_lossy(key));
        }
        assert_eq!(slot_of(b"foo{}{bar}"), CRC.checksum(b"foo{}{bar}") % SLOTS);
        assert_eq!(slot_of(b"foo{{bar}}zap"), slot_of(b"{bar"));
        assert_eq!(slot_of(b"{foo"), CRC.checksum(b"{foo") % SLOTS);
    }
}
