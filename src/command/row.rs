//! One command: a row of data beside its handler.

use super::{
    Access, Args, Cost, Databases, Flags, KeyWord, LocalInScript, PassedOn, ScriptFlagsOf, ScriptRun, WaitFor,
};
use crate::{
    error::Result,
    feature_level,
    psync::PsyncRequest,
    resp::{ErrorReply, Reply},
    session::{
        CommandClass, Context, CoreRequest, Migration, Node, Publication, SourceRequest, TrackingOptions,
        TrackingRevision,
    },
    store::{Txn, Type, View},
};
use std::{ops::Range, time::Duration};

/// The group that COMMAND DOCS shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    String,
    Bitmap,
    HyperLogLog,
    List,
    Set,
    SortedSet,
    Hash,
    Geo,
    Stream,
    Generic,
    Transactions,
    Scripting,
    Connection,
    Cluster,
    PubSub,
    Server,
}

impl Group {
    /// As COMMAND DOCS spells it.
    pub fn name(self) -> &'static str {
        match self {
            Group::String => "string",
            Group::Bitmap => "bitmap",
            Group::HyperLogLog => "hyperloglog",
            Group::List => "list",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Hash => "hash",
            Group::Geo => "geo",
            Group::Stream => "stream",
            Group::Generic => "generic",
            Group::Transactions => "transactions",
            Group::Scripting => "scripting",
            Group::Connection => "connection",
            Group::Cluster => "cluster",
            Group::PubSub => "pubsub",
            Group::Server => "server",
        }
    }
}

/// The positions of a command's keys, in COMMAND INFO's terms. `NONE`: it has no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRange {
    /// Index in argv of the first key; 0 = no keys.
    pub first: i32,
    /// Index of the last key; negative counts from the end.
    pub last: i32,
    /// Distance between keys.
    pub step: i32,
    /// `numkeys`-style commands: index of the argument with the number of keys that follow it (overrides `last`). A `first`
    /// before it is a separate key, the destination.
    pub count_at: Option<usize>,
    /// XREAD and XREADGROUP: the keys are the first half of the words behind STREAMS, which is at this index or later; 0 =
    /// other commands.
    pub streams_from: i32,
}

impl KeyRange {
    pub const NONE: KeyRange = KeyRange { first: 0, last: 0, step: 0, count_at: None, streams_from: 0 };
    /// One key, the first argument.
    pub const ONE: KeyRange = KeyRange::new(1, 1, 1);
    /// All arguments are keys.
    pub const ALL: KeyRange = KeyRange::new(1, -1, 1);

    /// A plain range.
    pub const fn new(first: i32, last: i32, step: i32) -> KeyRange {
        KeyRange { first, last, step, ..KeyRange::NONE }
    }

    /// The first half of the words behind STREAMS.
    pub const fn streams(from: i32) -> KeyRange {
        KeyRange { streams_from: from, ..KeyRange::NONE }
    }

    /// As many keys as the argument at this index gives.
    pub const fn counted(at: usize) -> KeyRange {
        KeyRange { first: at as i32 + 1, last: -1, step: 1, count_at: Some(at), ..KeyRange::NONE }
    }

    /// A destination, then as many keys as the second argument gives.
    pub const COUNTED_STORE: KeyRange =
        KeyRange { first: 1, last: 1, step: 1, count_at: Some(2), ..KeyRange::NONE };

    /// The destination before counted keys.
    pub fn destination(&self) -> Option<usize> {
        let first = usize::try_from(self.first).ok()?;
        self.count_at.filter(|at| first < *at).map(|_| first)
    }
}

/// How a command runs; the type of its handler limits what it can access.
#[derive(Clone, Copy)]
pub enum Run {
    /// Session and node state only; never waits.
    Local(fn(&mut Context<'_>, &mut Args<'_>) -> Result<Reply>),
    /// As `Local`, but decides on something that the server then does and may wait for.
    Async(fn(&mut Context<'_>, &mut Args<'_>) -> Result<Effect>),
    /// Reads the data at one point in time.
    Read(fn(&View<'_>, &mut Args<'_>) -> Result<Reply>),
    /// Runs inside apply, on every replica alike.
    Write(fn(&mut Txn<'_>, &mut Args<'_>) -> Result<Reply>),
    /// A script: as `Write`, unless it turns out to read only.
    Script(ScriptRun),
    /// Has only subcommands.
    Container,
}

