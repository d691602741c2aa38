//! CLUSTER and ASKING: the core as one shard of a Redis Cluster, for clients that want one.
//!
//! All slots belong to it. A command that crosses them is refused all the same, since clients of a cluster rely on that
//! (`server/redirect.rs`; `cluster-allow-cross-slot` lets it pass). The leader is the master, the other nodes are its replicas;
//! the configuration epoch is the Raft term. What would change the topology is `flotilla admin`'s.

mod scan;
mod shard;
mod slots;

pub use slots::slot_of;

use crate::{
    command::{Command, Flags, Group, Run},
    feature_level,
};

/// Every row of the group.
pub static COMMANDS: &[Command] = &[ASKING, CLUSTER, scan::CLUSTERSCAN];

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
    run: Run::Local(shard::asking),
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
            Run::Local(shard::refused),
            "Refused: all slots belong to the one shard.",
            "slot [slot ...]",
        ),
        admin(
            "ADDSLOTSRANGE",
            -4,
            Run::Local(shard::refused),
            "Refused: all slots belong to the one shard.",
            "start-slot end-slot [start-slot end-slot ...]",
        ),
        admin("BUMPEPOCH", 2, Run::Local(shard::bumpepoch), "Answers the epoch, which is the Raft term.", ""),
        admin(
            "COUNT-FAILURE-REPORTS",
            3,
            Run::Local(shard::failure_reports),
            "Answers 0: nodes do not report each other.",
            "node-id",
        ),
        sub(
            "COUNTKEYSINSLOT",
            3,
            Run::Read(slots::count_keys),
            "Counts the keys of a slot; scans all keys.",
            "slot",
        ),
        admin(
            "DELSLOTS",
            -3,
            Run::Local(shard::refused),
            "Refused: all slots belong to the one shard.",
            "slot [slot ...]",
        ),
        admin(
            "DELSLOTSRANGE",
            -4,
            Run::Local(shard::refused),
            "Refused: all slots belong to the one shard.",
            "start-slot end-slot [start-slot end-slot ...]",
        ),
        admin(
            "FAILOVER",
            -2,
            Run::Async(shard::failover),
            "Transfers leadership to this follower; OK when it leads. FORCE and TAKEOVER change nothing.",
            "[FORCE | TAKEOVER]",
        ),
        admin("FLUSHSLOTS", 2, Run::Local(shard::refused), "Refused: all slots belong to the one shard.", ""),
        admin("FORGET", 3, Run::Local(shard::refused), "Refused: see flotilla admin remove.", "node-id"),
        sub(
            "GETKEYSINSLOT",
            4,
            Run::Read(slots::keys_in_slot),
            "Keys of a slot; scans keys until there are enough.",
            "slot count",
        ),
        sub("HELP", 2, Run::Local(shard::cluster_help), "Lists the subcommands.", ""),
        sub("INFO", 2, Run::Local(shard::info), "The state of the cluster in lines.", ""),
        sub("KEYSLOT", 3, Run::Local(shard::keyslot), "The slot of a key.", "key"),
        sub("LINKS", 2, Run::Local(shard::links), "Answers an empty list: there is no cluster bus.", ""),
        admin(
            "MEET",
            -4,
            Run::Local(shard::refused),
            "Refused: see flotilla admin add.",
            "ip port [cluster-bus-port]",
        ),
        sub("MYID", 2, Run::Local(shard::myid), "This node's id, 40 hexadecimal digits.", ""),
        sub("MYSHARDID", 2, Run::Local(shard::myshardid), "The shard's id, 40 hexadecimal digits.", ""),
        sub("NODES", 2, Run::Local(shard::nodes), "All nodes, one a line.", ""),
        admin(
            "REPLICAS",
            3,
            Run::Local(shard::replicas),
            "The followers of the leader, one a line.",
            "node-id",
        ),
        admin(
            "REPLICATE",
            3,
            Run::Local(shard::refused),
            "Refused: followers follow the leader by themselves.",
            "node-id",
        ),
        admin(
            "RESET",
            -2,
            Run::Local(shard::refused),
            "Refused: see flotilla admin remove.",
            "[HARD | SOFT]",
        ),
        admin("SAVECONFIG", 2, Run::Local(shard::saveconfig), "Accepted; members are in the log.", ""),
        admin(
            "SET-CONFIG-EPOCH",
            3,
            Run::Local(shard::refused),
            "Refused: the epoch is the Raft term.",
            "config-epoch",
        ),
        admin(
            "SETSLOT",
            -4,
            Run::Local(shard::refused),
            "Refused: all slots belong to the one shard.",
            "slot subcommand",
        ),
        sub("SHARDS", 2, Run::Local(shard::shards), "The one shard and its nodes.", ""),
        admin("SLAVES", 3, Run::Local(shard::replicas), "As REPLICAS.", "node-id"),
        Command {
            since_level: feature_level::REDIS_8,
            since: "8.0.0",
            complexity: "O(N) where N is the number of keys.",
            tips: &["nondeterministic_output", "request_policy:all_shards"],
            ..sub(
                "SLOT-STATS",
                -4,
                Run::Read(slots::slot_stats),
                "The number of keys in slots; scans all keys.",
                "<SLOTSRANGE start-slot end-slot | ORDERBY metric [LIMIT limit] [ASC | DESC]>",
            )
        },
        sub("SLOTS", 2, Run::Local(shard::slots), "All slots and their nodes, the leader first.", ""),
    ],
    ..ROW
};
