//! What rules make of a user, in Redis's words, and what they are refused with.

use super::{
    super::{Definition, Hash, Record, RuleError},
    define,
};
use crate::limits::{
    ACL_COMMAND_RULES_MAX, ACL_PASSWORDS_MAX, ACL_PATTERN_BYTES_MAX, ACL_PATTERNS_MAX, ACL_SELECTORS_MAX,
};

const P: &str = "#148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940";

fn described(definition: &Definition) -> String {
    String::from_utf8(definition.describe()).unwrap()
}

/// As redis-server 7.2, which keeps the order of rules; the first lines are the same in 7.0.
#[test]
fn users_are_described_in_the_words_of_redis() {
    for (rules, expected) in [
        ("", "off resetchannels -@all".to_owned()),
        ("on nopass ~* &* +@all", "on nopass ~* &* +@all".into()),
        ("ON NoPass AllKeys AllChannels AllCommands", "on nopass ~* &* +@all".into()),
        ("on >p %R~x* ~y ~y %W~x* &c1 +get", format!("on {P} ~x* ~y resetchannels &c1 -@all +get")),
        ("%R~* %W~*", "off ~* resetchannels -@all".into()),
        ("%R~a %W~b %rw~c", "off %R~a %W~b ~c resetchannels -@all".into()),
        (
            "(+get,~k) (,%R~z,+set,)",
            "off resetchannels -@all (~k resetchannels -@all +get) (%R~z resetchannels -@all +set)".into(),
        ),
        ("(+get) clearselectors", "off resetchannels -@all".into()),
        (">p >p nopass", "off nopass resetchannels -@all".into()),
        (">p <p", "off resetchannels -@all".into()),
        ("nopass >p", format!("off {P} resetchannels -@all")),
        ("on >p ~* &* +@all (~k) reset", "off sanitize-payload resetchannels -@all".into()),
        ("+@all -@dangerous +config|get", "off resetchannels +@all -@dangerous +config|get".into()),
        // What is said anew goes from where it was.
        ("+get +set -GET", "off resetchannels -@all +set -get".into()),
        ("+config|get +config|set -config", "off resetchannels -@all -config".into()),
        ("+config -config|set", "off resetchannels -@all +config -config|set".into()),
        ("+select|0 +select|1", "off resetchannels -@all +select|0 +select|1".into()),
        ("+@read -@all +@write", "off resetchannels -@all +@write".into()),
        ("~a allkeys", "off ~* resetchannels -@all".into()),
        ("skip-sanitize-payload", "off skip-sanitize-payload resetchannels -@all".into()),
    ] {
        assert_eq!(described(&define(rules).unwrap()), expected, "{rules}");
    }
}

#[test]
fn wrong_rules_are_refused() {
    use RuleError::*;
    for (rules, why) in [
        ("foo", Syntax),
        ("%", Syntax),
        ("%~k", Syntax),
        ("%RR~k", Syntax),
        ("%RX~k", Syntax),
        ("%R", Syntax),
        ("(", Syntax),
        ("(()", Syntax),
        (")", Syntax),
        ("(on)", Syntax),
        ("(>p)", Syntax),
        ("((+get))", Syntax),
        ("+nosuch", Unknown),
        ("-nosuch", Unknown),
        ("+", Unknown),
        ("-", Unknown),
        ("+@nosuch", Unknown),
        ("+@", Unknown),
        ("+config|nosuch", Unknown),
        ("+nosuch|get", Unknown),
        ("-select|0", Unknown),
        ("+get|", Syntax),
        ("+config|", Syntax),
        ("+config|get|x", FirstArgumentOfSubcommand),
        ("#abc", BadHash),
        ("!abc", BadHash),
        ("<p", NoSuchPassword),
        ("~* ~k", AfterAllKeys),
        ("&* &c", AfterAllChannels),
        ("(~*,~k)", AfterAllKeys),
    ] {
        assert_eq!(define(rules), Err(why), "{rules}");
    }
    let mut user = Definition::new();
    for rule in [&b"~a b"[..], b"~\0", b"&a\tb", b"~a\x0bb"] {
        assert_eq!(user.apply(rule, None), Err(Syntax));
    }
    let upper = Hash::of(b"p").to_string().to_uppercase();
    assert_eq!(user.apply(format!("#{upper}").as_bytes(), None), Err(BadHash), "lower case only");
    // In clear text none gets here.
    assert_eq!(user.apply(b">p", None), Err(Syntax));
}

