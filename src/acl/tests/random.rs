//! Any words as rules: no panic, and what is stored means the same when it is read again.

use super::{
    super::{Definition, Record, User},
    catalogue,
};
use proptest::prelude::*;

fn rule() -> impl Strategy<Value = Vec<u8>> {
    let known = proptest::sample::select(vec![
        "on",
        "off",
        "nopass",
        "resetpass",
        "reset",
        "allkeys",
        "resetkeys",
        "allchannels",
        "resetchannels",
        "+@all",
        "-@all",
        "+get",
        "-get",
        "+config|get",
        "-config",
        "+@read",
        "-@dangerous",
        "+select|0",
        "~a*",
        "%R~b",
        "%W~b",
        "&c",
        "(+get ~k)",
        "(%R~z -@all +@write)",
        "clearselectors",
        "db=0,1",
        "db=3",
        "alldbs",
        "resetdbs",
        "(db=2 +get)",
        "~*",
        "&*",
        "(",
    ]);
    prop_oneof![
        8 => known.prop_map(|rule| rule.as_bytes().to_vec()),
        1 => any::<Vec<u8>>(),
        1 => "[~%&+@#!()RW|a-c ]{0,12}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn any_rules_are_applied_or_refused_and_stored_as_they_are(rules in proptest::collection::vec(rule(), 0..30)) {
        let commands = catalogue();
        let mut definition = Definition::new();
        for rule in rules {
            let before = definition.clone();
            let outcome = definition.apply(&rule, Some(&commands));
            if outcome.is_err() {
                definition = before;
            }
        }
        let record = Record { created: 3, definition };
        let again = Record::decode(&record.encode());
        prop_assert_eq!(again.as_ref(), Some(&record));
        let user = User::new("u", 3, record.definition.clone(), &commands);
        // A user who may make all calls is not asked, so each must be allowed.
        if user.is_unrestricted() {
            for at in 0..commands.entries().len() {
                prop_assert!(user.selectors().iter().any(|selector| selector.allows_command(at, None)));
            }
        }
    }

    #[test]
    fn any_bytes_are_a_row_or_none(bytes in any::<Vec<u8>>()) {
        if let Some(record) = Record::decode(&bytes) {
            prop_assert_eq!(Record::decode(&record.encode()), Some(record));
        }
    }
}
