//! What users may do, for every command there is and every form of keys and channels.

use crate::{
    acl::{Definition, User},
    command::{Denied, Flags, Resolved, Run, check, may_read_all_keys},
    commands::{acl, table},
};

fn user(rules: &str) -> User {
    let mut definition = Definition::new();
    for rule in rules.split(' ') {
        let words = if rule.starts_with('(') { rule.replace(',', " ") } else { rule.to_owned() };
        definition.apply(words.as_bytes(), Some(acl::commands())).expect(rule);
    }
    User::new("u", 1, definition, acl::commands())
}

/// A call of a command, with as many words as it takes.
fn call_of(at: usize) -> (Resolved, Vec<String>) {
    let call = table().at(at).unwrap();
    let mut words: Vec<String> = table().names()[at].split('|').map(str::to_owned).collect();
    let arity = call.command.arity.unsigned_abs() as usize;
    words.extend((words.len()..arity).map(|_| "1".to_owned()));
    (call, words)
}

fn ask(user: &User, call: Resolved, words: &[String]) -> Result<(), Denied> {
    let argv: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
    check(user, call, &argv, 0)
}

fn of_line(user: &User, line: &str) -> Result<(), Denied> {
    let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    check(user, table().resolve(&argv).unwrap(), &argv, 0)
}

/// The container of a command, if it is one, is denied with its subcommands.
#[test]
fn every_command_can_be_taken_from_a_user_and_given_to_one() {
    for at in 0..table().names().len() {
        let name = &table().names()[at];
        let (call, words) = call_of(at);
        if matches!(call.command.run, Run::Container) {
            continue;
        }
        let always = call.command.flags.has(Flags::NO_AUTH);
        let denied = if always { Ok(()) } else { Err(Denied::Command) };
        assert_eq!(ask(&user(&format!("+@all ~* &* -{name}")), call, &words), denied, "-{name}");
        assert_eq!(ask(&user("~* &*"), call, &words), denied, "{name}");
        assert_eq!(ask(&user(&format!("~* &* +{name}")), call, &words), Ok(()), "+{name}");
        for category in crate::command::info::categories(call.parent, call.command) {
            let of = |sign: &str| user(&format!("~* &* {}@{category}", sign));
            assert_eq!(ask(&of("+"), call, &words), Ok(()), "+@{category} {name}");
            assert_eq!(ask(&of("+@all -"), call, &words), denied, "-@{category} {name}");
        }
        let upper: Vec<String> = words.iter().map(|word| word.to_uppercase()).collect();
        let again = table().resolve(&upper.iter().map(String::as_bytes).collect::<Vec<_>>()).unwrap();
        assert_eq!(again.index, call.index, "whatever the case of its name");
    }
}

/// A command with keys or channels is denied to who has none.
#[test]
fn every_command_with_keys_or_channels_asks_for_them() {
    let nothing = user("+@all");
    for at in 0..table().names().len() {
        let (call, words) = call_of(at);
        let argv: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
        let name = &table().names()[at];
        let first_key = call.command.keys_in(&argv).find(|named| named.access.is_of_key());
        let stops = ["unsubscribe", "punsubscribe", "sunsubscribe"].contains(&name.as_str());
        let channel = call.command.channels_in(&argv).next().filter(|_| !stops);
        let expected = match (first_key, channel) {
            (Some(key), _) => Err(Denied::Key(key.at)),
            (None, Some(channel)) => Err(Denied::Channel(channel.at)),
            (None, None) => Ok(()),
        };
        assert_eq!(ask(&nothing, call, &words), expected, "{name}");
    }
}

