//! What pages and scripts must have.

use super::{cli::whole, pages};
use clap::Command;
use clap_complete::{Shell, generate};
use std::{collections::BTreeSet, fs, path::Path};

/// Pages that must be there, with the words that must be on them.
fn wanted(program: &Command, found: &mut Vec<(String, Vec<String>)>) {
    let options = program.get_arguments().filter(|arg| !arg.is_hide_set()).filter_map(|arg| arg.get_long());
    let subs: Vec<&Command> = program.get_subcommands().filter(|sub| !sub.is_hide_set()).collect();
    let words = options
        .map(|long| format!("--{long}"))
        .chain(subs.iter().map(|sub| format!("{}(1)", pages::name_of(sub))))
        .chain(program.get_about().map(ToString::to_string))
        .collect();
    found.push((format!("{}.1", pages::name_of(program)), words));
    subs.into_iter().for_each(|sub| wanted(sub, found));
}

/// As a reader sees it: without what keeps hyphens and points from meaning something, and without changes of font.
fn plain(page: &str) -> String {
    ["\\fB", "\\fR", "\\fI"]
        .iter()
        .fold(page.replace("\\-", "-").replace("\\*(Aq", "'"), |text, font| text.replace(font, ""))
}

fn names(directory: &Path) -> BTreeSet<String> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_subcommand_has_a_page_and_every_option_is_on_it() {
    let directory = tempfile::tempdir().unwrap();
    pages::write(whole(), directory.path(), Some("2026-11-30")).unwrap();
    let mut program = whole().disable_help_subcommand(true);
    program.build();
    let mut expected = Vec::new();
    wanted(&program, &mut expected);
    assert!(expected.len() > 30, "{} pages", expected.len());
    for (name, words) in &expected {
        let page = plain(
            &fs::read_to_string(directory.path().join(name))
                .unwrap_or_else(|error| panic!("{name}: {error}")),
        );
        let missing: Vec<&String> = words.iter().filter(|word| !page.contains(*word)).collect();
        assert!(missing.is_empty(), "{name}: {missing:?}");
        assert!(page.contains("2026-11-30"), "{name}");
    }
    let expected: BTreeSet<String> = expected.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names(directory.path()), expected);
}

/// What is said of subcommands in one place is a stub for --help; in the whole none is left.
#[test]
fn the_whole_has_the_subcommands_with_their_arguments() {
    let whole = whole();
    whole.clone().debug_assert();
    for sub in whole.get_subcommands() {
        assert!(
            sub.get_arguments().next().is_some() || sub.get_subcommands().next().is_some(),
            "{}",
            sub.get_name()
        );
    }
}

#[test]
fn scripts_know_subcommands_and_options() {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let mut script = Vec::new();
        generate(shell, &mut whole(), "flotilla", &mut script);
        let script = String::from_utf8(script).unwrap();
        for word in ["transfer-leader", "retry-for", "hot-cache-bytes", "to-revision"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
}

#[test]
fn the_date_is_that_of_the_source() {
    assert_eq!(pages::day("1764490500").as_deref(), Some("2025-11-30"));
    assert_eq!(pages::day("0").as_deref(), Some("1970-01-01"));
    for text in ["", "-1", "yesterday", "253402300800", "99999999999999999999"] {
        assert_eq!(pages::day(text), None, "{text}");
    }
}
