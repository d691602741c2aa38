//! What .build/test-deps.sh has installed for the tests: client libraries and the programs that they need.

use std::env;
use std::path::{Path, PathBuf};

/// Said where something is missing.
pub const HOW_TO_INSTALL: &str =
    "`make test` installs what tests with client libraries need; .build/test-deps.sh does that alone";

/// Where it lies: `FLOTILLA_TEST_DEPS`, or target/test-deps of this clone.
pub fn test_deps() -> PathBuf {
    env::var_os("FLOTILLA_TEST_DEPS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-deps"), PathBuf::from)
}

/// An installed file. What is missing is a failure: a test that is skipped proves nothing.
pub fn installed(name: &str) -> PathBuf {
    let path = test_deps().join(name);
    assert!(path.exists(), "{} is missing. {HOW_TO_INSTALL}", path.display());
    path
}
