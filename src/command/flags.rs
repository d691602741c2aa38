//! Command flags. Most are told to clients, as COMMAND INFO names them; what the server itself goes by is marked so.
//!
//! Invariant: a flag that promises something of this server is looked at where the promise is kept. Nothing is decided by a
//! command's name or group; `tidy.rs` checks both.

/// A set of flags; combine with `with`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(u32);

impl Flags {
    pub const NONE: Flags = Flags(0);
    /// Told to clients. What a command does is said by how it runs (`Run`).
    pub const WRITE: Flags = Flags(1);
    /// Told to clients, as `WRITE`.
    pub const READONLY: Flags = Flags(1 << 1);
    /// Told to clients: may make the data grow. Memory follows the data in use, so nothing is refused for want of it.
    pub const DENYOOM: Flags = Flags(1 << 2);
    /// Its category is @admin. Told to clients.
    pub const ADMIN: Flags = Flags(1 << 3);
    /// Its category is @pubsub. Told to clients.
    pub const PUBSUB: Flags = Flags(1 << 4);
    /// Told to clients: scripts may not call it.
    pub const NOSCRIPT: Flags = Flags(1 << 5);
    /// Told to clients. What it waits for is said by the row (`Command::wait`).
    pub const BLOCKING: Flags = Flags(1 << 6);
    /// Enforced: runs before the node is ready.
    pub const LOADING: Flags = Flags(1 << 7);
    /// Told to clients. What waits for current data is what reads them (`Run::Read`).
    pub const STALE: Flags = Flags(1 << 8);
    /// Enforced: cheap enough to travel with writes of its connection that are waiting for the log, if it only reads.
    pub const FAST: Flags = Flags(1 << 9);
    /// Enforced: runs before the client has authenticated.
    pub const NO_AUTH: Flags = Flags(1 << 10);
    /// Told to clients: where its keys are depends on its arguments.
    pub const MOVABLEKEYS: Flags = Flags(1 << 11);
    /// Enforced: refused inside MULTI.
    pub const NO_MULTI: Flags = Flags(1 << 12);
    /// Told to clients.
    pub const SKIP_MONITOR: Flags = Flags(1 << 13);
    /// Told to clients.
    pub const SKIP_SLOWLOG: Flags = Flags(1 << 14);
    /// Told to clients: runs while a script does.
    pub const ALLOW_BUSY: Flags = Flags(1 << 15);
    /// Its category is @dangerous.
    pub const DANGEROUS: Flags = Flags(1 << 16);
    /// Its category is @keyspace.
    pub const KEYSPACE: Flags = Flags(1 << 17);
    /// Its category is @connection, whatever its group.
    pub const CONNECTION: Flags = Flags(1 << 18);
    /// Its category is @admin, though it has not the flag.
    pub const ADMIN_CATEGORY: Flags = Flags(1 << 19);
    /// Told to clients.
    pub const NO_ASYNC_LOADING: Flags = Flags(1 << 20);
    /// Its categories are @set, @sortedset and @list, whatever its group (SORT).
    pub const COLLECTIONS: Flags = Flags(1 << 21);
    /// Enforced: runs at once inside MULTI instead of being queued (EXEC, DISCARD …).
    pub const NOT_QUEUED: Flags = Flags(1 << 22);
    /// Enforced: what it does is what the queued calls do (EXEC).
    pub const RUNS_QUEUE: Flags = Flags(1 << 23);
    /// Enforced: an error in place of its reply when EXEC comes to it.
    pub const NOT_IN_EXEC: Flags = Flags(1 << 24);
    /// Enforced: runs while all clients are paused, so that the pause can be taken back.
    pub const IN_PAUSE: Flags = Flags(1 << 25);
    /// Enforced: a RESP2 client may say it while it is subscribed.
    pub const WHILE_SUBSCRIBED: Flags = Flags(1 << 26);
    /// Enforced: messages that wait for the client leave before its reply.
    pub const AFTER_MESSAGES: Flags = Flags(1 << 27);
    /// Enforced: refused unless the server is in cluster mode.
    pub const CLUSTER_ONLY: Flags = Flags(1 << 28);
    /// Enforced: counts as an access to its keys, even for a client that asked for its reads not to (CLIENT NO-TOUCH).
    pub const TOUCHES: Flags = Flags(1 << 29);

    const NAMES: [(Flags, &'static str); 17] = [
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
