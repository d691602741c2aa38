//! ACL SETUSER and ACL DELUSER. In the log, ACL LOAD is an ACL SETUSER as well (`file.rs`).
//!
//! | key of the system's database | value |
//! |---|---|
//! | `a` ‖ name | a user (`acl/row.rs`) |
//! | `b` | users u64 ‖ bytes of their rows u64 |
//!
//! Invariant: what apply makes of an entry does not depend on the commands that a build knows. Names are checked where ACL
//! SETUSER is called, and stored as they are.

use super::{commands, file, record, row_in};
use crate::{
    acl::{Definition, Hash, Record, RuleError, key_of, whole_selectors},
    command::{Args, require_level},
    error::{Result, StoreError},
    feature_level,
    limits::{ACL_BYTES_MAX, ACL_RULES_MAX, ACL_USER_BYTES_MAX, ACL_USERS_MAX, SYSTEM_DATABASE, USER_NAME},
    resp::{ErrorReply, Reply, excerpt},
    session::Node,
    store::{NewRow, Txn},
};

const TOTALS: &[u8] = b"b";
/// Names of the command, and the user.
const WORDS_BEFORE: usize = 3;
/// Before a hash: the password that the node is configured with. It becomes the user's own if the rules behind it say something
/// of its passwords and nothing has before.
const CONFIGURED: &[u8] = b"?";

/// The words that the log carries: hashes for passwords, one word for a selector, names of commands that there are.
pub(super) fn as_logged(node: &Node, argv: &[&[u8]]) -> Result<Vec<Vec<u8>>, ErrorReply> {
    let (head, rules) = argv.split_at_checked(WORDS_BEFORE).ok_or_else(ErrorReply::syntax)?;
    let name = head.last().copied().unwrap_or_default();
    if !Definition::allows_name(name) {
        return Err(ErrorReply::err("Usernames can't contain spaces or null characters"));
    }
    if rules.len() > ACL_RULES_MAX {
        return Err(ErrorReply::err(format!("no more than {ACL_RULES_MAX} rules at a time")));
    }
    if rules.iter().fold(0, |sum: usize, rule| sum.saturating_add(rule.len())) > ACL_USER_BYTES_MAX {
        return Err(refused(b"", RuleError::TooMany));
    }
    let rules = whole_selectors(rules).map_err(|at| {
        let from = excerpt(rules.get(at).copied().unwrap_or_default());
        ErrorReply::err(format!("Unmatched parenthesis in acl selector starting at '{from}'."))
    })?;
    let mut words: Vec<Vec<u8>> = head.iter().map(|word| word.to_vec()).collect();
    let requirepass = &node.config.settings().requirepass;
    if name == USER_NAME.as_bytes() && node.users.password_is_configured() && !requirepass.is_empty() {
        words.push(format!("?{}", Hash::of(requirepass.as_bytes())).into_bytes());
    }
    let level = node.group.state.feature_level();
    for rule in &rules {
        if Definition::is_of_databases(rule) {
            require_level("a rule of databases", feature_level::USERS_AT_ONCE, level)?;
        }
        let logged = Definition::logged(rule);
        // Whether the rule fits what the user has already is for apply to say.
        match Definition::new().apply(&logged, Some(commands())) {
            Ok(()) | Err(RuleError::NoSuchPassword) => words.push(logged),
            Err(why) => return Err(refused(rule, why)),
        }
    }
    Ok(words)
}

pub(super) fn too_many() -> ErrorReply {
    let mib = ACL_BYTES_MAX >> 20;
    ErrorReply::err(format!(
        "there may be no more than {ACL_USERS_MAX} users, of {mib} MiB in all; delete some"
    ))
}

fn refused(rule: &[u8], why: RuleError) -> ErrorReply {
    ErrorReply::err(format!("Error in ACL SETUSER modifier '{}': {why}", excerpt(rule)))
}