#[test]
fn keys_of_every_form_are_asked_for() {
    let (reads, writes) = (user("+@all &* %R~a*"), user("+@all &* %W~a*"));
    let both = user("+@all &* ~a*");
    // What a user who may read `a*`, one who may write it, and one who may do both is told.
    for (line, told) in [
        ("GET a", [None, Some(1), None]),
        ("GET b", [Some(1), Some(1), Some(1)]),
        ("SET a v", [Some(1), None, None]),
        ("SET a v GET", [Some(1), Some(1), None]),
        ("GETDEL a", [Some(1), Some(1), None]),
        ("STRLEN a", [None, None, None]),
        ("EXISTS a1 b", [Some(2), Some(2), Some(2)]),
        ("TTL b", [Some(1), Some(1), Some(1)]),
        ("MSET a 1 b 2", [Some(1), Some(3), Some(3)]),
        ("MGET a a b", [Some(3), Some(1), Some(3)]),
        ("DEL a1 a2", [Some(1), None, None]),
        ("COPY a a2", [Some(2), Some(1), None]),
        ("RENAME a b", [Some(1), Some(1), Some(2)]),
        ("SMOVE a b m", [Some(1), Some(1), Some(2)]),
        ("BITFIELD a GET u8 0", [None, Some(1), None]),
        ("BITFIELD a SET u8 0 1", [Some(1), Some(1), None]),
        ("BITOP AND a b", [Some(2), Some(3), Some(3)]),
        ("ZUNIONSTORE a 2 a b", [Some(1), Some(3), Some(4)]),
        ("ZUNIONSTORE a 1 a WEIGHTS 1", [Some(1), Some(3), None]),
        ("ZADD a 1 m", [Some(1), None, None]),
        ("LPUSH a v", [Some(1), None, None]),
        ("BLPOP a b 0", [Some(1), Some(1), Some(2)]),
        ("LMPOP 2 a b LEFT", [Some(2), Some(2), Some(3)]),
        ("BLMOVE a b LEFT LEFT 0", [Some(1), Some(1), Some(2)]),
        ("XREAD STREAMS a b 0 0", [Some(3), Some(2), Some(3)]),
        ("XREADGROUP GROUP g c STREAMS b >", [Some(5), Some(5), Some(5)]),
        ("GEOSEARCHSTORE a b FROMMEMBER m BYRADIUS 1 m", [Some(1), Some(2), Some(2)]),
        ("GEORADIUS a 1 2 3 m STORE b", [Some(7), Some(1), Some(7)]),
        ("GEORADIUS a 1 2 3 m STORE a STORE b", [Some(9), Some(1), Some(9)]),
        ("SORT a STORE b", [Some(3), Some(1), Some(3)]),
        ("SORT a BY STORE STORE b", [Some(5), Some(1), Some(5)]),
        ("SORT a STORE a store b", [Some(5), Some(1), Some(5)]),
        ("SORT a GET STORE", [None, Some(1), None]),
        ("WATCH a b", [Some(2), Some(2), Some(2)]),
        ("OBJECT ENCODING b", [Some(2), Some(2), Some(2)]),
        ("MEMORY USAGE b", [Some(2), Some(2), Some(2)]),
        ("XGROUP CREATE b g 0", [Some(2), Some(2), Some(2)]),
        ("EVAL s 1 b", [Some(3), Some(3), Some(3)]),
        ("EVAL s 0 b", [None, None, None]),
        ("FCALL f 1 a", [Some(3), Some(3), None]),
        ("EVAL_RO s 1 a", [None, Some(3), None]),
        // No keys: the command is what is asked for.
        ("KEYS *", [None, None, None]),
        ("DBSIZE", [None, None, None]),
    ] {
        for (user, told) in [&reads, &writes, &both].into_iter().zip(told) {
            let expected = told.map_or(Ok(()), |at| Err(Denied::Key(at)));
            assert_eq!(of_line(user, line), expected, "{line} {:?}", user.definition().root.keys);
        }
    }
}

#[test]
fn channels_are_asked_for() {
    let user = user("+@all ~* &news.* &all");
    for (line, told) in [
        ("SUBSCRIBE news.1 all", None),
        ("SUBSCRIBE news.1 other", Some(2)),
        ("PSUBSCRIBE news.*", None),
        ("PSUBSCRIBE news.1", Some(1)),
        ("PSUBSCRIBE *", Some(1)),
        ("SSUBSCRIBE other", Some(1)),
        ("PUBLISH news.1 m", None),
        ("PUBLISH __keyspace@0__:k m", Some(1)),
        ("SPUBLISH other m", Some(1)),
        ("SUBSCRIBE __keyevent@0__:del", Some(1)),
        ("UNSUBSCRIBE other", None),
        ("PUNSUBSCRIBE *", None),
        ("SUNSUBSCRIBE other", None),
    ] {
        let expected = told.map_or(Ok(()), |at| Err(Denied::Channel(at)));
        assert_eq!(of_line(&user, line), expected, "{line}");
    }
}