/// Thirty bytes a rule, any number of them: a user stays small.
#[test]
fn a_user_has_bounds() {
    type Rule = fn(usize) -> String;
    let cases: [(usize, Rule); 5] = [
        (ACL_PATTERNS_MAX, |at| format!("~{at}")),
        (ACL_PATTERNS_MAX, |at| format!("&{at}")),
        (ACL_SELECTORS_MAX, |_| "(+get)".into()),
        (ACL_PASSWORDS_MAX, |at| format!("#{at:064x}")),
        (ACL_COMMAND_RULES_MAX, |at| format!("+select|{at}")),
    ];
    for (max, rule) in cases {
        let mut user = Definition::new();
        for at in 0..max {
            user.apply(rule(at).as_bytes(), None).unwrap();
        }
        assert_eq!(user.apply(rule(max).as_bytes(), None), Err(RuleError::TooMany), "{}", rule(max));
    }
    let patterns: String = (0..=ACL_PATTERNS_MAX).map(|at| format!("~{at} ")).collect();
    let mut user = Definition::new();
    assert_eq!(user.apply(format!("({patterns})").as_bytes(), None), Err(RuleError::TooMany));
    assert_eq!(
        user.apply(format!("~{}", "a".repeat(ACL_PATTERN_BYTES_MAX + 1)).as_bytes(), None),
        Err(RuleError::TooMany)
    );
    assert_eq!(user.apply(&vec![b'('; 1 << 20], None), Err(RuleError::TooMany));
}

/// They are on disk, and every build must read them.
#[test]
fn golden_row() {
    let definition = define("on >p ~a* %R~b &c +get -@dangerous (%W~d,+set)").unwrap();
    let record = Record { created: 7, definition };
    let word = |text: &str| [&(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat();
    let golden = [
        &b"\x01\0\0\0\0\0\0\0\x07\0\0\0\0\x02\0\0\0\x09"[..],
        &["on", P, "~a*", "%R~b", "resetchannels", "&c", "-@all", "+get", "-@dangerous"].map(word).concat(),
        b"\0\0\0\x04",
        &["%W~d", "resetchannels", "-@all", "+set"].map(word).concat(),
    ]
    .concat();
    assert_eq!(record.encode(), golden);
    assert_eq!(Record::decode(&golden), Some(record));
    for end in 0..golden.len() {
        assert_eq!(Record::decode(&golden[..end]), None, "cut at {end}");
    }
    assert_eq!(Record::decode(&[&golden[..], b"x"].concat()), None);
}

#[test]
fn the_password_of_default_is_configured_until_a_rule_is_about_passwords() {
    let after = |rules: &[&str]| {
        let mut user = Definition::of_default();
        rules.iter().for_each(|rule| user.apply(rule.as_bytes(), None).unwrap());
        user
    };
    for rules in [&["off"][..], &["-@dangerous", "~*", "&*", "(+get)"]] {
        assert!(after(rules).password_is_configured, "{rules:?}");
    }
    for rule in ["nopass", "RESETPASS", "reset", P] {
        assert!(!after(&[rule]).password_is_configured, "{rule}");
    }
    let mut user = after(&["off"]);
    let record = Record { created: 0, definition: user.clone() };
    assert_eq!(Record::decode(&record.encode()), Some(record));
    user.take_over(Some(Hash::of(b"p")));
    assert_eq!(described(&user), format!("off {P} ~* &* +@all"));
    user.take_over(Some(Hash::of(b"q")));
    assert_eq!(user.passwords.len(), 1, "it has its own by now");
}

/// Rules name what builds to come may know: they are kept as they are.
#[test]
fn a_row_does_not_depend_on_the_commands_of_a_build() {
    let mut definition = Definition::new();
    for rule in [&b"+later"[..], b"-@latest", b"(+later|still)"] {
        definition.apply(rule, None).unwrap();
    }
    let record = Record { created: 0, definition };
    assert_eq!(Record::decode(&record.encode()), Some(record.clone()));
    assert!(described(&record.definition).contains("+later -@latest"));
}
