//! ACL LOAD and ACL SAVE: users from a file of this node (`aclfile`) into the replicated ones, and back.
//!
//! Users are replicated, so the file is no more than what is imported and exported. ACL LOAD sets all users at once, by one entry
//! that carries what the file says, checked against the commands of the node that has it. A core that has no users takes them from
//! such a file at start (`node/first_users.rs`).

use super::{
    change::{Totals, too_many},
    commands, definition_at, record,
};
use crate::{
    acl::{Definition, Record, USER_ROWS, key_of, line_of, name_of, read_users},
    checked::replace_file,
    command::{Args, Effect, require_level},
    error::{Result, StoreError},
    feature_level,
    limits::{
        ACL_BYTES_MAX, ACL_FILE_BYTES_MAX, ACL_USER_BYTES_MAX, ACL_USERS_MAX, SYSTEM_DATABASE, USER_NAME,
    },
    resp::{ErrorReply, Reply},
    session::{Context, Node},
    store::{NewRow, Txn},
};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    ops::ControlFlow,
    path::Path,
};

/// In the log an ACL LOAD is an ACL SETUSER of a name that no user can have: what becomes of the users that there are.
const REPLACE: &[u8] = b"\0REPLACE";
const IF_NONE: &[u8] = b"\0IFNONE";

const NO_FILE: &str = "This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL \
                       SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in \
                       order to store users in the Redis configuration.";

/// What the log carries for ACL LOAD: each user's name and row. Reads the file, so it is called where waiting is allowed.
pub(super) fn as_logged(node: &Node, _argv: &[&[u8]]) -> Result<Vec<Vec<u8>>, ErrorReply> {
    words(&node.config.settings().acl_file, REPLACE).map_err(ErrorReply::err)
}

/// The words by which a core that has no users gets those of a file; an error says what is wrong with the file.
pub fn first_users(path: &str) -> std::result::Result<Vec<Vec<u8>>, String> {
    words(path, IF_NONE)
}

fn words(path: &str, mode: &[u8]) -> std::result::Result<Vec<Vec<u8>>, String> {
    if path.is_empty() {
        return Err(NO_FILE.to_owned());
    }
    let text = read(Path::new(path))
        .map_err(|error| format!("Error loading ACLs, opening file '{path}': {}", plain(&error)))?;
    let users = read_users(&text, path, commands())?;
    let head = [&b"ACL"[..], b"SETUSER", mode].map(<[u8]>::to_vec);
    let of_user = |(name, definition): (String, Definition)| {
        [name.into_bytes(), Record { created: 0, definition }.encode()]
    };
    Ok(head.into_iter().chain(users.into_iter().flat_map(of_user)).collect())
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(ACL_FILE_BYTES_MAX.saturating_add(1)).read_to_end(&mut text)?;
    match text.len() as u64 > ACL_FILE_BYTES_MAX {
        true => Err(io::Error::other(format!("it has more than {} MiB", ACL_FILE_BYTES_MAX >> 20))),
        false => Ok(text),
    }
}

/// As C tells it, without the number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// Whether an ACL SETUSER in the log is of all users.
pub(super) fn is_of_all(name: &[u8]) -> bool {
    name == REPLACE || name == IF_NONE
}

/// In apply, of the words that `as_logged` gave: these are all users.
pub(super) fn load(mode: &[u8], txn: &mut Txn<'_>, args: &Args<'_>) -> Result<Reply> {
    require_level("ACL LOAD", feature_level::USERS_AT_ONCE, txn.feature_level())?;
    if mode == IF_NONE && Totals::of(txn)?.users > 0 {
        return Ok(Reply::Ok);
    }
    let users = users_in(args.rest())?;
    let mut before = BTreeMap::new();
    txn.system_view().quiet().scan(&[USER_ROWS], &[USER_ROWS], |key, row| {
        let name = name_of(key).ok_or_else(|| StoreError::corrupt("user", "a name that is no text"))?;
        before.insert(name.to_owned(), record(&row.body)?.created);
        Ok(ControlFlow::Continue(()))
    })?;
    let mut totals = Totals::default();
    for (name, record) in &users {
        // Sessions of a user who stays go on, by the new rules.
        let created = before.get(name).copied().unwrap_or(txn.position().index);
        let created = if name == USER_NAME { 0 } else { created };
        let body = Record { created, definition: record.definition.clone() }.encode();
        txn.put_in(SYSTEM_DATABASE, &key_of(name), NewRow::string(&body))?;
        totals.replace(None, Some(body.len()));
        txn.user_changed(name);
    }
    for name in before.keys().filter(|name| !users.contains_key(*name)) {
        txn.delete_in(SYSTEM_DATABASE, &key_of(name))?;
        txn.user_changed(name);
    }
    totals.put(txn)?;
    Ok(Reply::Ok)
}

/// Names and rows, in turns.
fn users_in(words: &[&[u8]]) -> Result<BTreeMap<String, Record>> {
    let wrong = || ErrorReply::err("the users of an ACL file could not be read");
    let (pairs, rest) = words.as_chunks::<2>();
    let bytes = words.iter().fold(0, |sum: u64, word| sum.saturating_add(word.len() as u64));
    if pairs.len() as u64 > ACL_USERS_MAX || bytes > ACL_BYTES_MAX {
        return Err(too_many().into());
    }
    if !rest.is_empty() {
        return Err(wrong().into());
    }
    let mut users = BTreeMap::new();
    for [name, row] in pairs {
        let name = std::str::from_utf8(name).ok().filter(|name| Definition::allows_name(name.as_bytes()));
        let record = Record::decode(row).filter(|_| row.len() <= ACL_USER_BYTES_MAX);
        users.insert(name.ok_or_else(wrong)?.to_owned(), record.ok_or_else(wrong)?);
    }
    Ok(users)
}

pub(super) fn save(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Effect> {
    match context.node.config.settings().acl_file.is_empty() {
        true => Err(ErrorReply::err(NO_FILE).into()),
        false => Ok(Effect::SaveUsers),
    }
}

/// Writes the users, as this node has applied them, to its `aclfile`. May wait for the disk.
pub fn save_users(node: &Node) -> Reply {
    let path = node.config.settings().acl_file.clone();
    let mut text = Vec::new();
    for user in node.users.all() {
        match line_of(user.name(), &definition_at(node, &user), commands()) {
            Some(line) => text.extend_from_slice(&line),
            None => {
                let text = format!(
                    "The user '{}' cannot be written to a file: a pattern in a selector ends with a parenthesis",
                    user.name().escape_debug()
                );
                return Reply::Error(ErrorReply::err(text));
            }
        }
    }
    let _saving = node.users.saving.lock();
    // A path of one word has no directory to be synced.
    match replace_file(&Path::new(".").join(&path), &text) {
        Ok(()) => Reply::Ok,
        Err(error) => {
            tracing::warn!(%error, path, "cannot write the ACL file; what was there is as it was");
            let text = "There was an error trying to save the ACLs. Please check the server logs for more information";
            Reply::Error(ErrorReply::err(text))
        }
    }
}
