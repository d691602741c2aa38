//! The builds that take part: this one, one of a later feature level, and one of that level that forgets to ask for it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use resp_tests::server::Program;

/// One at a time: they share what they are built from.
static BUILDING: Mutex<()> = Mutex::new(());

/// A build of the product with a feature: `<VARIABLE>` names it, else it is made, beside the build of this test.
fn with(feature: &str, variable: &str) -> Program {
    if let Some(path) = env::var_os(variable) {
        return Program { path: PathBuf::from(path), ..Program::product() };
    }
    let _one = BUILDING.lock().unwrap();
    let test = env::current_exe().unwrap();
    // <target>/<profile>/deps/<test>
    let target = test.ancestors().nth(3).unwrap().join("later");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .current_dir(root)
        .args([
            "build",
            "--locked",
            "--workspace",
            "--bin",
            "flotilla",
            "--features",
            &format!("flotilla/{feature}"),
        ])
        .arg("--target-dir")
        .arg(&target)
        .status()
        .unwrap();
    assert!(built.success(), "the build with {feature} failed");
    let path = target.join(format!("flotilla-{feature}"));
    // Replaced, not written over: a test may be running it.
    let fresh = target.join(format!("flotilla-{feature}.new"));
    fs::copy(target.join("debug/flotilla"), &fresh).unwrap();
    fs::rename(&fresh, &path).unwrap();
    Program { path, ..Program::product() }
}

/// This build.
pub fn current() -> Program {
    Program::product()
}

/// A later feature level: the command NEXTLEVEL, and SADD stores members in lower case.
pub fn later() -> Program {
    with("next-level", "FLOTILLA_LATER_BIN")
}

/// As `later`, but SADD does so whatever level is active.
pub fn ungated() -> Program {
    with("next-level-ungated", "FLOTILLA_UNGATED_BIN")
}
