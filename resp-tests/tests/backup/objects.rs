//! An object store in place of a directory, one that goes away, and objects that are encrypted.

use std::fs;
use std::time::Duration;

use resp_tests::server::{Server, Stop};
use resp_tests::support::{admin, call, eventually, eventually_within, ok};

use super::providers::{BUCKET, Moto, flotilla_with, program_with};
use super::stage::{Store, dumps, fill, fill_large, flotilla, keeps, said, start, start_on, status};

const BACK_MAX: Duration = Duration::from_secs(90);

#[test]
fn backups_in_s3_come_back_and_writes_go_on_while_it_is_away() {
    let mut s3 = Moto::start();
    let url = format!("s3://{BUCKET}/some/where");
    let variables = s3.as_amazon();
    let program = program_with(&variables);
    let args =
        ["--backup-to", &url, "--archive-interval", "1", "--memtable-bytes", "16mb"].map(str::to_owned);
    let node = Server::start(&program, &args).unwrap();
    fill(&node, 0..1000);
    fill_large(&node);
    let mut connection = node.connect().unwrap();
    let told = said(&admin(&node, &["backup"]));
    assert!(told.contains("were sent"), "{told}");
    assert!(
        !node.has_said("secret-of-the-tests") && !status(&node).to_string().contains("secret-of-the-tests")
    );
    fill(&node, 1000..1100);
    eventually("entries are archived", || {
        let status = status(&node);
        status["archived_revision"].as_u64() > status["last"]["revision"].as_u64()
    });
    let verified = said(&flotilla_with(&variables, &["backup", "verify", "--from", &url]));
    assert!(verified.contains("is sound"), "{verified}");
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    // Archived or not: what was written last may be missing.
    let args = ["restore", "--from", &url, "--data-dir", data.to_str().unwrap(), "--to-backup"];
    said(&flotilla_with(&variables, &args));
    let restored = dumps(&start_on(&data, &[]));
    assert_eq!(restored.len(), 1030);
    let now = dumps(&node);
    assert!(restored.iter().all(|(key, value)| now.get(key) == Some(value)));

    s3.kill();
    for key in 0..500 {
        assert_eq!(call(&mut connection, &["SET", &format!("away:{key}"), "v"]), ok());
    }
    eventually_within("it says that the store is away", BACK_MAX, || {
        !status(&node)["archive_error"].is_null()
    });
    assert_eq!(call(&mut connection, &["SET", "away", "v"]), ok());
    // It comes back empty, as a bucket that was lost.
    s3.start_again();
    eventually_within("a backup is taken again", BACK_MAX, || admin(&node, &["backup"]).status.success());
    let verified = said(&flotilla_with(&variables, &["backup", "verify", "--from", &url]));
    assert!(verified.contains("is sound"), "{verified}");
}

#[test]
fn encrypted_backups_need_their_key_and_show_nothing() {
    let store = Store::new();
    let (key, other) = (store.home.path().join("key"), store.home.path().join("other-key"));
    fs::write(&key, "5a".repeat(32)).unwrap();
    fs::write(&other, "a5".repeat(32)).unwrap();
    let (key, other) = (key.to_str().unwrap(), other.to_str().unwrap());
    let mut node = start(&store, &["--backup-key-file", key, "--archive-interval", "1"]);
    let mut connection = node.connect().unwrap();
    let secret = "what nobody may read ".repeat(100);
    for at in 0..50 {
        assert_eq!(call(&mut connection, &["SET", &format!("secret:{at}"), &secret]), ok());
    }
    said(&admin(&node, &["backup"]));
    assert_eq!(call(&mut connection, &["SET", "secret:archived", &secret]), ok());
    eventually("it is archived", || {
        let status = status(&node);
        status["archived_revision"].as_u64() > status["last"]["revision"].as_u64()
    });
    let then = dumps(&node);
    node.stop(Stop::Terminate).unwrap();
    let mut left = vec![store.home.path().to_owned()];
    let mut objects = 0;
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some() || path.to_string_lossy().contains("/log/") {
                let bytes = fs::read(&path).unwrap();
                objects += 1;
                for word in [&b"nobody may"[..], b"secret:", b"history_id"] {
                    assert!(!bytes.windows(word.len()).any(|part| part == word), "{}", path.display());
                }
            }
        }
    }
    assert!(objects > 3);
    for (with, why) in
        [(&[][..], "is encrypted"), (&["--key-file", other][..], "not encrypted with this key")]
    {
        let refused = flotilla(&[&["backup", "verify", "--from", store.url()], with].concat());
        assert!(!refused.status.success() && keeps(&refused, why), "{refused:?}");
    }
    let data = store.home.path().join("restored");
    said(&flotilla(&[
        "restore",
        "--from",
        store.url(),
        "--key-file",
        key,
        "--data-dir",
        data.to_str().unwrap(),
    ]));
    assert_eq!(dumps(&start_on(&data, &[])), then);
}
