//! Names that were given up for the field's words stay out of the source. The glossary in `src/docs` has the words that remain.

use std::{collections::BTreeSet, fs, path::Path};

/// Names that were given up for a word of the field, and that word. Identifiers only: prose may say what it likes.
const RETIRED: [(&str, &str); 31] = [
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
    ("SeedOffer", "BootstrapOffer"),
    ("Seeds", "BootstrapSource"),
    ("SiteSeeds", "BootstrapSnapshots"),
    ("SiteWord", "SiteHeartbeat"),
    ("Steward", "MembershipController"),
    ("Stranger", "BootstrapService"),
    ("SumAnswer", "ChecksumAnswer"),
    ("Sums", "StateChecksums"),
    ("take_off", "acquire"),
    ("Word", "CommitHeartbeat"),
];

/// Retired names in a text, each with the word that took its place.
fn retired_in(text: &str) -> Vec<(&'static str, &'static str)> {
    let identifiers = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let identifiers: BTreeSet<&str> = identifiers.collect();
    RETIRED.into_iter().filter(|(name, _)| identifiers.contains(name)).collect()
}

fn look(directory: &Path, found: &mut Vec<String>, files: &mut usize) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            look(&path, found, files);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !path.ends_with("tests/retired.rs")
        {
            *files += 1;
            let names = retired_in(&fs::read_to_string(&path).unwrap());
            found.extend(names.iter().map(|(name, word)| format!("{}: {name}: say {word}", path.display())));
        }
    }
}

#[test]
fn retired_names_stay_out() {
    let (mut found, mut files) = (Vec::new(), 0);
    look(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found, &mut files);
    assert!(files > 100, "only {files} files found");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_retired_name_is_found_and_one_that_only_contains_it_is_not() {
    assert_eq!(retired_in("let it = Steward::new();"), [("Steward", "MembershipController")]);
    assert_eq!(retired_in("stewardship(TRY_AGAIN)"), []);
}
