//! The files of a release, made by `.build/release.sh` of the program under test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use resp_tests::server::Program;
use serde_json::Value;

use crate::run;

/// Made once, by the first test that asks; removed by nobody else's hand than the next run's.
fn release() -> &'static Path {
    static RELEASE: OnceLock<PathBuf> = OnceLock::new();
    RELEASE.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let place = std::env::temp_dir().join(format!("flotilla-release-{}", std::process::id()));
        let mut make = Command::new(root.join(".build/release.sh"));
        make.env("FLOTILLA_BIN", fs::canonicalize(Program::product().path).unwrap());
        make.envs([("RELEASE_FAST", "yes"), ("SOURCE_DATE_EPOCH", "1764490500")]).env("RELEASE_DIR", &place);
        println!("{}", run(&mut make));
        place
    })
}

/// The file with this end of its name.
fn file(end: &str) -> PathBuf {
    let names = fs::read_dir(release()).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = names.filter(|path| path.to_str().unwrap().ends_with(end)).collect();
    assert_eq!(found.len(), 1, "{end}: {found:?}");
    found.remove(0)
}

fn column(listing: &str, column: usize) -> Vec<&str> {
    listing.lines().filter_map(|line| line.split_whitespace().nth(column)).collect()
}

#[test]
fn the_release_is_whole_and_its_sums_are_right() {
    run(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(release()));
    let sums = fs::read_to_string(file("SHA256SUMS")).unwrap();
    assert_eq!(column(&sums, 1).len(), fs::read_dir(release()).unwrap().count() - 1, "{sums}");
    let listing = run(Command::new("tar").arg("tzf").arg(file(".tar.gz")));
    for name in [
        "bin/flotilla",
        "man1/flotilla-admin-status.1",
        "completions/_flotilla",
        "flotilla.service",
        "LICENSE",
    ] {
        assert!(listing.lines().any(|line| line.ends_with(name)), "the tarball has no {name}: {listing}");
    }
    let listing = run(Command::new("dpkg-deb").arg("-c").arg(file(".deb")));
    let names = column(&listing, 5);
    for name in [
        "./usr/bin/flotilla",
        "./etc/flotilla/flotilla.toml",
        "./usr/share/man/man1/flotilla.1.gz",
        "./usr/share/man/man1/flotilla-admin-hand-over.1.gz",
        "./usr/share/bash-completion/completions/flotilla",
        "./usr/share/zsh/vendor-completions/_flotilla",
        "./usr/share/fish/vendor_completions.d/flotilla.fish",
        "./usr/lib/sysusers.d/flotilla.conf",
        "./usr/share/doc/flotilla/copyright",
    ] {
        assert!(names.contains(&name), "the package has no {name}: {listing}");
    }
    assert!(names.iter().any(|name| name.ends_with("/systemd/system/flotilla.service")), "{listing}");
    assert!(!listing.contains("/home/") && !names.iter().any(|name| name.starts_with("./var")), "{listing}");
    let depends = run(Command::new("dpkg-deb").arg("-f").arg(file(".deb")).arg("Depends"));
    for name in ["libc6 (>=", "libstdc++6", "debconf", "systemd"] {
        assert!(depends.contains(name), "{depends}");
    }
}

#[test]
fn the_bill_of_materials_has_what_the_lock_file_has() {
    let bill: Value = serde_json::from_slice(&fs::read(file(".cdx.json")).unwrap()).unwrap();
    assert_eq!((bill["bomFormat"].as_str(), bill["specVersion"].as_str()), (Some("CycloneDX"), Some("1.5")));
    let lock = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock")).unwrap();
    let components = bill["components"].as_array().unwrap();
    assert!(components.len() > 150, "{}", components.len());
    for part in components {
        let (name, version) = (part["name"].as_str().unwrap(), part["version"].as_str().unwrap());
        assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n")), "{name} {version}");
        assert!(part["purl"].as_str().unwrap().starts_with("pkg:cargo/"), "{part}");
        let licences = part["licenses"].as_array().map_or(0, Vec::len);
        assert!(licences > 0, "{name} has no licence");
    }
    for name in ["openraft", "rocksdb", "tokio-rustls"] {
        assert!(components.iter().any(|part| part["name"] == name), "{name}");
    }
}

#[test]
fn lintian_finds_no_error() {
    let said = run(Command::new("lintian")
        .args(["--allow-root", "--fail-on", "error", "--tag-display-limit", "0"])
        .arg(file(".deb")));
    println!("{said}");
}

#[test]
fn the_package_installs_serves_upgrades_and_purges() {
    let place = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packages/install.sh");
    let mut trial = Command::new("unshare");
    trial.args([
        "--mount",
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
        "--propagation",
        "private",
        "--",
        "sh",
    ]);
    let said = run(trial.arg(script).arg(place.path()).arg(file(".deb")));
    println!("{said}");
    assert!(said.trim_end().ends_with("ok: purging deletes the data if it was told so"), "{said}");
}
