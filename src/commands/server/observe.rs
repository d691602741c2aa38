//! Who may see what a node says of itself beside commands: the status page.

use super::{command_log::SLOWLOG, info::INFO};
use crate::{acl::User, command::check, commands::table};

/// Whether a user may read INFO and the slow log, which is what the status page shows.
pub fn may_observe(user: &User) -> bool {
    let calls: [&[&[u8]]; 2] = [&[INFO.name.as_bytes()], &[SLOWLOG.name.as_bytes(), b"GET"]];
    calls.iter().all(|argv| table().resolve(argv).is_ok_and(|call| check(user, call, argv, 0).is_ok()))
}
