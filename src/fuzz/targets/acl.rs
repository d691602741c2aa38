//! Users: any file, rules or row is read or refused; what was read is the same user after it was written again, as a row and as a
//! line.

use flotilla::{
    acl::{Definition, Record, Rescue, User, line_of, read_users, whole_selectors},
    commands::acl::commands,
};

/// First byte: a row, a rescue, the words of ACL SETUSER, or a file; the rest is that.
pub fn run(data: &[u8]) {
    let Some((control, input)) = data.split_first() else { return };
    match control % 4 {
        0 => row(input),
        1 => {
            if let Some(rescue) = std::str::from_utf8(input).ok().and_then(Rescue::decode) {
                assert_eq!(Rescue::decode(&rescue.encode()), Some(rescue));
            }
        }
        2 => words(input),
        _ => {
            for (name, definition) in read_users(input, "file", commands()).unwrap_or_default() {
                same_again(&name, definition);
            }
        }
    }
}

fn row(input: &[u8]) {
    if let Some(record) = Record::decode(input) {
        assert_eq!(Record::decode(&record.encode()).as_ref(), Some(&record));
        let _compiled = User::new("u", record.created, record.definition, commands());
    }
}

fn words(input: &[u8]) {
    let words: Vec<&[u8]> = input.split(|byte| *byte == 0).collect();
    let Ok(rules) = whole_selectors(&words) else { return };
    let mut definition = Definition::of_default();
    for rule in rules {
        let (before, rule) = (definition.clone(), Definition::logged(&rule));
        // Where it is called names are checked, in apply they are not: what passes there must pass here.
        let mut unchecked = definition.clone();
        let unchecked = unchecked.apply(&rule, None).map(|()| unchecked);
        match definition.apply(&rule, Some(commands())) {
            Ok(()) => assert_eq!(unchecked.as_ref(), Ok(&definition)),
            Err(_) => definition = before,
        }
    }
    same_again("u", definition);
}

fn same_again(name: &str, definition: Definition) {
    let record = Record { created: 1, definition };
    assert_eq!(Record::decode(&record.encode()).as_ref(), Some(&record));
    if let Some(line) = line_of(name, &record.definition, commands()) {
        let again = read_users(&line, "", commands()).expect("what was written can be read");
        assert_eq!(again.len(), 1);
    }
    let user = User::new(name, 1, record.definition, commands());
    if user.is_unrestricted() {
        assert!(user.selectors().iter().any(|own| own.allows_all_keys() && own.allows_all_channels()));
        assert!(user.selectors().iter().any(|own| own.allows_all_databases()));
    }
}
