//! Command flags, as COMMAND INFO names them.

/// A set of flags; combine with `with`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(u32);

impl Flags {
    pub const NONE: Flags = Flags(0);
    pub const WRITE: Flags = Flags(1);
    pub const READONLY: Flags = Flags(1 << 1);
    /// May grow memory or disk: refused when the store is full.
    pub const DENYOOM: Flags = Flags(1 << 2);
    pub const ADMIN: Flags = Flags(1 << 3);
    pub const PUBSUB: Flags = Flags(1 << 4);
    pub const NOSCRIPT: Flags = Flags(1 << 5);
    pub const BLOCKING: Flags = Flags(1 << 6);
    pub const LOADING: Flags = Flags(1 << 7);
    pub const STALE: Flags = Flags(1 << 8);
    pub const FAST: Flags = Flags(1 << 9);
    pub const NO_AUTH: Flags = Flags(1 << 10);
    pub const MOVABLEKEYS: Flags = Flags(1 << 11);
    /// Refused inside MULTI.
    pub const NO_MULTI: Flags = Flags(1 << 12);
    pub const SKIP_MONITOR: Flags = Flags(1 << 13);
    pub const SKIP_SLOWLOG: Flags = Flags(1 << 14);
    pub const ALLOW_BUSY: Flags = Flags(1 << 15);
    /// Its category is @dangerous.
    pub const DANGEROUS: Flags = Flags(1 << 16);
    /// Its category is @keyspace.
    pub const KEYSPACE: Flags = Flags(1 << 17);
    /// Its category is @connection, whatever its group.
    pub const CONNECTION: Flags = Flags(1 << 18);
    /// Its category is @admin, though it has not the flag.
    pub const ADMIN_CATEGORY: Flags = Flags(1 << 19);
    /// Saving: refused while a data set is loaded in the background.
    pub const NO_ASYNC_LOADING: Flags = Flags(1 << 20);
    /// Its categories are @set, @sortedset and @list, whatever its group (SORT).
    pub const COLLECTIONS: Flags = Flags(1 << 21);

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
