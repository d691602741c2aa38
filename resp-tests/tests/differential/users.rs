//! Users of the product and of redis-server 7.0: the same categories, and the same rules let a user do the same.

use std::collections::{BTreeMap, BTreeSet};

use resp_tests::connection::Connection;
use resp_tests::dice::Dice;
use resp_tests::server::{Program, Server};
use resp_tests::support::{call, seed};
use resp_tests::value::Value;

const USERS: usize = 400;
const RULES_MAX: u64 = 9;

/// Commands with other categories than in redis-server 7.0: category, command, and whether the product has it in there.
const DEVIATIONS: [(&str, &str, bool); 0] = [];

fn texts(value: Value) -> Vec<String> {
    let Value::Array(items) = value else { panic!("{value:?}") };
    items.iter().map(|item| String::from_utf8(item.as_text().unwrap()).unwrap()).collect()
}

/// Each category with its commands.
fn categories(connection: &mut Connection) -> BTreeMap<String, BTreeSet<String>> {
    let names = texts(call(connection, &["ACL", "CAT"]));
    let of = |name: &String| texts(call(connection, &["ACL", "CAT", name])).into_iter().collect();
    names.iter().map(of).collect::<Vec<_>>().into_iter().zip(names).map(|(of, name)| (name, of)).collect()
}

#[test]
fn categories_are_those_of_the_reference() {
    let product = Server::start(&Program::product(), &[]).unwrap();
    let reference = Server::start(&Program::reference().unwrap(), &[]).unwrap();
    let own = categories(&mut product.connect().unwrap());
    let theirs = categories(&mut reference.connect().unwrap());
    assert_eq!(own.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    let all =
        |of: &BTreeMap<_, BTreeSet<String>>| of.values().flatten().cloned().collect::<BTreeSet<String>>();
    let both: BTreeSet<String> = all(&own).intersection(&all(&theirs)).cloned().collect();
    assert!(both.len() > 250, "only {} commands are compared", both.len());
    let mut deviations = BTreeSet::new();
    for (category, commands) in &own {
        for command in commands.symmetric_difference(&theirs[category]).filter(|name| both.contains(*name)) {
            deviations.insert((category.as_str(), command.as_str(), commands.contains(command)));
        }
    }
    assert_eq!(deviations, DEVIATIONS.into_iter().collect());
}

/// A rule: right, wrong, or in need of another one.
fn rule(dice: &mut Dice) -> String {
    let names = [
        "get",
        "set",
        "del",
        "config",
        "config|get",
        "config|set",
        "ping",
        "publish",
        "subscribe",
        "eval",
        "select",
        "mget",
        "info",
        "nosuch",
        "config|nosuch",
        "keys",
        "@read",
        "@write",
        "@dangerous",
        "@slow",
        "@fast",
        "@admin",
        "@all",
        "@pubsub",
        "@connection",
        "@nosuch",
        "GET",
        "select|0",
        "get|x",
        "get|",
        "config|get|x",
    ];
    let patterns = ["a*", "b*", "*", "", "[ab]?", "c\\*", "%", "x y"];
    let pattern = dice.pick(&patterns);
    match dice.below(14) {
        0..=4 => format!("+{}", dice.pick(&names)),
        5..=7 => format!("-{}", dice.pick(&names)),
        8 => format!("~{pattern}"),
        9 => format!("%{}~{pattern}", dice.pick(&["R", "W", "rw", "WR", "", "RR", "X"])),
        10 => format!("&{pattern}"),
        11 => dice
            .pick(&[
                "on",
                "off",
                "nopass",
                "resetpass",
                "reset",
                "allkeys",
                "resetkeys",
                "allchannels",
                "resetchannels",
                "allcommands",
                "nocommands",
                "clearselectors",
                "foo",
                "",
                ">p",
                ">q",
                "#abc",
            ])
            .to_owned(),
        12 => "reset".to_owned(),
        _ => {
            let inner: Vec<String> =
                (0..=dice.below(3)).map(|_| rule(dice)).filter(|rule| !rule.contains('(')).collect();
            format!("({})", inner.join(" "))
        }
    }
}

const CALLS: [&[&str]; 22] = [
    &["get", "a1"],
    &["get", "b1"],
    &["get", "c*"],
    &["set", "a1", "v"],
    &["set", "a1", "v", "get"],
    &["del", "a1", "b1"],
    &["mget", "b1", "a1"],
    &["exists", "a1"],
    &["config", "get", "x"],
    &["config", "set", "x", "y"],
    &["config", "resetstat"],
    &["publish", "a1", "m"],
    &["subscribe", "b1"],
    &["psubscribe", "a*"],
    &["psubscribe", "a1"],
    &["spublish", "a1", "m"],
    &["unsubscribe", "x"],
    &["select", "0"],
    &["select", "1"],
    &["ping"],
    &["keys", "*"],
    &["flushall"],
];

/// What ACL DRYRUN says, without the words.
fn verdict(value: Value) -> &'static str {
    let text = String::from_utf8(value.as_text().unwrap()).unwrap();
    match () {
        () if text == "OK" => "allowed",
        () if text.ends_with("command") => "no such command for it",
        () if text.ends_with("key") => "not this key",
        () if text.ends_with("channel") => "not this channel",
        () => panic!("{text}"),
    }
}

#[test]
fn random_rules_let_a_user_do_what_the_reference_lets_it() {
    let product = Server::start(&Program::product(), &[]).unwrap();
    let reference = Server::start(&Program::reference().unwrap(), &[]).unwrap();
    let mut both = [product.connect().unwrap(), reference.connect().unwrap()];
    let mut dice = Dice::new(seed("DIFFERENTIAL_USERS_SEED"));
    let (mut refused, mut allowed) = (0, 0);
    for _ in 0..USERS {
        for _ in 0..3 {
            let rules: Vec<String> = (0..=dice.below(RULES_MAX)).map(|_| rule(&mut dice)).collect();
            let words: Vec<&str> =
                ["ACL", "SETUSER", "u"].into_iter().chain(rules.iter().map(String::as_str)).collect();
            let [own, theirs] = both.each_mut().map(|server| call(server, &words));
            // Of two wrong rules, one that no user could have is told first.
            match (&own, &theirs) {
                (Value::Error(_), Value::Error(_)) => refused += 1,
                _ => assert_eq!(own, theirs, "{rules:?}"),
            }
            let [own, theirs] = both.each_mut().map(|server| {
                let Value::Array(mut fields) = call(server, &["ACL", "GETUSER", "u"]) else {
                    return Vec::new();
                };
                // Commands are told in other words.
                let selectors = fields.pop();
                assert!(matches!(selectors, Some(Value::Array(_))));
                fields.drain(4..6);
                fields
            });
            assert_eq!(own, theirs, "{rules:?}");
            if own.is_empty() {
                continue;
            }
            for line in CALLS {
                let words = [&["ACL", "DRYRUN", "u"][..], line].concat();
                let [own, theirs] = both.each_mut().map(|server| verdict(call(server, &words)));
                assert_eq!(
                    own,
                    theirs,
                    "{line:?} after {rules:?}: {:?}",
                    call(&mut both[0], &["ACL", "LIST"])
                );
                allowed += usize::from(own == "allowed");
            }
        }
        for server in &mut both {
            call(server, &["ACL", "DELUSER", "u"]);
        }
    }
    println!("{refused} changes were refused, {allowed} calls allowed");
    assert!(refused > 100 && allowed > 1000);
}