/// How SHUTDOWN should go about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShutdownMode {
    /// Do not flush the memtables first (the log has everything anyway).
    pub nosave: bool,
    /// Do not wait for clients' replies.
    pub now: bool,
    /// Ignore errors while flushing.
    pub force: bool,
}

/// The action that an `Async` handler asks the server for.
#[derive(Debug)]
pub enum Effect {
    /// Nothing more: this is the reply.
    Reply(Reply),
    /// Answer after this time (DEBUG SLEEP).
    ReplyAfter(Duration, Reply),
    /// WAIT and WAITAOF: the number of other nodes that have the connection's writes. `aof`: reply as WAITAOF does.
    Replicated { wanted: u32, within: Duration, aof: bool },
    /// LASTREV.
    LastRevision,
    /// WAITREV: wait until this node has applied that entry of the core.
    WaitRevision { revision: u64, within: Duration },
    /// DEBUG CHECKSUM: the core's entry up to which data are applied, and the checksum of the state.
    Checksum,
    /// DEBUG COMPACT: rewrite the files of the store.
    Compact,
    /// PUBLISH, SPUBLISH.
    Publish(Publication),
    /// A request about the core as a whole, executed by its leader.
    Core(CoreRequest),
    /// CORE SOURCE: a request about a Redis that the data follow.
    Source(SourceRequest),
    /// MULTI's end: run the queued commands.
    Exec,
    /// Record the revisions of these keys (of the session's database) and add them to the session's watches.
    Watch(Vec<Vec<u8>>),
    /// ACL SAVE: write the users to this node's file.
    SaveUsers,
    /// CLIENT TRACKING ON. `since`: tell what has changed behind this.
    Track { options: TrackingOptions, since: Option<TrackingRevision> },
    /// CLIENT REVISION.
    TrackingRevision,
    /// CLIENT CACHED: track these keys, and answer which of them have changed behind this.
    Cached { revision: TrackingRevision, keys: Vec<Vec<u8>> },
    /// MEMORY LARGEST: of this type, or of all, so many.
    LargestKeys { kind: Option<Type>, count: usize },
    /// PSYNC: the connection gets the data and then what changes, until it ends.
    Psync(Box<PsyncRequest>),
    /// MIGRATE: move keys to another server.
    Migrate(Box<Migration>),
    /// Write a checkpoint (BGSAVE: in the background, SAVE: before the reply).
    Checkpoint { background: bool },
    /// CORE REPORT: what all nodes that share the log say of themselves; `has_words`: with words of calls and names of keys.
    Report { has_words: bool },
    /// SCRIPT KILL and FUNCTION KILL, on this node and those that share its log.
    KillScripts { of_functions: bool },
    /// Stop the node.
    Shutdown(ShutdownMode),
}

