//! What the pages claim is what the program has: options, subcommands, default ports; and nothing that was true once.

use crate::{admin, config, transfer};
use std::{collections::BTreeSet, fs, path::Path};

const PAGES: [&str; 6] = [
    "README.md",
    "SECURITY.md",
    "helm/README.md",
    "src/docs/differences.md",
    "src/docs/pubsub.md",
    "src/docs/configuration.md",
];

/// Options of other programs that the pages show.
const FOREIGN: [&str; 5] = ["config", "check-config", "lib", "quick", "scenario"];

/// What some page said when it was no more so.
const NO_LONGER_TRUE: [&str; 5] =
    ["runs as one node today", "There is no TLS", "read-only edge", "read-only **edge**", "read-only copy"];

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

fn options(command: &clap::Command, found: &mut BTreeSet<String>) {
    found.extend(command.get_arguments().filter_map(|arg| arg.get_long().map(str::to_owned)));
    command.get_subcommands().for_each(|sub| options(sub, found));
}

/// The words behind `mark`, as far as letters, digits and hyphens go.
fn words_behind<'a>(text: &'a str, mark: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(mark).skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).unwrap_or(rest.len());
        rest.get(..end).filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
    })
}

#[test]
fn every_option_on_a_page_is_one_of_the_program() {
    let mut known: BTreeSet<String> =
        ["help", "version", "name"].into_iter().chain(FOREIGN).map(str::to_owned).collect();
    known.extend(config::PARAMETERS.iter().map(|row| row.name.to_owned()));
    options(&admin::program(), &mut known);
    transfer::programs().iter().for_each(|program| options(program, &mut known));
    for name in PAGES {
        let text = page(name);
        let missing: Vec<&str> = words_behind(&text, "--").filter(|word| !known.contains(*word)).collect();
        assert!(missing.is_empty(), "{name}: no option {missing:?}");
    }
}

#[test]
fn every_subcommand_on_a_page_is_one_of_flotilla_admin() {
    let program = admin::program();
    let known: BTreeSet<&str> = program.get_subcommands().map(clap::Command::get_name).collect();
    for name in PAGES {
        let text = page(name);
        let missing: Vec<&str> =
            words_behind(&text, "flotilla admin ").filter(|word| !known.contains(word)).collect();
        assert!(missing.is_empty(), "{name}: flotilla admin has no {missing:?}");
    }
}

#[test]
fn the_ports_on_the_pages_are_the_defaults() {
    let port = |name: &str| config::PARAMETERS.iter().find(|row| row.name == name).unwrap().default;
    let readme = page("README.md");
    assert!(readme.contains(&format!("127.0.0.1:{}", port("port"))));
    assert!(readme.contains(&format!("HTTP port ({})", port("http-port"))));
    let helm = page("helm/README.md");
    assert!(helm.contains(&format!("peer port ({})", port("peer-port"))));
    assert!(helm.contains(&format!("clients ({})", port("port"))));
}

#[test]
fn nothing_is_claimed_that_was_true_once() {
    for name in PAGES {
        let text = page(name).split_whitespace().collect::<Vec<_>>().join(" ");
        for claim in NO_LONGER_TRUE {
            assert!(!text.contains(claim), "{name} still says '{claim}'");
        }
    }
    // And what is true stands where it is looked for.
    let differences = page("src/docs/differences.md");
    for word in ["CROSSSLOT", "READONLY", "requirepass"] {
        assert!(differences.contains(word), "differences.md says nothing of {word}");
    }
}
