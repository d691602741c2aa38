//! A command flag that promises something is enforced, or says why it is a fact that clients are told and no more.

use crate::{
    command::{Command, Flags, Group, Run},
    commands::table,
    feature_level,
};
use std::{collections::BTreeMap, fs, path::Path};

/// Flags that nothing goes by, and what will enforce them. Whoever adds one here says so at its definition, too.
const TOLD: [(&str, &str); 4] = [
    ("ALLOW_BUSY", "no script holds others up"),
    ("MOVABLEKEYS", "keys_of"),
    ("NO_MANDATORY_KEYS", "positions"),
    ("NO_ASYNC_LOADING", "no command ever runs meanwhile"),
];

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(path)).unwrap()
}

/// Each flag with what is said at its definition.
fn defined(text: &str) -> BTreeMap<String, String> {
    let (mut flags, mut said) = (BTreeMap::new(), String::new());
    for line in text.lines().map(str::trim) {
        if let Some(more) = line.strip_prefix("///") {
            said.push_str(more);
        } else if let Some((name, _)) =
            line.strip_prefix("pub const ").and_then(|rest| rest.split_once(": Flags = "))
        {
            flags.insert(name.to_owned(), std::mem::take(&mut said).trim().to_owned());
        } else {
            said.clear();
        }
    }
    flags.remove("NONE");
    flags
}

/// What is wrong with a flag, by what is said of it and the sources that may go by it.
fn complaint(name: &str, said: &str, server: &str, info: &str) -> Option<String> {
    let named_in = |text: &str| {
        text.match_indices(&format!("Flags::{name}")).any(|(at, found)| {
            !text[at + found.len()..].starts_with(|next: char| next.is_alphanumeric() || next == '_')
        })
    };
    let told = TOLD.iter().find(|(told, _)| *told == name);
    let wrong = match said.split_once(": ").map_or("", |(kind, _)| kind) {
        "Enforced" if told.is_some() => "is listed as told",
        "Enforced" if !named_in(server) => "is said to be enforced, and no gate goes by it",
        "Category" if !named_in(info) => "is said to make a category, and makes none",
        "Told" if named_in(server) => "is enforced, and said not to be",
        "Told" if !told.is_some_and(|(_, by)| said.contains(by)) => {
            "does nothing: list it, and say at its definition what will enforce it"
        }
        "Enforced" | "Category" | "Told" => return None,
        _ => "does not say whether it is enforced, makes a category or is told",
    };
    Some(format!("{name} {wrong}: {said}"))
}

/// Where flags are enforced: by the server, and for the calls of scripts.
fn server() -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server");
    let files =
        fs::read_dir(directory).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    files.chain([read("commands/scripting/host.rs")]).collect()
}

#[test]
fn every_flag_is_enforced_or_says_why_not() {
    let flags = defined(&read("command/flags.rs"));
    assert!(flags.len() >= 30, "{flags:?}");
    let (server, info) = (server(), read("command/info.rs"));
    let complaints: Vec<String> =
        flags.iter().filter_map(|(name, said)| complaint(name, said, &server, &info)).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(TOLD.iter().all(|(name, _)| flags.contains_key(*name)));
}

#[test]
fn a_flag_that_does_nothing_is_found() {
    let (server, info) = ("has(Flags::LOADING)", "has(Flags::ADMIN_CATEGORY)");
    for (name, said, found) in [
        ("STALE", "Enforced: somewhere.", "no gate"),
        ("ADMIN", "Category: @admin.", "makes none"),
        ("LOADING", "Told: no more.", "is enforced"),
        ("NOVEL", "Told: it is nice.", "does nothing"),
        ("ALLOW_BUSY", "Told: it is nice.", "does nothing"),
        ("ALLOW_BUSY", "Enforced: somewhere.", "listed as told"),
        ("NOVEL", "It is nice.", "does not say"),
    ] {
        let complaint = complaint(name, said, server, info);
        assert!(complaint.as_ref().is_some_and(|text| text.contains(found)), "{name}: {complaint:?}");
    }
    assert_eq!(complaint("LOADING", "Enforced: so.", server, info), None);
    assert_eq!(defined("    /// A\n    /// b.\n    pub const X: Flags = Flags(1);")["X"], "A b.");
}

/// What the server goes by instead of a flag says the same as the flag.
#[test]
fn rows_say_the_same_by_their_flags_and_by_how_they_run() {
    let mut rows: Vec<&Command> = table().rows().to_vec();
    rows.extend(table().rows().iter().flat_map(|row| row.subcommands));
    for row in rows {
        let (writes, reads) = (row.flags.has(Flags::WRITE), row.flags.has(Flags::READONLY));
        // MIGRATE deletes what another server has got.
        let writes_here = matches!(row.run, Run::Write(_)) || row.name == "MIGRATE";
        // SCRIPT LOAD and ACL SETUSER change what the system keeps, and no key.
        let is_of_system = row.group == Group::Scripting || row.since_level >= feature_level::USERS;
        let may_differ = is_of_system && !writes;
        assert!(may_differ || writes == writes_here, "{}", row.name);
        assert!(!(writes && reads), "{}", row.name);
    }
}
