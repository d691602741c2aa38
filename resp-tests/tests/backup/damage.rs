//! Objects that are gone, cut off, changed, or of another backup are named, and no node starts with a part of the data.

use std::fs;
use std::path::{Path, PathBuf};

use resp_tests::server::{Program, Server};
use resp_tests::support::{admin, eventually};

use super::stage::{Store, fill, flotilla, said, start};

fn files(store: &Store, below: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![store.home.path().join(below)];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { left.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// Restores, which must fail and name `object`; and what it has begun must not become a node.
fn refused(store: &Store, object: &Path, what: &str) {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let name = object.file_name().unwrap().to_string_lossy().into_owned();
    let told = flotilla(&["restore", "--from", store.url(), "--data-dir", data.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&told.stderr).into_owned();
    // Of entries that are gone nothing says in which object they were.
    let is_gap = what == "gone" && text.contains("the archive lacks the entries behind revision");
    let is_named = is_gap || text.contains(name.trim_end_matches(".manifest"));
    assert!(!told.status.success() && is_named, "{what} {name}: {told:?}");
    let checked = flotilla(&["backup", "verify", "--from", store.url()]);
    assert!(!checked.status.success(), "{what} {name}: {checked:?}");
    if data.join("IDENTITY").exists() {
        let mut server = Server::spawn(&Program::product(), &[]).unwrap();
        server.wait_until_ready().unwrap();
        server.stop(resp_tests::server::Stop::Terminate).unwrap();
        fs::remove_dir_all(server.data()).unwrap();
        fs::rename(&data, server.data()).unwrap();
        let error = server.start_again().unwrap_err().to_string();
        assert!(error.contains("did not end"), "{what} {name}: {error}");
    }
}

#[test]
fn objects_that_are_not_what_was_written_are_refused_by_name() {
    let store = Store::new();
    let node = start(&store, &["--archive-interval", "1"]);
    fill(&node, 0..2000);
    said(&admin(&node, &["backup"]));
    // The last part of the archive may be missing: nobody knows that there was one.
    for round in 0..3_u64 {
        fill(&node, 2000 + round * 50..2050 + round * 50);
        let parts = files(&store, "log").len();
        eventually("another part is archived", || files(&store, "log").len() > parts);
    }
    drop(node);
    let largest = |below: &str| {
        files(&store, below).into_iter().max_by_key(|path| path.metadata().unwrap().len()).unwrap()
    };
    let first_part = files(&store, "log").remove(0);
    for object in [largest("files"), first_part, largest("backups")] {
        let whole = fs::read(&object).unwrap();
        fs::write(&object, &whole[..whole.len() / 2]).unwrap();
        refused(&store, &object, "cut");
        let mut changed = whole.clone();
        let at = changed.len() / 2;
        changed[at] ^= 1;
        fs::write(&object, &changed).unwrap();
        refused(&store, &object, "changed");
        // Without its manifest there is no backup.
        if object.extension().is_none_or(|extension| extension != "manifest") {
            fs::remove_file(&object).unwrap();
            refused(&store, &object, "gone");
        }
        fs::write(&object, &whole).unwrap();
        said(&flotilla(&["backup", "verify", "--from", store.url()]));
    }
    // Another backup's file under this one's name.
    let tables = files(&store, "files");
    let [one, other, ..] = &tables[..] else { panic!("{tables:?}") };
    let whole = fs::read(one).unwrap();
    fs::copy(other, one).unwrap();
    refused(&store, one, "foreign");
    fs::write(one, whole).unwrap();
    said(&flotilla(&["backup", "verify", "--from", store.url()]));
}
