//! What users are allowed.

use super::{
    super::{Hash, KeyUse, User, is_one_of},
    catalogue, user,
};

fn may_call(user: &User, name: &str, first: Option<&str>) -> bool {
    let at = catalogue().find(name).unwrap();
    user.selectors().iter().any(|selector| selector.allows_command(at, first.map(str::as_bytes)))
}

#[test]
fn a_later_rule_of_commands_wins() {
    for (rules, allowed, refused) in [
        ("+@all", &["get", "config|set", "ping"][..], &[][..]),
        ("+@all -config", &["get"], &["config|set", "config|get"]),
        ("+@all -config|set", &["config|get", "get"], &["config|set"]),
        ("+@all -@dangerous +config|get", &["config|get", "get"], &["config|set"]),
        ("+@read", &["get"], &["set", "config|get"]),
        ("+@read -get", &[], &["get"]),
        ("-get +@read", &["get"], &["set"]),
        // A container is in a category of its own, and takes its subcommands along.
        ("+@slow", &["config|get", "set"], &["get"]),
        ("+config", &["config|get", "config|set"], &["get"]),
        ("+@all -@all", &[], &["get", "ping"]),
    ] {
        let user = user(rules);
        assert!(allowed.iter().all(|name| may_call(&user, name, None)), "{rules}");
        assert!(!refused.iter().any(|name| may_call(&user, name, None)), "{rules}");
    }
}

#[test]
fn first_arguments_are_allowed_until_the_command_is_named_again() {
    let of = |rules, first| may_call(&user(rules), "select", first);
    assert!(of("+select|0", Some("0")) && !of("+select|0", Some("1")) && !of("+select|0", None));
    assert!(of("+select|a", Some("A")), "whatever its case");
    assert!(!of("+select|0 -select", Some("0")));
    assert!(of("-select +select|0", Some("0")));
    assert!(!of("+select|0 -@connection", Some("0")));
}

#[test]
fn keys_are_matched_for_what_is_done_to_them() {
    let keys = |rules| user(rules).selectors()[0].clone();
    let using = |reads, writes| KeyUse { reads, writes };
    let both = keys("%R~a* %W~b* ~c*");
    for (key, reads, writes, allowed) in [
        ("a1", true, false, true),
        ("a1", false, true, false),
        ("a1", true, true, false),
        ("b1", false, true, true),
        ("b1", true, false, false),
        ("c1", true, true, true),
        ("d1", true, false, false),
        // Who only looks needs some pattern.
        ("b1", false, false, true),
        ("d1", false, false, false),
    ] {
        assert_eq!(both.allows_key(key.as_bytes(), using(reads, writes)), allowed, "{key} {reads} {writes}");
    }
    // The right to read, and that to write, by two patterns, is no right to do both in one.
    assert!(!keys("%R~k* %W~*k").allows_key(b"kk", using(true, true)));
    assert!(keys("%R~*").allows_every_key(using(true, false)));
    assert!(!keys("%W~*").allows_every_key(using(true, false)));
    assert!(!keys("~a* ~b").allows_every_key(using(true, false)));
    assert!(keys("~*").allows_every_key(using(true, true)));
}

#[test]
fn patterns_of_channels_are_allowed_letter_by_letter() {
    let selector = user("&news.* &a").selectors()[0].clone();
    assert!(selector.allows_channel(b"news.1", false) && selector.allows_channel(b"a", false));
    assert!(selector.allows_channel(b"news.*", true) && !selector.allows_channel(b"news.1", true));
    assert!(!selector.allows_channel(b"*", true) && !selector.allows_channel(b"b", false));
}

#[test]
fn only_who_may_do_everything_is_not_asked() {
    assert!(user("+@all ~* &*").is_unrestricted());
    assert!(user("(+@all,~*,&*)").is_unrestricted());
    assert!(user("+@all ~* &* db=0 alldbs").is_unrestricted());
    for rules in [
        "+@all ~*",
        "+@all &*",
        "~* &* +@read",
        "+@all ~* &* -get",
        "(+@all,~*) (&*)",
        "+@all ~* &* db=0",
        "+@all ~* &* resetdbs",
    ] {
        assert!(!user(rules).is_unrestricted(), "{rules}");
    }
}

#[test]
fn databases_are_those_named_last() {
    for (rules, allowed) in [
        ("on", &[0, 1, 15][..]),
        ("db=0,1", &[0, 1]),
        ("db=0 db=1", &[1]),
        ("db=0,0,1,1,0", &[0, 1]),
        ("db=3 resetdbs", &[]),
        ("resetdbs alldbs", &[0, 1, 15]),
        ("db=3 reset", &[0, 1, 15]),
    ] {
        let user = user(rules);
        let selector = &user.selectors()[0];
        assert!(
            [0, 1, 2, 15]
                .iter()
                .all(|db| selector.allows_database(*db) == (allowed.contains(db) || allowed.len() == 3)),
            "{rules}"
        );
    }
}

#[test]
fn who_hears_less_is_known() {
    for (before, after, less) in [
        ("&*", "&*", false),
        ("&*", "&a", true),
        ("&a &b", "&b &a &c", false),
        ("&a &b", "&a", true),
        ("&a", "&*", false),
        ("&a (&b)", "(&a) &b", false),
    ] {
        assert_eq!(user(after).hears_less_than(&user(before)), less, "{before} {after}");
    }
}

#[test]
fn one_of_several_passwords_will_do() {
    let hashes = [Hash::of(b"old"), Hash::of(b"new")];
    assert!(is_one_of(b"old", &hashes) && is_one_of(b"new", &hashes));
    assert!(!is_one_of(b"", &hashes) && !is_one_of(b"old", &[]));
    assert_eq!(format!("{:?}", hashes[0]), "Hash(…)", "no hash in a panic's text");
}
