//! The page that lists every command of Redis and Valkey with its state here: written from the table of commands and a list of
//! what those servers have, and compared with what is in the documentation.

use crate::{command::Resolved, commands::table};
use std::{collections::BTreeMap, fmt::Write};

const LIST: &str = include_str!("compatibility.tsv");
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/docs/commands.md");

const HEAD: &str = "\
# Commands

Generated from the table of commands, and from the list of those of Redis 8.12 and Valkey 9.1 in
`src/commands/tests/compatibility.tsv`; `UPDATE=1 cargo test --lib compatibility_page` updates it.

| state | meaning |
|---|---|
| yes | It is there, with all options of Redis 7.2; what is told otherwise is in [differences.md](differences.md). |
| differs | It is there, and the note says what is missing or refused. |
| refused | It answers with an error, for the reason given. |
| not yet | It may come. |
| never | It has no place here, for the reason given. |

`COMMAND DOCS` of a server has the arguments. The commands of modules that Redis comes with (`JSON.*`, `FT.*`, `TS.*`, `BF.*`, `CF.*`,
`CMS.*`, `TOPK.*`, `TDIGEST.*`) are not listed: there are no modules.
";

/// A command of Redis or Valkey.
struct Known<'a> {
    name: &'a str,
    group: &'a str,
    redis: &'a str,
    valkey: &'a str,
    said_if: &'a str,
    text: &'a str,
}

impl Known<'_> {
    fn state(&self, is_there: bool) -> (&'static str, &str) {
        match (is_there, self.said_if) {
            (true, "differs") => ("differs", self.text),
            (true, "never") => ("refused", self.text),
            (true, _) => ("yes", ""),
            (false, "never") => ("never", self.text),
            (false, "later") => ("not yet", self.text),
            (false, _) => ("not yet", ""),
        }
    }
}

fn known() -> Vec<Known<'static>> {
    let lines = LIST.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut columns = line.split('\t');
            let mut column = || columns.next().unwrap_or_default();
            let (name, group, redis, valkey) = (column(), column(), column(), column());
            let known = Known { name, group, redis, valkey, said_if: column(), text: column() };
            assert!(column().is_empty() && !known.valkey.is_empty(), "{line}");
            assert_eq!(known.said_if.is_empty(), known.text.is_empty(), "{line}");
            assert!(["", "differs", "later", "never"].contains(&known.said_if), "{line}");
            known
        })
        .collect()
}

/// All rows and subcommands, as the list spells their names.
fn there() -> BTreeMap<String, Resolved> {
    let named = table().names().iter().enumerate();
    named.map(|(at, name)| (name.to_uppercase().replace('|', " "), table().at(at).unwrap())).collect()
}

fn page() -> String {
    let (known, there) = (known(), there());
    let mut out = HEAD.to_owned();
    let mut counts = BTreeMap::new();
    for command in &known {
        let (state, _) = command.state(there.contains_key(command.name));
        *counts.entry(state).or_insert(0) += 1;
    }
    let count = |state| counts.get(state).copied().unwrap_or_default();
    let (yes, differs, later) = (count("yes"), count("differs"), count("not yet"));
    let never = count("never") + count("refused");
    writeln!(
        out,
        "\nOf {} commands and subcommands {yes} are there, {differs} differ, {later} are not there yet, {never} never will be.",
        known.len()
    )
    .unwrap();
    let mut group = "";
    for command in &known {
        if command.group != group {
            group = command.group;
            writeln!(
                out,
                "\n## {group}\n\n| command | Redis | Valkey | here | note |\n|---|---|---|---|---|"
            )
            .unwrap();
        }
        let (state, text) = command.state(there.contains_key(command.name));
        let Known { name, redis, valkey, .. } = command;
        writeln!(out, "| `{name}` | {redis} | {valkey} | {state} | {text} |").unwrap();
    }
    out.push_str("\n## Flotilla's own\n\n| command | meaning |\n|---|---|\n");
    for (name, call) in there.iter().filter(|(name, _)| !known.iter().any(|known| known.name == *name)) {
        writeln!(out, "| `{name}` | {} |", call.command.summary).unwrap();
    }
    out
}

#[test]
fn compatibility_page_is_what_the_tables_say() {
    let page = page();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(PAGE, &page).unwrap();
    }
    let found = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(
        found == page,
        "src/docs/commands.md is outdated; run `UPDATE=1 cargo test --lib compatibility_page`"
    );
}

/// Each command once.
#[test]
fn the_list_of_known_commands_has_no_doubles() {
    let known = known();
    let mut names: Vec<&str> = known.iter().map(|known| known.name).collect();
    names.sort_unstable();
    names.dedup();
    assert!(names.len() == known.len() && names.len() > 480, "{}", names.len());
}