/// In apply, of the words that `as_logged` gave.
pub(super) fn setuser(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let name = args.next_word()?;
    if file::is_of_all(name) {
        return file::load(name, txn, args);
    }
    let name = std::str::from_utf8(name)
        .ok()
        .filter(|name| Definition::allows_name(name.as_bytes()))
        .ok_or_else(|| ErrorReply::err("Usernames can't contain spaces or null characters"))?;
    let found = row_in(&txn.view(), name)?;
    let before = found.as_ref().map(|row| row.len());
    let mut record = match found {
        Some(row) => record(&row)?,
        None if name == USER_NAME => Record { created: 0, definition: Definition::of_default() },
        None => Record { created: txn.position().index, definition: Definition::new() },
    };
    let bytes = args.rest().iter().fold(0, |sum: usize, rule| sum.saturating_add(rule.len()));
    if bytes > 2 * ACL_USER_BYTES_MAX || args.remaining() > ACL_RULES_MAX + 1 {
        return Err(refused(b"", RuleError::TooMany).into());
    }
    let mut configured = None;
    for rule in args.rest() {
        if let Some(hash) = rule.strip_prefix(CONFIGURED) {
            configured = Hash::parse(hash);
            continue;
        }
        if Definition::is_of_databases(rule) {
            require_level("a rule of databases", feature_level::USERS_AT_ONCE, txn.feature_level())?;
        }
        if Definition::is_of_passwords(rule) {
            record.definition.take_over(configured);
        }
        record.definition.apply(rule, None).map_err(|why| refused(rule, why))?;
    }
    let body = record.encode();
    if body.len() > ACL_USER_BYTES_MAX {
        return Err(refused(b"", RuleError::TooMany).into());
    }
    let mut totals = Totals::of(txn)?;
    totals.replace(before, Some(body.len()));
    if before.is_none() && totals.users > ACL_USERS_MAX || totals.bytes > ACL_BYTES_MAX {
        return Err(too_many().into());
    }
    txn.put_in(SYSTEM_DATABASE, &key_of(name), NewRow::string(&body))?;
    totals.put(txn)?;
    txn.user_changed(name);
    Ok(Reply::Ok)
}

pub(super) fn deluser(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    if args.rest().contains(&USER_NAME.as_bytes()) {
        return Err(ErrorReply::err("The 'default' user cannot be removed").into());
    }
    let mut deleted = 0_u64;
    for name in args.rest() {
        let Ok(name) = std::str::from_utf8(name) else { continue };
        let Some(row) = row_in(&txn.view(), name)? else { continue };
        txn.delete_in(SYSTEM_DATABASE, &key_of(name))?;
        let mut totals = Totals::of(txn)?;
        totals.replace(Some(row.len()), None);
        totals.put(txn)?;
        txn.user_changed(name);
        deleted = deleted.saturating_add(1);
    }
    Ok(Reply::count(deleted))
}

/// How many users have rows, and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) users: u64,
    pub(super) bytes: u64,
}

impl Totals {
    pub(super) fn of(txn: &Txn<'_>) -> Result<Self> {
        let Some(row) = txn.system_view().quiet().get(TOTALS)? else { return Ok(Totals::default()) };
        match row.body.as_chunks::<8>() {
            ([users, bytes], []) => {
                Ok(Totals { users: u64::from_be_bytes(*users), bytes: u64::from_be_bytes(*bytes) })
            }
            _ => Err(StoreError::corrupt("totals of users", "length").into()),
        }
    }

    /// A row of so many bytes goes, and one comes.
    pub(super) fn replace(&mut self, before: Option<usize>, after: Option<usize>) {
        let count = |row: Option<usize>| (u64::from(row.is_some()), row.unwrap_or(0) as u64);
        let ((less, fewer), (more, further)) = (count(before), count(after));
        self.users = self.users.saturating_sub(less).saturating_add(more);
        self.bytes = self.bytes.saturating_sub(fewer).saturating_add(further);
    }

    pub(super) fn put(self, txn: &mut Txn<'_>) -> Result<()> {
        let body = [self.users.to_be_bytes(), self.bytes.to_be_bytes()].concat();
        txn.put_in(SYSTEM_DATABASE, TOTALS, NewRow::string(&body))
    }
}
