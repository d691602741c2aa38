//! The builds that take part: this one, and one of a later feature level, which can be told to forget to ask for it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use resp_tests::server::Program;

/// The tests that need it share one.
static LATER: OnceLock<PathBuf> = OnceLock::new();

/// `FLOTILLA_LATER_BIN`, else it is made, beside the build of this test.
fn made() -> PathBuf {
    if let Some(path) = env::var_os("FLOTILLA_LATER_BIN") {
        return PathBuf::from(path);
    }
    let test = env::current_exe().unwrap();
    // <target>/<profile>/deps/<test>
    let target = test.ancestors().nth(3).unwrap().join("later");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .current_dir(root)
        .args(["build", "--locked", "--workspace", "--bin", "flotilla", "--features", "flotilla/next-level"])
        .arg("--target-dir")
        .arg(&target)
        .status()
        .unwrap();
    assert!(built.success(), "the build of a later level failed");
    target.join("debug/flotilla")
}

/// This build.
pub fn current() -> Program {
    Program::product()
}

/// A later feature level: the command NEXTLEVEL, and SADD stores members in lower case.
pub fn later() -> Program {
    Program { path: LATER.get_or_init(made).clone(), ..Program::product() }
}

/// As `later`, but SADD does so whatever level is active.
pub fn ungated() -> Program {
    Program { variables: vec![("FLOTILLA_FORGETS_LEVEL".to_owned(), "yes".to_owned())], ..later() }
}
