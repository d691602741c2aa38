//! Names and words that were given up for the field's stay out of the source, its comments and texts, and the pages. The glossary
//! in `src/docs` has the words that remain.

use std::{collections::BTreeSet, fs, path::Path};

/// Identifiers that were given up for a word of the field, and that word.
const RETIRED: [(&str, &str); 35] = [
    ("Acquaintance", "PeerStatusPoller"),
    ("AGAIN", "RETRY_INTERVAL"),
    ("AGAIN_MAX", "RETRY_INTERVAL_MAX"),
    ("AGAIN_MIN", "RETRY_INTERVAL_MIN"),
    ("Astray", "ProposalError"),
    ("check_fit", "check_consistency"),
    ("EdgeStatus", "EdgeState"),
    ("Face", "NodeEndpoint"),
    ("faces", "endpoints"),
    ("Fan", "CallbackResponder"),
    ("flotilla_edge_seeds", "flotilla_edge_bootstraps"),
    ("flotilla_seeds", "flotilla_bootstraps"),
    ("Flight", "InFlight"),
    ("Flights", "InFlightProposals"),
    ("hear_site", "observe_site"),
    ("is_line", "is_multiplexed"),
    ("is_seed", "is_bootstrap"),
    ("LogHandle", "GroupHandle"),
    ("LogStatus", "ReplicationState"),
    ("NeedsSeed", "NeedsBootstrap"),
    ("Progress", "ReplicationState"),
    ("Seat", "FeedSlot"),
    ("Seed", "BootstrapSnapshot"),
    ("seed_bytes_per_second", "bootstrap_bytes_per_second"),
    ("SeedOffer", "BootstrapOffer"),
    ("Seeds", "BootstrapSource"),
    ("settle_joint", "leave_joint"),
    ("SiteSeeds", "BootstrapSnapshots"),
    ("SiteWord", "SiteHeartbeat"),
    ("Steward", "MembershipController"),
    ("Stranger", "BootstrapService"),
    ("SumAnswer", "ChecksumAnswer"),
    ("Sums", "StateChecksums"),
    ("take_off", "acquire"),
    ("Word", "CommitHeartbeat"),
];

/// Words that were given up in comments, log lines, errors, help texts and pages, and the word to use.
const RETIRED_WORDS: [(&str, &str); 20] = [
    ("acquaintance", "peer status poller"),
    ("astray", "proposal error"),
    ("happening", "change event"),
    ("happenings", "change events"),
    ("place in the log", "log position"),
    ("place of the log", "log position"),
    ("places of the log", "log positions"),
    ("seeding", "bootstrapping"),
    ("settle", "drain, await or leave"),
    ("settled", "drained, agreed or left"),
    ("settles", "drains, agrees or leaves"),
    ("steward", "membership controller"),
    ("stranger", "bootstrap service, new node"),
    ("walk", "scan, iterate"),
    ("walked", "scanned"),
    ("walking", "scanning"),
    ("walks", "scans"),
    ("whole copies", "bootstrap snapshots"),
    ("whole copy", "bootstrap snapshot"),
    ("witness", "keyspace notifier"),
];

/// Retired identifiers in a text, each with its successor.
fn retired_in(text: &str) -> Vec<(&'static str, &'static str)> {
    let identifiers = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let identifiers: BTreeSet<&str> = identifiers.collect();
    RETIRED.into_iter().filter(|(name, _)| identifiers.contains(name)).collect()
}

/// Retired words in a text, each with its successor. Case, line ends and comment signs do not matter.
fn retired_words_in(text: &str) -> Vec<(&'static str, &'static str)> {
    let text = text.to_lowercase();
    let words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let text = format!(" {} ", words.join(" "));
    RETIRED_WORDS.into_iter().filter(|(word, _)| text.contains(&format!(" {word} "))).collect()
}

/// Whether a file is test code, whose prose is free.
fn is_test(path: &Path) -> bool {
    path.ends_with("tests.rs") || path.iter().any(|part| part == "tests")
}

/// Calls `visit` with every file below a directory that has this extension.
fn look(directory: &Path, extension: &str, visit: &mut impl FnMut(&Path, &str)) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            look(&path, extension, visit);
        } else if path.extension().is_some_and(|found| found == extension) {
            visit(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn retired_names_stay_out() {
    let (mut found, mut files) = (Vec::new(), 0);
    look(&root().join("src"), "rs", &mut |path, text| {
        files += 1;
        let names = if path.ends_with("tests/retired.rs") { Vec::new() } else { retired_in(text) };
        found.extend(names.iter().map(|(name, word)| format!("{}: {name}: say {word}", path.display())));
    });
    assert!(files > 100, "only {files} files found");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn retired_words_stay_out_of_comments_texts_and_pages() {
    let (mut found, mut files) = (Vec::new(), 0);
    let mut check = |path: &Path, text: &str| {
        files += 1;
        let words = retired_words_in(text);
        found.extend(words.iter().map(|(word, now)| format!("{}: '{word}': say {now}", path.display())));
    };
    look(&root().join("src"), "rs", &mut |path, text| {
        if !is_test(path) {
            check(path, text);
        }
    });
    // The glossary lists them.
    look(&root().join("src/docs"), "md", &mut |path, text| {
        if !path.ends_with("glossary.md") {
            check(path, text);
        }
    });
    for page in ["README.md", "SECURITY.md", "CHANGELOG.md", "helm/README.md"] {
        check(&root().join(page), &fs::read_to_string(root().join(page)).unwrap());
    }
    assert!(files > 400, "only {files} files found");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_retired_name_is_found_and_one_that_only_contains_it_is_not() {
    assert_eq!(retired_in("let it = Steward::new();"), [("Steward", "MembershipController")]);
    assert_eq!(retired_in("stewardship(TRY_AGAIN)"), []);
}

#[test]
fn a_retired_word_is_found_across_lines_and_inside_texts() {
    assert_eq!(
        retired_words_in("/// At one place of\n    /// the log.\nlet text = \"it Walks\";"),
        [("place of the log", "log position"), ("walks", "scans")]
    );
    assert_eq!(retired_words_in("walkway, in the place of another"), []);
}
