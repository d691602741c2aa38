//! Users in apply: what is stored of them, and that scripts are held to them alike on every replica.

use super::support::{Home, commands, entry};
use crate::{
    feature_level,
    limits::{ACL_USERS_MAX, SYSTEM_DATABASE},
    replica::{ProposalBuilder, Raise, Replica},
    resp::Reply,
    store::{Store, StoreOptions},
};
use std::sync::Arc;

fn setuser(home: &Home, name: &str, rules: &[&str]) -> Reply {
    let mut words: Vec<&[u8]> = vec![b"ACL", b"SETUSER", name.as_bytes()];
    words.extend(rules.iter().map(|rule| rule.as_bytes()));
    home.call(1, 0, &words)
}

fn error(reply: &Reply) -> String {
    match reply {
        Reply::Error(error) => error.to_string(),
        other => panic!("no error: {other:?}"),
    }
}

fn sum(home: &Home) -> (u64, u32) {
    (home.store.published().state().sum(), home.store.checksum().unwrap())
}

fn as_user(home: &Home, user: &str, words: &[&[u8]]) -> Reply {
    let mut builder = ProposalBuilder::commands();
    builder.push_as(0, Some(user.as_bytes()), None, words);
    home.next(1, builder.finish())
}

/// Words that this build does not know are a later build's: refusing them would part the replicas.
#[test]
fn what_is_stored_does_not_depend_on_the_commands_of_a_build() {
    let home = Home::new(1 << 20);
    assert_eq!(setuser(&home, "u", &["on", "+later", "-@latest", "+get|x", "(+later|still ~k)"]), Reply::Ok);
    assert!(error(&setuser(&home, "u", &["off", ">clear"])).contains("Syntax error"), "hashes only");
    assert!(error(&setuser(&home, "a b", &["on"])).contains("Usernames"));
    assert_eq!(home.keys(SYSTEM_DATABASE), 2, "the user and the totals");
    assert_eq!(home.call(1, 0, &[b"ACL", b"DELUSER", b"u", b"u", b"nobody"]), Reply::Int(1));
    assert!(error(&home.call(1, 0, &[b"ACL", b"DELUSER", b"u", b"default"])).contains("default"));
    assert_eq!(home.keys(SYSTEM_DATABASE), 1);
}

#[test]
fn a_failed_change_leaves_the_user_as_it_was() {
    let home = Home::new(1 << 20);
    setuser(&home, "u", &["on", "~a", "+get"]);
    let before = sum(&home).1;
    for rules in [&["off", "~*", "~b"][..], &["off", "foo"], &["off", "#abc"], &["off", "(~*", "~b)"]] {
        error(&setuser(&home, "u", rules));
    }
    let many: Vec<String> = (0..300).map(|at| format!("~{at}")).collect();
    error(&setuser(&home, "u", &many.iter().map(String::as_str).collect::<Vec<_>>()));
    // The entries' positions are part of the record of the state, so the rows are looked at.
    assert_ne!(sum(&home).1, before);
    assert_eq!(as_user(&home, "u", &[b"EVAL", b"return redis.call('get', 'a')", b"0"]), Reply::Nil);
}

#[test]
fn scripts_are_held_to_their_caller_on_every_replica() {
    let homes = [Home::new(1 << 20), Home::new(0)];
    for home in &homes {
        setuser(home, "u", &["on", "~own:*", "+@all", "-del"]);
    }
    let bodies = [
        ("return redis.call('set', 'own:k', 'v')", None),
        ("return redis.call('set', 'other', 'v')", Some("No permissions to access a key")),
        ("return redis.call('get', 'other')", Some("No permissions to access a key")),
        ("return redis.call('del', 'own:k')", Some("User u has no permissions to run the 'del' command")),
        ("return redis.call('publish', 'c', 'm')", Some("No permissions to access a channel")),
        ("return redis.call('sort', 'own:l', 'by', 'w_*')", Some("BY option of SORT denied")),
        ("redis.call('set', 'own:k', 'w') redis.pcall('set', 'other', 'v') return 1", None),
        ("return redis.acl_check_cmd('set', 'other', 'v') and 1 or 0", None),
    ];
    for (body, why) in bodies {
        for home in &homes {
            let reply = as_user(home, "u", &[b"EVAL", body.as_bytes(), b"0"]);
            match why {
                Some(why) => assert!(error(&reply).contains(why), "{body}: {reply:?}"),
                None => assert!(!matches!(reply, Reply::Error(_)), "{body}: {reply:?}"),
            }
        }
        assert_eq!(sum(&homes[0]), sum(&homes[1]), "after {body}");
    }
    for home in &homes {
        assert_eq!(
            home.call(1, 0, &[b"MGET", b"own:k", b"other"]),
            Reply::Array(vec![Reply::bulk("w"), Reply::Nil])
        );
        // As it is at the entry: a change counts for the next call of the same batch of calls.
        let mut builder = ProposalBuilder::commands();
        builder.push(0, &[b"ACL", b"SETUSER", b"u", b"resetkeys", b"~other"]);
        builder.push_as(0, Some(b"u"), None, &[b"EVAL", b"return redis.call('set', 'other', 'v')", b"0"]);
        assert_eq!(home.next(1, builder.finish()), Reply::Ok);
        assert!(error(&as_user(home, "nobody", &[b"EVAL", b"return 1", b"0"])).starts_with("NOPERM"));
    }
}

#[test]
fn below_their_level_users_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(&directory.path().join("store"), StoreOptions::default()).unwrap());
    let replica = Replica::new(Arc::clone(&store), crate::commands::table());
    let apply = |index: u64, payload: &[u8]| {
        let mut txn = replica.begin();
        let replies = replica.apply(&mut txn, super::support::position(index), payload).unwrap();
        txn.commit().unwrap();
        replies
    };
    let call = entry(1, 1, &[commands(&[(0, &[b"ACL", b"SETUSER", b"u"])])]);
    apply(1, &Raise::to(feature_level::SCRIPTS).encode());
    let refused = apply(2, &call);
    assert!(error(&refused[0][0]).contains("acl|setuser needs feature level 6"), "{refused:?}");
    apply(3, &Raise::to(feature_level::USERS).encode());
    assert_eq!(apply(4, &call), [[Reply::Ok]]);
}

#[test]
fn there_may_be_so_many_users_and_no_more() {
    let home = Home::new(1 << 20);
    let names: Vec<String> = (0..ACL_USERS_MAX).map(|at| format!("u{at}")).collect();
    let calls: Vec<[&[u8]; 3]> =
        names.iter().map(|name| [&b"ACL"[..], b"SETUSER", name.as_bytes()]).collect();
    let calls: Vec<(u32, &[&[u8]])> = calls.iter().map(|words| (0, &words[..])).collect();
    assert_eq!(home.next(1, commands(&calls)), Reply::Ok);
    assert!(error(&setuser(&home, "one-more", &[])).contains("no more than 10000 users"));
    assert_eq!(setuser(&home, "u7", &["on"]), Reply::Ok);
    assert_eq!(home.call(1, 0, &[b"ACL", b"DELUSER", b"u7"]), Reply::Int(1));
    assert_eq!(setuser(&home, "one-more", &[]), Reply::Ok);
}