/// Asked with database 0 selected.
#[test]
fn databases_are_asked_for() {
    let (first, others) = (user("+@all ~* &* db=0,2"), user("+@all ~* &* db=1"));
    // What a user of databases 0 and 2 is told, and one of database 1.
    for (line, told) in [
        ("GET k", [None, Some(0)]),
        ("EXISTS k", [None, Some(0)]),
        ("KEYS *", [None, Some(0)]),
        ("SCAN 0", [None, Some(0)]),
        ("DBSIZE", [None, Some(0)]),
        ("FLUSHDB", [None, Some(0)]),
        ("WATCH k", [None, Some(0)]),
        ("SORT k BY w", [None, Some(0)]),
        ("EVAL s 1 k", [None, Some(0)]),
        ("XREAD STREAMS k 0", [None, Some(0)]),
        ("FLUSHALL", [Some(0), Some(0)]),
        ("SELECT 0", [None, Some(1)]),
        ("SELECT 1", [Some(1), None]),
        ("SELECT 99", [None, None]),
        ("SELECT x", [None, None]),
        ("SWAPDB 0 2", [None, Some(1)]),
        ("SWAPDB 2 1", [Some(2), Some(1)]),
        ("MOVE k 2", [None, Some(0)]),
        ("MOVE k 1", [Some(2), Some(0)]),
        ("COPY a b", [None, Some(0)]),
        ("COPY a b DB 2 REPLACE", [None, Some(0)]),
        ("COPY a b REPLACE db 1", [Some(5), Some(0)]),
        ("COPY a b DB 0 DB 1", [Some(6), Some(0)]),
        // These are about no database.
        ("PING", [None, None]),
        ("EVAL s 0", [None, None]),
        ("SCRIPT EXISTS s", [None, None]),
        ("SPUBLISH c m", [None, None]),
        ("ACL WHOAMI", [None, None]),
        ("MULTI", [None, None]),
    ] {
        for (user, told) in [&first, &others].into_iter().zip(told) {
            let expected = told.map_or(Ok(()), |at| Err(Denied::Database(at)));
            assert_eq!(of_line(user, line), expected, "{line} {:?}", user.definition().root.databases);
        }
    }
    // The reason is of the selector that came furthest: a database is asked for first.
    let both = user("(db=0,+get,+select,~a) (db=1,+set,+select,~*)");
    assert_eq!(of_line(&both, "GET b"), Err(Denied::Key(1)));
    assert_eq!(of_line(&both, "SET b v"), Err(Denied::Command));
    assert_eq!(of_line(&both, "SELECT 7"), Err(Denied::Command));
}

/// One selector must allow all of a call; the reason is that of the one which came furthest.
#[test]
fn selectors_do_not_add_up() {
    let user = user("+get ~a (+set,~b) (+mget,~a,~b)");
    for (line, expected) in [
        ("GET a", Ok(())),
        ("SET b v", Ok(())),
        ("MGET a b", Ok(())),
        ("GET b", Err(Denied::Key(1))),
        ("SET a v", Err(Denied::Key(1))),
        ("MGET a c", Err(Denied::Key(2))),
        ("DEL a", Err(Denied::Command)),
        ("PUBLISH c m", Err(Denied::Command)),
    ] {
        assert_eq!(of_line(&user, line), expected, "{line}");
    }
}

#[test]
fn what_only_the_data_tell_needs_the_right_to_read_all_keys() {
    let may = |rules: &str, line: &str| {
        let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let call = table().resolve(&argv).unwrap();
        let why = call.command.needs_all_keys.unwrap()(&argv);
        why.is_none() || may_read_all_keys(&user(rules), call, &argv, 0)
    };
    for line in ["SORT a BY w_*", "SORT a GET #", "SORT a BY nosort GET v_*", "SORT a LIMIT BY GET BY w_*"] {
        assert!(!may("+@all ~a*", line) && !may("+@all %W~* %R~a", line), "{line}");
        assert!(may("+@all %R~*", line) && may("+@all ~*", line) && may("+get (+sort,~*)", line), "{line}");
        assert!(!may("+sort ~a (+get,~*)", line), "another selector's keys: {line}");
    }
    for line in ["SORT a", "SORT a BY nosort", "SORT a STORE BY", "SORT a ALPHA DESC"] {
        assert!(may("+@all ~a*", line), "{line}");
    }
}

/// Nobody may wait for a feature level to hear what an unrestricted user may do.
#[test]
fn the_default_user_is_not_asked() {
    let user = User::new("default", 0, Definition::of_default(), acl::commands());
    assert!(user.is_unrestricted());
}