/// About the length of the reply to a call, of these words.
pub type ReplyBytes = fn(&View<'_>, &[&[u8]]) -> Result<usize>;

/// What the log carries in the place of a call.
pub type LoggedAs = fn(&Node, &[&[u8]]) -> Result<Vec<Vec<u8>>, ErrorReply>;

/// A property that depends on the words of a call.
pub type OfCall<T> = fn(&[&[u8]]) -> T;

/// A command or subcommand. Rows are `static`s beside their handlers.
pub struct Command {
    /// Upper case; a subcommand's own word only (`"SETNAME"`).
    pub name: &'static str,
    /// As in COMMAND INFO: the number of words including the name(s); negative = at least.
    pub arity: i32,
    pub keys: KeyRange,
    /// Of a command whose options tell which words of a call are its keys, in the place of `keys`: which.
    pub keys_at: Option<OfCall<Range<usize>>>,
    /// How the command accesses its first key, its second … and all that follow; empty = as `run` suggests.
    pub access: &'static [Access],
    /// For a command whose arguments decide the access to its keys: computes the access.
    pub variable_access: Option<OfCall<Access>>,
    /// Keys besides `keys`, behind keywords.
    pub key_words: &'static [KeyWord],
    /// Channels or channel patterns; shard channels are in `keys`.
    pub channels: (KeyRange, Access),
    pub run: Run,
    /// Of a command that is about no data: what it does when a script calls it; `None`: scripts may not call it.
    pub in_script: Option<LocalInScript>,
    /// Of a command that runs a script: what the script of a call says of itself.
    pub script_flags: Option<ScriptFlagsOf>,
    /// For a blocking command: computes what a call waits for.
    pub wait: Option<WaitFor>,
    /// Of a command after which the connection is in another database: which one, if the call names one.
    pub selects: Option<OfCall<Option<u32>>>,
    /// The databases that a call is about.
    pub databases: Databases,
    /// Of a command that may carry a password: whether the call does.
    pub has_password: Option<OfCall<bool>>,
    /// Of a command that may carry secrets: which words of a call are. Nobody is shown them.
    pub secrets: Option<OfCall<Vec<usize>>>,
    /// Of a command that may be none for a cluster, which has one database: why the call is refused in cluster mode.
    pub not_in_cluster: Option<OfCall<Option<&'static str>>>,
    /// Of a command whose calls may read keys that only the data tell: whether this one does, and then why it is refused to a
    /// user who may not read all keys.
    pub needs_all_keys: Option<OfCall<Option<&'static str>>>,
    /// Of a command that has to be checked, or changed, where it is called: the words that the log carries in its place.
    pub logged_as: Option<LoggedAs>,
    /// How servers that follow by PSYNC get what it does.
    pub passed_on: PassedOn,
    /// What bounds its work: apply runs only what its words bound on the thread that keeps the group alive.
    pub cost: Cost,
    /// Of a read that returns values, if it is FAST: how long its reply is about to be, as one look at the data tells. It
    /// travels with writes only if that is short; other FAST reads have short replies.
    pub reply_bytes: Option<ReplyBytes>,
    pub flags: Flags,
    /// The feature level from which on it can be called, see the module of that name. An option has its own check in the
    /// handler, `require_level`.
    pub since_level: u32,
    pub group: Group,
    /// First Redis (or Valkey, or Flotilla) version that had it.
    pub since: &'static str,
    pub complexity: &'static str,
    pub summary: &'static str,
    /// Arguments in the notation of the Redis command pages; COMMAND DOCS is derived from it.
    pub syntax: &'static str,
    /// Hints for clients and proxies, as COMMAND INFO lists them.
    pub tips: &'static [&'static str],
    pub subcommands: &'static [Command],
}

impl Command {
    /// For `..Command::BASE` in rows.
    pub const BASE: Command = Command {
        name: "",
        arity: 1,
        keys: KeyRange::NONE,
        keys_at: None,
        access: &[],
        variable_access: None,
        key_words: &[],
        channels: (KeyRange::NONE, Access::Channel),
        run: Run::Container,
        in_script: None,
        script_flags: None,
        wait: None,
        selects: None,
        databases: Databases::Selected,
        has_password: None,
        secrets: None,
        not_in_cluster: None,
        needs_all_keys: None,
        logged_as: None,
        passed_on: PassedOn::Value,
        cost: Cost::Data,
        reply_bytes: None,
        flags: Flags::NONE,
        since_level: feature_level::INITIAL,
        group: Group::Generic,
        since: "1.0.0",
        complexity: "O(1)",
        summary: "",
        syntax: "",
        tips: &[],
        subcommands: &[],
    };

    /// Whether a call with `argc` words (names included) has the right arity.
    pub fn accepts(&self, argc: usize) -> bool {
        let argc = i64::try_from(argc).unwrap_or(i64::MAX);
        let arity = i64::from(self.arity);
        if arity >= 0 { argc == arity } else { argc >= -arity }
    }

    /// Whether it may make the data grow. What a script does is not known before it runs.
    pub fn may_add(&self) -> bool {
        self.flags.has(Flags::DENYOOM) || matches!(self.run, Run::Script(_))
    }

    /// What its calls wait for.
    pub fn class(&self) -> CommandClass {
        match self.run {
            _ if self.flags.has(Flags::BLOCKING) => CommandClass::Blocking,
            _ if self.group == Group::Transactions => CommandClass::Transaction,
            Run::Read(_) => CommandClass::Read,
            Run::Write(_) => CommandClass::Write,
            Run::Script(_) => CommandClass::Script,
            Run::Local(_) | Run::Async(_) | Run::Container => CommandClass::Other,
        }
    }

    /// Whether it changes data, or may do so.
    pub fn is_write(&self) -> bool {
        match self.run {
            Run::Write(_) | Run::Script(_) => true,
            Run::Async(_) => self.flags.has(Flags::WRITE),
            Run::Local(_) | Run::Read(_) | Run::Container => false,
        }
    }
}
