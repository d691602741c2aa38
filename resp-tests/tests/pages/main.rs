//! The commands that README and the pages of `src/docs` show: they are run as they stand, and must print what the page says.
//!
//! ```text
//! page.md ─▶ blocks (fenced, by language) ─▶ one bash script ─▶ a network namespace of its own ─▶ what each step printed
//! ```
//!
//! | block | what is done with it |
//! |---|---|
//! | `sh` | runs; every command must succeed; `&` leaves servers running for the rest of the page |
//! | `console` | lines behind `$ ` run; what follows must be their output, where a line `...` stands for any lines |
//! | `python`, `js`, `go` | a program that prints what its last comment says |
//! | `text`, `toml` | shown, not run |
//!
//! The namespace has the ports that a page names for itself, whatever runs beside the test. `make` is played: it checks that
//! the target exists and puts the binary under test where `make build` would put it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod blocks;
mod session;

use blocks::{Block, Language, blocks};
use session::{Step, run};
use std::{fs, path::Path};

/// A page runs by itself from its first block to its last.
fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    let text = fs::read_to_string(&path).unwrap();
    let found = blocks(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let steps: Vec<Step> = found.iter().flat_map(Block::steps).collect();
    assert!(!steps.is_empty(), "{name}: nothing to run");
    let is_told_how_to_build = steps.iter().any(|step| step.text.contains("make build"));
    for (step, outcome) in steps.iter().zip(run(name, &steps, is_told_how_to_build)) {
        let (line, text, output) = (step.line, &step.text, outcome.output.trim_end());
        assert!(outcome.status == 0, "{name}:{line}: '{text}' ended with {}:\n{output}", outcome.status);
        if let Some(expected) = &step.expected {
            let lines = output.lines().map(str::trim_end);
            let printed: Vec<&str> = lines.filter(|line| !is_time_taken(line)).collect();
            assert!(
                matches(expected, &printed),
                "{name}:{line}: '{text}' printed\n{}\nand not\n{}",
                printed.join("\n"),
                expected.join("\n")
            );
        }
    }
}

/// What redis-cli says of a command that took half a second: `(0.51s)`.
fn is_time_taken(line: &str) -> bool {
    let time = line.strip_prefix('(').and_then(|rest| rest.strip_suffix("s)"));
    time.is_some_and(|time| time.parse::<f64>().is_ok())
}

/// Whether lines are as expected, where `...` stands for any number of lines.
fn matches(expected: &[String], printed: &[&str]) -> bool {
    match expected.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..]))
        }
        Some((first, rest)) => {
            printed.split_first().is_some_and(|(line, left)| line == first && matches(rest, left))
        }
    }
}

#[test]
fn readme_does_what_it_shows() {
    check("README.md");
}

#[test]
fn tutorial_does_what_it_shows() {
    check("src/docs/tutorial.md");
}

#[test]
fn operating_does_what_it_shows() {
    check("src/docs/operating.md");
}

#[test]
fn membership_does_what_it_shows() {
    check("src/docs/membership.md");
}

#[test]
fn edge_does_what_it_shows() {
    check("src/docs/edge.md");
}

#[test]
fn migration_does_what_it_shows() {
    check("src/docs/migration.md");
}

#[test]
fn users_does_what_it_shows() {
    check("src/docs/users.md");
}

#[test]
fn backup_does_what_it_shows() {
    check("src/docs/backup.md");
}

#[test]
fn packages_does_what_it_shows() {
    check("src/docs/packages.md");
}

/// A page with blocks that would run is one of those above.
#[test]
fn no_page_shows_commands_that_are_not_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let own = fs::read_to_string(root.join("resp-tests/tests/pages/main.rs")).unwrap();
    let docs = fs::read_dir(root.join("src/docs")).unwrap().map(|entry| entry.unwrap().file_name());
    let docs = docs.map(|name| format!("src/docs/{}", name.to_str().unwrap()));
    let pages = docs.filter(|name| name.ends_with(".md"));
    for name in pages.chain(["README.md".to_owned(), "SECURITY.md".to_owned(), "helm/README.md".to_owned()]) {
        let text = fs::read_to_string(root.join(&name)).unwrap();
        let found = blocks(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let runs = found.iter().any(|block| block.language != Language::Shown);
        assert_eq!(runs, own.contains(&format!("check(\"{name}\")")), "{name}: is it to be run?");
    }
}

#[test]
fn lines_match_around_what_is_left_out() {
    let matches = |expected: &[&str], printed: &[&str]| {
        crate::matches(&expected.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>(), printed)
    };
    assert!(matches(&["a", "...", "d"], &["a", "b", "c", "d"]) && matches(&["..."], &[]));
    assert!(
        !matches(&["a", "...", "d"], &["a", "b"]) && !matches(&["a"], &["a", "b"]) && !matches(&[], &["a"])
    );
}
