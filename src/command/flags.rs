//! Command flags. Each says here what it is for:
//!
//! * **Enforced**: the server goes by it, in its gates (`server/gates.rs`) or where it says so.
//! * **Category**: one of the ACL categories follows from it (`info.rs`). Rules of users name categories, and scripts are held to
//!   them where entries are applied: a data command changes its categories with a feature level only.
//! * **Told**: clients are told of it in COMMAND INFO, as by Redis, and nothing here goes by it yet; with the reason.
//!
//! Invariant: nobody adds a flag that does nothing unnoticed. `tests/flags.rs` reads these lines and looks whether they are
//! so. Nothing is decided by a command's name or group; `tests/command_names.rs` checks that.

/// A set of flags; combine with `with`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(u64);

impl Flags {
    pub const NONE: Flags = Flags(0);
    /// Category: @write. A command that has it runs as `Run::Write`, which is what the server goes by.
    pub const WRITE: Flags = Flags(1);
    /// Category: @read. The server goes by `Run::Read`; LOLWUT has the flag as in Redis, and reads no data.
    pub const READONLY: Flags = Flags(1 << 1);
    /// Enforced: it may make the data grow. Refused with `-OOM` while the disks of too many nodes are almost full, or the data
    /// take more than `maxmemory`, EXEC as well if one of its calls is such.
    pub const DENYOOM: Flags = Flags(1 << 2);
    /// Category: @admin and @dangerous.
    pub const ADMIN: Flags = Flags(1 << 3);
    /// Category: @pubsub.
    pub const PUBSUB: Flags = Flags(1 << 4);
    /// Enforced: scripts may not call it (`commands/scripting/host.rs`), unless it is one that waits for data: in a script it makes
    /// one attempt, as by Redis 7.2.
    pub const NOSCRIPT: Flags = Flags(1 << 5);
    /// Category: @blocking. What the server waits for is said by the row (`Command::wait`).
    pub const BLOCKING: Flags = Flags(1 << 6);
    /// Enforced: runs before the node is ready. Others are told `-LOADING`, EXEC as well if one of its calls is such.
    pub const LOADING: Flags = Flags(1 << 7);
    /// Enforced: runs on a follower or an edge that has lost its leader or the core, when `replica-serve-stale-data` is `no`.
    /// Others are told `-MASTERDOWN`, EXEC as well if one of its calls is such.
    pub const STALE: Flags = Flags(1 << 8);
    /// Enforced: cheap enough to travel with writes of its connection that are waiting for the log, if it only reads. Category
    /// @fast, others are @slow.
    pub const FAST: Flags = Flags(1 << 9);
    /// Enforced: runs before the client has authenticated.
    pub const NO_AUTH: Flags = Flags(1 << 10);
    /// Told: where its keys are depends on its arguments. Whoever needs the keys here asks the row (`Command::keys_of`).
    pub const MOVABLEKEYS: Flags = Flags(1 << 11);
    /// Enforced: refused inside MULTI.
    pub const NO_MULTI: Flags = Flags(1 << 12);
    /// Enforced: it shows itself to MONITOR before it runs, since it calls others (scripts).
    pub const SKIP_MONITOR: Flags = Flags(1 << 13);
    /// Enforced: SLOWLOG and COMMANDLOG do not list it.
    pub const SKIP_SLOWLOG: Flags = Flags(1 << 14);
    /// Told: runs while a script that takes too long does. Here no script holds others up, so there is nothing to enforce.
    pub const ALLOW_BUSY: Flags = Flags(1 << 15);
    /// Category: @dangerous.
    pub const DANGEROUS: Flags = Flags(1 << 16);
    /// Category: @keyspace.
    pub const KEYSPACE: Flags = Flags(1 << 17);
    /// Category: @connection, whatever its group.
    pub const CONNECTION: Flags = Flags(1 << 18);
    /// Category: @admin, though it has not the flag.
    pub const ADMIN_CATEGORY: Flags = Flags(1 << 19);
    /// Told: does not run while a replica loads a new data set beside the old one. Here a snapshot takes the place of the data
    /// at one instant between two entries, so no command ever runs meanwhile.
    pub const NO_ASYNC_LOADING: Flags = Flags(1 << 20);
    /// Category: @set, @sortedset and @list, whatever its group (SORT).
    pub const COLLECTIONS: Flags = Flags(1 << 21);
    /// Enforced: runs at once inside MULTI instead of being queued (EXEC, DISCARD …).
    pub const NOT_QUEUED: Flags = Flags(1 << 22);
    /// Enforced: executes the queued calls (EXEC).
    pub const RUNS_QUEUE: Flags = Flags(1 << 23);
    /// Enforced: EXEC replies with an error instead of running it.
    pub const NOT_IN_EXEC: Flags = Flags(1 << 24);
    /// Enforced: runs while all clients are paused, so that the pause can be taken back.
    pub const IN_PAUSE: Flags = Flags(1 << 25);
    /// Enforced: a RESP2 client may send it while it is subscribed.
    pub const WHILE_SUBSCRIBED: Flags = Flags(1 << 26);
    /// Enforced: messages that wait for the client leave before its reply.
    pub const AFTER_MESSAGES: Flags = Flags(1 << 27);
    /// Enforced: refused unless the server is in cluster mode.
    pub const CLUSTER_ONLY: Flags = Flags(1 << 28);
    /// Enforced: counts as an access to its keys, even for a client that asked for its reads not to (CLIENT NO-TOUCH).
    pub const TOUCHES: Flags = Flags(1 << 29);

    /// Told: a call may have no keys, though the command has positions for them.
    pub const NO_MANDATORY_KEYS: Flags = Flags(1 << 30);

    /// Enforced: runs a script, whose calls are asked for as its caller's.
    pub const RUNS_SCRIPT: Flags = Flags(1 << 31);
    /// Enforced: shows replicated state that this node keeps apart from the data, so it waits, as a read does, until the node has
    /// what is acknowledged.
    pub const AFTER_BARRIER: Flags = Flags(1 << 32);
    /// Enforced: may come between CLIENT CACHING and the call that it is about.
    pub const KEEPS_CACHING: Flags = Flags(1 << 33);

    /// Enforced: changes users. What it logs is made on the pool, since a file may have it, and the calls behind it wait until this
    /// node has it, so that they are asked for by the new rules.
    pub const CHANGES_USERS: Flags = Flags(1 << 34);

    const NAMES: [(Flags, &'static str); 18] = [
        (Flags::WRITE, "write"),
        (Flags::READONLY, "readonly"),
        (Flags::DENYOOM, "denyoom"),
        (Flags::ADMIN, "admin"),
        (Flags::PUBSUB, "pubsub"),
        (Flags::NOSCRIPT, "noscript"),
        (Flags::BLOCKING, "blocking"),
        (Flags::LOADING, "loading"),
        (Flags::STALE, "stale"),
        (Flags::SKIP_MONITOR, "skip_monitor"),
        (Flags::SKIP_SLOWLOG, "skip_slowlog"),
        (Flags::NO_ASYNC_LOADING, "no_async_loading"),
        (Flags::FAST, "fast"),
        (Flags::NO_AUTH, "no_auth"),
        (Flags::MOVABLEKEYS, "movablekeys"),
        (Flags::NO_MULTI, "no_multi"),
        (Flags::ALLOW_BUSY, "allow_busy"),
        (Flags::NO_MANDATORY_KEYS, "no_mandatory_keys"),
    ];

    /// Both sets together.
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Whether all of `other` is set.
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// The names that COMMAND INFO lists.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.iter().filter(move |(flag, _)| self.has(*flag)).map(|(_, name)| *name)
    }
}
