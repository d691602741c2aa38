//! Commands on keys of any type.

mod copy;
mod delete;
mod dump;
mod expire;
mod migrate;
mod object;
mod scan;
mod sort;
mod ttl;

pub use migrate::{Movable, deletion, greeting, movable, restoring, unreachable};
pub(super) use scan::scan_page;

use crate::command::Command;

/// Every row of the group.
pub static COMMANDS: &[Command] = &[
    copy::COPY,
    copy::MOVE,
    copy::RENAME,
    copy::RENAMENX,
    delete::DEL,
    delete::EXISTS,
    delete::TOUCH,
    delete::TYPE,
    delete::UNLINK,
    dump::DUMP,
    expire::EXPIRE,
    expire::EXPIREAT,
    expire::PERSIST,
    expire::PEXPIRE,
    expire::PEXPIREAT,
    migrate::MIGRATE,
    object::OBJECT,
    dump::RESTORE,
    dump::RESTORE_ASKING,
    scan::KEYS,
    scan::RANDOMKEY,
    scan::SCAN,
    sort::SORT,
    sort::SORT_RO,
    ttl::EXPIRETIME,
    ttl::PEXPIRETIME,
    ttl::PTTL,
    ttl::TTL,
];
